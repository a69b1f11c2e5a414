"""Put weights of MuscleNN that a policy's training refined in the place of those that come with the package.

    python benchmarks/ship_muscle_network.py runs/walk_muscle/muscle_nn.safetensors --policy walk_muscle
    musclegym bench muscle --json benchmarks/results/muscle_nn.json

They are judged as `musclegym train-muscle` judges its own, on the ends of motions. Which policy's states they
were refined on stands in their manifest.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

import musclegym
from musclegym.manifest import read_manifest
from musclegym.motion import load_motion
from musclegym.muscle.network import MADE_BY, load_muscle_network, save_muscle_network, shipped_weights
from musclegym.policies.muscle_scores import muscle_scores, muscle_table
from musclegym.policies.muscle_training import MuscleTrainingConfig

KEPT = ("motions", "held_out", "seed", "states", "steps", "final_loss")


@dataclass(frozen=True)
class ShipConfig:
    """What is shipped."""

    weights: tyro.conf.Positional[Path]
    """Refined weights, which began with those that come with the package."""

    policy: str
    """Policy on whose states they were refined."""


def main(config: ShipConfig) -> None:
    """Judge the weights and write them with their manifest."""
    body = musclegym.load_body("human")
    network, shipped = load_muscle_network(body, config.weights), shipped_weights(body)
    before, refined = read_manifest(shipped, MADE_BY), read_manifest(config.weights, MADE_BY)
    motions = [load_motion(name, body) for name in MuscleTrainingConfig().judged]
    scores = muscle_scores(body, network, motions, held_out=before["held_out"])
    kept = {name: before[name] for name in KEPT}
    told = {"policy": config.policy, "control_steps": refined["refined"], "scores": refined["scores"]}
    record = {**kept, "scores": scores, "refined": [*before.get("refined", []), told]}
    save_muscle_network(shipped, network, body, record, before["builds"])
    print(muscle_table(scores))


if __name__ == "__main__":
    main(tyro.cli(ShipConfig, description=__doc__))
