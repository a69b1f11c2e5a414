"""Settings of training from files, the command line and runs."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from musclegym.manifest import start_run
from musclegym.policies.train_config import SHIPPED, TrainConfig, file_arguments, from_arguments, resumed

TEXT = """
actuation = "torque"
physics_hz = 240
env = ["kp=500.0", "fall_drop=0.15"]
learning_rate = 3e-5
hidden = [64, 32]
finetune = false

[aids]
assistance = 0.5
assistance_coverage = [0.3, 0.6]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "walk.toml"
    path.write_text(TEXT)
    return path


def test_a_file_of_settings_says_what_the_command_line_would(file: Path):
    words = (
        "--actuation torque --physics-hz 240 --env kp=500.0 fall_drop=0.15 --learning-rate 3e-5 "
        "--hidden 64 32 --no-finetune --aids.assistance 0.5 --aids.assistance-coverage 0.3 0.6"
    )
    wanted = from_arguments(words.split())
    assert asdict(from_arguments(["--config", str(file)])) == asdict(replace(wanted, config=file))
    assert from_arguments([f"--config={file}"]) == replace(wanted, config=file)


def test_the_command_line_overrides_the_file(file: Path):
    given = [
        "--learning-rate",
        "1e-3",
        "--config",
        str(file),
        "--env",
        "kp=300.0",
        "--aids.assistance",
        "0.1",
    ]
    config = from_arguments(given)
    assert (config.ppo.learning_rate, config.environment.env) == (1e-3, ("kp=300.0",))
    assert (config.aids.assistance, config.aids.assistance_coverage) == (0.1, (0.3, 0.6))
    assert config.environment.physics_hz == 240


def test_a_file_of_settings_that_is_missing_is_named_with_the_shipped_ones(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"none\.toml; give the path .* one of the shipped"):
        from_arguments(["--config", str(tmp_path / "none.toml")])


def test_a_file_that_is_not_toml_is_refused_with_the_line(tmp_path: Path):
    path = tmp_path / "bad.toml"
    path.write_text("a = 1\nb = = 2\n")
    with pytest.raises(ValueError, match=r"must be TOML, but .*bad\.toml is not: .*line 2"):
        file_arguments(path)


def test_a_value_that_no_option_has_is_refused(tmp_path: Path):
    path = tmp_path / "date.toml"
    path.write_text("steps = 2020-01-01\n")
    with pytest.raises(ValueError, match=r"steps in .*date\.toml is datetime"):
        file_arguments(path)


def test_a_setting_that_is_not_there_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "unknown.toml"
    path.write_text("lerning_rate = 1e-4\n")
    with pytest.raises(SystemExit):
        from_arguments(["--config", str(path)])
    assert "--lerning-rate" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_settings_can_be_read_by_name(path: Path):
    assert from_arguments(["--config", path.stem]).config == Path(path.stem)


def test_a_longer_run_goes_on_with_the_schedule_that_it_began(tmp_path: Path):
    start_run(tmp_path, TrainConfig(run=tmp_path, steps=5000), 0)
    assert resumed(TrainConfig(resume=tmp_path, steps=9000)).horizon == 5000


@pytest.mark.parametrize(
    "settings", [{"threads": 0}, {"checkpoint_steps": 0}, {"evaluate_minutes": -1.0}, {"refine_steps": -1}]
)
def test_counts_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match=r"use e\.g\. the defaults"):
        TrainConfig(**settings)
