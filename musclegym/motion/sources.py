"""Which files a list of folders, files and names of embedded motions means, and what to call each."""

from collections.abc import Sequence
from pathlib import Path

from musclegym.motion.load import embedded_files

EMBEDDED = "embedded"  # what the folder of the embedded motions is called in a library


def looks_like_motion(file: Path) -> bool:
    """Whether a file in a folder is taken for a motion: any BVH or AMC file, and JSON with frames."""
    if file.suffix.lower() in (".bvh", ".amc"):
        return file.is_file()
    if file.suffix.lower() not in (".txt", ".json") or not file.is_file():
        return False
    with file.open("rb") as stream:
        return b'"Frames"' in stream.read(4096)


def motions_in(folder: Path) -> list[Path]:
    """Return the motion files in a folder and its subfolders, sorted.

    Raises:
        FileNotFoundError: if there is none.
    """
    files = [file for file in sorted(folder.rglob("*")) if looks_like_motion(file)]
    if not files:
        raise FileNotFoundError(
            f"{folder} must hold motion files (.bvh, .amc, DeepMimic .txt or .json), but has none; name "
            f"another folder"
        )
    return files


def find_sources(given: Sequence[str | Path]) -> dict[str, Path]:
    """Return name -> file of the motions meant by folders, files and names of embedded motions.

    A file in a folder is called by the folder's own name and its path inside it, one that is given itself by
    its folder and file name, and an embedded motion `embedded/FILE`, so that a name neither depends on where
    the folders lie nor changes when others are added.

    Args:
        given: folders, files, or names of embedded motions; nothing means all embedded motions.

    Raises:
        FileNotFoundError: if one is neither folder, file nor embedded name, or a folder holds no motion.
        ValueError: if two different files get the same name, or a folder with motions has an embedded one's.
    """
    embedded = embedded_files()
    found: dict[str, Path] = {}
    for source in given or list(embedded):
        for name, file in named_files(source, embedded).items():
            if found.setdefault(name, file) != file:
                raise ValueError(
                    f"motions are told apart by the name of their folder and their path in it, but "
                    f"{found[name]} and {file} are both called {name!r}; rename one of the folders, or name "
                    f"the folder that holds both"
                )
    return found


def named_files(source: str | Path, embedded: dict[str, Path]) -> dict[str, Path]:
    """Return name -> file of what one folder, file or embedded name means."""
    path = Path(source)
    if str(source) in embedded:
        if path.is_dir() and any(map(looks_like_motion, path.rglob("*"))):
            raise ValueError(
                f"a source of motions is a folder or an embedded motion, but {str(source)!r} is both here; "
                f"name the folder by its whole path, {path.resolve()}, or rename it"
            )
        file = embedded[str(source)]
        return {f"{EMBEDDED}/{file.name}": file}
    if path.is_dir():
        path = path.resolve()
        return {f"{path.name}/{file.relative_to(path).as_posix()}": file for file in motions_in(path)}
    if path.is_file():
        path = path.resolve()
        return {f"{path.parent.name}/{path.name}": path}
    raise FileNotFoundError(
        f"a source of motions is a folder, a file or an embedded motion, but {str(source)!r} is none; check "
        f"the path, or use {', '.join(embedded)}"
    )
