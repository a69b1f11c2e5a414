"""What a control step costs: work, activation, and how well the muscles made the torque that was wanted."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from musclegym.muscle.activity import Activity
from musclegym.muscle.transmission import MuscleBuffers
from musclegym.rotation import Array

SATURATION = 0.99
"""Share of its capacity at which a muscle counts as saturated [-]."""
STEPS, JOINT_WORK, MUSCLE_WORK, SQUARED_ACTIVATION, SATURATED, UPDATES, RESIDUAL, WANTED = range(8)
"""Places in `Tally.sums`: physics steps; work [J]; squared activations and saturated muscles; updates;
squared torques over the DoFs [N^2 m^2]."""


class Tally(NamedTuple):
    """Sums over the physics steps since they were cleared."""

    torque: Array  # (dof,) of the actuators [N m]
    sums: Array  # (8,)


@dataclass(frozen=True, eq=False)
class Effort:
    """Sums and means over the physics steps of one control step; all zero in a step that diverged."""

    torque: Array
    """Mean joint torque of the actuators, shape (dof,) [N m]."""
    joint_work: float
    """Absolute work of the joints, the time integral of sum |torque qd| over the actuated DoFs [J]."""
    muscle_work: float
    """Absolute work of the muscles, the time integral of sum |force path_velocity| [J]; 0 without muscles."""
    squared_activation: float
    """Mean squared activation over muscles and time [-]; 0 where muscles do not act."""
    torque_residual: float
    """Root mean square, over updates and actuated DoFs, of the torque that was wanted of the muscles less the
    one of the activations that were chosen [N m]; 0 where no torque is wanted of muscles."""
    wanted_torque: float
    """Root mean square of the torque of the stable PD over the same [N m]; 0 where there is none."""
    saturated: float
    """Share of muscles and time at 0.99 of the muscle's capacity or more [-]; 0 where muscles do not act."""


def make_tally(n_dofs: int) -> Tally:
    """Return cleared sums."""
    return Tally(torque=np.zeros(n_dofs), sums=np.zeros(8))


def effort_of(tally: Tally, n_muscles: int) -> Effort:
    """Return the effort that was summed up.

    Args:
        tally: the sums.
        n_muscles: number of muscles that act.
    """
    if not (np.isfinite(tally.torque).all() and np.isfinite(tally.sums).all()):
        tally = make_tally(tally.torque.size)
    sums = tally.sums
    steps, updates = max(sums[STEPS], 1.0), max(sums[UPDATES], 1.0)
    times, joints = steps * max(n_muscles, 1), updates * (tally.torque.size - 6)
    return Effort(
        torque=tally.torque / steps,
        joint_work=float(sums[JOINT_WORK]),
        muscle_work=float(sums[MUSCLE_WORK]),
        squared_activation=float(sums[SQUARED_ACTIVATION] / times),
        torque_residual=float(np.sqrt(sums[RESIDUAL] / joints)),
        wanted_torque=float(np.sqrt(sums[WANTED] / joints)),
        saturated=float(sums[SATURATED] / times),
    )


@njit(cache=True)
def clear(tally: Tally) -> None:
    """Begin a new control step."""
    tally.torque[:] = 0.0
    tally.sums[:] = 0.0


@njit(cache=True)
def count_joints(torque: Array, qd: Array, dt: float, tally: Tally) -> None:
    """Add a physics step of `dt` [s] under joint torques of the actuators (dof,) at velocity `qd` (dof,)."""
    work = 0.0
    for dof in range(torque.size):
        tally.torque[dof] += torque[dof]
        work += abs(torque[dof] * qd[dof]) if dof >= 6 else 0.0
    tally.sums[JOINT_WORK] += dt * work
    tally.sums[STEPS] += 1.0


@njit(cache=True)
def count_muscles(activity: Activity, muscles: MuscleBuffers, dt: float, tally: Tally) -> None:
    """Add a physics step of `dt` [s] of the muscles."""
    work, squared, saturated = 0.0, 0.0, 0.0
    for muscle in range(activity.activation.size):
        level = activity.activation[muscle]
        force = level * muscles.active_force[muscle] + muscles.passive_force[muscle]
        work += abs(force * muscles.path_velocity[muscle])
        squared += level * level
        saturated += 1.0 if level >= SATURATION * (1.0 - activity.fatigued[muscle]) else 0.0
    tally.sums[MUSCLE_WORK] += dt * work
    tally.sums[SQUARED_ACTIVATION] += squared
    tally.sums[SATURATED] += saturated


@njit(cache=True)
def count_update(wanted: Array, made: Array, tally: Tally) -> None:
    """Add an update in which torques `wanted` (dof,) were asked for and `made` (dof,) were chosen [N m]."""
    residual, square = 0.0, 0.0
    for dof in range(6, wanted.size):
        residual += (wanted[dof] - made[dof]) ** 2
        square += wanted[dof] ** 2
    tally.sums[RESIDUAL] += residual
    tally.sums[WANTED] += square
    tally.sums[UPDATES] += 1.0
