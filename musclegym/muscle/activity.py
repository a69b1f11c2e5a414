"""The state of the muscles between control steps: excitation, activation and fatigue, as numba kernels.

Whoever chooses activations (MuscleNN, least squares) chooses among those that each muscle can have reached by
the next update: between `lower`, to which it relaxes without excitation, and `upper`, which full excitation
or its fatigue allow. With activation = lower + (upper - lower) share the choice is again one of shares in
[0, 1], for the columns (upper - lower) A and the torque b + A lower instead of the torque matrix A and the
passive torque b. The excitation that leads there is held until the next update.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from musclegym.muscle.fatigue import tire
from musclegym.muscle.path import Paths
from musclegym.muscle.transmission import MuscleBuffers
from musclegym.rotation import Array
from musclegym.skeleton import Tree


class Dynamics(NamedTuple):
    """How activation and fatigue go on, as numbers for the kernels.

    Of the way to a constant excitation exp(-t / time constant) is left after a time t; nothing is left of it
    where activation follows at once.
    """

    dt: float  # physics step [s]
    rise: float  # way left after a physics step while the activation rises [-]
    fall: float  # while it falls [-]
    rise_hold: float  # way left after the time between two updates, rising [-]
    fall_hold: float  # falling [-]
    fatigue_rate: float  # 0 where muscles do not tire [1/s]
    recovery_rate: float  # [1/s]
    rest_recovery: float  # factor on the recovery rate at rest [-]


class Activity(NamedTuple):
    """State of the muscles, and the choice that the next update has."""

    excitation: Array  # (muscle,) held until the next update [-]
    activation: Array  # (muscle,) [-]
    fatigued: Array  # (muscle,) share of the fibres [-]
    lower: Array  # (muscle,) least activation at the end of the update [-]
    upper: Array  # (muscle,) greatest one [-]
    share: Array  # (muscle,) what was chosen between them, in [0, 1] [-]
    columns: Array  # (muscle, dof) torque per unit of share [N m]
    passive_torque: Array  # (dof,) torque at shares of zero [N m]
    made: Array  # (dof,) torque of the chosen shares [N m]


def make_activity(n_muscles: int, n_dofs: int) -> Activity:
    """Return the state of relaxed, fresh muscles."""
    return Activity(
        **{name: np.zeros(n_muscles) for name in Activity._fields[:6]},
        columns=np.zeros((n_muscles, n_dofs)),
        passive_torque=np.zeros(n_dofs),
        made=np.zeros(n_dofs),
    )


@njit(cache=True)
def offer_choice(
    tree: Tree, paths: Paths, dynamics: Dynamics, muscles: MuscleBuffers, activity: Activity
) -> None:
    """Write the bounds of the activations at the end of the update, and the torque within them."""
    for dof in range(activity.passive_torque.size):
        activity.passive_torque[dof] = muscles.passive_torque[dof]
    for muscle in range(activity.activation.size):
        present, capacity = activity.activation[muscle], 1.0 - activity.fatigued[muscle]
        lower = dynamics.fall_hold * present
        upper = capacity + dynamics.rise_hold * (present - capacity)
        activity.lower[muscle], activity.upper[muscle] = lower, upper
        for link in range(paths.chain_start[muscle], paths.chain_start[muscle + 1]):
            start = tree.dof_start[paths.chain_body[link]]
            for dof in range(start, start + paths.chain_dofs[link]):
                torque = muscles.torque_matrix[muscle, dof]
                activity.columns[muscle, dof] = (upper - lower) * torque
                activity.passive_torque[dof] += lower * torque


@njit(cache=True)
def take_choice(tree: Tree, paths: Paths, dynamics: Dynamics, activity: Activity) -> None:
    """Write the torque of the chosen shares, and the excitations that lead to their activations."""
    for dof in range(activity.made.size):
        activity.made[dof] = activity.passive_torque[dof]
    for muscle in range(activity.activation.size):
        lower, share = activity.lower[muscle], activity.share[muscle]
        end, present = lower + (activity.upper[muscle] - lower) * share, activity.activation[muscle]
        left = dynamics.rise_hold if end > present else dynamics.fall_hold
        activity.excitation[muscle] = min(max((end - left * present) / (1.0 - left), 0.0), 1.0)
        for link in range(paths.chain_start[muscle], paths.chain_start[muscle + 1]):
            start = tree.dof_start[paths.chain_body[link]]
            for dof in range(start, start + paths.chain_dofs[link]):
                activity.made[dof] += share * activity.columns[muscle, dof]


@njit(cache=True)
def advance_activity(dynamics: Dynamics, activity: Activity) -> None:
    """Advance activation and fatigue by a physics step under the held excitation."""
    for muscle in range(activity.activation.size):
        aim = min(activity.excitation[muscle], 1.0 - activity.fatigued[muscle])
        away = activity.activation[muscle] - aim
        activity.activation[muscle] = aim + away * (dynamics.rise if away < 0.0 else dynamics.fall)
    if dynamics.fatigue_rate > 0.0:
        tire(
            activity.fatigued,
            activity.activation,
            dynamics.dt,
            dynamics.fatigue_rate,
            dynamics.recovery_rate,
            dynamics.rest_recovery,
        )


@njit(cache=True, error_model="numpy")
def excite_by_length(
    muscles: MuscleBuffers, length: Array, velocity: Array, stiffness: float, damping: float, out: Array
) -> None:
    """Write the excitations of a PD controller in muscle space into `out` (muscle,).

    A stretched muscle pulls: excitation = stiffness (l - length) + damping (v - velocity) within [0, 1], as
    the stretch reflex does with length and rate of its spindles.

    Args:
        muscles: present fibre lengths l and velocities v.
        length: wanted fibre lengths in optimal ones, shape (muscle,) [-].
        velocity: wanted rates of them, shape (muscle,) [1/s].
        stiffness: excitation per fibre length [-].
        damping: excitation per fibre velocity [s].
        out: receives the excitations.
    """
    for muscle in range(out.size):
        stretch = muscles.fibre_length[muscle] - length[muscle]
        drive = stiffness * stretch + damping * (muscles.fibre_velocity[muscle] - velocity[muscle])
        out[muscle] = min(max(drive, 0.0), 1.0)
