"""The reference: a motion as the environment follows it, carried along with the body from cycle to cycle."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numba import njit

from musclegym.motion import Motion
from musclegym.rotation import Array, multiply, relative_vector, rotation_from_vector
from musclegym.state import heading_rotation


class Reference:
    """A motion placed in the world.

    Whenever a cyclic motion begins anew, the reference is moved to where the body is and turned to where it
    faces, so that small errors of one cycle do not become large ones of the next.
    """

    def __init__(self, motion: Motion, place: Callable[[Array], Array]) -> None:
        """Follow `motion` from its start, where `place` puts a pose (dof,) of flat ground on the real one."""
        self.motion, self._place = motion, place
        self._rest = motion.skeleton.joint_position[0]
        self._rest_rotation = np.ascontiguousarray(motion.skeleton.joint_rotation[0])
        self._turn = np.eye(3)
        self._shift = np.zeros(3)
        self._cycle = 0

    def start(self) -> None:
        """Put the reference back to where the motion has it."""
        self._turn, self._shift, self._cycle = np.eye(3), np.zeros(3), 0

    def at(self, time: float) -> tuple[Array, Array]:
        """Return pose and velocity (dof,) at a time since the motion's first frame [s]."""
        q, qd = self.motion.at(time)
        placed = q.copy()
        place_root(q, self._turn, self._shift, self._rest, self._rest_rotation, placed)
        return self._place(placed), qd

    def phase(self, time: float) -> float:
        """Return the share of the motion that has passed, in [0, 1]."""
        share = time / self.motion.duration
        return share - np.floor(share) if self.motion.cyclic else min(share, 1.0)

    def has_ended(self, time: float) -> bool:
        """Whether there is no more to follow."""
        return not self.motion.cyclic and time >= self.motion.duration

    def resynchronise(self, time: float, root_rotation: Array, root_position: Array) -> None:
        """Move and turn the reference to the body's root (3, 3), (3,) [m] if a new cycle has begun."""
        cycle = int(np.floor(time / self.motion.duration)) if self.motion.cyclic else 0
        if cycle == self._cycle:
            return
        self._cycle = cycle
        q, _ = self.motion.at(time)
        local = np.empty((3, 3))
        rotation_from_vector(q[0], q[1], q[2], local)
        facing = heading_rotation(self._rest_rotation @ local)
        self._turn = heading_rotation(root_rotation) @ facing.T
        self._shift = root_position - self._turn @ (self._rest + q[3:6])
        self._shift[1] = 0.0


def start_phase(options: Mapping[str, Any], motion: Motion | None) -> float | None:
    """Return the phase asked for by the options of `reset`, or None."""
    unknown = sorted(set(options) - {"phase"})
    if unknown:
        raise ValueError(f"the only option of reset is 'phase', but {unknown[0]!r} was given; leave it out")
    phase = options.get("phase")
    if phase is not None and motion is None:
        raise ValueError("phase says where in the motion to start, but there is no motion; leave it out")
    if phase is not None and not 0.0 <= phase < 1.0:
        raise ValueError(f"phase must lie in [0, 1), but is {phase!r}; 0 starts at the motion's first frame")
    return phase


@njit(cache=True)
def place_root(q: Array, turn: Array, shift: Array, rest: Array, rest_rotation: Array, out: Array) -> None:
    """Write the root of `q`, turned by `turn` (3, 3) about the vertical and shifted by `shift`, to `out`."""
    local, world, placed = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    rotation_from_vector(q[0], q[1], q[2], local)
    multiply(rest_rotation, local, world)
    multiply(turn, world, placed)
    relative_vector(rest_rotation, placed, local, out[:3])
    for i in range(3):
        out[3 + i] = shift[i] - rest[i]
        for j in range(3):
            out[3 + i] += turn[i, j] * (rest[j] + q[3 + j])
