"""Put a trained prior where the package keeps its own, with the card that it earns.

    python benchmarks/ship_prior.py runs/prior evaluation.json --corpus "CMU ..., DeepMimic ..., embedded"

Weights are stored as float16. The card, in the manifest beside them, holds the settings of the training, its
curve, and what `musclegym pretrain evaluate ... --json` measured.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from musclegym.body import load_body
from musclegym.manifest import read_manifest
from musclegym.pretrain.checkpoint import SHIPPED, load_prior, save_prior

POINTS = 100  # of the curve that the card keeps
KEPT = ("data", "seed", "steps", "seconds", "final_loss")
SETTINGS = ("model", "objective", "augmentation", "trainer", "weights")
MADE_BY = "musclegym pretrain"


@dataclass(frozen=True)
class ShipConfig:
    """What is shipped, and what its card says."""

    run: tyro.conf.Positional[Path]
    """Run folder of the training."""

    evaluation: tyro.conf.Positional[Path]
    """What the evaluation of this prior wrote; the prior is the first of its models."""

    corpus: str
    """Where the motions come from and under which licences, in words."""

    out: Path = SHIPPED
    """File of the weights; the manifest lies beside it."""


def card(config: ShipConfig) -> dict[str, Any]:
    """Return what the manifest says beyond what the weights are for.

    Raises:
        ValueError: if the evaluation is of another training.
    """
    trained = read_manifest(config.run / "prior.safetensors", MADE_BY)
    settings = json.loads((config.run / "config.json").read_text(encoding="utf-8"))
    result = json.loads((config.run / "result.json").read_text(encoding="utf-8"))
    measured = json.loads(config.evaluation.read_text(encoding="utf-8"))
    name, model = next(iter(measured["models"].items()))
    same = ("steps", "seconds", "seed", "data_hash")
    here = {**trained, "data_hash": trained["data"]["data_hash"]}
    if any(model[key] != here[key] for key in same):
        raise ValueError(
            f"a card holds the evaluation of its own prior, but {config.evaluation} is of one with "
            f"{[model[key] for key in same]} as {', '.join(same)} and {config.run} has "
            f"{[here[key] for key in same]}; evaluate it first: musclegym pretrain evaluate {config.run}"
        )
    rollouts = measured["rollouts"]
    evaluation = {
        "prior": name,
        "split": measured["split"],
        "motions": measured["motions"],
        "models": {key: {k: v for k, v in m.items() if k != "file"} for key, m in measured["models"].items()},
        "horizons": rollouts["horizons"],
        "growth": rollouts["growth"],
        "alive": rollouts["alive"],
        "bars": measured["bars"],
    }
    return {
        **{key: trained[key] for key in KEPT},
        "corpus": config.corpus,
        "settings": {key: settings[key] for key in SETTINGS},
        "evaluation": evaluation,
        "curve": thinned(result["curve"]),
    }


def thinned(curve: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return the means of about `POINTS` successive stretches of a curve, rounded to four digits."""
    size = max(1, len(curve) // POINTS)
    out = []
    for first in range(0, len(curve) - size + 1, size):
        rows = curve[first : first + size]
        names = sorted({name for row in rows for name in row})
        values = {name: [row[name] for row in rows if name in row] for name in names}
        out.append({name: float(f"{sum(v) / len(v):.4g}") for name, v in values.items()})
    return out


def main() -> None:
    """Store the weights and their card."""
    config = tyro.cli(ShipConfig, description=__doc__)
    body = load_body("human")
    save_prior(config.out, load_prior(config.run, body), body, card(config), half=True)
    size = config.out.stat().st_size / 2**20
    print(f"saved {config.out.name} ({size:.2f} MiB) and {config.out.with_suffix('.json').name}")


if __name__ == "__main__":
    main()
