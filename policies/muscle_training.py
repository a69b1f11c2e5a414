"""`musclegym train-muscle`: train MuscleNN, which finds the muscle activations for a wanted joint torque."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from tqdm import tqdm

from musclegym.body import Body
from musclegym.manifest import start_run, write_json
from musclegym.motion import load_motion
from musclegym.motion.motion import Motion
from musclegym.motion.sources import find_sources
from musclegym.muscle.network import (
    SWEEPS,
    WEIGHTS,
    Array32,
    MuscleNN,
    build_network,
    feature_count,
    save_muscle_network,
)
from musclegym.muscle.oracle import muscle_entries
from musclegym.policies.muscle_moments import Gains, scaled, training_moments
from musclegym.policies.muscle_scores import muscle_scores, muscle_table
from musclegym.policies.muscle_settings import Variety
from musclegym.policies.muscle_states import Spread, StateSampler
from musclegym.pretrain.draws import Draw
from musclegym.pretrain.trainer import Trainer, TrainerConfig
from musclegym.settings import BodyConfig, read_settings

CHUNK = 250  # states drawn in one build and physiology
TORQUE_FLOOR = 10.0
"""Errors count relative to the state's wanted torque, and at least to this [N m]; own choice."""
LARGEST_PRE_ACTIVATION = 2.0
"""Beyond it tanh is flat (0.96), and a muscle would learn no more."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the loss terms."""

    torque: float = 1.0
    """Of the squared torque error relative to the wanted torque."""

    effort: float = 1.0
    """Of the squared activations."""

    bound: float = 0.01
    """Of squared pre-activations beyond the bend of tanh."""


