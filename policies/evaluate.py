"""`musclegym evaluate`: measure a policy, acting without noise, from spread start phases in one table."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import gymnasium as gym
import numpy as np
import tyro

from musclegym.manifest import core_count, environment_record, write_json
from musclegym.policies.environment import EnvironmentConfig, make_members, options_of
from musclegym.policies.episodes import Actor, Episode, open_policy, spread_starts
from musclegym.policies.intervals import bootstrap, wilson
from musclegym.policies.many_episodes import members_for, run_episodes
from musclegym.policies.push_trials import DELAY, DIRECTIONS, DURATION, WATCHED, check_pushable, push_trials
from musclegym.rotation import Array


@dataclass(frozen=True)
class EvaluateConfig:
    """Settings of `musclegym evaluate`."""

    policy: tyro.conf.Positional[str]
    """File or run folder of a policy; "zero" follows the reference without correction."""

    episodes: int = 20
    """Episodes per seed, their start phases evenly spread."""

    seeds: int = 1
    """Seeds; each shifts the start phases."""

    pushes: bool = False
    """Whether to find the largest push that half the episodes survive, in four directions; takes minutes."""

    push_episodes: int = 20
    """Episodes for each push that is tried, with the same start phases for all."""

    push_body: Literal["Torso", "Pelvis"] = "Torso"
    """Body that is pushed."""

    workers: int = core_count()
    """Processes that run the episodes; one alone means this one."""

    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=EnvironmentConfig
    )
    """Options that replace those the policy was trained with."""

    json: Path | None = None
    """File that also receives the table and every episode."""

    def __post_init__(self) -> None:
        """Check that there is something to measure."""
        counts = (self.episodes, self.seeds, self.push_episodes, self.workers)
        if min(counts) < 1:
            raise ValueError(
                f"episodes, seeds, push_episodes and workers must be at least 1, but they are {counts}; use "
                f"e.g. 20, 3, 20 and 2"
            )
        if not self.pushes and (self.push_episodes, self.push_body) != (20, "Torso"):
            raise ValueError(
                f"push_episodes and push_body need pushes, but they are {self.push_episodes} and "
                f"{self.push_body!r} without them; add --pushes, or leave them out"
            )


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Measure a policy.

    Returns:
        `policy`; `options` of the environment; `table`, for each measure its `mean` and its 95 %
        `interval` over the episodes; `pushes`, what was tried and survived, if it was asked for;
        `episodes`; and the record of the machine.

    Raises:
        FileNotFoundError: if there is no such policy.
        ValueError: if it was made for another environment, or an option breaks its rule.
    """
    environment, actor = open_policy(config.policy, config.environment)
    bare: Any = environment.unwrapped
    if config.pushes:
        check_pushable(environment)
    environment.close()
    starts = spread_starts(bare.motion, config.episodes, config.seeds)
    members = members_for(len(starts), config.workers)
    envs = make_members(options_of(environment), members, config.workers)
    try:
        begin = time.perf_counter()
        episodes = run_episodes(envs, actor, starts)
        rate = sum(episode.steps for episode in episodes) / (time.perf_counter() - begin)
        pushes = push_record(envs, actor, bare, config) if config.pushes else None
    finally:
        envs.close()
    unknown = float("nan")
    result = {
        "policy": config.policy,
        "options": options_of(environment),
        "table": {
            **table_of(episodes, limit_of(environment)),
            "steps_per_second": {"mean": rate, "interval": [unknown, unknown]},
            **(push_rows(pushes) if pushes is not None else {}),
        },
        "pushes": pushes,
        "episodes": [asdict(episode) for episode in episodes],
        "environment": environment_record(),
    }
    if config.json is not None:
        write_json(config.json, result)
    return result


def limit_of(environment: gym.Env) -> int:
    """Return the control steps of a full episode."""
    assert environment.spec is not None
    assert environment.spec.max_episode_steps is not None
    return environment.spec.max_episode_steps


def push_record(envs: Any, actor: Actor, bare: Any, config: EvaluateConfig) -> dict[str, Any]:
    """Return how pushes were tried, and what came of it by direction; `bare` is one of the environments."""
    starts = spread_starts(bare.motion, config.push_episodes, seeds=1)
    return {
        "body": config.push_body,
        "duration": DURATION,
        "delay": DELAY,
        "watched": WATCHED,
        "directions": push_trials(envs, actor, starts, bare.metadata["render_fps"], config.push_body),
    }


