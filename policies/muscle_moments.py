"""Moments of motions and rollouts, around which MuscleNN's states are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from musclegym.body import Body
from musclegym.inverse_dynamics import inverse_dynamics
from musclegym.motion.motion import Motion
from musclegym.rotation import Array

SAMPLING = 120.0
"""Rate at which motions are cut into moments [1/s]."""
EXPLAINED = 0.3
"""Inverse dynamics is trusted where what the ground leaves unexplained on the root is less than this share of
the body's weight, and its moment less than that force makes at one metre; own choice [-]."""
ACTION_MEMORY, ACTION_NOISE = 0.9, 0.1
"""Rollouts act by an autoregressive process of this memory per step and noise: 0.23 of the action's range."""


class Moments(NamedTuple):
    """Moments of motions that states are drawn around."""

    q: Array  # (moment, dof) pose
    qd: Array  # (moment, dof) velocity
    target: Array  # (moment, dof) pose one control step ahead
    target_velocity: Array  # (moment, dof) velocity one control step ahead
    torque: Array  # (moment, dof) that inverse dynamics finds [N m]
    trust: Array  # (moment,) 1 where that torque can be trusted, else 0


@dataclass(frozen=True)
class Gains:
    """Stable PD and rates of the environment that the network is for; by default the environment's own."""

    kp: float = 300.0
    """Stiffness on every joint [N m/rad]."""
    kd: float = 24.5
    """Damping on every joint [N m s/rad]."""
    muscle_hz: int = 240
    """Muscle activations per second [1/s]."""
    control_hz: int = 30
    """Actions per second [1/s]."""


def moments_of(body: Body, motion: Motion, control_hz: float) -> tuple[Array, Moments]:
    """Return the phases (moment,) in [0, 1) and the moments of a motion."""
    time = np.arange(0.0, motion.duration, 1.0 / SAMPLING)
    dynamics = inverse_dynamics(body, motion)
    nearest = np.abs(dynamics.time[:, None] - time).argmin(axis=0)
    bound = EXPLAINED * body.skeleton.total_mass * body.gravity
    moments = Moments(
        *motion.at(time),
        *motion.at(time + 1.0 / control_hz),
        torque=dynamics.torque[nearest],
        trust=(np.abs(dynamics.root_residual).max(axis=1) < bound).astype(np.float64)[nearest],
    )
    return time / motion.duration, moments


def rollout_moments(
    body: Body, motion: Motion, gains: Gains, steps: int, random: np.random.Generator
) -> tuple[Array, Moments]:
    """Return the phases (moment,) and the moments that the environment goes through under random actions."""
    environment = gymnasium.make(
        "MuscleHumanoid-v0",
        actuation="torque",
        body=body,
        motion=motion,
        control_hz=gains.control_hz,
        kp=gains.kp,
        kd=gains.kd,
    )
    bare: Any = environment.unwrapped
    assert environment.action_space.shape is not None
    phases, rows, ended = [], [], True
    action = np.zeros(environment.action_space.shape)
    for _ in range(steps):
        if ended:
            environment.reset(seed=int(random.integers(2**31)))
        target, target_velocity = bare.reference.at(bare.time + 1.0 / gains.control_hz)
        phases.append(bare.reference.phase(bare.time))
        rows.append((bare.state.q, bare.state.qd, target, target_velocity))
        action = ACTION_MEMORY * action + ACTION_NOISE * random.standard_normal(action.shape)
        _, _, terminated, truncated, _ = environment.step(action.astype(np.float32))
        ended = terminated or truncated
    environment.close()
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    unknown = np.zeros((steps, body.n_dofs))
    return np.array(phases), Moments(*columns, torque=unknown, trust=np.zeros(steps))


@lru_cache(maxsize=8)  # inverse dynamics takes seconds; the same moments serve every physiology
def held_out_moments(body: Body, motion: Motion, held_out: float, gains: Gains) -> Moments:
    """Return the moments at the end of a motion, the share `held_out` of it."""
    phase, moments = moments_of(body, motion, gains.control_hz)
    return chosen(moments, phase >= 1.0 - held_out)


def training_moments(
    body: Body,
    motions: Sequence[Motion],
    held_out: float,
    gains: Gains,
    rollout_steps: int,
    random: np.random.Generator,
) -> Moments:
    """Return the moments of motions and of rollouts along them, without the share `held_out` at the ends."""
    parts = []
    for motion in tqdm(motions, desc="motions", unit="motion"):
        sources = [moments_of(body, motion, gains.control_hz)]
        if rollout_steps:
            sources.append(rollout_moments(body, motion, gains, rollout_steps, random))
        parts += [chosen(moments, phase < 1.0 - held_out) for phase, moments in sources]
    return Moments(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def chosen(moments: Moments, choice: npt.NDArray[np.bool_]) -> Moments:
    """Return those moments where `choice` (moment,) holds."""
    return Moments(*(np.ascontiguousarray(column[choice]) for column in moments))


def scaled(moments: Moments, height: float, mass: float) -> Moments:
    """Return the moments of a body of other height and mass that moves alike.

    Torques are scaled by weight times height, which is exact for those of gravity and of the ground below a
    standing body; the motion keeps its pace.
    """
    q, qd, target, target_velocity = (column.copy() for column in moments[:4])
    for column in (q, qd, target, target_velocity):
        column[:, 3:6] *= height
    return Moments(q, qd, target, target_velocity, moments.torque * mass * height, moments.trust)
