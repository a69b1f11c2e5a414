"""Dividing the clips of a library into training, validation and test.

Clips that belong together stay together: those of one subject (unless the division is by clip), those of
one recording, and those that share motion (`musclegym.motion.duplicates`), also by way of a third. Of these
groups each split gets its share of the seconds of every activity, as nearly as whole groups allow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from musclegym.motion.duplicates import find_twins
from musclegym.motion.library_files import ClipRecord, SavedClips
from musclegym.rotation import Array, IntArray
from musclegym.skeleton import Skeleton

SPLITS = ("train", "val", "test")
ROUNDS = 20  # times that all groups are tried in all splits; a few are enough


@dataclass(frozen=True)
class SplitConfig:
    """How clips are divided."""

    by: Literal["subject", "clip"] = "subject"
    """What no two splits share: a subject (an actor, where known) and a recording, or just a recording."""

    train: float = 0.8
    """Share of the seconds of every activity that is trained on."""

    val: float = 0.1
    """Share that choices are made by during development."""

    test: float = 0.1
    """Share that is looked at last."""

    seed: int = 0
    """Seed of the order in which groups of equal length are given out."""

    def __post_init__(self) -> None:
        """Check the shares."""
        if min(self.shares) < 0 or abs(sum(self.shares) - 1.0) > 1e-9:
            raise ValueError(
                f"the shares train, val and test must not be negative and add up to 1, but they are "
                f"{self.train}, {self.val} and {self.test}; use e.g. 0.8, 0.1 and 0.1"
            )

    @property
    def shares(self) -> tuple[float, float, float]:
        """Shares of training, validation and test."""
        return self.train, self.val, self.test


def make_splits(saved: SavedClips, skeleton: Skeleton, fps: float, config: SplitConfig) -> dict[str, Any]:
    """Divide clips.

    Args:
        saved: the clips.
        skeleton: whose motion they are.
        fps: their rate [1/s].
        config: shares, and what stays together.

    Returns:
        What splits.json holds: the settings; `splits`, split -> sources; `seconds`, activity -> split ->
        seconds; `groups`, how many there are; and `twins`, pairs of sources that share motion.
    """
    twins = find_twins(saved, skeleton, fps)
    group = groups_of(saved.records, twins, config.by)
    activities = sorted({record.labels.activity for record in saved.records})
    seconds = np.zeros((group.max() + 1, len(activities)))
    for number, record in zip(group, saved.records, strict=True):
        seconds[number, activities.index(record.labels.activity)] += record.frames / fps
    split = assign(seconds, np.array(config.shares), config.seed)[group]
    named: dict[str, list[str]] = {name: [] for name in SPLITS}
    sums = {name: dict.fromkeys(activities, 0.0) for name in SPLITS}
    for record, at in zip(saved.records, split, strict=True):
        named[SPLITS[at]].append(record.source)
        sums[SPLITS[at]][record.labels.activity] += record.frames / fps
    pairs = [[saved.records[first].source, saved.records[second].source] for first, second in twins]
    return {**asdict(config), "groups": len(seconds), "splits": named, "seconds": sums, "twins": pairs}


def groups_of(records: Sequence[ClipRecord], twins: Sequence[tuple[int, int]], by: str) -> IntArray:
    """Return the number of each clip's group, shape (clip,); groups are numbered by their first clips."""
    leader = list(range(len(records)))

    def lead(clip: int) -> int:
        while leader[clip] != clip:
            clip = leader[clip]
        return clip

    def join(first: int, second: int) -> None:
        low, high = sorted((lead(first), lead(second)))
        leader[high] = low

    first_with: dict[tuple[str, str], int] = {}
    for clip, record in enumerate(records):
        marks = [("recording", record.labels.recording)]
        if by == "subject" and record.labels.subject:
            marks.append(("subject", record.labels.subject))
        for mark in marks:
            join(first_with.setdefault(mark, clip), clip)
    for first, second in twins:
        join(first, second)
    return np.unique([lead(clip) for clip in range(len(records))], return_inverse=True)[1].astype(np.int64)


def assign(seconds: Array, shares: Array, seed: int) -> IntArray:
    """Return the split of each group, shape (group,).

    Groups are given out by length, the longest first, and then moved from split to split, alone or in
    exchange, as long as that brings the shares nearer to what is wanted.

    Args:
        seconds: of each group in each activity, shape (group, activity) [s].
        shares: wanted of each split, shape (split,).
        seed: of the order among groups of equal length.
    """
    # The whole library counts like one more activity, and as much as all of them.
    columns = np.concatenate([seconds, seconds.sum(axis=1, keepdims=True)], axis=1)
    weight = np.sqrt(np.append(np.ones(seconds.shape[1]), seconds.shape[1]))
    columns = weight * columns / np.maximum(columns.sum(axis=0), 1e-9)
    goal = shares[:, None] * weight
    order = np.random.default_rng(seed).permutation(len(columns))
    order = order[np.argsort(-columns[order, -1], kind="stable")]
    split = np.zeros(len(columns), dtype=np.int64)
    given = np.zeros((len(shares), columns.shape[1]))
    for group in order:
        split[group] = best_split(given, columns[group], goal)
        given[split[group]] += columns[group]
    for _ in range(ROUNDS):
        before = split.copy()
        for group in order:
            given[split[group]] -= columns[group]
            split[group] = best_split(given, columns[group], goal)
            given[split[group]] += columns[group]
        if np.array_equal(before, split):
            break
    return split


def best_split(given: Array, more: Array, goal: Array) -> int:
    """Return the split that brings `given` (split, column) nearest to the goal by `more` (column,)."""
    # |given + more - goal|^2 of one split, less |given - goal|^2: the rest does not change.
    return int(np.argmin((more * (more + 2.0 * (given - goal))).sum(axis=1)))


def shared_between(splits: Mapping[str, Sequence[str]], records: Sequence[ClipRecord], by: str) -> list[str]:
    """Return what two splits share and should not: sources, recordings and, if `by` says so, subjects."""
    split_of = {source: name for name, sources in splits.items() for source in sources}
    seen: dict[tuple[str, str], str] = {}
    out = []
    for record in records:
        marks = [("source", record.source), ("recording", record.labels.recording)]
        if by == "subject" and record.labels.subject:
            marks.append(("subject", record.labels.subject))
        for mark in marks:
            first = seen.setdefault(mark, split_of[record.source])
            if first != split_of[record.source]:
                out.append(f"{mark[0]} {mark[1]} is in {first} and in {split_of[record.source]}")
    return sorted(set(out))
