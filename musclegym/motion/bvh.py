"""BVH files: the `bvh` package reads the hierarchy, NumPy the numbers."""

import re
from decimal import Decimal
from pathlib import Path

import numpy as np

from musclegym.motion.bvh_hierarchy import Joint, read_hierarchy
from musclegym.motion.channels import compose
from musclegym.motion.clip import Clip, infer_unit
from musclegym.motion.text import (
    LARGEST,
    check_end,
    check_rate,
    check_size,
    is_number,
    read_text,
    without_comments,
)
from musclegym.rotation import Array

MOVING = 0.02  # a bone whose length changes by more than this is no rigid bone [m]


def read_bvh(
    path: Path, *, fps: float | None = None, unit: float | None = None, trust_rows: bool = False
) -> Clip:
    """Read a BVH file.

    Each joint's rotation is composed in the order of its own channels. Position channels replace the joint's
    OFFSET. Joints above the one that moves are folded into it: some files pin the root and move its only
    child. A frame time that is the rounding of a whole number of frames per second stands for that number.

    Args:
        path: the file.
        fps: frame rate to use instead of the file's [1/s].
        unit: metres per unit of length; by default inferred from the skeleton's size (see `infer_unit`).
        trust_rows: take the rows there are when the header promises another number of them.

    Raises:
        ValueError: if the file breaks the format or the limits of `musclegym.motion.text`; the message names
            file, line, rule and cure.
    """
    text = read_text(path)
    lines = without_comments(text)
    start = next((i for i, line in enumerate(lines) if line.strip().upper() == "MOTION"), None)
    if start is None:
        raise ValueError(
            f"{path}:{len(lines)}: a BVH file has a line MOTION between skeleton and numbers, but this has "
            f"none; the file is truncated or no BVH: export it again"
        )
    joints = read_hierarchy(path, lines[:start])
    frames, rate, first = read_header(path, lines, start, fps)
    rows = read_rows(path, lines, first, sum(len(joint.channels) for joint in joints))
    if len(rows) != frames and not trust_rows:
        raise ValueError(
            f"{path}:{start + 2}: the header promises {frames} frames, but {len(rows)} rows follow; the file "
            "is truncated or its header wrong: export it again, or read the rows there are with "
            "trust_rows=True"
        )
    check_size(path, len(joints), len(rows))
    if not text.endswith(("\n", "\r")):
        last, *others = [line.split()[-1] for line in reversed(lines[first:]) if line.strip()] or [""]
        check_end(path, len(lines), last, others)
    return build_clip(path, joints, rows, rate, unit)


def read_header(path: Path, lines: list[str], start: int, fps: float | None) -> tuple[int, float, int]:
    """Return the number of frames, the frame rate [1/s] and the index of the first row of numbers.

    Args:
        path: the file.
        lines: all its lines.
        start: index of the line MOTION.
        fps: frame rate that replaces the file's [1/s].

    Raises:
        ValueError: if `Frames:` or `Frame Time:` is missing or out of range.
    """
    text = [(i, lines[i].strip()) for i in range(start + 1, min(start + 100, len(lines))) if lines[i].strip()]
    rules = (
        (r"Frames\s*:\s*([0-9]{1,12})$", "Frames: COUNT"),
        (r"Frame\s*Time\s*:\s*(\S+)$", "Frame Time: SECONDS"),
    )
    words = []
    for (pattern, rule), (index, line) in zip(rules, [*text[:2], *[(len(lines) - 1, "")] * 2], strict=False):
        match = re.match(pattern, line, re.IGNORECASE)
        if match is None or not is_number(match[1]) or float(match[1]) <= 0.0:
            raise ValueError(
                f"{path}:{index + 1}: expected '{rule}' with a positive number, but found {line[:60]!r}; "
                "repair this line or export the file again"
            )
        words.append(match[1])
    rate = frame_rate(words[1]) if fps is None else fps
    check_rate(f"{path}:{text[1][0] + 1}", rate)
    return int(words[0]), rate, text[1][0] + 1


def frame_rate(frame_time: str) -> float:
    """Return the frames per second [1/s] of a frame time as written [s].

    0.0083333 is what remains of 1/120 after rounding: where the reciprocal of a whole number rounds to the
    digits given and is no more than 0.2 % off, that number is meant.
    """
    seconds = float(frame_time)
    exponent = Decimal(frame_time).as_tuple().exponent
    rounding = 0.5 * 10.0 ** int(exponent)
    whole = round(1.0 / seconds)
    off = abs(1.0 / max(whole, 1) - seconds)
    meant = off <= rounding * (1.0 + 1e-9) and off <= 0.002 * seconds
    return float(whole) if meant else 1.0 / seconds


