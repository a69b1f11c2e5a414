"""How the rates of physics and of muscle updates change the motion under zero action: a convergence study.

    python benchmarks/physics_rate.py [--json OUT]

Each rate follows the embedded walk from the same start phases. Printed are the distance of its joint angles
from those at the highest rate, its error against the reference, and how long the body stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from tqdm import tqdm

from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.manifest import environment_record, write_json
from musclegym.rotation import Array


@dataclass(frozen=True)
class RateConfig:
    """What to measure."""

    physics_hz: tuple[int, ...] = (240, 360, 480, 600, 960, 1920)
    """Physics rates under torque actuation, with and without the contact forces that stable PD expects."""
    muscle_hz: tuple[int, ...] = (60, 120, 240, 480)
    """Rates of muscle updates under the oracle, at 480 physics steps per second."""
    starts: int = 10
    """Start phases, evenly spread."""
    steps: int = 15
    """Control steps over which motions are compared."""
    json: Path | None = None
    """Where to write the result."""


def follow(env: MuscleHumanoidEnv, phase: float, steps: int) -> tuple[Array, float, int]:
    """Return poses (steps, dof), their mean squared error [rad^2], and control steps until the end."""
    assert env.reference is not None
    env.reset(options={"phase": phase})
    still = np.zeros(env.action_space.shape or (), np.float32)
    poses, errors, length, ended = [], [], 0, False
    while not ended and length < 300:
        _, _, ended, _, _ = env.step(still)
        length += 1
        if length <= steps:
            wanted, _ = env.reference.at(env.time)
            errors.append(np.sum(env.body.skeleton.difference(env.state.q, wanted)[6:] ** 2))
            poses.append(env.state.q)
    return np.array(poses), float(np.mean(errors)), length


def measure(config: RateConfig, options: Mapping[str, Any]) -> tuple[list[Array], dict[str, float]]:
    """Return the motions under some options and what they scored."""
    env = MuscleHumanoidEnv(**options)
    runs = [follow(env, start / config.starts, config.steps) for start in range(config.starts)]
    scores = {
        "pose_error_rad2": float(np.mean([error for _, error, _ in runs])),
        "episode_steps": float(np.mean([length for _, _, length in runs])),
    }
    return [poses for poses, _, _ in runs], scores


def distance(motions: list[Array], others: list[Array]) -> float:
    """Return the root mean square distance of joint coordinates over the steps that both have [rad]."""
    pairs = [(a[: len(b)], b[: len(a)]) for a, b in zip(motions, others, strict=True)]
    gaps = [(a - b)[:, 6:] for a, b in pairs]
    return float(np.sqrt(np.mean(np.concatenate([gap.ravel() for gap in gaps]) ** 2)))


def study(
    name: str, rate: str, settings: list[dict[str, Any]], config: RateConfig
) -> dict[str, dict[str, float]]:
    """Measure settings, print and return their rows by `rate`; distances are from the last one."""
    measured = [measure(config, options) for options in tqdm(settings, desc=name, leave=False)]
    rows = {}
    for options, (motions, scores) in zip(settings, measured, strict=True):
        row = {"distance_rad": distance(motions, measured[-1][0]), **scores}
        rows[str(options[rate])] = row
        print(f"{name} {options[rate]:>5}: distance {row['distance_rad']:.4f} rad,", end=" ")
        print(f"pose error {row['pose_error_rad2']:.3f} rad^2, stands {row['episode_steps']:.1f} steps")
    return rows


def main() -> None:
    """Run the studies."""
    config = tyro.cli(RateConfig)
    physics = [{"actuation": "torque", "physics_hz": hz} for hz in config.physics_hz]
    muscle = [{"actuation": "oracle", "physics_hz": 480, "muscle_hz": hz} for hz in config.muscle_hz]
    studies = {
        "physics_hz": ("physics_hz", physics),
        "physics_hz_without_contacts": ("physics_hz", [{**row, "contact_forces": False} for row in physics]),
        "muscle_hz": ("muscle_hz", muscle),
    }
    results = {name: study(name, rate, rows, config) for name, (rate, rows) in studies.items()}
    if config.json is not None:
        settings = {name: getattr(config, name) for name in ("starts", "steps")}
        record = {"settings": settings, "results": results, "environment": environment_record()}
        write_json(config.json, record)


if __name__ == "__main__":
    main()
