"""Means over a rollout of what its steps tell, gathered in arrays over all members."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from musclegym.policies.adapter import Flags, LastStep

RECENT = 100
"""How many ended episodes the means over episodes go back."""


class Kept(NamedTuple):
    """A number of all members at one step."""

    values: npt.NDArray[Any]  # (member,)
    mask: Flags  # (member,) who has it
    others: Flags  # (member,) whose number is none of this step


class RolloutNumbers:
    """Keeps the numbers of every step, and the lengths of episodes.

    Steps only keep references, since a step waits for this; the means are taken once per rollout.
    """

    def __init__(self, members: int, limit: int | None) -> None:
        """Begin with nothing.

        Args:
            members: environments that step in lockstep.
            limit: control steps of a full episode; None for no limit.
        """
        self._limit = limit
        self._length = np.zeros(members, dtype=np.int64)
        self._kept: dict[str, list[Kept]] = defaultdict(list)
        self.recent: deque[tuple[float, float]] = deque(maxlen=RECENT)  # steps and coverage of an episode

    def begin_anew(self) -> None:
        """All members start episodes; those that ran are not counted."""
        self._length[:] = 0

    def add(self, step: LastStep) -> None:
        """Count a step of all members, whose arrays must not change any more."""
        dones = step.terminated | step.truncated
        for name, values, mask in numbers(step.infos):
            self._kept[name].append(Kept(values, mask, dones))
        for name, values, mask in numbers(step.infos.get("final_info", {})):
            self._kept[name].append(Kept(values, mask, ~dones))
        self._length += 1
        for index in np.flatnonzero(dones).tolist():
            length = int(self._length[index])
            whole = self._limit is None or not step.terminated[index]
            self.recent.append((float(length), 1.0 if whole else length / (self._limit or length)))
        self._length[dones] = 0

    def take(self) -> dict[str, float]:
        """Return the means since the last call: reward/NAME for the reward's terms, else info/NAME."""
        means = {}
        for name, kept in self._kept.items():
            values, mask, others = (np.concatenate(arrays) for arrays in zip(*kept, strict=True))
            counted = values[mask & ~others]
            if counted.size:
                means[name] = float(counted.mean())
        self._kept.clear()
        means["reward_per_step"] = sum(value for name, value in means.items() if name.startswith("reward/"))
        if self.recent:
            means["episode_steps"], means["coverage"] = np.mean(self.recent, axis=0).tolist()
        return means

    @property
    def coverage(self) -> float | None:
        """Mean share of the time limit that recent episodes reached; None before the first has ended."""
        return float(np.mean([coverage for _, coverage in self.recent])) if self.recent else None


def numbers(infos: Mapping[str, Any]) -> Iterator[tuple[str, npt.NDArray[Any], Flags]]:
    """Give name, values (member,) and mask (member,) of every number in vector infos."""
    for name, values, mask in plain_numbers(infos):
        yield f"info/{name}", values, mask
    for name, values, mask in plain_numbers(infos.get("reward_terms", {})):
        yield f"reward/{name}", values, mask


def plain_numbers(infos: Mapping[str, Any]) -> Iterator[tuple[str, npt.NDArray[Any], Flags]]:
    """Give the numbers of vector infos under their own names."""
    for name, values in infos.items():
        mask = infos.get(f"_{name}")
        if (
            mask is not None
            and isinstance(values, np.ndarray)
            and values.ndim == 1
            and values.dtype != object
        ):
            yield name, values, mask
