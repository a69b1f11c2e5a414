"""Tasks: what is rewarded beside following a motion, or instead of it.

A task is a frozen set of settings and a few pure functions of the body's state, so one object serves any
number of environments. Derive your own from `Task` and give it to the environment:

    @dataclass(frozen=True)
    class Crouch(Task):
        height: float = 0.7

        def rewards(self, state, goal):
            return {"crouch": float(np.exp(-(((state.root_height - self.height) / 0.1) ** 2)))}

    env = gymnasium.make("MuscleHumanoid-v0", task=Crouch(height=0.6))
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from musclegym.envs import rewards
from musclegym.rotation import Array
from musclegym.state import BodyState


def check_range(name: str, values: tuple[float, float]) -> None:
    """Refuse what is not (low, high) with low <= high."""
    if len(values) != 2 or not values[0] <= values[1]:
        raise ValueError(f"{name} must be (low, high) with low <= high, but is {values}; e.g. (1.0, 1.5)")


@dataclass(frozen=True)
class Task:
    """A task: reward terms, and a goal that may be drawn at random and is part of the observation.

    Methods get the state of the body in the world frame and the goal, an array of the task's own making.
    """

    follows_motion: ClassVar[bool] = False
    """Whether actions and observations are relative to the motion, whose fall and loss end the episode."""
    has_terms: ClassVar[bool] = True
    """Whether the task has reward terms of its own."""
    goal_size: ClassVar[int] = 0
    """How many numbers of the observation say what is wanted; 0 for none."""
    goal_unit: ClassVar[str] = "-"
    """Unit of these numbers."""
    goal_frame: ClassVar[str] = "heading"
    """Frame of these numbers."""

    def first_goal(self, state: BodyState, generator: np.random.Generator) -> Array:
        """Return the goal of a new episode that starts in `state`; draw chance from `generator` only."""
        return np.zeros(0)

    def next_goal(self, goal: Array, state: BodyState, generator: np.random.Generator) -> Array:
        """Return the goal after a control step that led to `state`."""
        return goal

    def observe(self, state: BodyState, goal: Array) -> Array:
        """Return what the observation says about the goal, shape (goal_size,)."""
        return goal

    def rewards(self, state: BodyState, goal: Array) -> dict[str, float]:
        """Return the weighted reward terms of a control step that led to `state`, by name."""
        raise NotImplementedError(f"{type(self).__name__} must say what it rewards: define rewards()")

    def is_over(self, state: BodyState, goal: Array) -> bool:
        """Whether `state` ends the episode, beside falling."""
        return False


@dataclass(frozen=True)
class Track(Task):
    """`task="track"`: follow the motion, which earns the terms of `TrackWeights`; the task adds none."""

    follows_motion: ClassVar[bool] = True
    has_terms: ClassVar[bool] = False

    def rewards(self, state: BodyState, goal: Array) -> dict[str, float]:
        """Return no terms of its own."""
        return {}


@dataclass(frozen=True)
class WalkWeights:
    """Weights of the reward terms of the tasks `speed` and `heading`; they sum to one."""

    ground_velocity: float = 0.6
    """Of the centre of mass moving over the ground as wanted."""
    facing: float = 0.15
    """Of facing where it shall go."""
    upright: float = 0.1
    """Of holding the trunk upright."""
    effort: float = 0.15
    """Of little joint work."""


@dataclass(frozen=True)
class Speed(Task):
    """`task="speed"`: go straight ahead at a speed drawn per episode.

    The goal is the wanted direction [rad], counted to the left from where the body faces at the start, the
    wanted speed [m/s] and the time at which both are drawn anew [s]; the observation has the wanted velocity
    over the ground, to the left and ahead, in the heading frame.

    Raises:
        ValueError: if a range is not (low, high) with low <= high, or the tolerance is not positive.
    """

    goal_size: ClassVar[int] = 2
    goal_unit: ClassVar[str] = "m/s"

    speed: tuple[float, float] = (0.8, 1.6)
    """Range of the wanted speed [m/s]."""
    direction: tuple[float, float] = (0.0, 0.0)
    """Range of the wanted direction, to the left of where the body faces at the start [rad]."""
    hold: tuple[float, float] = (np.inf, np.inf)
    """Range of the time for which a goal stays [s]."""
    tolerance: float = 0.3
    """Miss of the velocity at which its term has fallen to exp(-1) [m/s]."""
    weights: WalkWeights = field(default_factory=WalkWeights)
    """Weights of the reward terms."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("speed", "direction", "hold"):
            check_range(name, getattr(self, name))
        if not (min(self.speed) >= 0.0 and min(self.hold) > 0.0 and self.tolerance > 0.0):
            raise ValueError(
                f"speed must not be negative, hold and tolerance must be positive, but are {self.speed}, "
                f"{self.hold} and {self.tolerance}; use e.g. (0.8, 1.6), (2.0, 5.0) and 0.3"
            )

    def first_goal(self, state: BodyState, generator: np.random.Generator) -> Array:
        """Draw direction, speed and time of the next draw; the start's facing comes last."""
        facing = state.heading[:, 2]
        return self._drawn(state.time, float(np.arctan2(facing[0], facing[2])), generator)

    def next_goal(self, goal: Array, state: BodyState, generator: np.random.Generator) -> Array:
        """Draw anew when the time has come."""
        return goal if state.time < goal[2] else self._drawn(state.time, goal[3], generator)

    def _drawn(self, time: float, start: float, generator: np.random.Generator) -> Array:
        direction, speed = generator.uniform(*self.direction), generator.uniform(*self.speed)
        hold = generator.uniform(*self.hold) if np.isfinite(self.hold[1]) else np.inf
        return np.array([direction, speed, time + hold, start])

    def ahead(self, goal: Array) -> Array:
        """Return the wanted direction over the ground (x, z) in the world, a unit vector."""
        return np.array([np.sin(goal[3] + goal[0]), np.cos(goal[3] + goal[0])])

    def wanted_velocity(self, goal: Array) -> Array:
        """Return the wanted velocity over the ground (x, z) in the world [m/s]."""
        return goal[1] * self.ahead(goal)

    def observe(self, state: BodyState, goal: Array) -> Array:
        """Return the wanted velocity to the left and ahead, shape (2,) [m/s]."""
        return self.wanted_velocity(goal) @ state.heading[[0, 2]][:, [0, 2]]

    def rewards(self, state: BodyState, goal: Array) -> dict[str, float]:
        """Return the terms of `WalkWeights`."""
        weights, angle = self.weights, goal[3] + goal[0]
        ahead = np.array([np.sin(angle), np.cos(angle)])
        missed = state.centre_of_mass_velocity[[0, 2]] - self.wanted_velocity(goal)
        return {
            "ground_velocity": weights.ground_velocity
            * rewards.ground_velocity_match(missed, self.tolerance),
            "facing": weights.facing * rewards.facing_match(state.heading[[0, 2], 2], ahead),
            "upright": weights.upright * rewards.upright_match(state.trunk_up),
            "effort": weights.effort * rewards.effort_match(state.specific_power),
        }


