"""MotionDCT: a linear map between discrete cosine coefficients of past and future, fitted in closed form.

A linear layer in the space of cosine coefficients goes half the way from repeating the last pose to the best
networks (Mao et al. 2019, "Learning trajectory dependencies for human motion prediction"; Guo et al. 2023,
siMLPe; both as recalled, not re-read). It is the baseline that a network has to beat.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.fft import dct
from scipy.linalg import cho_factor, cho_solve
from torch import Tensor

from musclegym.motion.features import StateLayout
from musclegym.pretrain.next_state import MotionModel
from musclegym.rotation import Array

ROWS = 4096
"""Windows whose products are added up at once [-]."""


@dataclass(frozen=True)
class MotionDCTConfig:
    """Size of a MotionDCT."""

    window: int = 16
    """Frames that it looks back on, the present one included."""

    horizon: int = 30
    """Frames that it predicts at once; farther ones from its own predictions."""

    coefficients: int = 8
    """Lowest cosine coefficients of the past and of the future that it maps."""

    ridge: float = 0.01
    """Penalty on the map's squares, per window and for normalised numbers."""

    def __post_init__(self) -> None:
        """Check that there are as many coefficients as frames at most."""
        if not 1 <= self.coefficients <= min(self.window, self.horizon) or not self.ridge > 0.0:
            raise ValueError(
                f"coefficients must be from 1 to the window and the horizon, and ridge positive, but they "
                f"are {self.coefficients}, {self.window}, {self.horizon} and {self.ridge}; use e.g. 8, 16, "
                f"30 and 0.01"
            )


class MotionDCT(MotionModel):
    """Linear prediction of the next `horizon` frames from the last `window` ones."""

    kind: ClassVar[str] = "MotionDCT"

    weight: Tensor
    past: Tensor
    future: Tensor

    def __init__(self, layout: StateLayout, config: MotionDCTConfig, fps: float) -> None:
        """Build a map that predicts no change.

        Args:
            layout: order of the numbers of a state.
            config: sizes.
            fps: frames per second of the motions.
        """
        super().__init__(layout, config, fps)
        kept = config.coefficients
        rows = 1 + kept * layout.n_features
        self.register_buffer("weight", torch.zeros(rows, kept * layout.n_state))
        self.register_buffer("past", cosines(config.window, kept), persistent=False)
        self.register_buffer("future", cosines(config.horizon, kept), persistent=False)

    def inputs(self, windows: Tensor) -> Tensor:
        """Return cosine coefficients (batch, 1 + number), a one first, of states (batch, window, 2 dof)."""
        normal = self.normal(self.layout.pose(windows))
        coefficients = torch.einsum("bfn,fk->bkn", normal, self.past).flatten(1)
        return torch.cat([torch.ones_like(coefficients[:, :1]), coefficients], dim=1)

    def targets(self, present: Tensor, future: Tensor) -> Tensor:
        """Return cosine coefficients (batch, number) of the changes from states to those that follow.

        Args:
            present: shape (batch, 2 dof).
            future: shape (batch, horizon, 2 dof).
        """
        start = self.layout.pose(present[:, None])
        change = self.layout.difference(start, self.layout.pose(future)) / self.change_scale
        return torch.einsum("bfn,fk->bkn", change, self.future).flatten(1)

    @torch.no_grad()
    def fit(self, motions: Iterable[Array]) -> None:
        """Find the map by ridge regression over all windows of motions that have `horizon` frames after them.

        Only sums of products are kept, so memory does not grow with the motions.

        Args:
            motions: states of each clip, shape (frame, 2 dof).

        Raises:
            ValueError: if no motion is as long as window and horizon.
        """
        squares, products, count = np.zeros((len(self.weight),) * 2), np.zeros(tuple(self.weight.shape)), 0
        length = self.config.window + self.config.horizon
        for states in motions:
            starts = len(states) - length + 1
            for first in range(0, max(0, starts), ROWS):
                rows = np.arange(first, min(starts, first + ROWS))[:, None] + np.arange(length)
                windows = torch.from_numpy(states[rows].astype(np.float32))
                context, future = windows[:, : self.config.window], windows[:, self.config.window :]
                given = self.inputs(context).double().numpy()
                squares += given.T @ given
                products += given.T @ self.targets(context[:, -1], future).double().numpy()
                count += len(rows)
        if count == 0:
            raise ValueError(
                f"a linear prediction is fitted to motions of at least window + horizon = {length} frames, "
                f"but none is so long; use a shorter horizon or longer motions"
            )
        squares[np.diag_indices_from(squares)] += self.config.ridge * count
        self.weight.copy_(torch.from_numpy(cho_solve(cho_factor(squares), products)))

    @torch.no_grad()
    def roll_out(self, context: Tensor, steps: int) -> Tensor:
        """Return the states (batch, steps, 2 dof) that follow true ones (batch, frame, 2 dof).

        A context shorter than the window is continued into the past by its first frame.
        """
        missing = max(0, self.window - context.shape[1])
        states = torch.cat([context[:, :1].expand(-1, missing, -1), context], dim=1)
        first = states.shape[1]
        while states.shape[1] < first + steps:
            waves = self.inputs(states[:, -self.window :]) @ self.weight
            waves = waves.view(len(states), -1, self.layout.n_state)
            changes = torch.einsum("bkn,fk->bfn", waves, self.future)
            reached = self.layout.advance(self.layout.pose(states[:, -1:]), changes * self.change_scale)
            states = torch.cat([states, self.limited(self.layout.state(reached))], dim=1)
        return states[:, first : first + steps]


def cosines(frames: int, kept: int) -> Tensor:
    """Return the lowest orthonormal cosine waves (type II) over a number of frames, shape (frame, kept)."""
    waves = np.asarray(dct(np.eye(frames), norm="ortho"))
    return torch.from_numpy(waves[:, :kept].astype(np.float32))
