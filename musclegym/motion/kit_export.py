"""Any motions as a data set in the layout of KIT-ML and HumanML3D, for programs that train on those.

FOLDER/new_joint_vecs/00000.npy    features, float32, shape (row, 251 or 263)
FOLDER/texts/00000.txt             captions
FOLDER/Mean.npy, Std.npy           over all rows; Std is the mean of each block, as published
FOLDER/all.txt                     names of the clips; M00000 is the mirror image of 00000
FOLDER/features.json               joint set, rate, unit and the sources of the clips
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from musclegym.manifest import write_json
from musclegym.motion.captions import Caption, write_captions
from musclegym.motion.joint_sets import JointSet
from musclegym.motion.kit_features import JointFeatures
from musclegym.rotation import Array

SMALLEST_STD = 1e-6
"""Least value in Std.npy, so that a block that never changes can be divided by it."""


@dataclass(frozen=True, eq=False)
class LabelledClip:
    """Features of a clip, its captions and where it came from."""

    source: str
    """What to call the source."""
    features: JointFeatures
    """What moves."""
    captions: tuple[Caption, ...]
    """What it is called."""


@dataclass
class Statistics:
    """Mean and standard deviation over rows that come clip by clip (Chan et al. 1983, Am Stat 37:242-247)."""

    rows: int = 0
    """Rows so far."""
    mean: Array = field(default_factory=lambda: np.zeros(1))
    """Their mean, shape (number,)."""
    squares: Array = field(default_factory=lambda: np.zeros(1))
    """Sum of their squared distances from it, shape (number,)."""

    def add(self, values: Array) -> None:
        """Take in the rows of one clip, shape (row, number)."""
        total = self.rows + len(values)
        change = values.mean(axis=0) - self.mean
        spread = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        self.squares = self.squares + spread + change**2 * (self.rows * len(values) / total)
        self.mean = self.mean + change * (len(values) / total)
        self.rows = total

    def std(self, joint_set: JointSet) -> Array:
        """Return the standard deviation, its mean within each block, shape (number,)."""
        out = np.sqrt(self.squares / self.rows)
        for _, start, stop in joint_set.blocks:
            out[start:stop] = max(float(out[start:stop].mean()), SMALLEST_STD)
        return out


def export_clips(folder: str | Path, clips: Iterable[LabelledClip], mirror: bool = True) -> int:
    """Write clips as a data set and return how many; files of the same names are replaced.

    Args:
        folder: where to write; made if it is missing.
        clips: all of one joint set, rate and unit; taken one at a time.
        mirror: whether to write the mirror image of each clip too.

    Raises:
        ValueError: if there are no clips, or they differ in joint set, rate or unit.
    """
    folder = Path(folder)
    for name in ("new_joint_vecs", "texts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    statistics, sources = Statistics(), {}
    first = None
    for index, clip in enumerate(clips):
        first = clip.features if first is None else first
        check_alike(first, clip)
        for name, one in named_versions(f"{index:05d}", clip, mirror):
            write_clip(folder, name, one)
            statistics.add(one.features.values)
            sources[name] = one.source
    if first is None:
        raise ValueError("a data set needs at least one clip, but there is none; name motions to export")
    np.save(folder / "Mean.npy", statistics.mean.astype(np.float32))
    np.save(folder / "Std.npy", statistics.std(first.joint_set).astype(np.float32))
    (folder / "all.txt").write_text("".join(f"{name}\n" for name in sources), encoding="utf-8")
    about = {"joint_set": first.joint_set.name, "fps": first.fps, "unit": first.unit, "sources": sources}
    write_json(folder / "features.json", about)
    return len(sources)


def check_alike(first: JointFeatures, clip: LabelledClip) -> None:
    """Refuse a clip that differs from the first in joint set, rate or unit."""

    def kind(features: JointFeatures) -> tuple[str, float, float]:
        return features.joint_set.name, features.fps, features.unit

    if kind(clip.features) != kind(first):
        raise ValueError(
            f"clips of one data set must share joint set, rate and unit, but {clip.source} has "
            f"{kind(clip.features)} and the first clip {kind(first)}; export them apart"
        )


def named_versions(name: str, clip: LabelledClip, mirror: bool) -> list[tuple[str, LabelledClip]]:
    """Return the clip by its name and, if wanted, its mirror image by its own."""
    if not mirror:
        return [(name, clip)]
    captions = tuple(caption.mirrored() for caption in clip.captions)
    return [(name, clip), (f"M{name}", replace(clip, features=clip.features.mirrored(), captions=captions))]


def write_clip(folder: Path, name: str, clip: LabelledClip) -> None:
    """Write features and captions of one clip.

    Programs that read such texts expect parts of speech; words of captions without them count as OTHER.
    """
    np.save(folder / "new_joint_vecs" / f"{name}.npy", clip.features.values.astype(np.float32))
    captions = [
        caption if caption.words else replace(caption, words=plain_words(caption.text))
        for caption in clip.captions
    ]
    write_captions(folder / "texts" / f"{name}.txt", captions)


def plain_words(text: str) -> tuple[tuple[str, str], ...]:
    """Return the words of a text in small letters, without punctuation, each as OTHER."""
    words = (word.strip(".,;:!?\"'()") for word in text.lower().split())
    return tuple((word, "OTHER") for word in words if word)
