"""Saving and loading a trained prior: safetensors with a manifest that says what it was made for."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import musclegym
from musclegym.body import Body
from musclegym.manifest import load_weights, read_manifest, save_weights
from musclegym.motion.features import StateLayout
from musclegym.pretrain.kinds import model_of_kind
from musclegym.pretrain.next_state import MotionModel, NextStateModel

SHIPPED = Path(musclegym.__file__).resolve().parent / "assets" / "weights" / "motion_nn.safetensors"
"""Prior for the default human."""
MADE_BY = "musclegym pretrain"


def save_prior(
    path: Path, model: MotionModel, body: Body, record: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write a prior and its manifest.

    Args:
        path: the file, NAME.safetensors; the manifest becomes NAME.json.
        model: the trained network.
        body: the body whose motion it predicts; of it only the skeleton matters.
        record: what else the manifest is to hold, such as data, seed and scores.
        half: store numbers as float16, at half the size.
    """
    kind = np.float16 if half else np.float32
    tensors = {name: value.numpy(force=True).astype(kind) for name, value in model.state_dict().items()}
    manifest = {
        "kind": model.kind,
        **made_for(body),
        "body": body.name,
        "layout": model.layout.record(),
        "model": dataclasses.asdict(model.config),
        "fps": model.fps,
        **record,
    }
    save_weights(path, tensors, manifest)


def load_prior(path: str | Path = "shipped", body: Body | None = None) -> NextStateModel:
    """Read a prior that has features for policies, as `load_model` does.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it was made for another skeleton, is no prior, or is linear and has no features.
    """
    model = load_model(path, body)
    if not isinstance(model, NextStateModel):
        raise ValueError(
            f"a prior must have features that policies can read, but {path} is a {model.kind}, which only "
            f"predicts; train a transformer or perceptron with: musclegym pretrain"
        )
    return model


def load_model(path: str | Path = "shipped", body: Body | None = None) -> MotionModel:
    """Read a prior of any kind, ready to predict (evaluation mode, no gradients, float32).

    Args:
        path: NAME.safetensors, the folder of a run of `musclegym pretrain`, or "shipped".
        body: the body that it is to be used with; None skips that check.

    Returns:
        The model with the averaged weights of its training.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it was made for another skeleton or by another version, or is no prior.
    """
    expect = made_for(body) if body is not None else {}
    tensors, manifest = load_weights(weights_of(path), expect, made_by=MADE_BY)
    layout = StateLayout.from_record(manifest["layout"])
    model = model_of_kind(manifest["kind"], layout, manifest["model"], manifest["fps"])
    check_names(path, set(tensors), set(model.state_dict()))
    model.load_state_dict({name: torch.from_numpy(value).float() for name, value in tensors.items()})
    return model.eval().requires_grad_(False)


def check_names(path: str | Path, found: set[str], wanted: set[str]) -> None:
    """Refuse the weights of another version of a model, whose tensors have other names."""
    if found != wanted:
        raise ValueError(
            f"a prior must have the tensors of this version's models, but {path} has "
            f"{', '.join(sorted(found - wanted)) or 'nothing'} beside them and lacks "
            f"{', '.join(sorted(wanted - found)) or 'none'}; train it anew with: musclegym pretrain"
        )


def weights_of(path: str | Path) -> Path:
    """Return the file of a prior: NAME.safetensors, that of a run's folder, or the shipped one."""
    path = SHIPPED if path == "shipped" else Path(path)
    return path / "prior.safetensors" if path.is_dir() else path


def manifest_of(path: str | Path) -> dict[str, Any]:
    """Return the manifest of a prior, named as for `load_model`.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    return read_manifest(weights_of(path), MADE_BY)


def made_for(body: Body) -> dict[str, Any]:
    """Return the part of a prior's manifest that a body must agree with."""
    return {
        "skeleton_hash": body.skeleton_hash,
        "state_numbers": 2 * body.n_dofs,
        "root_height": float(body.skeleton.joint_position[0, 1]),
    }
