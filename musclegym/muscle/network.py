"""MuscleNN: muscle activations for a wanted joint torque, in a fraction of the time that the oracle takes.

A network proposes activations from the pose's torque matrix and the wanted torque; sweeps then settle
them: each muscle in turn takes the activation within [0, 1] that brings the torque nearest while the others
keep theirs (projected coordinate descent; Wright 2015, Math Program 151:3-34). The torque matrix is sparse,
so a sweep costs a fraction of the network. Without sweeps this is the network of MASS (Lee et al. 2019, ACM
TOG 38:73), whose last layer ends in tanh and ReLU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from numba import njit
from torch import Tensor, nn

from musclegym.body import Body
from musclegym.builds import Build, BuildRange, build_of, shape_hash
from musclegym.manifest import load_weights, save_weights
from musclegym.muscle.oracle import Entries, muscle_entries
from musclegym.rotation import Array
from musclegym.settings import restored

Array32 = npt.NDArray[np.float32]

SLOPE = 0.2
"""Slope of the leaky ReLU below zero, as in MASS [-]."""
SWEEP_EFFORT = 1.0
"""Weight of squared activations beside the squared torque residual in the sweeps [N^2 m^2]."""
SETTLED = 0.1
"""Squared change of a muscle's torque in a sweep below which a state is settled; own choice [N^2 m^2]."""
SWEEPS = 64
"""Most sweeps by default; states in which muscles saturate may take all of them."""
SMALLEST_COLUMN = 0.01
"""Added to a muscle's squared torque where it divides [N^2 m^2]."""
LARGEST_ALIGNMENT = 2.0
"""Bound on the activations that muscles would need to make their torque alone; more says nothing [-]."""
MADE_BY = "musclegym train-muscle"
WEIGHTS = "muscle_nn.safetensors"


class Layers(NamedTuple):
    """A network as plain arrays for the kernel, the features' statistics folded into its first layer."""

    weight: tuple[Array32, ...]  # (input, output) each
    bias: tuple[Array32, ...]  # (output,) each


def feature_count(entries: Entries, n_torques: int) -> int:
    """Return the length of a row of features: torque-matrix entries, torques, one alignment per muscle."""
    return entries.dof.size + n_torques + entries.start.size - 1


@njit(cache=True)
def muscle_features(
    torque_columns: Array, entries: Entries, passive_torque: Array, wanted: Array, out: Array32
) -> None:
    """Fill one row of features.

    Args:
        torque_columns: torque of each muscle per unit activation, shape (muscle, dof) [N m].
        entries: where it can differ from zero, from `muscle_entries`.
        passive_torque: torque of the muscles' passive forces, shape (dof,) [N m].
        wanted: joint torque that muscles shall make in all, root rows ignored, shape (dof,) [N m].
        out: receives the torque matrix's entries [N m], the torque of the actuated DoFs that active forces
            shall make [N m], and for each muscle its alignment: the activation, within bounds, with which it
            alone would come nearest to that torque [-].
    """
    count, dofs = entries.dof.size, wanted.size - 6
    for dof in range(dofs):
        out[count + dof] = wanted[6 + dof] - passive_torque[6 + dof]
    for muscle in range(entries.start.size - 1):
        along, square = 0.0, SMALLEST_COLUMN
        for entry in range(entries.start[muscle], entries.start[muscle + 1]):
            value = torque_columns[muscle, 6 + entries.dof[entry]]
            out[entry] = value
            along += value * out[count + entries.dof[entry]]
            square += value * value
        out[count + dofs + muscle] = min(max(along / square, -LARGEST_ALIGNMENT), LARGEST_ALIGNMENT)


@njit(cache=True)
def propose(layers: Layers, features: Array32) -> Array32:
    """Return the network's activations (row, muscle) for rows of features (row, feature).

    Each row's sums run in the same order whatever the number of rows, so that an environment moves alike
    alone and among others.
    """
    values = features
    for weight, bias in zip(layers.weight, layers.bias):  # noqa: B905 (numba knows no strict)
        out = np.empty((values.shape[0], bias.size), dtype=np.float32)
        for row in range(values.shape[0]):
            for j in range(bias.size):
                out[row, j] = bias[j]
        for i in range(weight.shape[0]):
            for row in range(values.shape[0]):
                value = values[row, i]
                for j in range(bias.size):
                    out[row, j] += value * weight[i, j]
        values = np.where(out > 0.0, out, np.float32(SLOPE) * out)
    return np.tanh(np.maximum(values, np.float32(0.0)))


