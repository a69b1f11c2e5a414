"""The motion that a prior is trained on: a library, and which of its clips are kept from training."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from musclegym.motion.curriculum import practice
from musclegym.motion.library import MotionLibrary
from musclegym.motion.library_build import LibraryConfig
from musclegym.motion.library_files import read_manifest
from musclegym.motion.sources import find_sources
from musclegym.motion.splits import SplitConfig
from musclegym.motion.windows import WindowSampler
from musclegym.pretrain.pretrain_config import PretrainConfig
from musclegym.pretrain.windows import Windows
from musclegym.rotation import IntArray


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
            "low_pass": self.library.low_pass,
            "data_hash": digest.hexdigest(),
        }

    def windows(self, config: PretrainConfig) -> Windows:
        """Return what training draws from."""
        steps = config.trainer.steps // 2
        curriculum = practice(steps, lengthen=False) if config.curriculum else None
        return self.drawn(
            config,
            self.training,
            augmentation=config.augmentation,
            by_length=config.by_length,
            curriculum=curriculum,
        )

    def drawn(self, config: PretrainConfig, clips: IntArray, **settings: Any) -> Windows:
        """Return windows of `clips`, as long and as many as training takes."""
        sampler = WindowSampler(
            self.library.source,
            self.library.clips,
            clips,
            config.objective.span * config.model.sizes().window + 1,
            config.objective.batch,
            seed=config.trainer.seed,
            **settings,
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
        settings = LibraryConfig(fps=config.fps, low_pass=config.low_pass, split=split)
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
