"""Smooth curves: near their targets, straight across gaps, above bounds, and the same at every frame rate."""

import numpy as np
import pytest

from musclegym.motion.curves import covering, eased, eased_above

FPS = 30.0


def shape(frames: int, seed: int = 0) -> np.ndarray:
    """A random smooth path (frame, 2)."""
    steps = np.random.default_rng(seed).normal(size=(frames, 2))
    return np.cumsum(np.cumsum(steps, axis=0), axis=0) / frames


def test_a_constant_is_its_own_curve_whatever_is_given_of_it():
    target = np.full((50, 2), 0.3)
    given = np.zeros(50, dtype=bool)
    given[[3, 4, 40]] = True
    assert eased(target, given, FPS, 0.05) == pytest.approx(target, abs=1e-6)


def test_without_targets_the_curve_is_zero_and_with_one_it_is_that():
    target = shape(20)
    target[5] = 0.7
    assert eased(np.zeros((20, 1)), np.zeros(20, dtype=bool), FPS, 0.05) == pytest.approx(0.0)
    assert eased(target, np.arange(20) == 5, FPS, 0.05) == pytest.approx(0.7, abs=1e-5)


def test_the_curve_has_the_least_sum_of_misses_bends_and_slopes():
    target, given = shape(40), np.random.default_rng(1).random(40) < 0.5
    bend = (0.04 * FPS) ** 4
    pull = bend / (0.05 * FPS) ** 2

    def cost(curve):
        missed = ((curve - target)[given] ** 2).sum()
        slopes, bends = (np.diff(curve, n=order, axis=0) for order in (1, 2))
        return missed + pull * (slopes**2).sum() + bend * (bends**2).sum()

    curve = eased(target, given, FPS, 0.04)
    rng = np.random.default_rng(2)
    for size in (1e-1, 1e-3):
        assert all(cost(curve) < cost(curve + size * rng.normal(size=curve.shape)) for _ in range(50))


def test_a_gap_is_crossed_straight_and_without_a_kink():
    target = np.repeat([[0.0], [1.0]], 45, axis=0)
    given = np.ones(90, dtype=bool)
    given[30:60] = False
    curve = eased(target, given, FPS, 0.03)[:, 0]
    assert np.diff(curve).min() > -1e-3
    slope = np.diff(curve)[37:52]
    assert slope == pytest.approx(slope.mean(), rel=0.02)
    line = np.interp(np.arange(90), np.flatnonzero(given), target[given, 0])
    assert np.abs(np.diff(curve, n=2)).max() < 0.6 * np.abs(np.diff(line, n=2)).max()


def test_a_curve_hardly_depends_on_the_frame_rate():
    coarse, fine = (
        eased(np.sin(3.0 * times)[:, None], np.abs(times - 1.0) > 0.201, fps, 0.05)[:: int(fps / 30.0), 0]
        for fps, times in ((fps, np.arange(int(2 * fps) + 1) / fps) for fps in (30.0, 120.0))
    )
    assert coarse == pytest.approx(fine, abs=0.05)


def test_short_paths_have_curves_too():
    for frames in (1, 2, 3):
        assert np.isfinite(eased(shape(frames), np.ones(frames, dtype=bool), FPS, 0.05)).all()
        assert covering(np.ones(frames), FPS) == pytest.approx(1.0)


def test_a_bounded_curve_keeps_a_smooth_bound_and_leaves_what_is_above_it():
    times = np.arange(90) / FPS
    target, given = np.zeros(90), (times < 0.8) | (times > 2.2)
    bound = 0.1 * np.exp(-(((times - 1.5) / 0.2) ** 2)) - 0.01
    curve = eased_above(target, given, bound, FPS, 0.03)
    assert (curve > bound - 0.004).all()
    assert curve[given] == pytest.approx(0.0, abs=0.012)
    far_below = np.full(90, -1.0)
    free = eased_above(target, given, far_below, FPS, 0.03)
    assert np.array_equal(free, eased(target[:, None], given, FPS, 0.03)[:, 0])


@pytest.mark.parametrize("fps", [30.0, 120.0])
def test_beyond_the_targets_a_lifted_curve_comes_down_again(fps):
    times = np.arange(int(2 * fps)) / fps
    given = times > 1.5
    bound = np.where((times > 1.35) & ~given, 0.05, -1.0)
    curve = eased_above(np.zeros(len(times)), given, bound, fps, 0.03)
    assert curve[(times > 1.4) & ~given] == pytest.approx(0.05, abs=0.015)
    assert curve[times < 0.8] == pytest.approx(0.0, abs=0.001)
    assert (np.diff(curve[times < 1.2]) > -1e-6).all()
    backwards = eased_above(np.zeros(len(times)), given[::-1], bound[::-1], fps, 0.03)
    assert backwards[::-1] == pytest.approx(curve, abs=1e-9)


@pytest.mark.parametrize("fps", [20.0, 30.0, 120.0])
def test_what_covers_is_nowhere_too_low_and_ends_soon_after_the_need(fps):
    needed = np.random.default_rng(0).normal(size=400) * (np.random.default_rng(1).random(400) < 0.05)
    cover = covering(needed, fps)
    assert (cover >= np.maximum(needed, 0.0) - 1e-12).all()
    assert (cover <= needed.max()).all()
    reach = 2 * int(np.ceil(0.1 * fps)) + 1
    wanted = np.flatnonzero(needed > 0.0)
    far = np.abs(np.arange(400)[:, None] - wanted).min(axis=1) > reach
    assert cover[far] == pytest.approx(0.0)


def test_what_covers_has_no_kinks():
    needed = np.zeros(60)
    needed[30] = 1.0
    bends = np.abs(np.diff(covering(needed, FPS), n=2))
    assert bends.max() < 0.2  # of a peak of 1; the need itself bends by 2
