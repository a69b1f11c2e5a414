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
    global_joint_error: float
    """Mean distance of the joints from the reference in the world, moved to the body each cycle [m]."""
    speed_error: float
    """Mean speed of the root over the ground, less that of the reference [m/s]."""
    cost_of_transport: float
    """Joint work per body weight and way over the ground [-]."""
    activation: float
    """Mean activation of the muscles; NaN where muscles do not act [-]."""
    residual: float
    """Root mean square of the torque that the muscles missed, as a share of that of the wanted one; NaN where
    no muscles acted [-]."""
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
    rows, rewards, seconds = [], [], 0.0
    begin, last = time.perf_counter(), {}
    for last in play(environment, actor, phase, seed):
        seconds += time.perf_counter() - begin
        rewards.append(last["reward"])
        if not last["diverged"]:
            rows.append(measured(environment, last))
        begin = time.perf_counter()
    means = np.mean(rows, axis=0) if rows else np.full(6, np.nan)
    wanted, missed = np.sqrt(means[4:])
    return Episode(
        seed=seed,
        phase=phase,
        steps=len(rewards),
        survived=not last["terminated"],
        diverged=bool(last["diverged"]),
        reward=float(np.mean(rewards)),
        joint_error=float(means[0]),
        global_joint_error=float(means[1]),
        speed_error=float(means[2]),
        cost_of_transport=float(last["cost_of_transport"]),
        activation=float(means[3]),
        residual=float(missed / wanted) if wanted > 0.0 and np.isfinite(means[3]) else float("nan"),
        seconds=seconds,
    )


def measured(environment: gym.Env, info: Mapping[str, Any]) -> tuple[float, ...]:
    """Return what is averaged over the steps of an episode.

    Both joint errors [m], speed less the reference's [m/s], mean activation [-], and the squares of the
    torque that was wanted of the muscles and of what they missed of it [N^2 m^2].
    """
    bare: Any = environment.unwrapped
    activation = bare.state.activation
    return (
        *joint_errors(environment),
        speed_error(environment),
        float(activation.mean()) if activation.size else float("nan"),
        info["torque_wanted"] ** 2,
        info["torque_residual"] ** 2,
    )


def joint_errors(environment: gym.Env) -> tuple[float, float]:
    """Return the mean distance of the joints from the motion, relative to the root and in the world [m].

    Args:
        environment: during an episode; without a motion the distances are NaN.
    """
    bare: Any = environment.unwrapped
    if bare.reference is None:
        return float("nan"), float("nan")
    wanted, _ = bare.reference.at(bare.time)
    away = bare.state.joint_position - bare.body.kinematics(wanted).joint_position
    relative, world = np.linalg.norm(away - away[0], axis=1), np.linalg.norm(away, axis=1)
    return float(relative.mean()), float(world.mean())


def speed_error(environment: gym.Env) -> float:
    """Return the root's speed over the ground less the motion's [m/s]; NaN without a motion."""
    bare: Any = environment.unwrapped
    if bare.reference is None:
        return float("nan")
    pose, velocity = bare.reference.at(bare.time)
    own = bare.state.rotation[0] @ bare.state.qd[3:6]
    true = bare.body.kinematics(pose, velocity).joint_rotation[0] @ velocity[3:6]
    return float(np.hypot(own[0], own[2]) - np.hypot(true[0], true[2]))
