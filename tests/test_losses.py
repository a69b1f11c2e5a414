import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musclegym.body import load_body
from musclegym.motion import load_motion
from musclegym.motion.features import Pose, StateLayout
from musclegym.pretrain.chains import ChainConfig
from musclegym.pretrain.draws import Draw
from musclegym.pretrain.joint_places import JointPlaces
from musclegym.pretrain.losses import LossWeights, NextStateObjective, ObjectiveConfig
from musclegym.pretrain.mlp import MotionMLP, MotionMLPConfig
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig
from musclegym.pretrain.next_state import NextStateModel
from musclegym.pretrain.unrolled import RolloutErrors, UnrollConfig, joint_distance, unroll
from musclegym.pretrain.windows import Windows, states_of
from tests.libraries import clip_of, library_of, swinging

BODY = load_body("human")
LAYOUT = StateLayout.of(BODY.skeleton)
N = LAYOUT.n_dofs
FPS = 30.0
SMALL = MotionNNConfig(width=32, depth=2, heads=2, window=6)


def windows_in(folder: Path, batch: int, length: int = 7, longest: int = 60) -> Windows:
    """Windows of a library of two swinging bodies."""
    clips = [clip_of(swinging(BODY, frames, seed)) for seed, frames in enumerate((longest, 40))]
    return Windows(library_of(folder / "library", BODY, clips).windows(length, batch, split=None))


def untrained(seed: int = 0) -> MotionNN:
    """A network whose outputs are not zero, as if it had learned something."""
    return stirred(MotionNN(LAYOUT, SMALL, FPS), seed)


def stirred(model: NextStateModel, seed: int = 0) -> Any:
    """The model with random weights."""
    torch.manual_seed(seed)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model.change_scale.fill_(0.01)
    return model


def poses_of(states: np.ndarray) -> Pose:
    """States (frame, 2 dof) as poses (1, frame) of doubles."""
    return LAYOUT.pose(torch.as_tensor(states)[None])


def errors(change: float = 1.0) -> RolloutErrors:
    return RolloutErrors(LAYOUT, BODY.skeleton, torch.full((2 * N,), change), FPS).double()


def all_of(frames: int) -> torch.Tensor:
    """Every frame of one rollout has a truth."""
    return torch.ones((1, frames), dtype=torch.bool)


# --- Forward kinematics


def test_joints_are_where_the_body_says():
    states = np.random.default_rng(0).normal(0.0, 0.7, (4, 3, 2 * N))
    places = JointPlaces(BODY.skeleton).double()(LAYOUT.pose(torch.as_tensor(states)))
    expected = BODY.joint_positions(states[..., :N].reshape(-1, N)).reshape(4, 3, -1, 3)
    np.testing.assert_allclose(places, expected, atol=1e-6)  # its constants are float32


def test_joints_follow_the_pose_by_their_gradient():
    places = JointPlaces(BODY.skeleton).double()
    states = torch.as_tensor(swinging(BODY, 2)).requires_grad_()
    weight = torch.randn(2, BODY.skeleton.n_bodies, 3, generator=torch.Generator().manual_seed(0))
    torch.autograd.gradcheck(lambda s: (places(LAYOUT.pose(s)) * weight).sum(), states)


# --- Errors of rollouts


def test_perfect_rollout_has_no_error():
    pose = poses_of(swinging(BODY, 9))
    start, true = pose.at((slice(None), 0)), pose.at((slice(None), slice(1, None)))
    terms = errors()(start, true, true, torch.ones(8), all_of(8))
    assert terms["joints"] == pytest.approx(0.0, abs=1e-4)
    assert terms["joints_local"] == pytest.approx(0.0, abs=1e-4)
    assert terms["rollout_velocity"] == 0.0


def test_body_that_is_beside_its_place_by_as_much_as_joints_move_scores_one():
    true = poses_of(swinging(BODY, 3))
    beside = true._replace(displacement=true.displacement + torch.tensor([0.3, 0.0, 0.4]))
    terms = errors()(true.at((slice(None), 0)), beside, true, torch.full((3,), 0.5), all_of(3))
    assert terms["joints"] == pytest.approx(1.0)
    assert terms["joints_local"] == pytest.approx(0.0, abs=1e-4)


