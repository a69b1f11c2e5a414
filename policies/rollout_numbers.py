"""Means over a rollout of what its steps tell, gathered in arrays over all members."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from musclegym.policies.adapter import Flags, LastStep

RECENT = 100
"""How many ended episodes the means over episodes go back."""


class RolloutNumbers:
    """Sums the numbers of every step, and the lengths of episodes."""

    def __init__(self, members: int, limit: int | None) -> None:
        """Begin with nothing.

        Args:
            members: environments that step in lockstep.
            limit: control steps of a full episode; None for no limit.
        """
        self._limit = limit
        self._length = np.zeros(members, dtype=np.int64)
        self._sum: dict[str, float] = {}
        self._count: dict[str, int] = {}
        self.recent: deque[tuple[float, float]] = deque(maxlen=RECENT)  # steps and coverage of an episode

    def begin_anew(self) -> None:
        """All members start episodes; those that ran are not counted."""
        self._length[:] = 0

    def add(self, step: LastStep) -> None:
        """Count a step of all members."""
        dones = step.terminated | step.truncated
        for name, values, mask in numbers(step.infos):
            self._add(name, values, mask & ~dones)
        for name, values, mask in numbers(step.infos.get("final_info", {})):
            self._add(name, values, mask)
        self._length += 1
        for index in np.flatnonzero(dones).tolist():
            length = int(self._length[index])
            whole = self._limit is None or not step.terminated[index]
            self.recent.append((float(length), 1.0 if whole else length / (self._limit or length)))
        self._length[dones] = 0

    def _add(self, name: str, values: npt.NDArray[Any], mask: Flags) -> None:
        self._sum[name] = self._sum.get(name, 0.0) + float(values[mask].sum())
        self._count[name] = self._count.get(name, 0) + int(np.count_nonzero(mask))

    def take(self) -> dict[str, float]:
        """Return the means since the last call: reward/NAME for the reward's terms, else info/NAME."""
        means = {name: self._sum[name] / count for name, count in self._count.items() if count}
        self._sum.clear()
        self._count.clear()
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
