"""`musclegym pretrain evaluate`: measure priors by their rollouts on motions that they have not seen."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

from musclegym.manifest import environment_record, write_json
from musclegym.motion.library import MotionLibrary
from musclegym.motion.library_build import LibraryConfig
from musclegym.motion.library_files import read_manifest
from musclegym.motion.splits import SPLITS
from musclegym.pretrain.bars import bars, bars_table
from musclegym.pretrain.checkpoint import load_model, manifest_of
from musclegym.pretrain.evaluate_page import write_page
from musclegym.pretrain.next_state import MotionModel
from musclegym.pretrain.rollout import HORIZONS, rollout_stability, stability_table
from musclegym.settings import BodyConfig


@dataclass(frozen=True)
class EvaluateConfig:
    """Settings of `musclegym pretrain evaluate`."""

    checkpoints: tyro.conf.Positional[tuple[str, ...]] = ("shipped",)
    """Files or run folders of priors, or "shipped", or NAME=FILE; the first is held against the bars, and
    models named mlp and dct are rivals that it has to beat."""

    data: tuple[str, ...] = ()
    """Cache of a motion library, or motion files, folders of them or names of embedded clips; none means all
    embedded clips. Files are brought to the frame rate, and filtered, as those of the first prior were."""

    split: str | None = None
    """Split of the library: train, val or test; all motions if left out, the test split of a cache."""

    horizons: str = ",".join(map(str, HORIZONS))
    """Frames ahead at which errors are measured."""

    starts: int = 256
    """Rollouts whose errors are measured."""

    long: int = 1000
    """Frames of the rollouts that are watched for whether they stay alive; 0 watches those above."""

    seeds: int = 100
    """How many of these there are."""

    seed: int = 0
    """Seed of where rollouts begin."""

    threads: int = 0
    """Threads of torch; 0 leaves torch's own choice."""

    body: Annotated[BodyConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=BodyConfig)
    """Body that moves."""

    json: Path | None = None
    """File that also receives the measures."""

    page: Path | None = None
    """File that receives a page with plots, ending in .html."""

    def __post_init__(self) -> None:
        """Check that there is something to measure."""
        if self.split is not None and self.split not in SPLITS:
            raise ValueError(f"a split is one of {', '.join(SPLITS)}, but is {self.split!r}; use e.g. test")
        if min(self.starts, self.seeds) < 1 or self.long < 0 or not self.checkpoints:
            raise ValueError(
                f"there must be a checkpoint, starts and seeds must be at least 1 and long not negative, but "
                f"they are {self.checkpoints}, {self.starts}, {self.seeds} and {self.long}; use e.g. "
                f"shipped, 256, 100 and 1000"
            )
        if self.page is not None and self.page.suffix != ".html":
            raise ValueError(f"the page must end in .html, but is {self.page}; use e.g. prior.html")
        self.frames_ahead()

    def frames_ahead(self) -> tuple[int, ...]:
        """Return the horizons as numbers.

        Raises:
            ValueError: if they are not positive whole numbers with commas between.
        """
        words = self.horizons.split(",")
        if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
            raise ValueError(
                f"horizons must be positive whole numbers with commas between, but are {self.horizons!r}; "
                f"use e.g. 1,10,30,60"
            )
        return tuple(sorted({int(word) for word in words}))


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Measure priors.

    Returns:
        `models`, by name the file and what its manifest says of the training; `data`, its `low_pass` [Hz] or
        None, `split` and `motions`;
        `rollouts`, the result of `rollout_stability`; `activities`, joint errors of the first model by
        activity; `bars`; and the record of the machine.

    Raises:
        FileNotFoundError: if a checkpoint is missing.
        ValueError: if a checkpoint was made for another body or frame rate, or the split is empty.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    body = config.body.load()
    files = named(config.checkpoints)
    models: dict[str, MotionModel] = {name: load_model(path, body) for name, path in files.items()}
    first = next(iter(models))
    with tempfile.TemporaryDirectory() as scratch:
        library, split = open_library(config, Path(scratch), files[first])
        chosen = library.select(split)
        motions = [library.motion(clip) for clip in chosen]
        if not motions:
            raise ValueError(f"priors are measured on motions, but the split {split!r} has none; use another")
        measured = rollout_stability(
            models,
            motions,
            body,
            config.frames_ahead(),
            config.starts,
            config.seed,
            config.long,
            config.seeds,
        )
        activities = [library.clips[clip].labels.activity for clip in chosen]
        result = {
            "models": {name: {"file": files[name], **card(files[name])} for name in models},
            "data": list(config.data) or ["embedded clips"],
            "low_pass": library.low_pass,
            "split": split or "all",
            "motions": [
                {"name": motion.name, "activity": activity, "frames": len(motion.q)}
                for motion, activity in zip(motions, activities, strict=True)
            ],
            "rollouts": measured,
            "bars": bars(measured, first),
            "environment": environment_record(),
        }
        if config.json is not None:
            write_json(config.json, result)
        if config.page is not None:
            write_page(config.page, result, models, motions, body, config.seed)
    return result


