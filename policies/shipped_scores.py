"""What the policies that come with the package are worth: their cards and results, measured anew."""

import tempfile
from pathlib import Path
from typing import Any

from musclegym.manifest import read_manifest, write_json
from musclegym.policies.evaluate import EvaluateConfig, evaluate
from musclegym.policies.policy_file import MADE_BY
from musclegym.policies.replay import ReplayConfig, replay
from musclegym.policies.shipped import FOLDER


def measure_shipped(name: str, results: Path, episodes: int = 20, seeds: int = 3) -> dict[str, Any]:
    """Measure a shipped policy, and write its card, RESULTS/policy_NAME.json and RESULTS/gait_NAME.json.

    Args:
        name: of the policy.
        results: folder.
        episodes: for each seed; as many for each push that is tried.
        seeds: how many.

    Returns:
        What `evaluate` returns.
    """
    config = EvaluateConfig(name, episodes=episodes, seeds=seeds, pushes=True)
    command = f"musclegym evaluate {name} --episodes {episodes} --seeds {seeds} --pushes"
    measured = evaluate(config)
    card = FOLDER / f"{name}.json"
    scores = {"command": command, "table": measured["table"]}
    write_json(card, {**read_manifest(FOLDER / f"{name}.safetensors", MADE_BY), "scores": scores})
    write_json(results / f"policy_{name}.json", {"command": command, **measured})
    with tempfile.TemporaryDirectory() as scratch:
        film = Path(scratch) / "film.mp4"
        replay(ReplayConfig(name, out=film, page=False, every=30, json=results / f"gait_{name}.json"))
    return measured
