"""Building a motion library: in parallel, only what changed, and safe against being killed or run twice.

One process at a time builds a cache; another one waits for it, and then finds its work done. Worker
processes turn files into clips; the builder alone writes, each clip to a file of its own in CACHE/parts as
soon as it is ready. A build that was killed leaves parts that the next one goes on with, known by a hash of
all that they were made from. At the end all clips are written in the order of their names, so the result
depends neither on the order of work nor on interruptions.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock
from tqdm import tqdm

import musclegym
from musclegym.body import Body
from musclegym.manifest import plain, write_whole
from musclegym.motion.labels import Labels, label_all, read_label_table, reading_of, skeleton_mark
from musclegym.motion.library_files import (
    FORMAT,
    ClipData,
    SavedClips,
    read_manifest,
)
from musclegym.motion.library_parts import Job, make_clips, packed, unpacked
from musclegym.motion.library_write import LOCK, PARTS, clean, own_folder, publish
from musclegym.motion.name_maps import read_map
from musclegym.motion.sources import find_sources
from musclegym.motion.splits import SplitConfig


@dataclass(frozen=True)
class LibraryConfig:
    """What a library is made of, besides sources and body."""

    fps: float = 30.0
    """Frame rate of the library [1/s]."""

    mapping: Path | None = None
    """TOML file that maps bodies to the joints of skeletons of no known family."""

    low_pass: float | None = None
    """Cut-off of a Butterworth low-pass filter without delay, usually 6 to 10 [Hz]; by default none. Clips of
    twice its frames per second or fewer hold nothing faster, and are taken as they are."""

    labels: Path | None = None
    """CSV table that overrides what names and files tell of motions: the column pattern, and any of subject,
    activity, recording, content, style, fps and unit."""

    split: SplitConfig = field(default_factory=SplitConfig)
    """How clips are divided into training, validation and test."""

    def __post_init__(self) -> None:
        """Check the rate."""
        if not 0.0 < self.fps < 1000.0:
            raise ValueError(f"fps must lie between 0 and 1000, but is {self.fps}; use e.g. 30")


@dataclass(frozen=True)
class BuildReport:
    """What a build did."""

    clips: int
    """Clips in the library."""
    frames: int
    """Frames of all clips."""
    made: int
    """Clips made from their files by this build; the others were there."""
    removed: int
    """Clips that were there before and whose files are gone or have changed."""
    errors: Mapping[str, str]
    """Source -> why it could not be read."""


def build_library(
    given: Sequence[str | Path],
    cache: str | Path,
    body: Body,
    config: LibraryConfig | None = None,
    *,
    workers: int = 1,
    progress: bool = False,
) -> BuildReport:
    """Bring a cache up to date with motion files.

    Args:
        given: folders, files, or names of embedded motions; nothing means all embedded ones.
        cache: folder of the library; made where missing.
        body: whose motion the library holds.
        config: rate, labels and splits.
        workers: processes that read and retarget. With more than one, a script that calls this needs
            `if __name__ == "__main__":`, since each process begins by importing it.
        progress: whether to draw a progress bar.

    Raises:
        FileNotFoundError: if a source is missing.
        ValueError: if two sources have the same name, the folder holds something else, or no file can be
            read. A file that cannot be read while others can is no error here but listed in the report.
    """
    config = config or LibraryConfig()
    sources = dict(sorted(find_sources(given).items()))
    cache = own_folder(Path(cache))
    with FileLock(cache / LOCK):
        return Build(cache, sources, body, config).run(workers, progress)


class Build:
    """One build of a cache, by the process that holds its lock."""

    def __init__(self, cache: Path, sources: Mapping[str, Path], body: Body, config: LibraryConfig) -> None:
        """Look at the sources, and at what the last build left."""
        self.cache, self.sources, self.body, self.config = cache, sources, body, config
        self.table = read_label_table(config.labels) if config.labels is not None else []
        mapping = ""
        if config.mapping is not None:
            read_map(config.mapping)  # a wrong one is refused before any file is touched
            mapping = config.mapping.read_text(encoding="utf-8")
        self.recipe = {
            "fps": config.fps,
            "body": body.skeleton_hash,
            "mapping": mapping,
            "low_pass": config.low_pass,
            "code": code_hash(),
        }
        self.job = Job(body, config.fps, config.mapping, config.low_pass, self.table)
        self.marks: dict[str, str] = {}
        self.keys = {name: self.look_at(name, path) for name, path in sources.items()}
        self.before = read_manifest(cache) or {}
        self.old = SavedClips(cache / self.before["folder"]) if self.before else None
        self.made = 0

    def look_at(self, name: str, path: Path) -> str:
        """Return the key of a source: a hash of its name and bytes, its skeleton file's, and the recipe."""
        data = path.read_bytes()
        self.marks[name] = skeleton_mark(data)
        made_with = [name, self.recipe, reading_of(name, self.table)]
        digest = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode())
        digest.update(data)
        if path.suffix.lower() == ".amc":
            for skeleton in sorted(path.parent.glob("*.[aA][sS][fF]")):
                digest.update(skeleton.read_bytes())
        return digest.hexdigest()

    def run(self, workers: int, progress: bool) -> BuildReport:
        """Make what is missing, and put the library together where it changes."""
        wanted = self.wanted()
        present = self.old.by_key if self.old is not None else {}
        manifest = self.before
        if any(manifest.get(key) != value for key, value in wanted.items()):
            refused = {error["key"] for error in manifest.get("errors", {}).values()}
            self.make_parts(
                [n for n, key in self.keys.items() if key not in present.keys() | refused], workers, progress
            )
            manifest = self.assemble(wanted)
        clean(self.cache, manifest["folder"])
        errors = {name: error["reason"] for name, error in manifest["errors"].items()}
        removed = len(present.keys() - set(self.keys.values()))
        return BuildReport(manifest["clips"], manifest["frames"], self.made, removed, errors)

    def wanted(self) -> dict[str, Any]:
        """Return the part of the manifest that says what the library is to be made of."""
        return plain(
            {
                "format": FORMAT,
                "musclegym": musclegym.__version__,
                "body": self.body.name,
                "recipe": self.recipe,
                "split": asdict(self.config.split),
                "labels": self.table,
                "sources": self.keys,
            }
        )

    def part(self, name: str) -> Path:
        """Return the file of a source's part."""
        return self.cache / PARTS / f"{self.keys[name]}.npz"

    def make_parts(self, names: list[str], workers: int, progress: bool) -> None:
        """Write the parts that are missing: clips, or why there is none."""
        (self.cache / PARTS).mkdir(exist_ok=True)
        missing = {name: self.sources[name] for name in names if not self.part(name).is_file()}
        # The largest first, so that no process is left alone with one at the end.
        missing = dict(sorted(missing.items(), key=lambda item: -item[1].stat().st_size))
        with tqdm(total=len(missing), desc="motions", unit="file", disable=not progress) as bar:
            for name, outcome in make_clips(missing, self.job, workers):
                write_whole(self.part(name), packed(outcome))
                self.made += isinstance(outcome, ClipData)
                bar.update()

    def assemble(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Write a new folder of clips and the manifest that names it; return the manifest."""
        lengths, errors = self.lengths()
        if not lengths:
            name, error = next(iter(errors.items()))
            raise ValueError(f"none of {len(errors)} files could be read; of {name}: {error['reason']}")
        return publish(
            self.cache, {**wanted, "errors": errors}, self.clips(lengths), lengths, self.body.skeleton
        )

    def lengths(self) -> tuple[dict[str, int], dict[str, dict[str, str]]]:
        """Return the frames of every clip, and the errors of the other sources."""
        lengths: dict[str, int] = {}
        errors: dict[str, dict[str, str]] = {}
        for name, key in self.keys.items():
            if self.old is not None and key in self.old.by_key:
                lengths[name] = self.old.by_key[key].frames
            elif self.part(name).is_file():
                outcome = unpacked(self.part(name).read_bytes())
                if isinstance(outcome, ClipData):
                    lengths[name] = len(outcome.states)
                else:
                    errors[name] = {"key": key, "reason": outcome}
            else:
                errors[name] = self.before["errors"][name]
        return lengths, errors

    def clips(self, names: Mapping[str, int]) -> Iterator[tuple[str, str, Labels, ClipData]]:
        """Yield name, key, labels and numbers of clips, from their parts or from the library as it was."""
        labels = label_all(self.marks, self.table)
        for name in names:
            key = self.keys[name]
            if self.old is not None and key in self.old.by_key:
                data = self.old.data(self.old.by_key[key])
            else:
                data = unpacked(self.part(name).read_bytes())
                assert isinstance(data, ClipData)
            yield name, key, labels[name], data


def code_hash() -> str:
    """Return a hash of the code that makes clips from files, so that a change of it makes them anew."""
    package = Path(musclegym.__file__).parent
    files = [*sorted((package / "motion").glob("*.py")), package / "rotation.py", package / "skeleton.py"]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
