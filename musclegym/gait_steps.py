"""How a body walks: joint angles as clinicians count them, and the figures of its steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from musclegym.body import Body
from musclegym.gait import foot_travel, heel_strikes, toe_offs
from musclegym.rotation import Array

SIDES = ("left", "right")
ANGLES = {
    "hip flexion": ("Femur{}_x", -1.0),
    "knee flexion": ("Tibia{}", 1.0),
    "ankle dorsiflexion": ("Talus{}_x", -1.0),
    "elbow flexion": ("ForeArm{}", None),
}
"""Angles that a coordinate tells: DoF, "{}" for L or R, and the sign that makes bending positive; None where
it differs from side to side, and the greater part of the joint's range is bending."""
TORQUES = {
    "hip extension": ("Femur{}_x", 1.0),
    "knee extension": ("Tibia{}", -1.0),
    "ankle plantarflexion": ("Talus{}_x", 1.0),
}
"""Torques that carry the body in stance: DoF and the sign that makes them positive."""
SHOULDER = "shoulder flexion"
"""Angle between upper arm and trunk as seen from the side, positive ahead."""


@dataclass(frozen=True)
class FootSteps:
    """How one foot walks; NaN where it does not."""

    heel_strikes: int
    """How often it touches down."""
    cycle: float
    """Mean time from a heel strike to the next [s]."""
    step_length: float
    """Mean distance at heel strike by which its ankle is ahead of the other, where the pelvis faces [m]."""
    duty_factor: float
    """Mean share of the cycle from heel strike to toe-off [-]."""
    strike_pitch: float
    """How far its toes then point up against the rest pose, mean over heel strikes [deg]."""


def joint_angles(body: Body, q: Array) -> dict[str, dict[str, Array]]:
    """Return joint angles by name and side.

    Args:
        body: whose poses.
        q: poses, shape (frame, dof).

    Returns:
        Angles, shape (frame,) [deg], of the names in `ANGLES` and the shoulder, as far as the body has them.
    """
    names, angles = list(body.dof_names), {}
    for name, (pattern, sign) in ANGLES.items():
        dofs = {side: pattern.format(side[0].upper()) for side in SIDES}
        if set(dofs.values()) <= set(names):
            columns = {side: names.index(dof) for side, dof in dofs.items()}
            angles[name] = {
                side: np.degrees((bending_sign(body, dof) if sign is None else sign) * q[:, dof])
                for side, dof in columns.items()
            }
    if {"Torso", "ArmL", "ArmR", "ForeArmL", "ForeArmR"} <= set(body.body_names):
        angles[SHOULDER] = {side: shoulder_flexion(body, q, side) for side in SIDES}
    return angles


def leg_torques(body: Body, torque: Array) -> dict[str, dict[str, Array]]:
    """Return the joint torques of the legs per body mass, by name and side.

    Args:
        body: whose joints.
        torque: of all DoFs, shape (frame, dof) [N m].

    Returns:
        Torques, shape (frame,) [N m/kg], of the names in `TORQUES` as far as the body has them.
    """
    names, found = list(body.dof_names), {}
    for name, (pattern, sign) in TORQUES.items():
        dofs = {side: pattern.format(side[0].upper()) for side in SIDES}
        if set(dofs.values()) <= set(names):
            scale = sign / body.skeleton.total_mass
            found[name] = {side: scale * torque[:, names.index(dof)] for side, dof in dofs.items()}
    return found


def bending_sign(body: Body, dof: int) -> float:
    """Return the sign of the greater part of a hinge's range."""
    return 1.0 if body.skeleton.upper[dof] + body.skeleton.lower[dof] >= 0.0 else -1.0


def shoulder_flexion(body: Body, q: Array, side: str) -> Array:
    """Return how far the upper arm of a side is ahead of the trunk as seen from the trunk's side [deg]."""
    trunk, arm, elbow = (
        body.skeleton.body(name.format(side[0].upper())) for name in ("Torso", "Arm{}", "ForeArm{}")
    )
    rest = body.skeleton.joint_rotation[trunk]
    along = []
    for pose in q:
        places = body.kinematics(pose)
        turn = places.joint_rotation[trunk] @ rest.T
        along.append((places.joint_position[elbow] - places.joint_position[arm]) @ turn)
    _, up, ahead = np.array(along).T
    return np.degrees(np.arctan2(ahead, -up))


def foot_steps(body: Body, time: Array, q: Array) -> dict[str, FootSteps]:
    """Return the figures of the steps of both feet.

    Args:
        body: who walks; its feet are called TalusL and TalusR.
        time: of the poses, evenly spaced, shape (frame,) [s].
        q: poses, shape (frame, dof).
    """
    travel = {side: foot_travel(body, q, f"Talus{side[0].upper()}") for side in SIDES}
    steps = {}
    for side, other in zip(SIDES, reversed(SIDES), strict=True):
        strikes = heel_strikes(body, time, q, side)
        frames = np.searchsorted(time, strikes)
        ahead, pitch = (travel[side] - travel[other])[frames], foot_pitch(body, q[frames], side)
        steps[side] = FootSteps(
            heel_strikes=len(strikes),
            cycle=mean(np.diff(strikes)),
            step_length=mean(ahead),
            duty_factor=mean(stances(strikes, toe_offs(body, time, q, side))),
            strike_pitch=mean(pitch),
        )
    return steps


def stances(strikes: Array, leaving: Array) -> Array:
    """Return the share of each cycle from heel strike to toe-off, shape (cycle,) [-].

    Args:
        strikes: heel strikes of a foot, shape (cycle + 1,) [s].
        leaving: its toe-offs, shape (toe-off,) [s]; a cycle without one is left out.
    """
    shares = []
    for begin, end in pairwise(strikes):
        within = leaving[(leaving > begin) & (leaving < end)]
        if len(within):
            shares.append((within[0] - begin) / (end - begin))
    return np.array(shares)


def foot_pitch(body: Body, q: Array, side: str) -> Array:
    """Return how far the toes of a side point up against the rest pose, shape (frame,) [deg]."""
    ankle, toe = (body.skeleton.body(name + side[0].upper()) for name in ("Talus", "FootThumb"))
    rest = body.skeleton.joint_position
    angles = [rise(place[ankle], place[toe]) for place in body.joint_positions(q)]
    return np.array(angles) - rise(rest[ankle], rest[toe])


def rise(start: Array, end: Array) -> float:
    """Return the angle between the way from one place (3,) to another and the ground [deg]."""
    way = end - start
    return float(np.degrees(np.arctan2(way[1], np.hypot(way[0], way[2]))))


def cadence(steps: Mapping[str, FootSteps]) -> float:
    """Return how many steps both feet make in a minute [1/min]."""
    return 120.0 / mean(np.array([foot.cycle for foot in steps.values()]))


def mean(values: Array) -> float:
    """Return the mean, NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")