def read_rows(path: Path, lines: list[str], first: int, width: int) -> Array:
    """Return the numbers of the motion, shape (frame, channel).

    Raises:
        ValueError: if a row is short or long, or a word of it is no number or beyond `LARGEST`.
    """
    rows = [line for line in lines[first:] if line.strip()]
    try:
        values = np.loadtxt(rows, ndmin=2, comments=None) if rows else np.empty((0, width))
        if values.shape[1] == width and max(values.max(initial=0.0), -values.min(initial=0.0)) <= LARGEST:
            return values
    except ValueError:
        pass
    raise ValueError(first_fault(path, lines, first, width))


def first_fault(path: Path, lines: list[str], first: int, width: int) -> str:
    """Say what is wrong with the first bad row of numbers."""
    for number, line in enumerate(lines[first:], start=first + 1):
        words = line.split()
        if words and len(words) != width:
            return (
                f"{path}:{number}: every row has one number per channel, {width} here, but this one has "
                f"{len(words)}; the file is truncated or damaged: export it again, or delete the row and "
                "correct 'Frames:'"
            )
        wrong = next((word for word in words if not is_number(word)), None)
        if wrong is not None:
            return (
                f"{path}:{number}: rows hold finite numbers up to {LARGEST:,.0f}, but here is "
                f"{wrong[:60]!r}; export the file again"
            )
    return f"{path}: the rows of numbers cannot be read; export the file again"


def build_clip(path: Path, joints: list[Joint], rows: Array, fps: float, unit: float | None) -> Clip:
    """Compose the joints' rotations and positions, fold a pinned root, and convert to metres."""
    parent = np.array([joint.parent for joint in joints])
    offset = np.array([joint.offset for joint in joints])
    paths, rotation = apply_channels(joints, rows)
    root = paths.get(0, np.broadcast_to(offset[0], (len(rows), 3)))
    top = 0
    while len(joints) - top > 2 and np.count_nonzero(parent == top) == 1 and moves(paths.get(top + 1)):
        root = root + np.einsum("fij,fj->fi", rotation[:, top], paths[top + 1])
        rotation[:, top + 1] = rotation[:, top] @ rotation[:, top + 1]
        top += 1
    below = [joint for joint in paths if joint > top]
    for joint in below:
        offset[joint] = np.median(paths[joint], axis=0)
    names, parent, offset, rotation = joints[top:], parent[top:] - top, offset[top:], rotation[:, top:]
    parent[0], offset[0] = -1, 0.0
    scale = infer_unit(str(path), parent, offset) if unit is None else unit
    for joint in below:
        check_rigid(path, joints[joint], (paths[joint] - offset[joint - top]) * scale)
    return Clip(
        path.stem,
        str(path),
        tuple(joint.name for joint in names),
        parent,
        offset * scale,
        rotation,
        root * scale,
        fps,
        scale,
    )


def moves(positions: Array | None) -> bool:
    """Whether positions (frame, 3) of a joint in its parent's frame are given and change."""
    return positions is not None and bool(np.ptp(positions, axis=0).max(initial=0.0) > 0.0)


def apply_channels(joints: list[Joint], rows: Array) -> tuple[dict[int, Array], Array]:
    """Return what the channels say.

    Returns:
        Index of each joint with position channels -> its positions (frame, 3) [file units]; and the
        orientation of each joint in its parent, shape (frame, joint, 3, 3).
    """
    positions: dict[int, Array] = {}
    start, axes, columns, column = [0], [], [], 0
    for index, joint in enumerate(joints):
        for channel in joint.channels:
            axis = "XYZ".index(channel[0])
            if channel.endswith("position"):
                if index not in positions:
                    positions[index] = np.tile(joint.offset, (len(rows), 1))
                positions[index][:, axis] = rows[:, column]
            else:
                axes.append(axis)
                columns.append(column)
            column += 1
        start.append(len(axes))
    half = np.radians(0.5 * rows)
    rotation = np.empty((len(rows), len(joints), 3, 3))
    first, about, of = (np.array(items, dtype=np.int64) for items in (start, axes, columns))
    compose(first, about, of, np.cos(half), np.sin(half), rotation)
    return positions, rotation


def check_rigid(path: Path, joint: Joint, stray: Array) -> None:
    """Refuse bones that change their length.

    Args:
        path: the file.
        joint: at the bone's end.
        stray: distance from its usual place in its parent's frame, shape (frame, 3) [m].

    Raises:
        ValueError: if the joint moves in its parent's frame.
    """
    largest = float(np.linalg.norm(stray, axis=1).max(initial=0.0))
    if largest > MOVING:
        raise ValueError(
            f"{path}:{joint.line}: bones must keep their length, but {joint.name!r} moves by "
            f"{1000 * largest:.0f} mm in its parent's frame; export the motion with fixed bones"
        )
