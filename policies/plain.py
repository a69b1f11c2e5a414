"""Policies without the library that trained them: a file of `musclegym train` as a function of arrays.

act = load_plain("walk_muscle")
action = act(observation)  # (batch, action) or (action,), in [-1, 1], as the deterministic policy acts
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from musclegym.manifest import load_weights
from musclegym.motion.features import StateLayout
from musclegym.policies.normaliser import CLIP, SMALLEST_DEVIATION
from musclegym.policies.shipped import policy_path
from musclegym.pretrain.kinds import model_of_kind
from musclegym.pretrain.next_state import NextStateModel

Array32 = npt.NDArray[np.float32]


def load_plain(path: str | Path) -> Callable[[Array32], Array32]:
    """Return the deterministic policy of a file; nothing of stable-baselines3 is imported, nothing unpickled.

    Args:
        path: name of a shipped policy, NAME.safetensors, or the folder of a run of `musclegym train`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it was changed after it was saved, or is no policy.
    """
    expect = {"kind": "SimulationNNWithPrior"}
    weights, manifest = load_weights(policy_path(path), expect, made_by="musclegym train")
    layers = [f"mlp_extractor.policy_net.{2 * i}" for i in range(len(manifest["network"]["hidden"]))]
    matrices = [
        (weights[f"{name}.weight"].astype(np.float32), weights[f"{name}.bias"].astype(np.float32))
        for name in [*layers, "action_net"]
    ]
    mean = weights["features_extractor.normaliser.mean"].astype(np.float32)
    variance = weights["features_extractor.normaliser.variance"]
    deviation = np.maximum(np.sqrt(variance), SMALLEST_DEVIATION).astype(np.float32)
    record, encoder = manifest["network"]["encoder"], None
    if record is not None:
        layout = StateLayout.from_record(record["layout"])
        encoder = model_of_kind(record["kind"], layout, record["model"], record["fps"])
        prefix = "features_extractor.encoder."
        own = {name: array for name, array in weights.items() if name.startswith(prefix)}
        encoder.load_state_dict({n.removeprefix(prefix): torch.from_numpy(a).float() for n, a in own.items()})

    def act(observation: Array32) -> Array32:
        hidden = np.asarray(observation, dtype=np.float32)
        if encoder is not None:
            assert isinstance(encoder, NextStateModel)
            plain, states = np.split(hidden, [-encoder.window * encoder.layout.n_state], axis=-1)
            windows = torch.from_numpy(states.reshape(-1, encoder.window, encoder.layout.n_state))
            with torch.inference_mode():
                features = encoder.encode(windows).numpy().reshape(*plain.shape[:-1], -1)
            hidden = np.concatenate([plain, features], axis=-1)
        hidden = np.clip((hidden - mean) / deviation, -CLIP, CLIP)
        for number, (weight, bias) in enumerate(matrices):
            hidden = hidden @ weight.T + bias
            hidden = np.tanh(hidden) if number < len(layers) else hidden
        return np.clip(hidden, -1.0, 1.0)

    return act