@dataclass(frozen=True)
class MuscleTrainingConfig:
    """Settings of `musclegym train-muscle`."""

    run: Path = Path("runs/muscle")
    """Folder that receives settings, logs, checkpoints and the trained network."""

    resume: Path | None = None
    """Run folder to go on with after an interruption; its settings replace all others."""

    out: Path | None = None
    """File NAME.safetensors that also receives the network."""

    json: Path | None = None
    """File that also receives the scores."""

    body: Annotated[BodyConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=BodyConfig)
    """Whose muscles."""

    motions: tuple[str, ...] = ()
    """Motions to draw states around: embedded names, files or folders; none means all embedded ones."""

    judged: tuple[str, ...] = ("walk", "run")
    """Names of the motions whose held-out ends the network is judged on; all, if none has such a name."""

    held_out: float = 0.2
    """Share of each motion, at its end, that is kept from training."""

    states: int = 40_000
    """States to learn from."""

    rollout_steps: int = 100
    """Control steps of the environment under random actions, per motion, to draw states around too."""

    hidden: tuple[int, ...] = (128, 128)
    """Widths of the hidden layers; MASS has 1024 512 512."""

    sweeps: int = SWEEPS
    """Largest count of sweeps that settle the network's proposal when it is used."""

    batch: int = 256
    """States per optimiser step."""

    gains: Gains = field(default_factory=Gains)
    """Stable PD whose torques are learned."""

    spread: Spread = field(default_factory=Spread)
    """How far states lie from the motion at most; each state draws its own share of it."""

    variety: Variety = field(default_factory=Variety)
    """Builds and physiologies of the states."""

    weights: LossWeights = field(default_factory=LossWeights)
    """Weight of each loss term."""

    trainer: Annotated[TrainerConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=lambda: TrainerConfig(steps=10_000)
    )
    """How it is trained, once the states are drawn."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.states, self.batch) < 1 or self.rollout_steps < 0 or not 0.0 < self.held_out < 1.0:
            raise ValueError(
                f"states and batch must be positive, rollout_steps not negative and held_out in (0, 1), but "
                f"they are {self.states}, {self.batch}, {self.rollout_steps} and {self.held_out}; use e.g. "
                f"40000, 256, 100 and 0.2"
            )


class TorqueObjective(nn.Module):
    """Draws states and judges the torque and the effort of the activations that a network proposes there."""

    features: Tensor

    def __init__(self, features: Array32, batch: int) -> None:
        """Take features (state, feature) and how many states make a batch."""
        super().__init__()
        self.register_buffer("features", torch.from_numpy(features), persistent=False)
        self.batch = batch

    def forward(self, model: MuscleNN, draw: Draw) -> dict[str, Tensor]:
        """Return the loss terms of a batch, without their weights.

        As in MASS the torque's error and the activations are penalised, without sweeps; but the error is
        relative to the state's wanted torque, so that small torques are learned too.
        """
        rows = torch.randint(len(self.features), (self.batch,), generator=draw.generator())
        features = self.features[rows[draw.rows(self.batch)].to(self.features.device)]
        before = model(features)
        activation = torch.relu(torch.tanh(before))
        error = model.torque_error(features, activation)
        wanted = model.torque_error(features, torch.zeros_like(activation))
        scale = (wanted**2).mean(dim=1, keepdim=True) + TORQUE_FLOOR**2
        return {
            "torque": (error**2 / scale).mean(),
            "effort": (activation**2).mean(),
            "bound": (torch.relu(before.abs() - LARGEST_PRE_ACTIVATION) ** 2).mean(),
        }


def train_muscle(config: MuscleTrainingConfig) -> dict[str, Any]:
    """Train a network and judge it beside the oracle.

    Returns:
        What the manifest says beside the network's shape: motions, seed, steps, `scores` of `muscle_scores`.

    Raises:
        KeyboardInterrupt: after Ctrl-C; the run folder can be resumed.
        FileNotFoundError: if a file of the body or a motion is missing.
        FileExistsError: if a new run's folder holds weights of another one.
        ValueError: if a setting breaks its rule, or a resumed run finds another body or other motions.
    """
    if config.resume is not None:
        config = read_settings(MuscleTrainingConfig, config.resume, "musclegym train-muscle")
    folder = start_run(config.run, config, config.trainer.seed, goes_on=config.resume is not None)
    body = config.body.load()
    torch.manual_seed(config.trainer.seed)
    model = build_network(body, config.hidden, config.sweeps)
    sources = find_sources(config.motions).values()
    motions = [load_motion(source, body, config.gains.control_hz) for source in sources]
    features = draw_states(config, body, motions)
    model.set_statistics(features)
    objective = TorqueObjective(features, config.batch)
    trainer = Trainer(model, objective, dataclasses.asdict(config.weights), config.trainer, folder)
    data = {"body_hash": body.hash, "states_hash": hashlib.sha256(features.tobytes()).hexdigest()}
    if config.resume is not None:
        check_data(folder, data)
        trainer.resume()
    write_json(folder / "data.json", data)
    trainer.fit()
    network = trainer.averaged_model.half().float().eval()  # judged as it is saved, in half precision
    assert isinstance(network, MuscleNN)
    judged = [motion for motion in motions if motion.name in config.judged] or motions
    scores = muscle_scores(body, network, judged, held_out=config.held_out, gains=config.gains)
    record = {
        "motions": [motion.name for motion in motions],
        "held_out": config.held_out,
        "seed": config.trainer.seed,
        "states": config.states,
        "steps": trainer.step,
        "final_loss": trainer.recent_losses(),
        "scores": scores,
    }
    for path in filter(None, (folder / WEIGHTS, config.out)):
        save_muscle_network(path, network, body, record, config.variety.builds)
    for path in filter(None, (folder / "result.json", config.json)):
        write_json(path, record | {"seconds": trainer.seconds, "curve": trainer.curve})
    return record


def draw_states(config: MuscleTrainingConfig, body: Body, motions: list[Motion]) -> Array32:
    """Return the features (state, feature) of the states to learn from."""
    random = np.random.default_rng(config.trainer.seed)
    moments = training_moments(body, motions, config.held_out, config.gains, config.rollout_steps, random)
    features = np.empty((config.states, feature_count(muscle_entries(body), body.n_dofs - 6)), np.float32)
    with tqdm(total=config.states, desc="states", unit="state") as bar:
        for start in range(0, config.states, CHUNK):
            setting = config.variety.draw(body, random)
            built = setting.applied(body)
            around = moments if built is body else scaled(moments, setting.height, setting.mass)
            sampler = StateSampler(built, around, config.gains, setting.muscles)
            count = min(CHUNK, config.states - start)
            features[start : start + count] = sampler.draw(count, random, config.spread)
            bar.update(count)
    return features


def check_data(folder: Path, data: dict[str, str]) -> None:
    """Refuse to resume on another body or other states than the run began with."""
    before = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    if before != data:
        raise ValueError(
            f"a run goes on with the body and the motions it began with, but {folder} began with {before} "
            f"and finds {data}; restore them, or start again without --resume"
        )


def main(args: list[str]) -> None:
    """Run `train_muscle` with settings from the command line and print how the network fares."""
    config = tyro.cli(MuscleTrainingConfig, args=args, prog="musclegym train-muscle", description=__doc__)
    record = train_muscle(config)
    print(f"\n{muscle_table(record['scores'])}")
    print(f"saved {(config.resume or config.run) / WEIGHTS} after {record['steps']} steps")
