"""Fixtures shared by all tests."""

import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(tempfile.gettempdir()) / "musclegym-test-data"


def unpacked(archive: Path) -> Path:
    """Unpack an archive once for all tests and processes, and return the folder."""
    folder = CACHE / archive.name.removesuffix(".tar.xz")
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch, tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
            publish(Path(scratch) / folder.name, folder)
    return folder


def publish(ready: Path, folder: Path) -> None:
    """Move a finished folder into place; where another process was faster, its copy stays."""
    try:
        ready.replace(folder)
    except OSError:
        if not folder.is_dir():
            raise


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference data: ../shared, or MUSCLEGYM_SHARED; skips the test where there is none."""
    folder = Path(os.environ.get("MUSCLEGYM_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("needs the reference data: a folder ../shared, or MUSCLEGYM_SHARED=FOLDER")
    return folder


@pytest.fixture(scope="session")
def motion_data(shared: Path) -> Callable[[str], Path]:
    """Function from an archive's name, such as "mass", to the folder it is unpacked in."""

    def folder_of(name: str) -> Path:
        archive = shared / "data" / f"{name}.tar.xz"
        if not archive.is_file():
            pytest.skip(f"needs the motion data data/{archive.name} in the reference data")
        return unpacked(archive)

    return folder_of
