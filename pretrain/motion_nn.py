"""MotionNN: a causal transformer that predicts the next state of a motion from the states so far.

It sees heading-invariant features (`musclegym.motion.features`) and predicts how positions and velocities
change, in the body's own frames, as a correction to going on at constant velocity. Turning or shifting the
world therefore turns or shifts the prediction, and a network that has learned nothing predicts constant
velocity.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from musclegym.motion.features import Pose, StateLayout
from musclegym.pretrain.transformer import Block

FEATURE_LIMIT = 8.0
"""Normalised features are clipped here, so that a falling body stays within reach of the data."""
VELOCITY_MARGIN = 1.25
"""Predicted velocities stay below this multiple of the fastest in the training data."""


class Prior(Protocol):
    """Anything that predicts the next state of a motion: MotionNN and its baselines."""

    def predict(self, window: Tensor) -> Tensor:
        """Return the states (batch, 2 dof) after windows of states (batch, frame, 2 dof), oldest first."""
        ...


@dataclass(frozen=True)
class MotionNNConfig:
    """Size of a MotionNN."""

    width: int = 128
    """Numbers per frame inside the network, and in what `encode` returns; a multiple of 2 x heads."""

    depth: int = 4
    """Transformer layers."""

    heads: int = 4
    """Attention heads per layer."""

    window: int = 8
    """Most frames that the network looks back on."""

    def __post_init__(self) -> None:
        """Check that heads and rotary pairs fit into the width."""
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width must be a multiple of 2 x heads, but {self.width} % {2 * self.heads} = "
                f"{self.width % (2 * self.heads)}; for heads={self.heads} use e.g. "
                f"width={2 * self.heads * max(1, round(self.width / (2 * self.heads)))}"
            )
        if min(self.depth, self.window) < 1:
            raise ValueError(
                f"depth and window must be at least 1, but they are {self.depth} and {self.window}; use e.g. "
                f"4 and 8"
            )


class MotionNN(nn.Module):
    """Next-state transformer over windows of states sampled at `fps`."""

    feature_mean: Tensor
    feature_scale: Tensor
    change_scale: Tensor
    velocity_limit: Tensor

    def __init__(self, layout: StateLayout, config: MotionNNConfig, fps: float) -> None:
        """Build an untrained network that predicts constant velocity.

        Args:
            layout: order of the numbers of a state.
            config: sizes.
            fps: frames per second of the windows.
        """
        super().__init__()
        self.layout, self.config, self.fps = layout, config, fps
        self.register_buffer("feature_mean", torch.zeros(layout.n_features))
        self.register_buffer("feature_scale", torch.ones(layout.n_features))
        self.register_buffer("change_scale", torch.ones(layout.n_state))
        self.register_buffer("velocity_limit", torch.full((layout.n_dofs,), 6e4))
        self.embed = nn.Linear(layout.n_features, config.width)
        blocks = [Block(config.width, config.heads, config.window) for _ in range(config.depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.RMSNorm(config.width)
        self.head = nn.Linear(config.width, layout.n_state)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def window(self) -> int:
        """Most frames that the network looks back on."""
        return self.config.window

    def set_statistics(self, statistics: Mapping[str, Tensor]) -> None:
        """Store what `statistics_of` measured; it is saved with the weights."""
        for name, value in statistics.items():
            getattr(self, name).copy_(value)

    def hidden(self, features: Tensor) -> Tensor:
        """Return hidden states (batch, frame, width) from features (batch, frame, feature).

        Raises:
            ValueError: if there are more frames than the window holds.
        """
        if features.shape[-2] > self.window:
            raise ValueError(
                f"a window holds at most {self.window} frames, but {features.shape[-2]} were given; pass the "
                f"last {self.window}"
            )
        normal = (features - self.feature_mean) / self.feature_scale
        hidden = self.embed(normal.clamp(-FEATURE_LIMIT, FEATURE_LIMIT))
        for block in self.blocks:
            hidden = block(hidden)
        return self.norm(hidden)

    def changes(self, poses: Pose) -> Tensor:
        """Return the predicted change to the next frame (batch, frame, 2 dof) at every frame of `poses`.

        Only the correction to constant velocity is learned. Layout as in `StateLayout.difference`.
        """
        correction = self.change_scale * self.head(self.hidden(self.layout.features(poses)))
        steady = torch.cat([poses.velocity / self.fps, torch.zeros_like(poses.velocity)], dim=-1)
        return steady + correction

    def changed(self, poses: Pose, changes: Tensor) -> Pose:
        """Return `poses` after predicted `changes` (..., 2 dof), with velocities kept in the data's range."""
        reached = self.layout.advance(poses, changes)
        return reached._replace(velocity=reached.velocity.clamp(-self.velocity_limit, self.velocity_limit))

    def next_pose(self, poses: Pose) -> Pose:
        """Return the pose after the last frame of `poses` (batch, frame)."""
        last = (slice(None), -1)
        return self.changed(poses.at(last), self.changes(poses)[last])

    def encode(self, window: Tensor) -> Tensor:
        """Return features (batch, width) of windows (batch, frame, 2 dof): the part that policies freeze."""
        return self.hidden(self.layout.features(self.layout.pose(window)))[:, -1]

    def predict(self, window: Tensor) -> Tensor:
        """Return the states (batch, 2 dof) after windows of states (batch, frame, 2 dof), oldest first."""
        return self.layout.state(self.next_pose(self.layout.pose(window)))


