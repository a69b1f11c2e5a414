"""`musclegym pretrain`: train MotionNN on motions and measure its rollouts.

`musclegym pretrain evaluate` measures trained priors against each other, baselines and the bars.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from musclegym.manifest import start_run, write_json
from musclegym.motion.augment import Augmentation
from musclegym.motion.curriculum import practice
from musclegym.motion.library import MotionLibrary
from musclegym.motion.library_build import LibraryConfig
from musclegym.motion.library_files import read_manifest
from musclegym.motion.sources import find_sources
from musclegym.motion.splits import SplitConfig
from musclegym.motion.windows import WindowSampler
from musclegym.pretrain.checkpoint import save_prior
from musclegym.pretrain.losses import LossWeights, NextStateObjective, ObjectiveConfig
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig
from musclegym.pretrain.next_state import NextStateModel, statistics_of
from musclegym.pretrain.rollout import rollout_stability, stability_table
from musclegym.pretrain.trainer import Trainer, TrainerConfig
from musclegym.pretrain.windows import Windows
from musclegym.rotation import IntArray
from musclegym.settings import BodyConfig, read_settings


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

    data: tuple[str, ...] = ()
    """Cache of a motion library, or motion files, folders of them or names of embedded clips, of which a
    library is built in the run's folder; none means all embedded clips."""

    held_out: float = 0.1
    """Share of the motion that is kept from training and measured at the end; of fewer than five clips, none.
    A cache has its own splits: of it, 0 means to train on all, and anything else on its training split."""

    fps: float = 30.0
    """Frames per second that the motions are brought to; a cache has its own."""

    augmentation: Annotated[Augmentation, tyro.conf.OmitArgPrefixes] = field(
        default_factory=lambda: Augmentation(speed=0.0, stretch=0.0, scale=0.0, heading=False)
    )
    """How motions are changed as they are drawn."""

    curriculum: bool = False
    """Whether the first half of the steps begins with walking, then adds running, jumping and the rest."""

    workers: int = 1
    """Processes that build the library."""

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
        """Check the split and the schedule."""
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out must lie in [0, 1), but is {self.held_out}; use e.g. 0.1")
        if self.curriculum and self.trainer.minutes is not None:
            raise ValueError(
                f"a curriculum is a schedule of steps, but the run is given minutes={self.trainer.minutes}; "
                f"give --steps instead"
            )


@dataclass(frozen=True, eq=False)
class Corpus:
    """A motion library, and which of its clips are trained on and which are kept from it."""

    library: MotionLibrary
    training: IntArray
    kept: Mapping[str, IntArray]  # name of a score -> clips that it is measured on

    @cached_property
    def record(self) -> dict[str, Any]:
        """What a manifest says about the data."""
        digest = hashlib.sha256()
        for clip in self.training:
            digest.update(self.library.states(clip).tobytes())
        names = {
            name: [self.library.motion(clip).name for clip in clips] for name, clips in self.kept.items()
        }
        return {
            "training_clips": [self.library.motion(clip).name for clip in self.training],
            **{f"{name}_clips": clips for name, clips in names.items()},
            "training_frames": sum(self.library.clips[clip].frames for clip in self.training),
            "data_hash": digest.hexdigest(),
        }

    def windows(self, config: PretrainConfig) -> Windows:
        """Return what training draws from."""
        steps = config.trainer.steps // 2
        curriculum = practice(steps, lengthen=False) if config.curriculum else None
        sampler = WindowSampler(
            self.library.source,
            self.library.clips,
            self.training,
            config.model.window + 1,
            config.objective.batch,
            seed=config.trainer.seed,
            augmentation=config.augmentation,
            curriculum=curriculum,
        )
        return Windows(sampler)


def open_corpus(config: PretrainConfig) -> Corpus:
    """Open the library of a run, built of its motions unless it is one already, and divide it.

    Raises:
        ValueError: if a motion is unknown, or a folder holds none.
    """
    body = config.body.load()
    if len(config.data) == 1 and read_manifest(Path(config.data[0])) is not None:
        library = MotionLibrary(config.data[0], body)
    else:
        held_out = config.held_out if len(find_sources(config.data)) >= 5 else 0.0
        split = SplitConfig(train=1.0 - held_out, val=0.0, test=held_out, seed=config.trainer.seed)
        settings = LibraryConfig(fps=config.fps, split=split)
        library = MotionLibrary.build(
            config.data, config.run / "library", body, settings, workers=config.workers, progress=True
        )
        if library.errors:
            name, reason = next(iter(library.errors.items()))
            raise ValueError(f"{len(library.errors)} of the motions could not be read; of {name}: {reason}")
    if config.held_out == 0.0:
        return Corpus(library, library.select(), {})
    kept = {"validation": library.select("val"), "held_out": library.select("test")}
    return Corpus(
        library, library.select("train"), {name: clips for name, clips in kept.items() if len(clips)}
    )


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
    corpus = open_corpus(config)
    windows = corpus.windows(config)
    torch.manual_seed(config.trainer.seed)
    model = MotionNN(windows.layout, config.model, windows.fps)
    model.set_statistics(statistics_of(windows.layout, windows.clips(), windows.fps))
    objective = NextStateObjective(windows, config.objective)
    trainer = Trainer(model, objective, dataclasses.asdict(config.weights), config.trainer, folder)
    if config.resume is not None:
        check_data(folder, corpus)
        trainer.resume()
    write_json(folder / "data.json", corpus.record)
    trainer.fit()
    prior = trainer.averaged_model.eval()
    assert isinstance(prior, NextStateModel)
    scores = measure(prior, corpus, config)
    record = {
        "data": corpus.record,
        "seed": config.trainer.seed,
        "steps": trainer.step,
        "seconds": trainer.seconds,
    }
    record |= {"final_loss": trainer.recent_losses(), "scores": scores}
    save_prior(folder / "prior.safetensors", prior, corpus.library.body, record, half=config.half)
    for path in filter(None, (folder / "result.json", config.json)):
        write_json(path, record | {"curve": trainer.curve})
    return record


def measure(prior: NextStateModel, corpus: Corpus, config: PretrainConfig) -> dict[str, Any]:
    """Return the stability of rollouts that begin in the training clips and in those kept from training.

    Of more clips than there are rollouts, as many are taken, evenly through the library.
    """
    scores = {}
    for name, clips in {"training": corpus.training, **corpus.kept}.items():
        records = [corpus.library.clips[clip] for clip in clips]
        usable = np.array([r.cyclic or r.frames > prior.window for r in records], dtype=np.bool_)
        long = clips[usable]
        chosen = long[np.linspace(0, len(long) - 1, min(len(long), config.starts)).round().astype(np.int64)]
        motions = [corpus.library.motion(clip) for clip in chosen]
        if motions:
            body, seed = corpus.library.body, config.trainer.seed
            scores[name] = rollout_stability(
                {"prior": prior}, motions, body, n_starts=config.starts, seed=seed
            )
    return scores


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
    """Train with settings from the command line and print how rollouts fare, or measure priors.

    `evaluate` as the first word is `musclegym pretrain evaluate`.
    """
    if args[:1] == ["evaluate"]:
        from musclegym.pretrain import evaluate

        evaluate.main(args[1:])
        return
    config = tyro.cli(PretrainConfig, args=args, prog="musclegym pretrain", description=__doc__)
    record = pretrain(config)
    for name, result in record["scores"].items():
        print(f"\n{name.replace('_', ' ')}: {stability_table(result)}")
    print(f"\nsaved {config.resume or config.run}/prior.safetensors after {record['steps']} steps")
