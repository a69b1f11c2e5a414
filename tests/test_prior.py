import dataclasses
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musclegym.body import load_body
from musclegym.motion.augment import Augmentation
from musclegym.motion.features import StateLayout
from musclegym.pretrain.baselines import ConstantVelocity, ZeroVelocity
from musclegym.pretrain.chains import ChainConfig, Chains, moved_along, springing_back
from musclegym.pretrain.checkpoint import load_prior, save_prior
from musclegym.pretrain.draws import Draw
from musclegym.pretrain.losses import LossWeights, NextStateObjective, ObjectiveConfig
from musclegym.pretrain.mlp import MotionMLP, MotionMLPConfig
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig
from musclegym.pretrain.next_state import CORRECTION_LIMIT, REACH, NextStateModel, statistics_of
from musclegym.pretrain.trainer import Trainer, TrainerConfig
from musclegym.pretrain.unrolled import UnrollConfig
from musclegym.pretrain.windows import Windows
from tests.libraries import clip_of, library_of
from tests.libraries import swinging as swinging_body

BODY = load_body("human")
LAYOUT = StateLayout.of(BODY.skeleton)
N = LAYOUT.n_dofs
FPS = 30.0
SMALL = MotionNNConfig(width=32, depth=2, heads=2, window=6)
SMALL_MLP = MotionMLPConfig(width=32, depth=2, window=6)
BOTH = pytest.mark.parametrize("sizes", [SMALL, SMALL_MLP], ids=["transformer", "mlp"])


def swinging(frames: int, seed: int = 0) -> np.ndarray:
    """States of a body that walks forward while its joints swing at 1 Hz, shape (frame, 112)."""
    return swinging_body(BODY, frames, seed)


def windows_in(folder: Path, motions: list[np.ndarray], length: int, batch: int) -> Windows:
    """Windows of a library that holds these states."""
    library = library_of(folder / "library", BODY, [clip_of(states) for states in motions])
    return Windows(library.windows(length, batch, split=None))


def built(sizes: MotionNNConfig | MotionMLPConfig) -> NextStateModel:
    if isinstance(sizes, MotionNNConfig):
        return MotionNN(LAYOUT, sizes, FPS)
    return MotionMLP(LAYOUT, sizes, FPS)


def untrained(seed: int = 0, sizes: MotionNNConfig | MotionMLPConfig = SMALL) -> NextStateModel:
    """A network whose outputs are not zero, as if it had learned something."""
    torch.manual_seed(seed)
    model = built(sizes)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model.change_scale.fill_(0.1)
    return model.double()


def windows_of(states: np.ndarray, length: int) -> torch.Tensor:
    return torch.as_tensor(
        np.lib.stride_tricks.sliding_window_view(states, length, axis=0).swapaxes(1, 2).copy()
    )


# --- The network


def following(prior, window: torch.Tensor) -> torch.Tensor:
    """The state after each window."""
    return prior.roll_out(window, 1)[:, 0]


@BOTH
def test_untrained_network_predicts_constant_velocity_exactly(sizes):
    window = windows_of(swinging(20), 6)
    expected = following(ConstantVelocity(LAYOUT, FPS), window)
    assert torch.equal(following(built(sizes).double(), window), expected)
    by_skeleton = [
        BODY.skeleton.integrate(last[:N].numpy(), last[N:].numpy(), 1 / FPS) for last in window[:, -1]
    ]
    np.testing.assert_allclose(expected[:, :N], by_skeleton, atol=1e-9)
    assert torch.equal(following(ZeroVelocity(), window), window[:, -1])


@BOTH
def test_turning_and_shifting_the_world_turns_and_shifts_the_prediction(sizes):
    window = windows_of(swinging(20), 6)
    model = untrained(sizes=sizes)
    pose = LAYOUT.pose(window)
    target = LAYOUT.pose(windows_of(swinging(20, seed=1), 6)[:, -1])
    reference = pose.at((slice(None), -1))

    def carried(poses):
        return moved_along(poses, reference, target)

    moved = torch.stack([LAYOUT.state(carried(pose.at((slice(None), frame)))) for frame in range(6)], dim=1)
    prediction, after = (LAYOUT.pose(following(model, given)) for given in (window, moved))
    error = LAYOUT.difference(carried(prediction), after)
    assert error.abs().max() < 1e-6  # the level of moved_along's float32 constants
    torch.testing.assert_close(model.encode(moved), model.encode(window))


