"""Training aids over the course of a training: how strong each is, by progress or by performance.

The environment has the aids as methods; here is when they help how much. An aid looks at every step, is
updated after every rollout, and tells the members what holds from then on. None is ever on in evaluation,
which uses an environment of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from musclegym.motion import Motion
from musclegym.policies.adapter import LastStep
from musclegym.policies.rollout_numbers import RECENT
from musclegym.rotation import Array

MEMORY = 0.95
"""Share of the counts of episodes and falls that is kept from one rollout to the next; own choice."""


@dataclass(frozen=True)
class AidsConfig:
    """What helps while a policy learns; by default nothing does."""

    assistance: float = 0.0
    """Springs on pelvis and torso at the beginning, as a share of their full strength; 0 for none."""

    reserve: float = 0.0
    """Largest torque of reserve actuators at first, which make what muscles miss; 0 for none [N m]."""

    assistance_coverage: tuple[float, float] = (0.4, 0.7)
    """Mean coverage of the time limit below which assistance and reserve grow, and above which they fade."""

    assistance_change: float = 0.02
    """How much assistance and reserve grow or fade after a rollout, as a share of that at the beginning."""

    start_bins: int = 0
    """Equal bins of the motion whose weights as start phases follow the falls from them; 0 draws evenly."""

    start_floor: float = 0.3
    """Share of episodes that start anywhere, evenly."""

    fall_drop: float | None = None
    """Limit of the root's drop at the beginning of the schedule; None is the environment's own throughout."""

    lost_distance: float | None = None
    """Limit of the distance to the motion at the beginning; None is the environment's own throughout [m]."""

    limits_until: float = 0.5
    """Share of the schedule over which these limits move to the environment's own."""

    motions: tuple[str, ...] = ()
    """Further motions, which join the first one by one."""

    motion_coverage: float = 0.8
    """Mean coverage of the time limit at which the next motion joins."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        low, high = self.assistance_coverage
        shares = (self.assistance, low, high, self.assistance_change, self.start_floor)
        shares += (self.motion_coverage, self.limits_until)
        if not all(0.0 <= share <= 1.0 for share in shares) or low > high:
            raise ValueError(
                f"shares and coverages of aids must lie in [0, 1], the lower coverage first, but they are "
                f"{shares}; use e.g. --aids.assistance 0.5 "
                "--aids.assistance-coverage 0.4 0.7"
            )
        if not 0.0 <= self.reserve < np.inf:
            raise ValueError(
                f"reserve must be finite and not negative, but is {self.reserve}; use e.g. --aids.reserve 100"
            )
        if self.start_bins < 0 or (self.start_bins and self.motions):
            raise ValueError(
                f"start_bins must not be negative, and are bins of one motion, but there are "
                f"{self.start_bins} with further motions {self.motions}; leave out one of the two"
            )
        for name in ("fall_drop", "lost_distance"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise ValueError(
                    f"{name} must be positive, but is {value}; leave it out for the environment's"
                )


class Aid(Protocol):
    """Something that helps while a policy learns."""

    def observe(self, step: LastStep) -> None:
        """Look at a step of all members."""

    def update(self, coverage: float | None, progress: float) -> None:
        """Decide after a rollout.

        Args:
            coverage: mean share of the time limit that recent episodes reached; None before the first end.
            progress: of the schedule, in [0, 1].
        """

    def apply(self, workers: VecEnv) -> None:
        """Tell the members what holds from now on."""

    def numbers(self) -> dict[str, float]:
        """Return what the logs show of it."""
        ...

    def state(self) -> Any:
        """Return what `restore` needs, as JSON has it."""

    def restore(self, state: Any) -> None:
        """Go on from what `state` returned."""


class Fading:
    """Assistance or reserve actuators, which weaken while episodes last and strengthen where they do not."""

    def __init__(self, config: AidsConfig, name: Literal["assistance", "reserve"]) -> None:
        """Begin with the strength that the settings give."""
        self.config, self.name = config, name
        self.strength = self.first = float(getattr(config, name))

    def observe(self, step: LastStep) -> None:
        """Nothing: performance is judged by rollouts."""

    def update(self, coverage: float | None, progress: float) -> None:
        """Weaken above the higher coverage, strengthen below the lower one, at most to the first strength."""
        low, high = self.config.assistance_coverage
        if coverage is None or low <= coverage <= high:
            return
        change = self.config.assistance_change * (self.first if coverage < low else -self.first)
        self.strength = min(max(self.strength + change, 0.0), self.first)

    def apply(self, workers: VecEnv) -> None:
        """Set the strength of all members."""
        workers.env_method(f"set_{self.name}", self.strength)

    def numbers(self) -> dict[str, float]:
        """Return the strength."""
        return {self.name: self.strength}

    def state(self) -> float:
        """Return the strength."""
        return self.strength

    def restore(self, state: float) -> None:
        """Take the strength."""
        self.strength = state


class StartPhases:
    """Starts episodes more often in the phases from which more of them end by a fall."""

    def __init__(self, config: AidsConfig) -> None:
        """Begin with even weights."""
        self.floor = config.start_floor
        self.ended, self.falls = np.zeros(config.start_bins), np.zeros(config.start_bins)

    def observe(self, step: LastStep) -> None:
        """Count where the episodes had begun that end, and those of them that end by a fall."""
        dones = step.terminated | step.truncated
        if dones.any():
            begun = step.infos["final_info"]["start_phase"]
            self._count(self.ended, begun[dones])
            self._count(self.falls, begun[step.terminated])

    def _count(self, bins: Array, phases: Array) -> None:
        index = np.minimum((phases * bins.size).astype(np.int64), bins.size - 1)
        bins += np.bincount(index, minlength=bins.size)

    def update(self, coverage: float | None, progress: float) -> None:
        """Forget a little."""
        self.ended *= MEMORY
        self.falls *= MEMORY

    @property
    def weights(self) -> Array:
        """Weights (bin,) of start phases, which sum to 1; each bin counts one more fall than it had."""
        rate = (self.falls + 1.0) / (self.ended + 1.0)
        return self.floor / rate.size + (1.0 - self.floor) * rate / rate.sum()

    def apply(self, workers: VecEnv) -> None:
        """Set the weights of all members."""
        workers.env_method("set_start_phases", self.weights)

    def numbers(self) -> dict[str, float]:
        """Return how much likelier than evenly the likeliest bin is."""
        return {"start_phase_peak": float(self.weights.max() * self.ended.size)}

    def state(self) -> dict[str, list[float]]:
        """Return the counts."""
        return {"ended": self.ended.tolist(), "falls": self.falls.tolist()}

    def restore(self, state: Mapping[str, Sequence[float]]) -> None:
        """Take the counts."""
        self.ended, self.falls = np.array(state["ended"]), np.array(state["falls"])


class Limits:
    """Moves the limits at which episodes end from those of the settings to the environment's own."""

    def __init__(self, config: AidsConfig, own: Mapping[str, float]) -> None:
        """Begin with the settings' limits; `own` are the environment's."""
        first = {"fall_drop": config.fall_drop, "lost_distance": config.lost_distance}
        self.first = {name: value for name, value in first.items() if value is not None}
        self.own, self.until = own, config.limits_until
        self.present = dict(self.first)

    def observe(self, step: LastStep) -> None:
        """Nothing: the limits follow the progress alone."""

    def update(self, coverage: float | None, progress: float) -> None:
        """Move on in even steps."""
        share = 1.0 if progress >= self.until else progress / self.until
        self.present = {
            name: (1.0 - share) * value + share * self.own[name] for name, value in self.first.items()
        }

    def apply(self, workers: VecEnv) -> None:
        """Set the limits of all members."""
        workers.env_method("set_limits", self.present.get("fall_drop"), self.present.get("lost_distance"))

    def numbers(self) -> dict[str, float]:
        """Return the limits."""
        return dict(self.present)

    def state(self) -> dict[str, float]:
        """Return the limits."""
        return self.present

    def restore(self, state: Mapping[str, float]) -> None:
        """Take the limits."""
        self.present = dict(state)


