"""Windows of poses that stay from batch to batch, and poses put together."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from musclegym.motion.features import Pose, StateLayout


class PosePool(nn.Module):
    """Windows of a number of rollouts; they are buffers, and so part of a run's checkpoint."""

    def __init__(self, layout: StateLayout, count: int, length: int) -> None:
        """Hold `count` windows of `length` frames, which mean nothing yet."""
        super().__init__()
        example = layout.pose(torch.zeros(count, length, layout.n_state))
        for name, part in zip(Pose._fields, example, strict=True):
            self.register_buffer(name, torch.zeros_like(part))

    @property
    def poses(self) -> Pose:
        """All windows, leading axes (rollout, frame)."""
        return Pose(*(getattr(self, name) for name in Pose._fields))

    def keep(self, chosen: Tensor, windows: Pose) -> None:
        """Take other windows (count, frame) for the rollouts of these numbers (count,)."""
        for name, value in zip(Pose._fields, windows, strict=True):
            getattr(self, name)[chosen] = value.detach()


def joined(poses: Sequence[Pose], dim: int) -> Pose:
    """Return poses as one, next to each other along a leading axis: 0 for samples, 1 for frames."""
    return Pose(*(torch.cat(parts, dim=dim) for parts in zip(*poses, strict=True)))
