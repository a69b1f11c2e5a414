"""Low-pass filter of clips: a step of conversion only, never of training.

A second-order Butterworth filter is run forwards and backwards: no delay, fourth order in all. Both runs
together weaken the cut-off frequency twice, so each is designed for one that is higher by
(2^(1/2) - 1)^(-1/4) = 1.246 (Winter, Biomechanics and Motor Control of Human Movement, 4th ed., section 2.2;
from memory): at the cut-off that is asked for, the amplitude is 1 / sqrt(2).
"""

from dataclasses import replace

import numpy as np
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from musclegym.motion.clip import Clip
from musclegym.rotation import Array

BOTH_WAYS = (2.0**0.5 - 1.0) ** -0.25
USUAL = 8.0  # cut-off in the middle of the 6 to 10 Hz that are usual for whole-body motion [1/s]


def low_pass(clip: Clip, cutoff: float = USUAL) -> Clip:
    """Return a clip without what is faster than a cut-off frequency.

    Rotations are filtered as quaternions whose signs are made continuous, and scaled to length 1 again, so
    that no angle wraps. What stands on the ground is found anew when the clip is retargeted.

    Args:
        clip: the motion, at the frame rate it was recorded with: filter before sampling at a lower rate.
        cutoff: frequency at which the amplitude falls to 1 / sqrt(2) [1/s]; 6 to 10 are usual.

    Raises:
        ValueError: if the cut-off is not positive or too near to half of the frame rate.
    """
    highest = 0.5 * clip.fps / BOTH_WAYS
    if not 0.0 < cutoff < highest:
        raise ValueError(
            f"{clip.source}: the cut-off of a low-pass filter must lie between 0 and {highest:.4g} Hz at "
            f"{clip.fps:.4g} frames/s, but is {cutoff}; use e.g. {min(USUAL, 0.8 * highest):.3g}, or none"
        )
    sections = np.asarray(butter(2, cutoff * BOTH_WAYS, fs=clip.fps, output="sos"))
    quaternion = Rotation.from_matrix(clip.rotation.reshape(-1, 3, 3)).as_quat()
    quaternion = continuous(quaternion.reshape(*clip.rotation.shape[:2], 4))
    smooth = Rotation.from_quat(filtered(sections, quaternion, clip.fps / cutoff).reshape(-1, 4))
    rotation = smooth.as_matrix().reshape(clip.rotation.shape)
    return replace(clip, rotation=rotation, root=filtered(sections, clip.root, clip.fps / cutoff))


def filtered(sections: Array, values: Array, period: float) -> Array:
    """Return values (frame, ...) filtered both ways, continued point-symmetrically at both ends.

    Args:
        sections: the filter, as second-order sections.
        values: what to filter.
        period: frames in one period of the cut-off, three of which the ends are continued by.
    """
    beyond = min(len(values) - 1, int(np.ceil(3.0 * period)))
    return sosfiltfilt(sections, values, axis=0, padlen=beyond)


def continuous(quaternion: Array) -> Array:
    """Return quaternions (frame, ..., 4) with signs such that none turns against the one before."""
    cosine = np.sum(quaternion[1:] * quaternion[:-1], axis=-1, keepdims=True)
    sign = np.cumprod(np.where(cosine < 0.0, -1.0, 1.0), axis=0)
    return np.concatenate([quaternion[:1], quaternion[1:] * sign], axis=0)
