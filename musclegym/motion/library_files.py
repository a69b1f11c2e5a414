"""The files of a motion library's cache: what they hold, and how they are written and read.

    CACHE/manifest.json            settings, sources and their hashes, errors; names the folder below
    CACHE/clips-DIGEST/frames.npy  all frames of all clips, float32 (frame, 2 dof), clip after clip
                       contacts.npy  whether the left and the right foot stand, bool (frame, 2)
                       index.jsonl   a line of JSON per clip: where its frames are, and its labels
                       statistics.json  sums over all frames
                       splits.json   which clip belongs to training, validation and test
    CACHE/build.lock               held by the process that builds

A build writes a whole new folder and then replaces the manifest, in one step, so that a reader or a build
that was killed at any moment finds the old library or the new one, never a mixture.
"""

import json
import mmap
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from sys import intern
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from musclegym.manifest import write_json
from musclegym.motion.labels import Labels

Array32 = npt.NDArray[np.float32]
CARRIED = ("source_fps", "cyclic", "heading", "displacement")  # what the index takes from a clip's numbers
FORMAT = 1
"""Version of the layout of these files; a cache of another one is built anew."""
RELEASE_AFTER = 24 * 2**20
"""Pages of the frames stay resident until so many bytes were mapped [B]."""
STRETCH = 2**16
"""What the system maps at least around a place that is read [B]."""


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip of a library. Lengths of time are in frames at the library's rate."""

    source: str
    """Name of the file it was made from."""
    key: str
    """SHA-256 of that file, of what it refers to, and of the settings it was made with."""
    start: int
    """Its first frame."""
    frames: int
    """How many there are."""
    source_fps: float
    """Frame rate of the file [1/s]."""
    cyclic: bool
    """Whether it repeats after its last frame."""
    heading: float
    """Turn to the left per cycle [rad]."""
    displacement: tuple[float, float, float]
    """Path of the root per cycle [m]."""
    labels: Labels
    """Who, what, and from which recording."""


@dataclass(frozen=True, eq=False)
class ClipData:
    """What is made of one source: the numbers of a clip."""

    states: Array32
    """Poses and velocities, shape (frame, 2 dof) [rad, m, rad/s, m/s]."""
    contacts: npt.NDArray[np.bool_]
    """Whether the left and the right foot stand, shape (frame, 2)."""
    source_fps: float
    """Frame rate of the file [1/s]."""
    cyclic: bool = False
    """Whether the clip repeats."""
    heading: float = 0.0
    """Turn to the left per cycle [rad]."""
    displacement: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Path of the root per cycle [m]."""


class Statistics:
    """Sums over the frames of a library, for means and deviations."""

    def __init__(self, width: int) -> None:
        """Start with no frames of `width` numbers."""
        self.frames = 0
        self.total, self.squares = np.zeros(width), np.zeros(width)
        self.lowest, self.highest = np.full(width, np.inf), np.full(width, -np.inf)

    def add(self, states: Array32) -> None:
        """Count the frames (frame, number) of one more clip."""
        wide = states.astype(np.float64)
        self.frames += len(wide)
        self.total += wide.sum(axis=0)
        self.squares += (wide**2).sum(axis=0)
        self.lowest = np.minimum(self.lowest, wide.min(axis=0))
        self.highest = np.maximum(self.highest, wide.max(axis=0))

    def record(self) -> dict[str, Any]:
        """Return frames, mean, standard deviation, lowest and highest value of each number."""
        mean = self.total / self.frames
        variance = np.maximum(self.squares / self.frames - mean**2, 0.0)
        return {
            "frames": self.frames,
            "mean": mean,
            "deviation": np.sqrt(variance),
            "lowest": self.lowest,
            "highest": self.highest,
        }


def write_clips(
    folder: Path, clips: Iterable[tuple[str, str, Labels, ClipData]], n_frames: int, width: int
) -> None:
    """Write frames, contacts, index and statistics of clips, one of them in memory at a time.

    Args:
        folder: where to; exists.
        clips: name and key of the source, labels and numbers of each clip.
        n_frames: frames of all clips together.
        width: numbers in a state.
    """
    index, statistics = [], Statistics(width)
    with (folder / "frames.npy").open("wb") as frames, (folder / "contacts.npy").open("wb") as contacts:
        write_header(frames, np.float32, (n_frames, width))
        write_header(contacts, np.bool_, (n_frames, 2))
        for source, key, labels, data in clips:
            record = {"source": source, "key": key, "start": statistics.frames, "frames": len(data.states)}
            record |= {name: getattr(data, name) for name in CARRIED} | {"labels": asdict(labels)}
            index.append(json.dumps(record) + "\n")
            frames.write(np.ascontiguousarray(data.states, dtype=np.float32).tobytes())
            contacts.write(np.ascontiguousarray(data.contacts, dtype=np.bool_).tobytes())
            statistics.add(data.states)
    (folder / "index.jsonl").write_text("".join(index), encoding="utf-8")
    write_json(folder / "statistics.json", statistics.record())


def write_header(stream: IO[bytes], kind: type, shape: tuple[int, int]) -> None:
    """Write the header of a .npy file for an array in row order."""
    descr = npy.dtype_to_descr(np.dtype(kind))
    npy.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})


def read_index(folder: Path) -> tuple[ClipRecord, ...]:
    """Return the records of a library's clips, read line by line, so that only they take memory."""
    with (folder / "index.jsonl").open(encoding="utf-8") as lines:
        return tuple(clip_record(json.loads(line)) for line in lines)