@njit(cache=True)
def settle(features: Array32, entries: Entries, sweeps: int, activation: Array32) -> None:
    """Improve activations (row, muscle) in place by sweeps to and fro over the muscles.

    A row is settled when no muscle of a whole sweep changed its torque by more than the square root of
    `SETTLED`, or after `sweeps` of them. Rows do not depend on each other.
    """
    muscles, count = entries.start.size - 1, entries.dof.size
    effort = np.float32(SWEEP_EFFORT)
    curvature = np.empty(muscles, dtype=np.float32)
    for row in range(features.shape[0] if sweeps else 0):
        matrix, current = features[row, :count], activation[row]
        residual = -features[row, count : features.shape[1] - muscles]
        for muscle in range(muscles):
            curvature[muscle] = effort
            for entry in range(entries.start[muscle], entries.start[muscle + 1]):
                residual[entries.dof[entry]] += current[muscle] * matrix[entry]
                curvature[muscle] += matrix[entry] * matrix[entry]
        for sweep in range(sweeps):
            largest = np.float32(0.0)
            for step in range(muscles):
                muscle = step if sweep % 2 == 0 else muscles - 1 - step
                slope = effort * current[muscle]
                for entry in range(entries.start[muscle], entries.start[muscle + 1]):
                    slope += residual[entries.dof[entry]] * matrix[entry]
                better = current[muscle] - slope / curvature[muscle]
                better = min(max(better, np.float32(0.0)), np.float32(1.0))
                change = better - current[muscle]
                if change != 0.0:
                    current[muscle] = better
                    largest = max(largest, change * change * curvature[muscle])
                    for entry in range(entries.start[muscle], entries.start[muscle + 1]):
                        residual[entries.dof[entry]] += change * matrix[entry]
            if largest < SETTLED:
                break


