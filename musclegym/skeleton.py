"""The skeleton: a tree of rigid bodies, its generalised coordinates and their group operations.

World frame: y up, bodies face +z, left is +x, the ground is y = 0. The rest pose (q = 0) is a T-pose. A joint
is free (the root), a ball or a hinge.

Generalised coordinates q (dof,): rotation vector of the root [rad], displacement of the root from its rest
position, along the world axes [m]; then, body after body, the rotation vector of a ball joint in its joint
frame or the angle of a hinge [rad].

Generalised velocities qd (dof,): angular and linear velocity of the root, angular velocity of each ball
joint, all in the child's own joint frame [rad/s, m/s], and the rates of the hinges. So a rotation advances as
R <- R exp(omega dt) and the root position as p <- p + R v dt.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from musclegym.rotation import (
    Array,
    IntArray,
    cross,
    multiply,
    relative_vector,
    rotate,
    rotation_about_axis,
    rotation_from_vector,
    shift,
)

FREE, BALL, HINGE = 0, 1, 2
DOFS_OF_KIND = np.array([6, 3, 1])


class Tree(NamedTuple):
    """A skeleton as plain arrays for the kernels; vectors lie in joint frames, the body's or its parent's."""

    parent: IntArray  # (body,), -1 for the root
    kind: IntArray  # (body,) FREE, BALL or HINGE
    dof_start: IntArray  # (body,) first DoF of the body's joint
    dof_parent: IntArray  # (dof,) previous DoF on the way to the root, -1 at its end
    offset: Array  # (body, 3) joint position in the parent's joint frame, for the root in the world [m]
    rest_rotation: Array  # (body, 3, 3) joint frame in the parent's joint frame at rest
    axis: Array  # (body, 3) hinge axis in the joint frame
    com: Array  # (body, 3) centre of mass in the joint frame [m]
    mass: Array  # (body,) [kg]
    inertia: Array  # (body, 3, 3) about the centre of mass, along the joint frame [kg m^2]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Rigid bodies joined into a tree. Everything is stated in the rest pose, in world coordinates.

    Raises:
        ValueError: if a body's parent does not come before it, the root is not the only free joint, or a
            figure is out of its range.
    """

    body_names: tuple[str, ...]
    """Names, parents before children; the first is the root."""
    parent: IntArray
    """Index of each body's parent, -1 for the root, shape (body,)."""
    joint_kind: IntArray
    """FREE for the root, BALL or HINGE for the others, shape (body,)."""
    joint_position: Array
    """Position of each body's joint with its parent, shape (body, 3) [m]."""
    joint_rotation: Array
    """Orientation of the joint frames, shape (body, 3, 3)."""
    joint_axis: Array
    """Unit axis of each hinge in its joint frame (unused for other kinds), shape (body, 3)."""
    com: Array
    """Centres of mass, shape (body, 3) [m]."""
    body_rotation: Array
    """Orientation of the body frames, in which boxes and inertias are stated, shape (body, 3, 3)."""
    mass: Array
    """Masses, shape (body,) [kg]."""
    inertia: Array
    """Inertia about the centre of mass in the body frame, shape (body, 3, 3) [kg m^2]."""
    size: Array
    """Edges, in the body frame, of the box about each centre of mass, shape (body, 3) [m]."""
    contact: npt.NDArray[np.bool_]
    """Whether the body's box collides with the ground, shape (body,)."""
    lower: Array
    """Lower joint limits, -inf on the root, shape (dof,) [rad]."""
    upper: Array
    """Upper joint limits, inf on the root, shape (dof,) [rad]."""
    motion_names: tuple[str | None, ...]
    """Joint of a MASS motion file that moves each body, if any."""
    end_effector: npt.NDArray[np.bool_]
    """Whether the body counts as an end effector, shape (body,)."""

    def __post_init__(self) -> None:
        """Check that the tree can be walked from the root outwards, and each body's figures."""
        for index, (name, parent) in enumerate(zip(self.body_names, self.parent, strict=True)):
            if (parent < 0) != (index == 0) or parent >= index:
                raise ValueError(
                    f"every body but the first must follow its parent, but body {index} ({name!r}) has "
                    f"parent index {parent}; list the root first and parents before their children"
                )
            if (self.joint_kind[index] == FREE) != (index == 0):
                raise ValueError(
                    f"the root, and no other body, moves freely, but body {index} ({name!r}) has joint kind "
                    f"{self.joint_kind[index]}; use BALL or HINGE below the root and FREE on it"
                )
        self._check_figures()

    def _check_figures(self) -> None:
        length = np.linalg.norm(self.joint_axis, axis=1)
        crossed = np.zeros(self.n_bodies, dtype=np.bool_)
        crossed[self.dof_body[~(self.lower <= self.upper)]] = True
        rules = (
            ("mass", (self.mass > 0.0) & np.isfinite(self.mass), "positive and finite [kg]"),
            ("size", (self.size > 0.0).all(axis=1), "positive [m]"),
            ("inertia", np.linalg.eigvalsh(self.inertia)[:, 0] > 0.0, "positive definite [kg m^2]"),
            ("joint_axis", (self.joint_kind != HINGE) | np.isclose(length, 1.0), "of unit length on a hinge"),
            ("upper", ~crossed, "no less than `lower` [rad]"),
        )
        for figure, holds, rule in rules:
            if not holds.all():
                index = int(np.argmin(holds))
                value = (
                    self.upper[self.dof_body == index] if figure == "upper" else getattr(self, figure)[index]
                )
                raise ValueError(
                    f"{figure} of every body must be {rule}, but {self.body_names[index]!r} has {value}; "
                    f"correct it"
                )

    @property
    def n_bodies(self) -> int:
        """Number of bodies."""
        return len(self.body_names)

    @property
    def n_dofs(self) -> int:
        """Number of degrees of freedom, the root's six included."""
        return int(DOFS_OF_KIND[self.joint_kind].sum())

    @property
    def total_mass(self) -> float:
        """Mass of all bodies [kg]."""
        return float(self.mass.sum())

    @cached_property
    def dof_start(self) -> IntArray:
        """First DoF of each body's joint, shape (body,)."""
        counts = DOFS_OF_KIND[self.joint_kind]
        return np.cumsum(counts) - counts

    @cached_property
    def dof_body(self) -> IntArray:
        """Body that each DoF moves, shape (dof,)."""
        return np.repeat(np.arange(self.n_bodies), DOFS_OF_KIND[self.joint_kind])

    @cached_property
    def dof_names(self) -> tuple[str, ...]:
        """Names of the DoFs: `Pelvis_rot_x`, `Pelvis_pos_x`, `FemurR_x`, and `TibiaR` for a hinge."""
        endings = {
            FREE: ("_rot_x", "_rot_y", "_rot_z", "_pos_x", "_pos_y", "_pos_z"),
            BALL: ("_x", "_y", "_z"),
            HINGE: ("",),
        }
        kinds = zip(self.body_names, self.joint_kind, strict=True)
        return tuple(name + ending for name, kind in kinds for ending in endings[int(kind)])

    @cached_property
    def tree(self) -> Tree:
        """The skeleton as plain arrays for the kernels."""
        start = self.dof_start
        end = start + DOFS_OF_KIND[self.joint_kind]
        dof_parent = np.arange(-1, self.n_dofs - 1)
        dof_parent[start[1:]] = end[self.parent[1:]] - 1
        # The root hangs in the world frame: its "parent" is at the origin, unrotated.
        above = np.concatenate([np.eye(3)[None], self.joint_rotation[self.parent[1:]]])
        origin = np.concatenate([np.zeros((1, 3)), self.joint_position[self.parent[1:]]])
        to_joint = self.joint_rotation.transpose(0, 2, 1) @ self.body_rotation
        return Tree(
            parent=np.ascontiguousarray(self.parent, dtype=np.int64),
            kind=np.ascontiguousarray(self.joint_kind, dtype=np.int64),
            dof_start=start,
            dof_parent=dof_parent,
            offset=np.einsum("bji,bj->bi", above, self.joint_position - origin),
            rest_rotation=np.ascontiguousarray(above.transpose(0, 2, 1) @ self.joint_rotation),
            axis=np.ascontiguousarray(self.joint_axis, dtype=np.float64),
            com=np.einsum("bji,bj->bi", self.joint_rotation, self.com - self.joint_position),
            mass=np.ascontiguousarray(self.mass, dtype=np.float64),
            inertia=np.ascontiguousarray(to_joint @ self.inertia @ to_joint.transpose(0, 2, 1)),
        )

    def body(self, name: str) -> int:
        """Return the index of the body called `name`.

        Raises:
            ValueError: if there is none.
        """
        if name not in self.body_names:
            raise ValueError(f"no body is called {name!r}; the bodies are {', '.join(self.body_names)}")
        return self.body_names.index(name)

    def dof_vector(self, values: npt.ArrayLike, what: str) -> Array:
        """Return `values` as doubles (dof,); `what` names them in the message.

        Raises:
            ValueError: if they are not one finite number per DoF.
        """
        array = as_floats(values)
        bad = np.count_nonzero(~np.isfinite(array))
        if array.shape != (self.n_dofs,) or bad:
            raise ValueError(
                f"{what} must be {self.n_dofs} finite numbers, one per DoF, but has shape {array.shape} and "
                f"{bad} non-finite entries; dof_names gives their order"
            )
        return array

    def integrate(self, q: npt.ArrayLike, qd: npt.ArrayLike, dt: float) -> Array:
        """Return the pose (dof,) reached from `q` (dof,) at constant velocity `qd` (dof,) after `dt` [s]."""
        out = np.empty(self.n_dofs)
        integrate(self.tree, self.dof_vector(q, "q"), self.dof_vector(qd, "qd"), dt, out)
        return out

    def difference(self, q_from: npt.ArrayLike, q_to: npt.ArrayLike) -> Array:
        """Return the constant velocity (dof,) that leads from one pose (dof,) to another in one second."""
        out = np.empty(self.n_dofs)
        difference(self.tree, self.dof_vector(q_from, "q_from"), self.dof_vector(q_to, "q_to"), out)
        return out

    def velocities(self, q: npt.ArrayLike, fps: float) -> Array:
        """Return the velocities (frame, dof) of poses `q` (frame, dof) sampled at `fps` [1/s].

        Central differences, one-sided at both ends.

        Raises:
            ValueError: if there are fewer than two frames, or they have not one number per DoF.
        """
        q = as_floats(q)
        if q.ndim != 2 or q.shape[1] != self.n_dofs or len(q) < 2:
            raise ValueError(
                f"velocities need at least 2 frames of {self.n_dofs} numbers, but q has shape {q.shape}; "
                f"give a motion of this body with two frames or more"
            )
        before = np.concatenate([q[:1], q[:-1]])
        after = np.concatenate([q[1:], q[-1:]])
        span = np.full(len(q), 2.0 / fps)
        span[0] = span[-1] = 1.0 / fps
        out = np.empty((len(q), self.n_dofs))
        differences(self.tree, before, q, after, span, out)
        return out


