"""What the world's options cost: a reset and a control step with ground, pushes and body variation on.

    python benchmarks/world_options.py [--json OUT]

Torque actuation at the default rates. Times are of the processor, and medians of turns in which the options
follow one another; their ratios to the environment without options depend less on the machine than they do.
The growth of memory is over all resets of an option after the first turn.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import tyro
from tqdm import tqdm

from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.manifest import environment_record, write_json

STATM = Path("/proc/self/statm")
CASES: dict[str, dict[str, Any]] = {
    "none": {},
    "slope and friction": {"ground": {"slope": (0.0, 0.1), "friction": (0.5, 1.0)}},
    "uneven ground": {"ground": {"roughness": (0.005, 0.02)}},
    "pushes": {"pushes": {}},
    "body variation": {"variation": {"height": (0.9, 1.1), "mass": (0.8, 1.2), "strength": (0.7, 1.3)}},
}
CASES["all"] = {**CASES["uneven ground"], **CASES["pushes"], **CASES["body variation"]}


@dataclass(frozen=True)
class OptionCostConfig:
    """What to measure."""

    resets: int = 2000
    """Resets of each option."""
    turns: int = 20
    """Turns that they are spread over."""
    steps: int = 30
    """Control steps per turn."""
    json: Path | None = None
    """Where to write the result."""


def seconds(run: Callable[[], object], times: int) -> float:
    """Return how long the processor takes for one of several calls, on average [s]."""
    start = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - start) / times


def resident_memory() -> float:
    """Return the memory that this process holds [MB], by Linux's /proc."""
    return int(STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(config: OptionCostConfig) -> dict[str, dict[str, float]]:
    """Return the costs of every case."""
    envs = {name: MuscleHumanoidEnv(actuation="torque", **options) for name, options in CASES.items()}
    still, resets = np.zeros(50, np.float32), max(1, config.resets // config.turns)
    reset: dict[str, list[float]] = {name: [] for name in CASES}
    step: dict[str, list[float]] = {name: [] for name in CASES}
    grown = dict.fromkeys(CASES, 0.0)
    for turn in tqdm(range(config.turns + 1), leave=False):
        for name, env in envs.items():
            env.reset(seed=turn)
            before = resident_memory()
            reset[name].append(seconds(env.reset, resets))
            grown[name] += (resident_memory() - before) * (turn > 0)
            step[name].append(seconds(lambda env=env: env.step(still), config.steps))
    rows = {}
    for name in CASES:
        pairs = (
            zip(reset[name][1:], reset["none"][1:], strict=True),
            zip(step[name], step["none"], strict=True),
        )
        ratios = [statistics.median(one / plain for one, plain in pair) for pair in pairs]
        rows[name] = {
            "reset_ms": 1e3 * statistics.median(reset[name][1:]),
            "reset_ratio": ratios[0],
            "step_ratio": ratios[1],
            "memory_growth_MB": grown[name],
        }
    return rows


def main() -> None:
    """Measure and print every case."""
    config = tyro.cli(OptionCostConfig)
    rows = measure(config)
    print(f"{'option':>20} {'reset ms':>9} {'x plain':>8} {'step x plain':>13} {'memory MB':>10}")
    for name, row in rows.items():
        print(
            f"{name:>20} {row['reset_ms']:9.2f} {row['reset_ratio']:8.1f} {row['step_ratio']:13.2f} "
            f"{row['memory_growth_MB']:10.2f}"
        )
    if config.json is not None:
        settings = {name: getattr(config, name) for name in ("resets", "turns", "steps")}
        record = {"settings": settings, "results": rows, "environment": environment_record()}
        write_json(config.json, record)


if __name__ == "__main__":
    main()
