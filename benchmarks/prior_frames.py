"""What a prior's encoder loses if it reads fewer states than its window.

    python benchmarks/prior_frames.py LIBRARY [--prior FILE] [--json OUT]

For windows of the test split: how far the predicted joints are from the true ones, some frames later, and
which share of the variance of the features changes, by the number of states that are read. Policies read
`musclegym.policies.prior_policy.FRAMES`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor

from musclegym.manifest import environment_record, write_json
from musclegym.motion.library import MotionLibrary
from musclegym.pretrain.checkpoint import load_prior, manifest_of
from musclegym.pretrain.motion_nn import MotionNN

AHEAD = (1, 10)


@dataclass(frozen=True)
class FramesConfig:
    """What to compare."""

    library: tyro.conf.Positional[str]
    """Cache of a motion library."""
    prior: str = "shipped"
    """Transformer to look at."""
    split: str | None = "test"
    """Part of the library; None is all of it."""
    windows: int = 256
    """Windows, from random places in random clips."""
    json: Path | None = None
    """Where to write the result."""


def windows_of(library: MotionLibrary, config: FramesConfig, length: int) -> Tensor:
    """Return windows (window, frame, 2 dof) from random places."""
    chance, clips = np.random.default_rng(0), library.select(config.split)
    long = [states for states in map(library.states, clips.tolist()) if len(states) > length]
    drawn = [long[number] for number in chance.integers(len(long), size=config.windows)]
    starts = [int(chance.integers(len(states) - length)) for states in drawn]
    pieces = [states[start : start + length] for states, start in zip(drawn, starts, strict=True)]
    return torch.as_tensor(np.stack(pieces), dtype=torch.float32)


def joint_error(prior: MotionNN, states: Tensor, truth: Tensor) -> float:
    """Return the root mean square of the way from states (window, 2 dof) to true ones, by joint [rad]."""
    layout = prior.layout
    way = layout.difference(layout.pose(states), layout.pose(truth))[:, 6 : layout.n_dofs]
    return float(way.square().mean().sqrt())


@torch.no_grad()
def measure(config: FramesConfig) -> list[dict[str, Any]]:
    """Return a row for each number of states."""
    prior = load_prior(config.prior)
    if not isinstance(prior, MotionNN):
        raise ValueError(f"only a transformer reads fewer states, but {config.prior} is a {prior.kind}")
    seen = prior.window
    states = windows_of(MotionLibrary(config.library), config, seen + max(AHEAD))
    whole = prior.encode(states[:, :seen])
    rows = []
    for frames in (*(number for number in (1, 2, 3, 4, 6, 8, 12) if number < seen), seen):
        context = states[:, seen - frames : seen]
        predicted = prior.roll_out(context, max(AHEAD))
        errors = {
            f"error_{ahead}": joint_error(prior, predicted[:, ahead - 1], states[:, seen + ahead - 1])
            for ahead in AHEAD
        }
        change = float((prior.encode(context) - whole).square().mean() / whole.var())
        rows.append({"frames": frames, **errors, "feature_change": change})
    return rows


def main() -> None:
    """Measure and print."""
    config = tyro.cli(FramesConfig, description=__doc__)
    torch.set_num_threads(1)
    rows = measure(config)
    for row in rows:
        errors = " ".join(f"{1000.0 * row[f'error_{ahead}']:8.2f}" for ahead in AHEAD)
        print(f"{row['frames']:3d} states: error {errors} mrad, features change {row['feature_change']:.4f}")
    if config.json is not None:
        sizes = manifest_of(config.prior)["model"]
        settings = {"prior": config.prior, "model": sizes, "split": config.split, "windows": config.windows}
        write_json(config.json, {"settings": settings, "rows": rows, "environment": environment_record()})


if __name__ == "__main__":
    main()
