"""Matrix products in bfloat16; all else stays float32: weights, their gradients, norms, attention, rotations.

Of the whole step only the products of linear layers are worth it. Processors and accelerators with bfloat16
units multiply two to eight times as fast in it. torch.autocast would also lower attention and norms, which on
a processor costs more than the products save, and the 3 x 3 products of rotations, which must stay exact.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

Precision = Literal["auto", "float32", "bfloat16"]


class Bfloat16Linear(nn.Module):
    """A linear layer whose operands are rounded to bfloat16. It shares its parameters with another."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, rows: Tensor) -> Tensor:
        """Return float32 rows (..., output) of float32 `rows` (..., input)."""
        flat: Tensor = _Product.apply(rows.reshape(-1, rows.shape[-1]), self.weight)  # pyright: ignore
        product = flat.view(*rows.shape[:-1], -1)
        return product if self.bias is None else product + self.bias


class _Product(torch.autograd.Function):
    """`rows @ weight.T` by way of bfloat16, forward and backward."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor) -> Tensor:
        rows, weight = rows.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(rows, weight)
        return (rows @ weight.t()).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor]:
        rows, weight = ctx.saved_tensors
        gradient = gradients[0].bfloat16()
        before = (gradient @ weight).float() if ctx.needs_input_grad[0] else None
        return before, (gradient.t() @ rows).float()


def lower_precision(model: nn.Module) -> None:
    """Make every linear layer of `model` multiply in bfloat16; names and parameters stay what they are."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, Bfloat16Linear(child))


def chosen_precision(precision: Precision, device: torch.device) -> Precision:
    """Return the precision that "auto" stands for on a device: bfloat16 where it has units for it."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    units = torch.cpu.get_capabilities()
    return "bfloat16" if units.get("avx512_bf16") or units.get("amx_bf16") else "float32"
