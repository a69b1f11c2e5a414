"""The state of a motion as learned models see it: groups, changes and heading-invariant features.

A state is `[q, qd]` (layout in `musclegym.skeleton`): 56 + 56 = 112 numbers on the 23-body tree. Everything
here is written once, for NumPy arrays and torch tensors alike, with any leading axes; torch gradients flow
through it.

A `Pose` holds the same state with rotation matrices, in which motions are advanced without leaving the group.
Its features do not change when the world is turned about the vertical or shifted along the ground. The
heading frame is upright and differs from the root by the smallest rotation that levels it, so features and
root placement together give back the state exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from musclegym.motion.rotation_arrays import (
    Numbers,
    array_module,
    constant_like,
    levelling,
    orthonormal,
    rotation_from_vector,
    transposed,
    unit,
    vector_from_rotation,
)
from musclegym.skeleton import BALL, DOFS_OF_KIND, HINGE, Skeleton


class Pose(NamedTuple):
    """A state of motion with its rotations as matrices; `...` stands for any leading axes."""

    rotation: Numbers  # (..., 1 + ball, 3, 3): the root in the world, then each ball joint in its joint frame
    displacement: Numbers  # (..., 3) of the root from its rest position, world axes [m]
    hinge: Numbers  # (..., hinge) [rad]
    velocity: Numbers  # (..., dof) qd

    def at(self, index: Any) -> "Pose":
        """Return the poses at `index` of the leading axes."""
        return Pose(*(part[index] for part in self))


class Placement(NamedTuple):
    """Where a pose stands on the ground: what features leave out."""

    heading: Numbers  # (...,) rotation about the vertical from facing +z [rad]
    ground: Numbers  # (..., 2) x and z of the root's displacement [m]


@dataclass(frozen=True)
class StateLayout:
    """Order of the numbers of a state, of its change and of its features on one skeleton."""

    body_names: tuple[str, ...]
    """Names of the bodies, the root first."""
    joint_kind: tuple[int, ...]
    """FREE, BALL or HINGE for each body."""
    rest_height: float
    """Height of the root in the rest pose [m]."""
    root_frame: tuple[tuple[float, ...], ...]
    """Orientation of the root's joint frame in the rest pose, rows of a 3 x 3 matrix."""

    @classmethod
    def of(cls, skeleton: Skeleton) -> "StateLayout":
        """Return the layout of the states of `skeleton`."""
        return cls(
            body_names=tuple(skeleton.body_names),
            joint_kind=tuple(int(kind) for kind in skeleton.joint_kind),
            rest_height=float(skeleton.joint_position[0, 1]),
            root_frame=tuple(tuple(float(x) for x in row) for row in skeleton.joint_rotation[0]),
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "StateLayout":
        """Rebuild a layout from what `record` returned, also after a trip through JSON."""
        return cls(
            body_names=tuple(record["body_names"]),
            joint_kind=tuple(record["joint_kind"]),
            rest_height=record["rest_height"],
            root_frame=tuple(tuple(row) for row in record["root_frame"]),
        )

    def record(self) -> dict[str, Any]:
        """Return the layout as plain lists and numbers for a manifest."""
        return {
            "body_names": list(self.body_names),
            "joint_kind": list(self.joint_kind),
            "rest_height": self.rest_height,
            "root_frame": [list(row) for row in self.root_frame],
        }

    @cached_property
    def _starts(self) -> np.ndarray:
        counts = DOFS_OF_KIND[list(self.joint_kind)]
        return np.cumsum(counts) - counts

    @cached_property
    def n_dofs(self) -> int:
        """Degrees of freedom, the root's six included."""
        return int(DOFS_OF_KIND[list(self.joint_kind)].sum())

    @property
    def n_state(self) -> int:
        """Numbers in a state: positions and velocities."""
        return 2 * self.n_dofs

    @property
    def n_features(self) -> int:
        """Numbers in the features of a state."""
        return self.feature_blocks[-1][2]

    @cached_property
    def rotation_columns(self) -> np.ndarray:
        """Columns of q that hold rotation vectors, the root's first, shape (1 + ball, 3)."""
        balls = self._starts[np.array(self.joint_kind) == BALL]
        return np.concatenate([self._starts[:1], balls])[:, None] + np.arange(3)

    @cached_property
    def hinge_columns(self) -> np.ndarray:
        """Columns of q that hold hinge angles, shape (hinge,)."""
        return self._starts[np.array(self.joint_kind) == HINGE]

    @cached_property
    def dof_blocks(self) -> dict[str, np.ndarray]:
        """Columns of q by kind of motion: root rotation, root displacement, ball joints, hinges."""
        return {
            "root_rotation": np.arange(0, 3),
            "root_displacement": np.arange(3, 6),
            "ball": self.rotation_columns[1:].reshape(-1),
            "hinge": self.hinge_columns,
        }

    @cached_property
    def feature_blocks(self) -> tuple[tuple[str, int, int], ...]:
        """Name, first and one past the last index of each block of the features."""
        sizes = {
            "root_height": 1,
            "up_in_root": 3,
            "root_angular_velocity": 3,
            "root_linear_velocity": 3,
            "ball_6d": 6 * (len(self.rotation_columns) - 1),
            "hinge_angle": len(self.hinge_columns),
            "joint_velocity": self.n_dofs - 6,
        }
        ends = np.cumsum(list(sizes.values())).tolist()
        return tuple((name, end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True))

    def pose(self, state: Numbers) -> Pose:
        """Return states (..., 2 dof) with their rotation vectors turned into matrices."""
        q = state[..., : self.n_dofs]
        local = rotation_from_vector(q[..., self.rotation_columns])
        return Pose(
            rotation=with_root(local, constant_like(self.root_frame, state) @ local[..., :1, :, :]),
            displacement=q[..., 3:6],
            hinge=q[..., self.hinge_columns],
            velocity=state[..., self.n_dofs :],
        )

    def state(self, pose: Pose) -> Numbers:
        """Return the states (..., 2 dof) of `pose`; rotation vectors have lengths up to pi."""
        root = constant_like(self.root_frame, pose.velocity).T @ pose.rotation[..., :1, :, :]
        q = self._columns(vector_from_rotation(with_root(pose.rotation, root)), pose.displacement, pose.hinge)
        return array_module(q).concatenate([q, pose.velocity], axis=-1)

    def advance(self, pose: Pose, change: Numbers) -> Pose:
        """Return the pose after a change (..., 2 dof): one of q as `difference` gives it, one added to qd."""
        turn = rotation_from_vector(change[..., self.rotation_columns])
        shift = (pose.rotation[..., 0, :, :] @ change[..., 3:6, None])[..., 0]
        return Pose(
            rotation=pose.rotation @ turn,
            displacement=pose.displacement + shift,
            hinge=pose.hinge + change[..., self.hinge_columns],
            velocity=pose.velocity + change[..., self.n_dofs :],
        )

    def difference(self, start: Pose, end: Pose) -> Numbers:
        """Return the change (..., 2 dof) that leads from one pose to another; undoes `advance`.

        Its position part equals `Skeleton.difference`: body-frame vectors, no angle beyond pi.
        """
        turn = vector_from_rotation(transposed(start.rotation) @ end.rotation)
        step = end.displacement - start.displacement
        shift = (transposed(start.rotation[..., 0, :, :]) @ step[..., None])[..., 0]
        positions = self._columns(turn, shift, end.hinge - start.hinge)
        return array_module(turn).concatenate([positions, end.velocity - start.velocity], axis=-1)

    def features(self, pose: Pose) -> Numbers:
        """Return heading-invariant features (..., feature) in the order of `feature_blocks`.

        Root height [m]; the upward direction in the root's frame; angular [rad/s] and linear velocity [m/s]
        of the root in the heading frame; the first two columns of each ball joint's rotation; hinge angles
        [rad]; joint velocities [rad/s].
        """
        up = pose.rotation[..., 0, 1, :]
        level = levelling(up)
        columns = pose.rotation[..., 1:, :, :2]
        parts = [
            pose.displacement[..., 1:2] + self.rest_height,
            up,
            (level @ pose.velocity[..., 0:3, None])[..., 0],
            (level @ pose.velocity[..., 3:6, None])[..., 0],
            columns.reshape(*columns.shape[:-3], 6 * columns.shape[-3]),
            pose.hinge,
            pose.velocity[..., 6:],
        ]
        return array_module(up).concatenate(parts, axis=-1)

    def placement(self, pose: Pose) -> Placement:
        """Return heading and ground position of `pose`."""
        upright = pose.rotation[..., 0, :, :] @ transposed(levelling(pose.rotation[..., 0, 1, :]))
        heading = array_module(upright).arctan2(upright[..., 0, 2], upright[..., 2, 2])
        return Placement(heading, pose.displacement[..., ::2])

    def from_features(self, features: Numbers, placement: Placement) -> Pose:
        """Return the pose with these features (..., feature) at a placement; undoes `features`.

        The 6-D rotations and the upward direction are made orthonormal (Gram-Schmidt), so any numbers give a
        pose.
        """
        xp = array_module(features)
        part = {name: features[..., start:stop] for name, start, stop in self.feature_blocks}
        level = levelling(unit(part["up_in_root"]))
        zero = 0.0 * placement.heading
        turn = rotation_from_vector(xp.stack([zero, placement.heading, zero], axis=-1))
        columns = part["ball_6d"].reshape(*features.shape[:-1], -1, 3, 2)
        height = part["root_height"] - self.rest_height
        ground = placement.ground
        back = transposed(level)
        angular = (back @ part["root_angular_velocity"][..., None])[..., 0]
        linear = (back @ part["root_linear_velocity"][..., None])[..., 0]
        return Pose(
            rotation=xp.concatenate([(turn @ level)[..., None, :, :], orthonormal(columns)], axis=-3),
            displacement=xp.concatenate([ground[..., :1], height, ground[..., 1:]], axis=-1),
            hinge=part["hinge_angle"],
            velocity=xp.concatenate([angular, linear, part["joint_velocity"]], axis=-1),
        )

    def _columns(self, turns: Numbers, displacement: Numbers, hinge: Numbers) -> Numbers:
        """Lay out rotation vectors, displacement and hinge angles as q (..., dof)."""
        balls = turns[..., 1:, :].reshape(*turns.shape[:-2], 3 * (turns.shape[-2] - 1))
        grouped = array_module(turns).concatenate([turns[..., 0, :], displacement, balls, hinge], axis=-1)
        return grouped[..., np.argsort(np.concatenate(list(self.dof_blocks.values())))]


def with_root(rotation: Numbers, root: Numbers) -> Numbers:
    """Return `rotation` (..., 1 + ball, 3, 3) with `root` (..., 1, 3, 3) in the first place."""
    return array_module(rotation).concatenate([root, rotation[..., 1:, :, :]], axis=-3)
