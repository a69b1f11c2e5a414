"""Feet on the ground: where they stand, toes that bend, legs that keep standing feet in place."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_closing, distance_transform_edt, gaussian_filter1d
from scipy.spatial.transform import Rotation

from musclegym.motion.curves import covering, eased, eased_above
from musclegym.motion.frames import Frames, feet, lowest_sole, place, sole_points
from musclegym.rotation import Array
from musclegym.skeleton import Skeleton

SLOW = 0.4  # a foot whose lowest point is slower may stand [m/s]
NEAR = 0.06  # and does so when that point is less than this above the ground [m]
TOES_NEAR = 0.12  # toes bend while the foot's lowest point is nearer to the ground than this [m]
TOES_SMOOTHING = 0.05  # time constant with which they do [s]
LONGEST_GAP = 0.1  # for so long a standing foot may be faster without leaving the ground [s]
FARTHEST = 0.08  # a standing foot is moved by no more than this: beyond, it is taken to slide on purpose [m]
CLEARANCE = (
    0.02  # least height of a swinging foot [m]; toes clear the ground by 13 mm (Winter 1992, Phys Ther 72)
)
BALL_CLEARANCE = 0.052  # least height of the joint at its ball [m]: a lower one counts as skating
LIFTING = 1.0 / 15.0  # time before and after a stand within which a foot rises to its clearance [s]
LEVEL_STIFFNESS = 0.05  # stiffness of a foot's correction along the ground (`eased`) [s]
UPRIGHT_STIFFNESS = 0.03  # the same of its height, which is to be exact [s]
STRAIGHTEST = 0.997  # longest leg as a share of its bones: a straighter knee turns much for little length
ROOT_SMOOTHING = 0.07  # time constant with which the root's height follows what the feet need [s]
BALLS = {side: "FootThumb" + side for side in "LR"}
LEGS = {side: tuple(body + side for body in ("Femur", "Tibia", "Talus")) for side in "LR"}


def plant_feet(skeleton: Skeleton, q: Array, fps: float) -> Array:
    """Return the poses (frame, dof) with the soles on the ground y = 0.

    A foot stands while its lowest point is slow and low. Then that point is held in place: the whole body is
    shifted in height, and each leg is bent and swung until its ankle is where the standing foot asks for. A
    swinging foot is lifted until it and the joint at its ball clear the ground. The correction is a smooth
    curve (`musclegym.motion.curves`), so that it adds as little as it can to the recorded accelerations.
    """
    frames = place(skeleton, q)
    ground = ground_height(skeleton, frames, fps)
    q = q.copy()
    q[:, 4] -= ground
    q = bend_toes(skeleton, q, fps)
    frames = place(skeleton, q)
    shifts = np.stack(
        [
            foot_shift(
                sole_points(skeleton, frames, bodies), frames.position[:, skeleton.body(BALLS[side])], fps
            )
            for side, bodies in zip("LR", feet(skeleton), strict=True)
        ],
        axis=1,
    )
    rise = gaussian_filter1d(shifts[..., 1].mean(axis=1), ROOT_SMOOTHING * fps, mode="nearest")
    ankles = [
        frames.position[:, skeleton.body(LEGS[side][2])] + shifts[:, index] for index, side in enumerate("LR")
    ]
    q[:, 4] += rise - drop_to_reach(skeleton, frames, rise, ankles, fps)
    for side, ankle in zip("LR", ankles, strict=True):
        q = reach(skeleton, q, [skeleton.body(name) for name in LEGS[side]], ankle)
    # Where joint limits stopped a leg, its sole may still be under the ground.
    q[:, 4] += covering(-lowest_sole(skeleton, place(skeleton, q)).min(axis=1), fps)
    return q


def lowest_points(points: Array, fps: float) -> tuple[Array, Array, npt.NDArray[np.intp]]:
    """Return height [m], speed [m/s] and index of the lowest of `points` (frame, point, 3), each (frame,)."""
    lowest = points[..., 1].argmin(axis=1)
    every = np.arange(len(points))
    velocity = np.gradient(points, 1.0 / fps, axis=0)[every, lowest]
    return points[every, lowest, 1], np.linalg.norm(velocity, axis=1), lowest


def ground_height(skeleton: Skeleton, frames: Frames, fps: float) -> float:
    """Return the height of the ground under a motion [m].

    The median height of slow feet, of those less than 0.1 m above the lowest of them; without any, the lowest
    sole point.
    """
    heights = []
    for side in feet(skeleton):
        height, speed, _ = lowest_points(sole_points(skeleton, frames, side), fps)
        heights.append(np.stack([height, speed]))
    height, speed = np.concatenate(heights, axis=1)
    slow = height[speed < SLOW]
    if len(slow) < 3:
        return float(height.min())
    return float(np.median(slow[slow < np.percentile(slow, 5.0) + 0.1]))


def bend_toes(skeleton: Skeleton, q: Array, fps: float) -> Array:
    """Return the poses with level toes, as far as they bend, while the heel is up and the foot low."""
    frames = place(skeleton, q)
    out = q.copy()
    for side, bodies in zip("LR", feet(skeleton), strict=True):
        talus = skeleton.body(LEGS[side][2])
        low = sole_points(skeleton, frames, bodies)[..., 1].min(axis=1)
        nose = np.arcsin(np.clip(frames.rotation[:, talus, 1, 2], -1.0, 1.0))
        bend = np.minimum(nose, 0.0) * np.clip(2.0 - 2.0 * low / TOES_NEAR, 0.0, 1.0)
        bend = gaussian_filter1d(bend, TOES_SMOOTHING * fps, mode="nearest")
        for body in bodies:
            if body != talus:
                column = skeleton.dof_start[body]
                out[:, column] = np.clip(bend, skeleton.lower[column], skeleton.upper[column])
    return out


def foot_shift(points: Array, ball: Array, fps: float) -> Array:
    """Return how a foot must move to stand still on the ground and swing above it, shape (frame, 3) [m].

    Args:
        points: its sole points, shape (frame, point, 3) [m].
        ball: the joint at its ball, shape (frame, 3) [m].
        fps: frame rate [1/s].
    """
    height, speed, lowest = lowest_points(points, fps)
    near = np.abs(height) < NEAR
    gap = np.ones(2 * round(0.5 * LONGEST_GAP * fps) + 1)
    padded = np.pad(near & (speed < SLOW), gap.size, mode="edge")
    stands = np.asarray(binary_closing(padded, gap), dtype=np.bool_)[gap.size : -gap.size] & near
    shift = np.zeros((len(points), 3))
    edges = np.flatnonzero(np.diff(stands, prepend=False, append=False))
    for start, stop in edges.reshape(-1, 2):
        inside = np.arange(start, stop)
        shift[inside] = hold(points[inside], lowest[inside])
    since = np.asarray(distance_transform_edt(~stands)) if stands.any() else np.full(len(stands), np.inf)
    swings = np.clip((speed - SLOW) / SLOW, 0.0, 1.0) * np.clip(since / (LIFTING * fps), 0.0, 1.0)
    clear = np.maximum(swings * CLEARANCE - height, swings * BALL_CLEARANCE - ball[:, 1])
    bound = np.where(stands, shift[:, 1], clear)
    level = eased(shift[:, [0, 2]], stands, fps, LEVEL_STIFFNESS)
    return np.insert(level, 1, eased_above(shift[:, 1], stands, bound, fps, UPRIGHT_STIFFNESS), axis=1)


def hold(points: Array, lowest: npt.NDArray[np.intp]) -> Array:
    """Return the shift (frame, 3) that holds a standing foot's lowest point in place and on the ground.

    Args:
        points: sole points while it stands, shape (frame, point, 3).
        lowest: index of the lowest one, shape (frame,).
    """
    every = np.arange(len(points))
    slip = points[every[1:], lowest[:-1]] - points[every[:-1], lowest[:-1]]
    shift = np.concatenate([np.zeros((1, 3)), -np.cumsum(slip, axis=0)])
    shift -= shift.mean(axis=0)
    shift *= np.minimum(1.0, FARTHEST / np.maximum(np.linalg.norm(shift, axis=1), 1e-9))[:, None]
    shift[:, 1] = -points[every, lowest, 1]
    return shift


def drop_to_reach(skeleton: Skeleton, frames: Frames, rise: Array, ankles: list[Array], fps: float) -> Array:
    """Return how much lower the root must be for both legs to reach their ankles, shape (frame,) [m]."""
    drop = np.zeros(len(rise))
    for side, ankle in zip("LR", ankles, strict=True):
        hip, knee, foot = (skeleton.body(name) for name in LEGS[side])
        longest = STRAIGHTEST * sum(
            float(np.linalg.norm(skeleton.tree.offset[body])) for body in (knee, foot)
        )
        away = frames.position[:, hip] + rise[:, None] * [0.0, 1.0, 0.0] - ankle
        highest = np.sqrt(np.maximum(longest**2 - away[:, 0] ** 2 - away[:, 2] ** 2, 0.0))
        drop = np.maximum(drop, away[:, 1] - highest)
    return covering(drop, fps)


def reach(skeleton: Skeleton, q: Array, leg: list[int], target: Array) -> Array:
    """Return the poses with a leg bent and swung to bring its ankle to `target`, the foot turned as before.

    The knee's angle follows from the distance: |a + R(theta) b| = r, with the bones a and b and the distance
    r from hip to target. The thigh is then turned by the smallest rotation that brings the ankle into the
    target's direction.

    Args:
        skeleton: whose leg.
        q: poses, shape (frame, dof).
        leg: femur, tibia and talus.
        target: where the ankle should be in the world.
    """
    femur, tibia, talus = leg
    tree, frames, out = skeleton.tree, place(skeleton, q), q.copy()
    hip_columns = slice(skeleton.dof_start[femur], skeleton.dof_start[femur] + 3)
    knee_column = skeleton.dof_start[tibia]
    ankle_columns = slice(skeleton.dof_start[talus], skeleton.dof_start[talus] + 3)
    wanted = target - frames.position[:, femur]
    angle = knee_angle(skeleton, tibia, talus, np.linalg.norm(wanted, axis=1), q[:, knee_column])
    out[:, knee_column] = np.clip(angle, skeleton.lower[knee_column], skeleton.upper[knee_column])
    knee = (
        tree.rest_rotation[tibia] @ Rotation.from_rotvec(out[:, [knee_column]] * tree.axis[tibia]).as_matrix()
    )
    thigh = frames.rotation[:, femur]
    straight = np.einsum("fij,fj->fi", thigh, tree.offset[tibia] + knee @ tree.offset[talus])
    thigh = shortest_turns(straight, wanted) @ thigh
    base = frames.rotation[:, skeleton.parent[femur]] @ tree.rest_rotation[femur]
    out[:, hip_columns] = limited(skeleton, base, thigh, hip_columns)
    thigh = base @ Rotation.from_rotvec(out[:, hip_columns]).as_matrix()
    base = thigh @ knee @ tree.rest_rotation[talus]
    out[:, ankle_columns] = limited(skeleton, base, frames.rotation[:, talus], ankle_columns)
    return out


def limited(skeleton: Skeleton, base: Array, wanted: Array, columns: slice) -> Array:
    """Return the rotation vector (frame, 3) from `base` to `wanted` (frame, 3, 3), within the limits."""
    vector = Rotation.from_matrix(base.transpose(0, 2, 1) @ wanted).as_rotvec()
    return np.clip(vector, skeleton.lower[columns], skeleton.upper[columns])


def knee_angle(skeleton: Skeleton, tibia: int, talus: int, distance: Array, near: Array) -> Array:
    """Return the knee angle (frame,) [rad] next to `near` that puts the ankle at a distance from the hip."""
    tree = skeleton.tree
    above, below, axis = (
        tree.rest_rotation[tibia].T @ tree.offset[tibia],
        tree.offset[talus],
        tree.axis[tibia],
    )
    along = (below @ axis) * axis
    a, b = above @ (below - along), above @ np.cross(axis, below)
    cosine = ((distance**2 - above @ above - below @ below) / 2.0 - above @ along) / np.hypot(a, b)
    spread = np.arccos(np.clip(cosine, -1.0, 1.0))
    solutions = np.arctan2(b, a) + np.stack([spread, -spread])
    return np.take_along_axis(solutions, np.abs(solutions - near).argmin(axis=0)[None], axis=0)[0]


def shortest_turns(start: Array, end: Array) -> Array:
    """Return the smallest rotations (n, 3, 3) that turn the directions `start` into `end`, both (n, 3)."""
    a = start / np.linalg.norm(start, axis=1, keepdims=True)
    b = end / np.linalg.norm(end, axis=1, keepdims=True)
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.arctan2(sine, np.einsum("fi,fi->f", a, b)[:, None])
    return Rotation.from_rotvec(axis / np.maximum(sine, 1e-12) * angle).as_matrix()
