"""Folders of KIT-ML and HumanML3D, as their authors distribute them.

    FOLDER/new_joint_vecs/NAME.npy     features, (frame, 251) for KIT-ML, (frame, 263) for HumanML3D
    FOLDER/texts/NAME.txt              captions
    FOLDER/Mean.npy, FOLDER/Std.npy    mean and standard deviation of each feature
    FOLDER/train.txt, val.txt, test.txt  names of the clips of each split

Which of the two a folder is follows from the length of Mean.npy; rate and unit follow from that (KIT-ML: 12.5
frames a second), unless features.json, which `musclegym data features` writes, states others. The mirror
image of clip NAME is called MNAME.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musclegym.motion.captions import Caption, read_captions
from musclegym.motion.joint_sets import HUMANML3D, KIT, JointSet
from musclegym.motion.kit_features import JointFeatures
from musclegym.motion.npy import read_floats
from musclegym.motion.text import read_json, read_text
from musclegym.rotation import Array

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class KitFolder:
    """A folder whose clips are read when they are asked for."""

    path: Path
    """The folder."""
    joint_set: JointSet
    """Joints and layout of its features."""
    fps: float
    """Frames per second."""
    unit: float
    """Length that a 1 stands for [m]."""
    mean: Array
    """Mean of each feature, shape (number,)."""
    deviation: Array
    """Standard deviation of each feature, shape (number,)."""
    names: tuple[str, ...]
    """Names of all clips, sorted."""
    splits: Mapping[str, tuple[str, ...]]
    """Names of the clips of "train", "val" and "test"; a split without its file is missing."""

    def features(self, name: str) -> JointFeatures:
        """Return the features of a clip.

        Raises:
            FileNotFoundError: if there is no such clip.
            ValueError: if its file is no array of finite features of this folder's kind.
        """
        path = self.path / "new_joint_vecs" / f"{name}.npy"
        values = read_floats(path)
        if values.ndim != 2 or len(values) < 1 or values.shape[1] != self.joint_set.n_features:
            raise ValueError(
                f"{path}: {self.joint_set.name} features have shape (frame, {self.joint_set.n_features}), "
                f"but these have {values.shape}; leave this file out or make it again"
            )
        return JointFeatures(self.joint_set, values, self.fps, self.unit)

    def captions(self, name: str) -> tuple[Caption, ...]:
        """Return the captions of a clip.

        Raises:
            FileNotFoundError: if there is no file of them.
            ValueError: if a line is no caption.
        """
        return read_captions(self.path / "texts" / f"{name}.txt")

    def normalised(self, features: JointFeatures) -> Array:
        """Return features minus the mean, over the standard deviation, shape (frame, number)."""
        return (features.values - self.mean) / self.deviation


def open_kit(folder: str | Path, *, partial: bool = False) -> KitFolder:
    """Open a folder of KIT-ML or HumanML3D.

    Args:
        folder: where `new_joint_vecs` lies.
        partial: leave out names of splits whose features are not there, instead of refusing the folder.

    Raises:
        FileNotFoundError: if the folder, its features, or Mean.npy or Std.npy are missing.
        ValueError: if the statistics are of neither data set, a split names a clip twice or one that is not
            there, or a clip or its mirror image is in two splits.
    """
    folder = Path(folder)
    names = tuple(sorted(file.stem for file in (folder / "new_joint_vecs").glob("*.npy")))
    if not names:
        raise FileNotFoundError(
            f"{folder}: a folder of KIT-ML or HumanML3D holds new_joint_vecs/*.npy, but this one has none; "
            "name the folder that holds new_joint_vecs"
        )
    mean, deviation = (read_floats(folder / f"{name}.npy") for name in ("Mean", "Std"))
    sets = {(joint_set.n_features,): joint_set for joint_set in (KIT, HUMANML3D)}
    if mean.shape not in sets or deviation.shape != mean.shape or not (deviation > 0.0).all():
        raise ValueError(
            f"{folder}: Mean.npy and Std.npy hold 251 (KIT-ML) or 263 (HumanML3D) numbers, deviations above "
            f"0, but have {mean.shape} and {deviation.shape} with a smallest deviation of "
            f"{deviation.min(initial=np.inf):.3g}; take them from the data set"
        )
    files = {split: folder / f"{split}.txt" for split in SPLITS}
    splits = {
        split: read_split(file, frozenset(names), partial) for split, file in files.items() if file.is_file()
    }
    check_apart(folder, splits)
    joint_set = sets[mean.shape]
    fps, unit = rate_and_unit(folder / "features.json", joint_set)
    return KitFolder(folder, joint_set, fps, unit, mean, deviation, names, splits)


def rate_and_unit(path: Path, joint_set: JointSet) -> tuple[float, float]:
    """Return rate [1/s] and unit [m] that a folder's features.json states, or without one the data set's own.

    Raises:
        ValueError: if the file does not state them as positive numbers.
    """
    if not path.is_file():
        return joint_set.fps, joint_set.unit
    try:
        about = read_json(path)
        fps, unit = float(about["fps"]), float(about["unit"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: the file states fps and unit as numbers, but {type(error).__name__}: {error}; "
            "export the folder again, or delete the file to take the data set's own"
        ) from error
    if not (0.0 < fps < np.inf and 0.0 < unit < np.inf):
        raise ValueError(
            f"{path}: fps and unit must be positive, but are {fps} and {unit}; correct them, or "
            "delete the file"
        )
    return fps, unit


def read_split(path: Path, known: frozenset[str], partial: bool) -> tuple[str, ...]:
    """Return the names in the file of a split, one a line.

    Raises:
        ValueError: if a name stands twice, or is not known and the folder is not said to be partial.
    """
    names: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        name = line.strip()
        if not name:
            continue
        if name in names:
            raise ValueError(
                f"{path}:{number}: a split names each clip once, but {name!r} also stands in line "
                f"{names[name]}; delete one of them"
            )
        if name not in known and not partial:
            raise ValueError(
                f"{path}:{number}: the clips of a split lie in new_joint_vecs, but {name + '.npy'!r} does "
                "not; complete the folder, or open it with partial=True"
            )
        names[name] = number
    return tuple(name for name in names if name in known)


def check_apart(folder: Path, splits: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse splits that share a clip, or a clip and its mirror image.

    Raises:
        ValueError: naming the clip and both splits.
    """
    owner: dict[str, str] = {}
    for split, names in splits.items():
        for name in names:
            if owner.setdefault(name.removeprefix("M"), split) != split:
                raise ValueError(
                    f"{folder}: a clip and its mirror image belong to one split, but {name!r} is in "
                    f"{split}.txt and {owner[name.removeprefix('M')]}.txt; delete it from one of them"
                )
