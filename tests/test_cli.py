"""The command line: help, the table of commands, and how mistakes and Ctrl-C end."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

import musclegym
from musclegym import cli


def command_that(error: BaseException) -> ModuleType:
    """Return a module whose `main` raises `error`."""
    module = ModuleType("a_command")

    def main(args: list[str]) -> None:
        raise error

    module.__dict__["main"] = main
    return module


def run_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run `musclegym fail`, a command that raises `error`, and return the exit code."""
    monkeypatch.setitem(cli.COMMANDS, "fail", ("a_command", "fails"))
    monkeypatch.setitem(sys.modules, "a_command", command_that(error))
    with pytest.raises(SystemExit) as end:
        cli.main(["fail"])
    return end.value.code


@pytest.mark.parametrize("args", [[], ["-h"], ["--help"]])
def test_help_lists_every_command(args: list[str], capsys: pytest.CaptureFixture[str]):
    cli.main(args)
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in cli.COMMANDS)
    assert max(len(line) for line in out.splitlines()) <= 100


def test_version_is_the_package_version(capsys: pytest.CaptureFixture[str]):
    cli.main(["--version"])
    assert capsys.readouterr().out == f"musclegym {musclegym.__version__}\n"


def test_unknown_command_names_the_nearest_and_all(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        cli.main(["trian"])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("musclegym: error: there is no command 'trian'; did you mean train? Commands: ")
    assert all(name in error for name in cli.COMMANDS)


def test_mistake_of_the_user_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run_with(FileNotFoundError("no weights at x; make them"), monkeypatch) == 2
    assert capsys.readouterr().err == "musclegym: error: no weights at x; make them\n"


def test_our_own_mistake_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(cli.COMMANDS, "fail", ("a_command", "fails"))
    monkeypatch.setitem(sys.modules, "a_command", command_that(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["fail"])


@pytest.mark.parametrize(
    ("interrupt", "line"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (
            KeyboardInterrupt("stopped; go on with: musclegym train --resume"),
            "stopped; go on with: musclegym train",
        ),
    ],
)
def test_interrupt_ends_with_its_line_and_130(
    interrupt: KeyboardInterrupt,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    assert run_with(interrupt, monkeypatch) == 130
    assert capsys.readouterr().err.startswith(f"musclegym: {line}")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_its_module(command: str):
    assert importlib.util.find_spec(cli.COMMANDS[command][0]) is not None


@pytest.mark.parametrize("name", musclegym.__all__)
def test_every_public_name_loads(name: str):
    assert getattr(musclegym, name).__name__ == name


def test_unknown_public_name_lists_those_there_are():
    with pytest.raises(AttributeError, match=r"no attribute 'load_bodies'; it offers .*load_body"):
        musclegym.__getattr__("load_bodies")


def test_info_shows_and_writes_the_default_body(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    cli.main(["info", "--json", str(tmp_path / "info.json")])
    record = json.loads((tmp_path / "info.json").read_text())
    assert (record["body"]["bodies"], record["body"]["degrees_of_freedom"]) == (23, 56)
    assert "walk" in record["motions"]
    assert f"{record['body']['muscles']} muscles" in capsys.readouterr().out
