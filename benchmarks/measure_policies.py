"""Measure the policies that come with the package anew, and renew their cards and results.

    python benchmarks/measure_policies.py [walk_muscle ...]

Each is measured by 20 episodes from spread phases for each of three seeds, by pushes, and by the gait of one
episode: results/policy_NAME.json and results/gait_NAME.json.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from musclegym.policies.evaluate import text
from musclegym.policies.shipped import shipped_names
from musclegym.policies.shipped_scores import measure_shipped, write_scores

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class MeasureConfig:
    """What is measured."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Shipped policies; none means all of them."""


def main(config: MeasureConfig) -> None:
    """Measure each policy, print its table, and write everything."""
    measured = []
    for name in config.names or shipped_names():
        measured.append(measure_shipped(name))
        print(text(measured[-1].evaluation))
    write_scores(measured, RESULTS)


if __name__ == "__main__":
    main(tyro.cli(MeasureConfig, description=__doc__))
