"""`musclegym evaluate`: measure a policy, acting without noise, from spread start phases in one table."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import tyro
from tqdm import tqdm

from musclegym.manifest import environment_record, write_json
from musclegym.policies.environment import EnvironmentConfig, options_of
from musclegym.policies.episodes import Actor, Episode, open_policy, run_episode, spread_phases

NORMAL_95 = 1.96  # half-width of the 95 % interval of a normal distribution, in standard deviations


@dataclass(frozen=True)
class EvaluateConfig:
    """Settings of `musclegym evaluate`."""

    policy: tyro.conf.Positional[str]
    """File or run folder of a policy; "zero" follows the reference without correction."""

    episodes: int = 20
    """Episodes per seed, their start phases evenly spread."""

    seeds: int = 1
    """Seeds; each shifts the start phases."""

    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=EnvironmentConfig
    )
    """Options that replace those the policy was trained with."""

    json: Path | None = None
    """File that also receives the table and every episode."""

    def __post_init__(self) -> None:
        """Check that there is something to measure."""
        if min(self.episodes, self.seeds) < 1:
            raise ValueError(
                f"episodes and seeds must be at least 1, but they are {self.episodes} and {self.seeds}; use "
                "e.g. 20 and 3"
            )


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Measure a policy.

    Returns:
        `policy`; `options` of the environment; `table`, for each measure its `mean` and its 95 %
        `interval` over the episodes; `episodes`; and the record of the machine.
    """
    environment, actor = open_policy(config.policy, config.environment)
    episodes = run_episodes(environment, actor, config.episodes, config.seeds)
    assert environment.spec is not None
    limit = environment.spec.max_episode_steps
    assert limit is not None
    result = {
        "policy": config.policy,
        "options": options_of(environment),
        "table": table_of(episodes, limit),
        "episodes": [asdict(episode) for episode in episodes],
        "environment": environment_record(),
    }
    environment.close()
    if config.json is not None:
        write_json(config.json, result)
    return result


def run_episodes(environment: gym.Env, actor: Actor, count: int, seeds: int) -> list[Episode]:
    """Run `count` episodes for each of the seeds 0, 1, ..."""
    starts = [(phase, seed) for seed in range(seeds) for phase in spread_phases(count, seed)]
    return [
        run_episode(environment, actor, phase, seed)
        for phase, seed in tqdm(starts, desc="evaluate", unit="episode", leave=False)
    ]


def wilson(count: int, of: int) -> list[float]:
    """Return the 95 % interval [low, high] of a share, `count` of `of` (Wilson 1927, JASA 22:209)."""
    share, square = count / of, NORMAL_95**2 / of
    middle = (share + square / 2.0) / (1.0 + square)
    half = np.sqrt(share * (1.0 - share) * square + square**2 / 4.0) / (1.0 + square)
    return [float(middle - half), float(middle + half)]


def table_of(episodes: Sequence[Episode], limit: int) -> dict[str, dict[str, Any]]:
    """Return mean and 95 % interval [low, high] of each measure over the episodes.

    Args:
        episodes: at least one.
        limit: control steps of a full episode.
    """
    long = np.array([episode.steps for episode in episodes], dtype=float)

    def summary(measure: Callable[[Episode], float], weights: npt.NDArray[np.float64]) -> dict[str, Any]:
        values = np.array([measure(episode) for episode in episodes], dtype=float)
        known = np.isfinite(values)
        if not known.any():
            return {"mean": float("nan"), "interval": [float("nan"), float("nan")]}
        values, share = values[known], weights[known] / weights[known].sum()
        mean = float(values @ share)
        spread = NORMAL_95 * float(np.sqrt((share**2) @ (values - mean) ** 2))
        return {"mean": mean, "interval": [mean - spread, mean + spread]}

    def proportion(holds: Callable[[Episode], bool]) -> dict[str, Any]:
        count = sum(map(holds, episodes))
        return {"mean": count / len(episodes), "interval": wilson(count, len(episodes))}

    each = np.ones(len(episodes))
    return {
        "success": proportion(lambda episode: episode.survived),
        "coverage": summary(lambda episode: episode.steps / limit, each),
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
        "steps_per_second": {
            "mean": float(long.sum() / sum(episode.seconds for episode in episodes)),
            "interval": [float("nan"), float("nan")],
        },
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
}


def text(result: dict[str, Any]) -> str:
    """The table as lines to read."""
    options = ", ".join(f"{name}={value}" for name, value in result["options"].items())
    lines = [f"{result['policy']} ({options or 'default options'}), {len(result['episodes'])} episodes"]
    for name, (label, unit, digits) in ROWS.items():
        mean, interval = result["table"][name]["mean"], result["table"][name]["interval"]
        if np.isfinite(mean):
            known = np.isfinite(interval).all()
            spread = f" ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})" if known else ""
            lines.append(f"  {label:<34}{mean:10.{digits}f}{spread} {unit}".rstrip())
    return "\n".join(lines)


def main(args: list[str]) -> None:
    """Run `evaluate` with settings from the command line and print the table."""
    print(text(evaluate(tyro.cli(EvaluateConfig, args=args, prog="musclegym evaluate", description=__doc__))))
