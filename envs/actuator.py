"""The actuator: advances the simulation by one control step under one of the four actuations."""

from collections.abc import Callable

import numpy as np

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


class Actuator:
    """Turns target poses or excitations into joint torques, physics step by physics step."""

    def __init__(self, body: Body, config: HumanoidConfig) -> None:
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
        self.body = body
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
        self._choose = self._by_network(config) if self.kind == "muscle" else self._by_least_squares

    def reset(self) -> None:
        """Relax all muscles."""
        self.activation[:] = 0.0
        self.torque[:] = 0.0

    def read(self, simulation: Simulation) -> None:
        """Fill the stage with the simulation's present pose."""
        read_pose(self.model, simulation.links, self.stage)

    def follow(self, simulation: Simulation, target: Array, qd_target: Array) -> None:
        """Advance by one control step towards a target pose and velocity (dof,)."""
        stage = self.stage
        self.torque[:] = 0.0
        for step in range(self.physics_steps):
            if self.kind == "torque":
                torque_step(self.model, simulation.links, target, qd_target, stage)
            elif step % self.steps_per_update == 0:
                demand_step(self.model, simulation.links, target, qd_target, stage)
                self._choose()
                apply_activation(self.model, self.activation, stage)
            else:
                muscle_step(self.model, simulation.links, self.activation, stage)
            self._step(simulation)

    def excite(self, simulation: Simulation, excitation: Array) -> None:
        """Advance by one control step under muscle excitations in [0, 1], shape (muscle,)."""
        self.torque[:] = 0.0
        for _ in range(self.physics_steps):
            self.activation = advance_activation(self.activation, excitation, self.physics_dt)
            muscle_step(self.model, simulation.links, self.activation, self.stage)
            self._step(simulation)

    def _step(self, simulation: Simulation) -> None:
        self.torque += self.stage.actuator / self.physics_steps
        simulation.step(self.stage.link_torque)
        simulation.read()

    def _by_least_squares(self) -> None:
        """Choose the activations that come nearest to the torque that the stable PD asks for."""
        muscles = self.stage.muscles
        active = (self.stage.wanted - muscles.passive_torque)[6:]
        least_squares(muscles.torque_matrix, self.entries, active, self.activation)

    def _by_network(self, config: HumanoidConfig) -> Callable[[], None]:
        """Return a function that lets MuscleNN choose the activations."""
        from musclegym.muscle.network import load_muscle_network, muscle_features

        network = load_muscle_network(self.body, config.muscle_weights)
        features = np.zeros((1, network.n_features), dtype=np.float32)

        def choose() -> None:
            muscles = self.stage.muscles
            muscle_features(
                muscles.torque_matrix, self.entries, muscles.passive_torque, self.stage.wanted, features[0]
            )
            self.activation[:] = network.activate(features)[0]

        return choose
