"""Named loss terms of next-state prediction, each without its weight.

Errors are measured in the tangent space of the state and divided by the size of one frame's change, block by
block (root rotation, root displacement, ball joints, hinges), so that 0 is perfect and doing nothing scores
1.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from musclegym.motion.features import Pose, StateLayout
from musclegym.pretrain.chains import ChainConfig, Chains
from musclegym.pretrain.next_state import NextStateModel
from musclegym.pretrain.windows import Windows
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
    """Squared error of the next positions after fed-back predictions."""

    rollout_velocity: float = 0.1
    """Squared error of the next velocities after fed-back predictions."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """What batches are made of."""

    batch: int = 64
    """Windows per step."""

    rollout_share: float = 0.5
    """Share of the batch that comes from rollouts of the model itself instead of true motion."""

    noise: float = 0.2
    """Noise on the true states that the network sees, as a share of what changes in a frame."""

    chains: Annotated[ChainConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=ChainConfig)
    """How those rollouts are kept going."""

    def __post_init__(self) -> None:
        """Check the shares, and that there are enough rollouts for a batch."""
        if self.batch < 1 or not 0 <= self.rollout_share <= 1 or self.noise < 0:
            raise ValueError(
                f"batch must be positive, rollout_share in [0, 1] and noise not negative, but they are "
                f"{self.batch}, {self.rollout_share} and {self.noise}; use e.g. 64, 0.5 and 0.2"
            )
        if self.chains.pool < self.rollout_share * self.batch:
            raise ValueError(
                f"pool must hold the rollouts of a batch, but {self.chains.pool} < {self.rollout_share} x "
                f"{self.batch}; use e.g. pool={4 * self.batch}"
            )


class NextStateObjective(nn.Module):
    """Draws batches of true windows with noise and of chains, and measures the loss terms on them."""

    step: Tensor

    def __init__(self, windows: Windows, config: ObjectiveConfig) -> None:
        """Prepare to draw.

        Args:
            windows: true motion, `config.batch` windows a step, one frame longer than the model looks back.
            config: what batches are made of.
        """
        super().__init__()
        self.layout, self.windows, self.config = windows.layout, windows, config
        self.scale = frame_change(windows.layout, windows.clips())
        self.chains = Chains(windows, self.scale, config.chains)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(
        self, model: NextStateModel, generator: torch.Generator, progress: float
    ) -> dict[str, Tensor]:
        """Return the terms of one batch."""
        layout, n, config = self.layout, self.layout.n_dofs, self.config
        chained = round(config.rollout_share * config.batch)
        fresh = config.batch - chained
        places = self.windows.draw(int(self.step))
        self.step += 1
        true = self.windows.poses(places[:fresh], torch.zeros(fresh, dtype=torch.int64), self.windows.length)
        shape = fresh, self.windows.length - 1, layout.n_state
        noise = config.noise * self.scale * torch.randn(shape, generator=generator)
        seen = layout.advance(true.at((slice(None), slice(-1))), noise)
        wanted = true.at((slice(None), slice(1, None)))
        chosen, visited, following = self.chains.visit(places[fresh:], generator)
        seen, wanted = joined(seen, visited), joined(wanted, following)
        predicted = model.changes(seen)
        square = ((predicted - layout.difference(seen, wanted)) / self.scale) ** 2
        second = (predicted[:, 1:, :n] - predicted[:, :-1, :n]) / self.scale[:n]
        if chained:
            last = (slice(fresh, None), -1)
            reached = model.changed(seen.at(last), predicted[last].detach())
            self.chains.advance(chosen, visited, reached)
        parts = {"": square[:fresh], "rollout_": square[fresh:]}
        terms = {f"{name}position": part[..., :n].mean() for name, part in parts.items() if len(part)}
        terms |= {f"{name}velocity": part[..., n:].mean() for name, part in parts.items() if len(part)}
        return terms | {"smoothness": (second**2).mean()}


def joined(first: Pose, second: Pose) -> Pose:
    """Return two batches of poses as one."""
    return Pose(*(torch.cat(parts) for parts in zip(first, second, strict=True)))


def frame_change(layout: StateLayout, motions: Iterable[Array]) -> Tensor:
    """Return the root mean square change of a frame, shape (2 dof,), the same within each block of DoFs."""
    square, count = np.zeros(layout.n_state), 0
    for pose in (layout.pose(states) for states in motions):
        change = layout.difference(pose.at(slice(-1)), pose.at(slice(1, None)))
        square += (change**2).sum(axis=0)
        count += len(change)
    scale = np.ones(layout.n_state)
    for block in (block for block in layout.dof_blocks.values() if block.size):
        for columns in (block, block + layout.n_dofs):
            scale[columns] = np.sqrt(square[columns].mean() / count) + 1e-6
    return torch.as_tensor(scale, dtype=torch.float32)
