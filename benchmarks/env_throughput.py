"""Control steps per second of the environment, beside the bare physics engine's, on one core and on two.

    python benchmarks/env_throughput.py [--body human.xml --muscles muscle284.xml --weights NET] [--json OUT]

Raw steps and environment steps alternate within one run and start from the same states, so that their ratio
holds on a noisy machine. "muscle" is muscles at constant activation: the muscle layer without a controller.
"MuscleNN x 16" is a vector environment, whose members take turns in each physics step, raw ones too. One and
two processes alternate likewise; they need two cores to themselves.
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
from musclegym.envs.vector import MuscleHumanoidVectorEnv
from musclegym.manifest import environment_record, write_json

CASES = {"torque": "torque", "muscle": "excitation", "oracle": "oracle", "MuscleNN": "muscle"}
SPREAD_CASES = ("torque", "MuscleNN")
STANDING = {"fall_drop": 10.0, "lost_distance": 100.0}
"""Options under which no episode ends, so that a vector environment resets nobody while it is timed."""


@dataclass(frozen=True)
class ThroughputConfig:
    """What to measure."""

    body: Path | None = None
    """Skeleton file of a second body to measure beside the shipped human."""
    muscles: Path | None = None
    """Its muscle file."""
    weights: Path | None = None
    """Its weights of MuscleNN, made by `musclegym train-muscle`; without, MuscleNN is not measured on it."""
    physics_hz: int = 600
    """Physics steps per second."""
    muscle_hz: int = 300
    """Muscle updates per second."""
    members: int = 16
    """Members of the vector environments."""
    processes: int = 2
    """Processes to spread them over."""
    episode: int = 20
    """Control steps per start; the body stands for that long."""
    repeats: int = 15
    """How many times each case is measured."""
    json: Path | None = None
    """Where to write the result."""


@dataclass(frozen=True)
class Timed:
    """Median seconds of two things that alternate, and the median of their ratios."""

    first: float
    second: float
    ratio: float


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes [s]."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def alternate(
    reset: Callable[[dict[str, float]], object],
    first: Callable[[], object],
    second: Callable[[], object],
    repeats: int,
) -> Timed:
    """Time two calls by turns, each after a reset to the same phase; the first turn compiles: not counted."""
    times = []
    for repeat in range(repeats + 1):
        options = {"phase": repeat / (repeats + 1)}
        turn = []
        for run in (first, second):
            reset(options)
            turn.append(seconds(run))
        times.append(turn)
    of_first, of_second = zip(*times[1:], strict=True)
    ratios = [one / other for one, other in zip(of_first, of_second, strict=True)]
    return Timed(statistics.median(of_first), statistics.median(of_second), statistics.median(ratios))


def options_of(body: Body, case: str, weights: Path | None, config: ThroughputConfig) -> dict[str, Any]:
    """Return the options of the environment in one case."""
    options: dict[str, Any] = {"body": body, "actuation": CASES[case], "physics_hz": config.physics_hz}
    if case in ("oracle", "MuscleNN"):
        options["muscle_hz"] = config.muscle_hz
    if case == "MuscleNN":
        options["muscle_weights"] = weights
    return options


def beside_raw(timed: Timed, steps: int, control_hz: int) -> dict[str, float]:
    """Return what `steps` control steps come to beside the bare engine, which was timed first."""
    return {
        "steps_per_second": steps / timed.second,
        "raw_steps_per_second": steps / timed.first,
        "ratio_to_raw": timed.ratio,
        "times_real_time": steps / timed.second / control_hz,
    }


def measure(options: dict[str, Any], config: ThroughputConfig) -> dict[str, float]:
    """Measure one environment."""
    env = MuscleHumanoidEnv(**options)
    constant = -0.9 if options["actuation"] == "excitation" else 0.0
    action = np.full(env.action_space.shape or (), constant, np.float32)
    physics_steps = config.episode * env.actuator.physics_steps
    timed = alternate(
        lambda phase: env.reset(options=phase),
        lambda: [env.simulation.step(None) for _ in range(physics_steps)],
        lambda: [env.step(action) for _ in range(config.episode)],
        config.repeats,
    )
    env.close()
    return beside_raw(timed, config.episode, env.config.control_hz)


def measure_vector(options: dict[str, Any], config: ThroughputConfig) -> dict[str, float]:
    """Measure a vector environment in one process."""
    envs = MuscleHumanoidVectorEnv(config.members, **STANDING, **options)
    actions = np.zeros(envs.action_space.shape or (), np.float32)
    simulations = envs.get_attr("simulation")
    physics_steps = config.episode * envs.get_attr("actuator")[0].physics_steps
    timed = alternate(
        lambda phase: envs.reset(options=phase),
        lambda: [simulation.step(None) for _ in range(physics_steps) for simulation in simulations],
        lambda: [envs.step(actions) for _ in range(config.episode)],
        config.repeats,
    )
    envs.close()
    return beside_raw(timed, config.members * config.episode, envs.metadata["render_fps"])


def measure_processes(options: dict[str, Any], config: ThroughputConfig) -> dict[str, float]:
    """Measure a vector environment in one process and in several."""
    one, several = (
        MuscleHumanoidVectorEnv(config.members, processes=count, **STANDING, **options)
        for count in (1, config.processes)
    )
    actions = np.zeros(one.action_space.shape or (), np.float32)
    used = {one: 0.0, several: 0.0}

    def run(envs: MuscleHumanoidVectorEnv) -> None:
        before = time.process_time()
        for _ in range(config.episode):
            envs.step(actions)
        used[envs] += time.process_time() - before

    timed = alternate(
        lambda phase: (one.reset(options=phase), several.reset(options=phase)),
        lambda: run(one),
        lambda: run(several),
        config.repeats,
    )
    one.close()
    several.close()
    steps = config.members * config.episode
    return {
        "one_steps_per_second": steps / timed.first,
        "several_steps_per_second": steps / timed.second,
        "speed_up": timed.ratio,
        "caller_share": used[several] / used[one],
    }


def cases_of(
    body: Body, weights: Path | None, config: ThroughputConfig, *, has_network: bool
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Measure one body, alone or in vectors beside the bare engine, and over processes beside one process."""
    beside, spread = {}, {}
    for case in CASES:
        if case == "MuscleNN" and not has_network:
            print(f"{'':>22} {case:>13} not measured: name its weights by --weights")
            continue
        options = options_of(body, case, weights, config)
        beside[case] = measure(options, config)
        if case == "MuscleNN":
            beside[f"MuscleNN x {config.members}"] = measure_vector(options, config)
        if case in SPREAD_CASES:
            spread[case] = measure_processes(options, config)
    return beside, spread


