"""How long the first environment after installing takes, and how long the next one does.

    python benchmarks/first_use.py [--actuation muscle] [--json OUT]

Numba compiles the kernels when they are first called, and keeps them. Two processes, of which the first finds
none, import the package, make an environment, reset it, make a step and draw a picture.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from musclegym.manifest import environment_record, write_json

RESULTS = Path(__file__).parent / "results" / "first_use.json"
STEPS = """
import json, sys, time
marks = [("", time.perf_counter())]
def mark(name):
    marks.append((name, time.perf_counter()))
import gymnasium, musclegym
mark("import")
env = gymnasium.make("MuscleHumanoid-v0", actuation=sys.argv[1], motion="walk", render_mode="rgb_array")
mark("make")
env.reset(seed=0)
mark("reset")
env.step(0.0 * env.action_space.sample())
mark("step")
env.render()
mark("render")
print(json.dumps({name: time - before for (_, before), (name, time) in zip(marks, marks[1:])}))
"""


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    actuation: Literal["torque", "muscle", "oracle"] = "muscle"
    """What turns the action into joint torques."""
    json: Path = RESULTS
    """File for the figures."""


def measure(config: Config) -> dict[str, Any]:
    """Return the seconds that each part takes, and all of them, in the first process and in the next."""
    seconds = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("first", "next"):
            command = [sys.executable, "-c", STEPS, config.actuation]
            kept = {**os.environ, "NUMBA_CACHE_DIR": cache}
            done = subprocess.run(command, env=kept, stdout=subprocess.PIPE, text=True, check=True)
            # PyBullet prints a line of its own.
            parts = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
            seconds[name] = {**parts, "total": sum(parts.values())}
    return {"actuation": config.actuation, "seconds": seconds, "environment": environment_record()}


def main() -> None:
    """Measure, print and write."""
    config = tyro.cli(Config, description=__doc__)
    result = measure(config)
    write_json(config.json, result)
    for name, parts in result["seconds"].items():
        print(f"{name:>6}: " + ", ".join(f"{part} {value:.1f} s" for part, value in parts.items()))


if __name__ == "__main__":
    main()