def statistics_of(layout: StateLayout, motions: Iterable[np.ndarray], fps: float) -> dict[str, Tensor]:
    """Measure the normalisation of a MotionNN on motions.

    Scales have a floor at a tenth of their block's mean, so that a joint which hardly moves does not turn
    noise into signal.

    Args:
        layout: order of the numbers of a state.
        motions: states of each clip, shape (frame, 2 dof); one is in memory at a time.
        fps: frames per second.

    Returns:
        `feature_mean`, `feature_scale` (feature,); `change_scale` (2 dof,), the root mean square of what
        constant velocity misses in one step; and `velocity_limit` (dof,).
    """
    n, frames, steps = layout.n_dofs, 0, 0
    total, squares = np.zeros(layout.n_features), np.zeros(layout.n_features)
    missed, fastest = np.zeros(layout.n_state), np.zeros(n)
    for states in motions:
        pose, velocity = layout.pose(states), states[:, n:]
        features = layout.features(pose)
        change = layout.difference(pose.at(slice(-1)), pose.at(slice(1, None)))
        change[:, :n] -= velocity[:-1] / fps
        total += features.sum(axis=0)
        squares += (features**2).sum(axis=0)
        missed += (change**2).sum(axis=0)
        fastest = np.maximum(fastest, np.abs(velocity).max(axis=0))
        frames, steps = frames + len(states), steps + len(change)
    mean = total / frames
    deviation = np.sqrt(np.maximum(squares / frames - mean**2, 0.0))
    feature_blocks = [np.arange(start, stop) for _, start, stop in layout.feature_blocks]
    positions = list(layout.dof_blocks.values())
    change_blocks = positions + [layout.n_dofs + block for block in positions]
    return {
        "velocity_limit": VELOCITY_MARGIN * _floored(fastest, positions),
        "feature_mean": torch.as_tensor(mean, dtype=torch.float32),
        "feature_scale": _floored(deviation, feature_blocks),
        "change_scale": _floored(np.sqrt(missed / steps), change_blocks),
    }


def _floored(scale: np.ndarray, blocks: list[np.ndarray]) -> Tensor:
    """Return `scale` raised, block by block, to at least a tenth of the block's root mean square."""
    scale = scale.copy()
    for block in (block for block in blocks if block.size):
        scale[block] = np.maximum(scale[block], max(0.1 * np.sqrt((scale[block] ** 2).mean()), 1e-6))
    return torch.as_tensor(scale, dtype=torch.float32)
