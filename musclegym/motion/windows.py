"""Windows of motion, drawn at random from a library: what sequence models are trained on.

What a step draws is a function of the seed and the step alone: nothing is to be saved to go on after an
interruption, and processes that share the work need not talk. All windows are gone through once before one is
drawn again, each time in another order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from musclegym.motion.augment import NONE, SWING, Augmentation, Change, change_of, mirror_maps
from musclegym.motion.curriculum import Curriculum, Phase
from musclegym.motion.library_files import ClipRecord, FrameFile
from musclegym.motion.window_kernels import (
    UNIFORMS,
    Array32,
    ClipArrays,
    Symmetry,
    clip_time,
    draw_slots,
    gather,
)
from musclegym.rotation import Array, IntArray
from musclegym.skeleton import Skeleton


class Places(NamedTuple):
    """Where samples begin, and how they are changed."""

    clip: IntArray  # (n,) number of the clip in the library
    time: Array  # (n,) where in its clip the sample begins; between two frames where time is changed [frames]
    change: Change  # what is done to the sample


@dataclass(frozen=True)
class Shard:
    """Which part of every step's batch a process draws."""

    rank: int = 0
    """Number of the training process."""
    ranks: int = 1
    """How many there are."""
    worker: int = 0
    """Number of the loader within that process."""
    workers: int = 1
    """How many there are in each."""

    def __post_init__(self) -> None:
        """Check that the numbers are below their counts."""
        if not (0 <= self.rank < self.ranks and 0 <= self.worker < self.workers):
            raise ValueError(
                f"rank must lie in [0, ranks) and worker in [0, workers), but they are {self.rank} of "
                f"{self.ranks} and {self.worker} of {self.workers}; the first is number 0"
            )

    @property
    def number(self) -> int:
        """Number of this part."""
        return self.rank * self.workers + self.worker

    @property
    def count(self) -> int:
        """How many parts there are."""
        return self.ranks * self.workers


class FrameSource:
    """The frames of a library's clips, read at any place and changed on the way."""

    def __init__(
        self, frames: FrameFile, records: Sequence[ClipRecord], skeleton: Skeleton, fps: float
    ) -> None:
        """Prepare the kernels' arrays.

        Args:
            frames: of all clips.
            records: the clips.
            skeleton: whose motion they are.
            fps: their rate [1/s].
        """
        self.frames, self.skeleton, self.fps = frames, skeleton, fps
        self.clips = ClipArrays(
            start=np.array([record.start for record in records], dtype=np.int64),
            frames=np.array([record.frames for record in records], dtype=np.int64),
            cyclic=np.array([record.cyclic for record in records], dtype=np.int64),
            heading=np.array([record.heading for record in records], dtype=np.float64),
            displacement=np.array([record.displacement for record in records], dtype=np.float64).reshape(
                -1, 3
            ),
        )
        self.symmetry = symmetry_of(skeleton)

    def read(self, places: Places, first: IntArray, length: int) -> Array32:
        """Return windows of states, shape (n, length, 2 dof).

        Args:
            places: n samples.
            first: number of the first frame wanted of each, from where it begins, shape (n,).
            length: how many frames.
        """
        out = np.empty((len(first), length, self.frames.rows.shape[1]), dtype=np.float32)
        tree = self.skeleton.tree
        gather(
            self.frames.rows,
            self.clips,
            places.clip,
            places.time,
            places.change,
            first,
            self.fps,
            tree,
            self.symmetry,
            out,
        )
        self.frames.used(out.nbytes, places=len(first))
        return out

    def has(self, places: Places, frame: IntArray) -> npt.NDArray[np.bool_]:
        """Return whether the samples have their frame number `frame`, shape (n,); cyclic clips have all."""
        change = places.change
        period = SWING * self.fps
        time = clip_time(places.time, change.speed, change.stretch, change.phase, frame.astype(float), period)
        clip = places.clip
        return (self.clips.cyclic[clip] > 0) | (time <= self.clips.frames[clip] - 1 + 1e-9)


@lru_cache(maxsize=8)
def symmetry_of(skeleton: Skeleton) -> Symmetry:
    """Return the symmetry of a skeleton for the kernels."""
    position, velocity = mirror_maps(skeleton)
    n = skeleton.n_dofs
    whole = np.zeros((2 * n, 2 * n))
    whole[:n, :n], whole[n:, n:] = position, velocity
    whole[np.abs(whole) < 1e-12] = 0.0
    row, column = np.nonzero(whole)
    return Symmetry(row, column, whole[row, column], np.ascontiguousarray(skeleton.joint_rotation[0][1]))


class Plan(NamedTuple):
    """Which windows a phase of training draws from, laid end to end on a line of `total` slots."""

    length: int  # frames of a window
    total: int  # windows there are
    clip: IntArray  # (clip,) those that are drawn from
    windows: IntArray  # (clip,) how many windows each has
    end: Array  # (clip,) where on the line each ends; its stretch is as long as it is likely


