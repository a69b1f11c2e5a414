"""`musclegym data build`: make a motion library of folders of motion files, or bring one up to date."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from musclegym.motion.library import MotionLibrary
from musclegym.motion.library_build import LibraryConfig, build_library
from musclegym.motion.splits import SPLITS
from musclegym.settings import BodyConfig


@dataclass(frozen=True)
class BuildConfig:
    """Retarget motion files once and write their frames into a cache that training reads.

    Only files that are new or have changed are read; those that are gone go from the library. A build that
    was interrupted, in whatever way, goes on where it was when it is started again.
    """

    sources: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of motion files, files, or names of embedded motions; none means all embedded ones."""

    cache: Path = field(kw_only=True)
    """Folder of the library."""

    body: Annotated[BodyConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=BodyConfig)
    """Body that follows."""

    library: Annotated[LibraryConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=LibraryConfig)
    """How the library is made."""

    workers: int = 2
    """Processes that read and retarget."""

    json: Path | None = None
    """File to write the result to."""


def build(config: BuildConfig) -> dict[str, Any]:
    """Bring the library up to date; return what was done, and the seconds of every activity in each split."""
    body = config.body.load()
    report = build_library(
        config.sources, config.cache, body, config.library, workers=config.workers, progress=True
    )
    library = MotionLibrary(config.cache, body)
    return {
        "clips": report.clips,
        "frames": report.frames,
        "made": report.made,
        "removed": report.removed,
        "refused": dict(report.errors),
        "fps": library.fps,
        "body": body.name,
        "by": library.splits["by"],
        "groups": library.splits["groups"],
        "twins": library.splits["twins"],
        "seconds": library.splits["seconds"],
        "leaks": library.leaks(),
    }


def build_text(record: dict[str, Any]) -> str:
    """Return what was done as lines of text."""
    lines = [
        f"{record['clips']} clips, {record['frames']} frames at {record['fps']:g} frames/s of "
        f"{record['body']}; made {record['made']}, removed {record['removed']}",
        f"split by {record['by']}, {record['groups']} groups; seconds of each activity:",
        f"  {'':12} " + " ".join(f"{split:>8}" for split in SPLITS),
    ]
    seconds = record["seconds"]
    for activity in [*seconds[SPLITS[0]], "all"]:
        row = [sum(seconds[s].values()) if activity == "all" else seconds[s][activity] for s in SPLITS]
        lines.append(f"  {activity:<12} " + " ".join(f"{value:8.1f}" for value in row))
    lines += [f"the same motion: {' = '.join(pair)}" for pair in record["twins"]]
    lines += [f"shared between splits: {leak}" for leak in record["leaks"]]
    lines += [f"refused: {reason}" for reason in record["refused"].values()]
    return "\n".join(lines)