def main() -> None:
    """Measure and print every case of every body."""
    config = tyro.cli(ThroughputConfig)
    bodies: list[tuple[str, Body, Path | None]] = [("human", load_body("human"), None)]
    if config.body is not None:
        second = load_body(config.body, muscles=config.muscles)
        bodies.append((config.body.name, second, config.weights))
    results: dict[str, dict[str, dict[str, float]]] = {}
    processes: dict[str, dict[str, dict[str, float]]] = {}
    for title, body, weights in bodies:
        name = f"{title}, {body.n_muscles} muscles"
        has_network = title == "human" or weights is not None
        results[name], processes[name] = cases_of(body, weights, config, has_network=has_network)
        show(name, results[name], processes[name])
    if config.json is not None:
        kept = ("physics_hz", "muscle_hz", "members", "processes", "episode", "repeats")
        settings = {name: getattr(config, name) for name in kept}
        record = {"settings": settings, "results": results, "processes": processes}
        write_json(config.json, {**record, "environment": environment_record()})


def show(name: str, beside: dict[str, dict[str, float]], spread: dict[str, dict[str, float]]) -> None:
    """Print what was measured on one body."""
    print(f"{name:>22} {'case':>13} {'steps/s':>9} {'raw/s':>8} {'of raw':>7} {'x real time':>12}")
    for case, row in beside.items():
        print(
            f"{'':>22} {case:>13} {row['steps_per_second']:9.0f} {row['raw_steps_per_second']:8.0f} "
            f"{row['ratio_to_raw']:7.2f} {row['times_real_time']:12.1f}"
        )
    print(f"{name:>22} {'processes':>13} {'one/s':>9} {'more/s':>8} {'speed-up':>8} {'caller':>7}")
    for case, row in spread.items():
        print(
            f"{'':>22} {case:>13} {row['one_steps_per_second']:9.0f} {row['several_steps_per_second']:8.0f} "
            f"{row['speed_up']:8.2f} {row['caller_share']:7.1%}"
        )


if __name__ == "__main__":
    main()
