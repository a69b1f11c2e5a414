"""The low-pass filter of conversion: slow motion stays, fast goes, nothing is delayed, no angle wraps."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.motion import Clip
from musclegym.motion.load import load_clip
from musclegym.motion.low_pass import continuous, low_pass

FPS = 120.0
TIMES = np.arange(600) / FPS
INSIDE = slice(120, -120)  # away from the ends


def swinging(angle: np.ndarray, axis: str = "x") -> Clip:
    """A root that moves up and down by `angle` metres, with one joint that turns by `angle`."""
    rotation = np.tile(np.eye(3), (len(angle), 2, 1, 1))
    rotation[:, 1] = Rotation.from_rotvec(np.outer(angle, np.eye(3)["xyz".index(axis)])).as_matrix()
    root = np.stack([np.zeros_like(angle), angle, np.zeros_like(angle)], axis=1)
    offset = np.array([[0.0, 0.0, 0.0], [0.0, -0.4, 0.0]])
    return Clip("swing", "swing", ("hips", "knee"), np.array([-1, 0]), offset, rotation, root, FPS)


def angle_of(clip: Clip, axis: str = "x") -> np.ndarray:
    """The angle of the joint [rad], without jumps."""
    return np.unwrap(Rotation.from_matrix(clip.rotation[:, 1]).as_rotvec()[:, "xyz".index(axis)])


@pytest.mark.parametrize(("frequency", "share"), [(1.0, 1.0), (2.0, 1.0), (8.0, 0.5**0.5), (30.0, 0.0)])
def test_slow_sines_stay_fast_ones_go_and_none_is_delayed(frequency, share):
    sine = 0.2 * np.sin(2.0 * np.pi * frequency * TIMES)
    out = low_pass(swinging(sine), cutoff=8.0)
    for values in (angle_of(out), out.root[:, 1]):
        assert values[INSIDE] == pytest.approx(share * sine[INSIDE], abs=0.2 * 0.012)


def test_noise_on_a_full_turn_goes_without_a_trace_of_the_wrap():
    turning = 2.0 * np.pi * TIMES / TIMES[-1] * 2.0  # two turns through all angles
    noise = 0.05 * np.sin(2.0 * np.pi * 40.0 * TIMES)
    for axis in "xyz":
        out = angle_of_turn(low_pass(swinging(turning + noise, axis), 6.0), axis)
        assert out[INSIDE] == pytest.approx(turning[INSIDE], abs=0.002)


def angle_of_turn(clip: Clip, axis: str) -> np.ndarray:
    """The angle of a joint that turns about one axis only [rad], without jumps."""
    first, second = (("xyz".index(axis) + step) % 3 for step in (1, 2))
    rotation = clip.rotation[:, 1]
    return np.unwrap(np.arctan2(rotation[:, second, first], rotation[:, first, first]))


def test_rotations_stay_rotations_and_a_walk_stays_a_walk():
    clip = load_clip("walk").resample(60.0)
    out = low_pass(clip, 6.0)
    assert out.rotation @ out.rotation.swapaxes(-1, -2) == pytest.approx(
        np.broadcast_to(np.eye(3), out.rotation.shape), abs=1e-9
    )
    assert np.linalg.norm(out.pose[1] - clip.pose[1], axis=2).mean() < 0.005


def test_quaternions_never_turn_against_the_one_before():
    signs = np.random.default_rng(0).choice([-1.0, 1.0], 50)
    smooth = Rotation.from_rotvec(np.outer(np.linspace(0.0, 6.0, 50), [0.0, 1.0, 0.0])).as_quat()
    out = continuous((signs[:, None] * smooth)[:, None])
    assert (np.sum(out[1:] * out[:-1], axis=-1) > 0.0).all()


def test_a_short_clip_is_filtered_and_a_high_cut_off_refused():
    clip = swinging(0.1 * np.sin(TIMES[:3]))
    assert np.isfinite(low_pass(clip, 6.0).rotation).all()
    slow = replace(clip, fps=16.0)
    with pytest.raises(ValueError, match=re.escape("between 0 and 6.418 Hz at 16 frames/s, but is 8.0")):
        low_pass(slow, 8.0)
