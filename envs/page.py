"""The environment's reference page: tables made from the tables and settings that the code itself uses."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

from musclegym.envs.config import ACTUATIONS, HumanoidConfig, RewardWeights, TrackWeights
from musclegym.envs.observations import BOUND, PARTS
from musclegym.envs.tasks import TASKS
from musclegym.envs.world import BodyVariation, Ground, Pushes
from musclegym.muscle.physiology import MuscleConfig

VERSIONS = (("v0", "First version."),)
"""Version of the environment and what changed with it; a change of what a seed and actions give makes one."""


def environment_page(info: Mapping[str, str]) -> str:
    """Return the tables of action, observation, reward, info, options and versions as Markdown.

    Args:
        info: names of the entries of `info` and what they are.
    """
    parts = [
        section("Action", action_table()),
        section("Observation", observation_table()),
        section("Reward", *reward_tables()),
        section("Info", table(("entry", "meaning"), [(code(name), text) for name, text in info.items()])),
        section("Options", options_table(HumanoidConfig)),
        *(section(f"Fields of `{kind.__name__}`", options_table(kind)) for kind in OPTION_GROUPS),
        section("Version history", table(("version", "change"), VERSIONS)),
    ]
    return "\n\n".join(parts) + "\n"


OPTION_GROUPS = (RewardWeights, Ground, Pushes, BodyVariation, MuscleConfig)
"""Settings that options of the environment take."""


def action_table() -> str:
    """Return what the numbers of an action mean under each actuation."""
    rows = [(code(name), numbers, meaning) for name, (numbers, meaning) in ACTUATIONS.items()]
    return "Every number lies in [-1, 1].\n\n" + table(("actuation", "numbers", "meaning"), rows)


def observation_table() -> str:
    """Return the blocks of the observation in their order."""
    rows = [(code(part.name), part.length, part.unit, part.frame, part.there or "always") for part in PARTS]
    head = f"Numbers are clipped to [-{BOUND:g}, {BOUND:g}]; `observation_layout` has the places.\n\n"
    return head + table(("block", "numbers", "unit", "frame", "there if"), rows)


def reward_tables() -> Iterable[str]:
    """Return the terms that a motion and each task give, with their weights."""
    yield 'The reward is the sum of `info["reward_terms"]`. A motion gives, see `musclegym.envs.rewards`:'
    yield options_table(TrackWeights, "term", "weight")
    for name, task in TASKS.items():
        weights = getattr(task, "weights", None)
        if weights is not None:
            yield f"The task `{name}` gives:"
            yield options_table(type(weights), "term", "weight")


def options_table(kind: type, name: str = "option", value: str = "default") -> str:
    """Return names, defaults and descriptions of the fields of a dataclass."""
    texts = field_texts(kind)
    rows = [(code(item.name), default_text(item), texts[item.name]) for item in fields(kind)]
    return table((name, value, "meaning"), rows)


def field_texts(kind: type) -> dict[str, str]:
    """Return the text below each field of a dataclass, by the field's name."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for before, after in zip(tree.body[:-1], tree.body[1:], strict=True):
            if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name):
                value = after.value if isinstance(after, ast.Expr) else None
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    texts[before.target.id] = " ".join(value.value.split())
    return texts


def default_text(item: "Field[Any]") -> str:
    """Return the default of a field as a reader wants it."""
    if item.default_factory is not MISSING:
        return code(f"{getattr(item.default_factory, '__name__', item.default_factory)}()")
    return "-" if item.default is MISSING else code(repr(item.default))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def section(title: str, *texts: str) -> str:
    """Return texts under a title."""
    return "\n\n".join((f"## {title}", *texts))


def code(text: str) -> str:
    """Return a text set as code."""
    return f"`{text}`"
