"""Windows of motion for training: runs of successive frames drawn at random from clips."""

import numpy as np
import torch
from torch import Tensor

from musclegym.motion.features import Pose, StateLayout
from musclegym.motion.motion import Motion
from musclegym.rotation import Array


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
    """All runs of `length` frames in a set of clips. No window crosses from one clip into another."""

    def __init__(self, layout: StateLayout, motions: list[Array], length: int) -> None:
        """Prepare the clips; those shorter than `length` have no window.

        Args:
            layout: order of the numbers of a state.
            motions: states of each clip, shape (frame, 2 dof).
            length: frames in a window.

        Raises:
            ValueError: if no clip is long enough.
        """
        longest = max((len(states) for states in motions), default=0)
        if longest < length:
            raise ValueError(
                f"windows need {length} successive frames, but the longest of {len(motions)} clips has "
                f"{longest}; give longer motions or a shorter window"
            )
        self.length = length
        poses = layout.pose(np.concatenate(motions))
        self.poses = Pose(*(torch.as_tensor(part, dtype=torch.float32) for part in poses))
        ends = np.cumsum([len(states) for states in motions])
        starts = [
            np.arange(end - len(states), end - length + 1) for states, end in zip(motions, ends, strict=True)
        ]
        self.starts = torch.as_tensor(np.concatenate(starts))
        self.last = torch.as_tensor(np.repeat(ends - 1, [len(states) for states in motions]))

    def __len__(self) -> int:
        """Number of different windows."""
        return len(self.starts)

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw windows with equal chances: their frames' numbers, shape (batch, length)."""
        chosen = self.starts[torch.randint(len(self.starts), (batch,), generator=generator)]
        return chosen[:, None] + torch.arange(self.length)
