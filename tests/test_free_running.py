import re
from pathlib import Path

import numpy as np
import pytest
import torch

from musclegym.body import load_body
from musclegym.motion.features import Pose, StateLayout
from musclegym.pretrain.draws import Draw
from musclegym.pretrain.free_running import FALLEN, FreeConfig, FreeRunning
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig
from musclegym.pretrain.windows import Windows
from tests.libraries import clip_of, library_of, swinging

BODY = load_body("human")
LAYOUT = StateLayout.of(BODY.skeleton)
N = LAYOUT.n_dofs
FPS = 30.0
SMALL = MotionNNConfig(width=32, depth=1, heads=2, window=6)


def sliding(frames: int, speed: float = 1.2) -> np.ndarray:
    """States (frame, 2 dof) of a body that slides forward without moving a joint."""
    states = np.zeros((frames, 2 * N))
    states[:, 5], states[:, N + 5] = speed * np.arange(frames) / FPS, speed
    return states


def free_in(folder: Path, states: np.ndarray, **settings) -> FreeRunning:
    library = library_of(folder / "library", BODY, [clip_of(states)])
    return FreeRunning(Windows(library.windows(7, 8, split=None)), FreeConfig(**settings))


def terms(free: FreeRunning, model: MotionNN, step: int = 0) -> dict[str, torch.Tensor]:
    places = free.windows.draw(step)
    return free(model, places, torch.Generator().manual_seed(step), Draw(step))


def term(free: FreeRunning, model: MotionNN, step: int = 0) -> torch.Tensor:
    return terms(free, model, step)["liveliness"]


class Stopping(MotionNN):
    """Stands still from the first frame on."""

    def changes(self, poses: Pose, memory=None) -> torch.Tensor:
        return torch.cat([torch.zeros_like(poses.velocity), -poses.velocity], dim=-1)


def test_distances_grow_with_the_lag_as_the_body_moves(tmp_path):
    free = free_in(tmp_path, swinging(BODY, 120), free_frames=8)
    poses = LAYOUT.pose(torch.as_tensor(sliding(40, 1.5), dtype=torch.float32)[None])
    found = free.structure(free.joints(poses))[0]
    assert free.lags == [1, 2, 4]  # 8 is as far as a rollout goes, but not within its window of 6 frames
    torch.testing.assert_close(found[:3], torch.full((3,), 1e-5))  # joints stay where they are on the body
    torch.testing.assert_close(found[3:6], 1.5 / FPS * torch.tensor([1.0, 2.0, 4.0]))
    torch.testing.assert_close(found[6], torch.tensor(1.5 / FPS))  # its feet slide along with it


def test_rollouts_that_move_as_their_clip_does_pay_nothing(tmp_path):
    free = free_in(tmp_path, sliding(120), free_frames=8, free_count=4)
    goes_on = MotionNN(LAYOUT, SMALL, FPS)  # untrained, so it goes on at constant velocity
    for step in range(3):
        assert term(free, goes_on, step).item() == pytest.approx(0.0, abs=1e-6)


def test_rollouts_that_stand_still_pay_for_it(tmp_path):
    free = free_in(tmp_path, swinging(BODY, 120), free_frames=8, free_count=4, free_restart=0.0)
    still = Stopping(LAYOUT, SMALL, FPS)
    first, later = (term(free, still, step).item() for step in range(2))
    assert first > 1.0
    assert later == pytest.approx(first, rel=0.2)


class Sinking(MotionNN):
    """Goes on at constant velocity, but sinks into the ground."""

    def changes(self, poses: Pose, memory=None) -> torch.Tensor:
        change = super().changes(poses, memory)
        change[..., 4] -= 0.01
        return change


def test_rollouts_that_sink_pay_for_how_far(tmp_path):
    free = free_in(tmp_path, sliding(120), free_frames=2, free_count=4)
    upright = terms(free, MotionNN(LAYOUT, SMALL, FPS))["posture"].item()
    assert upright == pytest.approx(0.0, abs=1e-6)
    free.running[:] = False
    sunk = np.mean([0.0, 0.01, 0.02]) / FALLEN  # on the mean over the window's last frame and two more
    assert terms(free, Sinking(LAYOUT, SMALL, FPS))["posture"].item() == pytest.approx(
        0.5 * sunk**2, rel=1e-3
    )


def test_rollouts_gone_wild_begin_anew(tmp_path):
    free = free_in(tmp_path, swinging(BODY, 120), free_frames=8, free_count=4, free_restart=0.0)
    model = MotionNN(LAYOUT, SMALL, FPS)
    term(free, model)
    assert free.running.all()
    free.poses.velocity[:2] *= 100.0
    term(free, model)
    assert free.running.tolist() == [False, False, True, True]


def test_a_frozen_network_is_told_to_move(tmp_path):
    free = free_in(tmp_path, swinging(BODY, 120), free_frames=8, free_count=4)
    model = MotionNN(LAYOUT, SMALL, FPS)
    term(free, model).backward()
    gradient = model.head.weight.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert (gradient[N + 6 :] != 0.0).any()


def test_free_rollouts_go_on_where_they_were_until_they_begin_anew(tmp_path):
    free = free_in(tmp_path, sliding(120), free_frames=8, free_count=4, free_restart=0.0)
    model = MotionNN(LAYOUT, SMALL, FPS)
    term(free, model, 0)
    place = free.poses.displacement[:, -1, 2].clone()
    term(free, model, 1)
    torch.testing.assert_close(free.poses.displacement[:, -1, 2] - place, torch.full((4,), 8 * 1.2 / FPS))


def test_free_rollouts_begin_in_clips_that_end_with_their_window(tmp_path):
    free = free_in(tmp_path, sliding(7), free_frames=8, free_count=4)
    assert term(free, MotionNN(LAYOUT, SMALL, FPS)).item() == pytest.approx(0.0, abs=1e-6)


def test_free_rollouts_wait_for_their_part_of_the_training():
    config = FreeConfig(free_every=3, free_after=0.5)
    assert [config.due(step, 0.4) for step in range(4)] == [False] * 4
    assert [config.due(step, 0.5) for step in range(4)] == [True, False, False, True]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"free_frames": 1}, "free_frames at least 2"),
        ({"free_restart": 1.5}, "must lie in [0, 1], but is 1.5"),
    ],
)
def test_free_settings_that_make_no_sense_are_refused(settings, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        FreeConfig(**settings)