def clip_record(values: dict[str, Any]) -> ClipRecord:
    """Return the record that a line of the index holds; clips share the words that their labels share."""
    labels = Labels(**{name: intern(word) for name, word in values.pop("labels").items()})
    return ClipRecord(**{**values, "displacement": tuple(values["displacement"])}, labels=labels)


def read_manifest(cache: Path) -> dict[str, Any] | None:
    """Return the manifest of a cache; None where there is none, one of another format, or one without clips.

    Raises:
        ValueError: if the file is no manifest.
    """
    path = cache / "manifest.json"
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} must be the manifest of a motion library, but is not JSON ({error}); delete the folder "
            f"and build it again with musclegym data build"
        ) from error
    sound = isinstance(manifest, dict) and manifest.get("format") == FORMAT
    return manifest if sound and (cache / manifest["folder"] / "index.jsonl").is_file() else None


class SavedClips:
    """The clips in a folder of a library."""

    def __init__(self, folder: Path) -> None:
        """Read the index and map the frames."""
        self.folder = folder
        self.records = read_index(folder)
        self.frames = FrameFile(folder / "frames.npy")

    @cached_property
    def by_key(self) -> dict[str, ClipRecord]:
        """Records by their keys."""
        return {record.key: record for record in self.records}

    @cached_property
    def contacts(self) -> npt.NDArray[np.bool_]:
        """Whether the left and the right foot stand, shape (frame, 2)."""
        return np.load(self.folder / "contacts.npy", mmap_mode="r")

    def states(self, record: ClipRecord) -> Array32:
        """Return the frames of a clip, shape (frame, 2 dof), as a view that is read when it is used."""
        self.frames.used(record.frames * self.frames.rows[0].nbytes)
        return self.frames.rows[record.start : record.start + record.frames]

    def data(self, record: ClipRecord) -> ClipData:
        """Return the numbers of a clip."""
        contacts = self.contacts[record.start : record.start + record.frames]
        return ClipData(self.states(record), contacts, *(getattr(record, name) for name in CARRIED))


class FrameFile:
    """The rows of a .npy file of float32, read from disk as they are used.

    The file is mapped, not loaded, and what was read is released again every 24 MiB: memory stays the same
    however large the file. It stays in the system's own cache of files as long as there is room.
    """

    def __init__(self, path: Path) -> None:
        """Map a file.

        Raises:
            ValueError: if it is shorter or longer than its header says.
        """
        with path.open("rb") as stream:
            npy.read_magic(stream)
            shape, _, kind = npy.read_array_header_1_0(stream)
            offset = stream.tell()
            self.map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        if len(self.map) != offset + np.prod(shape) * kind.itemsize:
            raise ValueError(
                f"{path} must have {shape[0]} frames of {shape[1]} numbers, but its {len(self.map)} bytes "
                f"are others; delete the folder of the library and build it again"
            )
        self.rows: Array32 = np.frombuffer(self.map, dtype=kind, offset=offset).reshape(shape)
        self.read = 0

    def used(self, n_bytes: int, places: int = 1) -> None:
        """Note that so many bytes were read at so many places, and release the pages when they are many."""
        self.read += max(n_bytes, places * STRETCH)
        if self.read >= RELEASE_AFTER and hasattr(mmap, "MADV_DONTNEED"):
            self.map.madvise(mmap.MADV_DONTNEED)
            self.read = 0
