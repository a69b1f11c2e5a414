"""A motion: poses and velocities of a body, ready to be followed."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from musclegym.rotation import Array
from musclegym.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Motion:
    """Poses of a skeleton sampled evenly in time.

    A cyclic motion goes on for ever: its last frame is the first one, carried on by the root's path over one
    cycle.
    """

    skeleton: Skeleton
    """The skeleton that moves."""
    name: str
    """What to call the motion."""
    q: Array
    """Poses, shape (frame, dof) [rad, m]."""
    qd: Array
    """Velocities, shape (frame, dof) [rad/s, m/s], in the frames that `Skeleton` states."""
    fps: float
    """Frames per second."""
    contact: npt.NDArray[np.bool_]
    """Whether the left and the right foot stand on the ground, shape (frame, 2)."""
    cyclic: bool = False
    """Whether the motion repeats after its last frame."""
    cycle_heading: float = 0.0
    """Turn to the left per cycle [rad]."""
    cycle_displacement: Array = field(default_factory=lambda: np.zeros(3))
    """Path of the root per cycle: frame N stands where frame 0 would after turning by `cycle_heading` about
    the root's rest position and moving by this, shape (3,) [m]."""
    clipped: float = 0.0
    """Share of joint angles that the body's limits changed when the motion was made."""

    @property
    def duration(self) -> float:
        """Time from the first frame to the last, of a cyclic motion that of one cycle [s]."""
        return (len(self.q) - 1) / self.fps

    @cached_property
    def step(self) -> Array:
        """Difference from each frame to the next, shape (frame - 1, dof)."""
        pairs = zip(self.q[:-1], self.q[1:], strict=True)
        return np.array([self.skeleton.difference(before, after) for before, after in pairs])

    def at(self, time: float | Array) -> tuple[Array, Array]:
        """Return pose and velocity at any time.

        Before its start and after its end a motion that is not cyclic stands still in its first or last pose.

        Args:
            time: time since the first frame, a number or shape (n,) [s].

        Returns:
            q and qd, shape (dof,) or (n, dof).
        """
        if np.ndim(time) == 0:
            return self.at_time(float(time))
        poses = [self.at_time(float(moment)) for moment in np.asarray(time)]
        return np.array([q for q, _ in poses]), np.array([qd for _, qd in poses])

    def at_time(self, time: float) -> tuple[Array, Array]:
        """Return pose and velocity (dof,) at one time [s]."""
        cycle = int(np.floor(time / self.duration)) if self.cyclic else 0
        frame = (time - cycle * self.duration) * self.fps
        inside = 0.0 <= frame <= len(self.step)
        frame = min(max(frame, 0.0), float(len(self.step)))
        index = min(int(frame), len(self.step) - 1)
        part = frame - index
        q = self.skeleton.integrate(self.q[index], self.step[index], part)
        qd = (1.0 - part) * self.qd[index] + part * self.qd[index + 1] if inside else np.zeros_like(q)
        return (carried_on(q, cycle, self.cycle_heading, self.cycle_displacement) if cycle else q), qd


def carried_on(q: Array, cycles: int, heading: float, displacement: Array) -> Array:
    """Return the pose `q` (dof,) as it is `cycles` cycles later.

    Args:
        q: a pose.
        cycles: how many; negative for earlier.
        heading: turn to the left per cycle [rad].
        displacement: path of the root per cycle, shape (3,) [m].
    """
    out = q.copy()
    if heading == 0.0:
        out[3:6] += cycles * displacement
        return out
    # Cycle after cycle the path turns on: the displacements form a geometric series of complex numbers x - i
    # z.
    turn = np.exp(1j * heading)
    here = complex(q[3], -q[5]) * turn**cycles
    here += complex(displacement[0], -displacement[2]) * (1 - turn**cycles) / (1 - turn)
    out[3], out[5] = here.real, -here.imag
    out[4] += cycles * displacement[1]
    out[:3] = (Rotation.from_rotvec([0.0, cycles * heading, 0.0]) * Rotation.from_rotvec(q[:3])).as_rotvec()
    return out