class WindowSampler:
    """Draws batches of windows from some clips of a library. No window crosses from one clip into another."""

    def __init__(
        self,
        source: FrameSource,
        records: Sequence[ClipRecord],
        clips: IntArray,
        length: int,
        batch: int,
        *,
        seed: int = 0,
        augmentation: Augmentation = NONE,
        weights: Mapping[str, float] | None = None,
        by_length: float = 1.0,
        curriculum: Curriculum | None = None,
        shard: Shard | None = None,
    ) -> None:
        """Prepare to draw.

        Args:
            source: where frames are read.
            records: all clips of the library.
            clips: numbers of those to draw from, such as a split's.
            length: frames of a window, the longest one where a curriculum shortens them.
            batch: windows that each call of `draw` returns.
            seed: of all draws.
            augmentation: how windows are changed.
            weights: activity -> how likely its windows are drawn, 1 where not named.
            by_length: power of a clip's number of windows to which it is drawn: 1, every window is as
                likely; 0, every clip is.
            curriculum: which activities and lengths are drawn when.
            shard: the part of every step's batch to draw; by default all of it.

        Raises:
            ValueError: if in some phase no clip is long enough, or none has a weight.
        """
        self.source, self.augmentation = source, augmentation
        self.records, self.chosen = records, np.asarray(clips, dtype=np.int64)
        self.longest, self.batch, self.seed = length, batch, seed
        self.weights, self.by_length = dict(weights or {}), by_length
        self.curriculum = curriculum or Curriculum(0, (Phase(),))
        self.shard = shard or Shard()
        self.plans = {id(phase): self.plan(phase) for phase in self.curriculum.phases}

    def __len__(self) -> int:
        """Number of different windows in the last phase."""
        return self.plans[id(self.curriculum.phases[-1])].total

    def plan(self, phase: Phase) -> Plan:
        """Lay out the windows of a phase."""
        length = phase.length(self.longest)
        frames, cyclic = (
            column[self.chosen] for column in (self.source.clips.frames, self.source.clips.cyclic)
        )
        windows = np.where(cyclic > 0, frames - 1, frames - length + 1)
        activities = [self.records[clip].labels.activity for clip in self.chosen]
        weight = np.array([phase.weight(a) * self.weights.get(a, 1.0) for a in activities])
        there = (windows > 0) & (weight > 0.0)
        if not there.any():
            raise ValueError(
                f"windows need {length} successive frames of an activity that has a weight, but of "
                f"{len(activities)} clips ({', '.join(sorted(set(activities))[:9])}) with at most "
                f"{frames.max(initial=0)} frames none has; give longer motions, a shorter window, or other "
                f"weights or phases"
            )
        windows, weight = windows[there], weight[there]
        likely = weight * windows.astype(np.float64) ** self.by_length
        end = np.cumsum(likely) * (windows.sum() / likely.sum())
        return Plan(length, int(windows.sum()), self.chosen[there], windows, end)

    def places(self, step: int) -> tuple[Places, int]:
        """Return where the samples of a step begin, and the length of their windows."""
        plan = self.plans[id(self.curriculum.at(step))]
        slots, uniform = np.empty(self.batch, dtype=np.int64), np.empty((self.batch, UNIFORMS))
        first = (step * self.shard.count + self.shard.number) * self.batch
        draw_slots(first, slots, uniform, plan.total, self.seed)
        change = change_of(self.augmentation, uniform)
        return placed(plan, slots, change, self.source), plan.length

    def draw(self, step: int) -> Array32:
        """Return the windows of a step, shape (batch, frame, 2 dof)."""
        places, length = self.places(step)
        return self.source.read(places, np.zeros(self.batch, dtype=np.int64), length)

    def batches(self, step: int = 0) -> Iterator[Array32]:
        """Yield the windows of a step and of all that follow, without end."""
        while True:
            yield self.draw(step)
            step += 1


def placed(plan: Plan, slots: IntArray, change: Change, source: FrameSource) -> Places:
    """Return where the samples of slots begin.

    Where time is changed, samples begin anywhere between the first frame and the last one from which the
    window still fits; if it fits from none, its time is left as it is.
    """
    # Slots are told by their middles. With equal chances, slot after slot is window after window.
    middle = slots + 0.5
    at = np.minimum(np.searchsorted(plan.end, middle, side="right"), len(plan.end) - 1)
    begin = np.where(at > 0, plan.end[at - 1], 0.0)
    windows = plan.windows[at]
    offset = np.floor((middle - begin) / (plan.end[at] - begin) * windows)
    offset = np.clip(offset, 0.0, windows - 1.0)
    clip = plan.clip[at]
    last = plan.length - 1.0
    covered = clip_time(
        0.0 * offset, change.speed, change.stretch, change.phase, last + 0.0 * offset, SWING * source.fps
    )
    room = source.clips.frames[clip] - 1.0 - covered
    cyclic = source.clips.cyclic[clip] > 0
    warped = ((change.speed != 1.0) | (change.stretch != 0.0)) & (cyclic | (room >= 0.0))
    change = change._replace(
        speed=np.where(warped, change.speed, 1.0), stretch=np.where(warped, change.stretch, 0.0)
    )
    inside = offset / np.maximum(windows - 1.0, 1.0) * np.maximum(room, 0.0)
    return Places(clip, np.where(warped & ~cyclic, inside, offset), change)
