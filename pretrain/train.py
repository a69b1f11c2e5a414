"""`musclegym pretrain`: train MotionNN on motions and measure its rollouts."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from musclegym.body import Body
from musclegym.manifest import start_run, write_json
from musclegym.motion import embedded_motion_names, load_motion
from musclegym.motion.features import StateLayout
from musclegym.motion.motion import Motion
from musclegym.pretrain.augment import mirrored
from musclegym.pretrain.checkpoint import save_prior
from musclegym.pretrain.losses import LossWeights, NextStateObjective, ObjectiveConfig
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig, statistics_of
from musclegym.pretrain.rollout import rollout_stability, stability_table
from musclegym.pretrain.trainer import Trainer, TrainerConfig
from musclegym.pretrain.windows import states_of
from musclegym.rotation import Array
from musclegym.settings import BodyConfig, read_settings

MOTION_FILES = (".bvh", ".json", ".txt")


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of `musclegym pretrain`."""

    run: Path = Path("runs/pretrain")
    """Folder that receives settings, logs, checkpoints and the trained prior."""

    resume: Path | None = None
    """Run folder to go on with after an interruption; its settings are kept and the others here ignored."""

    json: Path | None = None
    """File that also receives the measured rollouts."""

    body: Annotated[BodyConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=BodyConfig)
    """Body to move."""

    motions: tuple[str, ...] = ()
    """Names of embedded clips, motion files or folders of them; none means all embedded clips."""

    held_out: float = 0.1
    """Share of the clips that is kept from training and measured at the end; of fewer than five, none."""

    fps: float = 30.0
    """Frames per second that the motions are brought to."""

    mirror: bool = True
    """Whether the mirror image of every training clip is learned as well."""

    half: bool = False
    """Whether the prior is saved as float16, at half the size."""

    starts: int = 40
    """Rollouts per measurement."""

    model: Annotated[MotionNNConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=MotionNNConfig)
    """Size of the network."""

    objective: Annotated[ObjectiveConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=ObjectiveConfig)
    """What it learns from."""

    trainer: Annotated[TrainerConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=TrainerConfig)
    """How it is trained."""

    weights: LossWeights = field(default_factory=LossWeights)
    """Weight of each loss term."""

    def __post_init__(self) -> None:
        """Check the split."""
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out must lie in [0, 1), but is {self.held_out}; use e.g. 0.1")


@dataclass(frozen=True, eq=False)
class Corpus:
    """Motions of one body, split by clip."""

    body: Body
    training: list[Motion]
    held_out: list[Motion]
    states: list[Array]  # of the training clips and, if wanted, their mirror images, (frame, 2 dof) each

    @property
    def record(self) -> dict[str, Any]:
        """What a manifest says about the data."""
        digest = hashlib.sha256()
        for states in self.states:
            digest.update(np.ascontiguousarray(np.round(states, 9) + 0.0).tobytes())
        return {
            "training_clips": [motion.name for motion in self.training],
            "held_out_clips": [motion.name for motion in self.held_out],
            "training_frames": sum(len(states) for states in self.states),
            "data_hash": digest.hexdigest(),
        }


def load_corpus(config: PretrainConfig) -> Corpus:
    """Load the motions of a run and split them by clip.

    Raises:
        ValueError: if a motion is unknown, or a folder holds none.
    """
    body = config.body.load()
    sources = [file for source in config.motions or embedded_motion_names() for file in expand(source)]
    motions = [load_motion(source, body, config.fps) for source in sources]
    order = np.random.default_rng(config.trainer.seed).permutation(len(motions))
    kept = round(config.held_out * len(motions)) if len(motions) >= 5 else 0
    kept = max(kept, 1) if len(motions) >= 5 and config.held_out > 0 else kept
    held_out = [motions[i] for i in sorted(order[:kept])]
    training = [motions[i] for i in sorted(order[kept:])]
    # A cyclic clip may be shorter than a window and goes on without a seam.
    frames = config.model.window + 1
    states = [states_of(motion, len(motion.q) + frames) for motion in training]
    if config.mirror:
        states += [mirrored(body.skeleton, original) for original in states]
    return Corpus(body, training, held_out, states)


