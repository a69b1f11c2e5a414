"""Between the generalised coordinates of a skeleton and the link coordinates of the physics engine.

The engine states ball joints in the principal axes of the child's inertia (its link frame); ours lie in the
joint frame. A link state is one array: mass centre of the root (3) [m], its orientation xyzw (4), its linear
and angular velocity (3 + 3), all in the world; then the joints' positions (xyzw of a ball, angle of a hinge)
and then their velocities (three of a ball, in the link frame; one of a hinge).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from musclegym.rotation import (
    Array,
    IntArray,
    cross,
    matrix_from_quaternion,
    multiply,
    quaternion_from_matrix,
    rotate,
    rotation_about_axis,
    rotation_from_vector,
    vector_from_rotation,
)
from musclegym.skeleton import FREE, HINGE, Skeleton, Tree

ROOT_NUMBERS = 13
"""Numbers of a link state that belong to the root: position 3, orientation 4, velocities 6."""


class LinkFrames(NamedTuple):
    """How the engine's frames and arrays relate to the skeleton's."""

    to_joint: Array  # (body, 3, 3) link frame (principal axes of inertia) in the joint frame
    principal_inertia: Array  # (body, 3) [kg m^2]
    position_at: IntArray  # (body,) first position number of the body's joint in a link state
    velocity_at: IntArray  # (body,) first velocity number

    @property
    def size(self) -> int:
        """Length of a link state."""
        return int(self.velocity_at[0])


def link_frames(skeleton: Skeleton) -> LinkFrames:
    """Return the engine's frames for a skeleton."""
    to_joint, principal = np.empty((skeleton.n_bodies, 3, 3)), np.empty((skeleton.n_bodies, 3))
    for body, inertia in enumerate(skeleton.inertia):
        axes = np.eye(3)
        principal[body] = np.diag(inertia)
        if np.abs(inertia - np.diag(principal[body])).max() > 1e-12:
            principal[body], axes = np.linalg.eigh(inertia)
            axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
        to_joint[body] = skeleton.joint_rotation[body].T @ skeleton.body_rotation[body] @ axes
    hinge = skeleton.joint_kind[1:] == HINGE
    positions, velocities = np.where(hinge, 1, 4), np.where(hinge, 1, 3)
    first = ROOT_NUMBERS + np.concatenate([[0], np.cumsum(positions)])
    second = first[-1] + np.concatenate([[0], np.cumsum(velocities)])
    return LinkFrames(
        to_joint=to_joint,
        principal_inertia=principal,
        position_at=np.concatenate([[0], first[:-1]]),
        velocity_at=np.concatenate([[second[-1]], second[:-1]]),
    )


@njit(cache=True)
def similar(b: Array, r: Array, buffer: Array, out: Array) -> None:
    """Write b @ r @ b^T, all (3, 3), into `out`."""
    multiply(b, r, buffer)
    for i in range(3):
        for j in range(3):
            out[i, j] = buffer[i, 0] * b[j, 0] + buffer[i, 1] * b[j, 1] + buffer[i, 2] * b[j, 2]


@njit(cache=True, inline="always")
def rotate_back(r: Array, v: Array, out: Array) -> None:
    """Write r^T @ v into `out` (3,), which is not `v`."""
    for i in range(3):
        out[i] = r[0, i] * v[0] + r[1, i] * v[1] + r[2, i] * v[2]


