"""The dependency order is one-way: musclegym core <- envs, pretrain <- policies <- tests, benchmarks."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {  # folder -> our own parts that its files may import
    "musclegym": {"core"},
    "envs": {"core", "envs"},
    "pretrain": {"core", "pretrain"},
    "policies": {"core", "pretrain", "policies"},
}
MAY_LOAD = {  # heavy library -> files and folders that may import it
    "pybullet": ("musclegym/simulation.py",),
    "torch": ("musclegym/muscle/network.py", "pretrain", "policies"),
    "stable_baselines3": ("policies",),
}
HEAVY = {"torch", "stable_baselines3", "pybullet", "scipy", "numba", "matplotlib"}
SOURCES = [
    path.relative_to(ROOT).as_posix()
    for folder in MAY_IMPORT
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def imported_names(source: str) -> list[str]:
    """Dotted names that a file imports, e.g. "musclegym.envs.humanoid"; relative ones start with a dot."""
    names = []
    for node in ast.walk(ast.parse((ROOT / source).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names += [f"{module}.{alias.name}" for alias in node.names]
    return names


def imported_parts(source: str) -> set[str]:
    """Parts of the project that a file imports; an import not written as `musclegym.…` is named in full."""
    parts = set()
    for name in imported_names(source):
        head, *rest = name.split(".")
        if head == "musclegym":
            parts.add(rest[0] if rest and rest[0] in MAY_IMPORT else "core")
        elif head in MAY_IMPORT or name.startswith("."):
            parts.add(f"non-absolute import {name!r}")
    return parts


@pytest.mark.parametrize("source", SOURCES)
def test_file_imports_only_lower_layers(source: str):
    allowed = MAY_IMPORT[source.split("/")[0]]
    extra = imported_parts(source) - allowed
    assert not extra, f"{source} may import {sorted(allowed)}, but imports {sorted(extra)}"


@pytest.mark.parametrize("library", MAY_LOAD)
def test_heavy_library_is_imported_only_where_allowed(library: str):
    importing = {
        source for source in SOURCES if library in {name.split(".")[0] for name in imported_names(source)}
    }
    outside = {source for source in importing if not source.startswith(MAY_LOAD[library])}
    assert not outside, f"only {MAY_LOAD[library]} may import {library}, but {sorted(outside)} do"


def test_import_stays_light():
    code = f"import sys, musclegym; print(sorted({HEAVY!r} & set(sys.modules)))"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[]", f"import musclegym loads {out.strip()}"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs tomllib")
def test_every_package_is_listed():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    on_disk = set()
    for folder in MAY_IMPORT:
        for init in (ROOT / folder).rglob("__init__.py"):
            dotted = ".".join(init.parent.relative_to(ROOT).parts)
            on_disk.add(dotted if folder == "musclegym" else f"musclegym.{dotted}")
    assert on_disk == set(setuptools["packages"])
