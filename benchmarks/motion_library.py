"""A motion library of real files: how fast it is built and windows are drawn, and how much memory it takes.

    python benchmarks/motion_library.py FOLDER... [--json OUT]

Builds a library of the folders with one process and with several, each from nothing; builds it again with
nothing changed; draws windows of 61 frames, recorded and augmented; and reads windows of the library and of
one with ten times as many frames in a process of its own whose memory is measured.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from musclegym import MotionLibrary
from musclegym.body import load_body
from musclegym.manifest import core_count, environment_record, write_json
from musclegym.motion.augment import NONE, Augmentation
from musclegym.motion.labels import Labels
from musclegym.motion.library_build import build_library
from musclegym.motion.library_files import ClipData, SavedClips
from musclegym.motion.library_write import save_library

BATCH = 256
LIBRARY = "1-0"  # the first one built
AUGMENTATIONS = {
    "recorded": NONE,
    "mirror and scale": Augmentation(mirror=True, speed=0.0, stretch=0.0, scale=0.1, heading=False),
    "and heading": Augmentation(mirror=True, speed=0.0, stretch=0.0, scale=0.1, heading=True),
    "and speed and stretch": Augmentation(),
}


@dataclass(frozen=True)
class LibraryBenchmark:
    """What to measure."""

    folders: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of motion files; none means the embedded motions."""
    workers: int = core_count()
    """Processes of the parallel build."""
    frames: int = 61
    """Frames of a window."""
    repeats: int = 2
    """Times that each build is done, in turn; the fastest counts."""
    seconds: float = 3.0
    """Time for which windows are drawn, of each kind [s]."""
    copies: int = 10
    """How many times larger the second library is."""
    read: int = 40_000
    """Windows that are read while memory is measured."""
    json: Path | None = None
    """File to write the result to."""


def timed(action: Callable[[], Any]) -> float:
    """Return how long an action takes [s]."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def measure_builds(config: LibraryBenchmark, folder: Path) -> dict[str, Any]:
    """Return the seconds of builds from nothing by one process and by several, and of one without changes."""
    body = load_body("human")
    build_library((), folder / "warm-up", body)  # compiles, and reads what importing leaves for later
    for source in config.folders:
        for file in source.rglob("*"):
            if file.is_file():
                file.read_bytes()  # the first build is not to be the only one that waits for the disk
    single, parallel = [], []
    for turn in range(config.repeats):
        for times, workers in ((single, 1), (parallel, config.workers)):
            cache = folder / f"{workers}-{turn}"
            times.append(timed(lambda: build_library(config.folders, cache, body, workers=workers)))  # noqa: B023
    again = timed(lambda: build_library(config.folders, folder / LIBRARY, body))
    return {
        "single_seconds": min(single),
        "workers": config.workers,
        "parallel_seconds": min(parallel),
        "parallel_over_single_per_core": min(parallel) * config.workers / min(single),
        "unchanged_seconds": again,
    }


def windows_per_second(library: MotionLibrary, augmentation: Augmentation, config: LibraryBenchmark) -> float:
    """Return how many windows are drawn in a second, by one thread."""
    sampler = library.windows(config.frames, BATCH, split=None, augmentation=augmentation)
    sampler.draw(0)
    begin, step = time.perf_counter(), 0
    while time.perf_counter() - begin < config.seconds:
        step += 1
        sampler.draw(step)
    return step * BATCH / (time.perf_counter() - begin)


def copies_of(cache: Path, copies: int) -> Iterator[tuple[str, tuple[Labels, ClipData]]]:
    """Yield the clips of a library several times, under several names."""
    saved = SavedClips(next(cache.glob("clips-*")))
    for copy in range(copies):
        for record in saved.records:
            yield f"copy{copy}/{record.source}", (record.labels, saved.data(record))


def resident(cache: Path, frames: int, count: int) -> dict[str, float]:
    """Return the memory of a process that reads windows: at its highest, and of files at the end [MB]."""
    library = MotionLibrary(cache)
    sampler = library.windows(frames, BATCH, split=None)
    for step in range(count // BATCH):
        sampler.draw(step)
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    megabytes = {name: int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmHWM", "RssFile")}
    return {
        "clips": len(library.clips),
        "frames_megabytes": library.saved.frames.rows.nbytes / 1e6,
        "peak_megabytes": megabytes["VmHWM"],
        "files_megabytes": megabytes["RssFile"],
    }


def measure_memory(config: LibraryBenchmark, folder: Path) -> list[dict[str, float]]:
    """Return the memory of readers of the library and of the one that is `copies` times as large."""
    save_library(folder / "large", dict(copies_of(folder / LIBRARY, config.copies)), load_body("human"), 30.0)
    results = []
    for cache in (folder / LIBRARY, folder / "large"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            results.append(pool.apply(resident, (cache, config.frames, config.read)))
    return results


def measure(config: LibraryBenchmark) -> dict[str, Any]:
    """Measure everything in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="motion-library-") as name:
        folder = Path(name)
        builds = measure_builds(config, folder)
        library = MotionLibrary(folder / LIBRARY)
        speeds = {
            kind: windows_per_second(library, augmentation, config)
            for kind, augmentation in AUGMENTATIONS.items()
        }
        return {
            "clips": len(library.clips),
            "refused": library.errors,
            "seconds_of_motion": library.statistics["frames"] / library.fps,
            "build": builds,
            "window_frames": config.frames,
            "windows_per_second": speeds,
            "memory": measure_memory(config, folder),
            "split": library.splits["seconds"],
            "groups": library.splits["groups"],
            "twins": len(library.splits["twins"]),
            "leaks": library.leaks(),
        }


def main() -> None:
    """Measure, print and write down."""
    config = tyro.cli(LibraryBenchmark)
    result = measure(config)
    build = result["build"]
    print(f"{result['clips']} clips, {result['seconds_of_motion']:.0f} s of motion")
    print(
        f"built by 1 process in {build['single_seconds']:.1f} s, by {build['workers']} in "
        f"{build['parallel_seconds']:.1f} s: {build['parallel_over_single_per_core']:.2f} x time / cores; "
        f"nothing changed: {build['unchanged_seconds']:.2f} s"
    )
    for kind, rate in result["windows_per_second"].items():
        print(f"{rate:10,.0f} windows/s of {config.frames} frames, {kind}")
    for memory in result["memory"]:
        print(
            f"{memory['clips']} clips, {memory['frames_megabytes']:.0f} MB of frames: a reader takes "
            f"{memory['peak_megabytes']:.0f} MB at most"
        )
    if config.json is not None:
        write_json(config.json, {"results": result, "environment": environment_record()})


if __name__ == "__main__":
    main()
