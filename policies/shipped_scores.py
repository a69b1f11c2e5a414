"""What the policies that come with the package are worth: their cards and results, measured anew."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musclegym.manifest import read_manifest, write_json
from musclegym.policies.evaluate import EvaluateConfig, evaluate
from musclegym.policies.policy_file import MADE_BY
from musclegym.policies.replay import ReplayConfig, replay
from musclegym.policies.shipped import FOLDER


@dataclass(frozen=True)
class Scores:
    """What a shipped policy came to."""

    name: str
    """Of the policy."""
    command: str
    """That measures it."""
    evaluation: dict[str, Any]
    """What `evaluate` returned."""
    gait: dict[str, Any]
    """What `musclegym replay --json` writes."""


def measure_shipped(name: str, episodes: int = 20, seeds: int = 3) -> Scores:
    """Measure a shipped policy by episodes, by pushes, and by the gait of one episode.

    Args:
        name: of the policy.
        episodes: for each seed.
        seeds: how many.
    """
    evaluation = evaluate(EvaluateConfig(name, episodes=episodes, seeds=seeds, pushes=True))
    command = f"musclegym evaluate {name} --episodes {episodes} --seeds {seeds} --pushes"
    with tempfile.TemporaryDirectory() as scratch:
        film, numbers = Path(scratch) / "film.mp4", Path(scratch) / "gait.json"
        replay(ReplayConfig(name, out=film, page=False, every=30, json=numbers))
        gait = json.loads(numbers.read_text(encoding="utf-8"))
    return Scores(name, command, evaluation, gait)


def write_scores(measured: Sequence[Scores], results: Path, folder: Path = FOLDER) -> None:
    """Write the cards in a folder of policies, and policy_NAME.json and gait_NAME.json in one of results.

    All at the end, since what is measured in a checkout records whether its files differ from the commit.
    """
    for scores in measured:
        card = read_manifest(folder / f"{scores.name}.safetensors", MADE_BY)
        told = {"command": scores.command, "table": scores.evaluation["table"]}
        write_json(folder / f"{scores.name}.json", {**card, "scores": told})
        write_json(results / f"policy_{scores.name}.json", {"command": scores.command, **scores.evaluation})
        write_json(results / f"gait_{scores.name}.json", scores.gait)
