"""Does the environment stay sound over a million control steps of random actions?

    python benchmarks/soak.py [--steps N] [--processes N] [--json OUT] [--log OUT]

The steps are spread evenly over all actuations, each in a process of its own, with body variation, pushes
and slippery, sloping, uneven ground on. Counted are numbers that are not finite in observations, rewards and
info, and how much more memory the process holds at the end than after the warm-up. The exit code is 1 where
there is one such number, or memory has grown by more than `growth_limit`.

The rates are the lowest that all actuations allow, so that many steps take little time.
"""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium
import numpy as np
import tyro

import musclegym  # noqa: F401 (registers the environment)
from musclegym.envs.config import Actuation
from musclegym.envs.world import BodyVariation, Ground, Pushes
from musclegym.manifest import environment_record, write_json

STATM = Path("/proc/self/statm")
SAMPLES = 50
"""How often each actuation looks at its memory."""
WORLD = {
    "ground": Ground(slope=(0.0, 0.15), roughness=(0.0, 0.03), friction=(0.3, 1.2)),
    "pushes": Pushes(impulse=(5.0, 60.0), interval=(0.1, 0.5), bodies=("Torso", "Pelvis", "Head")),
    "variation": BodyVariation(height=(0.85, 1.15), mass=(0.7, 1.4), strength=(0.5, 1.5)),
}
"""Options of the environment that are on."""


@dataclass(frozen=True)
class SoakConfig:
    """What to run."""

    steps: int = 1_000_000
    """Control steps in all; each actuation makes at least as many as memory has samples."""
    actuations: tuple[str, ...] = get_args(Actuation)
    """Actuations that share them."""
    processes: int = 2
    """How many of them run at once; 0 for one after the other in this process."""
    physics_hz: int = 240
    """Physics steps per second."""
    control_hz: int = 120
    """Control steps per second."""
    warm_up: float = 0.1
    """Share of the steps before memory counts, in which caches fill [-]."""
    growth_limit: float = 4.0
    """Memory that a process may hold more at the end [MB]."""
    seed: int = 0
    """Of episodes and actions."""
    json: Path | None = None
    """Where to write the result."""
    log: Path | None = None
    """Where to write what is printed."""


def resident_memory() -> float:
    """Return the memory that this process holds [MB].

    Raises:
        FileNotFoundError: if the system does not say, as Linux does under /proc.
    """
    return int(STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def count_non_finite(value: Any) -> int:
    """Return how many numbers in arrays and mappings of them are not finite."""
    if isinstance(value, Mapping):
        return sum(count_non_finite(part) for part in value.values())
    return int(np.count_nonzero(~np.isfinite(np.asarray(value, dtype=np.float64))))


def soak(actuation: str, config: SoakConfig) -> dict[str, Any]:
    """Run one actuation's share of the steps; return what was counted."""
    steps = max(SAMPLES, config.steps // len(config.actuations))
    rates = {"physics_hz": config.physics_hz, "control_hz": config.control_hz}
    env = gymnasium.make("MuscleHumanoid-v0", actuation=actuation, **rates, **WORLD)
    env.action_space.seed(config.seed)
    non_finite = sum(map(count_non_finite, env.reset(seed=config.seed)))
    episodes, diverged, memory, times = 1, 0, [], []
    every = steps // SAMPLES
    for step in range(steps):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        non_finite += sum(map(count_non_finite, (observation, reward, info)))
        diverged += bool(info["diverged"])
        if terminated or truncated:
            non_finite += sum(map(count_non_finite, env.reset()))
            episodes += 1
        if step % every == every - 1:
            memory.append(resident_memory())
            times.append(time.perf_counter())
    env.close()
    first = min(int(config.warm_up * len(times)), len(times) - 2)
    return {
        "steps": steps,
        "episodes": episodes,
        "diverged": diverged,
        "non_finite": non_finite,
        "steps_per_second": (len(times) - 1 - first) * every / (times[-1] - times[first]),
        "memory_MB": memory,
        "growth_MB": growth(memory, config.warm_up),
    }


def growth(memory: list[float], warm_up: float) -> float:
    """Return how much memory grew from the first to the last tenth of what follows the warm-up [MB].

    Args:
        memory: samples at even distances, shape (sample,) [MB].
        warm_up: share of them that does not count [-].
    """
    counted = np.array(memory[int(warm_up * len(memory)) :])
    tenth = max(1, len(counted) // 10)
    return float(np.median(counted[-tenth:]) - np.median(counted[:tenth]))


def faults(results: Mapping[str, Mapping[str, Any]], config: SoakConfig) -> list[str]:
    """Return what is wrong with the results, by actuation; nothing where all is well."""
    found = []
    for actuation, result in results.items():
        if result["non_finite"]:
            found.append(f"{actuation}: {result['non_finite']} numbers are not finite")
        if result["growth_MB"] > config.growth_limit:
            grown = f"{result['growth_MB']:.1f} MB, more than {config.growth_limit} MB"
            found.append(f"{actuation}: memory grew by {grown}")
    return found


def run(config: SoakConfig) -> dict[str, dict[str, Any]]:
    """Return the results of every actuation."""
    if config.processes == 0:
        return {actuation: soak(actuation, config) for actuation in config.actuations}
    with get_context("spawn").Pool(config.processes, maxtasksperchild=1) as pool:
        waiting = {name: pool.apply_async(soak, (name, config)) for name in config.actuations}
        return {name: result.get() for name, result in waiting.items()}


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the results as a table."""
    counts = ("steps", "episodes", "diverged", "non_finite")
    lines = ["     actuation" + "".join(f"{name:>11}" for name in (*counts, "growth MB", "steps/s"))]
    for actuation, row in results.items():
        cells = [f"{row[name]:11}" for name in counts]
        cells += [f"{row['growth_MB']:11.2f}", f"{row['steps_per_second']:11.0f}"]
        lines.append(f"{actuation:>14}" + "".join(cells))
    return "\n".join(lines)


def main() -> None:
    """Run, print and judge."""
    config = tyro.cli(SoakConfig)
    results = run(config)
    wrong = faults(results, config)
    text = "\n".join([table(results), *(wrong or ["memory is flat and every number is finite"])])
    print(text)
    if config.log is not None:
        config.log.write_text(text + "\n", encoding="utf-8")
    if config.json is not None:
        settings = {key: value for key, value in asdict(config).items() if key not in ("json", "log")}
        world = {name: asdict(option) for name, option in WORLD.items()}
        record = {"settings": settings, "world": world, "results": results, "faults": wrong}
        write_json(config.json, {**record, "environment": environment_record()})
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
