"""Named loss terms of next-state prediction, each without its weight.

Errors are measured in the tangent space of the state and divided by the size of one frame's change, block by block (root
rotation, root displacement, ball joints, hinges), so that 0 is perfect and doing nothing scores 1.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from musclegym.motion.features import Pose, StateLayout
from musclegym.pretrain.motion_nn import MotionNN
from musclegym.rotation import Array


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss term."""

    position: float = 1.0
    """Squared error of the next positions."""

    velocity: float = 0.1
    """Squared error of the next velocities."""

    smoothness: float = 0.01
    """Squared second difference of the predicted positions."""

    rollout_position: float = 1.0
    """Squared error of positions when predictions are fed back."""

    rollout_velocity: float = 0.1
    """Squared error of velocities when predictions are fed back."""


class Losses:
    """Loss terms on one body, with the size of a frame's change in its training motions."""

    def __init__(self, layout: StateLayout, motions: list[Array]) -> None:
        """Measure how much positions and velocities of `motions` (frame, 2 dof) change in a frame."""
        self.layout = layout
        poses = [layout.pose(states) for states in motions]
        changes = [layout.difference(pose.at(slice(-1)), pose.at(slice(1, None))) for pose in poses]
        square = np.concatenate(changes) ** 2
        scale = np.ones(layout.n_state)
        for block in (block for block in layout.dof_blocks.values() if block.size):
            for columns in (block, block + layout.n_dofs):
                scale[columns] = np.sqrt(square[:, columns].mean()) + 1e-6
        self.scale = torch.as_tensor(scale, dtype=torch.float32)

    def next_state(self, model: MotionNN, poses: Pose, noise: Tensor) -> dict[str, Tensor]:
        """Return the terms of one-step prediction at every frame.

        Args:
            model: the network.
            poses: true motion, leading axes (batch, window + 1).
            noise: changes added to the frames that the network sees, shape (batch, window, 2 dof).

        Returns:
            `position`, `velocity` and `smoothness`.
        """
        n = self.layout.n_dofs
        seen = self.layout.advance(poses.at((slice(None), slice(-1))), noise)
        wanted = self.layout.difference(seen, poses.at((slice(None), slice(1, None))))
        predicted = model.changes(seen)
        error = (predicted - wanted) / self.scale
        second = (predicted[:, 1:, :n] - predicted[:, :-1, :n]) / self.scale[:n]
        return {
            "position": (error[..., :n] ** 2).mean(),
            "velocity": (error[..., n:] ** 2).mean(),
            "smoothness": (second**2).mean(),
        }

    def rollout(self, model: MotionNN, poses: Pose, noise: Tensor, steps: int) -> dict[str, Tensor]:
        """Return the terms of predictions that are fed back `steps` times.

        Gradients flow through the whole chain. The error after k steps is divided by k changes.

        Args:
            model: the network.
            poses: true motion, leading axes (batch, context + steps).
            noise: changes added to the context, shape (batch, context, 2 dof).
            steps: predictions to make.

        Returns:
            `rollout_position` and `rollout_velocity`.
        """
        n, context = self.layout.n_dofs, poses.velocity.shape[1] - steps
        seen = self.layout.advance(poses.at((slice(None), slice(context))), noise)
        squares = []
        for step in range(steps):
            following = model.next_pose(seen.at((slice(None), slice(-model.window, None))))
            seen = Pose(
                *(torch.cat([old, new[:, None]], dim=1) for old, new in zip(seen, following, strict=True))
            )
            error = self.layout.difference(following, poses.at((slice(None), context + step))) / self.scale
            squares.append(error**2 / (step + 1) ** 2)
        square = torch.stack(squares)
        return {"rollout_position": square[..., :n].mean(), "rollout_velocity": square[..., n:].mean()}
