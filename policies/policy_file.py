"""Policies as files: safetensors with a manifest, read without unpickling anything."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from musclegym.manifest import load_weights, read_manifest, save_weights
from musclegym.motion.features import StateLayout
from musclegym.policies.environment import made_for
from musclegym.policies.prior_policy import SimulationNNWithPrior
from musclegym.policies.shipped import policy_path
from musclegym.pretrain.kinds import model_of_kind
from musclegym.pretrain.next_state import NextStateModel

FORMAT = 1
"""Version of the file's contents; it grows when an older file can no longer be understood."""

MADE_BY = "musclegym train"
SHARED = ("pi_features_extractor.", "vf_features_extractor.")  # further names of features_extractor


def save_policy(
    path: str | Path,
    policy: SimulationNNWithPrior,
    fits: Mapping[str, Any],
    record: Mapping[str, Any],
    *,
    half: bool = False,
) -> None:
    """Write a policy and its manifest.

    Args:
        path: the file, NAME.safetensors; the manifest becomes NAME.json.
        policy: the network; its encoder, if any, is saved with it.
        fits: what `made_for` says of an environment that it acts in.
        record: what else the manifest is to hold; "environment_options" are the keywords that
            `gymnasium.make` needs.
        half: store matrices as float16, at half the size.
    """
    tensors = {name: value.numpy(force=True) for name, value in weights_of(policy).items()}
    if half:
        tensors = {
            name: array.astype(np.float16) if array.ndim == 2 else array for name, array in tensors.items()
        }
    manifest = {
        "kind": "SimulationNNWithPrior",
        "format": FORMAT,
        **fits,
        "network": network_record(policy),
        **record,
    }
    save_weights(path, tensors, manifest)


def load_policy(path: str | Path, environment: gym.Env) -> SimulationNNWithPrior:
    """Read a policy, ready to act in `environment` (evaluation mode).

    Args:
        path: name of a shipped policy, NAME.safetensors, or the folder of a run of `musclegym train`.
        environment: one that it is to act in.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it was made for another body, observation layout, action, control rate or format; both
            sides are named.
    """
    expect = {"kind": "SimulationNNWithPrior", "format": FORMAT, **made_for(environment)}
    tensors, manifest = load_weights(policy_path(path), expect, made_by=MADE_BY)
    network = manifest["network"]
    policy = SimulationNNWithPrior(
        environment.observation_space,
        environment.action_space,
        lambda _: 0.0,
        encoder=encoder_from_record(network["encoder"]),
        finetune=network["finetune"],
        hidden=tuple(network["hidden"]),
    )
    set_weights(policy, {name: torch.from_numpy(value) for name, value in tensors.items()})
    policy.set_training_mode(False)
    return policy


def policy_options(path: str | Path) -> dict[str, Any]:
    """Return the keywords of `gymnasium.make` that a policy was trained with.

    Weights of MuscleNN that lie beside the policy are named by its folder.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    options = read_manifest(policy_path(path), MADE_BY)["environment_options"]
    beside = policy_path(path).parent / (options.get("muscle_weights") or ".")
    return {**options, "muscle_weights": str(beside)} if beside.is_file() else options


def weights_of(policy: SimulationNNWithPrior) -> dict[str, Tensor]:
    """Return parameters and buffers by name, each once."""
    return {name: value for name, value in policy.state_dict().items() if not name.startswith(SHARED)}


def set_weights(policy: SimulationNNWithPrior, tensors: Mapping[str, Tensor]) -> None:
    """Give a policy the weights that `weights_of` returned."""
    main = "features_extractor."
    shared = {
        prefix + name.removeprefix(main): value
        for name, value in tensors.items()
        if name.startswith(main)
        for prefix in SHARED
    }
    policy.load_state_dict({**tensors, **shared})


def network_record(policy: SimulationNNWithPrior) -> dict[str, Any]:
    """Return the sizes of a policy's network."""
    encoder = policy.features_extractor.encoder
    assert isinstance(policy.net_arch, dict)
    return {
        "hidden": policy.net_arch["pi"],
        "finetune": policy.features_extractor.finetune,
        "encoder": encoder
        and {
            "kind": encoder.kind,
            "layout": encoder.layout.record(),
            "model": dataclasses.asdict(encoder.config),
            "fps": encoder.fps,
        },
    }


def encoder_from_record(record: Mapping[str, Any] | None) -> NextStateModel | None:
    """Build an encoder of the recorded size."""
    if record is None:
        return None
    layout = StateLayout.from_record(record["layout"])
    encoder = model_of_kind(record["kind"], layout, record["model"], record["fps"])
    assert isinstance(encoder, NextStateModel)
    return encoder
