"""Settings survive the way through a run's folder, and name bodies."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from musclegym.manifest import start_run
from musclegym.settings import BodyConfig, read_settings


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...] = (1,)
    rate: float | None = None


@dataclass(frozen=True)
class Outer:
    run: Path = Path("runs/x")
    resume: Path | None = None
    out: Path | None = None
    title: str = "walk"
    inner: Inner = field(default_factory=Inner)


def test_settings_come_back_as_they_were_written(tmp_path: Path):
    written = Outer(run=tmp_path, out=Path("a/b"), title="run", inner=Inner((3, 4), 0.5))
    start_run(tmp_path, written, seed=3)
    assert read_settings(Outer, tmp_path, "musclegym x") == Outer(
        run=tmp_path, resume=tmp_path, out=Path("a/b"), title="run", inner=Inner((3, 4), 0.5)
    )


def test_a_folder_without_settings_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=re.escape("name a folder made by musclegym x")):
        read_settings(Outer, tmp_path, "musclegym x")


def test_no_argument_means_the_default_human():
    assert BodyConfig().arguments() == {}
    assert BodyConfig().load().name == "human"


def test_figures_scale_the_human():
    config = BodyConfig(height=1.6, mass=55.0)
    assert config.arguments() == {"name": "human", "height": 1.6, "mass": 55.0}
    assert config.load().skeleton.total_mass == pytest.approx(55.0)
