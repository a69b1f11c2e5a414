"""Settings of the commands: the body that they work on, and how the settings of a run are read back."""

import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from musclegym.body import Body, load_body

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class BodyConfig:
    """Which body a command works on."""

    body: str | None = None
    """"human" (the default), or the path of a skeleton file."""

    muscles: str | None = None
    """Path of the muscle file that belongs to a skeleton file."""

    height: float | None = None
    """Stature of the human [m]."""

    mass: float | None = None
    """Mass of the human [kg]."""

    strength: float | None = None
    """Factor on all maximum isometric forces [-]."""

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `load_body` that were given; none means the default human."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {"name": given.pop("body", "human"), **given} if given else {}

    def load(self) -> Body:
        """Return the body; raises what `load_body` raises."""
        return load_body(**self.arguments())


def read_settings(kind: type[Settings], folder: Path, made_by: str) -> Settings:
    """Return the settings of a run to be resumed, as `start_run` wrote them.

    Args:
        kind: dataclass of the settings.
        folder: the run's folder; takes the place of the settings `run` and `resume`.
        made_by: command that makes such runs, for the error message.

    Raises:
        FileNotFoundError: if the folder has no settings.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"a run is resumed with its settings, but there is no {path}; name a folder made by {made_by}"
        )
    record = json.loads(path.read_text(encoding="utf-8"))
    return restored(kind, {**record, "run": str(folder), "resume": str(folder)})


def restored(kind: Any, record: dict[str, Any]) -> Any:
    """Return the dataclass `kind` from what JSON made of it; keys that it does not know are left out."""
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)} & set(record)
    return kind(**{name: typed(hints[name], record[name]) for name in known})


def typed(hint: Any, value: Any) -> Any:
    """Return a JSON value as the type that `hint` names: a dataclass, a path, a tuple, or itself."""
    if is_dataclass(hint):
        return restored(hint, value)
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str) and Path in (hint, *get_args(hint)):
        return Path(value)
    return value
