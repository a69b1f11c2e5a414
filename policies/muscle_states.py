"""States that MuscleNN learns from and is judged by: poses around those of motions, and torques wanted there.

A state is drawn around a moment of a motion. The pose is turned by a random error and kept within the joint
limits, the velocity gets an error too, and so does the pose of the next control step, which stable PD pulls
to as in the environment. Some states want the torque that inverse dynamics finds in the motion instead,
so that stance with its ground reaction is among them.

Under a physiology of one's own the muscles' columns and torques are what the environment offers: fatigue is
drawn anew for every muscle and state, and where activation lags, muscles come from the activations that least
squares would choose in the same pose for a part of the active torque or for more of it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from musclegym.actuation import Model, Stage, make_model, make_stage, measure_muscles, want_torque
from musclegym.body import Body
from musclegym.dynamics import bias_and_mass_matrix
from musclegym.muscle.activity import Dynamics, offer_choice
from musclegym.muscle.network import Array32, feature_count, muscle_features
from musclegym.muscle.oracle import Entries, least_squares, muscle_entries
from musclegym.muscle.physiology import MuscleConfig
from musclegym.policies.muscle_moments import Gains, Moments
from musclegym.rotation import Array, IntArray
from musclegym.skeleton import forward_kinematics, integrate, local_rotations

SCALING = (0.5, 1.5)
"""Range of a factor on torques of inverse dynamics, for other speeds and loads; own choice [-]."""
BEFORE = (0.7, 1.2)
"""Range of the active torque one update earlier, relative to the present one, where activation lags; own
choice: walking's torques change by about a twentieth of their peak in an update [-]."""


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


class Wish(NamedTuple):
    """How states are drawn."""

    moment: IntArray  # (state,) which one each state lies around
    error: Array  # (state, 4, dof) of pose, velocity, target pose and torque of inverse dynamics
    follow: Array  # (state,) factor on the torque of inverse dynamics, 0 where stable PD is followed [-]
    tired: Array  # (state, muscle) fatigued share of the fibres [-]
    before: Array  # (state,) active torque one update earlier, relative to the present one [-]


class StateSampler:
    """Draws states around the moments of motions as rows of features for MuscleNN."""

    def __init__(
        self, body: Body, moments: Moments, gains: Gains, muscles: MuscleConfig | None = None
    ) -> None:
        """Take moments of motions of `body`, and the physiology, by default the default one.

        Raises:
            ValueError: if there are no moments, or the physiology does not fit the body.
        """
        if len(moments.q) == 0:
            raise ValueError(
                "states are drawn around moments of motions, but there are none; give longer motions"
            )
        self.muscles = muscles or MuscleConfig()
        kp, kd = np.zeros((2, body.n_dofs))
        kp[6:], kd[6:] = gains.kp, gains.kd
        hold = 1.0 / gains.muscle_hz
        self.model, self.stage = make_model(body, kp, kd, hold, hold, self.muscles), make_stage(body)
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
        tired = random.uniform(*self.muscles.start_fatigue, (count, self.entries.start.size - 1))
        wish = Wish(moment, error, follow, tired, random.uniform(*BEFORE, count))
        features = np.empty((count, self.n_features), dtype=np.float32)
        fill_states(self.model, self.stage, self.entries, self.moments, wish, features)
        return features


@njit(cache=True)
def fill_states(
    model: Model, stage: Stage, entries: Entries, moments: Moments, wish: Wish, out: Array32
) -> None:
    """Fill rows of features (state, feature) in `out`, one per state."""
    target, activity = np.empty(moments.q.shape[1]), stage.activity
    for row in range(wish.moment.size):
        at, follow = wish.moment[row], wish.follow[row]
        place(model, stage, moments.q[at], wish.error[row, 0])
        stage.qd[:] = moments.qd[at] + wish.error[row, 1]
        bias_and_mass_matrix(model.tree, stage.qd, model.gravity, stage.work)
        measure_muscles(model, stage)
        if follow > 0.0:
            stage.wanted[:] = follow * moments.torque[at] + wish.error[row, 3]
        else:
            integrate(model.tree, moments.target[at], wish.error[row, 2], 1.0, target)
            want_torque(model, target, moments.target_velocity[at], stage)
        activity.fatigued[:] = wish.tired[row]
        activity.activation[:] = 0.0
        if model.dynamics.rise_hold > 0.0:
            settle_before(model, stage, entries, wish.before[row])
        offer_choice(model.tree, model.paths, model.dynamics, stage.muscles, activity)
        muscle_features(activity.columns, entries, activity.passive_torque, stage.wanted, out[row])


@njit(cache=True)
def place(model: Model, stage: Stage, q: Array, error: Array) -> None:
    """Put the stage into a pose (dof,) that is off by an error (dof,) and within the joint limits."""
    work = stage.work
    integrate(model.tree, q, error, 1.0, stage.q)
    stage.q[6:] = np.minimum(np.maximum(stage.q[6:], model.lower[6:]), model.upper[6:])
    stage.displacement[:] = stage.q[3:6]
    local_rotations(model.tree, stage.q, work.local)
    forward_kinematics(model.tree, work.local, stage.displacement, work.rotation, work.position, work.com)


@njit(cache=True)
def settle_before(model: Model, stage: Stage, entries: Entries, factor: float) -> None:
    """Set the activations to those that least squares choose for the wanted active torque times a factor."""
    dynamics, activity = model.dynamics, stage.activity
    at_once = Dynamics(dynamics.dt, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    offer_choice(model.tree, model.paths, at_once, stage.muscles, activity)
    active = factor * (stage.wanted - activity.passive_torque)[6:]
    least_squares(activity.columns, entries, active, activity.share)
    activity.activation[:] = activity.share * activity.upper