def as_floats(values: npt.ArrayLike) -> Array:
    """Return `values` as a contiguous array of doubles, as the kernels expect them."""
    return np.ascontiguousarray(values, dtype=np.float64)


@njit(cache=True, inline="always")
def joint_dofs(tree: Tree, body: int) -> int:
    """Return the number of DoFs of the joint that moves `body`."""
    return 1 if tree.kind[body] == HINGE else (6 if tree.kind[body] == FREE else 3)


@njit(cache=True)
def local_rotations(tree: Tree, q: Array, out: Array) -> None:
    """Write each joint's own rotation, away from rest, for the pose `q` (dof,) into `out` (body, 3, 3)."""
    for body in range(tree.parent.size):
        at = int(tree.dof_start[body])
        if tree.kind[body] == HINGE:
            rotation_about_axis(tree.axis[body], q[at], out[body])
        else:
            rotation_from_vector(q[at], q[at + 1], q[at + 2], out[body])


@njit(cache=True)
def forward_kinematics(
    tree: Tree, local: Array, root_displacement: Array, rotation: Array, position: Array, com: Array
) -> None:
    """Place every body in the world.

    Args:
        tree: the skeleton.
        local: joint rotations away from rest, shape (body, 3, 3).
        root_displacement: of the root from its rest position, shape (3,) [m].
        rotation: receives the orientation of the joint frames, shape (body, 3, 3).
        position: receives the joint positions, shape (body, 3) [m].
        com: receives the centres of mass, shape (body, 3) [m].
    """
    rest = np.empty((3, 3))
    for body in range(tree.parent.size):
        parent = tree.parent[body]
        if parent < 0:
            multiply(tree.rest_rotation[body], local[body], rotation[body])
            for i in range(3):
                position[body, i] = tree.offset[body, i] + root_displacement[i]
        else:
            multiply(rotation[parent], tree.rest_rotation[body], rest)
            multiply(rest, local[body], rotation[body])
            rotate(rotation[parent], tree.offset[body], position[body])
            shift(position[parent], position[body])
        rotate(rotation[body], tree.com[body], com[body])
        shift(position[body], com[body])


