"""Rollouts are measured as they should be: perfect, still, turned, lost and frozen ones."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from musclegym.body import load_body
from musclegym.motion.features import StateLayout
from musclegym.motion.library import MotionLibrary
from musclegym.motion.library_build import LibraryConfig
from musclegym.motion.motion import Motion
from musclegym.pretrain.bars import bars, bars_table
from musclegym.pretrain.baselines import ZeroVelocity
from musclegym.pretrain.chains import moved_along
from musclegym.pretrain.checkpoint import save_prior
from musclegym.pretrain.corpus import open_corpus
from musclegym.pretrain.evaluate import EvaluateConfig, evaluate, named, text
from musclegym.pretrain.metrics import (
    bootstrapped,
    diverged,
    explained,
    frozen,
    growth_exponent,
    joint_error,
    physics,
    skill,
)
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig
from musclegym.pretrain.next_state import MotionModel
from musclegym.pretrain.pretrain_config import PretrainConfig
from musclegym.pretrain.rollout import compare, mean_of, rollout_stability, stability_table
from musclegym.pretrain.train import main
from musclegym.pretrain.windows import states_of
from tests.libraries import swinging as swinging_body

FPS = 30.0
BODY = load_body("human")
LAYOUT = StateLayout.of(BODY.skeleton)
N = LAYOUT.n_dofs
SMALL = MotionNNConfig(width=32, depth=2, heads=2, window=6)


def swinging(frames: int) -> np.ndarray:
    return swinging_body(BODY, frames, 0)


def make_motion(frames: int, cyclic: bool = False) -> Motion:
    states = swinging(frames)
    path = states[-1, 3:6] - states[0, 3:6]
    contact = np.ones((frames, 2), dtype=bool)
    q, qd = states[:, :N], states[:, N:]
    return Motion(BODY.skeleton, "swing", q, qd, FPS, contact, cyclic, cycle_displacement=path)


class Truth(MotionModel):
    """A model that knows the motion, which is the swinging body's from its first frame on."""

    kind = "Truth"

    def roll_out(self, context: torch.Tensor, steps: int) -> torch.Tensor:
        states = torch.as_tensor(swinging(400), dtype=torch.float32)
        distance = (states[:, None, 6:N] - context[None, :, -1, 6:N]).abs().sum(dim=2)
        distance += (states[:, None, 3:6] - context[None, :, -1, 3:6]).abs().sum(dim=2)
        first = distance.argmin(dim=0) + 1
        return states[first[:, None] + torch.arange(steps)]


@dataclasses.dataclass(frozen=True)
class Sizes:
    window: int = 6


def test_the_truth_has_no_error_and_full_skill():
    result = rollout_stability(
        {"truth": Truth(LAYOUT, Sizes(), FPS)}, [make_motion(200)], BODY, (1, 10, 50), n_starts=8
    )
    for record in result["horizons"]:
        assert record["truth"]["joint_error_mm"] < 1e-2
        assert record["truth"]["skill"] == pytest.approx(1.0, abs=1e-4)
        assert record["truth"]["position_change_r2"] == pytest.approx(1.0, abs=1e-4)
        assert min(record["truth"]["block_change_r2"].values()) > 0.999
        assert record["zero_velocity"]["skill"] == 0.0
        assert record["zero_velocity"]["skill_interval"] == [0.0, 0.0]
    assert result["alive"]["truth"]["frozen"] == 0.0


def test_turning_the_world_changes_no_measure():
    states = swinging(120)
    start, true = states[10:20], states[40:50]
    reference, target = LAYOUT.pose(torch.as_tensor(states[:1])), LAYOUT.pose(torch.as_tensor(states[:1]))
    turned = target._replace(
        rotation=torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]).double()
        @ target.rotation,
        displacement=target.displacement + torch.tensor([1.0, 0.0, 2.0]).double(),
    )

    def carried(rows: np.ndarray) -> np.ndarray:
        return LAYOUT.state(moved_along(LAYOUT.pose(torch.as_tensor(rows)), reference, turned)).numpy()

    clips = np.zeros(10, dtype=np.int64)
    guess = {"guess": states[38:48], "zero_velocity": start}
    plain = compare(LAYOUT, BODY, start, true, guess, clips)
    moved = compare(
        LAYOUT, BODY, carried(start), carried(true), {k: carried(v) for k, v in guess.items()}, clips
    )
    for name in plain:
        for key in (
            "joint_error_mm",
            "root_relative_error_mm",
            "skill",
            "position_mse",
            "position_change_r2",
        ):
            assert moved[name][key] == pytest.approx(plain[name][key], rel=1e-4)


