"""How well the default human follows motion files, source by source.

    python benchmarks/retargeting.py FOLDER... [--json OUT]

Prints means over the clips of each folder, and over the embedded motions; `musclegym data inspect` names the
columns and shows clip by clip.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from musclegym.manifest import environment_record, write_json
from musclegym.motion import embedded_motion_names
from musclegym.motion.data import InspectConfig, inspect

MEANS = ("limb_error", "world_error", "sliding", "skating", "penetration", "clipped")


@dataclass(frozen=True)
class RetargetingConfig:
    """What to measure."""

    folders: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of motion files, one per source."""
    json: Path | None = None
    """Where to write the result."""


def summary(files: tuple[Path, ...]) -> dict[str, Any]:
    """Return the means over the clips of some files or folders, and the worst clip's limb error."""
    clips = inspect(InspectConfig(files=files))["clips"]
    means = {name: float(np.mean([clip[name] for clip in clips])) for name in MEANS}
    worst = max(clip["limb_error"] for clip in clips)
    families = sorted({clip["family"] for clip in clips})
    return {"clips": len(clips), "families": families, **means, "worst_limb_error": worst}


def main() -> None:
    """Measure every source and print a row for each."""
    config = tyro.cli(RetargetingConfig)
    sources = {"embedded": tuple(map(Path, embedded_motion_names()))}
    sources |= {folder.name: (folder,) for folder in config.folders}
    results = {name: summary(files) for name, files in sources.items()}
    for name, row in results.items():
        figures = ", ".join(f"{key} {row[key]:.3f}" for key in (*MEANS, "worst_limb_error"))
        print(f"{name}: {row['clips']} clips of {' and '.join(row['families'])}: {figures}")
    if config.json is not None:
        write_json(config.json, {"results": results, "environment": environment_record()})


if __name__ == "__main__":
    main()
