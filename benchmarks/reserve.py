"""What a policy asks of muscles that they cannot make: its episodes with ever weaker reserve actuators.

    python benchmarks/reserve.py runs/run --physics-hz 480 --env muscle_hz=480 [--json OUT]

A policy, mostly one that learned with joint torques, moves the body by its muscles, and reserve actuators
make what they miss up to a limit. Reported are control steps until it falls, and for the greatest limit what
each joint coordinate was asked for and missed, at the last muscle update of every control step.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import tyro

from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.manifest import environment_record, write_json
from musclegym.policies.environment import EnvironmentConfig
from musclegym.policies.episodes import Start, open_policy, play
from musclegym.rotation import Array

WORST = 8
"""Joint coordinates in the table."""


class Outcome(NamedTuple):
    """How an episode ended."""

    steps: int
    """Control steps of it."""
    survived: bool
    """Whether it reached the time limit."""


@dataclass(frozen=True)
class ReserveConfig:
    """What to measure."""

    policy: tyro.conf.Positional[str]
    """Name of a shipped policy, its file or its run folder."""
    limits: tuple[float, ...] = (1000.0, 100.0, 60.0, 30.0, 15.0, 0.0)
    """Largest torques of the reserve actuators, the greatest first [N m]."""
    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=lambda: EnvironmentConfig(actuation="muscle")
    )
    """Options that replace those it was trained with."""
    starts: int = 16
    """Phases of the motion to start from."""
    json: Path | None = None
    """Where to write the result."""


def measure(config: ReserveConfig, limit: float) -> tuple[list[Outcome], Array, Array]:
    """Return how each start ended, and wanted and missed torques (step, dof - 6) [N m]."""
    environment, actor = open_policy(config.policy, config.environment)
    bare: Any = environment.unwrapped
    bare.set_reserve(limit)
    stage = bare.actuator.stage
    outcomes, wanted, missed = [], [], []
    for number in range(config.starts):
        steps, terminated = 0, False
        for info in play(environment, actor, Start(number / config.starts, 0)):
            steps, terminated = steps + 1, info["terminated"]
            wanted.append(stage.wanted[6:].copy())
            missed.append(stage.wanted[6:] - stage.activity.made[6:])
        outcomes.append(Outcome(steps, not terminated))
    environment.close()
    return outcomes, np.array(wanted), np.array(missed)


def main() -> None:
    """Measure and print every limit."""
    config = tyro.cli(ReserveConfig)
    results: dict[str, Any] = {"policy": config.policy, "options": config.environment.options()}
    results |= {"starts": config.starts, "limits": {}}
    names = MuscleHumanoidEnv(actuation="torque").body.dof_names[6:]
    print(f"{'reserve [N m]':>14} {'steps':>7} {'survived':>9} {'residual [N m]':>15}")
    for number, limit in enumerate(config.limits):
        outcomes, wanted, missed = measure(config, limit)
        row = results["limits"][f"{limit:g}"] = {
            "steps": float(np.mean([outcome.steps for outcome in outcomes])),
            "survived": float(np.mean([outcome.survived for outcome in outcomes])),
            "residual": float(np.sqrt(np.mean(missed**2))),
            "wanted": float(np.sqrt(np.mean(wanted**2))),
        }
        print(f"{limit:>14g} {row['steps']:>7.1f} {row['survived']:>9.0%} {row['residual']:>15.2f}")
        if number == 0:
            results["coordinates"] = by_coordinate(names, wanted, missed)
    print(f"\n{'coordinate':>16} {'wanted':>7} {'missed':>7} {'95 %':>6}  [N m], at the greatest limit")
    for name, row in results["coordinates"].items():
        print(f"{name:>16} {row['wanted']:>7.1f} {row['missed']:>7.1f} {row['missed_95']:>6.1f}")
    if config.json:
        write_json(config.json, {**results, "environment": environment_record()})


def by_coordinate(names: tuple[str, ...], wanted: Array, missed: Array) -> dict[str, dict[str, float]]:
    """Return what the worst joint coordinates were asked for and missed: root mean square, 95 %."""
    square = np.sqrt(np.mean(missed**2, axis=0))
    return {
        names[dof]: {
            "wanted": float(np.sqrt(np.mean(wanted[:, dof] ** 2))),
            "missed": float(square[dof]),
            "missed_95": float(np.percentile(np.abs(missed[:, dof]), 95)),
        }
        for dof in np.argsort(-square)[:WORST]
    }


if __name__ == "__main__":
    main()