@njit(cache=True)
def from_links(
    tree: Tree, frames: LinkFrames, links: Array, scratch: Array, local: Array, displacement: Array, qd: Array
) -> None:
    """Read a link state.

    Args:
        tree: the skeleton.
        frames: the engine's frames.
        links: link state, shape (frames.size,).
        scratch: buffer, shape (3, 3, 3).
        local: receives the joint rotations away from rest, shape (body, 3, 3).
        displacement: receives the root's displacement from rest, shape (3,) [m].
        qd: receives the generalised velocity, shape (dof,).
    """
    a, b, c = scratch[0], scratch[1], scratch[2]
    for body in range(1, tree.parent.size):
        at = int(tree.dof_start[body])
        p, v = int(frames.position_at[body]), int(frames.velocity_at[body])
        if tree.kind[body] == HINGE:
            rotation_about_axis(tree.axis[body], links[p], local[body])
            qd[at] = links[v]
        else:
            matrix_from_quaternion(links[p], links[p + 1], links[p + 2], links[p + 3], a)
            similar(frames.to_joint[body], a, b, local[body])
            rotate(frames.to_joint[body], links[v : v + 3], qd[at : at + 3])
    matrix_from_quaternion(links[3], links[4], links[5], links[6], a)
    for i in range(3):
        for j in range(3):
            b[i, j] = 0.0
            for k in range(3):
                b[i, j] += a[i, k] * frames.to_joint[0, j, k]
    for i in range(3):
        for j in range(3):
            local[0, i, j] = 0.0
            for k in range(3):
                local[0, i, j] += tree.rest_rotation[0, k, i] * b[k, j]
    rotate(b, tree.com[0], c[0])  # from the root's joint to its mass centre
    for i in range(3):
        displacement[i] = links[i] - c[0, i] - tree.offset[0, i]
    w = links[10:13]
    cross(w, c[0], c[1])
    for i in range(3):
        c[1, i] = links[7 + i] - c[1, i]
    rotate_back(b, w, qd[0:3])
    rotate_back(b, c[1], qd[3:6])


@njit(cache=True)
def to_links(tree: Tree, frames: LinkFrames, q: Array, qd: Array, links: Array) -> None:
    """Write the link state of a pose `q` and velocity `qd` (dof,) into `links` (frames.size,)."""
    a, b, c = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    for body in range(tree.parent.size):
        at = int(tree.dof_start[body])
        p, v = int(frames.position_at[body]), int(frames.velocity_at[body])
        if tree.kind[body] == HINGE:
            links[p], links[v] = q[at], qd[at]
        elif tree.kind[body] != FREE:
            rotation_from_vector(q[at], q[at + 1], q[at + 2], a)
            similar(np.ascontiguousarray(frames.to_joint[body].T), a, b, c)
            quaternion_from_matrix(c, links[p : p + 4])
            rotate_back(frames.to_joint[body], qd[at : at + 3], links[v : v + 3])
    rotation_from_vector(q[0], q[1], q[2], a)
    multiply(tree.rest_rotation[0], a, b)
    multiply(b, frames.to_joint[0], c)
    quaternion_from_matrix(c, links[3:7])
    arm, turn = np.empty(3), np.empty(3)
    rotate(b, tree.com[0], arm)
    rotate(b, qd[0:3], turn)
    rotate(b, qd[3:6], c[0])
    cross(turn, arm, c[1])
    for i in range(3):
        links[i] = tree.offset[0, i] + q[3 + i] + arm[i]
        links[7 + i] = c[0, i] + c[1, i]
        links[10 + i] = turn[i]


@njit(cache=True)
def pose_vector(tree: Tree, local: Array, displacement: Array, out: Array) -> None:
    """Write the pose of joint rotations `local` and the root's displacement into `out` (dof,)."""
    for body in range(tree.parent.size):
        at = int(tree.dof_start[body])
        if tree.kind[body] == HINGE:
            vector = np.empty(3)
            vector_from_rotation(local[body], vector)
            out[at] = (
                vector[0] * tree.axis[body, 0]
                + vector[1] * tree.axis[body, 1]
                + vector[2] * tree.axis[body, 2]
            )
        else:
            vector_from_rotation(local[body], out[at : at + 3])
            if tree.kind[body] == FREE:
                for i in range(3):
                    out[at + 3 + i] = displacement[i]


@njit(cache=True)
def torque_to_links(tree: Tree, frames: LinkFrames, torque: Array, out: Array) -> None:
    """Write joint torques (dof,) [N m] in the engine's order and frames into `out` (dof - 6,), no root."""
    place = 0
    for body in range(1, tree.parent.size):
        at = int(tree.dof_start[body])
        if tree.kind[body] == HINGE:
            out[place] = torque[at]
            place += 1
        else:
            rotate_back(frames.to_joint[body], torque[at : at + 3], out[place : place + 3])
            place += 3
