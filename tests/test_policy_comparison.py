"""The comparison of ways to train: small, stopped and gone on with."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from musclegym.motion.load import embedded_motion_names
from musclegym.policies.train_config import from_arguments
from musclegym.policies.training_run import FILE, read_checkpoint

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "policy_comparison.py"
RESULTS = sorted((SCRIPT.parent / "results").glob("comparison_*.json"))
SMALL = "--samples 32 --minibatch 32 --epochs 1 --members 2 --hidden 8 --env fall_drop=0.05 --refine-steps 0"


@pytest.fixture(scope="module")
def study() -> Any:
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def settings(study: Any, folder: Path, **others: Any) -> Any:
    sizes = {"samples": 64, "every": 32, "seeds": 1, "episodes": 2, "workers": 1}
    return study.ComparisonConfig("prior", folder, **{**sizes, "options": SMALL, "only": ("none",), **others})


def test_every_variant_is_a_command_that_is_understood(study: Any):
    for variants in study.STUDIES.values():
        seen = [from_arguments(stage.options.split()) for stages in variants.values() for stage in stages]
        assert len({repr(config) for config in seen}) == len(seen)
        assert {motion for config in seen for motion in config.aids.motions} <= {*embedded_motion_names()}
        for stages in variants.values():
            shares = [stage.until for stage in stages]
            assert shares == sorted(shares)
            assert shares[-1] == 1.0
    assert study.JUDGED.keys() == study.STUDIES.keys()
    assert study.FOLLOWED.keys() <= study.STUDIES.keys()
    assert {motion for motions in study.FOLLOWED.values() for motion in motions} <= {*embedded_motion_names()}


@pytest.mark.parametrize("results", RESULTS, ids=lambda results: results.stem)
def test_the_results_were_made_as_the_script_would_make_them_now(study: Any, results: Path, tmp_path: Path):
    made = json.loads(results.read_text())["settings"]
    sizes = {name: made[name] for name in ("samples", "every", "episodes", "options")}
    assert study.ComparisonConfig(made["study"], tmp_path, **sizes, json=results).kept["curves"]


def test_all_variants_of_a_study_take_the_same_samples(study: Any, tmp_path: Path):
    config = study.ComparisonConfig("actuation", tmp_path, samples=1000, every=300)
    once, first = (study.Run(config, name, 0).targets for name in ("muscle", "torque first"))
    assert once == [(0, 300), (0, 600), (0, 900), (0, 1000)]
    assert first == [(0, 300), (0, 600), (0, 750), (1, 1000)]


def test_motions_that_are_followed_count_alike(study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    coverage = {"walk": 0.5, "turn_left1": 0.25}

    def evaluate(config: Any) -> dict[str, Any]:
        mean = {"mean": coverage[config.environment.motion]}
        return {"table": dict.fromkeys(study.MEASURES, mean)}

    run = study.Run(study.ComparisonConfig("clips", tmp_path), "at once", 0)
    monkeypatch.setitem(study.compare.__globals__, "evaluate", evaluate)
    point = run.measured(0, 64, 10.0)
    assert point == {
        "samples": 64,
        "training_episode_steps": 10.0,
        **dict.fromkeys(study.MEASURES, 0.375),
    }


def test_the_interval_is_that_of_students_distribution(study: Any):
    # Mean 2, deviation 1, and 4.303 is the 97.5 % point at two degrees of freedom.
    mean, (low, high) = study.interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert (low, high) == pytest.approx((2.0 - 4.303 / 3**0.5, 2.0 + 4.303 / 3**0.5), abs=1e-3)
    assert study.interval([5.0]) == (5.0, None)


def test_means_count_the_seeds_that_have_come_so_far(study: Any):
    def point(samples: int, coverage: float) -> dict[str, Any]:
        rest = dict.fromkeys((*study.MEASURES, "training_episode_steps"), 1.0)
        return {**rest, "samples": samples, "coverage": coverage, "joint_error_mm": None}

    rows = study.means_of([[point(10, 0.2), point(20, 0.6)], [point(10, 0.4)], []])
    assert [(row["samples"], row["seeds"]) for row in rows] == [(10, 2), (20, 1)]
    assert [row["coverage"]["mean"] for row in rows] == pytest.approx([0.3, 0.6])
    assert rows[0]["joint_error_mm"] is None


def test_a_comparison_goes_on_where_it_was_and_repeats_nothing(study: Any, tmp_path: Path):
    whole = study.compare(settings(study, tmp_path / "whole"))
    parts = tmp_path / "parts"
    run = study.Run(settings(study, parts), "none", 0)
    next(run.go_on())  # stopped at the first evaluation
    folder = run.folder
    (folder / "points.json").unlink()  # as if killed after the training and before the evaluation
    before = (folder / "stage0" / FILE).stat().st_mtime_ns
    next(run.go_on())
    assert (folder / "stage0" / FILE).stat().st_mtime_ns == before
    result = study.compare(settings(study, parts, json=tmp_path / "out.json", picture=tmp_path / "out.svg"))
    assert result["curves"] == whole["curves"]
    assert [row["samples"] for row in result["means"]["none"]] == [32, 64]
    assert read_checkpoint(folder / "stage0")[1]["steps"] == 64
    assert json.loads((tmp_path / "out.json").read_text())["curves"] == result["curves"]
    assert ElementTree.parse(tmp_path / "out.svg").getroot().tag.endswith("svg")
    first, last = result["curves"]["none"]["0"]
    assert first["coverage"] > 0.0
    assert first != {**last, "samples": 32}


def test_trainings_that_are_whole_in_the_results_are_not_repeated(study: Any, tmp_path: Path):
    out = tmp_path / "out.json"
    first = study.compare(settings(study, tmp_path / "first", json=out))
    again = study.compare(settings(study, tmp_path / "second", json=out))
    assert again["curves"] == first["curves"]
    assert not (tmp_path / "second" / "prior" / "none").exists()
    fewer = study.compare(settings(study, tmp_path / "third", json=out, only=("random",), seeds=2))
    assert [*fewer["curves"]["none"]] == ["0", "1"]
    again = study.compare(settings(study, tmp_path / "fourth", json=out))
    assert again["curves"] == fewer["curves"]
    assert again["settings"]["seeds"] == 2
    with pytest.raises(ValueError, match="samples is 64, and here it is 96"):
        study.compare(settings(study, tmp_path / "second", json=out, samples=96))
    text = out.read_text()
    assert '"discount": 0.97' in text  # of the recipe
    out.write_text(text.replace('"discount": 0.97', '"discount": 0.95'))
    with pytest.raises(ValueError, match=r"none\.0\.ppo\.discount is 0.95, and here it is 0.97"):
        study.compare(settings(study, tmp_path / "second", json=out))


def test_trainings_that_another_process_is_at_are_left_to_it(study: Any, tmp_path: Path):
    config = settings(study, tmp_path, only=("none", "random"))
    taken = study.Run(config, "none", 0)
    taken.folder.parent.mkdir(parents=True)
    with taken.lock:
        result = study.compare(config)
    assert not taken.folder.exists()
    assert [len(result["curves"][name]["0"]) for name in ("none", "random")] == [0, 2]
    assert [len(study.compare(config)["curves"][name]["0"]) for name in ("none", "random")] == [2, 2]


def test_stages_hand_their_policy_on(study: Any, tmp_path: Path):
    config = study.ComparisonConfig(
        "actuation", tmp_path, samples=96, every=96, seeds=1, episodes=1, workers=1, options=SMALL
    )
    run = study.Run(config, "torque first", 0)
    (stage, target), *_ = run.targets
    run.trained(stage, target)
    second = run.settings(1, 24)
    assert second.init == run.folder / "stage0"
    assert second.environment.actuation == "muscle"
    assert (run.folder / "stage0" / "policy.safetensors").is_file()
    assert run.settings(0, 72).schedule_steps == 72


def test_names_that_are_no_variant_are_refused(study: Any, tmp_path: Path):
    with pytest.raises(ValueError, match="none, random, shipped"):
        settings(study, tmp_path, only=("nothing",))