def test_velocities_are_measured_in_changes_of_a_frame():
    true = poses_of(swinging(BODY, 3))
    faster = true._replace(velocity=true.velocity + 1.5)
    terms = errors(change=0.5)(true.at((slice(None), 0)), faster, true, torch.ones(3), all_of(3))
    assert terms["rollout_velocity"] == pytest.approx(9.0)


def test_frames_after_the_end_of_a_clip_do_not_count():
    true = poses_of(swinging(BODY, 4))
    pair = Pose(*(torch.cat([part, part]) for part in true))
    away = torch.tensor([0.3, 0.3, 9.0, 9.0, 0.6, 0.6, 0.6, 0.6]).view(2, 4, 1) * torch.tensor(
        [1.0, 0.0, 0.0]
    )
    known = torch.tensor([[True, True, False, False], [True, True, True, True]])
    beside = pair._replace(displacement=pair.displacement + away)
    terms = errors()(pair.at((slice(None), 0)), beside, pair, torch.ones(4), known)
    assert terms["joints"] == pytest.approx(0.5 * (0.3 + 0.6))


def test_distance_of_joints_is_a_mean_with_a_gradient_everywhere():
    first = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    distance = joint_distance(first, torch.zeros(2, 3))
    assert distance.item() == pytest.approx(2.5, abs=1e-4)
    (gradient,) = torch.autograd.grad(distance, first)
    assert torch.isfinite(gradient).all()


def standing(frames: int) -> torch.Tensor:
    """Paths (1, frame, body, 3) of the joints of a body that stands upright."""
    return torch.as_tensor(BODY.joint_positions(np.zeros((frames, N))))[None]


def test_planted_feet_have_no_foot_loss():
    path = standing(5)
    assert errors().foot_speed(path, path).mean().item() == pytest.approx(0.0, abs=1e-6)


def test_foot_that_slides_where_it_should_stand_pays_its_squared_speed():
    slides, true = standing(5), standing(5)
    slides = slides + 0.01 * torch.arange(5).view(1, 5, 1, 1) * torch.tensor([1.0, 0.0, 0.0])
    assert errors().foot_speed(slides, true).mean() == pytest.approx((0.01 * FPS) ** 2)
    lifted = true + torch.tensor([0.0, 0.1, 0.0])
    assert errors().foot_speed(slides + torch.tensor([0.0, 0.1, 0.0]), lifted).mean() == 0.0  # in the air
    runs = true + 0.1 * torch.arange(5).view(1, 5, 1, 1)
    assert errors().foot_speed(runs, runs).mean() == 0.0  # a foot that moves in the true motion


def test_feet_of_the_embedded_walk_stand_half_of_the_time_and_hardly_slide():
    walk = load_motion("walk", BODY, FPS)
    joints = torch.as_tensor(BODY.joint_positions(states_of(walk)[:, :N]))[None]
    measure = errors()
    own = float(measure.foot_speed(joints, joints).mean())
    still = joints[:, :1] + 1.0 * torch.arange(joints.shape[1]).view(1, -1, 1, 1) / FPS
    assert 0.0 < own < 0.02
    assert float(measure.foot_speed(still, joints).mean()) == pytest.approx(3.0 * 0.5, rel=0.3)


# --- Rollouts with gradients


def test_unrolled_poses_are_those_of_windows_that_grow():
    model = untrained()
    pose = LAYOUT.pose(torch.as_tensor(swinging(BODY, 3), dtype=torch.float32)[None])
    unrolled = unroll(model, pose, 3)
    for frame in range(3):
        expected, predicted = model(pose), unrolled.at((slice(None), slice(frame, frame + 1)))
        assert LAYOUT.difference(expected, predicted).abs().max() < 1e-5
        pose = Pose(*(torch.cat([a, b], dim=1) for a, b in zip(pose, predicted, strict=True)))


