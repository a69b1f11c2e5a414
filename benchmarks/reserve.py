"""What a policy asks of muscles that they cannot make: its episodes with ever weaker reserve actuators.

    python benchmarks/reserve.py run_torque --physics-hz 480 --env muscle_hz=480 [--json OUT]

A policy, mostly one that learned with joint torques, moves the body by its muscles, and reserve actuators
make what they miss up to a limit. Reported are control steps until it falls, and for the greatest limit what
each joint coordinate was asked for and missed, at the last muscle update of every control step.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import tyro

from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.manifest import environment_record, write_json
from musclegym.policies.environment import EnvironmentConfig
from musclegym.policies.plain import load_plain
from musclegym.policies.policy_file import policy_options, policy_path
from musclegym.rotation import Array

WORST = 8
"""Joint coordinates in the table."""
LONGEST = 300
"""Control steps after which a start that has not fallen is given up."""


@dataclass(frozen=True)
class ReserveConfig:
    """What to measure."""

    policy: tyro.conf.Positional[str] = "run_torque"
    """Name of a shipped policy, its file or its run folder."""
    limits: tuple[float, ...] = (1000.0, 100.0, 60.0, 30.0, 15.0, 0.0)
    """Largest torques of the reserve actuators, the greatest first [N m]."""
    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=EnvironmentConfig
    )
    """Options that replace those it was trained with; actuation is "muscle" unless it says otherwise."""
    starts: int = 16
    """Phases of the motion to start from."""
    json: Path | None = None
    """Where to write the result."""


def measure(config: ReserveConfig, limit: float) -> tuple[list[int], Array, Array]:
    """Return the control steps of each start, and wanted and missed torques (step, dof - 6) [N m]."""
    options = {**policy_options(config.policy), "actuation": "muscle", **config.environment.options()}
    env = MuscleHumanoidEnv(**options)
    act, stage = load_plain(policy_path(config.policy)), env.actuator.stage
    env.set_reserve(limit)
    lengths, wanted, missed = [], [], []
    for start in range(config.starts):
        observation, _ = env.reset(seed=0, options={"phase": start / config.starts})
        length, terminated = 0, False
        while not terminated and length < LONGEST:
            observation, _, terminated, _, _ = env.step(act(observation))
            length += 1
            wanted.append(stage.wanted[6:].copy())
            missed.append(stage.wanted[6:] - stage.activity.made[6:])
        lengths.append(length)
    env.close()
    return lengths, np.array(wanted), np.array(missed)


def main() -> None:
    """Measure and print every limit."""
    config = tyro.cli(ReserveConfig)
    results: dict[str, Any] = {"policy": config.policy, "options": config.environment.options()}
    results |= {"starts": config.starts, "limits": {}}
    names = MuscleHumanoidEnv(actuation="torque").body.dof_names[6:]
    print(f"{'reserve [N m]':>14} {'steps':>7} {'survived':>9} {'residual [N m]':>15}")
    for number, limit in enumerate(config.limits):
        lengths, wanted, missed = measure(config, limit)
        row = results["limits"][f"{limit:g}"] = {
            "steps": float(np.mean(lengths)),
            "survived": float(np.mean([length == LONGEST for length in lengths])),
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