@BOTH
def test_the_future_does_not_change_the_past(sizes):
    window = windows_of(swinging(20), 9)
    model = untrained(sizes=sizes)
    changed = window.clone()
    changed[:, 7:] += 0.1
    before, after = (model.changes(LAYOUT.pose(given)) for given in (window, changed))
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.equal(before[:, 7:], after[:, 7:])


@BOTH
def test_frames_one_by_one_with_a_memory_are_frames_all_at_once(sizes):
    poses, model = LAYOUT.pose(windows_of(swinging(40), 30)), untrained(sizes=sizes)
    together, memory = model.changes(poses), {}
    pieces = [slice(0, 4), slice(4, 5), slice(5, 12), *(slice(frame, frame + 1) for frame in range(12, 30))]
    apart, held = [], []
    for piece in pieces:
        apart.append(model.changes(poses.at((slice(None), piece)), memory))
        held.append(sum(part.numel() for part in tensors_in(memory)))
    torch.testing.assert_close(torch.cat(apart, dim=1), together)
    assert set(held[2:]) == {held[2]}  # as much, however many frames
    kept = {
        part.shape[-2] for name in memory if name != "pose" for part in tensors_in(memory[name]) if part.ndim
    }
    assert kept in ({5}, {6})  # no more than a window of 6


def tensors_in(memory: Any) -> list[torch.Tensor]:
    """The tensors of nested dictionaries and tuples."""
    if isinstance(memory, torch.Tensor):
        return [memory]
    parts = memory.values() if isinstance(memory, dict) else memory
    return [tensor for part in parts for tensor in tensors_in(part)]


def test_a_layer_looks_back_on_a_window_and_a_stack_of_them_on_as_many_more():
    window = windows_of(swinging(40), 12)
    # Two layers look 2 x 2 frames back, and what they see of a frame is also how it was arrived at.
    model = untrained(sizes=dataclasses.replace(SMALL, window=3))
    changed = window.clone()
    changed[:, 0] += 0.1
    before, after = (model.changes(LAYOUT.pose(given)) for given in (window, changed))
    assert not torch.equal(before[:, 5], after[:, 5])
    torch.testing.assert_close(before[:, 6:], after[:, 6:], rtol=1e-12, atol=1e-12)


@BOTH
def test_rollout_feeds_predictions_back(sizes):
    context, model = windows_of(swinging(20), 6), untrained(sizes=sizes)
    whole = model.roll_out(context, 5)
    memory = {}
    states = context
    for frame in range(5):
        after = model.step(states, memory)
        torch.testing.assert_close(after, whole[:, frame])
        states = after[:, None]


@BOTH
def test_predictions_keep_to_the_range_of_joints_and_velocities_in_the_data(sizes):
    model = untrained(sizes=sizes)
    model.set_statistics(statistics_of(LAYOUT, [swinging(60)], FPS))
    model.change_scale.fill_(10.0)
    states = model.roll_out(windows_of(swinging(20), 6), 20)
    rounding = 1e-6  # of rotation vectors that were matrices between
    assert (states[..., 6:N] >= model.joint_lower - rounding).all()
    assert (states[..., 6:N] <= model.joint_upper + rounding).all()
    assert (states[..., N:].abs() <= model.velocity_limit).all()
    lowest, highest = model.height_range
    assert (states[..., 4] >= lowest).all()
    assert (states[..., 4] <= highest).all()


def test_joints_stop_at_their_limits_and_leave_them_freely():
    model = MotionNN(LAYOUT, SMALL, FPS).double()
    hip, knee = BODY.skeleton.body("FemurR"), BODY.skeleton.body("TibiaR")
    columns = [6, LAYOUT.hinge_columns[0]]  # of a ball joint and of a hinge, the hip's and the knee's
    assert (BODY.skeleton.body_names[hip], BODY.skeleton.body_names[knee]) == ("FemurR", "TibiaR")
    model.joint_upper[np.array(columns) - 6] = 0.4
    states = torch.zeros(2, 2, 2 * N, dtype=torch.float64)
    states[..., columns] = 0.35
    states[..., np.array(columns) + N] = torch.tensor([[[9.0]], [[-9.0]]], dtype=torch.float64)
    outward, inward = model.step(states)
    torch.testing.assert_close(outward[columns], torch.full((2,), 0.4, dtype=torch.float64))
    assert (outward[np.array(columns) + N] == 0.0).all()
    torch.testing.assert_close(inward[columns], torch.full((2,), 0.05, dtype=torch.float64))
    assert (inward[np.array(columns) + N] == -9.0).all()


