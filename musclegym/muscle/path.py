"""Muscles as data: architecture, and paths of waypoints fixed to bodies or blended between two of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from musclegym.rotation import Array, IntArray
from musclegym.skeleton import DOFS_OF_KIND, Skeleton


class Paths(NamedTuple):
    """Paths and architecture as plain arrays for the kernels.

    A muscle turns only the joints between its bodies and their common ancestor: above it the forces cancel.
    These bodies are its chain, outermost first.
    """

    waypoint_start: IntArray  # (muscle + 1,)
    waypoint_body: IntArray  # (waypoint, 2), second is -1 for a rigid waypoint
    waypoint_weight: Array  # (waypoint, 2) place the waypoint
    force_weight: Array  # (waypoint, 2) share of the tension each body takes
    waypoint_position: Array  # (waypoint, 2, 3) in the bodies' joint frames [m]
    waypoint_slot: (
        IntArray  # (waypoint, 2) place of the body in the muscle's chain, -1 at or above the common ancestor
    )
    chain_start: IntArray  # (muscle + 1,)
    chain_body: IntArray  # (link,)
    chain_dofs: IntArray  # (link,) number of DoFs of the body's joint
    chain_parent: IntArray  # (link,) place of the parent in the same chain, -1 if it is not in it
    max_force: Array  # (muscle,) of the active fibres [N]
    passive_force: Array  # (muscle,) at the strain where it equals the maximum isometric one; 0 for none [N]
    optimal_length: Array  # (muscle,) [m]
    slack_length: Array  # (muscle,) [m]
    pennation: Array  # (muscle,) [rad]
    max_velocity: Array  # (muscle,) in optimal fibre lengths; inf where velocity does not matter [1/s]


@dataclass(frozen=True, eq=False)
class MuscleSet:
    """The muscles of one skeleton.

    Raises:
        ValueError: if a figure of a muscle is out of its range or a muscle has fewer than two waypoints.
    """

    names: tuple[str, ...]
    """Names, one per muscle."""
    max_isometric_force: Array
    """Force of the fully active muscle at optimal fibre length, shape (muscle,) [N]."""
    optimal_fibre_length: Array
    """Fibre length at which the active force peaks, shape (muscle,) [m]."""
    tendon_slack_length: Array
    """Length of the rigid tendon, shape (muscle,) [m]."""
    pennation_angle: Array
    """Angle between fibres and tendon at optimal fibre length, shape (muscle,) [rad]."""
    waypoint_start: IntArray
    """First waypoint of each muscle, and the number of waypoints at the end, shape (muscle + 1,)."""
    waypoint_body: IntArray
    """Bodies that carry each waypoint, the second -1 where there is one only, shape (waypoint, 2)."""
    waypoint_weight: Array
    """Weights of the two bodies, summing to one, shape (waypoint, 2) [-]."""
    waypoint_position: Array
    """Position in the joint frame of either body, shape (waypoint, 2, 3) [m]."""
    force_weight: Array
    """Share of the muscle's tension that either body takes, shape (waypoint, 2) [-].

    Equal to `waypoint_weight` where virtual work holds; the released MASS code puts all of it on the first
    body. A body that takes all of the tension takes it at the waypoint itself.
    """

    def __post_init__(self) -> None:
        """Check each muscle's figures."""
        rules = (
            ("number of waypoints", np.diff(self.waypoint_start) >= 2, "at least 2"),
            ("max_isometric_force", positive(self.max_isometric_force), "positive and finite [N]"),
            ("optimal_fibre_length", positive(self.optimal_fibre_length), "positive and finite [m]"),
            ("tendon_slack_length", np.isfinite(self.tendon_slack_length), "finite [m]"),
            (
                "pennation_angle",
                (self.pennation_angle >= 0.0) & (self.pennation_angle < 1.4),
                "in [0, 1.4) rad",
            ),
        )
        for figure, holds, rule in rules:
            if not np.all(holds):
                index = int(np.flatnonzero(~np.asarray(holds))[0])
                value = getattr(self, figure, np.diff(self.waypoint_start))[index]
                raise ValueError(
                    f"{figure} of every muscle must be {rule}, but {self.names[index]!r} has {value}; "
                    f"correct it"
                )

    @classmethod
    def from_rest(
        cls,
        skeleton: Skeleton,
        names: Sequence[str],
        waypoint_start: IntArray,
        waypoint_body: IntArray,
        waypoint_weight: Array,
        waypoints: Array,
        *,
        max_isometric_force: Array,
        optimal_fibre_length: Array,
        tendon_slack_length: Array,
        pennation_angle: Array,
        force_weight: Array | None = None,
    ) -> "MuscleSet":
        """Build muscles from waypoints in the rest pose.

        Args:
            skeleton: the bodies.
            names: as the field.
            waypoint_start: as the field.
            waypoint_body: as the field.
            waypoint_weight: as the field.
            waypoints: muscle after muscle, in the world frame, shape (waypoint, 3) [m].
            max_isometric_force: as the field.
            optimal_fibre_length: as the field.
            tendon_slack_length: as the field.
            pennation_angle: as the field.
            force_weight: as the field; the waypoints' weights if left out.

        Raises:
            ValueError: if a figure of a muscle is out of its range or a muscle has fewer than two waypoints.
        """
        rotation = skeleton.joint_rotation[waypoint_body]
        arm = waypoints[:, None] - skeleton.joint_position[waypoint_body]
        return cls(
            names=tuple(names),
            max_isometric_force=max_isometric_force,
            optimal_fibre_length=optimal_fibre_length,
            tendon_slack_length=tendon_slack_length,
            pennation_angle=pennation_angle,
            waypoint_start=np.ascontiguousarray(waypoint_start, dtype=np.int64),
            waypoint_body=np.ascontiguousarray(waypoint_body, dtype=np.int64),
            waypoint_weight=waypoint_weight,
            waypoint_position=np.einsum("wkji,wkj->wki", rotation, arm),
            force_weight=waypoint_weight if force_weight is None else force_weight,
        )

    @property
    def n_muscles(self) -> int:
        """Number of muscles."""
        return len(self.names)

    @classmethod
    def none(cls) -> "MuscleSet":
        """Return a set without muscles."""
        zero = np.zeros(0)
        return cls(
            names=(),
            max_isometric_force=zero,
            optimal_fibre_length=zero,
            tendon_slack_length=zero,
            pennation_angle=zero,
            waypoint_start=np.zeros(1, dtype=np.int64),
            waypoint_body=np.zeros((0, 2), dtype=np.int64),
            waypoint_weight=np.zeros((0, 2)),
            waypoint_position=np.zeros((0, 2, 3)),
            force_weight=np.zeros((0, 2)),
        )

    def with_strength(self, factor: float | Array) -> "MuscleSet":
        """Return the same muscles with maximum isometric forces times `factor`, a number or (muscle,) [-]."""
        return replace(self, max_isometric_force=self.max_isometric_force * factor)

    def paths(self, skeleton: Skeleton) -> Paths:
        """Return the muscles as plain arrays, with the chain of bodies that each one turns."""
        chains, slots, parents = [], np.full(self.waypoint_body.shape, -1), []
        pulled = np.where(self.force_weight > 0.0, self.waypoint_body, -1)
        for start, stop in zip(self.waypoint_start[:-1], self.waypoint_start[1:], strict=True):
            chain = turned_bodies(skeleton, {int(body) for body in pulled[start:stop].ravel() if body >= 0})
            place = {body: slot for slot, body in enumerate(chain)}
            for waypoint in range(start, stop):
                slots[waypoint] = [place.get(int(body), -1) for body in pulled[waypoint]]
            chains.append(chain)
            parents.append([place.get(int(skeleton.parent[body]), -1) for body in chain])
        chain_body = np.array([body for chain in chains for body in chain], dtype=np.int64)
        return Paths(
            waypoint_start=self.waypoint_start,
            waypoint_body=self.waypoint_body,
            waypoint_weight=np.ascontiguousarray(self.waypoint_weight, dtype=np.float64),
            force_weight=np.ascontiguousarray(self.force_weight, dtype=np.float64),
            waypoint_position=np.ascontiguousarray(self.waypoint_position, dtype=np.float64),
            waypoint_slot=slots,
            chain_start=np.cumsum([0, *map(len, chains)]),
            chain_body=chain_body,
            chain_dofs=DOFS_OF_KIND[skeleton.joint_kind[chain_body]],
            chain_parent=np.array([parent for chain in parents for parent in chain], dtype=np.int64),
            max_force=np.ascontiguousarray(self.max_isometric_force, dtype=np.float64),
            passive_force=np.ascontiguousarray(self.max_isometric_force, dtype=np.float64),
            optimal_length=np.ascontiguousarray(self.optimal_fibre_length, dtype=np.float64),
            slack_length=np.ascontiguousarray(self.tendon_slack_length, dtype=np.float64),
            pennation=np.ascontiguousarray(self.pennation_angle, dtype=np.float64),
            max_velocity=np.full(self.n_muscles, np.inf),
        )

    def turned_dofs(self, skeleton: Skeleton) -> tuple[IntArray, IntArray]:
        """Return (dof, muscle) indices of the torque-matrix entries that can differ from zero, by muscle."""
        paths = self.paths(skeleton)
        dofs, muscles = [], []
        for muscle in range(self.n_muscles):
            for body in sorted(paths.chain_body[paths.chain_start[muscle] : paths.chain_start[muscle + 1]]):
                count = int(DOFS_OF_KIND[skeleton.joint_kind[body]])
                dofs += range(skeleton.dof_start[body], skeleton.dof_start[body] + count)
                muscles += [muscle] * count
        return np.array(dofs, dtype=np.int64), np.array(muscles, dtype=np.int64)


def positive(values: Array) -> npt.NDArray[np.bool_]:
    """Return which of the values are positive and finite."""
    return (values > 0.0) & np.isfinite(values)


def turned_bodies(skeleton: Skeleton, pulled: set[int]) -> list[int]:
    """Return the bodies whose joints a muscle that pulls on the bodies `pulled` turns, outermost first."""
    ways = []
    for body in pulled:
        way = {body}
        while (body := int(skeleton.parent[body])) >= 0:
            way.add(body)
        ways.append(way)
    return sorted(set.union(*ways) - set.intersection(*ways), reverse=True)
