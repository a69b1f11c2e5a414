"""AMC files: motions of the skeleton in an ASF file, as published with the CMU data.

A bone's channels turn it about its own axes C: away from the zero pose by C M C^-1, with M the product of the
turns. Its frame in a clip is the world's in the zero pose, as in the BVH conversions of the same motions.
"""

import re
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.motion.asf import AsfSkeleton, read_asf
from musclegym.motion.clip import UNITS, Clip, infer_unit
from musclegym.motion.text import (
    LARGEST,
    broken,
    check_end,
    check_rate,
    check_size,
    is_number,
    read_text,
    without_comments,
)
from musclegym.rotation import Array

CMU_FPS = 120.0  # the rate of the CMU recordings, which their AMC files do not state [1/s]
CMU_LENGTH = 0.45  # CMU's `length`: lengths in the files over it are inches (mocap.cs.cmu.edu/faqs.php)
FLAGS = (":FULLY-SPECIFIED", ":DEGREES", ":RADIANS")


def read_amc(
    path: Path, *, skeleton: Path | None = None, fps: float | None = None, unit: float | None = None
) -> Clip:
    """Read an AMC file with its skeleton.

    Args:
        path: the file.
        skeleton: the ASF file; by default that of the same name, of the name before the last underscore
            (01_14.amc -> 01.asf), or the only one in the folder.
        fps: frame rate [1/s]; by default the file's `:SAMPLES-PER-SECOND`, and where it has none CMU's 120.
        unit: metres per unit of length; by default 0.0254 / 0.45 where the skeleton says `length 0.45`, else
            inferred from its size.

    Raises:
        FileNotFoundError: if there is no skeleton.
        ValueError: if a file breaks its format; the message names file, line, rule and cure.
    """
    asf = read_asf(find_skeleton(path) if skeleton is None else skeleton)
    text = read_text(path)
    lines = without_comments(text)
    first, degrees, rate = read_flags(path, lines, asf.degrees)
    rate = (CMU_FPS if rate is None else rate) if fps is None else fps
    check_rate(f"{path}:{first + 1}", rate)
    rows, names = read_frames(path, lines, first, asf)
    check_size(path, len(asf.bones), len(rows))
    if not text.endswith(("\n", "\r")):
        ends = [line.split()[-1] for line in lines if line.startswith(f"{names[-1]} ")]
        check_end(path, len(lines), ends[-1], ends[:-1])
    columns = columns_of(asf, names)
    scale = length_scale(asf) if unit is None else unit
    rotation = np.stack([turns(asf, bone, rows, columns, degrees) for bone in range(len(asf.bones))], axis=1)
    root = rows[:, [columns[0, channel] for channel in ("TX", "TY", "TZ")]]
    return Clip(
        path.stem,
        str(path),
        tuple(bone.name for bone in asf.bones),
        np.array(asf.parent),
        offsets(asf) * scale,
        rotation,
        root * scale,
        rate,
        scale,
    )


def find_skeleton(path: Path) -> Path:
    """Return the ASF file that belongs to an AMC file.

    Raises:
        FileNotFoundError: if none in the folder does.
    """
    inside = sorted(file for file in path.parent.iterdir() if file.suffix.lower() == ".asf")
    for stem in (path.stem, path.stem.rpartition("_")[0]):
        for file in inside:
            if file.stem.lower() == stem.lower():
                return file
    if len(inside) == 1:
        return inside[0]
    raise FileNotFoundError(
        f"{path}: an AMC file needs its skeleton, {path.stem.rpartition('_')[0] or path.stem}.asf beside it, "
        f"but the folder has {', '.join(file.name for file in inside) or 'no .asf'}; give skeleton=FILE"
    )


def read_flags(path: Path, lines: list[str], degrees: bool) -> tuple[int, bool, float | None]:
    """Return the index of the first frame's line, whether angles are in degrees, and the frame rate [1/s].

    Raises:
        ValueError: if a line before the first frame is no flag, or there is no frame.
    """
    rate = None
    index = -1
    for index, line in enumerate(lines):
        words = line.split()
        flag = words[0].upper() if words else ""
        if flag == ":SAMPLES-PER-SECOND" and len(words) == 2 and is_number(words[1]):
            rate = float(words[1])
        elif flag in FLAGS and len(words) == 1:
            degrees = {":DEGREES": True, ":RADIANS": False}.get(flag, degrees)
        elif flag.startswith(":"):
            rule = f"flags are {' '.join(FLAGS)} and :SAMPLES-PER-SECOND NUMBER"
            raise broken(path, index + 1, rule, line.strip())
        elif words:
            return index, degrees, rate
    raise broken(path, index + 1, "an AMC file has frames", "its end")


