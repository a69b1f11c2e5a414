"""A causal transformer: pre-norm with RMSNorm, rotary positions, QK-norm, zero-initialised outputs."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Rotary(nn.Module):
    """Rotary position embedding (Su et al. 2021, RoFormer): attention sees only distances between frames."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, head_width: int, length: int, base: float = 100.0) -> None:
        """Prepare `length` positions; `base` sets the slowest turn, small because windows are short."""
        super().__init__()
        rate = base ** (-torch.arange(0, head_width, 2) / head_width)
        angle = torch.arange(length)[:, None] * rate
        self.register_buffer("cosine", angle.cos(), persistent=False)
        self.register_buffer("sine", angle.sin(), persistent=False)

    def forward(self, heads: Tensor) -> Tensor:
        """Turn queries or keys (batch, head, frame, width) by their positions."""
        first, second = heads.chunk(2, dim=-1)
        cosine, sine = self.cosine[: heads.shape[-2]], self.sine[: heads.shape[-2]]
        return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


class CausalAttention(nn.Module):
    """Multi-head self-attention in which a frame sees itself and the frames before it."""

    def __init__(self, width: int, heads: int, length: int) -> None:
        super().__init__()
        self.heads = heads
        self.inputs = nn.Linear(width, 3 * width, bias=False)
        self.query_norm = nn.RMSNorm(width // heads)
        self.key_norm = nn.RMSNorm(width // heads)
        self.rotary = Rotary(width // heads, length)
        self.output = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.output.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        """Mix the frames of `hidden` (batch, frame, width)."""
        batch, frames, width = hidden.shape
        mixed = self.inputs(hidden).view(batch, frames, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query = self.rotary(self.query_norm(mixed[0]))
        key = self.rotary(self.key_norm(mixed[1]))
        seen = F.scaled_dot_product_attention(query, key, mixed[2], is_causal=True)
        return self.output(seen.transpose(1, 2).reshape(batch, frames, width))


class Block(nn.Module):
    """One layer: attention, then a two-layer perceptron, each added to what came in."""

    def __init__(self, width: int, heads: int, length: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(width)
        self.attention = CausalAttention(width, heads, length)
        self.perceptron_norm = nn.RMSNorm(width)
        self.expand = nn.Linear(width, 4 * width, bias=False)
        self.contract = nn.Linear(4 * width, width, bias=False)
        nn.init.zeros_(self.contract.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return `hidden` (batch, frame, width) with this layer's additions."""
        hidden = hidden + self.attention(self.attention_norm(hidden))
        return hidden + self.contract(F.gelu(self.expand(self.perceptron_norm(hidden))))
