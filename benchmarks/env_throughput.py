"""Control steps per second of the environment, beside the bare physics engine's, on one core.

    python benchmarks/env_throughput.py [--body human.xml --muscles muscle284.xml] [--json OUT]

Raw steps and environment steps alternate within one run and start from the same states, so that their ratio
holds on a noisy machine. "muscle" is muscles at constant activation: the muscle layer without a controller.
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

from musclegym.body import Body, load_body
from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.manifest import environment_record, write_json

CASES = {"torque": "torque", "muscle": "excitation", "oracle": "oracle", "MuscleNN": "muscle"}


@dataclass(frozen=True)
class ThroughputConfig:
    """What to measure."""

    body: Path | None = None
    """Skeleton file of a second body to measure beside the shipped human."""
    muscles: Path | None = None
    """Its muscle file."""
    weights: Path | None = None
    """Its weights of MuscleNN, made by `musclegym train-muscle`."""
    physics_hz: int = 600
    """Physics steps per second."""
    muscle_hz: int = 300
    """Muscle updates per second."""
    episode: int = 20
    """Control steps per start; the body stands for that long."""
    repeats: int = 15
    """How many times each case is measured."""
    json: Path | None = None
    """Where to write the result."""


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes [s]."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(body: Body, case: str, weights: Path | None, config: ThroughputConfig) -> dict[str, float]:
    """Return control steps per second of one case and of the bare engine, and the median ratio of the two."""
    options: dict[str, Any] = {"muscle_hz": config.muscle_hz} if case in ("oracle", "MuscleNN") else {}
    if case == "MuscleNN":
        options["muscle_weights"] = weights
    env = MuscleHumanoidEnv(body=body, actuation=CASES[case], physics_hz=config.physics_hz, **options)
    action = np.full(env.action_space.shape or (), -0.9 if case == "muscle" else 0.0, np.float32)
    physics_steps = config.episode * env.actuator.physics_steps
    raw, whole = [], []
    for repeat in range(config.repeats + 1):
        env.reset(options={"phase": repeat / (config.repeats + 1)})
        raw.append(seconds(lambda: [env.simulation.step(None) for _ in range(physics_steps)]))
        env.reset(options={"phase": repeat / (config.repeats + 1)})
        whole.append(seconds(lambda: [env.step(action) for _ in range(config.episode)]))
    env.close()
    ratios = [r / w for r, w in zip(raw[1:], whole[1:], strict=True)]  # the first one compiles
    rate = config.episode / statistics.median(whole[1:])
    return {
        "steps_per_second": rate,
        "raw_steps_per_second": config.episode / statistics.median(raw[1:]),
        "ratio_to_raw": statistics.median(ratios),
        "times_real_time": rate / env.config.control_hz,
    }


def main() -> None:
    """Measure and print every case of every body."""
    config = tyro.cli(ThroughputConfig)
    bodies: list[tuple[str, Body, Path | None]] = [("human", load_body("human"), None)]
    if config.body is not None:
        second = load_body(config.body, muscles=config.muscles)
        bodies.append((config.body.name, second, config.weights))
    results: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{'body':>22} {'case':>9} {'steps/s':>9} {'raw/s':>8} {'of raw':>7} {'x real time':>12}")
    for title, body, weights in bodies:
        name = f"{title}, {body.n_muscles} muscles"
        for case in CASES:
            try:
                row = measure(body, case, weights, config)
            except (FileNotFoundError, ValueError) as error:
                print(f"{name:>22} {case:>9} not measured: {error}")
                continue
            results.setdefault(name, {})[case] = row
            print(
                f"{name:>22} {case:>9} {row['steps_per_second']:9.0f} {row['raw_steps_per_second']:8.0f} "
                f"{row['ratio_to_raw']:7.2f} {row['times_real_time']:12.1f}"
            )
    if config.json is not None:
        settings = {name: getattr(config, name) for name in ("physics_hz", "muscle_hz", "episode", "repeats")}
        record = {"settings": settings, "results": results, "environment": environment_record()}
        write_json(config.json, record)


if __name__ == "__main__":
    main()
