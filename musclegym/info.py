"""The command `musclegym info`: what is installed and what it holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

import musclegym
from musclegym.manifest import environment_record, write_json
from musclegym.motion import embedded_motion_names

WEIGHTS = Path(musclegym.__file__).resolve().parent / "assets" / "weights"


@dataclass(frozen=True)
class InfoConfig:
    """Show versions, machine, default body, shipped weights and embedded motions."""

    json: Path | None = None
    """File to write the same facts to."""


def main(args: list[str]) -> None:
    """Print the facts and write them where asked."""
    config = tyro.cli(InfoConfig, args=args, prog="musclegym info")
    record = installation_record()
    print(text(record))
    if config.json is not None:
        write_json(config.json, record)


def installation_record() -> dict[str, Any]:
    """What is installed: the environment, the default body, the shipped weights and the embedded motions."""
    return {
        **environment_record(),
        "body": body_record(),
        "weights": weights_record(),
        "motions": list(embedded_motion_names()),
    }


def body_record() -> dict[str, Any]:
    """Counts, total mass [kg] and hash of the default body."""
    body = musclegym.load_body("human")
    return {
        "name": body.name,
        "bodies": len(body.body_names),
        "degrees_of_freedom": len(body.dof_names),
        "muscles": len(body.muscle_names),
        "mass": round(body.skeleton.total_mass, 3),
        "hash": body.hash,
    }


def weights_record() -> dict[str, int]:
    """Size of each weights file in the package [bytes]."""
    return {path.stem: path.stat().st_size for path in sorted(WEIGHTS.glob("*.safetensors"))}


def text(record: dict[str, Any]) -> str:
    """The record as lines to read."""
    body, machine = record["body"], record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    weights = ", ".join(f"{name} ({size / 1e6:.1f} MB)" for name, size in record["weights"].items())
    rows = {
        "musclegym": f"{record['musclegym']} (commit {record['commit'] or 'unknown'})",
        "python": record["python"],
        "libraries": versions,
        "machine": f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}",
        "body": f"{body['name']}: {body['bodies']} bodies, {body['degrees_of_freedom']} degrees of freedom, "
        f"{body['muscles']} muscles, {body['mass']} kg",
        "weights": weights or "none",
        "motions": ", ".join(record["motions"]),
    }
    return "\n".join(f"{name:<10} {row}" for name, row in rows.items())