def test_gradient_of_a_rollout_is_that_of_finite_differences():
    model = untrained().double()
    pose = poses_of(swinging(BODY, 12))
    window, true = pose.at((slice(None), slice(6))), pose.at((slice(None), slice(6, None)))
    weight = model.head.bias

    def loss() -> torch.Tensor:
        predicted = unroll(model, window, 6)
        terms = errors()(window.at((slice(None), -1)), predicted, true, torch.ones(6), all_of(6))
        return torch.stack(list(terms.values())).sum()

    (gradient,) = torch.autograd.grad(loss(), weight)
    direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)).double()
    values = []
    for step in (1e-4, -1e-4):
        with torch.no_grad():
            weight += step * direction
            values.append(loss())
            weight -= step * direction
    assert (gradient * direction).sum() == pytest.approx(float(values[0] - values[1]) / 2e-4, rel=1e-4)


def test_a_share_of_the_gradient_passes_from_frame_to_frame():
    model = untrained().double()
    window = poses_of(swinging(BODY, 6))

    def of_frame(frame: int, passing: float) -> torch.Tensor:
        seen = window._replace(velocity=window.velocity.clone().requires_grad_())
        place = unroll(model, seen, 4, passing).at((0, frame)).displacement[2]
        return torch.autograd.grad(place, seen.velocity)[0][0, -1, 5]

    whole = [of_frame(frame, 1.0) for frame in range(4)]
    alone = [of_frame(frame, 0.0) for frame in range(4)]
    assert alone[0] == whole[0]
    assert all(abs(one) < 0.2 * abs(all_) for one, all_ in zip(alone[1:], whole[1:], strict=True))
    for frame in (1, 2, 3):
        assert whole[frame] > of_frame(frame, 0.9) > of_frame(frame, 0.5) > alone[frame]


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch's own, while it compiles
@pytest.mark.parametrize(
    "build", [lambda: MotionNN(LAYOUT, SMALL, FPS), lambda: MotionMLP(LAYOUT, MotionMLPConfig(window=6), FPS)]
)
def test_the_step_of_a_rollout_is_one_graph_and_compiled_computes_the_same(build):
    plain, compiled = stirred(build()).double(), stirred(build()).double()
    compiled.compile(dynamic=False, fullgraph=True, backend="eager")
    window = poses_of(swinging(BODY, 6))
    expected, reached = (unroll(model, window, 4) for model in (plain, compiled))
    assert LAYOUT.difference(expected, reached).abs().max() == 0.0


def test_rollouts_double_up_to_the_middle_of_the_training():
    config = UnrollConfig(longest=16)
    assert [config.frames(progress) for progress in (0.0, 0.13, 0.26, 0.38, 0.5, 1.0)] == [1, 2, 4, 8, 16, 16]
    assert UnrollConfig(longest=1).frames(1.0) == 1
    assert [UnrollConfig(longest=60, shortest=20).frames(x) for x in (0.0, 0.26, 0.5)] == [20, 40, 60]
    assert UnrollConfig(longest=60, shortest=60).frames(0.0) == 60
    assert UnrollConfig(longest=60).frames(1.0) == 60


# --- The objective


def objective_on(windows: Windows, batch: int, **settings) -> NextStateObjective:
    config = ObjectiveConfig(
        batch=batch, chains=ChainConfig(pool=2 * batch), unroll=UnrollConfig(2, 4, batch), **settings
    )
    return NextStateObjective(windows, config)


def measured(objective: NextStateObjective, model: MotionNN) -> dict[str, float]:
    """The terms of the first batch."""
    with torch.no_grad():
        terms = objective(model, Draw())
    return {name: float(term) for name, term in terms.items()}


def test_every_term_has_a_weight_and_every_weight_a_term(tmp_path):
    objective = objective_on(windows_in(tmp_path, 8, longest=150), 8)
    names: set[str] = set()
    for step in range(2):
        names |= set(objective(untrained(), Draw(step, 0.5)))
    assert names == set(dataclasses.asdict(LossWeights()))


def test_rollouts_are_part_of_every_second_batch_only(tmp_path):
    objective = objective_on(windows_in(tmp_path, 8), 8)
    with_rollouts = ["joints" in objective(untrained(), Draw(step)) for step in range(4)]
    assert with_rollouts == [False, True, False, True]


