"""A motion library: motions of one body from any number of files, larger than memory if need be.

`musclegym data build FOLDER... --cache DIR`, or `MotionLibrary.build`, retargets files once and writes
their frames into a cache; `MotionLibrary(DIR)` reads it. Frames are mapped, not loaded, so memory does not
grow with the library (`musclegym.motion.library_files`).
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from musclegym.body import Body, load_body
from musclegym.motion.augment import NONE, Augmentation
from musclegym.motion.curriculum import Curriculum
from musclegym.motion.duplicates import find_twins
from musclegym.motion.library_build import LibraryConfig, build_library
from musclegym.motion.library_files import Array32, ClipRecord, SavedClips, read_manifest
from musclegym.motion.motion import Motion
from musclegym.motion.splits import SPLITS, shared_between
from musclegym.motion.windows import FrameSource, Shard, WindowSampler
from musclegym.rotation import IntArray

TRIES = 3  # times that a library is opened again when it was replaced meanwhile


class MotionLibrary:
    """The clips of a cache, their labels and splits, and windows of their frames."""

    def __init__(self, cache: str | Path, body: str | Path | Body = "human") -> None:
        """Open a library.

        Args:
            cache: folder that a build wrote.
            body: whose motion it holds.

        Raises:
            FileNotFoundError: if there is no library.
            ValueError: if it is of another body.
        """
        self.cache = Path(cache)
        self.body = load_body(body)
        self.manifest, self.saved = opened(self.cache)
        made_for = self.manifest["recipe"]["body"]
        if made_for != self.body.skeleton_hash:
            raise ValueError(
                f"{cache} holds motion of a body {self.manifest['body']!r} with skeleton {made_for[:12]}, "
                f"but {self.body.name!r} has skeleton {self.body.skeleton_hash[:12]}; open it with the body "
                f"it was built for, body=..., or build it again"
            )

    @classmethod
    def build(
        cls,
        given: Sequence[str | Path],
        cache: str | Path,
        body: str | Path | Body = "human",
        config: LibraryConfig | None = None,
        *,
        workers: int = 1,
        progress: bool = False,
    ) -> "MotionLibrary":
        """Bring a cache up to date with motion files, and open it.

        Arguments, and what is raised, are those of `musclegym.motion.library_build.build_library`. Look at
        `errors` for files that could not be read.
        """
        body = load_body(body)
        build_library(given, cache, body, config, workers=workers, progress=progress)
        return cls(cache, body)

    @property
    def clips(self) -> tuple[ClipRecord, ...]:
        """The clips, by the names of their sources."""
        return self.saved.records

    @property
    def fps(self) -> float:
        """Frames per second of all clips."""
        return float(self.manifest["recipe"]["fps"])

    @property
    def low_pass(self) -> float | None:
        """Cut-off of the filter that all clips went through, if any did [Hz]."""
        return self.manifest["recipe"].get("low_pass")

    @property
    def errors(self) -> dict[str, str]:
        """Source -> why it could not be read, for those that are missing here."""
        return {name: error["reason"] for name, error in self.manifest["errors"].items()}

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """Frames, and mean, deviation, lowest and highest value of each number of a state."""
        record = json.loads((self.saved.folder / "statistics.json").read_text(encoding="utf-8"))
        return {name: np.array(value) if isinstance(value, list) else value for name, value in record.items()}

    @cached_property
    def splits(self) -> dict[str, Any]:
        """What splits.json says (`musclegym.motion.splits.make_splits`)."""
        return json.loads((self.saved.folder / "splits.json").read_text(encoding="utf-8"))

    @cached_property
    def source(self) -> FrameSource:
        """Where windows are read."""
        return FrameSource(self.saved.frames, self.clips, self.body.skeleton, self.fps)

    def select(self, split: str | None = None) -> IntArray:
        """Return the numbers of the clips of a split, "train", "val" or "test"; None means all.

        Raises:
            ValueError: if there is no such split.
        """
        if split is None:
            return np.arange(len(self.clips))
        if split not in SPLITS:
            raise ValueError(f"a split is one of {', '.join(SPLITS)}, but {split!r} was asked for; use one")
        inside = set(self.splits["splits"][split])
        return np.array([i for i, clip in enumerate(self.clips) if clip.source in inside], dtype=np.int64)

    def states(self, clip: int) -> Array32:
        """Return the states of a clip, shape (frame, 2 dof), read from the cache when they are used."""
        return self.saved.states(self.clips[clip])

    def motion(self, clip: int) -> Motion:
        """Return a clip as a motion of the body."""
        record, data = self.clips[clip], self.saved.data(self.clips[clip])
        states = data.states.astype(np.float64)
        n = self.body.n_dofs
        name = PurePosixPath(record.source).stem.removeprefix("humanoid3d_")
        displacement = np.array(record.displacement)
        return Motion(
            self.body.skeleton,
            name,
            states[:, :n],
            states[:, n:],
            self.fps,
            np.array(data.contacts),
            record.cyclic,
            record.heading,
            displacement,
        )

    def windows(
        self,
        length: int,
        batch: int,
        *,
        split: str | None = "train",
        seed: int = 0,
        augmentation: Augmentation = NONE,
        weights: Mapping[str, float] | None = None,
        by_length: float = 1.0,
        curriculum: Curriculum | None = None,
        shard: Shard | None = None,
    ) -> WindowSampler:
        """Return a sampler of windows; `split` as in `select`, the rest as in `WindowSampler`."""
        return WindowSampler(
            self.source,
            self.clips,
            self.select(split),
            length,
            batch,
            seed=seed,
            augmentation=augmentation,
            weights=weights,
            by_length=by_length,
            curriculum=curriculum,
            shard=shard,
        )

    def leaks(self) -> list[str]:
        """Look at labels and frames for what two splits share and should not; nothing, if all is well."""
        splits, by = self.splits["splits"], self.splits["by"]
        out = shared_between(splits, self.clips, by)
        split_of = {source: name for name, sources in splits.items() for source in sources}
        for pair in find_twins(self.saved, self.body.skeleton, self.fps):
            first, second = (self.clips[clip].source for clip in pair)
            if split_of[first] != split_of[second]:
                out.append(
                    f"{first} in {split_of[first]} and {second} in {split_of[second]} are of one recording"
                )
        return out


def opened(cache: Path) -> tuple[dict[str, Any], SavedClips]:
    """Return manifest and clips of a cache, which may be replaced at any moment."""
    for _ in range(TRIES):
        manifest = read_manifest(cache)
        if manifest is None:
            break
        try:
            return manifest, SavedClips(cache / manifest["folder"])
        except FileNotFoundError:
            continue
    raise FileNotFoundError(
        f"there is no motion library in {cache}; make one with musclegym data build FOLDER... --cache {cache}"
    )