class Motions:
    """Lets further motions join, and spreads the members over those that have."""

    def __init__(self, config: AidsConfig, motions: Sequence[Motion]) -> None:
        """Begin with the first of the motions, which is the environment's own."""
        self.motions, self.coverage = motions, config.motion_coverage
        self.joined, self.ended = 1, 0
        self._followed = 1  # how many motions the members have been told to follow

    def observe(self, step: LastStep) -> None:
        """Count the episodes since a motion joined."""
        self.ended += int((step.terminated | step.truncated).sum())

    def update(self, coverage: float | None, progress: float) -> None:
        """Let the next motion join once all recent episodes are of the present ones, and last."""
        if coverage is not None and coverage >= self.coverage and self.ended >= RECENT:
            self.joined, self.ended = min(self.joined + 1, len(self.motions)), 0

    def apply(self, workers: VecEnv) -> None:
        """Give each member its motion, which it follows from its next episode on."""
        if self.joined == self._followed:
            return
        for index in range(min(self.joined, workers.num_envs)):
            members = list(range(index, workers.num_envs, self.joined))
            workers.env_method("set_motion", self.motions[index], indices=members)
        self._followed = self.joined

    def numbers(self) -> dict[str, float]:
        """Return how many have joined."""
        return {"motions": float(self.joined)}

    def state(self) -> list[int]:
        """Return how many have joined, and the episodes since."""
        return [self.joined, self.ended]

    def restore(self, state: Sequence[int]) -> None:
        """Take what `state` returned."""
        self.joined, self.ended = state


def make_aids(config: AidsConfig, environment: gym.Env) -> dict[str, Aid]:
    """Return the aids that the settings switch on, by name.

    Args:
        config: settings.
        environment: one like those that are trained in, whose own limits and motion are known from it.

    Raises:
        ValueError: if the environment follows no motion but an aid needs one.
        FileNotFoundError: if there is no such motion.
    """
    bare: Any = environment.unwrapped
    aids: dict[str, Aid] = {}
    if config.assistance > 0.0:
        bare.set_assistance(0.0)  # refuses what follows no motion
        aids["assistance"] = Fading(config, "assistance")
    if config.reserve > 0.0:
        bare.set_reserve(0.0)  # refuses where no muscles are chosen
        aids["reserve"] = Fading(config, "reserve")
    if config.start_bins:
        bare.set_start_phases(None)
        aids["start_phases"] = StartPhases(config)
    if config.fall_drop is not None or config.lost_distance is not None:
        own = {"fall_drop": bare.config.fall_drop, "lost_distance": bare.config.lost_distance}
        aids["limits"] = Limits(config, own)
    if config.motions:
        bare.set_motion(bare.motion)
        further = [bare.loaded(motion) for motion in config.motions]
        aids["motions"] = Motions(config, [bare.motion, *further])
    return aids
