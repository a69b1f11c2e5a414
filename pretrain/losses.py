"""Named loss terms of next-state prediction, each without its weight.

Every batch holds windows of true motion with noise, in which every next frame is predicted, and chains,
windows of the model's own predictions that it has to lead back (`musclegym.pretrain.chains`). Some batches
also hold rollouts over several frames with gradients: some from true windows, against what follows there
(`musclegym.pretrain.unrolled`), and free ones that are to stay alive (`musclegym.pretrain.free_running`).
Errors of a single frame are measured in the tangent space of the state and divided by the size of one frame's
change, block by block (root rotation, root displacement, ball joints, hinges), so that 0 is perfect and doing
nothing scores 1.
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
from musclegym.pretrain.draws import Draw
from musclegym.pretrain.free_running import FreeConfig, FreeRunning
from musclegym.pretrain.next_state import NextStateModel
from musclegym.pretrain.pose_pool import joined
from musclegym.pretrain.unrolled import UnrollConfig, Unrolled
from musclegym.pretrain.windows import Windows
from musclegym.rotation import Array


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss term."""

    pose: float = 1.0
    """Squared error of the joints' next positions."""

    root: float = 1.0
    """Squared error of the root's next orientation and place."""

    velocity: float = 0.1
    """Squared error of the next velocities."""

    smoothness: float = 0.01
    """Squared second difference of the predicted positions."""

    consistency: float = 0.01
    """Squared difference between a predicted change of position and the velocities at its two ends."""

    chain_pose: float = 1.0
    """`pose` in chains."""

    chain_root: float = 1.0
    """`root` in chains."""

    chain_velocity: float = 0.5
    """`velocity` in chains."""

    joints: float = 2.0
    """Distance of joints from the truth in rollouts with gradients, as a share of how far joints move."""

    joints_local: float = 0.5
    """The same relative to the root."""

    rollout_velocity: float = 0.01
    """Squared error of the velocities in these rollouts."""

    foot: float = 0.1
    """Squared speed, in these rollouts, of feet that stand in the true motion [s^2/m^2]."""

    liveliness: float = 1.0
    """Difference between how much free rollouts and their clips move, and their feet slide, in logarithms."""

    posture: float = 1.0
    """Difference between the mean heights of their joints [0.1 m]."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """What batches are made of."""

    batch: int = 64
    """Windows per step, of all processes together."""

    span: int = 2
    """Length of windows, in what a layer looks back on. In rollouts a frame stands on a longer past,
    since those before it looked back as well; within one length a network would never see such a past."""

    chain_share: float = 0.5
    """Share of the batch that comes from rollouts of the model itself instead of true motion."""

    noise: float = 0.05
    """Noise on the true states that the network sees, as a share of what changes in a frame."""

    balanced: bool = True
    """Whether squared errors are divided by the variance of a frame's change in their block; otherwise they
    are in rad^2, m^2 and their rates."""

    chains: Annotated[ChainConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=ChainConfig)
    """How rollouts of the model itself are kept going."""

    unroll: UnrollConfig = field(default_factory=UnrollConfig)
    """Rollouts with gradients."""

    free: FreeConfig = field(default_factory=FreeConfig)
    """Rollouts that nothing leads back."""

    def __post_init__(self) -> None:
        """Check the shares, and that there are enough rollouts for a batch."""
        if min(self.batch, self.span) < 1 or not 0 <= self.chain_share <= 1 or self.noise < 0:
            raise ValueError(
                f"batch and span must be positive, chain_share in [0, 1] and noise not negative, but "
                f"they are {self.batch}, {self.span}, {self.chain_share} and {self.noise}; use e.g. 64, 2, "
                "0.5 and 0.05"
            )
        if self.chains.pool < self.chained:
            raise ValueError(
                f"pool must hold the rollouts of a batch, but {self.chains.pool} < {self.chain_share} x "
                f"{self.batch}; use e.g. pool={4 * self.batch}"
            )

    @property
    def chained(self) -> int:
        """Windows of a batch that come from chains."""
        return round(self.chain_share * self.batch)


class NextStateObjective(nn.Module):
    """Draws batches and measures the loss terms on them."""

    change: Tensor
    scale: Tensor

    def __init__(self, windows: Windows, config: ObjectiveConfig) -> None:
        """Prepare to draw.

        Args:
            windows: true motion, `config.batch` windows a step, one frame longer than the model looks back.
            config: what batches are made of.
        """
        super().__init__()
        self.layout, self.windows, self.config = windows.layout, windows, config
        change = frame_change(windows.layout, windows.clips())
        self.register_buffer("change", change, persistent=False)
        self.register_buffer(
            "scale", change if config.balanced else torch.ones_like(change), persistent=False
        )
        self.chains = Chains(windows, change, config.chains)
        context = (windows.length - 1) // config.span
        self.unrolled = Unrolled(windows, context, change, config.unroll) if config.unroll.every else None
        self.free = FreeRunning(windows, config.free) if config.free.free_every else None

    def forward(self, model: NextStateModel, draw: Draw) -> dict[str, Tensor]:
        """Return the terms of a part of a batch.

        Args:
            model: predicts the next state.
            draw: which part of which batch. The mean over all parts is what the whole batch gives.

        Raises:
            ValueError: if samples of one kind, or chains, cannot be dealt out evenly.
        """
        config, generator = self.config, draw.generator()
        places = self.windows.draw(draw.step)
        fresh = config.batch - config.chained
        noisy, true = self.true_windows(places[:fresh], generator, draw.rows(fresh))
        chosen, visited, wanted = self.chains.visit(places[fresh:], generator, draw)
        predicted = model.changes(joined([noisy, visited], dim=0))  # in one go, which is faster than in two
        after_noise, after_chain = predicted.split([len(noisy.velocity), len(chosen)])
        terms: dict[str, Tensor] = {}
        if fresh:
            terms |= self.true_terms(noisy, after_noise, self.layout.difference(noisy, true))
        if config.chained:
            last = (slice(None), -1)
            self.chains.advance(chosen, visited, model.changed(visited.at(last), after_chain[last].detach()))
            terms |= self.frame_terms("chain_", after_chain, self.layout.difference(visited, wanted))
        if self.unrolled is not None and draw.step % config.unroll.every == config.unroll.every - 1:
            terms |= self.unrolled(model, places, draw.progress, draw.rows(config.unroll.count))
        if self.free is not None and config.free.due(draw.step, draw.progress):
            terms |= self.free(model, places, generator, draw)
        return terms

    def true_windows(self, places: Tensor, generator: torch.Generator, mine: slice) -> tuple[Pose, Pose]:
        """Return the true windows that are `mine` through noise, and the frames after (sample, frame)."""
        layout, length = self.layout, self.windows.length
        shape = len(places), length - 1, layout.n_state
        noise = torch.randn(shape, generator=generator)[mine].to(self.change.device)
        noise = self.config.noise * self.change * noise
        places = places[mine]
        true = self.windows.poses(places, torch.zeros(len(places), dtype=torch.int64), length)
        seen = layout.advance(true.at((slice(None), slice(-1))), noise)
        return seen, true.at((slice(None), slice(1, None)))

    def true_terms(self, seen: Pose, predicted: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """Return the terms of changes (sample, frame, 2 dof) that were predicted after `seen` frames."""
        n = self.layout.n_dofs
        second = (predicted[:, 1:, :n] - predicted[:, :-1, :n]) / self.scale[:n]
        mean_velocity = seen.velocity + 0.5 * predicted[..., n:]
        gap = (predicted[..., :n] * self.windows.fps - mean_velocity) / self.scale[n:]
        rest = {"smoothness": (second**2).mean(), "consistency": (gap**2).mean()}
        return self.frame_terms("", predicted, wanted) | rest

    def frame_terms(self, kind: str, predicted: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """Return the mean squares of missed changes (batch, frame, 2 dof); `kind` begins their names."""
        n = self.layout.n_dofs
        square = ((predicted - wanted) / self.scale) ** 2
        return {
            f"{kind}pose": square[..., 6:n].mean(),
            f"{kind}root": square[..., :6].mean(),
            f"{kind}velocity": square[..., n:].mean(),
        }


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
