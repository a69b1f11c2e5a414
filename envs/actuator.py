"""Actuators: turn target poses or excitations into joint torques, physics step by physics step."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from musclegym.actuation import (
    apply_activation,
    demand_step,
    make_model,
    make_stage,
    muscle_step,
    read_pose,
    torque_step,
)
from musclegym.body import Body
from musclegym.envs.config import HumanoidConfig
from musclegym.muscle.activation import advance_activation
from musclegym.muscle.oracle import least_squares, muscle_entries
from musclegym.rotation import Array
from musclegym.simulation import Simulation

Array32 = npt.NDArray[np.float32]


class Actuator:
    """The muscles or joint torques of one body in one simulation.

    `follow` or `excite` says what to do; `advance` then moves any number of bodies by one control step.
    """

    def __init__(self, body: Body, config: HumanoidConfig, simulation: Simulation) -> None:
        """Prepare buffers, and MuscleNN where it is used.

        Raises:
            ValueError: if the body lacks the muscles that the actuation needs, or the weights belong to
                another body.
            FileNotFoundError: if there are no weights of MuscleNN for the body.
        """
        self.kind = config.actuation
        if self.kind != "torque" and body.n_muscles == 0:
            raise ValueError(
                f"actuation {self.kind!r} needs muscles, but body {body.name!r} has none; load it with "
                f"muscles=..., or use actuation='torque'"
            )
        self.simulation = simulation
        self.physics_dt = 1.0 / config.physics_hz
        self.physics_steps = config.physics_hz // config.control_hz
        by_muscle = self.kind in ("muscle", "oracle")
        self.steps_per_update = config.physics_hz // config.muscle_updates if by_muscle else 1
        gains = np.zeros((2, body.n_dofs))
        gains[0, 6:], gains[1, 6:] = config.kp, config.kd
        hold = self.steps_per_update * self.physics_dt
        self.model = make_model(body, gains[0], gains[1], self.physics_dt, hold)
        self.stage = make_stage(body)
        self.entries = muscle_entries(body)
        self.activation = np.zeros(body.n_muscles if self.kind != "torque" else 0)
        self.torque = np.zeros(body.n_dofs)
        self.target, self.qd_target = np.zeros((2, body.n_dofs))
        self.excitation = np.zeros(body.n_muscles)
        if self.kind == "muscle":
            from musclegym.muscle.network import load_muscle_network, muscle_features

            self.network = load_muscle_network(body, config.muscle_weights)
            self._features = muscle_features

    def reset(self) -> None:
        """Relax all muscles."""
        self.activation[:] = 0.0
        self.torque[:] = 0.0

    def read(self) -> None:
        """Fill the stage with the simulation's present pose."""
        read_pose(self.model, self.simulation.links, self.stage)

    def follow(self, target: Array, qd_target: Array) -> None:
        """Pull to a target pose and velocity (dof,) during the next control step."""
        self.target, self.qd_target = target, qd_target

    def excite(self, excitation: Array) -> None:
        """Hold muscle excitations in [0, 1], shape (muscle,), during the next control step."""
        self.excitation = excitation

    def demand(self, features: Array32 | None) -> None:
        """Measure the muscles and the torque that is wanted of them; write a row of MuscleNN's features."""
        demand_step(self.model, self.simulation.links, self.target, self.qd_target, self.stage)
        muscles = self.stage.muscles
        if features is not None:
            self._features(
                muscles.torque_matrix, self.entries, muscles.passive_torque, self.stage.wanted, features
            )
        else:
            active = (self.stage.wanted - muscles.passive_torque)[6:]
            least_squares(muscles.torque_matrix, self.entries, active, self.activation)

    def act(self, updated: bool) -> None:
        """Make one physics step.

        Args:
            updated: whether `demand` has just measured the muscles of this step.
        """
        links, stage = self.simulation.links, self.stage
        if self.kind == "torque":
            torque_step(self.model, links, self.target, self.qd_target, stage)
        elif updated:
            apply_activation(self.model, self.activation, stage)
        else:
            if self.kind == "excitation":
                self.activation = advance_activation(self.activation, self.excitation, self.physics_dt)
            muscle_step(self.model, links, self.activation, stage)
        self.torque += stage.actuator / self.physics_steps
        self.simulation.step(stage.link_torque)
        self.simulation.read()


def advance(actuators: Sequence[Actuator]) -> None:
    """Advance bodies of the same settings by one control step; MuscleNN serves all of them at once."""
    first = actuators[0]
    network = first.network if first.kind == "muscle" else None
    for actuator in actuators:
        actuator.torque[:] = 0.0
    for step in range(first.physics_steps):
        update = first.kind in ("muscle", "oracle") and step % first.steps_per_update == 0
        if update and network is not None:
            features = np.zeros((len(actuators), network.n_features), dtype=np.float32)
            for actuator, row in zip(actuators, features, strict=True):
                actuator.demand(row)
            for actuator, activation in zip(actuators, network.activate(features), strict=True):
                actuator.activation[:] = activation
        elif update:
            for actuator in actuators:
                actuator.demand(None)
        for actuator in actuators:
            actuator.act(update)
