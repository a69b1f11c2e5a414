"""Anatomical groups of muscles, by the names that muscles have.

The table `assets/human/groups.csv` lists the groups from the hip to the hand with patterns of muscle names
("*" stands for any text) and what the grouping follows; (1) is Standring (ed.) 2016, Gray's Anatomy, 41st
edition, whose division by compartments is given from memory and was not re-read. The patterns cover the
shipped human (`soleus_r`) and the MASS family of files (`R_Soleus1`).
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from musclegym.body import Body
from musclegym.human import read_table
from musclegym.rotation import Array, IntArray

UNGROUPED = "other"
"""Group of the muscles whose name no pattern fits."""
SIDES = {"l": "left", "r": "right"}


def muscle_groups(body: Body) -> dict[str, IntArray]:
    """Return the muscles of each anatomical group and side.

    Every muscle is in exactly one group, so that factors given to groups never multiply. Groups of which the
    body has no muscle are left out.

    Args:
        body: whose muscles; their names say the group and, by `_l` and `_r` at the end or `L_` and `R_` at
            the start, the side.

    Returns:
        Indices into `body.muscle_names` by name, such as "hamstrings_left"; without a side where the muscle's
        name has none, "other_left" where no group fits it.
    """
    table = [(row["group"], row["muscles"].split()) for row in read_table("groups")]
    members: dict[str, list[int]] = {}
    for index, name in enumerate(body.muscle_names):
        plain, side = split_side(name)
        group = next((group for group, patterns in table if fits(plain, patterns)), UNGROUPED)
        members.setdefault(f"{group}_{side}" if side else group, []).append(index)
    order = [group for group, _ in table] + [UNGROUPED]
    names = sorted(members, key=lambda name: (order.index(re.sub("_(left|right)$", "", name)), name))
    return {name: np.array(members[name], dtype=np.int64) for name in names}


def muscles_like(body: Body, patterns: Sequence[str], side: str) -> IntArray:
    """Return the muscles of a side ("left", "right" or "" for none) whose names fit one of the patterns."""
    parts = [split_side(name) for name in body.muscle_names]
    found = [index for index, (plain, where) in enumerate(parts) if where == side and fits(plain, patterns)]
    return np.array(found, dtype=np.int64)


def group_activation(body: Body, activation: Array, muscles: IntArray) -> Array:
    """Return the mean activation of some muscles, weighted by their maximum isometric force.

    The force goes with the cross-section, so the mean is the share of the group's cross-section at work.

    Args:
        body: whose muscles.
        activation: of all muscles, shape (..., muscle) [-].
        muscles: indices of the group, of which there must be at least one.

    Returns:
        Mean, shape (...) [-].
    """
    force = body.muscle_set.max_isometric_force[muscles]
    return activation[..., muscles] @ (force / force.sum())


def split_side(name: str) -> tuple[str, str]:
    """Return a muscle's name in lower case without side and running number, and "left", "right" or ""."""
    found = re.fullmatch(r"(?:([lr])_)?(.*?)\d*(?:_([lr]))?", name.lower())
    assert found is not None  # every text fits
    return found[2], SIDES.get(found[1] or found[3], "")


def fits(plain: str, patterns: Sequence[str]) -> bool:
    """Return whether a name without side fits one of the patterns."""
    return any(fnmatchcase(plain, pattern) for pattern in patterns)
