"""How much of the next change of velocity a straight line through the last ones tells: what data allow.

    python benchmarks/linear_foresight.py library [name=library ...] [--json OUT]

For every coordinate a linear map of its last ten changes of velocity is fitted to the training split of a
motion library, and its R^2 is measured on the test split, over all coordinates and by body. Noise and kinks
lower it, whatever a model could know beside; a prior should explain more.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from musclegym.manifest import environment_record, write_json
from musclegym.motion.library import MotionLibrary
from musclegym.rotation import Array

LAGS = 10


@dataclass(frozen=True)
class ForesightConfig:
    """What to measure."""

    libraries: tyro.conf.Positional[tuple[str, ...]]
    """Caches of motion libraries, or NAME=CACHE."""
    json: Path | None = None
    """Where to write the result."""


def changes(library: MotionLibrary, split: str) -> tuple[Array, Array]:
    """Return successive changes of velocity (sample, dof, LAGS), and those that follow them (sample, dof)."""
    n, before, after = library.body.n_dofs, [], []
    for clip in library.select(split):
        steps = np.diff(library.states(clip)[:, n:].astype(np.float64), axis=0)
        if len(steps) > LAGS:
            windows = np.lib.stride_tricks.sliding_window_view(steps, LAGS + 1, axis=0)
            before.append(windows[..., :-1])
            after.append(windows[..., -1])
    return np.concatenate(before), np.concatenate(after)


def foresight(library: MotionLibrary) -> dict[str, Any]:
    """Return R^2 on the test split, as a whole and by body, and the squares that each body contributes."""
    (known, follows), (seen, wanted) = changes(library, "train"), changes(library, "test")
    missed = np.empty_like(wanted)
    for dof in range(library.body.n_dofs):
        weights = np.linalg.lstsq(known[:, dof], follows[:, dof], rcond=None)[0]
        missed[:, dof] = wanted[:, dof] - seen[:, dof] @ weights
    error, square = (missed**2).mean(axis=0), (wanted**2).mean(axis=0)
    bodies = {}
    for dof, name in enumerate(library.body.dof_names):
        bodies.setdefault(name.split("_")[0], []).append(dof)
    return {
        "samples": len(wanted),
        "r2": float(1.0 - error.sum() / square.sum()),
        "mean_square": float(square.sum()),
        "bodies": {
            name: {
                "r2": float(1.0 - error[dofs].sum() / square[dofs].sum()),
                "mean_square": float(square[dofs].sum()),
            }
            for name, dofs in bodies.items()
        },
    }


def main(config: ForesightConfig) -> None:
    """Measure each library and print a line for it."""
    results = {}
    for text in config.libraries:
        name, _, cache = text.rpartition("=")
        results[name or Path(cache).name] = result = foresight(MotionLibrary(cache))
        print(f"{name or cache}: R^2 {result['r2']:.3f} of {result['mean_square']:.1f} (rad/s)^2 a frame")
    if config.json is not None:
        write_json(config.json, {"results": results, "lags": LAGS, "environment": environment_record()})


if __name__ == "__main__":
    main(tyro.cli(ForesightConfig, description=__doc__))