@njit(cache=True)
def body_velocities(
    tree: Tree, rotation: Array, position: Array, qd: Array, angular: Array, linear: Array
) -> None:
    """Write each body's angular velocity and its joint's velocity in the world, both (body, 3)."""
    relative, arm = np.empty(3), np.empty(3)
    for body in range(tree.parent.size):
        parent, at = tree.parent[body], tree.dof_start[body]
        if tree.kind[body] == HINGE:
            rotate(rotation[body], tree.axis[body] * qd[at], relative)
        else:
            rotate(rotation[body], qd[at : at + 3], relative)
        if parent < 0:
            for i in range(3):
                angular[body, i] = relative[i]
            rotate(rotation[body], qd[at + 3 : at + 6], linear[body])
        else:
            for i in range(3):
                angular[body, i] = angular[parent, i] + relative[i]
                arm[i] = position[body, i] - position[parent, i]
            cross(angular[parent], arm, linear[body])
            shift(linear[parent], linear[body])


@njit(cache=True)
def integrate(tree: Tree, q: Array, qd: Array, dt: float, out: Array) -> None:
    """Write the pose after `dt` [s] of constant velocity into `out` (dof,)."""
    a, b, c = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    for body in range(tree.parent.size):
        at = int(tree.dof_start[body])
        if tree.kind[body] == HINGE:
            out[at] = q[at] + dt * qd[at]
            continue
        rotation_from_vector(q[at], q[at + 1], q[at + 2], a)
        rotation_from_vector(dt * qd[at], dt * qd[at + 1], dt * qd[at + 2], b)
        multiply(a, b, c)
        relative_vector(np.eye(3), c, b, out[at : at + 3])
        if tree.kind[body] == FREE:
            multiply(tree.rest_rotation[body], a, b)
            rotate(b, qd[at + 3 : at + 6], c[0])
            for i in range(3):
                out[at + 3 + i] = q[at + 3 + i] + dt * c[0, i]


