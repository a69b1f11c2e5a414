"""Put a trained policy among those that come with the package, with the card that it earns.

    python benchmarks/ship_policy.py runs/torque walk_muscle --actuation muscle --physics-hz 480 \
        --description "follows the walk with muscles" --recipe "torque, 240 Hz, then as it is"

Its matrices are stored as float16. Whatever weights of MuscleNN it was trained with, those that come with the
package act from then on. It is measured as it is stored, as `measure_policies.py` does it, in the
environment that it will be used in, and the table becomes part of its manifest.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from musclegym.manifest import read_manifest
from musclegym.policies.environment import EnvironmentConfig, made_for, options_of
from musclegym.policies.episodes import open_policy
from musclegym.policies.evaluate import text
from musclegym.policies.policy_file import MADE_BY, load_policy, save_policy
from musclegym.policies.shipped import FOLDER, policy_path
from musclegym.policies.shipped_scores import measure_shipped, write_scores

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class ShipConfig:
    """What is shipped, and how."""

    policy: tyro.conf.Positional[Path]
    """Run folder or file of a policy."""

    name: tyro.conf.Positional[str]
    """Name that it gets."""

    description: str
    """What it does, in a few words."""

    recipe: str
    """How it was trained, as commands or in words."""

    earlier_steps: int = 0
    """Samples of the trainings that its own began from, which count as well."""

    earlier_seconds: float = 0.0
    """Time that they took [s]."""

    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=EnvironmentConfig
    )
    """Options that replace those it was trained with."""

    episodes: int = 20
    """Episodes per seed."""

    seeds: int = 3
    """Seeds."""


def ship(config: ShipConfig) -> dict[str, Any]:
    """Store a policy under its name, measure it, and write its card and results."""
    trained = read_manifest(policy_path(config.policy), MADE_BY)
    environment, _ = open_policy(config.policy, config.environment)
    policy = load_policy(config.policy, environment)
    kept = {name: trained[name] for name in ("seed", "prior")}
    options = options_of(environment)
    options.pop("muscle_weights", None)
    record = {
        **kept,
        "steps": trained["steps"] + config.earlier_steps,
        "seconds": trained["seconds"] + config.earlier_seconds,
        "environment_options": options,
        "description": config.description,
        "recipe": config.recipe,
    }
    path = FOLDER / f"{config.name}.safetensors"
    save_policy(path, policy, made_for(environment), record, half=True)
    environment.close()
    scores = measure_shipped(config.name, config.episodes, config.seeds)
    write_scores([scores], RESULTS)
    return scores.evaluation


if __name__ == "__main__":
    print(text(ship(tyro.cli(ShipConfig, description=__doc__))))
