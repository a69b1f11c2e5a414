"""Episodes of a deterministic policy from stated starts, which measures and pictures are made of."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from musclegym.motion import Motion
from musclegym.policies.environment import EnvironmentConfig, make_environment
from musclegym.policies.policy_file import load_policy, policy_options

Array32 = npt.NDArray[np.float32]
Actor = Callable[[Array32], Array32]
"""Maps observations (..., observation) to actions (..., action)."""

ZERO = "zero"
"""Name of the policy whose action is always zero: it follows the reference without correcting anything."""
ROWS = 16
"""Observations that a network sees at once. Its sums may run in another order for another number of them, so
missing ones are zero: a body then moves bit by bit alike, whatever else is measured beside it."""
MEASURED = (
    "joint_error",
    "global_joint_error",
    "speed_error",
    "mean_activation",
    "torque_wanted",
    "torque_residual",
)
"""Entries of the environment's `info` that are averaged over an episode."""


@dataclass(frozen=True)
class Start:
    """How an episode begins."""

    phase: float | None
    """Where in the motion, in [0, 1); None without a motion."""
    seed: int
    """Of the environment."""
    pushes: Mapping[str, Any] | None = None
    """Pushes of this episode, as the option of this name; None leaves the environment as it is."""


@dataclass(frozen=True)
class Episode:
    """What one episode came to."""

    seed: int
    """Seed of the start."""
    phase: float | None
    """Where in the motion it began, in [0, 1); None without a motion."""
    steps: int
    """Control steps until it ended."""
    survived: bool
    """Whether it reached the time limit."""
    diverged: bool
    """Whether a number stopped being finite."""
    reward: float
    """Mean reward per control step."""
    joint_error: float
    """Mean distance of the joints from the reference, relative to the root; NaN without one [m]."""
    global_joint_error: float
    """Mean distance of the joints from the reference in the world, moved to the body each cycle [m]."""
    speed_error: float
    """Mean speed of the root over the ground, less that of the reference [m/s]."""
    cost_of_transport: float
    """Joint work per body weight and length of the root's path over the ground [-]."""
    activation: float
    """Mean activation of the muscles; NaN where none was active [-]."""
    residual: float
    """Root mean square of the torque that the muscles missed, as a share of that of the wanted one; NaN where
    no muscles acted [-]."""


class Tally:
    """What is added up while an episode happens."""

    def __init__(self, start: Start) -> None:
        """Begin an episode."""
        self.start = start
        self.rewards: list[float] = []
        self._rows: list[list[float]] = []
        self._terminated = self._diverged = False
        self._cost = float("nan")

    @property
    def steps(self) -> int:
        """Control steps so far."""
        return len(self.rewards)

    def add(self, reward: float, terminated: bool, info: Mapping[str, Any]) -> None:
        """Add a control step."""
        self.rewards.append(float(reward))
        self._terminated, self._diverged = bool(terminated), bool(info["diverged"])
        self._cost = float(info["cost_of_transport"])
        if not self._diverged:
            self._rows.append([float(info.get(name, np.nan)) for name in MEASURED])

    def episode(self) -> Episode:
        """Return what the episode came to."""
        rows = np.array(self._rows or np.full((1, len(MEASURED)), np.nan))
        joints, world, speed, activation = rows[:, :4].mean(axis=0)
        wanted, missed = np.sqrt((rows[:, 4:] ** 2).mean(axis=0))
        acted = activation > 0.0
        return Episode(
            seed=self.start.seed,
            phase=self.start.phase,
            steps=self.steps,
            survived=not self._terminated,
            diverged=self._diverged,
            reward=float(np.mean(self.rewards)),
            joint_error=float(joints),
            global_joint_error=float(world),
            speed_error=float(speed),
            cost_of_transport=self._cost,
            activation=float(activation) if acted else float("nan"),
            residual=float(missed / wanted) if acted and wanted > 0.0 else float("nan"),
        )


def load_actor(policy: str | Path, environment: gym.Env) -> Actor:
    """Return the deterministic policy that is named by its file or run folder, or "zero".

    Raises:
        FileNotFoundError: if there is no such policy.
        ValueError: if it was made for another environment.
    """
    if str(policy) == ZERO:
        assert isinstance(environment.action_space, gym.spaces.Box)
        shape = environment.action_space.shape
        return lambda observation: np.zeros((*observation.shape[:-1], *shape), dtype=np.float32)
    return actor_of(load_policy(policy, environment))


def actor_of(network: Any) -> Actor:
    """Return the deterministic policy of a network of stable-baselines3."""

    def act(observation: Array32) -> Array32:
        rows = observation.reshape(-1, observation.shape[-1])
        padded = np.zeros((-(-len(rows) // ROWS) * ROWS, rows.shape[1]), dtype=np.float32)
        padded[: len(rows)] = rows
        parts = [
            network.predict(part, deterministic=True)[0] for part in padded.reshape(-1, ROWS, rows.shape[1])
        ]
        return np.concatenate(parts)[: len(rows)].reshape(*observation.shape[:-1], -1)

    return act


def open_policy(
    policy: str | Path,
    overrides: EnvironmentConfig,
    render_mode: str | None = None,
    world: Mapping[str, Any] | None = None,
) -> tuple[gym.Env, Actor]:
    """Return an environment and the policy that acts in it.

    Args:
        policy: file, run folder, or "zero".
        overrides: options that replace those the policy was trained with.
        render_mode: of the environment.
        world: further options of `gymnasium.make` that replace those it was trained with.
    """
    trained_with = {} if str(policy) == ZERO else policy_options(policy)
    given = {**overrides.options(), **(world or {})}
    if given.get("actuation", "muscle") != "muscle":
        trained_with.pop("muscle_weights", None)  # the environment refuses options that would change nothing
    environment = make_environment({**trained_with, **given}, render_mode)
    return environment, load_actor(policy, environment)


def spread_phases(count: int, seed: int) -> list[float]:
    """Return `count` start phases, evenly spread over [0, 1) from a beginning that depends on the seed."""
    shift = np.random.default_rng(seed).random()
    return [float((number + shift) / count) for number in range(count)]


def spread_starts(motion: Motion | None, count: int, seeds: int) -> list[Start]:
    """Return `count` starts for each of the seeds 0, 1, ..., spread over the motion.

    Without a motion, each has a seed of its own instead of a phase.
    """
    if motion is None:
        return [Start(None, seed) for seed in range(count * seeds)]
    return [Start(phase, seed) for seed in range(seeds) for phase in spread_phases(count, seed)]


def play(environment: gym.Env, actor: Actor, start: Start) -> Iterator[dict[str, Any]]:
    """Run one episode, and give each step's `info` with "reward", "terminated", "truncated" and "action"."""
    observation, _ = environment.reset(seed=start.seed, options=reset_options(start))
    over = False
    while not over:
        action = actor(observation)
        observation, reward, terminated, truncated, info = environment.step(action)
        over = terminated or truncated
        yield {
            **info,
            "reward": float(reward),
            "terminated": terminated,
            "truncated": truncated,
            "action": action,
        }


def reset_options(start: Start) -> dict[str, Any]:
    """Return the options of `reset` for a start."""
    return {} if start.phase is None else {"phase": start.phase}


def run_episode(environment: gym.Env, actor: Actor, start: Start) -> Episode:
    """Run one episode in an environment of its own, and measure it."""
    tally = Tally(start)
    for step in play(environment, actor, start):
        tally.add(step["reward"], step["terminated"], step)
    return tally.episode()
