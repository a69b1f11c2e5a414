"""How well the default human follows motion files, source by source.

    python benchmarks/retargeting.py FOLDER... [--processes 2] [--json OUT]

Prints a row for each folder and for the embedded motions: means over its clips, the worst clip, and means
over its walks. `musclegym data inspect` explains the figures and shows them clip by clip.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from musclegym.manifest import core_count, environment_record, write_json
from musclegym.motion import embedded_motion_names
from musclegym.motion.data import InspectConfig, inspect

MEANS = (
    "limb_error",
    "world_error",
    "sliding",
    "skating",
    "source_skating",
    "penetration",
    "floating",
    "clipped",
)
OF_WALKS = ("limb_error", "sliding", "skating", "source_skating")
# Trials of CMU subjects 02 and 03 that walk without saying so in their names (index of mocap.cs.cmu.edu,
# from memory; their speeds agree).
WALKS = ("walk", "02_01", "02_02", "03_01", "03_02")
# Bars: limb error [mm], deepest sole under the ground [mm], skating of walks.
BARS = {"limb_error": 30.0, "deepest": 10.0, "walk_skating": 0.05}


@dataclass(frozen=True)
class RetargetingConfig:
    """What to measure."""

    folders: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of motion files, one per source."""
    processes: int = core_count()
    """Processes that read and retarget."""
    json: Path | None = None
    """Where to write the result."""


def source_row(files: tuple[Path, ...], processes: int) -> dict[str, Any]:
    """Return the figures of some files or folders."""
    record = inspect(InspectConfig(files=files, processes=processes))
    clips = record["clips"]
    walks = [clip for clip in clips if any(word in clip["name"].lower() for word in WALKS)]
    return {
        "clips": len(clips),
        "seconds": sum(clip["seconds"] for clip in clips),
        "families": sorted({clip["family"] for clip in clips}),
        "formats": sorted({Path(clip["source"]).suffix.lower().strip(".") for clip in clips}),
        **means(clips, MEANS),
        "worst_limb_error": max(clip["limb_error"] for clip in clips),
        "worst_clip": max(clips, key=lambda clip: clip["limb_error"])["name"],
        "deepest": max(clip["deepest"] for clip in clips),
        "walks": len(walks),
        **{f"walk_{name}": value for name, value in means(walks, OF_WALKS).items()},
        "refused": record["refused"],
    }


def means(clips: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, float | None]:
    """Return the means of figures over clips; None where there are no clips."""
    return {name: float(np.mean([clip[name] for clip in clips])) if clips else None for name in names}


def words(name: str, row: dict[str, Any]) -> str:
    """Return a row as text, with the bars that it misses."""
    lines = [
        f"{name}: {row['clips']} clips, {row['seconds']:.0f} s, of {' and '.join(row['families'])}",
        f"  limbs {row['limb_error']:.1f} mm (worst {row['worst_limb_error']:.1f}, {row['worst_clip']}), "
        f"world {row['world_error']:.1f} mm, deepest {row['deepest']:.2f} mm, "
        f"standing soles {row['floating']:.2f} mm up, clipped {row['clipped']:.3f}",
        f"  sliding {row['sliding']:.3f}, skating {row['skating']:.3f}, source's {row['source_skating']:.3f}",
    ]
    if row["walks"]:
        lines.append(
            f"  {row['walks']} walks: limbs {row['walk_limb_error']:.1f} mm, sliding "
            f"{row['walk_sliding']:.3f}, skating {row['walk_skating']:.3f}, source's "
            f"{row['walk_source_skating']:.3f}"
        )
    missed = [bar for bar, limit in BARS.items() if row[bar] is not None and row[bar] > limit]
    lines += [f"  MISSED: {bar} {row[bar]:.3f} > {BARS[bar]}" for bar in missed]
    lines += [f"  refused: {reason}" for reason in row["refused"]]
    return "\n".join(lines)


def main() -> None:
    """Measure every source and print a row for each."""
    config = tyro.cli(RetargetingConfig)
    sources = {"embedded": tuple(map(Path, embedded_motion_names()))}
    sources |= {folder.name: (folder,) for folder in config.folders}
    results = {}
    for name, files in sources.items():
        results[name] = source_row(files, config.processes)
        print(words(name, results[name]), flush=True)
    if config.json is not None:
        write_json(config.json, {"results": results, "bars": BARS, "environment": environment_record()})


if __name__ == "__main__":
    main()