def test_velocities_out_of_reach_do_not_last():
    model = MotionNN(LAYOUT, SMALL, FPS).double()
    model.velocity_reach.fill_(2.0)
    states = torch.zeros(1, 2, 2 * N, dtype=torch.float64)
    states[..., N + 6], states[..., N + 7], states[..., N + 8] = 50.0, -50.0, 1.5
    after = model.step(states)[0]
    torch.testing.assert_close(after[N + 6 : N + 9], torch.tensor([2.0, -2.0, 1.5], dtype=torch.float64))


def test_the_fastest_of_a_corpus_is_within_reach_of_the_root():
    slow, fast = swinging(90), swinging(9)
    fast[:, N + 3 : N + 6] = [0.0, 0.0, 4.0]
    statistics = statistics_of(LAYOUT, [slow, fast], FPS)
    torch.testing.assert_close(statistics["velocity_reach"][3:6], torch.full((3,), 4.0))
    rates = np.concatenate([slow, fast])[:, N + 6 :]
    joints = REACH * np.sqrt((rates**2).mean(axis=0))
    assert (statistics["velocity_reach"][6:].numpy() >= joints.astype(np.float32) - 1e-5).all()


def test_positions_follow_the_velocities_by_the_trapezoid_rule_and_a_bounded_correction():
    model = MotionNN(LAYOUT, SMALL, FPS).double()
    model.change_scale[:N], model.change_scale[N:] = 0.001, 0.5
    poses = LAYOUT.pose(torch.as_tensor(swinging(5))[None])
    outputs = torch.cat([torch.full((1, 5, N), 100.0), torch.full((1, 5, N), 2.0)], dim=-1).double()
    changes = model.integrated(poses, outputs)
    torch.testing.assert_close(changes[..., N:], torch.full_like(changes[..., N:], 1.0))
    mean_velocity = poses.velocity + 0.5  # half of a change by 1
    torch.testing.assert_close(changes[..., :N], mean_velocity / FPS + CORRECTION_LIMIT * 0.001)


@BOTH
def test_encoder_gives_one_row_of_features_per_window(sizes):
    model = untrained(sizes=sizes)
    assert model.encode(windows_of(swinging(20), 6)).shape == (15, 32)
    assert model.encode(windows_of(swinging(20), 2)).shape == (19, 32)


def test_width_that_does_not_fit_the_heads_is_refused():
    with pytest.raises(ValueError, match=re.escape("for heads=4 use e.g. width=128")):
        MotionNNConfig(width=126, heads=4)


# --- Training


def trained(folder: Path, motions: list[np.ndarray], steps: int, **settings) -> Trainer:
    torch.manual_seed(0)
    windows = windows_in(folder.with_name(f"{folder.name}-data"), motions, SMALL.window + 1, batch=16)
    model = MotionNN(LAYOUT, SMALL, FPS)
    model.set_statistics(statistics_of(LAYOUT, windows.clips(), FPS))
    objective = NextStateObjective(
        windows, ObjectiveConfig(batch=16, chains=ChainConfig(pool=32), unroll=UnrollConfig(5, 4, 4))
    )
    config = TrainerConfig(steps=steps, warmup_steps=10, log_every=5, threads=1, **settings)
    return Trainer(model, objective, dataclasses.asdict(LossWeights()), config, folder)


def test_learns_to_continue_a_harmonic_oscillation(tmp_path):
    states = swinging(90)
    trainer = trained(tmp_path, [states], steps=300, ema_decay=0.9)
    trainer.fit()
    model = trainer.averaged_model
    window = windows_of(states, 6).float()[:-1]
    true = LAYOUT.pose(windows_of(states, 6).float()[1:, -1])

    def error(prior) -> float:
        with torch.no_grad():
            return float(
                LAYOUT.difference(LAYOUT.pose(following(prior, window)), true)[:, N:].square().mean()
            )

    assert error(model) < 0.2 * error(ConstantVelocity(LAYOUT, FPS))


def test_run_resumed_after_ctrl_c_ends_as_if_it_had_not_been_interrupted(tmp_path):
    states = [swinging(60), swinging(40, seed=1)]
    whole = trained(tmp_path / "whole", states, steps=24)
    (tmp_path / "whole").mkdir()
    whole.fit()
    folder = tmp_path / "stopped"
    folder.mkdir()
    stopped = trained(folder, states, steps=24)

    def press_ctrl_c(*_):
        if stopped.step == 10:
            os.kill(os.getpid(), signal.SIGINT)

    stopped.objective.register_forward_hook(press_ctrl_c)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 11; go on with --resume"):
        stopped.fit()
    resumed = trained(folder, states, steps=24)
    resumed.resume()
    assert resumed.step == 11
    resumed.fit()
    assert resumed.curve == whole.curve
    for name, value in whole.averaged_model.state_dict().items():
        assert torch.equal(resumed.averaged_model.state_dict()[name], value), name


