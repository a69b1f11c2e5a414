"""The documentation keeps its word: its code runs, its commands and options exist, its pages can be found."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import musclegym
from musclegym.cli import COMMANDS
from musclegym.muscle.curves import physiology_curves

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "made_pages.py"))


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_code_runs_as_it_stands(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        exec(compile(block, f"{page}.md", "exec"), names)


def command_lines() -> Iterator[str]:
    for page in PAGES:
        for block in blocks(page, "sh"):
            yield from (line for line in block.splitlines() if line.startswith("musclegym "))


def test_commands_have_the_options_that_are_shown(made: dict[str, Any]):
    """Every option of every command line stands in that command's help."""
    shown: dict[tuple[str, ...], str] = {}
    for line in command_lines():
        words = line.split()[1:]
        assert words[0] in COMMANDS, line
        nested = words[0] in ("data", "bench") or words[:2] == ["pretrain", "evaluate"]
        name = tuple(words[:2]) if nested else (words[0],)
        if name not in shown:
            shown[name] = made["help_of"](*name)
        assert shown[name].startswith(f"usage: musclegym {' '.join(name)} "), line
        for option in re.findall(r"--[a-z-]+", line):
            assert re.search(rf"^ +(--no-)?.*{option}\b", shown[name], re.MULTILINE), f"{option} in {line}"


def test_every_page_is_in_the_contents():
    contents = re.findall(r"^```\{toctree\}.*?^```", PAGES["index"], re.DOTALL | re.MULTILINE)[0]
    assert set(contents.split("\n\n")[1].split()) - {"```"} == set(PAGES) - {"index"}


def test_what_pages_include_is_made_or_there(made: dict[str, Any], tmp_path: Path):
    made["make_pages"](tmp_path)
    for page, text in PAGES.items():
        for name in re.findall(r"\{include\} generated/(\S+)", text):
            assert (tmp_path / name).read_text(encoding="utf-8").strip(), f"{name} in {page}"
        for name in re.findall(r"\{(?:figure|image)\} (\S+)", text):
            assert (DOCS / name).is_file(), f"{name} in {page}"


def test_every_curve_is_drawn_with_equation_and_source(made: dict[str, Any]):
    for curve in physiology_curves():
        name = re.sub(r"\W", "_", curve.name)
        assert f"generated/{name}.md" in PAGES["muscles"]
        page = made["figure_page"](curve, f"{name}.svg")
        assert curve.equation in page
        assert curve.source in page


def test_every_public_name_is_documented(made: dict[str, Any]):
    page = made["api_page"]()
    for name in musclegym.__all__:
        assert re.search(rf":: musclegym\.{name}$", page, re.MULTILINE), name


def test_a_section_that_the_readme_does_not_have_is_named(made: dict[str, Any]):
    with pytest.raises(ValueError, match="README's section 'Recipes', but there is none; name another one"):
        made["readme_section"]("Recipes")
