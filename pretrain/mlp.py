"""MotionMLP: a perceptron over the last frames, the baseline that shows what attention is worth."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from musclegym.motion.features import StateLayout
from musclegym.pretrain.next_state import Memory, NextStateModel


@dataclass(frozen=True)
class MotionMLPConfig:
    """Size of a MotionMLP; by default it has about as many parameters as the default MotionNN."""

    width: int = 256
    """Numbers per frame inside the network, and in what `encode` returns."""

    depth: int = 3
    """Residual layers of two matrices each."""

    window: int = 8
    """Frames that it looks back on, the present one included."""

    def __post_init__(self) -> None:
        """Check that there is something to compute with."""
        if min(self.width, self.depth, self.window) < 1:
            raise ValueError(
                f"width, depth and window must be at least 1, but they are {self.width}, {self.depth} and "
                f"{self.window}; use e.g. 256, 3 and 8"
            )


class MotionMLP(NextStateModel):
    """Next-state perceptron: the features of the last `window` frames side by side, then residual layers."""

    kind: ClassVar[str] = "MotionMLP"

    def __init__(self, layout: StateLayout, config: MotionMLPConfig, fps: float) -> None:
        """Build an untrained network that predicts constant velocity.

        Args:
            layout: order of the numbers of a state.
            config: sizes.
            fps: frames per second of the motions.
        """
        super().__init__(layout, config, fps)
        self.embed = nn.Linear(config.window * self.n_inputs, config.width)
        self.layers = nn.ModuleList(Layer(config.width) for _ in range(config.depth))
        self.norm = nn.RMSNorm(config.width)

    def hidden(self, inputs: Tensor, memory: Memory | None) -> Tensor:
        """Return hidden states (batch, frame, width); before the first frame it sees that frame again."""
        before = memory.get("frames", inputs[:, :0]) if memory is not None else inputs[:, :0]
        seen = torch.cat([before, inputs], dim=1)
        if memory is not None:
            memory["frames"] = seen[:, max(0, seen.shape[1] - self.window + 1) :].contiguous()
        missing = self.window - 1 - before.shape[1]
        padded = torch.cat([seen[:, :1].expand(-1, missing, -1), seen], dim=1)
        hidden = self.embed(padded.unfold(1, self.window, 1).transpose(2, 3).flatten(2))
        for layer in self.layers:
            hidden = layer(hidden)
        return self.norm(hidden)


class Layer(nn.Module):
    """A two-layer perceptron whose output is added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.expand = nn.Linear(width, 4 * width, bias=False)
        self.contract = nn.Linear(4 * width, width, bias=False)
        nn.init.zeros_(self.contract.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return `hidden` (batch, frame, width) with this layer's addition."""
        return hidden + self.contract(F.gelu(self.expand(self.norm(hidden))))
