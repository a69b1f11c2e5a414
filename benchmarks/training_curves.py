"""Keep the learning curves of runs of `musclegym train` among the results.

    python benchmarks/training_curves.py walk=runs/walk turn=runs/turn

Of every run the settings and every tenth point of its curve are written to
benchmarks/results/training_curves.json, where those of other names stay. Where a run went on from another
one's checkpoint, its curve contains that one's.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from musclegym.manifest import environment_record, write_json
from musclegym.policies.training_run import read_checkpoint

EVERY = 10
KEPT = ("steps", "seconds", "steps_per_second", "episode_steps", "reward_per_step", "approx_kl", "std")
RESULTS = Path(__file__).parent / "results" / "training_curves.json"


@dataclass(frozen=True)
class CurvesConfig:
    """Whose curves are kept."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """NAME=FOLDER of each run."""

    note: str = ""
    """What else is to be known of these runs."""


def main(config: CurvesConfig) -> None:
    """Write the results."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {"runs": {}}
    runs = kept["runs"]
    for text in config.runs:
        name, _, folder = text.partition("=")
        _, progress = read_checkpoint(Path(folder))
        curve = progress["curve"]
        points = [*curve[::EVERY], curve[-1]]
        settings = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        del settings["run"], settings["resume"]
        for group, key in (
            (settings, "config"),
            (settings, "init"),
            (settings["environment"], "muscle_weights"),
        ):
            group[key] = group[key] and Path(group[key]).name
        runs[name] = {
            "note": config.note,
            "environment": environment_record(),
            "settings": settings,
            "curve": [{key: point[key] for key in KEPT if key in point} for point in points],
        }
    write_json(RESULTS, {"runs": runs})


if __name__ == "__main__":
    main(tyro.cli(CurvesConfig, description=__doc__))