@njit(cache=True)
def difference(tree: Tree, q_from: Array, q_to: Array, out: Array) -> None:
    """Write the constant velocity that leads from `q_from` to `q_to` in one second into `out` (dof,)."""
    a, b, c = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    for body in range(tree.parent.size):
        at = int(tree.dof_start[body])
        if tree.kind[body] == HINGE:
            out[at] = q_to[at] - q_from[at]
            continue
        rotation_from_vector(q_from[at], q_from[at + 1], q_from[at + 2], a)
        rotation_from_vector(q_to[at], q_to[at + 1], q_to[at + 2], b)
        relative_vector(a, b, c, out[at : at + 3])
        if tree.kind[body] == FREE:
            multiply(tree.rest_rotation[body], a, b)
            step = q_to[at + 3 : at + 6] - q_from[at + 3 : at + 6]
            for i in range(3):
                out[at + 3 + i] = b[0, i] * step[0] + b[1, i] * step[1] + b[2, i] * step[2]


@njit(cache=True)
def differences(tree: Tree, before: Array, q: Array, after: Array, span: Array, out: Array) -> None:
    """Write the mean velocities from `before` to `after` over `span` (frame,) [s] into `out`.

    All others have shape (frame, dof); the velocities are stated in the joint frames of the poses `q`.
    """
    forward, backward = np.empty(q.shape[1]), np.empty(q.shape[1])
    for frame in range(q.shape[0]):
        difference(tree, q[frame], after[frame], forward)
        difference(tree, q[frame], before[frame], backward)
        out[frame] = (forward - backward) / span[frame]