@dataclass(frozen=True)
class Heading(Speed):
    """`task="heading"`: go in a direction that changes every few seconds; otherwise as `Speed`."""

    direction: tuple[float, float] = (-np.pi, np.pi)
    hold: tuple[float, float] = (2.0, 5.0)


@dataclass(frozen=True)
class StandWeights:
    """Weights of the reward terms of the task `stand`; they sum to one."""

    height: float = 0.4
    """Of holding the root as high as in the rest pose."""
    still: float = 0.3
    """Of keeping the centre of mass still."""
    upright: float = 0.15
    """Of holding the trunk upright."""
    effort: float = 0.15
    """Of little joint work."""


@dataclass(frozen=True)
class Stand(Task):
    """`task="stand"`: stand, and stay standing when pushed."""

    weights: StandWeights = field(default_factory=StandWeights)
    """Weights of the reward terms."""

    def rewards(self, state: BodyState, goal: Array) -> dict[str, float]:
        """Return the terms of `StandWeights`."""
        weights, rest = self.weights, state.body.skeleton.joint_position[0, 1]
        return {
            "height": weights.height * rewards.height_match((state.root_height - rest) / rest),
            "still": weights.still * rewards.still_match(state.centre_of_mass_velocity),
            "upright": weights.upright * rewards.upright_match(state.trunk_up),
            "effort": weights.effort * rewards.effort_match(state.specific_power),
        }


TASKS: dict[str, Task] = {"track": Track(), "speed": Speed(), "heading": Heading(), "stand": Stand()}
"""The tasks that can be named."""
