"""Gains of the PD in muscle space: how zero actions follow the walk, beside stable PD torques.

    python benchmarks/muscle_length.py [--physics-hz 480] [--json OUT]

Zero actions from evenly spread phases of the walk: steps until the body falls, the squared error of the pose
in the first third of a second, and the mean squared activation.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import tyro

from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.manifest import environment_record, write_json

EARLY = 10
"""Steps in which the pose is compared."""
LONGEST = 300
"""Steps after which a start that has not fallen is given up."""


@dataclass(frozen=True)
class GainsConfig:
    """What to measure."""

    stiffness: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0, 32.0)
    """Values of `length_kp`."""
    damping: tuple[float, ...] = (0.0, 0.2, 0.4, 0.8)
    """Values of `length_kd` [s]."""
    physics_hz: int = 480
    """Physics steps per second."""
    starts: int = 16
    """Phases of the walk to start from."""
    json: Path | None = None
    """Where to write the result."""


def measure(starts: int, **options: Any) -> dict[str, float]:
    """Return how zero actions fare under options of the environment."""
    env = MuscleHumanoidEnv(**options)
    assert env.reference is not None  # the task follows the walk
    action = np.zeros(env.action_space.shape or (), np.float32)
    steps, errors, activation = [], [], []
    for start in range(starts):
        env.reset(options={"phase": start / starts})
        length, terminated = 0, False
        while not terminated and length < LONGEST:
            _, _, terminated, _, _ = env.step(action)
            length += 1
            if length <= EARLY:
                wanted, _ = env.reference.at(env.time)
                errors.append(np.square(env.body.skeleton.difference(env.state.q, wanted)[6:]).sum())
                activation.append(env.actuator.effort.squared_activation)
        steps.append(length)
    env.close()
    return {
        "steps": float(np.mean(steps)),
        "pose_error": float(np.median(errors)),
        "squared_activation": float(np.mean(activation)),
    }


def main() -> None:
    """Measure and print every pair of gains."""
    config = tyro.cli(GainsConfig)
    cases: dict[str, dict[str, Any]] = {"torque": {"actuation": "torque"}}
    for stiffness in config.stiffness:
        for damping in config.damping:
            gains = {"length_kp": stiffness, "length_kd": damping}
            cases[f"kp {stiffness:g}, kd {damping:g}"] = {"actuation": "muscle_length", **gains}
    results = {}
    print(f"{'gains':>16} {'steps':>7} {'pose error [rad^2]':>19} {'squared activation':>19}")
    for name, options in cases.items():
        row = results[name] = measure(config.starts, physics_hz=config.physics_hz, **options)
        print(f"{name:>16} {row['steps']:7.1f} {row['pose_error']:19.3f} {row['squared_activation']:19.3f}")
    if config.json is not None:
        settings = {"physics_hz": config.physics_hz, "starts": config.starts}
        write_json(
            config.json, {"settings": settings, "results": results, "environment": environment_record()}
        )


if __name__ == "__main__":
    main()