def read_frames(path: Path, lines: list[str], first: int, asf: AsfSkeleton) -> tuple[Array, list[str]]:
    """Return the numbers, shape (frame, number), and the bones in the order of their lines in every frame.

    Every frame has its number, then a line for each bone with channels, all in the same order.

    Raises:
        ValueError: if it is otherwise.
    """
    counts = {bone.name: len(bone.channels) for bone in asf.bones if bone.channels}
    kept = [(index, line.split()) for index, line in enumerate(lines[first:], start=first) if line.strip()]
    period = len(counts) + 1
    names = [words[0] for _, words in kept[1:period]]
    if sorted(names) != sorted(counts):
        missing, extra = sorted(set(counts) - set(names)), sorted(set(names) - set(counts))
        given = f"without {' '.join(missing)}" if missing else f"with {' '.join(extra) or 'a bone twice'}"
        raise broken(path, first + 1, f"a frame has one line for each moving bone of {asf.path.name}", given)
    widths = [1, *(counts[name] + 1 for name in names)]
    start = int(kept[0][1][0]) if re.fullmatch("[0-9]{1,9}", kept[0][1][0]) else 1
    flat: list[str] = []
    for at, (index, words) in enumerate(kept):
        frame, place = divmod(at, period)
        head = names[place - 1] if place else str(start + frame)
        if len(words) != widths[place] or words[0] != head:
            rule = f"frame {start + frame} goes on with {head!r} and {widths[place] - 1} numbers"
            raise broken(path, index + 1, rule, " ".join(words))
        flat += words[1:]
    if len(kept) % period:
        rule = f"every frame has {period} lines, the last one too"
        raise broken(path, len(lines), rule, f"{len(kept) % period} lines of it")
    return parse(path, kept, flat, sum(widths) - period), names


def parse(path: Path, kept: list[tuple[int, list[str]]], words: list[str], width: int) -> Array:
    """Return words as numbers, shape (frame, width).

    Raises:
        ValueError: if one is no number or beyond `LARGEST`.
    """
    rows = [" ".join(words[at : at + width]) for at in range(0, len(words), width)]
    try:
        values = np.loadtxt(rows, ndmin=2, comments=None)
        if values.shape[1] == width and np.abs(values).max() <= LARGEST:
            return values
    except ValueError:
        pass
    index, word = next((i, word) for i, line in kept for word in line[1:] if not is_number(word))
    raise broken(path, index + 1, f"lines hold finite numbers up to {LARGEST:,.0f}", word)


def columns_of(asf: AsfSkeleton, names: list[str]) -> dict[tuple[int, str], int]:
    """Return the column of each channel, by the index of its bone and its name."""
    index = {bone.name: number for number, bone in enumerate(asf.bones)}
    channels = [(index[name], channel) for name in names for channel in asf.bones[index[name]].channels]
    return {channel: column for column, channel in enumerate(channels)}


def length_scale(asf: AsfSkeleton) -> float:
    """Return the metres per unit of length.

    Raises:
        ValueError: if the skeleton has nobody's size.
    """
    inferred = infer_unit(str(asf.path), np.array(asf.parent), offsets(asf))
    if asf.length_unit != CMU_LENGTH or inferred == UNITS["CMU unit"]:
        return inferred
    raise ValueError(
        f"{asf.path}: length {CMU_LENGTH} means units of {UNITS['CMU unit']:.4f} m, but the skeleton has a "
        f"person's size with {inferred} m; correct it, or give unit=METRES_PER_UNIT"
    )


def offsets(asf: AsfSkeleton) -> Array:
    """Return where each bone starts, seen from its parent's start, shape (bone, 3) [file units]."""
    return np.array([np.zeros(3) if parent < 0 else asf.bones[parent].vector for parent in asf.parent])


def turns(
    asf: AsfSkeleton, bone: int, rows: Array, columns: dict[tuple[int, str], int], degrees: bool
) -> Array:
    """Return the orientation of a bone in its parent, shape (frame, 3, 3)."""
    it = asf.bones[bone]
    angles = np.zeros((len(rows), 3))
    for place, axis in enumerate(it.order):
        if f"R{axis}" in it.channels:
            angles[:, place] = rows[:, columns[bone, f"R{axis}"]]
    own = Rotation.from_euler(it.order.lower(), angles, degrees=degrees).as_matrix()
    return it.axes @ own @ it.axes.T
