"""A causal transformer: pre-norm with RMSNorm, rotary positions, QK-norm, zero-initialised outputs."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from musclegym.pretrain.next_state import Memory

ROTARY_BASE = 100.0
"""Sets the slowest turn of the rotary positions; small because windows are short [-]."""


class Turns(NamedTuple):
    """By how much the pairs of queries and keys turn at successive places, both (frame, width / 2)."""

    cosine: Tensor
    sine: Tensor


def turns_at(places: Tensor, width: int) -> Turns:
    """Return the turns of heads of a width at `places` in the sequence (frame,)."""
    rate = ROTARY_BASE ** (-torch.arange(0, width, 2, device=places.device) / width)
    angle = places[:, None] * rate
    return Turns(angle.cos(), angle.sin())


def rotary(heads: Tensor, turns: Turns) -> Tensor:
    """Turn queries or keys (batch, head, frame, width) by their places in the sequence.

    Rotary position embedding (Su et al. 2021, RoFormer): attention then sees distances between frames only.
    """
    left, right = heads.chunk(2, dim=-1)
    cosine, sine = turns
    return torch.cat([left * cosine - right * sine, left * sine + right * cosine], dim=-1)


def band(queries: int, keys: int, window: int, device: torch.device) -> Tensor:
    """Return which of `keys` frames the last `queries` of them see: themselves and `window` - 1 before."""
    distance = torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)
    return (distance >= 0) & (distance < window)


class CausalAttention(nn.Module):
    """Multi-head self-attention in which a frame sees itself and the `window` - 1 frames before it."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.inputs = nn.Linear(width, 3 * width, bias=False)
        self.query_norm = nn.RMSNorm(width // heads)
        self.key_norm = nn.RMSNorm(width // heads)
        self.output = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.output.weight)

    def forward(self, hidden: Tensor, turns: Turns, memory: Memory | None) -> Tensor:
        """Mix the frames of `hidden` (batch, frame, width), and those of `memory` into them."""
        batch, frames, width = hidden.shape
        mixed = self.inputs(hidden).view(batch, frames, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = mixed.unbind(0)
        query, key = rotary(self.query_norm(query), turns), rotary(self.key_norm(key), turns)
        if memory is not None:
            before = slice(1 - self.window, None) if self.window > 1 else slice(0, 0)
            if memory:
                key = torch.cat([memory["key"][..., before, :], key], dim=-2)
                value = torch.cat([memory["value"][..., before, :], value], dim=-2)
            kept = slice(-self.window, None)
            memory["key"], memory["value"] = key[..., kept, :].contiguous(), value[..., kept, :].contiguous()
        keys = key.shape[-2]
        fits = keys <= self.window
        whole = fits and frames == keys
        mask = None if whole or (fits and frames == 1) else band(frames, keys, self.window, hidden.device)
        seen = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=whole and frames > 1
        )
        return self.output(seen.transpose(1, 2).reshape(batch, frames, width))


class Block(nn.Module):
    """One layer: attention, then a two-layer perceptron, each added to what came in."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(width)
        self.attention = CausalAttention(width, heads, window)
        self.perceptron_norm = nn.RMSNorm(width)
        self.expand = nn.Linear(width, 4 * width, bias=False)
        self.contract = nn.Linear(4 * width, width, bias=False)
        nn.init.zeros_(self.contract.weight)

    def forward(self, hidden: Tensor, turns: Turns, memory: Memory | None) -> Tensor:
        """Return `hidden` (batch, frame, width) with this layer's additions."""
        hidden = hidden + self.attention(self.attention_norm(hidden), turns, memory)
        return hidden + self.contract(F.gelu(self.expand(self.perceptron_norm(hidden))))
