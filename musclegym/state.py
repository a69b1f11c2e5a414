"""The state of the body after a control step, read once and never changed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from musclegym.body import Body
from musclegym.muscle.effort import Effort
from musclegym.rotation import Array


@dataclass(frozen=True, eq=False)
class BodyState:
    """What observations, rewards and terminations are functions of. World frame unless said otherwise."""

    body: Body
    """The body."""
    time: float
    """Time since the start of the episode [s]."""
    q: Array
    """Generalised coordinates, shape (dof,)."""
    qd: Array
    """Generalised velocities, shape (dof,)."""
    rotation: Array
    """Orientation of the joint frames, shape (body, 3, 3)."""
    joint_position: Array
    """Joint positions, shape (body, 3) [m]."""
    com: Array
    """Centres of mass of the bodies, shape (body, 3) [m]."""
    com_velocity: Array
    """Velocities of the centres of mass, shape (body, 3) [m/s]."""
    angular_velocity: Array
    """Angular velocities of the bodies, shape (body, 3) [rad/s]."""
    activation: Array
    """Muscle activation at the end of the step, shape (muscle,); empty where muscles do not act [-]."""
    fatigued: Array
    """Share of each muscle's fibres that are tired, shape (muscle,); empty where muscles do not act [-]."""
    ground_force: Array
    """Normal force of the ground on each body, shape (body,) [N]."""
    ground_height: float
    """Height of the ground under the root [m]."""
    effort: Effort
    """What the step has cost: torque, work, activation, residual and saturation."""
    step_time: float
    """Length of the step [s]."""

    @property
    def is_finite(self) -> bool:
        """Whether every number of the motion is finite."""
        return bool(np.isfinite(self.q).all() and np.isfinite(self.qd).all())

    @property
    def torque(self) -> Array:
        """Joint torque of the actuators, mean over the step, shape (dof,) [N m]."""
        return self.effort.torque

    @property
    def root_height(self) -> float:
        """Height of the root above the ground under it [m]."""
        return float(self.joint_position[0, 1] - self.ground_height)

    @cached_property
    def heading(self) -> Array:
        """Rotation (3, 3) about the vertical that turns +z to where the root faces."""
        return heading_rotation(self.rotation[0])

    @property
    def facing(self) -> float:
        """Where the root faces, from +z towards +x [rad]."""
        return float(np.arctan2(self.heading[0, 2], self.heading[2, 2]))

    @cached_property
    def mass_share(self) -> Array:
        """Share of each body in the whole mass, shape (body,) [-]."""
        return self.body.skeleton.mass / self.body.skeleton.total_mass

    @cached_property
    def centre_of_mass(self) -> Array:
        """Centre of mass of the whole body, shape (3,) [m]."""
        return self.mass_share @ self.com

    @cached_property
    def centre_of_mass_velocity(self) -> Array:
        """Velocity of the whole body's centre of mass, shape (3,) [m/s]."""
        return self.mass_share @ self.com_velocity

    @property
    def trunk_up(self) -> float:
        """Vertical part of the root's own y axis, 1 when upright [-]."""
        return float(self.rotation[0, 1, 1])

    @property
    def weight(self) -> float:
        """Weight of the body [N]."""
        return self.body.skeleton.total_mass * self.body.gravity

    @property
    def specific_power(self) -> float:
        """Mean absolute joint power over the step per body weight [m/s]."""
        return self.effort.joint_work / (self.weight * self.step_time)


def heading_rotation(root: Array) -> Array:
    """Return the rotation (3, 3) about the vertical that turns +z to where the root (3, 3) faces."""
    sine, cosine = root[0, 2], root[2, 2]
    length = np.hypot(sine, cosine)
    if length < 1e-9:  # facing straight up or down: no heading
        return np.eye(3)
    sine, cosine = sine / length, cosine / length
    return np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
