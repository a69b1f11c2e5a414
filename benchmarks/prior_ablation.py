"""Ablation of the training of MotionNN: what each part of the recipe is worth.

    python benchmarks/prior_ablation.py LIBRARY [--minutes M | --steps N] [--json OUT]

Every variant differs from the recipe in one thing, is trained for the same budget with each seed, and is
judged by rollouts from the same starts in the validation split. Budgets are small: a difference says which
part helps early in a training, and one below the spread of the seeds says nothing. A budget in minutes
gives cheaper variants more steps, but leaves them to the load of the machine.
"""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from musclegym.manifest import environment_record, write_json
from musclegym.motion.augment import Augmentation
from musclegym.motion.features import Pose, StateLayout
from musclegym.pretrain.corpus import Corpus, open_corpus
from musclegym.pretrain.free_running import FreeConfig
from musclegym.pretrain.losses import LossWeights, NextStateObjective, ObjectiveConfig
from musclegym.pretrain.mlp import MotionMLP
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig
from musclegym.pretrain.next_state import Memory, MotionModel, NextStateModel, statistics_of
from musclegym.pretrain.pretrain_config import ModelConfig, PretrainConfig
from musclegym.pretrain.rollout import rollout_stability
from musclegym.pretrain.trainer import Trainer
from musclegym.pretrain.trainer_config import TrainerConfig
from musclegym.pretrain.unrolled import UnrollConfig

HORIZONS = (1, 10, 30, 60)
RECIPE = PretrainConfig(
    model=ModelConfig(window=8),
    augmentation=Augmentation(speed=0.2, stretch=0.0, scale=0.1, heading=False),
    objective=ObjectiveConfig(batch=32, noise=0.05, unroll=UnrollConfig(every=5, longest=16, count=32)),
    trainer=TrainerConfig(learning_rate=1e-3, weight_decay=0.05, ema_decay=0.99, warmup_steps=30, threads=1),
)


@dataclass(frozen=True)
class AblationConfig:
    """What to train."""

    library: tyro.conf.Positional[str]
    """Cache of a motion library."""
    steps: int = 1200
    """Steps of each training."""
    minutes: float | None = None
    """Time of each training instead of `steps` [min]."""
    seeds: int = 2
    """Trainings of each variant."""
    starts: int = 64
    """Rollouts that a training is judged by."""
    long: int = 300
    """Frames of the rollouts that are watched for whether they stay alive."""
    only: tuple[str, ...] = ()
    """Variants to train; all if none is named."""
    json: Path | None = None
    """File that receives the table; it is brought up to date after every variant."""


class DirectMotionNN(MotionNN):
    """Predicts the features of the next state themselves instead of its change.

    Features do not say where a body stands and faces; that goes on at constant velocity.
    """

    def __init__(self, layout: StateLayout, config: MotionNNConfig, fps: float) -> None:
        super().__init__(layout, config, fps)
        self.head = nn.Linear(config.width, layout.n_features)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def changes(self, poses: Pose, memory: Memory | None = None) -> Tensor:
        """Return the change (batch, frame, 2 dof) to the predicted states."""
        features = self.head(self.hidden(self.inputs(poses, memory), memory))
        steady = torch.cat([poses.velocity / self.fps, torch.zeros_like(poses.velocity)], dim=-1)
        placement = self.layout.placement(self.layout.advance(poses, steady))
        reached = self.layout.from_features(self.feature_mean + self.feature_scale * features, placement)
        return self.layout.difference(poses, reached)


class WorldMotionNN(MotionNN):
    """Sees the root's velocities and its direction along the world's axes and moves it along these.

    The direction takes the place of the vertical in the root's frame.
    """

    def normal(self, poses: Pose) -> Tensor:
        """Return normalised features (batch, frame, feature), those of the root in the world."""
        features = super().normal(poses)
        root = poses.rotation[..., 0, :, :]
        angular, linear = ((root @ poses.velocity[..., i : i + 3, None])[..., 0] for i in (0, 3))
        start = {name: first for name, first, _ in self.layout.feature_blocks}
        world = torch.cat([root[..., :, 2], 0.5 * angular, linear], dim=-1)
        rest = features[..., start["ball_6d"] :]
        return torch.cat([features[..., : start["up_in_root"]], world, rest], dim=-1)

    def changes(self, poses: Pose, memory: Memory | None = None) -> Tensor:
        """Return the predicted change (batch, frame, 2 dof), the root's correction turned into its frame."""
        correction = self.head(self.hidden(self.inputs(poses, memory), memory))
        back = poses.rotation[..., 0, :, :].transpose(-1, -2)
        n = self.layout.n_dofs
        vectors = [(back @ correction[..., i : i + 3, None])[..., 0] for i in (0, 3, n, n + 3)]
        turned = [*vectors[:2], correction[..., 6:n], *vectors[2:], correction[..., n + 6 :]]
        return self.integrated(poses, torch.cat(turned, dim=-1))


class UncoupledMotionNN(MotionNN):
    """Corrects positions freely, whatever it says of velocities."""

    def integrated(self, poses: Pose, outputs: Tensor) -> Tensor:
        """Return the change (..., 2 dof): constant velocity, and the outputs in `change_scale`."""
        steady = torch.cat([poses.velocity / self.fps, torch.zeros_like(poses.velocity)], dim=-1)
        return steady + self.change_scale * outputs


