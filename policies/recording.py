"""What happened in an episode, step by step, and as functions of the gait cycle."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import gymnasium as gym
import numpy as np

from musclegym.body import Body
from musclegym.gait import heel_strikes, over_cycles
from musclegym.gait_steps import SIDES
from musclegym.rotation import Array


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
    torque: Array
    """Of the joints, mean over each control step, shape (step, dof) [N m]."""
    action: Array
    """Of the policy, shape (step, action) [-]."""
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
        """Length of the root's path over the ground, from the first to the last step [m]."""
        return float(np.hypot(*np.diff(self.q[:, [3, 5]], axis=0).T).sum())

    @property
    def speed(self) -> float:
        """Mean speed of the root along its path over the ground [m/s]."""
        return self.distance / max(float(self.time[-1] - self.time[0]), self.step_time)

    @property
    def has_feet(self) -> bool:
        """Whether the body has the ankles that steps are told by."""
        return {"TalusL", "TalusR"} <= set(self.body.body_names)

    @cached_property
    def strikes(self) -> dict[str, Array]:
        """Heel strikes of each foot, shape (strike,) [s]; see `musclegym.gait`."""
        return self._strikes_of(self.q)

    @cached_property
    def motion_strikes(self) -> dict[str, Array]:
        """Likewise of the motion that was followed; none without one."""
        return self._strikes_of(self.q[:0] if self.reference is None else self.reference)

    def _strikes_of(self, q: Array) -> dict[str, Array]:
        known = self.has_feet and len(q) > 0
        nothing = np.zeros(0)
        return {side: heel_strikes(self.body, self.time, q, side) if known else nothing for side in SIDES}

    def over_cycles(self, values: Array, side: str, *, motion: bool = False) -> Array:
        """Return values (step, ...) over each cycle of a foot, of the body's or of the motion's own strikes.

        Returns:
            Shape (cycle, 101, ...).
        """
        return over_cycles(self.time, values, (self.motion_strikes if motion else self.strikes)[side])

    @property
    def cycles(self) -> dict[str, int]:
        """Number of whole gait cycles of each foot."""
        return {side: max(0, len(strikes) - 1) for side, strikes in self.strikes.items()}

    @property
    def walks(self) -> bool:
        """Whether each foot makes a whole gait cycle."""
        return min(self.cycles.values()) > 0

    @property
    def motion_walks(self) -> bool:
        """Whether each foot of the followed motion does."""
        return min(map(len, self.motion_strikes.values())) > 1


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
                "torque": bare.state.torque,
                "action": info["action"],
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
            torque=np.array(columns["torque"]),
            action=np.array(columns["action"]),
            measures={
                name: np.array([row[name] for row in columns["measures"]]) for name in columns["measures"][0]
            },
        )


def soles(body: Body) -> list[tuple[str, bool]]:
    """Return each body's name and whether it may stand on the ground."""
    return list(zip(body.body_names, map(bool, body.skeleton.contact), strict=True))
