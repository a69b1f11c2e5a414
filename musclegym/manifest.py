"""Files that a run leaves behind: weights with their manifest, settings, results, the record of the machine.

Weights are two files: NAME.safetensors with the numbers, and NAME.json, the manifest, which says what they
were made for and holds the SHA-256 of the first. Loading compares both before any number is used, and nothing
is ever unpickled.
"""

import dataclasses
import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

import musclegym

LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "torch",
    "pybullet",
    "gymnasium",
    "stable-baselines3",
    "safetensors",
)
"""Libraries whose versions can change a result."""

SHA256 = "weights_sha256"
"""Key of the manifest that holds the SHA-256 of the weights file."""


def save_weights(
    path: str | Path, tensors: Mapping[str, npt.NDArray[Any]], manifest: Mapping[str, Any]
) -> None:
    """Write tensors to NAME.safetensors and what they were made for to NAME.json.

    Each file appears whole or not at all. A process killed between the two leaves a pair that `load_weights`
    refuses, so a training run keeps the checkpoint before until the new one is complete.

    Args:
        path: file to write; must end in .safetensors. Missing folders are made.
        tensors: arrays by name; shapes and data types are kept.
        manifest: what a loader must agree with, such as layouts and the hash of the body; JSON-like values.
            The SHA-256 of the weights and the record of the machine are added.

    Raises:
        ValueError: if the file name does not end in .safetensors.
    """
    path = checked_name(path)
    data = save({name: np.asarray(array, order="C") for name, array in tensors.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
    record = {**manifest, SHA256: hashlib.sha256(data).hexdigest(), "environment": environment_record()}
    write_json(path.with_suffix(".json"), record)


def load_weights(
    path: str | Path,
    expect: Mapping[str, Any],
    *,
    made_by: str = "musclegym train-muscle, musclegym pretrain or musclegym train",
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read weights and their manifest, and refuse them where they do not fit.

    Args:
        path: a file written by `save_weights`.
        expect: values that the manifest must hold, by key; other keys of the manifest are free.
        made_by: command that makes such weights, named in the errors.

    Returns:
        The tensors by name, and the whole manifest.

    Raises:
        FileNotFoundError: if the weights or the manifest are missing.
        ValueError: if the weights were changed after they were saved, or the manifest does not hold what is
            expected.
    """
    path = checked_name(path)
    manifest = read_manifest(path, made_by)
    data = path.read_bytes()
    found_hash = hashlib.sha256(data).hexdigest()
    if found_hash != manifest.get(SHA256):
        raise ValueError(
            f"{path} is not the file that its manifest {path.with_suffix('.json').name} describes: SHA-256 "
            f"expected {manifest.get(SHA256)}, found {found_hash}; copy both files again, or make them anew "
            f"with {made_by}"
        )
    differences = mismatches(expect, manifest)
    if differences:
        raise ValueError(
            f"{path} was made for something else:\n  " + "\n  ".join(differences) + "\n"
            f"use it with what it was made for, or make new weights with {made_by}"
        )
    return load(data), manifest


def read_manifest(path: Path, made_by: str) -> dict[str, Any]:
    """Read the manifest beside a weights file."""
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}; check the path, or make them with {made_by}")
    manifest_path = path.with_suffix(".json")
    if not manifest_path.is_file():
        raise FileNotFoundError(
            f"weights need their manifest beside them, but {manifest_path} is missing; copy it from where "
            f"{path.name} came from, or make both anew with {made_by}"
        )
    try:
        manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{manifest_path} is not JSON ({error}); copy it again") from error
    if not isinstance(manifest, dict):
        raise ValueError(
            f"{manifest_path} must hold a JSON object, but holds {manifest!r:.60}; copy it again"
        )
    return manifest


def mismatches(expect: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """One line for each expected value that the manifest does not hold, with both sides."""
    missing = "nothing"
    return [
        f"{key}: expected {wanted!r}, found {manifest.get(key, missing)!r}"
        for key, wanted in plain(expect).items()
        if key not in manifest or manifest[key] != wanted
    ]


def checked_name(path: str | Path) -> Path:
    """Return the path of a weights file, which must end in .safetensors."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(
            f"a weights file must end in .safetensors, but {path} ends in {path.suffix or 'nothing'!r}; "
            f"use e.g. {path.with_suffix('.safetensors')}"
        )
    return path


def start_run(folder: str | Path, config: Any, seed: int, *, goes_on: bool = False) -> Path:
    """Make a run's folder and record in it what is run, where and from which seed.

    Args:
        folder: the run's folder; made where missing.
        config: the run's settings, a dataclass.
        seed: seed of all the run's random numbers.
        goes_on: whether this is the run that the folder holds already, with its present settings.

    Returns:
        The folder, which now holds config.json and environment.json.

    Raises:
        FileExistsError: if a new run would replace the weights of another one.
    """
    folder = Path(folder)
    weights = next(folder.glob("*.safetensors"), None)
    if weights is not None and not goes_on:
        raise FileExistsError(
            f"a new run needs a folder without weights, but {folder} holds {weights.name} of another one; "
            f"give it a folder of its own with --run, or go on with that one: --resume {folder}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", {**dataclasses.asdict(config), "seed": seed})
    write_json(folder / "environment.json", environment_record())
    return folder


def environment_record() -> dict[str, Any]:
    """Versions, machine and commit that a result was made with; no host name, user name or path."""
    return {
        "musclegym": musclegym.__version__,
        "commit": git_commit(Path(musclegym.__file__).resolve().parent.parent),
        "python": platform.python_version(),
        "versions": {name: installed_version(name) for name in LIBRARIES},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cpu": cpu_model(),
            "cores": core_count(),
        },
    }


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution, without importing it; None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def git_commit(checkout: Path) -> str | None:
    """Commit of a checkout, with "-dirty" where files differ from it; None outside of one or without git."""
    git = shutil.which("git")
    if git is None or not (checkout / ".git").exists():
        return None
    command = [git, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    answer = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def cpu_model() -> str:
    """Name of the processor as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def core_count() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def write_json(path: str | Path, record: Mapping[str, Any]) -> None:
    """Write a record as readable JSON; the file appears whole or not at all.

    Args:
        path: file to write; missing folders are made.
        record: JSON-like values, and besides them dataclasses, paths, NumPy numbers and arrays. A number that
            is not finite becomes null, since JSON has no word for it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(plain(record), indent=2, allow_nan=False) + "\n").encode())


def plain(value: Any) -> Any:
    """Return a value as JSON will give it back: only dict, list, str, int, finite float, bool and None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there, so that no reader ever sees half of it."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.write_bytes(data)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