def named(checkpoints: Sequence[str]) -> dict[str, str]:
    """Return the files by name: NAME=FILE, or the name of the file's folder.

    Raises:
        ValueError: if two have one name.
    """
    files: dict[str, str] = {}
    for text in checkpoints:
        name, equals, path = text.partition("=")
        if not equals:
            name, path = (text if text == "shipped" else run_name(Path(text))), text
        if name in files:
            raise ValueError(
                f"each prior needs a name of its own, but two are {name!r}; name them, e.g. "
                f"first={files[name]} second={path}"
            )
        files[name] = path
    return files


def run_name(path: Path) -> str:
    """Return the name of a run's folder, or of a file that is not called as all of them are."""
    return path.parent.name if path.name == "prior.safetensors" else path.with_suffix("").name


def open_library(config: EvaluateConfig, scratch: Path, prior: str) -> tuple[MotionLibrary, str | None]:
    """Return a library, the given one or one that is built as a prior's was, and the split to use."""
    body = config.body.load()
    if len(config.data) == 1 and read_manifest(Path(config.data[0])) is not None:
        return MotionLibrary(config.data[0], body), config.split or "test"
    manifest = manifest_of(prior)
    settings = LibraryConfig(fps=manifest["fps"], low_pass=manifest.get("data", {}).get("low_pass"))
    library = MotionLibrary.build(config.data, scratch / "library", body, settings, progress=True)
    if library.errors:
        name, reason = next(iter(library.errors.items()))
        raise ValueError(f"{len(library.errors)} of the motions could not be read; of {name}: {reason}")
    return library, config.split


def card(path: str) -> dict[str, Any]:
    """Return what a prior's manifest says about how it was made."""
    manifest = manifest_of(path)
    kept = ("kind", "model", "fps", "steps", "seconds", "seed", "sha256")
    data = manifest.get("data", {})
    return {name: manifest[name] for name in kept if name in manifest} | {
        "training_frames": data.get("training_frames"),
        "data_hash": data.get("data_hash"),
        "low_pass": data.get("low_pass"),
    }


def text(result: dict[str, Any]) -> str:
    """The tables as lines to read."""
    seconds = sum(row["frames"] for row in result["motions"]) / result["rollouts"]["fps"]
    low_pass = result["low_pass"]
    filtered = "" if low_pass is None else f", low-passed at {low_pass:g} Hz"
    lines = [
        f"{', '.join(result['models'])} on {len(result['motions'])} motions, {seconds:.0f} s, split "
        f"{result['split']} of {', '.join(result['data'])}{filtered}",
        stability_table(result["rollouts"]),
        f"bars of {next(iter(result['models']))}:",
        bars_table(result["bars"]),
    ]
    return "\n".join(lines)


def main(args: list[str]) -> None:
    """Run `evaluate` with settings from the command line and print the tables."""
    config = tyro.cli(EvaluateConfig, args=args, prog="musclegym pretrain evaluate", description=__doc__)
    print(text(evaluate(config)))
    if config.page is not None:
        print(f"plots in {config.page}")
