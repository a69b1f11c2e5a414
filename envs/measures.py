"""What `info` says after a control step, and what each entry means."""

from typing import Any

import numpy as np

from musclegym.rotation import Array
from musclegym.state import BodyState

SHORTEST_WAY = 0.1
"""Way below which the cost of transport is counted as if over this way, for it grows without bound [m]."""

INFO = {
    "reward_terms": "weighted reward terms by name; the reward is their sum",
    "diverged": "whether a number of the physics stopped being finite, which ends the episode",
    "phase": "where the motion is in its cycle, in [0, 1), if there is a motion [-]",
    "cost_of_transport": "joint work since the start per body weight and way over the ground [-]",
    "muscle_cost_of_transport": "muscle work since the start, likewise [-]",
    "joint_work": "absolute work of the joints in this step, sum of |torque velocity| over DoFs and time [J]",
    "muscle_work": "absolute work of the muscles in this step, sum of |force velocity| over muscles [J]",
    "mean_activation": "mean activation at the end of the step [-]",
    "mean_squared_activation": "mean squared activation over muscles and the step [-]",
    "torque_wanted": "root mean square over DoFs of the torque that was wanted of the muscles [N m]",
    "torque_residual": "root mean square of what the chosen activations missed of it [N m]",
    "saturation": "share of muscles at 0.99 or more of their capacity [-]",
    "ground_force": "normal force of the ground on each body, shape (body,) [N]",
    "contacts": "which bodies touch the ground, shape (body,)",
    "slope": "slope of the ground, with the option `ground` [rad]",
    "slope_direction": "direction in which it rises, from +z to +x [rad]",
    "roughness": "root mean square of the ground's unevenness [m]",
    "wavelength": "typical distance between its crests [m]",
    "friction": "coefficient of friction of the ground [-]",
    "push_force": "force of a push in this step in the world, with the option `pushes`, shape (3,) [N]",
    "body_height": "factor on stature in this episode, with the option `variation` [-]",
    "body_mass": "factor on body mass [-]",
    "body_strength": "factor on the muscles' forces [-]",
}
"""Entries of `info` and what they are."""


def step_measures(state: BodyState, work: Array, start: Array) -> dict[str, Any]:
    """Return what a control step has cost, and which bodies touch the ground.

    Args:
        state: after the step.
        work: absolute work of joints and of muscles since the start, shape (2,) [J].
        start: position of the root at the start, shape (3,) [m].
    """
    effort, way = state.effort, float(np.hypot(*(state.joint_position[0] - start)[[0, 2]]))
    joints, muscles = work / (state.weight * max(way, SHORTEST_WAY))
    return {
        "cost_of_transport": float(joints),
        "muscle_cost_of_transport": float(muscles),
        "joint_work": effort.joint_work,
        "muscle_work": effort.muscle_work,
        "mean_activation": float(state.activation.mean()) if state.activation.size else 0.0,
        "mean_squared_activation": effort.squared_activation,
        "torque_wanted": effort.wanted_torque,
        "torque_residual": effort.torque_residual,
        "saturation": effort.saturated,
        "ground_force": state.ground_force,
        "contacts": state.ground_force > 0.0,
    }
