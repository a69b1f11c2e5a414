"""Time to read a BVH file, beside the `bvh` package's own reading of the same file.

Run: python benchmarks/motion_reading.py FILE.bvh [--repeats N] [--json OUT]
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from bvh import Bvh

from musclegym.manifest import environment_record, write_json
from musclegym.motion import read_motion


@dataclass(frozen=True)
class ReadingConfig:
    """Settings of the comparison."""

    file: tyro.conf.Positional[Path]
    """BVH file to read."""
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


def measure(config: ReadingConfig) -> dict[str, Any]:
    """Return both times [s] and their ratio."""
    ours = fastest(lambda: read_motion(config.file), config.repeats)
    plain = fastest(lambda: np.array(Bvh(config.file.read_text()).frames, dtype=np.float64), config.repeats)
    return {
        "file": config.file.name,
        "megabytes": config.file.stat().st_size / 1e6,
        "frames": len(read_motion(config.file).root),
        "read_motion": ours,
        "bvh_package": plain,
        "ratio": plain / ours,
    }


def main(config: ReadingConfig) -> None:
    """Print both times and their ratio."""
    figures = measure(config)
    print(f"{figures['file']}: {figures['megabytes']:.1f} MB, {figures['frames']} frames")
    print(f"read_motion (numbers, rotations, checks)  {figures['read_motion']:.3f} s")
    print(f"bvh package (np.array(frames), no checks) {figures['bvh_package']:.3f} s")
    print(f"ratio                                     {figures['ratio']:.1f}")
    if config.json is not None:
        write_json(config.json, {"results": figures, "environment": environment_record()})


if __name__ == "__main__":
    main(tyro.cli(ReadingConfig))
