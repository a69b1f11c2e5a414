"""A training that is killed (SIGKILL) at random moments and resumed, beside one that is left alone.

    python benchmarks/training_resume.py [--kills 5] [--actuation muscle] [--json OUT]

Both train with the same settings and the same seed. Each kill comes at a random time after the command has
begun to train; then the run is resumed. Reported are the control steps that each kill cost, whether both runs
end bit by bit in the same checkpoint, and what `musclegym evaluate` says of both.
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import tyro
from tqdm import tqdm

from musclegym.manifest import environment_record, write_json
from musclegym.policies.environment import EnvironmentConfig
from musclegym.policies.evaluate import EvaluateConfig, evaluate
from musclegym.policies.training_run import FILE, read_checkpoint

COMMAND = [sys.executable, "-c", "from musclegym.cli import main; main()", "train"]
POLL = 0.05
"""How often the progress of a run is looked at [s]."""


@dataclass(frozen=True)
class ResumeConfig:
    """What to try."""

    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=lambda: EnvironmentConfig(actuation="torque", physics_hz=240)
    )
    """What is trained in."""
    steps: int = 32_768
    """Control steps of the runs."""
    samples: int = 1024
    """Control steps per update."""
    checkpoint_steps: int = 2048
    """Control steps between checkpoints."""
    kills: int = 5
    """How often the second run is killed."""
    moments: tuple[float, float] = (5.0, 25.0)
    """Range of the moments of the kills after training has begun [s]."""
    seed: int = 0
    """Of the moments, and of the runs."""
    episodes: int = 20
    """Episodes of the evaluation."""
    json: Path | None = None
    """Where to write the result."""


def arguments(config: ResumeConfig, run: Path) -> list[str]:
    """Return the words of the command that begins a run."""
    words = ["--run", str(run), "--seed", str(config.seed), "--evaluate-minutes", "0", "--minibatch", "128"]
    for name in ("steps", "samples", "checkpoint_steps"):
        words += [f"--{name.replace('_', '-')}", str(getattr(config, name))]
    for name, value in config.environment.options().items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def killed(words: list[str], run: Path, seconds: float, log: Path) -> dict[str, float]:
    """Train until some time after the first step, then kill; return what that cost."""
    with log.open("w") as output:
        process = subprocess.Popen([*COMMAND, *words], stdout=output, stderr=output)
        while process.poll() is None and " 0/" in (last_progress(log) or " 0/"):
            time.sleep(POLL)
        time.sleep(seconds)
        if process.poll() is not None:
            raise RuntimeError(f"a run is killed before it ends, but {words} has ended; give more --steps")
        process.send_signal(signal.SIGKILL)
        process.wait()
    reached = int(re.findall(r"(\d+)/\d+ \[", log.read_text())[-1])
    saved = read_checkpoint(run)[1]["steps"]
    return {"after": seconds, "reached": reached, "saved": saved, "lost": max(0, reached - saved)}


def last_progress(log: Path) -> str:
    """Return what the progress bar showed last, or nothing."""
    return (re.findall(r" \d+/\d+ \[", log.read_text()) or [""])[-1]


def same(first: Path, second: Path) -> bool:
    """Whether two runs' checkpoints are equal bit by bit, but for the time that they took."""
    (mine, progress), (theirs, other) = read_checkpoint(first), read_checkpoint(second)
    timeless = [
        {name: value for name, value in p.items() if name not in ("seconds", "curve")}
        for p in (progress, other)
    ]
    equal = [torch.equal(value, theirs[name]) for name, value in mine.items()]
    return all(equal) and mine.keys() == theirs.keys() and timeless[0] == timeless[1]


def measure(config: ResumeConfig, folder: Path) -> dict[str, Any]:
    """Run both; return what is printed."""
    chance, log = random.Random(config.seed), folder / "log"
    alone, broken = folder / "alone", folder / "broken"
    subprocess.run([*COMMAND, *arguments(config, alone)], check=True, capture_output=True)
    kills, words = [], arguments(config, broken)
    for _ in tqdm(range(config.kills), desc="kills", unit="kill"):
        kills.append(killed(words, broken, chance.uniform(*config.moments), log))
        words = ["--resume", str(broken)]
        assert (broken / FILE).is_file()
    subprocess.run([*COMMAND, *words], check=True, capture_output=True)
    tables = {
        run.name: evaluate(EvaluateConfig(policy=str(run), episodes=config.episodes))["table"]
        for run in (alone, broken)
    }
    return {"kills": kills, "same_checkpoint": same(alone, broken), "evaluation": tables}


def main() -> None:
    """Run and print."""
    config = tyro.cli(ResumeConfig)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(config, Path(folder))
    for kill in result["kills"]:
        print(f"killed after {kill['after']:5.1f} s at {kill['reached']} steps: {kill['lost']} steps lost")
    print("checkpoints equal bit by bit" if result["same_checkpoint"] else "checkpoints DIFFER")
    for run, table in result["evaluation"].items():
        steps = table["episode_steps"]
        print(f"{run:>8}: mean episode {steps['mean']:.2f} control steps, 95 % interval {steps['interval']}")
    if config.json is not None:
        settings = {name: value for name, value in vars(config).items() if name != "json"}
        write_json(config.json, {"settings": settings, **result, "environment": environment_record()})


if __name__ == "__main__":
    main()
