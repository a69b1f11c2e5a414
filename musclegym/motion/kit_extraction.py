"""KIT-ML and HumanML3D features computed from any joints or from a body's motion.

The heading is that of the lines through hips and shoulders, smoothed over time, and is taken to be +z in the
first frame, as the genuine sample has it. The published code (`common/skeleton.py` of HumanML3D) names the
hips in the other order than its callers give them, so that their line is subtracted where it should be added;
so do we, for only so the sample comes out. Where a smoothed heading passes -z, that code takes the arcsine of
a quaternion whose sign has jumped, which turns the wrong way; we do not. Everything is written so that
mirrored joints give mirrored features to the last bit.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from musclegym.motion.frames import place
from musclegym.motion.joint_sets import JointSet
from musclegym.motion.kit_features import MIRROR_POINT, JointFeatures, about_vertical, upright
from musclegym.motion.motion import Motion
from musclegym.rotation import Array
from musclegym.skeleton import Skeleton

HEADING_SMOOTHING = 20.0  # standard deviation of the filter that smooths the heading, as published [frame]


def features_from_motion(motion: Motion, joint_set: JointSet, fps: float | None = None) -> JointFeatures:
    """Return the features of a body's motion, scaled so that its legs are as long as the data set's.

    Args:
        motion: any motion of a body of the MASS family.
        joint_set: `HUMANML3D` or `KIT`.
        fps: rate of the features [1/s]; the data set's own if None.

    Raises:
        ValueError: if the motion is too short for two frames.
    """
    rate = joint_set.fps if fps is None else fps
    frames = int(np.floor(motion.duration * rate + 1e-9)) + 1
    q, _ = motion.at(np.arange(frames) / rate)
    unit = joint_set.unit_of(motion.skeleton)
    return features_from_joints(joints_of_poses(motion.skeleton, q, joint_set) / unit, joint_set, rate, unit)


def joints_of_poses(skeleton: Skeleton, q: Array, joint_set: JointSet) -> Array:
    """Return the joints of the set in the poses `q` (frame, dof), shape (frame, joint, 3) [m]."""
    joints = joint_set.weights(skeleton) @ place(skeleton, q).position
    return joints * MIRROR_POINT if joint_set.mirrored else joints


def features_from_joints(
    joints: npt.ArrayLike, joint_set: JointSet, fps: float | None = None, unit: float | None = None
) -> JointFeatures:
    """Return the features of joints in the world, y up.

    The clip is first put on the floor, moved to the origin and turned to face +z.

    Args:
        joints: shape (frame, joint, 3) [unit].
        joint_set: `HUMANML3D` or `KIT`.
        fps: frames per second; the data set's own if None.
        unit: length that a 1 stands for [m]; the data set's own if None.

    Raises:
        ValueError: if there are fewer than two frames, or the joints are not finite points of the set.
    """
    joints = np.asarray(joints, dtype=np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (joint_set.n_joints, 3) or len(joints) < 2:
        raise ValueError(
            f"{joint_set.name} features need at least 2 frames of {joint_set.n_joints} points, but the "
            f"joints have shape {joints.shape}; give (frame, {joint_set.n_joints}, 3)"
        )
    if not np.isfinite(joints).all():
        frame = int(np.argmin(np.isfinite(joints).all(axis=(1, 2))))
        raise ValueError(
            f"joints must be finite, but those of frame {frame} are not; repair or drop the clip"
        )
    joints = canonical(joints, joint_set)
    cosine, sine = smoothed_heading(joints, joint_set)
    step = np.diff(joints, axis=0)
    local = about_vertical(joints[:-1] - joints[:-1, :1] * [1.0, 0.0, 1.0], cosine[:-1], -sine[:-1])
    parts = [
        half_turns(cosine, sine)[:, None],
        about_vertical(step[:, :1], cosine[1:], -sine[1:])[:, 0, ::2],
        joints[:-1, 0, 1:2],
        local[:, 1:],
        bone_rotations(joints[:-1], cosine[:-1], sine[:-1], joint_set),
        about_vertical(step, cosine[:-1], -sine[:-1]),
        (step[:, joint_set.feet] ** 2).sum(axis=2) < joint_set.still,
    ]
    values = np.concatenate([part.reshape(len(step), -1) for part in parts], axis=1)
    return JointFeatures(joint_set, values, fps or joint_set.fps, unit or joint_set.unit)


def mirrored_joints(joints: Array, joint_set: JointSet) -> Array:
    """Return the joints (frame, joint, 3) of the mirrored motion."""
    return joints[:, joint_set.mirror_order] * MIRROR_POINT


def canonical(joints: Array, joint_set: JointSet) -> Array:
    """Return the joints (frame, joint, 3) with the lowest at height 0, starting at the origin, facing +z."""
    right_hip, left_hip, right_shoulder, left_shoulder = np.moveaxis(joints[0, list(joint_set.facing)], 0, 0)
    across = (right_hip - left_hip) + (right_shoulder - left_shoulder)
    cosine, sine = (part[None] for part in facing_of(across))
    start = joints[0, 0] * [1.0, 0.0, 1.0]
    start[1] = joints[..., 1].min()
    return about_vertical(joints - start, cosine, -sine)


def smoothed_heading(joints: Array, joint_set: JointSet) -> tuple[Array, Array]:
    """Return cosine and sine of the heading of each frame, both (frame,); 1 and 0 in the first."""
    right_hip, left_hip, right_shoulder, left_shoulder = np.moveaxis(joints[:, list(joint_set.facing)], 1, 0)
    across = (left_hip - right_hip) + (right_shoulder - left_shoulder)  # hips reversed, as published
    across = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    smooth = gaussian_filter1d(across, HEADING_SMOOTHING, axis=0, mode="nearest")
    cosine, sine = facing_of(smooth)
    cosine[0], sine[0] = 1.0, 0.0
    return cosine, sine


def facing_of(across: Array) -> tuple[Array, Array]:
    """Return cosine and sine of the angle from +z to where people face whose right is at `across` (..., 3).

    Where `across` is vertical, or vanishes, +z.
    """
    length = np.hypot(across[..., 0], across[..., 2])
    level = length > 1e-9
    length = np.where(level, length, 1.0)
    return np.where(level, -across[..., 0] / length, 1.0), np.where(level, across[..., 2] / length, 0.0)


def half_turns(cosine: Array, sine: Array) -> Array:
    """Return half the angle back from each heading (frame,) to the one before, (frame - 1,) [rad]."""
    turn_cosine = cosine[1:] * cosine[:-1] + sine[1:] * sine[:-1]
    turn_sine = cosine[1:] * sine[:-1] - sine[1:] * cosine[:-1]
    return 0.5 * np.arctan2(turn_sine, turn_cosine)


def bone_rotations(joints: Array, cosine: Array, sine: Array, joint_set: JointSet) -> Array:
    """Return the first two columns of each bone's rotation, shape (frame, joint - 1, 6).

    The rotation that takes a bone's direction at rest to its present one by the shortest way is stated from
    that of the bone before it; every chain begins at the root, whose rotation is the one *to* the heading
    frame.
    """
    out = np.empty((len(joints), joint_set.n_joints - 1, 6))
    for chain in joint_set.chains:
        above = upright(cosine, -sine)
        for start, end in pairwise(chain):
            turn = shortest_turns(np.array(joint_set.directions[end]), joints[:, end] - joints[:, start])
            local = np.swapaxes(above, 1, 2) @ turn
            out[:, end - 1] = np.concatenate([local[..., 0], local[..., 1]], axis=1)
            above = turn
    return out


def shortest_turns(start: Array, end: Array) -> Array:
    """Return the smallest rotations (frame, 3, 3) from a direction (3,) along an axis to `end` (frame, 3).

    R = d + [c]x + c c^T / (1 + d) with c = start x end and d = start . end, both of unit vectors. Next to the
    opposite direction 1 / (1 + d) is taken as (1 - d) / |c|^2; there, half a turn about y, or about x if
    `start` is vertical. A bone without length is not turned.
    """
    length = np.linalg.norm(end, axis=1, keepdims=True)
    end = np.where(length > 1e-12, end / np.maximum(length, 1e-12), start)
    c, d = np.cross(start, end), end @ start
    square = (c * c).sum(axis=1)
    parallel = square < 1e-30
    opposite = parallel & (d < 0.0)
    scale = np.where(d < 0.0, (1.0 - d) / np.where(parallel, 1.0, square), 1.0 / np.maximum(1.0 + d, 0.5))
    zero = np.zeros_like(d)
    skew = np.stack([zero, -c[:, 2], c[:, 1], c[:, 2], zero, -c[:, 0], -c[:, 1], c[:, 0], zero], axis=1)
    turn = skew.reshape(-1, 3, 3) + scale[:, None, None] * c[:, :, None] * c[:, None, :]
    turn += d[:, None, None] * np.eye(3)
    half = np.diag([1.0, -1.0, -1.0]) if start[1] else np.diag([-1.0, 1.0, -1.0])
    return np.where(opposite[:, None, None], half, turn)
