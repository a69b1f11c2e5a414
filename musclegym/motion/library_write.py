"""Writing a motion library into its folder: the old one stays until the new one is complete."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

import musclegym
from musclegym.body import Body
from musclegym.manifest import plain, write_json
from musclegym.motion.labels import Labels
from musclegym.motion.library_files import FORMAT, ClipData, SavedClips, write_clips
from musclegym.motion.splits import SplitConfig, make_splits
from musclegym.skeleton import Skeleton

LOCK, PARTS, MANIFEST = "build.lock", "parts", "manifest.json"


def own_folder(cache: Path) -> Path:
    """Make the folder of a cache; refuse one that holds something else."""
    cache.mkdir(parents=True, exist_ok=True)
    others = sorted(path.name for path in cache.iterdir() if not belongs(path))
    if others:
        raise ValueError(
            f"a motion library needs a folder of its own, but {cache} holds {', '.join(others[:5])}; name a "
            f"new one, e.g. {cache / 'library'}"
        )
    return cache


def belongs(path: Path) -> bool:
    """Whether a path in a cache is one that builds make."""
    return path.name in (LOCK, PARTS, MANIFEST) or path.name.startswith(
        ("clips-", ".clips-", f".{MANIFEST}.")
    )


def publish(
    cache: Path,
    wanted: Mapping[str, Any],
    clips: Iterable[tuple[str, str, Labels, ClipData]],
    lengths: Mapping[str, int],
    skeleton: Skeleton,
) -> dict[str, Any]:
    """Write clips into a new folder of a cache, and the manifest that names it.

    Args:
        cache: the library's folder.
        wanted: what the manifest says the library is made of.
        clips: name and key of the source, labels and numbers of each clip.
        lengths: frames of each, by the names of the sources.
        skeleton: whose motion it is.

    Returns:
        The manifest.
    """
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    folder, scratch = cache / f"clips-{digest}", cache / f".clips-{digest}"
    for leftover in (folder, scratch):
        shutil.rmtree(leftover, ignore_errors=True)
    scratch.mkdir()
    frames = sum(lengths.values())
    write_clips(scratch, clips, frames, 2 * skeleton.n_dofs)
    config, fps = SplitConfig(**wanted["split"]), wanted["recipe"]["fps"]
    write_json(scratch / "splits.json", make_splits(SavedClips(scratch), skeleton, fps, config))
    scratch.rename(folder)
    manifest = {**wanted, "folder": folder.name, "clips": len(lengths), "frames": frames}
    write_json(cache / MANIFEST, manifest)
    return manifest


def save_library(
    cache: str | Path,
    clips: Mapping[str, tuple[Labels, ClipData]],
    body: Body,
    fps: float,
    split: SplitConfig | None = None,
) -> None:
    """Write a library of clips that come from no files, such as computed ones.

    Args:
        cache: folder of the library; what was in it is replaced.
        clips: name -> labels and numbers.
        body: whose motion they are.
        fps: their rate [1/s].
        split: how they are divided.

    Raises:
        ValueError: if the folder holds something else.
    """
    cache = own_folder(Path(cache))
    keys = {name: hashlib.sha256(data.states.tobytes()).hexdigest() for name, (_, data) in clips.items()}
    wanted = {
        "format": FORMAT,
        "musclegym": musclegym.__version__,
        "body": body.name,
        "recipe": {"fps": fps, "body": body.skeleton_hash},
        "split": asdict(split or SplitConfig()),
        "labels": [],
        "sources": keys,
        "errors": {},
    }
    entries = ((name, keys[name], labels, data) for name, (labels, data) in clips.items())
    lengths = {name: len(data.states) for name, (_, data) in clips.items()}
    with FileLock(cache / LOCK):
        clean(cache, publish(cache, plain(wanted), entries, lengths, body.skeleton)["folder"])


def clean(cache: Path, folder: str) -> None:
    """Remove all but the manifest, the lock and the folder of clips that the manifest names."""
    for path in cache.iterdir():
        if path.name not in (LOCK, MANIFEST, folder):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
