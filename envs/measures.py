"""What `info` says after a control step, and what each entry means."""

from typing import Any

import numpy as np

from musclegym.body import Kinematics
from musclegym.rotation import Array
from musclegym.state import BodyState

SHORTEST_WAY = 0.1
"""Way below which the cost of transport is counted as if over this way, for it grows without bound [m]."""

INFO = {
    "reward_terms": "weighted reward terms by name; the reward is their sum",
    "diverged": "whether a number of the physics stopped being finite, which ends the episode",
    "phase": "where the motion is in its cycle, in [0, 1), if there is a motion [-]",
    "start_phase": "where it was when the episode began [-]",
    "joint_error": "mean distance of the joints from the motion's, relative to the root, if there is one [m]",
    "global_joint_error": "likewise in the world, from the motion as it is carried along each cycle [m]",
    "speed_error": "speed of the root over the ground, less the motion's [m/s]",
    "way": "length of the root's path over the ground since the start [m]",
    "cost_of_transport": "joint work since the start per body weight and way [-]",
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


def step_measures(state: BodyState, work: Array, way: float) -> dict[str, Any]:
    """Return what a control step has cost, and which bodies touch the ground.

    Args:
        state: after the step.
        work: absolute work of joints and of muscles since the start, shape (2,) [J].
        way: length of the root's path over the ground since the start [m].
    """
    effort = state.effort
    joints, muscles = work / (state.weight * max(way, SHORTEST_WAY))
    return {
        "way": way,
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


def step_way(before: BodyState, after: BodyState) -> float:
    """Return how far the root has moved over the ground between two states [m]."""
    return float(np.hypot(*(after.joint_position[0] - before.joint_position[0])[[0, 2]]))


def tracking_measures(state: BodyState, qd: Array, wanted: Kinematics) -> dict[str, float]:
    """Return how far a state is from the motion.

    Args:
        state: where the body is.
        qd: the motion's velocity at the same time, shape (dof,).
        wanted: where the bodies are then.
    """
    away = state.joint_position - wanted.joint_position
    own, true = state.rotation[0] @ state.qd[3:6], wanted.joint_rotation[0] @ qd[3:6]
    return {
        "joint_error": float(np.linalg.norm(away - away[0], axis=1).mean()),
        "global_joint_error": float(np.linalg.norm(away, axis=1).mean()),
        "speed_error": float(np.hypot(own[0], own[2]) - np.hypot(true[0], true[2])),
    }
