"""Episodes of a deterministic policy from stated start phases, which measures and pictures are made of."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from musclegym.policies.environment import EnvironmentConfig, make_environment
from musclegym.policies.policy_file import load_policy, policy_options

Array32 = npt.NDArray[np.float32]
Actor = Callable[[Array32], Array32]
"""Maps an observation to an action."""

ZERO = "zero"
"""Name of the policy whose action is always zero: it follows the reference without correcting anything."""


@dataclass(frozen=True)
class Episode:
    """What one episode came to."""

    seed: int
    """Seed of the start."""
    phase: float
    """Where in the motion it began, in [0, 1)."""
    steps: int
    """Control steps until it ended."""
    survived: bool
    """Whether it reached the time limit."""
    diverged: bool
    """Whether a number stopped being finite."""
    reward: float
    """Mean reward per control step."""
    joint_error: float
    """Mean distance of the joints from the reference, relative to the root [m]."""
    activation: float
    """Mean activation of the muscles; NaN where muscles do not act [-]."""
    seconds: float
    """Computing time of steps and policy [s]."""


def load_actor(policy: str | Path, environment: gym.Env) -> Actor:
    """Return the deterministic policy that is named by its file or run folder, or "zero".

    Raises:
        FileNotFoundError: if there is no such policy.
        ValueError: if it was made for another environment.
    """
    if str(policy) == ZERO:
        assert isinstance(environment.action_space, gym.spaces.Box)
        action = np.zeros(environment.action_space.shape, dtype=np.float32)
        return lambda observation: action
    network = load_policy(policy, environment)
    return lambda observation: network.predict(observation, deterministic=True)[0]


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


def play(environment: gym.Env, actor: Actor, phase: float, seed: int) -> Iterator[dict[str, Any]]:
    """Run one episode, and give each step's `info` with "reward", "terminated", "truncated" and "action".

    The phase says where in the motion it starts, if there is one.
    """
    bare: Any = environment.unwrapped
    options = {} if bare.motion is None else {"phase": phase}
    observation, _ = environment.reset(seed=seed, options=options)
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


def run_episode(environment: gym.Env, actor: Actor, phase: float, seed: int) -> Episode:
    """Run one episode and measure it."""
    rewards, errors, activations, seconds = [], [], [], 0.0
    begin, last = time.perf_counter(), {}
    for last in play(environment, actor, phase, seed):
        seconds += time.perf_counter() - begin
        state: Any = environment.unwrapped.state  # type: ignore[attr-defined]
        rewards.append(last["reward"])
        if not last["diverged"]:
            errors.append(joint_error(environment))
            activations.append(state.activation.mean() if state.activation.size else np.nan)
        begin = time.perf_counter()
    return Episode(
        seed=seed,
        phase=phase,
        steps=len(rewards),
        survived=not last["terminated"],
        diverged=bool(last["diverged"]),
        reward=float(np.mean(rewards)),
        joint_error=float(np.mean(errors)) if errors else float("nan"),
        activation=float(np.mean(activations)) if activations else float("nan"),
        seconds=seconds,
    )


def joint_error(environment: gym.Env) -> float:
    """Return the mean distance of the joints from the motion, both relative to their root [m].

    Args:
        environment: during an episode; without a motion the distance is NaN.
    """
    bare: Any = environment.unwrapped
    if bare.reference is None:
        return float("nan")
    wanted, _ = bare.reference.at(bare.time)
    true = bare.body.kinematics(wanted).joint_position
    joints = bare.state.joint_position
    return float(np.linalg.norm((joints - joints[0]) - (true - true[0]), axis=1).mean())
