"""What happened in an episode, step by step, and as functions of the gait cycle."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import gymnasium as gym
import numpy as np

from musclegym.body import Body
from musclegym.gait import heel_strikes, over_cycles
from musclegym.rotation import Array

SIDES = ("left", "right")


@dataclass(frozen=True, eq=False)
class Recording:
    """States of the body at the end of each control step of one episode."""

    body: Body
    """Who moved."""
    time: Array
    """Since the start, shape (step,) [s]."""
    q: Array
    """Poses, shape (step, dof)."""
    reference: Array | None
    """Poses of the motion that was followed, shape (step, dof); None without one."""
    activation: Array
    """Of the muscles, shape (step, muscle); (step, 0) where muscles do not act [-]."""
    foot_force: Array
    """Vertical force of the ground on the left and on the right foot, shape (step, 2) [N]."""
    measures: Mapping[str, Array]
    """Numbers in the environment's `info` by name, shape (step,)."""

    @property
    def step_time(self) -> float:
        """Length of a control step [s]."""
        return float(self.time[0])

    @property
    def weight(self) -> float:
        """Of the body [N]."""
        return self.body.skeleton.total_mass * self.body.gravity

    @property
    def distance(self) -> float:
        """Way of the root over the ground, from the first to the last step [m]."""
        return float(np.hypot(*(self.q[-1] - self.q[0])[[3, 5]]))

    def strikes(self, side: str) -> Array:
        """Return the heel strikes of a foot, shape (strike,) [s]; see `musclegym.gait`."""
        feet = {"TalusL", "TalusR"} <= set(self.body.body_names)
        return heel_strikes(self.body, self.time, self.q, side) if feet else np.zeros(0)

    def mean_cycle(self, values: Array, side: str) -> Array:
        """Return values (step, ...) over a foot's cycle, averaged over cycles, shape (101, ...)."""
        return over_cycles(self.time, values, self.strikes(side)).mean(axis=0)

    @property
    def cycles(self) -> dict[str, int]:
        """Number of whole gait cycles of each foot."""
        return {side: max(0, len(self.strikes(side)) - 1) for side in SIDES}


class Recorder:
    """Notes an episode while it happens."""

    def __init__(self, environment: gym.Env) -> None:
        """Note episodes of `MuscleHumanoid-v0`."""
        self._environment: Any = environment.unwrapped
        self._rows: list[dict[str, Any]] = []

    def note(self, info: Mapping[str, Any]) -> None:
        """Note the present state; `info` is what the control step returned."""
        bare = self._environment
        wanted = None if bare.reference is None else bare.reference.at(bare.time)[0]
        self._rows.append(
            {
                "time": bare.state.time,
                "q": bare.state.q,
                "reference": wanted,
                "activation": bare.state.activation,
                "force": bare.state.ground_force,
                "measures": {name: float(value) for name, value in info.items() if isinstance(value, Real)},
            }
        )

    def recording(self) -> Recording:
        """Return what was noted since the start; at least one step must have been."""
        columns = {name: [row[name] for row in self._rows] for name in self._rows[0]}
        body: Body = self._environment.body
        force = np.array(columns["force"])
        feet = [[name.endswith(side) and touches for name, touches in soles(body)] for side in ("L", "R")]
        return Recording(
            body=body,
            time=np.array(columns["time"]),
            q=np.array(columns["q"]),
            reference=None if self._rows[0]["reference"] is None else np.array(columns["reference"]),
            activation=np.array(columns["activation"]),
            foot_force=np.stack([force[:, chosen].sum(axis=1) for chosen in feet], axis=1),
            measures={
                name: np.array([row[name] for row in columns["measures"]]) for name in columns["measures"][0]
            },
        )


def soles(body: Body) -> list[tuple[str, bool]]:
    """Return each body's name and whether it may stand on the ground."""
    return list(zip(body.body_names, map(bool, body.skeleton.contact), strict=True))
