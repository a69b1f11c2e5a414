"""Policies that come with the package, and `musclegym policies`, which lists them with their cards."""

import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import tyro

import musclegym

FOLDER = Path(musclegym.__file__).resolve().parent / "assets" / "policies"
"""NAME.safetensors of each shipped policy, with its manifest NAME.json."""
MEASURES = {  # measure of `musclegym evaluate` -> column of the list, digits
    "success": ("success", 2),
    "joint_error_mm": ("MPJPE [mm]", 1),
    "residual": ("residual", 3),
    "activation": ("activation", 3),
}


@dataclass(frozen=True)
class PoliciesConfig:
    """Settings of `musclegym policies`."""

    name: tyro.conf.Positional[str] = ""
    """Policy whose whole card is shown; none lists all of them."""


def shipped_names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the shipped policies."""
    return sorted(path.stem for path in folder.glob("*.safetensors"))


def shipped_path(name: str, folder: Path = FOLDER) -> Path | None:
    """Return the file of a shipped policy, or None if none has this name."""
    return folder / f"{name}.safetensors" if name in shipped_names(folder) else None


def policy_path(path: str | Path) -> Path:
    """Return the file of a policy, which is a shipped one's name, its file or its run folder.

    Raises:
        FileNotFoundError: if it is none of them.
    """
    if (shipped := shipped_path(str(path))) is not None:
        return shipped
    if not Path(path).exists():
        raise FileNotFoundError(
            f"a policy is a file, the folder of a run, or one of {', '.join(shipped_names())}, but {path} is "
            f"none of them; check it, or make one with musclegym train"
        )
    return Path(path) / "policy.safetensors" if Path(path).is_dir() else Path(path)


def card(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the manifest of a shipped policy.

    Raises:
        ValueError: if none has this name.
    """
    path = shipped_path(name, folder)
    if path is None:
        raise ValueError(
            f"a shipped policy is one of {', '.join(shipped_names(folder)) or '(none)'}, but {name!r} was "
            f"asked for; musclegym policies lists them"
        )
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def listing(folder: Path = FOLDER) -> str:
    """Return a line for each shipped policy: what it does, how well, and what it took to train."""
    head = ["policy", *(label for label, _ in MEASURES.values()), "samples", "what it does"]
    rows = [head]
    for name in shipped_names(folder):
        manifest = card(name, folder)
        table = manifest["scores"]["table"]
        cells = [number(table.get(key, {}).get("mean"), digits) for key, (_, digits) in MEASURES.items()]
        rows.append([name, *cells, f"{manifest['steps']:,}", manifest["description"]])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  ".join([f"{row[0]:<{widths[0]}}", *cells, row[-1]]))
    return "\n".join(
        [*lines, "musclegym policies NAME shows a card; evaluate, replay and train --init take NAME"]
    )


def card_text(name: str, folder: Path = FOLDER) -> str:
    """Return what a card says, a line for each thing."""
    manifest = card(name, folder)
    table = manifest["scores"]["table"]
    lines = [
        f"{name}: {manifest['description']}",
        f"  environment   {', '.join(f'{k}={v}' for k, v in manifest['environment_options'].items())}",
        f"  training      {manifest['steps']:,} control steps, {manifest['seconds'] / 60.0:.0f} min",
        f"  recipe        {manifest['recipe']}",
        f"  measured by   {manifest['scores']['command']}",
    ]
    for key, row in table.items():
        low, high = row["interval"]
        lines.append(f"    {key:<26}{number(row['mean'], 3):>10}  ({number(low, 3)} to {number(high, 3)})")
    kept = ("weights_sha256", "format", "musclegym", "body_hash", "control_hz")
    lines += [f"  {key:<13} {manifest[key]}" for key in kept if key in manifest]
    return "\n".join(lines)


def number(value: float | None, digits: int) -> str:
    """Return a number as text, a dash where there is none."""
    return "-" if value is None or not isfinite(value) else f"{value:.{digits}f}"


def main(args: list[str]) -> None:
    """List the shipped policies, or show one's card."""
    config = tyro.cli(PoliciesConfig, args=args, prog="musclegym policies", description=__doc__)
    print(card_text(config.name) if config.name else listing())