def push_rows(pushes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the rows of the table about pushes [N s]."""
    return {
        f"push_{name}": {"mean": found["impulse"], "interval": found["interval"]}
        for name, found in pushes["directions"].items()
    }


def table_of(episodes: Sequence[Episode], limit: int) -> dict[str, dict[str, Any]]:
    """Return mean and 95 % interval [low, high] of each measure over the episodes.

    Shares have Wilson's interval, means that of drawing the episodes anew.

    Args:
        episodes: at least one.
        limit: control steps of a full episode.
    """
    long = np.array([episode.steps for episode in episodes], dtype=float)

    def summary(measure: Callable[[Episode], float], weights: Array) -> dict[str, Any]:
        values = np.array([measure(episode) for episode in episodes], dtype=float)
        known = np.isfinite(values)
        if not known.any():
            return {"mean": float("nan"), "interval": [float("nan"), float("nan")]}
        values, weights = values[known], weights[known]
        return {"mean": float(np.average(values, weights=weights)), "interval": bootstrap(values, weights)}

    def proportion(holds: Callable[[Episode], bool]) -> dict[str, Any]:
        count = sum(map(holds, episodes))
        return {"mean": count / len(episodes), "interval": wilson(count, len(episodes))}

    each = np.ones(len(episodes))
    return {
        "success": proportion(lambda episode: episode.survived),
        "coverage": summary(lambda episode: 1.0 if episode.survived else episode.steps / limit, each),
        "episode_steps": summary(lambda episode: episode.steps, each),
        "fall_rate": proportion(lambda episode: not episode.survived),
        "diverged": proportion(lambda episode: episode.diverged),
        "reward": summary(lambda episode: episode.reward, long),
        "joint_error_mm": summary(lambda episode: 1000.0 * episode.joint_error, long),
        "global_joint_error_mm": summary(lambda episode: 1000.0 * episode.global_joint_error, long),
        "speed_error": summary(lambda episode: abs(episode.speed_error), long),
        "cost_of_transport": summary(lambda episode: episode.cost_of_transport, long),
        "activation": summary(lambda episode: episode.activation, long),
        "residual": summary(lambda episode: episode.residual, long),
    }


ROWS = {  # measure -> label, unit, digits
    "success": ("success: reached the time limit", "", 2),
    "coverage": ("coverage of the time limit", "", 3),
    "episode_steps": ("mean episode", "control steps", 1),
    "fall_rate": ("ended early", "", 2),
    "diverged": ("diverged", "", 2),
    "reward": ("reward per step", "", 3),
    "joint_error_mm": ("MPJPE, root-relative", "mm", 1),
    "global_joint_error_mm": ("MPJPE, in the world", "mm", 1),
    "speed_error": ("speed error", "m/s", 3),
    "cost_of_transport": ("cost of transport, joint work", "", 3),
    "activation": ("mean activation", "", 3),
    "residual": ("torque residual of the muscles", "of the torque", 3),
    "steps_per_second": ("speed, policy included", "control steps/s", 0),
    **{f"push_{name}": (f"push survived, to the {name}", "N s", 0) for name in DIRECTIONS},
}


def text(result: dict[str, Any]) -> str:
    """The table as lines to read."""
    options = ", ".join(f"{name}={value}" for name, value in result["options"].items())
    lines = [f"{result['policy']} ({options or 'default options'}), {len(result['episodes'])} episodes"]
    for name, (label, unit, digits) in ROWS.items():
        if name not in result["table"]:
            continue
        mean, interval = result["table"][name]["mean"], result["table"][name]["interval"]
        if np.isfinite(mean):
            known = np.isfinite(interval).all()
            spread = f" ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})" if known else ""
            lines.append(f"  {label:<34}{mean:10.{digits}f}{spread} {unit}".rstrip())
    return "\n".join(lines)


def main(args: list[str]) -> None:
    """Run `evaluate` with settings from the command line and print the table."""
    print(text(evaluate(tyro.cli(EvaluateConfig, args=args, prog="musclegym evaluate", description=__doc__))))
