"""The encoder of a prior where nothing learns: the same numbers in a third of the time.

Policies want the last frame of a window only, no gradients and few windows at a time, so that much of what
`MotionNN.encode` does is bookkeeping. Here the last layer works on the last frame alone, attention is a
compiled loop over all that surrounds it, and matrix products are those of oneDNN, twice as fast in float32 as
torch's own on processors of other makes than Intel.
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
from musclegym.pretrain.transformer import ROTARY_BASE, Block, CausalAttention

Array32 = npt.NDArray[np.float32]
Encoder = Callable[[Tensor], Tensor]
"""Maps windows (batch, frame, 2 dof) to features (batch, width)."""

EPSILON = float(np.finfo(np.float32).eps)
"""Below the root of the RMS norm, as torch.nn.RMSNorm has it."""


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
        self.embed = product(network.embed)
        self.layers = [FrozenBlock(block) for block in network.blocks if isinstance(block, Block)]

    def __call__(self, windows: Tensor) -> Tensor:
        """Return features (batch, width) of windows (batch, frame, 2 dof) with at most `window` frames."""
        network = self.network
        hidden = self.embed(network.inputs(network.layout.pose(windows), None))
        for layer in self.layers[:-1]:
            hidden = layer(hidden)
        return network.norm(self.layers[-1](hidden, last=True))[:, -1]


class FrozenBlock:
    """One layer of the network."""

    def __init__(self, block: Block) -> None:
        self.block, self.attention = block, FrozenAttention(block.attention)
        self.expand, self.contract = product(block.expand), product(block.contract)

    def __call__(self, hidden: Tensor, *, last: bool = False) -> Tensor:
        """Return what the layer makes of all frames, or of the last one: (batch, frame or 1, width)."""
        seen = self.attention(self.block.attention_norm(hidden), last=last)
        hidden = (hidden[:, -1:] if last else hidden) + seen
        return hidden + self.contract(F.gelu(self.expand(self.block.perceptron_norm(hidden))))


class FrozenAttention:
    """Causal attention of one layer."""

    def __init__(self, attention: CausalAttention) -> None:
        self.inputs, self.output = product(attention.inputs), product(attention.output)
        self.norms = np.stack(
            [norm.weight.numpy(force=True) for norm in (attention.query_norm, attention.key_norm)]
        )
        self.turns = turns(attention.window, self.norms.shape[1])

    def __call__(self, hidden: Tensor, *, last: bool) -> Tensor:
        """Mix the frames of `hidden` (batch, frame, width) into all of them, or into the last one."""
        mixed = self.inputs(hidden).numpy()
        batch, frames, width = mixed.shape[0], mixed.shape[1], mixed.shape[2] // 3
        first = frames - 1 if last else 0
        seen = np.empty((batch, frames - first, width), dtype=np.float32)
        attend(mixed, self.norms, self.turns, first, seen)
        return self.output(torch.from_numpy(seen))


def product(linear: nn.Linear) -> Callable[[Tensor], Tensor]:
    """Return the linear layer in its fastest form that keeps float32."""
    if not torch.backends.mkldnn.is_available():
        return linear
    weight, bias = linear.weight.detach().to_mkldnn(), linear.bias
    shift = None if bias is None else bias.detach().to_mkldnn()
    return lambda rows: torch.ops.aten.mkldnn_linear(rows.to_mkldnn(), weight, shift).to_dense()


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
