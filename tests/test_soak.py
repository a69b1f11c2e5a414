"""The soak test: that it counts what it says, and, slowly, that the environment passes it."""

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "soak.py"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").is_file(), reason="reads the memory of the process from /proc"
)


@pytest.fixture(scope="module")
def study() -> Any:
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def test_numbers_that_are_not_finite_are_counted_wherever_they_are(study: Any):
    info = {"terms": {"pose": np.nan, "root": 1.0}, "force": np.array([1.0, np.inf, -np.inf]), "over": True}
    assert study.count_non_finite(info) == 3
    assert study.count_non_finite(np.zeros(3, np.float32)) == 0


def test_growth_is_from_the_first_to_the_last_tenth_after_the_warm_up(study: Any):
    memory = [50.0] * 10 + [100.0] * 80 + [103.0] * 10
    assert study.growth(memory, warm_up=0.1) == pytest.approx(3.0)
    assert study.growth(memory, warm_up=0.0) == pytest.approx(53.0)
    assert study.growth([100.0] * 50 + [900.0] + [100.0] * 49, warm_up=0.1) == 0.0  # a spike is no leak


def test_growth_and_bad_numbers_are_faults(study: Any):
    config = study.SoakConfig(growth_limit=4.0)
    sound = {"non_finite": 0, "growth_MB": 3.9}
    assert study.faults({"torque": sound}, config) == []
    assert study.faults({"torque": {**sound, "non_finite": 2}}, config) == [
        "torque: 2 numbers are not finite"
    ]
    wrong = study.faults({"torque": sound, "oracle": {**sound, "growth_MB": 4.1}}, config)
    assert wrong == ["oracle: memory grew by 4.1 MB, more than 4.0 MB"]


def test_a_short_soak_finds_nothing(study: Any):
    config = study.SoakConfig(steps=400, actuations=("torque", "excitation"), processes=0, growth_limit=100.0)
    results = study.run(config)
    assert study.faults(results, config) == []
    for row in results.values():
        assert row["steps"] == 200
        assert row["episodes"] > 1
        assert len(row["memory_MB"]) == study.SAMPLES
    assert "excitation" in study.table(results)


@pytest.mark.slow
def test_a_million_steps_of_all_actuations_keep_memory_flat_and_numbers_finite(study: Any):
    config = study.SoakConfig(steps=1_000_000, processes=0)
    results = study.run(config)
    assert study.faults(results, config) == []
    assert sum(row["steps"] for row in results.values()) == 1_000_000
