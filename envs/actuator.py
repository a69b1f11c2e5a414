"""Actuators: turn target poses, excitations or fibre lengths into joint torques, step by step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from musclegym.actuation import make_model, make_stage, measure_muscles_at
from musclegym.body import Body
from musclegym.bundle import (
    bundle,
    chosen_step,
    demand_step,
    length_step,
    muscle_step,
    read_pose,
    torque_step,
)
from musclegym.envs.config import HumanoidConfig
from musclegym.muscle.effort import Effort, clear, effort_of
from musclegym.muscle.oracle import least_squares, muscle_entries
from musclegym.muscle.physiology import muscle_config
from musclegym.rotation import Array
from musclegym.simulation import Simulation

Array32 = npt.NDArray[np.float32]


class RecentRows:
    """The last rows that were added, up to a number of them."""

    def __init__(self, count: int, size: int) -> None:
        """Make room for `count` rows of `size` numbers."""
        self._rows, self._added = np.zeros((count, size), dtype=np.float32), 0

    def add(self, row: Array32) -> None:
        """Keep a copy of a row instead of the oldest."""
        self._rows[self._added % len(self._rows)] = row
        self._added += 1

    def rows(self) -> Array32:
        """Return the rows that are kept, from the oldest on."""
        first = self._added % len(self._rows)
        if self._added < len(self._rows):
            return self._rows[:first].copy()
        return np.roll(self._rows, -first, axis=0)


class Actuator:
    """The muscles or joint torques of one body in one simulation.

    `follow`, `excite` or `aim` says what to do; `advance` then moves any number of bodies by one control
    step, and `effort` says what it cost.
    """

    def __init__(self, body: Body, config: HumanoidConfig, simulation: Simulation) -> None:
        """Prepare buffers, and MuscleNN where it is used.

        Raises:
            ValueError: if the body lacks the muscles that the actuation needs, `config.muscles` does not fit
                it, or the weights belong to another body.
            FileNotFoundError: if there are no weights of MuscleNN for the body.
        """
        self.kind = config.actuation
        if self.kind != "torque" and body.n_muscles == 0:
            raise ValueError(
                f"actuation {self.kind!r} needs muscles, but body {body.name!r} has none; load it with "
                f"muscles=..., or use actuation='torque'"
            )
        self.simulation = simulation
        self.muscles = muscle_config(config.muscles)
        self.physics_dt = 1.0 / config.physics_hz
        self.physics_steps = config.physics_hz // config.control_hz
        self.by_choice = self.kind in ("muscle", "oracle")
        self.steps_per_update = config.physics_hz // config.muscle_updates if self.by_choice else 1
        self._gains = np.zeros((2, body.n_dofs))
        self._gains[0, 6:], self._gains[1, 6:] = config.kp, config.kd
        self._counts_contacts = config.contact_forces
        self._length_gains = float(config.length_kp), float(config.length_kd)
        self.body = body
        self.stage = make_stage(body)
        self.set_body(body)
        self.entries = muscle_entries(body)
        self.n_active = body.n_muscles if self.kind != "torque" else 0
        self.target, self.qd_target = np.zeros((2, body.n_dofs))
        self.recent: RecentRows | None = None  # MuscleNN's features at the first choice of each control step
        if self.kind == "muscle":
            from musclegym.muscle.network import MuscleNN, load_muscle_network, muscle_features

            weights = config.muscle_weights
            self.network = weights if isinstance(weights, MuscleNN) else load_muscle_network(body, weights)
            self._features = muscle_features
        if self.kind == "muscle_length":
            self._reference = make_stage(body)
            self.length, self.velocity = np.zeros((2, body.n_muscles))

    @property
    def activation(self) -> Array:
        """Present activations, shape (muscle,), empty under `torque` [-]."""
        return self.stage.activity.activation[: self.n_active]

    @property
    def fatigued(self) -> Array:
        """Share of each muscle's fibres that are tired, shape (muscle,), empty under `torque` [-]."""
        return self.stage.activity.fatigued[: self.n_active]

    @property
    def effort(self) -> Effort:
        """What the last control step cost."""
        return effort_of(self.stage.tally, self.n_active)

    @property
    def reserve(self) -> float:
        """Largest torque of each reserve actuator, which makes what the muscles miss; 0 for none [N m]."""
        return float(self.stage.reserve_limit[0])

    def set_reserve(self, limit: float) -> None:
        """Let reserve actuators make what the muscles miss, each up to a torque; 0 for none [N m].

        Raises:
            ValueError: if the limit is negative or not finite, or no torque is wanted of muscles.
        """
        if not self.by_choice:
            raise ValueError(
                f"reserve actuators make what muscles miss of a wanted torque, but under actuation "
                f"{self.kind!r} none is wanted of them; use 'muscle' or 'oracle'"
            )
        if not 0.0 <= limit < np.inf:
            raise ValueError(
                f"the limit of reserve must be finite, not negative, but is {limit!r}; 0 is none"
            )
        self.stage.reserve_limit[0] = limit

    def set_body(self, body: Body) -> None:
        """Drive another body with the same joints and muscles: of other size, mass or strength.

        Raises:
            ValueError: if its joints or muscles are others, or `muscles` does not fit it.
        """
        for what in ("dof_names", "muscle_names"):
            if getattr(body, what) != getattr(self.body, what):
                raise ValueError(
                    f"an actuator can take over bodies with equal {what} only, but those of {body.name!r} "
                    f"differ from those of {self.body.name!r}; make a new environment for it"
                )
        hold = self.steps_per_update * self.physics_dt
        kp, kd = self._gains
        self.model = make_model(
            *(body, kp, kd, self.physics_dt, hold, self.muscles),
            lags=not self.by_choice,
            counts_contacts=self._counts_contacts,
        )
        self._bundle = bundle(self.model, self.stage)
        self.body = body

    def reset(self, random: np.random.Generator) -> None:
        """Relax all muscles; draw from `random` how tired each one is where `muscles` gives a range."""
        activity = self.stage.activity
        activity.activation[:], activity.excitation[:] = 0.0, 0.0
        self.stage.reserve[:], self.stage.contact[:], self.stage.stepped[:] = 0.0, 0.0, False
        low, high = self.muscles.start_fatigue
        activity.fatigued[:] = random.uniform(low, high, activity.fatigued.size) if high > 0.0 else 0.0
        clear(self.stage.tally)

    def read(self) -> None:
        """Fill the stage with the simulation's present pose."""
        read_pose(self._bundle, self.simulation.links)

    def follow(self, target: Array, qd_target: Array) -> None:
        """Pull to a target pose and velocity (dof,) during the next control step."""
        self.target, self.qd_target = target, qd_target

    def excite(self, excitation: Array) -> None:
        """Hold muscle excitations in [0, 1], shape (muscle,), during the next control step."""
        self.stage.activity.excitation[:] = excitation

    def aim(self, q: Array, qd: Array, offset: Array) -> None:
        """Seek the fibre lengths of a pose, plus an offset, during the next control step.

        Args:
            q: the pose, shape (dof,).
            qd: velocity there, whose fibre velocities are sought too, shape (dof,).
            offset: what is added to the fibre lengths, in optimal ones, shape (muscle,) [-].
        """
        measure_muscles_at(self.model, q, qd, self._reference)
        self.length[:] = self._reference.muscles.fibre_length + offset
        self.velocity[:] = self._reference.muscles.fibre_velocity

    def keep_states(self, count: int) -> None:
        """Keep what MuscleNN sees, once per control step, for its training: the last `count` from now on.

        Raises:
            ValueError: if MuscleNN is not used, or the count is not positive.
        """
        self._check_network()
        if count < 1:
            raise ValueError(f"the count of states to keep must be positive, but is {count}; use e.g. 256")
        self.recent = RecentRows(count, self.network.n_features)

    def kept_states(self) -> Array32:
        """Return the features (state, feature) of the states that were kept, from the oldest on.

        Raises:
            ValueError: if MuscleNN is not used.
        """
        self._check_network()
        return (
            np.zeros((0, self.network.n_features), np.float32) if self.recent is None else self.recent.rows()
        )

    def set_network_weights(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Give MuscleNN other weights, by the names of its `state_dict`.

        Raises:
            ValueError: if MuscleNN is not used.
        """
        self._check_network()
        self.network.set_weights(tensors)

    def _check_network(self) -> None:
        if self.kind != "muscle":
            raise ValueError(
                f"MuscleNN acts under actuation 'muscle' only, but this is {self.kind!r}; make the "
                "environment with actuation='muscle'"
            )

    def demand(self, features: Array32 | None) -> None:
        """Measure the muscles and the torque that is wanted of them; write a row of MuscleNN's features.

        Without a row, least squares choose the activations at once.
        """
        demand_step(self._bundle, self.simulation.links, self.target, self.qd_target)
        activity, wanted = self.stage.activity, self.stage.wanted
        if features is not None:
            self._features(activity.columns, self.entries, activity.passive_torque, wanted, features)
        else:
            active = (wanted - activity.passive_torque)[6:]
            least_squares(activity.columns, self.entries, active, activity.share)

    def act(self, updated: bool) -> None:
        """Make one physics step.

        Args:
            updated: whether the activations of this step have just been chosen, after `demand`.
        """
        links, body = self.simulation.links, self._bundle
        if self.kind == "torque":
            torque_step(body, links, self.target, self.qd_target)
        elif updated:
            chosen_step(body)
        elif self.kind == "muscle_length":
            length_step(body, links, self.length, self.velocity, self._length_gains)
        else:
            muscle_step(body, links)
        self.simulation.step(self.stage.link_torque)
        self.simulation.read()


def advance(actuators: Sequence[Actuator]) -> None:
    """Advance bodies of the same settings by one control step; MuscleNN serves all of them at once.

    Between two choices of activations each body makes its physics steps in one go, while it is in the
    processor's cache.
    """
    first = actuators[0]
    for actuator in actuators:
        clear(actuator.stage.tally)
    hold = first.steps_per_update if first.by_choice else first.physics_steps
    for start in range(0, first.physics_steps, hold):
        if first.by_choice:
            choose_activations(actuators, keep=start == 0)
        for actuator in actuators:
            for step in range(hold):
                actuator.act(first.by_choice and step == 0)


def choose_activations(actuators: Sequence[Actuator], keep: bool) -> None:
    """Let MuscleNN, for all bodies at once, or least squares choose the activations.

    Args:
        actuators: of bodies of the same settings.
        keep: whether actuators that keep MuscleNN's features shall keep these.
    """
    first = actuators[0]
    if first.kind != "muscle":
        for actuator in actuators:
            actuator.demand(None)
        return
    features = np.zeros((len(actuators), first.network.n_features), dtype=np.float32)
    for actuator, row in zip(actuators, features, strict=True):
        actuator.demand(row)
        if keep and actuator.recent is not None:
            actuator.recent.add(row)
    for actuator, share in zip(actuators, first.network.activate(features), strict=True):
        actuator.stage.activity.share[:] = share