class MuscleNN(nn.Module):
    """From features of `muscle_features` to activations in [0, 1]."""

    mean: Tensor
    scale: Tensor
    entry_dof: Tensor
    entry_muscle: Tensor

    def __init__(
        self, entries: Entries, n_torques: int, hidden: Sequence[int] = (128, 128), sweeps: int = SWEEPS
    ) -> None:
        """Build an untrained network.

        Args:
            entries: where the torque matrix can differ from zero.
            n_torques: number of actuated DoFs.
            hidden: widths of the hidden layers; MASS has 1024, 512, 512.
            sweeps: largest count of those that settle the network's proposal; 0 leaves it as it is.

        Raises:
            ValueError: if a width is not positive or sweeps is negative.
        """
        super().__init__()
        if sweeps < 0 or any(width < 1 for width in hidden):
            raise ValueError(
                f"hidden widths must be positive and sweeps not negative, but are {tuple(hidden)} and "
                f"{sweeps}; use e.g. (128, 128) and {SWEEPS}"
            )
        self.entries, self.n_torques, self.sweeps, self.hidden = entries, n_torques, sweeps, tuple(hidden)
        self.n_features, self.n_muscles = feature_count(entries, n_torques), entries.start.size - 1
        widths = (self.n_features, *self.hidden, self.n_muscles)
        layers = [nn.Linear(before, after) for before, after in pairwise(widths)]
        nn.init.zeros_(layers[-1].bias)  # each muscle begins at the bend of ReLU, where it can learn
        self.layers = nn.ModuleList(layers)
        self.register_buffer("mean", torch.zeros(self.n_features))
        self.register_buffer("scale", torch.ones(self.n_features))
        self.register_buffer("entry_dof", torch.from_numpy(entries.dof), persistent=False)
        muscle = np.repeat(np.arange(self.n_muscles), np.diff(entries.start))
        self.register_buffer("entry_muscle", torch.from_numpy(muscle), persistent=False)
        self._plain: Layers | None = None

    def set_statistics(self, features: Array32) -> None:
        """Take mean and scale of each feature from rows of them (row, feature)."""
        spread = features.std(axis=0)
        smallest = np.full(self.n_features, 0.01)
        smallest[: self.entries.dof.size] = 1.0  # torque-matrix entries that hardly change [N m] stay small
        self.mean.copy_(torch.from_numpy(features.mean(axis=0)))
        self.scale.copy_(torch.from_numpy(np.maximum(spread, smallest)))

    def forward(self, features: Tensor) -> Tensor:
        """Return the pre-activation (row, muscle) of the proposal; the proposal is relu(tanh(.)) of it."""
        values = (features - self.mean) / self.scale
        for layer in self.layers[:-1]:
            values = nn.functional.leaky_relu(layer(values), SLOPE)
        return self.layers[-1](values)

    def torque_error(self, features: Tensor, activation: Tensor) -> Tensor:
        """Return active minus wanted torque (row, dof - 6) [N m] at an activation (row, muscle)."""
        count = self.entries.dof.size
        each = features[:, :count] * activation[:, self.entry_muscle]
        wanted = features[:, count : count + self.n_torques]
        return torch.index_add(-wanted, 1, self.entry_dof, each)

    def activate(self, features: Array32) -> Array32:
        """Return activations in [0, 1], shape (row, muscle), for features (row, feature).

        Runs without torch. The weights are those at the first call after `train(False)`.
        """
        if self._plain is None:
            self._plain = self.plain_layers()
        activation = propose(self._plain, features)
        settle(features, self.entries, self.sweeps, activation)
        return activation

    def set_weights(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take the weights of another network of the same shape, by the names of its `state_dict`."""
        self.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
        self._plain = None

    def train(self, mode: bool = True) -> "MuscleNN":
        """Switch to training or, with False, to use; either way weights are read afresh by `activate`."""
        self._plain = None
        return super().train(mode)

    def plain_layers(self) -> Layers:
        """Return weights and biases as arrays, with the features' statistics folded into the first layer."""
        parameters = [parameter.detach().double() for parameter in self.layers.parameters()]
        weights, biases = parameters[0::2], parameters[1::2]
        weights[0] = weights[0] / self.scale.double()
        biases[0] = biases[0] - weights[0] @ self.mean.double()
        return Layers(
            weight=tuple(np.ascontiguousarray(weight.float().numpy().T) for weight in weights),
            bias=tuple(bias.float().numpy() for bias in biases),
        )


def build_network(body: Body, hidden: Sequence[int] = (128, 128), sweeps: int = SWEEPS) -> MuscleNN:
    """Return an untrained network for a body; see `MuscleNN`.

    Raises:
        ValueError: if the body has no muscles.
    """
    if body.n_muscles == 0:
        raise ValueError(
            f"MuscleNN needs muscles, but body {body.name!r} has none; load it with muscles=FILE, or use "
            f'actuation="torque"'
        )
    return MuscleNN(muscle_entries(body), body.n_dofs - 6, hidden, sweeps)


def save_muscle_network(
    path: str | Path,
    network: MuscleNN,
    body: Body,
    record: Mapping[str, Any],
    builds: BuildRange | None = None,
) -> None:
    """Write a network in half precision to NAME.safetensors, and what it was made for to NAME.json.

    Args:
        path: file to write.
        network: the network.
        body: the body that it was trained for.
        record: what else the manifest shall say, such as seed and scores.
        builds: of the body that it was trained for too; by default the body's own alone.
    """
    tensors = {
        name: value.detach().numpy().astype(np.float16) for name, value in network.state_dict().items()
    }
    model = {"hidden": network.hidden, "sweeps": network.sweeps}
    served = {"build": build_of(body)._asdict(), "builds": builds or BuildRange()}
    save_weights(path, tensors, {"kind": "MuscleNN", **made_for(body), **served, "model": model, **record})


def load_muscle_network(body: Body, path: str | Path | None = None) -> MuscleNN:
    """Read a network that serves a body, ready to `activate`.

    Args:
        body: the body that it is to be used with: the one that it was trained for, or another build of it
            (`musclegym.scaling`) within the ranges that it was trained for.
        path: NAME.safetensors, or the folder of a run of `musclegym train-muscle`; None for the weights that
            are shipped with the body.

    Raises:
        FileNotFoundError: if there are no such weights.
        ValueError: if they were made for another body or other builds, or changed after they were saved.
    """
    path = shipped_weights(body) if path is None else Path(path)
    path = path / WEIGHTS if path.is_dir() else path
    tensors, manifest = load_weights(path, {"kind": "MuscleNN", **made_for(body)}, made_by=MADE_BY)
    check_build(body, path, Build(**manifest["build"]), restored(BuildRange, manifest["builds"]))
    network = build_network(body, **manifest["model"])
    network.load_state_dict({name: torch.from_numpy(value).float() for name, value in tensors.items()})
    return network.eval().requires_grad_(False)


def check_build(body: Body, path: Path, reference: Build, builds: BuildRange) -> None:
    """Refuse a body whose build is beyond those that weights were trained for."""
    factors = Build(*(own / trained for own, trained in zip(build_of(body), reference, strict=True)))
    if builds.contains(factors):
        return
    served = [f"{name} {low:g} to {high:g}" for name, (low, high) in asdict(builds).items()]
    found = [f"{name} {factor:.4g}" for name, factor in factors._asdict().items()]
    raise ValueError(
        f"{path} serves bodies with {', '.join(served)} times those of the {body.name!r} it was trained for, "
        f"but this one has {', '.join(found)} times; choose height, mass and strength nearer to it, or "
        f"train weights for this body: {MADE_BY} --height M --mass KG --strength FACTOR --run FOLDER, and "
        f"name them by muscle_weights=FOLDER/{WEIGHTS}"
    )


def shipped_weights(body: Body) -> Path:
    """Return where the weights of a body lie inside the package.

    Raises:
        FileNotFoundError: if none are shipped for bodies of this name.
    """
    folder = Path(__file__).resolve().parent.parent / "assets" / "weights"
    path = folder / f"muscle_nn_{body.name}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"no MuscleNN weights are shipped for body {body.name!r}; train some with: {MADE_BY} --body FILE "
            f"--muscles FILE --run FOLDER, and name them by muscle_weights=FOLDER/{WEIGHTS}"
        )
    return path


def made_for(body: Body) -> dict[str, Any]:
    """Return the part of a network's manifest that a body must agree with."""
    return {
        "body": body.name,
        "shape_hash": shape_hash(body),
        "muscles": body.n_muscles,
        "features": {
            "torque_entries": muscle_entries(body).dof.size,
            "torques": body.n_dofs - 6,
            "alignments": body.n_muscles,
        },
    }
