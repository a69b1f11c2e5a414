"""The README keeps its word: its code runs, its tables are the results, its commands exist."""

import re
import runpy
from pathlib import Path

from musclegym.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_code_runs_as_it_stands(capsys):
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert "pose" in capsys.readouterr().out


def test_first_example_is_short():
    first = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]
    assert len([line for line in first.splitlines() if line]) <= 8


def test_tables_are_what_the_results_say():
    tables = runpy.run_path(str(ROOT / "benchmarks" / "readme_tables.py"))
    assert tables["filled"](TEXT) == TEXT, "run: python benchmarks/readme_tables.py"
    assert set(re.findall(r"<!-- table (\w+) -->", TEXT)) == set(tables["TABLES"])


def test_every_command_is_described():
    assert set(re.findall(r"^\| `musclegym ([\w-]+)` \|", TEXT, re.MULTILINE)) == set(COMMANDS)
