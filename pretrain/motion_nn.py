"""MotionNN: a causal transformer that predicts the next state of a motion from the states so far."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from musclegym.motion.features import StateLayout
from musclegym.pretrain.next_state import Memory, NextStateModel
from musclegym.pretrain.transformer import Block, turns_at


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
    """Most frames that a layer looks back on, the present one included."""

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


class MotionNN(NextStateModel):
    """Next-state transformer: each layer of a frame attends to the last `window` frames.

    In sequences longer than the window, and with a memory of keys and values, a layer still looks back on
    `window` frames only, but on what the layer below made of frames before them; so training on a long
    sequence at once and stepping along it with a memory are the same function.
    """

    kind: ClassVar[str] = "MotionNN"

    def __init__(self, layout: StateLayout, config: MotionNNConfig, fps: float) -> None:
        """Build an untrained network that predicts constant velocity.

        Args:
            layout: order of the numbers of a state.
            config: sizes.
            fps: frames per second of the motions.
        """
        super().__init__(layout, config, fps)
        self.embed = nn.Linear(self.n_inputs, config.width)
        blocks = [Block(config.width, config.heads, config.window) for _ in range(config.depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.RMSNorm(config.width)

    def hidden(self, inputs: Tensor, memory: Memory | None) -> Tensor:
        """Return hidden states (batch, frame, width); `memory` keeps keys and values of the last frames."""
        hidden, frames = self.embed(inputs), inputs.shape[1]
        places = torch.arange(frames, device=inputs.device)
        if memory is not None:
            places = places + memory.get("frames", 0)
            memory["frames"] = places[-1] + 1
        turns = turns_at(places, self.config.width // self.config.heads)
        for index, block in enumerate(self.blocks):
            hidden = block(hidden, turns, None if memory is None else memory.setdefault(index, {}))
        return self.norm(hidden)
