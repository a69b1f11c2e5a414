"""Predictions that need no learning; a prior is judged by what it adds to them."""

import torch
from torch import Tensor

from musclegym.motion.features import StateLayout


class ConstantVelocity:
    """Baseline that goes on with the last velocity, kept constant in the body's own frames."""

    def __init__(self, layout: StateLayout, fps: float) -> None:
        self.layout, self.fps = layout, fps

    def predict(self, window: Tensor) -> Tensor:
        """Return the next states (batch, 2 dof); only the last frame of `window` matters."""
        pose = self.layout.pose(window[:, -1])
        change = torch.cat([pose.velocity / self.fps, torch.zeros_like(pose.velocity)], dim=-1)
        return self.layout.state(self.layout.advance(pose, change))


class ZeroVelocity:
    """Baseline that repeats the last state: doing nothing."""

    def predict(self, window: Tensor) -> Tensor:
        """Return the last states (batch, 2 dof) of `window`."""
        return window[:, -1]