def test_constant_velocity_misses_what_it_misses_in_units_of_a_frames_change(tmp_path):
    windows = windows_in(tmp_path, 8)
    objective = objective_on(windows, 8, noise=0.0, chain_share=0.0)
    model = MotionNN(LAYOUT, SMALL, FPS)  # predicts constant velocity
    terms = measured(objective, model)
    true = windows.poses(windows.draw(0), torch.zeros(8, dtype=torch.int64), 7)
    change = LAYOUT.difference(true.at((slice(None), slice(-1))), true.at((slice(None), slice(1, None))))
    missed = (change[..., :N] - true.velocity[:, :-1] / FPS) / objective.change[:N]
    assert terms["pose"] == pytest.approx(float((missed[..., 6:] ** 2).mean()), rel=1e-4)
    assert terms["root"] == pytest.approx(float((missed[..., :6] ** 2).mean()), rel=1e-4)
    assert terms["velocity"] == pytest.approx(
        float(((change[..., N:] / objective.change[N:]) ** 2).mean()), rel=1e-4
    )
    assert terms["consistency"] == pytest.approx(0.0, abs=1e-8)  # velocities that stay are consistent


def test_unbalanced_errors_are_in_plain_units(tmp_path):
    windows = windows_in(tmp_path, 8)
    model = MotionNN(LAYOUT, SMALL, FPS)
    raw = objective_on(windows, 8, noise=0.0, chain_share=0.0, balanced=False)
    terms = measured(raw, model)
    true = windows.poses(windows.draw(0), torch.zeros(8, dtype=torch.int64), 7).velocity
    assert terms["velocity"] == pytest.approx(float((true.diff(dim=1) ** 2).mean()), rel=1e-4)


@pytest.mark.parametrize("apart", [True, False], ids=["processes", "passes of one process"])
def test_parts_of_a_batch_together_measure_what_the_whole_does(tmp_path, apart):
    windows, model = windows_in(tmp_path, 8), untrained()
    alone, shared = objective_on(windows, 8), objective_on(windows, 8)
    objectives = [objective_on(windows, 8) for _ in range(2)] if apart else [shared, shared]
    for step in range(6):
        with torch.no_grad():
            whole = alone(model, Draw(step, step / 6))
            parts = [each(model, Draw(step, step / 6, 0, i, 2)) for i, each in enumerate(objectives)]
        for name, value in whole.items():
            mean = sum(float(part[name]) for part in parts) / 2
            assert mean == pytest.approx(float(value), rel=1e-5, abs=1e-7), name


def test_samples_that_cannot_be_dealt_out_evenly_are_refused(tmp_path):
    with pytest.raises(ValueError, match=re.escape("4 rows % 3 = 1; use e.g. 6 rows")):
        objective_on(windows_in(tmp_path, 8), 8)(untrained(), Draw(parts=3))


def test_rollouts_begin_in_clips_that_end_before_them_too(tmp_path):
    windows = windows_in(tmp_path, 8)  # of clips of 60 and 40 frames
    unrolled = NextStateObjective(windows, ObjectiveConfig(batch=8, unroll=UnrollConfig(2, 40, 8))).unrolled
    assert unrolled is not None
    places = windows.draw(0)
    known = windows.known(places, 6, 40)
    assert known[:, 0].all()
    assert not known.all(dim=1).all()
    ends = windows.sampler.source.clips.frames[places[:, 0].numpy().astype(int)] - places[:, 1].numpy()
    np.testing.assert_array_equal(known.sum(dim=1), np.minimum(40, np.floor(ends + 1e-9) - 6))
    short = places[~known.all(dim=1)]
    assert torch.isfinite(unrolled(untrained(), short, 1.0)["joints"])


def test_rollouts_longer_than_all_clips_are_refused(tmp_path):
    config = ObjectiveConfig(batch=8, unroll=UnrollConfig(longest=64))
    with pytest.raises(ValueError, match="among 64 windows none goes on for so long"):
        NextStateObjective(windows_in(tmp_path, 8), config)


def test_unroll_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="shortest from 1 to longest"):
        UnrollConfig(longest=0)
