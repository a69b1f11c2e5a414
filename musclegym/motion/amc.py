"""AMC files: motions of the skeleton in an ASF file, as published with the CMU data.

A bone's channels turn it about its own axes C: away from the zero pose by C M C^-1, with M the product of the
turns. Its frame in a clip is the world's in the zero pose, as in the BVH conversions of the same motions.
"""

import re
from itertools import islice
from pathlib import Path

import numpy as np

from musclegym.motion.asf import AsfSkeleton, read_asf
from musclegym.motion.channels import compose
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
    root = rows[:, [columns[0, channel] for channel in ("TX", "TY", "TZ")]]
    return Clip(
        path.stem,
        str(path),
        tuple(bone.name for bone in asf.bones),
        np.array(asf.parent),
        offsets(asf) * scale,
        turns(asf, rows, columns, degrees),
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
    heads = (line.split()[0] for line in lines[first:] if line.strip())
    start, *names = islice(heads, len(counts) + 1)
    if sorted(names) != sorted(counts):
        missing, extra = sorted(set(counts) - set(names)), sorted(set(names) - set(counts))
        given = f"without {' '.join(missing)}" if missing else f"with {' '.join(extra) or 'a bone twice'}"
        raise broken(path, first + 1, f"a frame has one line for each moving bone of {asf.path.name}", given)
    number = int(start) if re.fullmatch("[0-9]{1,9}", start) else 1
    widths = [1, *(counts[name] + 1 for name in names)]
    words = " ".join(lines[first:]).split()
    frames = len(words) // sum(widths)
    values = None
    if words[:: sum(widths)] == [str(number + frame) for frame in range(frames)]:
        values = frame_numbers(words, names, widths)
    if values is None:
        raise first_fault(path, lines, first, names, widths, number)
    return values, names


def frame_numbers(words: list[str], names: list[str], widths: list[int]) -> Array | None:
    """Return the numbers between the names in the words of all frames, shape (frame, number).

    None where names stand elsewhere, or a word is no number or beyond `LARGEST`.
    """
    width = sum(widths)
    places = np.cumsum([0, *widths[:-1]]).tolist()
    heads = zip(places[1:], names, strict=True)
    if len(words) % width or any(set(words[place::width]) != {name} for place, name in heads):
        return None
    table = np.delete(np.array(words, dtype=object).reshape(-1, width), places, axis=1)
    try:
        values = np.loadtxt([" ".join(row) for row in table], ndmin=2, comments=None)
    except ValueError:
        return None
    return values if np.abs(values).max() <= LARGEST else None


def first_fault(
    path: Path, lines: list[str], first: int, names: list[str], widths: list[int], start: int
) -> ValueError:
    """Return the error that names the first line that is not as it should be.

    Args:
        path: the file.
        lines: all its lines.
        first: index of the first frame's line.
        names: the bones in the order of their lines.
        widths: words of each line of a frame, that of its number first.
        start: number of the first frame.
    """
    kept = [
        (index, line.split()) for index, line in enumerate(lines[first:], start=first + 1) if line.strip()
    ]
    for at, (line, words) in enumerate(kept):
        frame, place = divmod(at, len(widths))
        head = names[place - 1] if place else str(start + frame)
        if len(words) != widths[place] or words[0] != head:
            rule = f"frame {start + frame} goes on with {head!r} and {widths[place] - 1} numbers"
            return broken(path, line, rule, " ".join(words))
        wrong = next((word for word in words[1:] if not is_number(word)), None)
        if wrong is not None:
            return broken(path, line, f"lines hold finite numbers up to {LARGEST:,.0f}", wrong)
    rule = f"every frame has {len(widths)} lines, the last one too"
    return broken(path, len(lines), rule, f"{len(kept) % len(widths)} lines of it")


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


def turns(asf: AsfSkeleton, rows: Array, columns: dict[tuple[int, str], int], degrees: bool) -> Array:
    """Return the orientation of each bone in its parent, shape (frame, bone, 3, 3)."""
    start, axes, places = [0], [], []
    for index, bone in enumerate(asf.bones):
        for axis in reversed(bone.order):  # turns about fixed axes: the first stands rightmost
            if f"R{axis}" in bone.channels:
                axes.append("XYZ".index(axis))
                places.append(columns[index, f"R{axis}"])
        start.append(len(axes))
    half = 0.5 * (np.radians(rows) if degrees else rows)
    own = np.empty((len(rows), len(asf.bones), 3, 3))
    first, about, of = (np.array(items, dtype=np.int64) for items in (start, axes, places))
    compose(first, about, of, np.cos(half), np.sin(half), own)
    frames = np.array([bone.axes for bone in asf.bones])
    return frames @ own @ frames.transpose(0, 2, 1)
