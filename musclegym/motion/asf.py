"""ASF files: the skeletons of Acclaim motion capture, as published with the CMU data.

Format: J. Lander, "Working with motion capture file formats", Game Developer, January 1998, and the files
themselves (the article is cited from memory). Only rigid bones are read, and root axes along the world's, as
all of CMU's files have them.
"""

from dataclasses import dataclass
from pathlib import Path

from musclegym.motion.asf_bone import Bone, Statement, blocks, numbers, once, read_bone, read_root
from musclegym.motion.text import broken, read_text, without_comments

SECTIONS = ("version", "name", "units", "documentation", "root", "bonedata", "hierarchy", "skin")
UNIT_KEYS = ("mass", "length", "angle")


@dataclass(frozen=True, eq=False)
class AsfSkeleton:
    """The skeleton of an ASF file."""

    path: Path
    """The file."""
    bones: tuple[Bone, ...]
    """Root first, parents before children."""
    parent: tuple[int, ...]
    """Index of each bone's parent, -1 for the root."""
    length_unit: float
    """`length` of the section `:units`; CMU's 0.45 means that lengths divided by it are inches."""
    degrees: bool
    """Whether angles are in degrees, here and in motions that do not say."""


def read_asf(path: Path) -> AsfSkeleton:
    """Read an ASF file.

    Raises:
        ValueError: if the file breaks the format; the message names file, line, rule and cure.
    """
    sections = read_sections(path)
    units = once(path, sections["units"], UNIT_KEYS)
    line = sections["units"][0][0]
    length = numbers(path, *units.get("length", (line, ["1"])), 1)[0]
    angle = units.get("angle", (line, ["deg"]))[1]
    if length <= 0.0 or angle not in (["deg"], ["rad"]):
        rule = "units are a positive length and an angle, deg or rad"
        raise broken(path, line, rule, f"length {length}, angle {' '.join(angle)}")
    degrees = angle == ["deg"]
    bones = [read_root(path, sections["root"])]
    bones += [read_bone(path, block, degrees) for block in blocks(path, sections["bonedata"])]
    order, parent = read_tree(path, bones, sections["hierarchy"])
    return AsfSkeleton(path, tuple(bones[bone] for bone in order), parent, length, degrees)


def read_sections(path: Path) -> dict[str, list[Statement]]:
    """Return the statements of each section.

    Raises:
        ValueError: if a section is unknown, stands twice, or one that is needed is missing.
    """
    sections: dict[str, list[Statement]] = {}
    name = ""
    for number, line in enumerate(without_comments(read_text(path)), start=1):
        words = line.split()
        if not words:
            continue
        if words[0].startswith(":"):
            name = words[0][1:].lower()
            if name not in SECTIONS or name in sections:
                raise broken(path, number, f"sections are, once each, :{' :'.join(SECTIONS)}", words[0])
            sections[name] = []
        elif not name:
            raise broken(path, number, "an ASF file starts with a section such as :version", line.strip())
        else:
            sections[name].append((number, words))
    for needed in ("units", "root", "bonedata", "hierarchy"):
        if not sections.get(needed):
            raise ValueError(
                f"{path}: an ASF file has a section :{needed} with statements, but this one has none; the "
                "file is truncated or no ASF: get it again"
            )
    return sections


def read_tree(
    path: Path, bones: list[Bone], statements: list[Statement]
) -> tuple[list[int], tuple[int, ...]]:
    """Return the bones' order, parents before children, and each one's parent in that order.

    Raises:
        ValueError: if a name is unknown or stands twice, or a bone does not hang from the root in one way.
    """
    index: dict[str, int] = {}
    for number, bone in enumerate(bones):
        if index.setdefault(bone.name, number) != number:
            raise broken(path, bone.line, "names of bones must be unique", bone.name)
    children = read_children(path, index, statements)
    order: list[int] = []
    parents: list[int] = []
    pending = [(0, -1)]
    while pending:
        bone, parent = pending.pop()
        order.append(bone)
        parents.append(parent)
        pending += [(child, len(order) - 1) for child in reversed(children.get(bone, []))]
    lost = sorted(set(range(len(bones))) - set(order))
    if lost:
        rule = "every bone hangs, through its parents, from the root"
        raise broken(path, bones[lost[0]].line, rule, bones[lost[0]].name)
    return order, tuple(parents)


def read_children(path: Path, index: dict[str, int], statements: list[Statement]) -> dict[int, list[int]]:
    """Return the children of each bone that has some; no bone is the child of two, the root of none.

    Raises:
        ValueError: if it is otherwise, or a name is unknown.
    """
    children: dict[int, list[int]] = {}
    hanging = {0}
    for line, words in statements:
        if words in (["begin"], ["end"]):
            continue
        for word in words:
            if word not in index:
                raise broken(path, line, "the hierarchy joins the bones of :bonedata", word)
        for word in words[1:]:
            if index[word] in hanging:
                raise broken(path, line, "every bone hangs from one parent, the root from none", word)
            hanging.add(index[word])
        children.setdefault(index[words[0]], []).extend(index[word] for word in words[1:])
    return children
