"""What an environment reads of body, muscles and ground after a control step."""

import numpy as np

from musclegym.envs.actuator import Actuator
from musclegym.envs.world import World
from musclegym.skeleton import body_velocities
from musclegym.state import BodyState


def read_state(actuator: Actuator, world: World, time: float, step_time: float) -> BodyState:
    """Return copies of what the simulation and the actuator hold now.

    Args:
        actuator: of the body that is read.
        world: that it stands in.
        time: since the start of the episode [s].
        step_time: length of a control step [s].
    """
    actuator.read()
    body, stage, work = actuator.body, actuator.stage, actuator.stage.work
    angular, linear = np.empty_like(work.position), np.empty_like(work.position)
    body_velocities(body.skeleton.tree, work.rotation, work.position, stage.qd, angular, linear)
    x, _, z = work.position[0]
    return BodyState(
        body=body,
        time=time,
        q=stage.q.copy(),
        qd=stage.qd.copy(),
        rotation=work.rotation.copy(),
        joint_position=work.position.copy(),
        com=work.com.copy(),
        com_velocity=linear + np.cross(angular, work.com - work.position),
        angular_velocity=angular,
        activation=actuator.activation.copy(),
        fatigued=actuator.fatigued.copy(),
        ground_force=actuator.simulation.ground_forces(),
        ground_height=float(world.height_at(x, z)) if np.isfinite(x + z) else 0.0,
        effort=actuator.effort,
        step_time=step_time,
    )
