"""Measures of predicted motion: distance from the truth, and whether it stays alive and on its feet.

Definitions and thresholds of skating follow "GMD" (Karunratanakul et al. 2023), as later work on HumanML3D
uses them; the others are stated with each function.
"""

import numpy as np
import numpy.typing as npt

from musclegym.rotation import Array

LOW_FOOT = 0.05  # a foot below this height can skate [m]
SKATING_SPEED = 0.5  # planar speed from which a low foot skates [m/s]


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


def skating_ratio(feet: Array, fps: float) -> float:
    """Return the fraction of frames in which a low foot moves along the ground.

    A foot skates from t to t + 1 if it is below 0.05 m at both and its planar speed exceeds 0.5 m/s, both at
    that instant and in the mean over five frames.

    Args:
        feet: positions of points of the feet, shape (..., frame, foot, 3) [m].
        fps: frames per second.
    """
    speed = np.linalg.norm(np.diff(feet[..., ::2], axis=-3), axis=-1) * fps
    low = feet[..., 1] < LOW_FOOT
    frames = speed.shape[-2]
    padded = np.concatenate([speed[..., :1, :]] * 2 + [speed] + [speed[..., -1:, :]] * 2, axis=-2)
    mean = np.mean([padded[..., shift : shift + frames, :] for shift in range(5)], axis=0)
    skates = low[..., :-1, :] & low[..., 1:, :] & (speed > SKATING_SPEED) & (mean > SKATING_SPEED)
    return float(skates.any(axis=-1).mean())


def diverged(height: Array, speed: Array, true_height: Array, true_speed: Array) -> npt.NDArray[np.bool_]:
    """Tell which rollouts leave what the data does.

    A rollout diverges when a number stops being finite, when the root leaves the data's range of heights by
    more than 20 % of the limit it passes, or moves faster than 1.5 times the data's fastest.

    Args:
        height: of the root, shape (rollout, frame) [m].
        speed: of the root, shape (rollout, frame) [m/s].
        true_height: heights in the data, any shape [m].
        true_speed: speeds in the data, any shape [m/s].
    """
    sane = np.isfinite(height) & np.isfinite(speed) & (speed <= 1.5 * true_speed.max())
    sane &= (height >= 0.8 * true_height.min()) & (height <= 1.2 * true_height.max())
    return ~sane.all(axis=1)


def frozen(joint_velocity: Array, true_joint_speed: Array, frames: int = 30) -> npt.NDArray[np.bool_]:
    """Tell which rollouts have stopped moving: joint speed at the end below 30 % of the data's.

    Args:
        joint_velocity: shape (rollout, frame, joint dof) [rad/s].
        true_joint_speed: mean absolute joint velocity of the clip each rollout started from, (rollout,)
            [rad/s].
        frames: length of the end that is looked at.
    """
    return np.abs(joint_velocity[:, -frames:]).mean(axis=(1, 2)) < 0.3 * true_joint_speed
