"""Predictions that need no learning; a prior is judged by what it adds to them."""

import torch
from torch import Tensor

from musclegym.motion.features import StateLayout


class ConstantVelocity:
    """Baseline that goes on with the last velocity, kept constant in the body's own frames."""

    def __init__(self, layout: StateLayout, fps: float) -> None:
        self.layout, self.fps = layout, fps

    def roll_out(self, context: Tensor, steps: int) -> Tensor:
        """Return the states (batch, steps, 2 dof) that follow; only the last frame of `context` matters."""
        pose, states = self.layout.pose(context[:, -1]), []
        change = torch.cat([pose.velocity / self.fps, torch.zeros_like(pose.velocity)], dim=-1)
        for _ in range(steps):
            pose = self.layout.advance(pose, change)
            states.append(self.layout.state(pose))
        return torch.stack(states, dim=1)


class ZeroVelocity:
    """Baseline that repeats the last state: doing nothing."""

    def roll_out(self, context: Tensor, steps: int) -> Tensor:
        """Return the last states of `context`, `steps` times."""
        return context[:, -1:].expand(-1, steps, -1)
