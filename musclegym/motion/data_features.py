"""The command `musclegym data features`: motion files as a data set in the layout of KIT-ML or HumanML3D."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal

import tyro
from tqdm import tqdm

from musclegym.body import Body, load_body
from musclegym.motion.caption_grammar import captions_of_label, label_of_file
from musclegym.motion.joint_sets import HUMANML3D, KIT, JointSet
from musclegym.motion.kit_export import LabelledClip, export_clips
from musclegym.motion.kit_extraction import features_from_motion
from musclegym.motion.load import load_clip
from musclegym.motion.retarget import retarget

JOINT_SETS = {"humanml3d": HUMANML3D, "kit": KIT}
LEAST_RATE = 30.0  # rate below which motions are not retargeted: feet are planted better at higher ones [1/s]


@dataclass(frozen=True)
class FeaturesConfig:
    """Write motions as a data set in the layout of KIT-ML or HumanML3D: features, captions, mean and std.

    Captions are made from the labels in the names of files and folders; files without one get none.
    """

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Motion files, folders of them, or names of embedded motions."""
    out: Path
    """Folder to write."""
    joint_set: Literal["humanml3d", "kit"] = "humanml3d"
    """Joints and conventions: HumanML3D's 263 numbers a row, or KIT-ML's 251."""
    body: str = "human"
    """Name or file of the body that moves."""
    fps: float | None = None
    """Rows per second; by default the data set's own, 20 or 12.5 [1/s]."""
    captions: int = 3
    """Captions of each clip."""
    seed: int = 0
    """Seed of the captions."""
    mirror: bool = True
    """Whether to add the mirror image of each clip."""


@dataclass
class Tally:
    """What became of the files."""

    without_captions: int = 0
    """Clips whose names say nothing known."""
    refused: tuple[str, ...] = ()
    """Why files could not be read, retargeted or made into features."""


def write_features(config: FeaturesConfig, files: Sequence[Path]) -> str:
    """Write the data set and return what to say about it.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if no file could be made into features, or figures are out of their range.
    """
    if config.captions < 0 or (config.fps is not None and not config.fps > 0.0):
        raise ValueError(
            f"captions must be 0 or more and fps positive, but are {config.captions} and {config.fps}; "
            "correct them"
        )
    tally = Tally()
    count = export_clips(config.out, labelled_clips(config, files, tally), config.mirror)
    lines = [f"wrote {count} clips to {config.out}, {tally.without_captions} sources without a caption"]
    return "\n".join([*lines, *(f"refused: {reason}" for reason in tally.refused)])


def labelled_clips(config: FeaturesConfig, files: Sequence[Path], tally: Tally) -> Iterator[LabelledClip]:
    """Yield features and captions of each file; what cannot be made is noted in `tally`."""
    body, joint_set = load_body(config.body), JOINT_SETS[config.joint_set]
    for index, file in enumerate(tqdm(files, disable=len(files) < 20)):
        clip = labelled_clip(file, body, joint_set, config, config.seed + index)
        if isinstance(clip, str):
            tally.refused += (clip,)
        else:
            tally.without_captions += not clip.captions
            yield clip


def labelled_clip(
    file: Path, body: Body, joint_set: JointSet, config: FeaturesConfig, seed: int
) -> LabelledClip | str:
    """Return features and captions of one file, or why there are none."""
    fps = joint_set.fps if config.fps is None else config.fps
    try:
        clip = load_clip(file)
        # A multiple of the rate, so that every row falls on a frame.
        motion = retarget(clip, body, fps * ceil(LEAST_RATE / fps), cyclic=False)
        features = features_from_motion(motion, joint_set, fps)
    except ValueError as error:
        return str(error)
    label = label_of_file(file)
    captions = captions_of_label(label, config.captions, seed) if label and config.captions else ()
    return LabelledClip("/".join(file.parts[-2:]), features, captions)
