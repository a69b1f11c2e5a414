"""Infos of several members as Gymnasium's vector environments return them: a dict of arrays and masks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Infos = dict[str, Any]
"""Array (member, ...) by name, or such a dict; `_NAME` is the mask (member,) of those that have it."""
Path = tuple[str, ...]


def stack(infos: Mapping[int, Mapping[str, Any]], count: int) -> Infos:
    """Return infos by member index, each a dict, as vector infos of `count` members.

    As `gymnasium.vector.SyncVectorEnv` does it: what a member lacks is zero, or None among objects, and the
    type of an array is that of the first member's value.
    """
    result: Infos = {}
    for name in dict.fromkeys(name for info in infos.values() for name in info):
        having = [index for index, info in infos.items() if name in info]
        values = [infos[index][name] for index in having]
        mask = np.zeros(count, dtype=np.bool_)
        mask[having] = True
        result[name] = column(name, values, having, count)
        result[f"_{name}"] = mask
    return result


def column(name: str, values: Sequence[Any], having: Sequence[int], count: int) -> Any:
    """Return the values of the members `having` them as one array of `count` members, or dict of arrays."""
    first = values[0]
    if isinstance(first, Mapping):
        return stack(dict(zip(having, values, strict=True)), count)
    array: npt.NDArray[Any]
    if name == "final_obs" or not isinstance(first, bool | int | float | np.generic | np.ndarray):
        array = np.full(count, None, dtype=object)
        for index, value in zip(having, values, strict=True):
            array[index] = value
        return array
    array = np.zeros((count, *np.shape(first)), dtype=getattr(first, "dtype", type(first)))
    array[having] = values
    return array


def join(parts: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> Infos:
    """Return the vector infos of groups of `counts` members, one group after the other, as one copy."""
    result: Infos = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        first = next(part[name] for part in parts if name in part)
        if isinstance(first, Mapping):
            result[name] = join([part.get(name, {}) for part in parts], counts)
            continue
        pieces = [
            part[name] if name in part else lacking(first, count)
            for part, count in zip(parts, counts, strict=True)
        ]
        result[name] = np.concatenate(pieces, dtype=first.dtype, casting="unsafe")
    return result


def lacking(like: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """Return the rows of `count` members that lack what others have in an array such as `like`."""
    return np.full((count, *like.shape[1:]), None if like.dtype == object else 0, dtype=like.dtype)


def leaves(infos: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, npt.NDArray[Any]]]:
    """Give each array of vector infos with its path of names."""
    for name, value in infos.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def nested(arrays: Mapping[Path, npt.NDArray[Any]]) -> Infos:
    """Return the vector infos whose `leaves` these are."""
    result: Infos = {}
    for path, array in arrays.items():
        place = result
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = array
    return result
