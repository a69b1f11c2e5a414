"""`musclegym bench`: measure how well priors, policies and MuscleNN do what they are for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import tyro
from tqdm import tqdm

from musclegym.manifest import environment_record, write_json
from musclegym.policies.environment import EnvironmentConfig, options_of
from musclegym.policies.episodes import (
    ZERO,
    Actor,
    Start,
    load_actor,
    open_policy,
    play,
    spread_phases,
)
from musclegym.policies.muscle_bench import MuscleBenchConfig, bench_muscle, muscle_page
from musclegym.pretrain.checkpoint import load_prior
from musclegym.pretrain.rollout import HORIZONS, rollout_stability


@dataclass(frozen=True)
class RolloutConfig:
    """Measure how long rollouts of a prior and of a policy stay with the motion."""

    prior: str = "shipped"
    """Prior to measure: "shipped", "none", or the file or run folder of a trained one."""

    policy: str = ZERO
    """File or run folder of a policy; zero action is measured in any case."""

    starts: int = 20
    """Rollouts of the prior, and episodes of a policy with evenly spread start phases."""

    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=EnvironmentConfig
    )
    """Options that replace those the policy was trained with."""

    json: Path | None = None
    """File that also receives the measures."""

    def __post_init__(self) -> None:
        """Check that there is something to measure."""
        if self.starts < 1:
            raise ValueError(f"starts must be at least 1, but is {self.starts}; use e.g. 20")


def bench_rollout(config: RolloutConfig) -> dict[str, Any]:
    """Measure how far rollouts of a prior and of policies stay with the same motion.

    A prior predicts motion from true frames, beside repeating the last frame and going on at constant
    velocity. A policy moves the simulated body, beside zero action.

    Returns:
        `motion`; `policies`, by name what `policy_stability` measures; `prior`, the result of
        `rollout_stability` or None; and the record of the machine.

    Raises:
        ValueError: if the environment has no motion.
    """
    environment, actor = open_policy(config.policy, config.environment)
    bare: Any = environment.unwrapped
    if bare.motion is None:
        raise ValueError(
            f"rollouts are compared with a motion, but the environment's task {bare.config.task!r} has none; "
            f"add a motion, e.g. --motion walk, or use musclegym evaluate"
        )
    actors = {"zero_action": load_actor(ZERO, environment)}
    if config.policy != ZERO:
        actors["policy"] = actor
    result = {
        "motion": bare.motion.name,
        "options": options_of(environment),
        "policies": {name: policy_stability(environment, act, config.starts) for name, act in actors.items()},
        "prior": None
        if config.prior == "none"
        else rollout_stability(
            {"prior": load_prior(config.prior, bare.body)}, [bare.motion], bare.body, n_starts=config.starts
        ),
        "environment": environment_record(),
    }
    environment.close()
    if config.json is not None:
        write_json(config.json, result)
    return result


def policy_stability(
    environment: gym.Env, actor: Actor, starts: int, horizons: Sequence[int] = HORIZONS
) -> dict[str, Any]:
    """Measure how long episodes of a policy last and how far the body then is from the reference.

    Args:
        environment: to act in.
        actor: what acts.
        starts: episodes, their start phases evenly spread.
        horizons: control steps after which to look.

    Returns:
        `episode_steps`, length of each episode; `diverged`, the share of them that a non-finite number ended;
        `horizons`, records of `horizon`, `alive`, the share of episodes that lasted at least so long, and
        `root_relative_error_mm`, the mean distance of their joints from the reference at that step, relative
        to the root, NaN where none did.
    """
    errors, diverged = [], []
    for phase in tqdm(spread_phases(starts, 0), desc="bench", unit="episode", leave=False):
        error = [
            np.nan if step["diverged"] else step["joint_error"]
            for step in play(environment, actor, Start(phase, seed=0))
        ]
        errors.append(error)
        diverged.append(bool(np.isnan(error[-1])))
    records = []
    for horizon in horizons:
        reached = [error[horizon - 1] for error in errors if len(error) >= horizon]
        known = [error for error in reached if np.isfinite(error)]
        mean = 1000.0 * float(np.mean(known)) if known else float("nan")
        records.append({"horizon": horizon, "alive": len(reached) / starts, "root_relative_error_mm": mean})
    return {
        "episode_steps": [len(error) for error in errors],
        "diverged": float(np.mean(diverged)),
        "horizons": records,
    }


def rollout_rows(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of one table of what `bench_rollout` measured.

    Columns are frames ahead; rows are priors with their error, and policies with the share of episodes that
    last so long and their error.
    """
    policies, prior = result["policies"], result["prior"]
    horizons = [record["horizon"] for record in next(iter(policies.values()))["horizons"]]
    rows = []
    if prior is not None:
        known = {record["horizon"]: record for record in prior["horizons"]}
        for name in ("prior", "constant_velocity", "zero_velocity"):
            errors = [known[h][name]["root_relative_error_mm"] if h in known else np.nan for h in horizons]
            rows.append([f"{label(name)}: joint error [mm]", *(number(error, 1) for error in errors)])
    for name, measured in policies.items():
        records = measured["horizons"]
        rows.append([f"{label(name)}: still up [%]", *(number(100.0 * r["alive"], 0) for r in records)])
        errors = [record["root_relative_error_mm"] for record in records]
        rows.append([f"{label(name)}: joint error [mm]", *(number(error, 1) for error in errors)])
    return ["frames ahead", *map(str, horizons)], rows


def label(name: str) -> str:
    """Return a key of the result as words."""
    return {"prior": "MotionNN"}.get(name, name.replace("_", " "))


def number(value: float | None, digits: int) -> str:
    """Return a number as text, a dash where there is none (JSON has null for NaN)."""
    return "-" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def text(result: Mapping[str, Any]) -> str:
    """The table as lines to read; errors are relative to the root."""
    head, rows = rollout_rows(result)
    width = max(len(row[0]) for row in [head, *rows])
    lines = [f"{row[0]:<{width}}" + "".join(f"{cell:>9}" for cell in row[1:]) for row in [head, *rows]]
    for name, measured in result["policies"].items():
        steps = measured["episode_steps"]
        lines.append(
            f"{label(name)}: {len(steps)} episodes of {min(steps)} to {max(steps)} control steps, mean "
            f"{np.mean(steps):.1f}; {measured['diverged']:.0%} diverged"
        )
    return "\n".join([f"rollouts on {result['motion']}, joint errors relative to the root", *lines])


Command = (
    Annotated[RolloutConfig, tyro.conf.subcommand("rollout")]
    | Annotated[MuscleBenchConfig, tyro.conf.subcommand("muscle")]
)


def main(args: list[str]) -> None:
    """Run one of the benchmarks and print its table."""
    config: RolloutConfig | MuscleBenchConfig = tyro.cli(Command, args=args, prog="musclegym bench")  # pyright: ignore
    if isinstance(config, RolloutConfig):
        print(text(bench_rollout(config)))
    else:
        print(muscle_page(bench_muscle(config)))
