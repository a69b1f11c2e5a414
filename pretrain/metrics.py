"""Measures of predicted motion: distance from the truth, and whether it stays alive and on its feet.

The definitions are stated with each function.
"""

import numpy as np
import numpy.typing as npt

from musclegym.motion.frames import lowest_sole, place
from musclegym.motion.quality import skating_ratio
from musclegym.rotation import Array
from musclegym.skeleton import Skeleton

TOLERANCE = 0.005  # distance from the ground that is no error [m]
PAST_LIMIT = np.radians(3.0)  # angle past a joint's limit that is no error [rad]
DRAWS = 1000  # of clips, for an interval


def joint_error(predicted: Array, true: Array, *, root_relative: bool) -> Array:
    """Return the mean distance between joints (..., joint, 3) [m] of two motions, shape (...).

    Args:
        predicted: joint positions, the root first.
        true: joint positions.
        root_relative: move both roots to the origin first (orientations stay).
    """
    if root_relative:
        predicted, true = predicted - predicted[..., :1, :], true - true[..., :1, :]
    return np.linalg.norm(predicted - true, axis=-1).mean(axis=-1)


def explained(error: Array, change: Array) -> float:
    """Return R^2 of predicted changes (sample, number): 1 - sum(error^2) / sum((change - mean change)^2)."""
    spread = ((change - change.mean(axis=0)) ** 2).sum()
    return float(1.0 - (error**2).sum() / spread) if spread > 0.0 else float("nan")


def skill(error: Array, reference: Array) -> float:
    """Return 1 - mean error / mean error of a reference: 1 is perfect, 0 no better than the reference."""
    return float(1.0 - error.mean() / reference.mean()) if reference.mean() > 0.0 else float("nan")


def growth_exponent(error: float, later: float, ratio: float) -> float:
    """Return p in error ~ horizon^p for horizons with this `ratio`; below 1 the error grows sublinearly."""
    return float(np.log(later / error) / np.log(ratio)) if error > 0.0 and later > 0.0 else float("nan")


def bootstrapped(error: Array, clips: npt.NDArray[np.int64], reference: Array | None = None) -> list[float]:
    """Return the 95 % interval [low, high] of a mean, or of the skill over a reference, over clips.

    Whole clips are drawn anew, 1000 times, since samples of one clip are alike (Efron & Tibshirani 1993,
    percentile interval).

    Args:
        error: shape (sample,).
        clips: clip that each sample is of, shape (sample,).
        reference: error of the reference in the same samples, shape (sample,); None for the mean itself.
    """
    _, number = np.unique(clips, return_inverse=True)
    count = number.max() + 1
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1.0 / count), size=DRAWS)
    sums = [np.bincount(number, weights=values) for values in (error, np.ones(len(error)))]
    if reference is not None:
        sums[1] = np.bincount(number, weights=reference)
    ratio = (draws @ sums[0]) / (draws @ sums[1])
    low, high = np.quantile(ratio if reference is None else 1.0 - ratio, [0.025, 0.975])
    return [float(low), float(high)]


def physics(skeleton: Skeleton, q: Array, fps: float) -> dict[str, float]:
    """Return how a motion q (frame, dof) keeps to the laws of contact and smoothness.

    Returns:
        `skating`, share of frames as in `musclegym.motion.quality.skating_ratio`; `penetration_mm` and
        `floating_mm`, mean depth of the lowest sole point below the ground and its height above it, beyond
        5 mm and with zeros included [mm]; `jerk`, mean size of the joints' third differences [m/s^3].
    """
    frames = place(skeleton, q)
    lowest = lowest_sole(skeleton, frames).min(axis=1)
    jerk = np.diff(frames.position, n=3, axis=0) * fps**3
    feet = np.flatnonzero(skeleton.contact)
    return {
        "skating": skating_ratio(frames.position[:, feet], fps),
        "penetration_mm": 1000.0 * float(np.maximum(0.0, -lowest - TOLERANCE).mean()),
        "floating_mm": 1000.0 * float(np.maximum(0.0, lowest - TOLERANCE).mean()),
        "jerk": float(np.linalg.norm(jerk, axis=2).mean()) if len(jerk) else float("nan"),
    }


def diverged(
    skeleton: Skeleton, height: Array, speed: Array, joints: Array, true_height: Array, true_speed: Array
) -> npt.NDArray[np.bool_]:
    """Tell which rollouts leave what the data and the skeleton allow.

    A rollout diverges when a number stops being finite, when the root leaves the data's range of heights by
    more than 20 % of the limit it passes, or moves faster than 1.5 times the data's fastest, or a joint
    passes its limit by more than 3 degrees.

    Args:
        skeleton: whose limits the joints keep.
        height: of the root, shape (rollout, frame) [m].
        speed: of the root, shape (rollout, frame) [m/s].
        joints: joint coordinates, shape (rollout, frame, dof - 6) [rad].
        true_height: heights in the data, any shape [m].
        true_speed: speeds in the data, any shape [m/s].
    """
    sane = np.isfinite(height) & np.isfinite(speed) & (speed <= 1.5 * true_speed.max())
    sane &= (height >= 0.8 * true_height.min()) & (height <= 1.2 * true_height.max())
    lower, upper = skeleton.lower[6:] - PAST_LIMIT, skeleton.upper[6:] + PAST_LIMIT
    sane &= ((joints >= lower) & (joints <= upper)).all(axis=-1)
    return ~sane.all(axis=1)


def frozen(joint_velocity: Array, true_joint_speed: Array, frames: int = 30) -> npt.NDArray[np.bool_]:
    """Tell which rollouts have stopped moving: joint speed at the end below 30 % of the data's.

    Args:
        joint_velocity: change of the joint coordinates, shape (rollout, frame, joint dof) [rad/s].
        true_joint_speed: mean of its size in the clip each rollout started from, (rollout,) [rad/s].
        frames: length of the end that is looked at.
    """
    return np.abs(joint_velocity[:, -frames:]).mean(axis=(1, 2)) < 0.3 * true_joint_speed
