"""Which joint of a source moves which body: known by its names, or by a user's own map."""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from musclegym.motion.clip import Clip
from musclegym.motion.families import BODIES, FAMILIES, NEEDED, Family, axes
from musclegym.rotation import Array

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NameMap = Mapping[str, str] | Family | str | Path
"""A user's own map: body name -> joint name, a family, or the path of a TOML file of such a map."""

ESSENTIAL = (*NEEDED, *(part + side for side in "RL" for part in ("Arm", "ForeArm")))
"""Bodies whose joints a skeleton must have to be of a family."""


def find_family(clip: Clip, mapping: NameMap | None) -> Family:
    """Return the family of a clip's skeleton, its joints called as in the clip.

    Names are compared without case, blanks and punctuation, and whatever stands before all of them, such as
    "mixamorig:", does not count. The family of which the clip has most joints is taken; it must have those of
    the legs, the arms and the pelvis.

    Args:
        clip: whose skeleton.
        mapping: a user's own map instead (see `NameMap` and `read_map`).

    Raises:
        FileNotFoundError: if the map's file is missing.
        ValueError: if the skeleton is of no known family, or the map lacks the pelvis or a part of a leg, or
            names a body or a joint that there is not.
    """
    if mapping is not None:
        return checked(clip, own_map(mapping))
    spelled = {folded(name): name for name in reversed(clip.names)}
    found = [family for template in FAMILIES if (family := recognised(template, spelled)) is not None]
    if found:
        return max(found, key=lambda family: len(family.joints))
    raise ValueError(
        f"{clip.source}: the skeleton must be of a known family "
        f"({'; '.join(family.name for family in FAMILIES)}), but its joints are {', '.join(clip.names)}"
        f"{nearest_family(spelled)}; give mapping=, a TOML file with a table [joints] or "
        f"{{'Pelvis': JOINT, 'FemurR': JOINT, ...}}"
    )


def folded(name: str) -> str:
    """Return a name without case, blanks and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def recognised(family: Family, spelled: Mapping[str, str]) -> Family | None:
    """Return a family with its joints called as in a file, those that are missing left out, or None.

    Args:
        family: the family as its table states it.
        spelled: folded name -> name in the file.
    """
    root = folded(family.joints["Pelvis"])
    for name in spelled:
        before = name.removesuffix(root)
        if not name.endswith(root) or family.prefix not in before:
            continue
        joints = {
            body: spelled[before + folded(joint)]
            for body, joint in family.joints.items()
            if before + folded(joint) in spelled
        }
        told = all(before + folded(sign) in spelled for sign in family.signs)
        if told and set(ESSENTIAL) <= set(joints):
            return replace(family, joints=joints)
    return None


def nearest_family(spelled: Mapping[str, str]) -> str:
    """Say which family's names a file has most of, and which it lacks, if it has half of them."""

    def lacking(family: Family) -> list[str]:
        return [family.joints[body] for body in ESSENTIAL if folded(family.joints[body]) not in spelled]

    nearest = min(FAMILIES, key=lambda family: len(lacking(family)))
    if len(lacking(nearest)) > len(ESSENTIAL) // 2:
        return ""
    return f" (nearest to {nearest.name}, which also needs {with_near(lacking(nearest), spelled.values())})"


def with_near(names: Iterable[str], known: Iterable[str]) -> str:
    """Return a list of unknown names, each with the known one that is most like it."""
    by_folded = {folded(name): name for name in known}
    words = []
    for name in names:
        near = get_close_matches(folded(name), by_folded, n=1)
        words.append(f"{name!r} (did you mean {by_folded[near[0]]!r}?)" if near else repr(name))
    return ", ".join(words)


def own_map(mapping: NameMap) -> Family:
    """Return a user's map as a family."""
    if isinstance(mapping, Family):
        return mapping
    if isinstance(mapping, str | Path):
        return read_map(Path(mapping))
    return Family("given by mapping=", dict(mapping))


def checked(clip: Clip, family: Family) -> Family:
    """Return a user's family if it fits the body and the clip.

    Raises:
        ValueError: if it does not.
    """
    unknown = [body for body in family.joints if body not in BODIES]
    if unknown:
        raise ValueError(
            f"a mapping names bodies of {', '.join(BODIES)}, but {family.name} has "
            f"{with_near(unknown, BODIES)}; correct the names"
        )
    missing = [body for body in NEEDED if body not in family.joints]
    if missing:
        raise ValueError(
            f"a mapping must name the joints of {', '.join(NEEDED)}, but {family.name} lacks "
            f"{', '.join(missing)}; add them"
        )
    absent = [joint for joint in family.joints.values() if joint not in clip.names]
    if absent:
        raise ValueError(
            f"{clip.source}: a mapping names joints of the file, but no joint is called "
            f"{with_near(absent, clip.names)}; the joints are {', '.join(clip.names)}"
        )
    return family


def read_map(path: Path) -> Family:
    """Read a user's own map from a TOML file.

    The table [joints] states body = "joint". The table [t_pose] may state, for some of these bodies, where
    the own x and y axes of the joint point when the source stands in a T-pose and faces +z (left is +x, up is
    +y): body = ["-y", "+x"]. Without it the zero pose of the file is taken if it stands upright, else the
    T-pose is estimated from the motion.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such TOML.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"a mapping is a TOML file, but {str(path)!r} is no file; correct the path, or give a table from "
            f"body names to joint names"
        )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ValueError(f"{path}: a mapping must be TOML, but {error}; correct that place") from error
    unknown = [key for key in content if key not in ("name", "joints", "t_pose")]
    joints, turns = content.get("joints", {}), content.get("t_pose", {})
    if unknown or not joints or not is_table(joints, str) or not is_table(turns, list):
        raise ValueError(
            f'{path}: a mapping has a table [joints] of lines BODY = "JOINT" and perhaps a table [t_pose] of '
            f'lines BODY = ["-y", "+x"] and a name, but its tables are {", ".join(content) or "none"}'
        )
    t_pose = {body: t_pose_axes(path, body, words) for body, words in turns.items()}
    return Family(str(content.get("name", path.name)), joints, t_pose)


def is_table(value: Any, kind: type) -> bool:
    """Whether a value read from TOML is a table of values of one kind."""
    return isinstance(value, dict) and all(isinstance(item, kind) for item in value.values())


def t_pose_axes(path: Path, body: str, words: list[Any]) -> Array:
    """Return the orientation (3, 3) that two axes such as "-y" and "+x" state.

    Raises:
        ValueError: if they are not two different axes.
    """
    signed = [f"{sign}{axis}" for sign in "+-" for axis in "xyz"]
    if len(words) != 2 or any(word not in signed for word in words) or words[0][1] == words[1][1]:
        raise ValueError(
            f"{path}: [t_pose] says where a joint's own x and y point, two different axes of "
            f"{', '.join(signed)}, but {body} = {words!r}; write e.g. {body} = ['-y', '+x']"
        )
    return axes(words[0], words[1])
