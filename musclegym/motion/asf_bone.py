"""Bones of an ASF file, from their statements."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.motion.text import broken, is_number
from musclegym.rotation import Array

BONE_KEYS = ("id", "name", "direction", "length", "axis", "dof", "limits", "bodymass", "cofmass")
ROOT_KEYS = ("order", "axis", "position", "orientation")
MAX_BONES = 1000
TURNS = ("RX", "RY", "RZ")
ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")
ENDLESS = ("-inf", "inf")

Statement = tuple[int, list[str]]  # line number from 1, its words


@dataclass(frozen=True, eq=False)
class Bone:
    """A bone as the file states it. It starts where its parent ends."""

    name: str
    """Its name; `root` is the point where the skeleton starts."""
    line: int
    """Line of the file, from 1."""
    vector: Array
    """From its start to its end in the zero pose, world axes, shape (3,) [file units]."""
    axes: Array
    """Axes about which its channels turn, as columns, in the zero pose, shape (3, 3)."""
    order: str
    """Order in which the turns about these fixed axes follow each other, such as XYZ."""
    channels: tuple[str, ...]
    """Names of its numbers in a motion, in their order: TX ... for the root, RX ... for all."""
    limits: Array
    """Smallest and largest value of each channel, shape (channel, 2) [rad]; empty where not given."""


def read_root(path: Path, statements: list[Statement]) -> Bone:
    """Return the root.

    Raises:
        ValueError: if its order is not three TX TY TZ and three RX RY RZ, or it is displaced or turned.
    """
    known = once(path, statements, ROOT_KEYS)
    first = statements[0][0]
    line, order = known.get("order", (first, []))
    channels = tuple(word.upper() for word in order)
    if sorted(channels) != ["RX", "RY", "RZ", "TX", "TY", "TZ"]:
        raise broken(path, line, "the root has order TX TY TZ RX RY RZ, in any order", " ".join(order))
    for key in ("position", "orientation"):
        line, words = known.get(key, (first, ["0", "0", "0"]))
        if numbers(path, line, words, 3).any():
            raise broken(path, line, f"the root's {key} is 0 0 0, as in CMU's files", " ".join(words))
    turning = axis_order(path, *known.get("axis", (first, ["XYZ"])))
    return Bone("root", first, np.zeros(3), np.eye(3), turning, channels, np.empty((0, 2)))


def blocks(path: Path, statements: list[Statement]) -> Iterator[list[Statement]]:
    """Yield what stands between each `begin` and `end`.

    Raises:
        ValueError: if they do not alternate, or there are more than `MAX_BONES`.
    """
    block: list[Statement] | None = None
    for count, (line, words) in enumerate(statements):
        key = words[0].lower()
        if (key == "begin") != (block is None) or count > MAX_BONES * (len(BONE_KEYS) + 4):
            rule = f"bones, {MAX_BONES} at most, stand between begin and end"
            raise broken(path, line, rule, " ".join(words))
        if key == "begin" or block is None:
            block = []
        elif key == "end":
            if not block:
                raise broken(path, line, "a bone has a name, direction, length and axis", "end")
            yield block
            block = None
        else:
            block.append((line, words))
    if block is not None:
        raise broken(path, statements[-1][0], "every begin needs an end", " ".join(statements[-1][1]))


def read_bone(path: Path, block: list[Statement], degrees: bool) -> Bone:
    """Return a bone.

    Raises:
        ValueError: if a statement is missing, unknown or wrong.
    """
    first = block[0][0]
    known = once(path, block, BONE_KEYS)
    missing = [key for key in ("name", "direction", "length", "axis") if key not in known]
    if missing:
        raise broken(path, first, f"a bone needs the statement {missing[0]}", " ".join(known))
    line, name = known["name"]
    if len(name) != 1 or name == ["root"]:
        raise broken(path, line, "a bone's name is one word other than root", " ".join(name))
    direction = numbers(path, *known["direction"], 3)
    length = numbers(path, *known["length"], 1)[0]
    norm = float(np.linalg.norm(direction))
    if abs(norm - 1.0) > 0.01 or length < 0.0:
        rule = "a direction has length 1, and a length is not negative"
        raise broken(path, first, rule, f"{norm:.4g}, {length:.4g}")
    line, words = known["axis"]
    order = axis_order(path, line, words[3:])
    angles = numbers(path, line, words[:3], 3)
    axes = Rotation.from_euler(order.lower(), angles, degrees=degrees).as_matrix()
    line, dof = known.get("dof", (first, []))
    channels = tuple(word.upper() for word in dof)
    if not set(channels) <= set(TURNS) or len(set(channels)) < len(channels):
        raise broken(path, line, "a rigid bone's dof are rx, ry, rz, once each", " ".join(dof))
    limits = read_limits(path, *known.get("limits", (first, [])), len(channels), degrees)
    return Bone(name[0], first, direction / norm * length, axes, order, channels, limits)


def once(path: Path, statements: list[Statement], keys: tuple[str, ...]) -> dict[str, Statement]:
    """Return key -> line and words of each statement; words in brackets on lines of their own belong to it.

    Raises:
        ValueError: if a key is unknown or stands twice, or brackets follow another key than `limits`.
    """
    known: dict[str, Statement] = {}
    key = ""
    for line, words in statements:
        if words[0].startswith("(") and key == "limits":
            known[key][1].extend(words)
            continue
        key = words[0].lower()
        if key not in keys or key in known:
            raise broken(path, line, f"statements here are, once each, {' '.join(keys)}", " ".join(words))
        known[key] = (line, words[1:])
    return known


def read_limits(path: Path, line: int, words: list[str], channels: int, degrees: bool) -> Array:
    """Return the limits of a bone's channels, shape (channel, 2) [rad], or (0, 2) where none are given.

    Raises:
        ValueError: if they are not one pair, in order, per channel.
    """
    plain = re.sub(r"[(),]", " ", " ".join(words)).split()
    if not plain:
        return np.empty((0, 2))
    if len(plain) != 2 * channels or not all(word in ENDLESS or is_number(word) for word in plain):
        raise broken(path, line, f"limits are {channels} pairs of numbers, one per dof", " ".join(words))
    limits = np.array([float(word) for word in plain]).reshape(-1, 2)
    if (limits[:, 0] > limits[:, 1]).any():
        raise broken(path, line, "the first limit of a pair is the smaller one", " ".join(words))
    return np.radians(limits) if degrees else limits


def axis_order(path: Path, line: int, words: list[str]) -> str:
    """Return an order of axes such as XYZ.

    Raises:
        ValueError: if it is none.
    """
    if len(words) != 1 or words[0].upper() not in ORDERS:
        raise broken(path, line, f"an order of axes is one of {' '.join(ORDERS)}", " ".join(words))
    return words[0].upper()


def numbers(path: Path, line: int, words: list[str], count: int) -> Array:
    """Return `count` numbers.

    Raises:
        ValueError: if there are more or fewer, or a word is no number.
    """
    if len(words) != count or not all(is_number(word) for word in words):
        raise broken(path, line, f"this statement needs {count} finite numbers", " ".join(words))
    return np.array([float(word) for word in words])