def test_intervals_of_one_clip_have_no_width_and_those_of_two_reach_from_one_to_the_other():
    error = np.array([1.0, 1.0, 3.0, 3.0])
    assert bootstrapped(error, np.zeros(4, dtype=np.int64)) == [2.0, 2.0]
    assert bootstrapped(error, np.array([0, 0, 1, 1])) == [1.0, 3.0]
    assert bootstrapped(error, np.array([0, 0, 1, 1]), 2.0 * error) == [0.5, 0.5]


def test_a_standing_body_neither_skates_nor_jerks_and_one_in_the_air_floats():
    still = np.zeros((20, N))
    found = physics(BODY.skeleton, still, FPS)
    assert found["skating"] == 0.0
    assert found["jerk"] == pytest.approx(0.0, abs=1e-9)
    raised, sunk = still.copy(), still.copy()
    raised[:, 4], sunk[:, 4] = 0.105, -0.105
    height = physics(BODY.skeleton, raised, FPS)["floating_mm"]
    depth = physics(BODY.skeleton, sunk, FPS)["penetration_mm"]
    assert height + depth == pytest.approx(200.0, abs=1e-6)
    path = still.copy()
    path[:, 4] = 10.0 + (np.arange(20) / FPS) ** 3
    assert physics(BODY.skeleton, path, FPS)["jerk"] == pytest.approx(6.0, rel=1e-6)


def test_rollouts_that_leave_the_data_or_the_limits_or_stop_are_counted():
    height, speed, joints = np.full((5, 5), 0.9), np.full((5, 5), 1.0), np.zeros((5, 5, N - 6))
    knee = BODY.dof_names.index("TibiaR") - 6
    height[1, 2], speed[2, 3], height[3, 4] = 1.2, 1.6, np.nan
    joints[4, 1, knee] = BODY.skeleton.upper[6 + knee] + 0.1
    lost = diverged(BODY.skeleton, height, speed, joints, np.array([0.8, 0.95]), np.array([1.0]))
    assert lost.tolist() == [False, True, True, True, True]
    velocity = np.ones((2, 40, 3))
    velocity[1, 10:] = 0.29
    assert frozen(velocity, np.ones(2)).tolist() == [False, True]


def test_bars_hold_where_they_should():
    result = rollout_stability(
        {"truth": Truth(LAYOUT, Sizes(), FPS), "mlp": MotionNN(LAYOUT, SMALL, FPS)},
        [make_motion(200)],
        BODY,
        (1, 10, 30, 60),
        n_starts=8,
    )
    of_truth, of_nothing = bars(result, "truth"), bars(result, "mlp")
    judged = {row["name"]: row["holds"] for row in of_truth}
    assert judged["less error than mlp at 60"]
    assert judged["skill over zero velocity at 60"]
    assert not {row["name"]: row["holds"] for row in of_nothing}["less error than constant velocity at 30"]
    assert "FAILS" in bars_table(of_nothing)


def test_evaluation_of_files_compares_them_and_writes_json_and_a_page(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        torch.manual_seed(0)
        save_prior(tmp_path / name / "prior.safetensors", MotionNN(LAYOUT, SMALL, FPS), BODY, {"steps": 3})
    config = EvaluateConfig(
        checkpoints=(str(tmp_path / "one"), f"other={tmp_path / 'two'}"),
        data=("walk", "run"),
        horizons="1,10",
        starts=4,
        long=20,
        seeds=3,
        json=tmp_path / "out.json",
        page=tmp_path / "out.html",
    )
    result = evaluate(config)
    assert list(result["models"]) == ["one", "other"]
    assert result["models"]["one"]["steps"] == 3
    assert {row["activity"] for row in result["motions"]} == {"walk", "run"}
    saved = json.loads((tmp_path / "out.json").read_text())
    assert saved["rollouts"]["horizons"][0]["one"] == saved["rollouts"]["horizons"][0]["other"]
    assert "bars of one" in text(result)
    page = (tmp_path / "out.html").read_text()
    assert page.count("<svg") == 2 + 2 + 2
    assert "http" not in re.sub(r"https?://www.w3.org[^\"]*", "", page)


def test_motion_files_are_filtered_as_those_that_a_prior_learned_from(tmp_path):
    library = MotionLibrary.build(["walk"], tmp_path / "library", BODY, LibraryConfig(low_pass=6.0))
    config = PretrainConfig(run=tmp_path, data=(str(tmp_path / "library"),), held_out=0.0)
    record = open_corpus(config).record
    assert record["low_pass"] == library.low_pass == 6.0
    save_prior(tmp_path / "prior.safetensors", MotionNN(LAYOUT, SMALL, FPS), BODY, {"data": record})
    of_cache, of_file = (
        evaluate(EvaluateConfig((str(tmp_path),), (data,), split, starts=2, long=20, seeds=2))
        for data, split in ((str(tmp_path / "library"), "train"), ("walk", None))
    )
    assert of_cache["low_pass"] == of_file["low_pass"] == of_file["models"][tmp_path.name]["low_pass"] == 6.0
    assert of_file["rollouts"]["horizons"] == of_cache["rollouts"]["horizons"]
    assert "low-passed at 6 Hz" in text(of_file)
    files = dataclasses.replace(config, run=tmp_path / "other", data=("walk",), low_pass=6.0)
    assert open_corpus(files).record["data_hash"] == record["data_hash"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"split": "trial"}, "a split is one of"),
        ({"horizons": "1,0"}, "positive whole numbers"),
        ({"starts": 0}, "starts and seeds must be at least 1"),
        ({"page": Path("page.pdf")}, "must end in .html"),
    ],
)
def test_settings_that_measure_nothing_are_refused(settings, words: str):
    with pytest.raises(ValueError, match=words):
        EvaluateConfig(**settings)


