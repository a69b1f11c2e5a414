"""Kinematics of a skeleton over many frames at once."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from musclegym.rotation import Array
from musclegym.skeleton import HINGE, Skeleton

CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
CONTACT_HEIGHT = 0.03  # a foot whose lowest corner is higher does not stand [m]
CONTACT_SPEED = 0.4  # a foot whose lowest corner moves faster does not stand [m/s]


class Frames(NamedTuple):
    """Where the joints are, frame by frame."""

    rotation: Array  # joint frames in the world, shape (frame, body, 3, 3)
    position: Array  # joints in the world, shape (frame, body, 3) [m]


def place(skeleton: Skeleton, q: Array) -> Frames:
    """Return where the joints of `skeleton` are in the poses `q` (frame, dof)."""
    tree = skeleton.tree
    rotation = np.empty((len(q), skeleton.n_bodies, 3, 3))
    position = np.empty((len(q), skeleton.n_bodies, 3))
    for body in range(skeleton.n_bodies):
        at, parent = skeleton.dof_start[body], tree.parent[body]
        vector = q[:, at : at + 1] * tree.axis[body] if tree.kind[body] == HINGE else q[:, at : at + 3]
        local = tree.rest_rotation[body] @ Rotation.from_rotvec(vector).as_matrix()
        if parent < 0:
            rotation[:, body] = local
            position[:, body] = tree.offset[body] + q[:, 3:6]
        else:
            rotation[:, body] = rotation[:, parent] @ local
            position[:, body] = position[:, parent] + rotation[:, parent] @ tree.offset[body]
    return Frames(rotation, position)


def feet(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """Return the bodies that touch the ground on the left (x > 0 at rest) and on the right."""
    bodies = np.flatnonzero(skeleton.contact)
    left = [int(body) for body in bodies if skeleton.com[body, 0] > 0.0]
    return left, [int(body) for body in bodies if int(body) not in left]


def sole_points(skeleton: Skeleton, frames: Frames, bodies: list[int]) -> Array:
    """Return the corners of the boxes of `bodies` in the world, shape (frame, point, 3) [m]."""
    points = []
    for body in bodies:
        corners = skeleton.com[body] + (CORNERS * skeleton.size[body]) @ skeleton.body_rotation[body].T
        local = (corners - skeleton.joint_position[body]) @ skeleton.joint_rotation[body]
        points.append(local @ frames.rotation[:, body].transpose(0, 2, 1) + frames.position[:, body, None])
    return np.concatenate(points, axis=1)


def lowest_sole(skeleton: Skeleton, frames: Frames) -> Array:
    """Return the height of the lowest sole point of the left and of the right foot, shape (frame, 2) [m]."""
    return np.stack(
        [sole_points(skeleton, frames, side)[..., 1].min(axis=1) for side in feet(skeleton)], axis=1
    )


def foot_contacts(skeleton: Skeleton, frames: Frames, fps: float) -> npt.NDArray[np.bool_]:
    """Return whether the left and the right foot stand: lowest point low and slow, shape (frame, 2)."""
    columns = []
    for side in feet(skeleton):
        points = sole_points(skeleton, frames, side)
        speed = np.linalg.norm(np.gradient(points, 1.0 / fps, axis=0), axis=2)
        lowest = points[..., 1].argmin(axis=1)
        every = np.arange(len(points))
        columns.append((points[every, lowest, 1] < CONTACT_HEIGHT) & (speed[every, lowest] < CONTACT_SPEED))
    return np.stack(columns, axis=1)
