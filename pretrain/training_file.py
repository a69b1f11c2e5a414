"""The file that a training goes on from: everything it needs, replaced as a whole.

A process that is killed at any moment leaves the file of its last checkpoint, never half of one.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

FILE = "training.safetensors"
Curve = list[dict[str, float]]


@dataclass(frozen=True)
class TrainingFile:
    """What is saved of a training."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    """By names whose first word says what they belong to."""
    progress: dict[str, Any] = field(default_factory=dict)
    """Numbers such as the step."""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with `prefix` and a dot, without it."""
        prefix += "."
        found = {name: value for name, value in self.tensors.items() if name.startswith(prefix)}
        return {name.removeprefix(prefix): value for name, value in found.items()}

    def add(self, prefix: str, tensors: Mapping[str, Tensor]) -> None:
        """Take tensors in under `prefix`."""
        self.tensors.update({f"{prefix}.{name}": value for name, value in tensors.items()})

    def write(self, folder: Path) -> None:
        """Replace the folder's file."""
        scratch = folder / f"{FILE}.part"
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.tensors.items()}
        save_file(tensors, scratch, {"run": json.dumps(self.progress)})
        scratch.replace(folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> "TrainingFile":
        """Return what a folder holds.

        Raises:
            FileNotFoundError: if it has no such file.
        """
        path = folder / FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"a run is resumed from {FILE}, but {folder} has none; name the folder of a run that "
                f"was interrupted, or start again without --resume"
            )
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return cls(tensors, json.loads(file.metadata()["run"]))


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return what an optimiser remembers, by names such as "3.exp_avg"."""
    states = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, state in states.items() for name, value in state.items()}


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser back what `optimizer_tensors` took."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        states.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": states, "param_groups": groups})


def curve_table(curve: Curve, names: Sequence[str]) -> Tensor:
    """Return losses as numbers (step, name); NaN where a step has none of that name."""
    rows = [[record.get(name, float("nan")) for name in names] for record in curve]
    return torch.tensor(rows, dtype=torch.float64).reshape(len(curve), len(names))


def curve_of(table: Tensor, names: Sequence[str]) -> Curve:
    """Return the records that `curve_table` made a table of, in steps that count from 0."""
    curve: Curve = []
    for step, row in enumerate(table.tolist()):
        known = {name: value for name, value in zip(names, row, strict=True) if not math.isnan(value)}
        curve.append({"step": step, **known})
    return curve
