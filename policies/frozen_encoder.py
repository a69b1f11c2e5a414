"""The encoder of a prior where nothing learns: the same numbers in less time.

A policy wants the last frame of few short windows, without gradients, so most of the time of
`MotionNN.encode` goes into calling small operations. Here the last layer works on the last frame alone, all
between the matrix products is compiled loops, and the products are those of oneDNN, which on some processors
are twice as fast in float32 as torch's own.
"""

from collections.abc import Callable
from math import exp, sqrt

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from numba import njit
from torch import Tensor, nn

from musclegym.pretrain.motion_nn import MotionNN
from musclegym.pretrain.next_state import NextStateModel
from musclegym.pretrain.transformer import ROTARY_BASE, Block

Array32 = npt.NDArray[np.float32]
Encoder = Callable[[Tensor], Tensor]
"""Maps windows (batch, frame, 2 dof) to features (batch, width)."""

EPSILON = float(np.finfo(np.float32).eps)
"""Below the root of the RMS norm, as torch.nn.RMSNorm has it."""
PACKED_FOR = 64
"""Rows that weights are laid out for: 4 states of 16 environments; others work as well."""


def frozen(encoder: NextStateModel) -> Encoder:
    """Return what `encoder.encode` does with its present weights, for use without gradients."""
    return FrozenMotionNN(encoder) if isinstance(encoder, MotionNN) else encoder.encode


class FrozenMotionNN:
    """`MotionNN.encode` for the weights that a network has now."""

    def __init__(self, network: MotionNN) -> None:
        """Keep the weights in the form that is fastest to multiply with.

        Args:
            network: not changed by this; changes of its weights have no effect here.
        """
        self.network = network
        self.embed, self.norm = product(network.embed), weight_of(network.norm)
        self.layers = [FrozenBlock(block) for block in network.blocks if isinstance(block, Block)]

    def __call__(self, windows: Tensor) -> Tensor:
        """Return features (batch, width) of windows (batch, frame, 2 dof) with at most `window` frames."""
        network = self.network
        hidden = self.embed(network.inputs(network.layout.pose(windows), None))
        added = torch.zeros_like(hidden)
        for layer in self.layers:
            only_last = layer is self.layers[-1]
            seen = layer.seen(summed(hidden, added, layer.attention_norm), only_last=only_last)
            hidden, added = hidden[:, -seen.shape[1] :].contiguous(), layer.output(seen)
            added = layer.contract(layer.expand(summed(hidden, added, layer.perceptron_norm)))
        return summed(hidden, added, self.norm)[:, -1]


class FrozenBlock:
    """The parts of one layer."""

    def __init__(self, block: Block) -> None:
        attention = block.attention
        self.attention_norm, self.perceptron_norm = map(
            weight_of, (block.attention_norm, block.perceptron_norm)
        )
        self.inputs, self.output = product(attention.inputs), product(attention.output)
        self.expand, self.contract = product(block.expand, then="gelu"), product(block.contract)
        self.head_norms = np.stack([weight_of(attention.query_norm), weight_of(attention.key_norm)])
        self.turns = turns(attention.window, self.head_norms.shape[1])

    def seen(self, rows: Tensor, *, only_last: bool) -> Tensor:
        """Return what all frames of `rows` (batch, frame, width), or the last ones, see by attention."""
        batch, frames, width = rows.shape
        first = frames - 1 if only_last else 0
        seen = torch.empty(batch, frames - first, width)
        attend(self.inputs(rows).numpy(), self.head_norms, self.turns, first, seen.numpy())
        return seen


def product(linear: nn.Linear, then: str = "none") -> Encoder:
    """Return a linear layer, and "gelu" after it if asked for, in the fastest form that keeps float32."""
    weight, bias = linear.weight.detach(), None if linear.bias is None else linear.bias.detach()
    if not torch.backends.mkldnn.is_available():
        return lambda rows: (
            F.gelu(F.linear(rows, weight, bias)) if then == "gelu" else F.linear(rows, weight, bias)
        )
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, PACKED_FOR)
    return lambda rows: torch.ops.mkldnn._linear_pointwise(rows, packed, bias, then, [], "none")