def test_two_priors_of_one_name_are_refused():
    with pytest.raises(ValueError, match="a name of its own"):
        named(["a/run", "b/run"])


def test_pretrain_hands_its_first_word_on(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    assert "musclegym pretrain evaluate" in capsys.readouterr().out


def test_joint_error_is_the_mean_distance():
    true = np.zeros((2, 3))
    predicted = np.array([[3.0, 4.0, 0.0], [3.0, 4.0, 1.0]])
    assert joint_error(predicted, true, root_relative=False) == pytest.approx((5.0 + np.sqrt(26.0)) / 2.0)
    assert joint_error(predicted, true, root_relative=True) == pytest.approx(0.5)


def test_scores_of_perfect_and_useless_predictions():
    change = np.array([[1.0], [3.0]])
    assert explained(0.0 * change, change) == 1.0
    assert explained(change - 2.0, change) == 0.0  # the mean change explains nothing
    assert skill(np.array([1.0]), np.array([4.0])) == 0.75
    assert growth_exponent(1.0, 6.0**0.5, 6.0) == pytest.approx(0.5)


def test_cyclic_motion_goes_on_without_a_seam():
    motion = make_motion(31, cyclic=True)  # 1 Hz: frame 30 repeats frame 0, 1.2 m further on
    longer = states_of(motion, 91)
    np.testing.assert_allclose(longer[:, :N], swinging(91)[:, :N], atol=1e-9)
    assert len(states_of(make_motion(31), 91)) == 31


def test_stability_of_constant_velocity_is_that_of_the_baseline():
    model = MotionNN(LAYOUT, SMALL, FPS)
    result = rollout_stability(
        {"prior": model}, [make_motion(31, cyclic=True), make_motion(20)], BODY, (1, 10, 30, 60), n_starts=6
    )
    starts = {record["horizon"]: record["starts"] for record in result["horizons"]}
    assert starts == {1: 6, 10: 6, 30: 3, 60: 3}  # the clip that does not repeat has 20 frames
    for record in result["horizons"]:
        for key in ("joint_error_mm", "skill", "state_rmse", "velocity_change_r2"):
            assert record["prior"][key] == pytest.approx(record["constant_velocity"][key], rel=1e-4)
        assert record["zero_velocity"]["skill"] == 0.0
    assert "growth" in stability_table(result)
    still = ZeroVelocity().roll_out(torch.as_tensor(swinging(6))[None], 3)
    assert torch.equal(still[0, 2], torch.as_tensor(swinging(6)[-1]))


def test_rollouts_at_another_frame_rate_are_refused():
    motion = dataclasses.replace(make_motion(31), fps=60.0)
    with pytest.raises(ValueError, match=re.escape("load motions with fps=30.0")):
        rollout_stability({"prior": MotionNN(LAYOUT, SMALL, FPS)}, [motion], BODY)


def test_means_leave_out_what_is_not_known_of_a_motion():
    nan = float("nan")
    found = mean_of([{"skating": 1.0, "jerk": nan}, {"skating": 3.0, "jerk": 4.0}])
    assert found == {"skating": 2.0, "jerk": 4.0}
    assert np.isnan(mean_of([{"jerk": nan}])["jerk"])
