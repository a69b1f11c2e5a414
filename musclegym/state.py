"""The state of the body after a control step, read once and never changed."""

from dataclasses import dataclass

import numpy as np

from musclegym.rotation import Array


@dataclass(frozen=True, eq=False)
class BodyState:
    """What observations, rewards and terminations are functions of. World frame unless said otherwise."""

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
    torque: Array
    """Joint torque of the actuators, mean over the control step, shape (dof,) [N m]."""
    ground_force: Array
    """Normal force of the ground on each body, shape (body,) [N]."""

    @property
    def is_finite(self) -> bool:
        """Whether every number of the motion is finite."""
        return bool(np.isfinite(self.q).all() and np.isfinite(self.qd).all())
