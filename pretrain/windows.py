"""Windows of a motion library as poses for torch: those of a step, and places that rollouts go on from."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from musclegym.motion.augment import Change, mirrored
from musclegym.motion.features import Pose, StateLayout
from musclegym.motion.motion import Motion
from musclegym.motion.windows import Places, WindowSampler
from musclegym.rotation import Array

PLACE = 2 + len(Change._fields)
"""Numbers that say where a sample begins and how it is changed."""


def states_of(motion: Motion, frames: int = 0) -> Array:
    """Return a motion as states [q, qd], shape (frame, 2 dof).

    Args:
        motion: sampled at the rate of the states.
        frames: a cyclic motion goes on until it has as many.
    """
    if not motion.cyclic or frames <= len(motion.q):
        return np.concatenate([motion.q, motion.qd], axis=1)
    q, qd = motion.at(np.arange(frames) / motion.fps)
    return np.concatenate([q, qd], axis=1)


class Windows:
    """What training reads of a library. Frames are read when they are asked for, and never kept."""

    def __init__(self, sampler: WindowSampler) -> None:
        """Read what `sampler` draws."""
        self.sampler = sampler
        self.layout = StateLayout.of(sampler.source.skeleton)
        self.fps = sampler.source.fps
        self.device = torch.device("cpu")
        """Where poses are put; places and numbers of frames stay where they are."""

    @property
    def length(self) -> int:
        """Frames of a window."""
        return self.sampler.longest

    def draw(self, step: int) -> Tensor:
        """Return where the windows of a step begin and how they are changed, shape (batch, PLACE)."""
        places, _ = self.sampler.places(step)
        columns = [places.clip, places.time, *places.change]
        return torch.from_numpy(np.stack(columns, axis=1).astype(np.float64))

    def poses(self, places: Tensor, first: Tensor, length: int) -> Pose:
        """Return successive poses of samples, leading axes (sample, frame).

        After the end of a clip that does not repeat, its last pose stays.

        Args:
            places: rows of `draw`, shape (sample, PLACE).
            first: number of the first frame wanted, from where the sample begins, shape (sample,).
            length: how many frames.
        """
        states = self.sampler.source.read(unpacked(places), first.cpu().numpy(), length)
        return self.layout.pose(torch.from_numpy(states).to(self.device))

    def has(self, places: Tensor, frame: Tensor) -> Tensor:
        """Return whether samples have their frame number `frame`, shape (sample,)."""
        there = self.sampler.source.has(unpacked(places), frame.cpu().numpy())
        return torch.from_numpy(there).to(frame.device)

    def known(self, places: Tensor, first: int, length: int) -> Tensor:
        """Return whether samples have each of their frames from number `first` on, shape (sample, length)."""
        frames = torch.arange(first, first + length).repeat(len(places))
        return self.has(places.repeat_interleave(length, dim=0), frames).view(len(places), length)

    def clips(self) -> Iterator[Array]:
        """Yield the states of every clip (frame, 2 dof), and of its mirror image where that is drawn too."""
        source = self.sampler.source
        for clip in self.sampler.chosen:
            start, frames = source.clips.start[clip], source.clips.frames[clip]
            states = source.frames.rows[start : start + frames].astype(np.float64)
            source.frames.used(states.nbytes // 2)
            yield states
            if self.sampler.augmentation.mirror:
                yield mirrored(source.skeleton, states)


def unpacked(places: Tensor) -> Places:
    """Return the places that rows of numbers (sample, PLACE) stand for."""
    clip, time, mirror, *others = (np.ascontiguousarray(column) for column in places.cpu().numpy().T)
    return Places(clip.astype(np.int64), time, Change(mirror.astype(np.int64), *others))
