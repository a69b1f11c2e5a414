"""The HIERARCHY of BVH files: brought into one spelling, parsed by the `bvh` package, and checked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bvh import Bvh, BvhNode

from musclegym.motion.text import is_number

KEYS = ("HIERARCHY", "ROOT", "JOINT", "END", "{", "}", "OFFSET", "CHANNELS")
OPENING = ("ROOT", "JOINT", "END")
MAX_NODES = 2000  # joints and end sites
MAX_LENGTH = 500_000  # not indented; the `bvh` package reads letter by letter, these in a quarter of a second
CHANNELS = frozenset(f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation"))


@dataclass(frozen=True)
class Joint:
    """A joint as the file states it."""

    name: str
    """Its name, blanks replaced by underscores."""
    line: int
    """Line of the file, from 1."""
    parent: int
    """Index of the parent, -1 for the root."""
    offset: list[float]
    """Position in the parent's frame [file units]."""
    channels: list[str]
    """Names of its channels, in the order of the file's columns."""


def read_hierarchy(path: Path, lines: list[str]) -> list[Joint]:
    """Return the joints of the hierarchy, parents first, in the order of the file.

    Raises:
        ValueError: if the lines are no hierarchy with one root, if names occur twice, or a joint's OFFSET or
            CHANNELS are missing or wrong.
    """
    text, count = normalise(path, lines)
    tree = Bvh(text)
    top = next(tree.root.filter("HIERARCHY"), tree.root)
    roots = [*top.filter("ROOT"), *(tree.root.filter("ROOT") if top is not tree.root else ())]
    if len(roots) != 1:
        raise ValueError(
            f"{path}:{len(lines)}: a BVH file has one ROOT, but this has {len(roots)}; split it, one "
            "skeleton a file"
        )
    joints: list[Joint] = []
    pending = [(roots[0], -1)]
    while pending:
        node, parent = pending.pop()
        joints.append(read_joint(path, node, parent))
        pending += [(child, len(joints) - 1) for child in reversed(list(node.filter("JOINT")))]
    check_names(path, joints)
    if len(joints) != count:
        raise ValueError(
            f"{path}:{len(lines)}: every JOINT must hang from the ROOT or another JOINT, but of {count} only "
            f"{len(joints)} do; repair the braces or export the file again"
        )
    return joints


def normalise(path: Path, lines: list[str]) -> tuple[str, int]:
    """Return the hierarchy as the `bvh` package needs it, and the number of its joints.

    One statement a line, no blanks in names, and each joint's line number after its name.

    Raises:
        ValueError: if braces do not match, a line is no statement of a hierarchy, or there are too many.
    """
    check_limits(path, lines)
    depth, joints, before = 0, 0, ""
    out: list[str] = []
    for number, words in statements(lines):
        key = words[0].upper()
        depth += (key == "{") - (key == "}")
        if key not in KEYS or depth < 0 or (key == "{") != (before in OPENING):
            raise ValueError(
                f"{path}:{number}: a hierarchy is made of ROOT, JOINT, End Site, OFFSET, CHANNELS and "
                f"matching braces, but here is {' '.join(words)[:60]!r}"
                f"{f' after {before}' if before in OPENING else ''}; repair this line or export the file "
                "again"
            )
        if key in ("ROOT", "JOINT"):
            joints += 1
            words = [key, "_".join(words[1:]) or f"joint_{number}", str(number)]
        out.append("End Site" if key == "END" else " ".join([key, *words[1:]]))
        before = key
    if depth:
        raise ValueError(
            f"{path}:{len(lines)}: every brace of the hierarchy must be closed, but {depth} are open at its "
            "end; the file is truncated: export it again"
        )
    return "\n".join(out) + "\n", joints


def statements(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield line number, from 1, and words of each statement; a brace is one."""
    for number, line in enumerate(lines, start=1):
        for statement in re.split(r"([{}])", line):
            words = statement.split()
            if words:
                yield number, words


def check_limits(path: Path, lines: list[str]) -> None:
    """Refuse hierarchies beyond `MAX_LENGTH`, however deep they are indented, and `MAX_NODES`.

    Raises:
        ValueError: naming what there is too much of.
    """
    text = "\n".join(map(str.strip, lines))
    letters, nodes = len(text), text.count("{")
    if letters > MAX_LENGTH or nodes > MAX_NODES:
        raise ValueError(
            f"{path}:{len(lines)}: a hierarchy has at most {MAX_NODES} joints and end sites in {MAX_LENGTH} "
            f"letters, but this one has {nodes} in {letters}; export the bones of the body only"
        )


def read_joint(path: Path, node: BvhNode, parent: int) -> Joint:
    """Return one joint.

    Raises:
        ValueError: if its OFFSET or CHANNELS are missing or wrong, or an End Site has channels.
    """
    _, name, line = node.value
    offsets = [item.value[1:] for item in node.filter("OFFSET")]
    channels = [item.value[1:] for item in node.filter("CHANNELS")]
    names = [word.capitalize() for word in channels[0][1:]] if channels else []
    sound = (
        len(offsets) == len(channels) == 1
        and len(offsets[0]) == 3
        and all(is_number(word) for word in offsets[0])
        and channels[0][:1] == [str(len(names))]
        and len(names) == len(CHANNELS.intersection(names))
    )
    if not sound:
        given = [" ".join(item) for item in [*offsets, *channels]]
        raise ValueError(
            f"{path}:{line}: joint {name!r} needs one OFFSET of 3 numbers and one CHANNELS with as many "
            f"different names (Xposition ... Zrotation) as it says, but has {given or 'neither'}; repair it "
            "or export the file again"
        )
    if any(item.value[0] != "OFFSET" for end in node.filter("End") for item in end):
        raise ValueError(
            f"{path}:{line}: an End Site has an OFFSET and nothing else, but that of {name!r} has more; make "
            "it a JOINT"
        )
    return Joint(name, int(line), parent, [float(word) for word in offsets[0]], names)


def check_names(path: Path, joints: list[Joint]) -> None:
    """Refuse names that occur twice.

    Raises:
        ValueError: naming them and the line of the second.
    """
    first: dict[str, int] = {}
    for joint in joints:
        if first.setdefault(joint.name, joint.line) != joint.line:
            raise ValueError(
                f"{path}:{joint.line}: joint names must be unique, but {joint.name!r} also stands in line "
                f"{first[joint.name]}; rename one of them"
            )