def weight_of(norm: nn.RMSNorm) -> Array32:
    """Return the weight of an RMS norm."""
    return norm.weight.numpy(force=True).copy()


def summed(hidden: Tensor, added: Tensor, norm: Array32) -> Tensor:
    """Add `added` to `hidden`, in place, and return the RMS norm of the sum, all (batch, frame, width)."""
    normal = torch.empty_like(hidden)
    width = hidden.shape[-1]
    sum_rows, added_rows, normal_rows = (rows.view(-1, width).numpy() for rows in (hidden, added, normal))
    add_and_norm(sum_rows, added_rows, normal_rows, norm)
    return normal


@njit(cache=True, fastmath=True)
def add_and_norm(hidden: Array32, added: Array32, normal: Array32, norm: Array32) -> None:
    """Add `added` to `hidden` (row, width) and write the RMS norm of the sum to `normal`."""
    for row in range(len(hidden)):
        square = np.float32(0.0)
        for i in range(len(norm)):
            hidden[row, i] += added[row, i]
            square += hidden[row, i] * hidden[row, i]
        scale = np.float32(1.0 / sqrt(square / len(norm) + EPSILON))
        for i in range(len(norm)):
            normal[row, i] = scale * norm[i] * hidden[row, i]


def turns(frames: int, width: int) -> Array32:
    """Return cosine and sine (2, frame, width / 2) of the rotary positions in a window."""
    rate = ROTARY_BASE ** (-np.arange(0, width, 2) / width)
    angle = np.arange(frames)[:, None] * rate
    return np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


@njit(cache=True, fastmath=True)
def attend(mixed: Array32, norms: Array32, turns: Array32, first: int, seen: Array32) -> None:
    """Write what each frame from `first` on sees of itself and the frames before it.

    Args:
        mixed: queries, keys and values of all heads side by side, (batch, frame, 3 width).
        norms: weights of the RMS norms of queries and of keys, (2, width of a head).
        turns: what `turns` returns.
        first: frame to begin with.
        seen: receives the mixed values, (batch, frame - first, width).
    """
    batch, frames, width = mixed.shape[0], mixed.shape[1], mixed.shape[2] // 3
    size = norms.shape[1]
    query, key = np.empty(size, np.float32), np.empty((frames, size), np.float32)
    share = np.empty(frames, np.float32)
    for row in range(batch):
        for start in range(0, width, size):
            for frame in range(frames):
                turned(
                    mixed[row, frame, width + start : width + start + size],
                    norms[1],
                    turns[:, frame],
                    key[frame],
                )
            for frame in range(first, frames):
                turned(mixed[row, frame, start : start + size], norms[0], turns[:, frame], query)
                largest = np.float32(-np.inf)
                for other in range(frame + 1):
                    score = np.float32(0.0)
                    for i in range(size):
                        score += query[i] * key[other, i]
                    share[other] = score / np.float32(sqrt(size))
                    largest = max(largest, share[other])
                total = np.float32(0.0)
                for other in range(frame + 1):
                    share[other] = exp(share[other] - largest)
                    total += share[other]
                out = seen[row, frame - first, start : start + size]
                out[:] = 0.0
                for other in range(frame + 1):
                    value = mixed[row, other, 2 * width + start : 2 * width + start + size]
                    weight = share[other] / total
                    for i in range(size):
                        out[i] += weight * value[i]


@njit(cache=True, fastmath=True)
def turned(head: Array32, norm: Array32, turn: Array32, out: Array32) -> None:
    """Write a query or key (width,), RMS-normalised and turned by its place in the window."""
    half, square = len(head) // 2, np.float32(0.0)
    for i in range(len(head)):
        square += head[i] * head[i]
    scale = np.float32(1.0 / sqrt(square / len(head) + EPSILON))
    for i in range(half):
        left, right = scale * norm[i] * head[i], scale * norm[half + i] * head[half + i]
        out[i] = left * turn[0, i] - right * turn[1, i]
        out[half + i] = left * turn[1, i] + right * turn[0, i]