def test_minutes_fix_the_number_of_steps_from_the_first_ones(tmp_path):
    trainer = trained(tmp_path, [swinging(60)], steps=1, minutes=0.02)
    trainer.fit()
    assert trainer.step >= 40
    assert trainer.step == trainer.steps


def test_resuming_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="start again without --resume"):
        trained(tmp_path, [swinging(60)], steps=1).resume()


def test_chain_that_predicts_the_truth_walks_to_the_end_of_its_clip(tmp_path):
    windows = windows_in(tmp_path, [swinging(12)], 4, batch=3)
    config = ChainConfig(pool=3, farthest=1.0, restart=0.0)
    chains = Chains(windows, torch.ones(LAYOUT.n_state), config)
    for step in range(20):
        draw = Draw(step)
        chosen, poses, following = chains.visit(windows.draw(step), draw.generator(), draw)
        wanted = following.at((slice(None), -1))
        frame, place = chains.frame[chosen], chains.place[chosen]
        true = windows.poses(place, frame + 1, 1).at((slice(None), 0))
        assert LAYOUT.difference(wanted, true).abs().max() < 1e-4  # a chain on its clip is not moved
        chains.advance(chosen, poses, wanted)
        at_end = frame + 1 + place[:, 1] == 11
        assert torch.equal(chains.frame[chosen], torch.where(at_end, -1, frame + 1))


def test_distance_of_a_chain_dies_out_as_of_a_critically_damped_spring():
    away = torch.tensor([0.3, -0.1, 2.0, 0.5], dtype=torch.float64)  # two positions, two speeds
    whole = springing_back(away, 4.0, 0.5)
    halves = springing_back(springing_back(away, 4.0, 0.25), 4.0, 0.25)
    torch.testing.assert_close(halves, whole)
    step = 1e-6  # x'' = -2 w x' - w^2 x, and x' is the speed
    rate = (springing_back(away, 4.0, step) - away) / step
    torch.testing.assert_close(rate[:2], away[2:], atol=1e-4, rtol=0.0)
    torch.testing.assert_close(rate[2:], -8.0 * away[2:] - 16.0 * away[:2], atol=1e-3, rtol=0.0)


def test_chain_goes_on_along_the_motion_as_it_was_changed(tmp_path):
    library = library_of(tmp_path / "library", BODY, [clip_of(swinging(90))])
    everything = Augmentation(mirror=True, speed=0.2, stretch=0.15, scale=0.1, heading=True)
    windows = Windows(library.windows(6, 8, split=None, augmentation=everything))
    places = windows.draw(0)
    whole = windows.poses(places, torch.zeros(8, dtype=torch.int64), 6)
    later = windows.poses(places, torch.full((8,), 3), 3)
    assert LAYOUT.difference(whole.at((slice(None), slice(3, None))), later).abs().max() < 1e-4


# --- Files


@BOTH
def test_saved_prior_predicts_the_same_and_refuses_another_body(tmp_path, sizes):
    model = untrained(sizes=sizes).float()
    path = tmp_path / "prior.safetensors"
    save_prior(path, model, BODY, {"seed": 3})
    window = windows_of(swinging(10), 6).float()
    loaded = load_prior(path, BODY)
    # Some processors multiply matrices in another order where gradients are wanted.
    assert torch.equal(following(loaded, window), following(model.requires_grad_(False), window))
    assert load_prior(tmp_path).config == sizes
    assert json.loads(path.with_suffix(".json").read_text())["seed"] == 3
    taller = load_body("human", height=2.0)
    with pytest.raises(ValueError, match=f"expected '{taller.skeleton_hash}', found '{BODY.skeleton_hash}'"):
        load_prior(path, taller)


def test_prior_of_another_version_is_refused_with_what_differs(tmp_path):
    model = untrained().float()
    model.register_buffer("older", torch.zeros(1))
    del model.speed_limit
    save_prior(tmp_path / "prior.safetensors", model, BODY, {})
    with pytest.raises(ValueError, match="has older beside them and lacks speed_limit; train it anew with"):
        load_prior(tmp_path / "prior.safetensors", BODY)


def test_strength_does_not_matter_to_a_prior(tmp_path):
    save_prior(tmp_path / "prior.safetensors", untrained().float(), BODY, {}, half=True)
    assert load_prior(tmp_path, load_body("human", strength=0.5)).head.weight.dtype == torch.float32


def test_missing_prior_is_answered_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="musclegym pretrain"):
        load_prior(tmp_path / "none.safetensors")
