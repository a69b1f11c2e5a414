"""The optimisers of a training: AdamW, or Muon for hidden weight matrices with AdamW for the rest."""

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer

OptimizerName = Literal["adamw", "muon"]
BETAS = 0.9, 0.99
"""Decays of AdamW's averages of the gradient and of its square. Own choice: the usual 0.999 is slow for runs
of a few thousand steps."""
MOMENTUM = 0.95
"""Momentum of Muon, as its author has it (Keller Jordan 2024, Muon: an optimizer for hidden layers; from
memory)."""


def optimizers_of(model: nn.Module, name: OptimizerName, rate: float, decay: float) -> list[Optimizer]:
    """Return the optimisers that together train all parameters of a model.

    Muon (Jordan 2024) makes every update of a matrix orthogonal. Its updates are scaled to the size of
    AdamW's (Liu et al. 2025, Muon is scalable for LLM training), so that both take the same rate and decay.
    Hidden matrices are those of repeated layers: what lies in an `nn.ModuleList`; where that is a list of
    plain linear layers, without the first and the last, which touch inputs and outputs. Embeddings, heads,
    gains and biases are AdamW's.

    Args:
        model: whose parameters.
        name: "adamw" or "muon".
        rate: highest learning rate.
        decay: weight decay of matrices; gains and biases have none.

    Raises:
        ValueError: if Muon is wanted for a model without hidden matrices.
    """
    if name == "adamw":
        return [adamw(model.parameters(), rate, decay)]
    hidden = hidden_matrices(model)
    if not hidden:
        raise ValueError(
            f"muon trains the weight matrices of repeated layers, but {type(model).__name__} has none; use "
            f"--optimizer adamw"
        )
    known = {id(matrix) for matrix in hidden}
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    muon = torch.optim.Muon(
        hidden, lr=rate, weight_decay=decay, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw"
    )
    return [muon, adamw(others, rate, decay)]


def adamw(parameters: Iterable[nn.Parameter], rate: float, decay: float) -> Optimizer:
    """Return AdamW, which lets matrices decay, but no gains and biases."""
    parameters = list(parameters)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=BETAS, fused=True)


def repeated_layers(model: nn.Module) -> list[nn.Module]:
    """Return the modules that lie in a list of modules."""
    return [layer for module in model.modules() if isinstance(module, nn.ModuleList) for layer in module]


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Return the weight matrices of repeated layers, each once."""
    layers: list[nn.Module] = []
    for inner in (module for module in model.modules() if isinstance(module, nn.ModuleList)):
        plain = all(isinstance(layer, nn.Linear) for layer in inner)
        layers += list(inner)[1:-1] if plain else list(inner)
    matrices = (p for layer in layers for p in layer.parameters() if p.ndim == 2)
    return list({id(p): p for p in matrices}.values())
