"""Time to read a BVH file, beside the `bvh` package's own reading of the same file.

Run: python benchmarks/motion_reading.py FILE.bvh [--repeats N]
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from bvh import Bvh

from musclegym.motion import read_motion


@dataclass(frozen=True)
class ReadingConfig:
    """Settings of the comparison."""

    file: tyro.conf.Positional[Path]
    """BVH file to read."""
    repeats: int = 3
    """Times that each way is tried; the fastest counts."""


def fastest(action: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several durations of an action [s]."""
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        durations.append(time.perf_counter() - start)
    return min(durations)


def main(config: ReadingConfig) -> None:
    """Print both times and their ratio."""
    ours = fastest(lambda: read_motion(config.file), config.repeats)
    plain = fastest(lambda: np.array(Bvh(config.file.read_text()).frames, dtype=np.float64), config.repeats)
    size = config.file.stat().st_size / 1e6
    print(f"{config.file.name}: {size:.1f} MB, {len(read_motion(config.file).root)} frames")
    print(f"read_motion (numbers, rotations, checks)  {ours:.3f} s")
    print(f"bvh package (np.array(frames), no checks) {plain:.3f} s")
    print(f"ratio                                     {plain / ours:.1f}")


if __name__ == "__main__":
    main(tyro.cli(ReadingConfig))
