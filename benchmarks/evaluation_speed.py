"""How much faster episodes run in members of a vector environment than one after the other.

    python benchmarks/evaluation_speed.py [walk_muscle] [--episodes 16] [--json OUT]

The same episodes of a policy three ways in turns: in one environment, in members of one process, and in
members spread over all cores. All come to the same, bit by bit, or the benchmark fails. Processes are started
before.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from musclegym.manifest import core_count, environment_record, write_json
from musclegym.policies.environment import EnvironmentConfig, make_members, options_of
from musclegym.policies.episodes import Episode, open_policy, run_episode, spread_starts
from musclegym.policies.many_episodes import members_for, run_episodes

RESULTS = Path(__file__).parent / "results" / "evaluation_speed.json"


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    policy: tyro.conf.Positional[str] = "walk_muscle"
    """What acts."""
    episodes: int = 16
    """Episodes that each way runs in a turn."""
    turns: int = 2
    """How often the ways take turns."""
    processes: int = core_count()
    """Processes of the third way."""
    json: Path = RESULTS
    """File for the figures."""


def measure(config: Config) -> dict[str, Any]:
    """Return control steps per second of each way, the median over the turns, and the ratio to the first."""
    environment, actor = open_policy(config.policy, EnvironmentConfig())
    bare: Any = environment.unwrapped
    starts = spread_starts(bare.motion, config.episodes, seeds=1)
    spread = {
        name: make_members(options_of(environment), members_for(len(starts), processes), processes)
        for name, processes in {"one process": 1, f"{config.processes} processes": config.processes}.items()
    }
    ways: dict[str, Callable[[], list[Episode]]] = {
        "one after the other": lambda: [run_episode(environment, actor, start) for start in starts]
    }
    ways |= {name: lambda envs=envs: run_episodes(envs, actor, starts) for name, envs in spread.items()}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    first: list[Episode] = []
    for _ in range(config.turns):
        for name, run in ways.items():
            begin = time.perf_counter()
            episodes = run()
            rates[name].append(sum(e.steps for e in episodes) / (time.perf_counter() - begin))
            first = first or episodes
            for one, other in zip(episodes, first, strict=True):
                np.testing.assert_equal(vars(one), vars(other))
    for envs in (environment, *spread.values()):
        envs.close()
    middle = {name: statistics.median(each) for name, each in rates.items()}
    base = middle["one after the other"]
    return {
        name: {"steps_per_second": rate, "ratio": rate / base, "turns": rates[name]}
        for name, rate in middle.items()
    }


def main(config: Config) -> None:
    """Measure, print and write everything."""
    result = measure(config)
    for name, row in result.items():
        print(f"{name:<22}{row['steps_per_second']:6.0f} control steps/s, {row['ratio']:.2f} times the first")
    settings = {"policy": config.policy, "episodes": config.episodes, "turns": config.turns}
    write_json(config.json, {"settings": settings, "results": result, "environment": environment_record()})


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