def expand(source: str) -> list[str]:
    """Return the motion files of a folder, or the source itself."""
    if not Path(source).is_dir():
        return [source]
    files = sorted(str(file) for file in Path(source).rglob("*") if file.suffix in MOTION_FILES)
    if not files:
        raise ValueError(
            f"a folder of motions must hold files ending in {', '.join(MOTION_FILES)}, but {source} holds "
            f"none; name another folder"
        )
    return files


def pretrain(config: PretrainConfig) -> dict[str, Any]:
    """Train a prior and measure its rollouts.

    Returns:
        What the manifest holds: data, scores (`training` and, where clips were held out, `held_out`), seed
        and steps.

    Raises:
        KeyboardInterrupt: after Ctrl-C; the run folder can be resumed.
        ValueError: if a resumed run finds other data.
    """
    if config.resume is not None:
        config = read_settings(PretrainConfig, config.resume, "musclegym pretrain")
    folder = start_run(config.run, config, config.trainer.seed)
    corpus = load_corpus(config)
    layout = StateLayout.of(corpus.body.skeleton)
    torch.manual_seed(config.trainer.seed)
    model = MotionNN(layout, config.model, config.fps)
    model.set_statistics(statistics_of(layout, corpus.states, config.fps))
    objective = NextStateObjective(layout, corpus.states, config.model.window, config.objective)
    trainer = Trainer(model, objective, dataclasses.asdict(config.weights), config.trainer, folder)
    if config.resume is not None:
        check_data(folder, corpus)
        trainer.resume()
    write_json(folder / "data.json", corpus.record)
    trainer.fit()
    prior = trainer.averaged_model.eval()
    assert isinstance(prior, MotionNN)
    scores = measure(prior, corpus, config)
    record = {
        "data": corpus.record,
        "seed": config.trainer.seed,
        "steps": trainer.step,
        "seconds": trainer.seconds,
    }
    record |= {"final_loss": trainer.recent_losses(), "scores": scores}
    save_prior(folder / "prior.safetensors", prior, corpus.body, record, half=config.half)
    for path in filter(None, (folder / "result.json", config.json)):
        write_json(path, record | {"curve": trainer.curve})
    return record


def measure(prior: MotionNN, corpus: Corpus, config: PretrainConfig) -> dict[str, Any]:
    """Return the stability of rollouts that begin in the training clips and in those held out, if any."""
    parts = {"training": corpus.training, "held_out": corpus.held_out}
    longer = {
        name: [m for m in motions if m.cyclic or len(m.q) > prior.window] for name, motions in parts.items()
    }
    return {
        name: rollout_stability(prior, motions, corpus.body, n_starts=config.starts, seed=config.trainer.seed)
        for name, motions in longer.items()
        if motions
    }


def check_data(folder: Path, corpus: Corpus) -> None:
    """Refuse to resume on other data than the run began with."""
    before = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    if before["data_hash"] != corpus.record["data_hash"]:
        raise ValueError(
            f"a run goes on with the data it began with, but {folder} began with hash "
            f"{before['data_hash'][:12]} ({before['training_frames']} frames) and now finds "
            f"{corpus.record['data_hash'][:12]} ({corpus.record['training_frames']} frames); restore motions "
            f"and body, or start again without --resume"
        )


def main(args: list[str]) -> None:
    """Run `pretrain` with settings from the command line and print how its rollouts fare."""
    config = tyro.cli(PretrainConfig, args=args, prog="musclegym pretrain", description=__doc__)
    record = pretrain(config)
    for name, result in record["scores"].items():
        print(f"\n{name.replace('_', ' ')}: {stability_table(result)}")
    print(f"\nsaved {config.resume or config.run}/prior.safetensors after {record['steps']} steps")
