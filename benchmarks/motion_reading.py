"""Time to read a BVH file, beside the `bvh` package's own reading of the same file.

Run: python benchmarks/motion_reading.py [FILE.bvh] [--repeats N] [--json OUT]
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from bvh import Bvh

from musclegym.body import load_body
from musclegym.manifest import environment_record, write_json
from musclegym.motion import clip_of, load_motion, read_motion, write_bvh


@dataclass(frozen=True)
class ReadingConfig:
    """Settings of the comparison."""

    file: tyro.conf.Positional[Path | None] = None
    """BVH file to read; by default one of 4 MB, the embedded walk over and over."""
    repeats: int = 7
    """Times that each way is tried; the fastest counts."""
    json: Path | None = None
    """File to write the figures to."""


def fastest(action: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several durations of an action [s]."""
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        durations.append(time.perf_counter() - start)
    return min(durations)


def long_walk(folder: Path) -> Path:
    """Write a BVH file of 4 MB and return its path."""
    walk = load_motion("walk", load_body("human"))
    path = folder / "walk.bvh"
    write_bvh(path, clip_of(walk.skeleton, np.tile(walk.q, (150, 1)), walk.fps))
    return path


def measure(file: Path, repeats: int) -> dict[str, Any]:
    """Return both times [s] and their ratio."""
    ours = fastest(lambda: read_motion(file), repeats)
    plain = fastest(lambda: np.array(Bvh(file.read_text()).frames, dtype=np.float64), repeats)
    return {
        "file": file.name,
        "megabytes": file.stat().st_size / 1e6,
        "frames": len(read_motion(file).root),
        "read_motion": ours,
        "bvh_package": plain,
        "ratio": plain / ours,
    }


def main(config: ReadingConfig) -> None:
    """Print both times and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(config.file or long_walk(Path(folder)), config.repeats)
    print(f"{figures['file']}: {figures['megabytes']:.1f} MB, {figures['frames']} frames")
    print(f"read_motion (numbers, rotations, checks)  {figures['read_motion']:.3f} s")
    print(f"bvh package (np.array(frames), no checks) {figures['bvh_package']:.3f} s")
    print(f"ratio                                     {figures['ratio']:.1f}")
    if config.json is not None:
        write_json(config.json, {"results": figures, "environment": environment_record()})


if __name__ == "__main__":
    main(tyro.cli(ReadingConfig))
