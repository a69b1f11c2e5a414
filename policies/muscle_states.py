"""States that MuscleNN learns from and is judged by: poses around those of motions, and torques wanted there.

A state is drawn around a moment of a motion. The pose is turned by a random error and kept within the joint
limits, the velocity gets an error too, and so does the pose of the next control step, which stable PD pulls
to as in the environment. Some states want the torque that inverse dynamics finds in the motion instead,
so that stance with its ground reaction is among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt
from numba import njit
from tqdm import tqdm

from musclegym.actuation import Model, Stage, make_model, make_stage, measure_muscles, want_torque
from musclegym.body import Body
from musclegym.dynamics import bias_and_mass_matrix
from musclegym.inverse_dynamics import inverse_dynamics
from musclegym.motion.motion import Motion
from musclegym.muscle.network import Array32, feature_count, muscle_features
from musclegym.muscle.oracle import Entries, muscle_entries
from musclegym.rotation import Array, IntArray
from musclegym.skeleton import forward_kinematics, integrate, local_rotations

SAMPLING = 120.0
"""Rate at which motions are cut into moments [1/s]."""
EXPLAINED = 0.3
"""Inverse dynamics is trusted where what the ground leaves unexplained on the root is less than this share of
the body's weight, and its moment less than that force makes at one metre; own choice [-]."""
ACTION_MEMORY, ACTION_NOISE = 0.9, 0.1
"""Rollouts act by an autoregressive process of this memory per step and noise: 0.23 of the action's range."""
SCALING = (0.5, 1.5)
"""Range of a factor on torques of inverse dynamics, for other speeds and loads; own choice [-]."""


@dataclass(frozen=True)
class Spread:
    """How far states lie from the motion, as standard deviations."""

    pose: float = 0.25
    """Of each joint coordinate [rad]."""
    velocity: float = 2.0
    """Of each joint's velocity [rad/s]."""
    target: float = 0.35
    """Of each joint coordinate of the target pose, as a policy's action moves it [rad]."""
    torque: float = 10.0
    """Of each joint's torque where it comes from inverse dynamics [N m]."""


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


class StateSampler:
    """Draws states around the moments of motions as rows of features for MuscleNN."""

    def __init__(self, body: Body, moments: Moments, gains: Gains) -> None:
        """Take moments of motions of `body`.

        Raises:
            ValueError: if there are no moments.
        """
        if len(moments.q) == 0:
            raise ValueError(
                "states are drawn around moments of motions, but there are none; give longer motions"
            )
        kp, kd = np.zeros((2, body.n_dofs))
        kp[6:], kd[6:] = gains.kp, gains.kd
        hold = 1.0 / gains.muscle_hz
        self.model, self.stage = make_model(body, kp, kd, hold, hold), make_stage(body)
        self.moments, self.entries = moments, muscle_entries(body)
        self.n_features = feature_count(self.entries, body.n_dofs - 6)

    def draw(
        self,
        count: int,
        random: np.random.Generator,
        spread: Spread,
        *,
        varied: bool = True,
        followed: float = 0.3,
    ) -> Array32:
        """Draw states.

        Args:
            count: how many.
            random: source of all chance.
            spread: how far they lie from the motion.
            varied: whether each state shrinks the spread by factors of its own, log-uniform in [0.05, 1].
            followed: share of states that want the torque of inverse dynamics, where that can be trusted.

        Returns:
            Features, shape (count, feature).
        """
        moment = random.integers(len(self.moments.q), size=count)
        scale = np.array([spread.pose, spread.velocity, spread.target, spread.torque])
        factor = np.exp(random.uniform(np.log(0.05), 0.0, (count, 4))) if varied else np.ones((count, 4))
        error = random.standard_normal((count, 4, self.moments.q.shape[1])) * (scale * factor)[:, :, None]
        error[:, 0::2, 3:6] = 0.0  # place on earth does not matter to muscles
        follow = random.uniform(*SCALING, count) if varied else np.ones(count)
        follow *= self.moments.trust[moment] * (random.random(count) < followed)
        features = np.empty((count, self.n_features), dtype=np.float32)
        fill_states(self.model, self.stage, self.entries, self.moments, moment, error, follow, features)
        return features


@njit(cache=True)
def fill_states(
    model: Model,
    stage: Stage,
    entries: Entries,
    moments: Moments,
    moment: IntArray,
    error: Array,
    follow: Array,
    out: Array32,
) -> None:
    """Fill rows of features, one per state.

    Args:
        model: body, gains and rates.
        stage: buffers.
        entries: of the torque matrix.
        moments: of motions.
        moment: which one each state lies around, shape (state,).
        error: of pose, velocity, target pose and torque of inverse dynamics, shape (state, 4, dof).
        follow: factor on the torque of inverse dynamics, 0 where stable PD is followed, shape (state,).
        out: receives the features, shape (state, feature).
    """
    target, work = np.empty(moments.q.shape[1]), stage.work
    for row in range(moment.size):
        at = moment[row]
        integrate(model.tree, moments.q[at], error[row, 0], 1.0, stage.q)
        stage.q[6:] = np.minimum(np.maximum(stage.q[6:], model.lower[6:]), model.upper[6:])
        stage.qd[:] = moments.qd[at] + error[row, 1]
        stage.displacement[:] = stage.q[3:6]
        local_rotations(model.tree, stage.q, work.local)
        forward_kinematics(model.tree, work.local, stage.displacement, work.rotation, work.position, work.com)
        bias_and_mass_matrix(model.tree, stage.qd, model.gravity, work)
        measure_muscles(model, stage)
        if follow[row] > 0.0:
            stage.wanted[:] = follow[row] * moments.torque[at] + error[row, 3]
        else:
            integrate(model.tree, moments.target[at], error[row, 2], 1.0, target)
            want_torque(model, target, moments.target_velocity[at], stage)
        muscles = stage.muscles
        muscle_features(muscles.torque_matrix, entries, muscles.passive_torque, stage.wanted, out[row])