@dataclass(frozen=True)
class Variant:
    """A training that differs from the recipe in one thing."""

    model: type[NextStateModel] = MotionNN
    """What predicts."""
    objective: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the objective that differ."""
    weights: LossWeights = field(default_factory=LossWeights)
    """Weights of the loss terms."""


ALL_ONE = LossWeights(**dict.fromkeys(dataclasses.asdict(LossWeights()), 1.0))
VARIANTS: dict[str, Variant] = {
    "recipe": Variant(),
    "no multi-step": Variant(objective={"unroll": UnrollConfig(every=0)}),
    "no noise": Variant(objective={"noise": 0.0}),
    "no delta": Variant(DirectMotionNN),
    "equal weights": Variant(weights=ALL_ONE),
    "no heading frame": Variant(WorldMotionNN),
    "no foot loss": Variant(weights=LossWeights(foot=0.0)),
    "no chains": Variant(objective={"chain_share": 0.0}),
    "no free rollouts": Variant(objective={"free": FreeConfig(free_every=0)}),
    "no coupling": Variant(UncoupledMotionNN),
    "perceptron": Variant(MotionMLP),
}


def trained(variant: Variant, corpus: Corpus, config: AblationConfig, seed: int) -> Trainer:
    """Return the finished training of a variant."""
    settings = dataclasses.replace(
        RECIPE,
        model=ModelConfig("mlp" if variant.model is MotionMLP else "transformer", window=RECIPE.model.window),
        objective=dataclasses.replace(RECIPE.objective, **variant.objective),
        trainer=dataclasses.replace(RECIPE.trainer, steps=config.steps, minutes=config.minutes, seed=seed),
    )
    windows = corpus.windows(settings)
    torch.manual_seed(seed)
    model = variant.model(windows.layout, settings.model.sizes(), windows.fps)
    model.set_statistics(statistics_of(windows.layout, windows.clips(), windows.fps))
    objective = NextStateObjective(windows, settings.objective)
    with tempfile.TemporaryDirectory() as folder:
        weights = dataclasses.asdict(variant.weights)
        trainer = Trainer(model, objective, weights, settings.trainer, Path(folder))
        trainer.fit()
    return trainer


def judged(trainer: Trainer, corpus: Corpus, config: AblationConfig) -> dict[str, float]:
    """Return how the rollouts of a training fare on motion of the validation split."""
    model = trainer.averaged_model.eval()
    assert isinstance(model, MotionModel)
    clips = [corpus.library.motion(clip) for clip in corpus.kept["validation"]]
    motions = [motion for motion in clips if motion.cyclic or len(motion.q) > model.window]
    result = rollout_stability(
        {"prior": model},
        motions,
        corpus.library.body,
        horizons=HORIZONS,
        n_starts=config.starts,
        long=config.long,
        long_starts=config.starts // 2,
    )
    row: dict[str, float] = {"steps": trainer.step, "seconds": trainer.seconds}
    for record in result["horizons"]:
        row[f"joint_error_mm_{record['horizon']}"] = record["prior"]["joint_error_mm"]
        row[f"skill_{record['horizon']}"] = record["prior"]["skill"]
    alive = result["alive"]["prior"]
    return row | {name: alive[name] for name in ("diverged", "moving")}


def main() -> None:
    """Train and judge every variant, and print the table."""
    config = tyro.cli(AblationConfig, description=__doc__)
    corpus = open_corpus(dataclasses.replace(RECIPE, data=(config.library,)))
    names = config.only or tuple(VARIANTS)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for seed in range(config.seeds):
        for name in names:
            row = judged(trained(VARIANTS[name], corpus, config, seed), corpus, config)
            results[name].append(row)
            print(f"{name:>18} seed {seed} " + " ".join(f"{k} {v:.3g}" for k, v in row.items()), flush=True)
            if config.json is not None:
                write_json(config.json, record(config, corpus, results))
    print(table(results))


def record(
    config: AblationConfig, corpus: Corpus, results: Mapping[str, list[dict[str, float]]]
) -> dict[str, Any]:
    """Return what the file holds: settings, data, every training, and means and spreads over the seeds."""
    done = {name: rows for name, rows in results.items() if rows}
    summary = {
        name: {key: spread([row[key] for row in rows]) for key in rows[0]} for name, rows in done.items()
    }
    settings = {"steps": config.steps, "minutes": config.minutes, "starts": config.starts}
    settings |= {"long": config.long, "split": "validation", "recipe": dataclasses.asdict(RECIPE.objective)}
    return {
        "settings": settings,
        "data": {key: corpus.record[key] for key in ("training_frames", "data_hash")},
        "results": done,
        "summary": summary,
        "environment": environment_record(),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean and range of what the seeds gave."""
    return {"mean": float(np.mean(values)), "range": float(np.ptp(values))}


def table(results: Mapping[str, list[dict[str, float]]]) -> str:
    """Return the skills, with their spread over the seeds, as lines of text."""
    lines = [f"{'variant':>18} " + " ".join(f"{f'skill at {h}':>15}" for h in HORIZONS) + "  moving diverged"]
    for name, rows in results.items():
        cells = [
            f"{np.mean(v):7.3f} +- {np.ptp(v) / 2:5.3f}"
            for v in ([row[f"skill_{h}"] for row in rows] for h in HORIZONS)
        ]
        moving, diverged = (np.mean([row[key] for row in rows]) for key in ("moving", "diverged"))
        lines.append(f"{name:>18} " + " ".join(cells) + f" {moving:7.0%} {diverged:8.0%}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
