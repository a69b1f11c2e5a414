"""`musclegym bench muscle`: MuscleNN beside the oracle under every setting, and torques out of reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from tqdm import tqdm

from musclegym.manifest import environment_record, write_json
from musclegym.motion import load_motion
from musclegym.muscle.network import load_muscle_network
from musclegym.policies.muscle_reach import draw_reach, reach_map, reach_table
from musclegym.policies.muscle_scores import ALLOWED_ERROR, ALLOWED_FACTOR, muscle_scores, muscle_table
from musclegym.policies.muscle_settings import judged_settings
from musclegym.settings import BodyConfig

WORST = 8
"""How many DoFs the table of settings names."""


@dataclass(frozen=True)
class MuscleBenchConfig:
    """Measure MuscleNN beside the oracle on states that its training left out."""

    body: Annotated[BodyConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=BodyConfig)
    """Whose muscles."""

    weights: str | None = None
    """File or run folder of a trained network; the one shipped with the body if left out."""

    motions: tuple[str, ...] = ("walk", "run")
    """Motions around which it is judged."""

    states: int = 300
    """States per motion, condition and setting."""

    picture: Path | None = None
    """PNG or SVG file that receives the map of torques out of reach."""

    json: Path | None = None
    """File that also receives the measures."""

    def __post_init__(self) -> None:
        """Check that there is something to measure."""
        if self.states < 1:
            raise ValueError(f"states must be at least 1, but is {self.states}; use e.g. 300")


def bench_muscle(config: MuscleBenchConfig) -> dict[str, Any]:
    """Judge MuscleNN under every setting of `judged_settings`.

    Returns:
        `settings`, by name the `setting` and what `muscle_scores` measures under it; `reach`, the result of
        `reach_map`; and the record of the machine.
    """
    body = config.body.load()
    network = load_muscle_network(body, config.weights)
    motions = [load_motion(name, body) for name in config.motions]
    settings = {
        name: {
            "setting": setting,
            **muscle_scores(body, network, motions, setting=setting, states=config.states),
        }
        for name, setting in tqdm(judged_settings(body).items(), desc="bench", unit="setting", leave=False)
    }
    result = {
        "body": body.name,
        "settings": settings,
        "reach": reach_map(body, motions, states=config.states),
        "environment": environment_record(),
    }
    if config.json is not None:
        write_json(config.json, result)
    if config.picture is not None:
        draw_reach(result["reach"], config.picture)
    return result


def muscle_page(result: Mapping[str, Any]) -> str:
    """Return the result of `bench_muscle` as text."""
    settings = result["settings"]
    tables = (
        muscle_table(settings["default"]),
        settings_table(settings),
        dof_table(settings),
        reach_table(result["reach"]),
    )
    return "\n\n".join(tables)


def settings_table(settings: Mapping[str, Any]) -> str:
    """Return a row per setting: the error of oracle and network on each set of held-out states."""
    sets = [f"{row['motion']}, {row['states']}" for row in settings["default"]["rows"]]
    lines = [
        "Torque error under each setting, RMS over actuated DoFs [N m], oracle / network",
        f"{'setting':<22}" + "".join(f"{name:>18}" for name in sets),
    ]
    for name, scores in settings.items():
        cells = [f"{row['oracle']:.2f} / {row['network']:.2f}" for row in scores["rows"]]
        lines.append(f"{name:<22}" + "".join(f"{cell:>18}" for cell in cells) + mark(scores))
    return "\n".join([*lines, f"! more than {ALLOWED_FACTOR} x oracle + {ALLOWED_ERROR} N m"])


def mark(scores: Mapping[str, Any]) -> str:
    """Return an exclamation mark where a network misses its bar."""
    return "" if scores["passes"] else " !"


def dof_table(settings: Mapping[str, Any]) -> str:
    """Return the DoFs in which the network misses most, and by how much under each setting."""
    dofs = settings["default"]["dofs"]

    def worst_error(name: str) -> float:
        return max(scores["dofs"][name]["network"] for scores in settings.values())

    names = sorted(dofs, key=worst_error, reverse=True)[:WORST]
    lines = [
        "The same per DoF, over all states; the worst DoFs (--json has all)",
        f"{'setting':<22}" + "".join(f"{name:>14}" for name in names),
    ]
    for setting, scores in settings.items():
        cells = [
            f"{scores['dofs'][name]['oracle']:.1f} / {scores['dofs'][name]['network']:.1f}" for name in names
        ]
        lines.append(f"{setting:<22}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)
