"""A training that is killed and resumed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "training_resume.py"


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_as_if_nothing_had_happened(tmp_path: Path):
    sizes = "--steps 8192 --samples 512 --checkpoint-steps 1024 --kills 2 --moments 1 4 --episodes 2"
    command = [sys.executable, str(SCRIPT), *sizes.split(), "--json", str(tmp_path / "result.json")]
    subprocess.run(command, check=True, capture_output=True)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["same_checkpoint"]
    assert len(result["kills"]) == 2
    for kill in result["kills"]:
        assert 0 <= kill["lost"] <= 1024 + 512
    alone, broken = result["evaluation"].values()
    assert alone["episode_steps"] == broken["episode_steps"]
