"""Ways of training a policy beside each other: variants x seeds, each with the same number of samples.

    python benchmarks/policy_comparison.py prior --out runs/comparison [--json OUT] [--picture OUT.svg]
    python benchmarks/policy_comparison.py aids --out runs/comparison
    python benchmarks/policy_comparison.py clips --out runs/comparison
    python benchmarks/policy_comparison.py actuation --out runs/comparison

Every `--every` samples the policy is evaluated without noise and without aids. Reported are the curves of all
trainings, and by variant their means with 95 % intervals over the seeds (Student's t). All state lies in OUT:
the same command goes on after it was stopped or killed, at any moment and on any day. It takes one seed after
the other, each with all variants, so that what is there is balanced. Commands that run at once share the
trainings among them: with --workers 1, start one for each core. Trainings that are whole in the file of
--json are not repeated, wherever they were made.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from filelock import FileLock, Timeout
from scipy.stats import t as student

from musclegym.charts import line_chart, standalone
from musclegym.manifest import environment_record, plain, write_json
from musclegym.policies.environment import EnvironmentConfig
from musclegym.policies.evaluate import EvaluateConfig, evaluate
from musclegym.policies.ppo import train
from musclegym.policies.train_config import TrainConfig, from_arguments
from musclegym.policies.training_run import FILE, read_checkpoint

TORQUE = (
    "--config walk_torque --final-learning-rate 8e-6 --exploration 0.075 --quiet-exploration 0.03 "
    "--final-exploration 0.03 --steady 0.4 --aids.assistance-coverage 0.15 0.3 --aids.assistance-change 0.03"
)
"""The recipe for trainings that are too short to walk: noise sinks and springs fade early."""
MUSCLE = "--config walk_muscle"
UNAIDED = f"{TORQUE} --aids.assistance 0"
SCRATCH = f"{TORQUE} --actuation muscle --physics-hz 480 --refine-steps 65536"
"""Noise and springs of `TORQUE`, for muscles that begin with nothing, unlike those of `walk_muscle`."""


@dataclass(frozen=True)
class Stage:
    """A part of a training."""

    options: str
    """Of `musclegym train`."""
    until: float = 1.0
    """Share of the samples at which it ends."""


Variants = Mapping[str, Sequence[Stage]]
STUDIES: dict[str, Variants] = {
    "prior": {
        "none": [Stage(f"{TORQUE} --prior none")],
        "random": [Stage(f"{TORQUE} --prior random")],
        "shipped": [Stage(f"{TORQUE} --prior shipped")],
    },
    "aids": {
        "none": [Stage(UNAIDED)],
        "assistance": [Stage(TORQUE)],
        "start phases": [Stage(f"{UNAIDED} --aids.start-bins 20")],
        "early termination": [Stage(f"{UNAIDED} --aids.fall-drop 0.08 --aids.lost-distance 0.3")],
    },
    "clips": {
        "at once": [Stage(f"{UNAIDED} --aids.motions turn_left1 --aids.motion-coverage 0")],
        "one by one": [Stage(f"{UNAIDED} --aids.motions turn_left1 --aids.motion-coverage 0.2")],
    },
    "actuation": {
        "muscle": [Stage(SCRATCH)],
        "torque first": [Stage(TORQUE, 0.75), Stage(MUSCLE)],
    },
}
"""Study -> variant -> its stages, of which each begins with the policy of the one before."""
JUDGED = {"prior": "torque", "aids": "torque", "clips": "torque", "actuation": "muscle"}
"""Actuation in which all policies of a study are evaluated."""
FOLLOWED = {"clips": ("walk", "turn_left1")}
"""Motions on which they are, each with as much weight; where none are named, the policy's own."""
OF_A_TRAINING = (
    "run",
    "config",
    "resume",
    "init",
    "steps",
    "minutes",
    "schedule_steps",
    "seed",
    "workers",
    "checkpoint_steps",
    "evaluate_minutes",
)
"""Settings of `musclegym train` that this script chooses itself, or that name a file whose values count."""
MEASURES = ("coverage", "success", "episode_steps", "joint_error_mm", "reward")


@dataclass(frozen=True)
class ComparisonConfig:
    """What to compare, and for how long."""

    study: tyro.conf.Positional[Literal["prior", "aids", "clips", "actuation"]]
    """Which variants."""
    out: Path
    """Folder of the runs, their state and the results."""
    samples: int = 500_000
    """Control steps of each training."""
    seeds: int = 3
    """Trainings of each variant."""
    every: int = 50_000
    """Control steps between evaluations."""
    episodes: int = 20
    """Episodes of an evaluation, from spread start phases."""
    workers: int = 2
    """Processes that gather experience."""
    options: str = ""
    """Further options of every training, written --options="--physics-hz 480"."""
    only: tuple[str, ...] = ()
    """Variants to train; all if none is named."""
    json: Path | None = None
    """File that also receives the results, and whose whole trainings are kept."""
    picture: Path | None = None
    """SVG file that also receives the chart."""

    def __post_init__(self) -> None:
        """Check the counts and the names."""
        if min(self.samples, self.seeds, self.every, self.episodes) < 1:
            raise ValueError(
                f"samples, seeds, every and episodes must be positive, but are {self.samples}, {self.seeds}, "
                f"{self.every} and {self.episodes}; use e.g. the defaults"
            )
        if unknown := set(self.only) - set(self.variants):
            raise ValueError(
                f"the variants of {self.study!r} are {', '.join(self.variants)}, but only names "
                f"{sorted(unknown)[0]!r}; choose among them"
            )

    @property
    def variants(self) -> Variants:
        """Of the study."""
        return STUDIES[self.study]

    @property
    def folder(self) -> Path:
        """Of the study."""
        return self.out / self.study

    @cached_property
    def record(self) -> dict[str, Any]:
        """What the curves depend on, besides their seeds."""
        names = ("study", "samples", "every", "episodes", "options")
        trained = {
            name: [{"until": stage.until, **settings_of(stage, self.options)} for stage in stages]
            for name, stages in self.variants.items()
        }
        judged = {"judged_in": JUDGED[self.study], "judged_on": FOLLOWED.get(self.study)}
        made = {**judged, **{name: getattr(self, name) for name in names}}
        return plain({**made, "variants": trained})

    @cached_property
    def kept(self) -> Mapping[str, Any]:
        """Results in the file of `json` as they were at first.

        Raises:
            ValueError: if they were made otherwise.
        """
        if self.json is None or not self.json.is_file():
            return {"curves": {}}
        result = json.loads(self.json.read_text(encoding="utf-8"))
        made = dotted({name: result["settings"].get(name) for name in self.record})
        given = dotted(self.record)
        for name in {**made, **given}:
            if made.get(name) != given.get(name):
                raise ValueError(
                    f"results that are gone on with must be made alike, but in {self.json} {name} is "
                    f"{made.get(name)!r}, and here it is {given.get(name)!r}; give it as it is there, or "
                    "another file"
                )
        return result

    @property
    def all_seeds(self) -> range:
        """Those to train, and those in the file of `json`."""
        kept = [int(seed) for runs in self.kept["curves"].values() for seed in runs]
        return range(max([self.seeds, *(seed + 1 for seed in kept)]))


def settings_of(stage: Stage, options: str) -> dict[str, Any]:
    """Return what a stage is trained with, besides what differs between its trainings."""
    settings = plain(from_arguments([*shlex.split(stage.options), *shlex.split(options)]))
    return {name: value for name, value in settings.items() if name not in OF_A_TRAINING}


def dotted(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a record of records by their names, which say where they are: "ppo.clip"."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, list):
            value = {str(place): item for place, item in enumerate(value)}
        below = dotted(value) if isinstance(value, Mapping) else {"": value}
        flat |= {f"{name}.{rest}".removesuffix("."): item for rest, item in below.items()}
    return flat


@dataclass(frozen=True)
class Run:
    """One training of a variant."""

    config: ComparisonConfig
    variant: str
    seed: int

    @property
    def folder(self) -> Path:
        """Of its stages and its points."""
        return self.config.folder / self.variant.replace(" ", "_") / f"seed{self.seed}"

    @property
    def points(self) -> list[dict[str, float]]:
        """What was measured so far, in the order of the samples."""
        file = self.folder / "points.json"
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))["points"]
        kept = self.config.kept["curves"].get(self.variant, {}).get(str(self.seed), [])
        return kept if len(kept) == len(self.targets) else []

    @cached_property
    def targets(self) -> list[tuple[int, int]]:
        """Stage, and samples of the whole training so far, at each evaluation."""
        begin, targets = 0, []
        for number, stage in enumerate(self.config.variants[self.variant]):
            end = round(stage.until * self.config.samples)
            ends = (*range(begin + self.config.every, end, self.config.every), end)
            targets += [(number, at) for at in ends]
            begin = end
        return targets

    @property
    def whole(self) -> bool:
        """Whether every evaluation is there."""
        return len(self.points) >= len(self.targets)

    @property
    def lock(self) -> FileLock:
        """What the process holds that trains it."""
        return FileLock(self.folder.with_suffix(".lock"), blocking=False)

    def go_on(self) -> Iterator[dict[str, float]]:
        """Train to each evaluation that is still missing, and give what it says."""
        points = self.points
        for stage, target in self.targets[len(points) :]:
            reached = self.trained(stage, target)
            points.append(self.measured(stage, target, reached))
            write_json(self.folder / "points.json", {"points": points})
            yield points[-1]

    def trained(self, stage: int, target: int) -> float | None:
        """Train a stage up to a number of samples, unless it is there; return the last episodes' length."""
        begin = self.begin_of(stage)
        folder, steps = self.folder / f"stage{stage}", target - begin
        started = (folder / FILE).is_file()
        if not started or read_checkpoint(folder)[1]["steps"] < steps:
            train(TrainConfig(resume=folder, steps=steps) if started else self.settings(stage, steps))
        return read_checkpoint(folder)[1]["curve"][-1].get("episode_steps")

    def begin_of(self, stage: int) -> int:
        """Return the samples that a stage begins with."""
        stages = self.config.variants[self.variant]
        return round(stages[stage - 1].until * self.config.samples) if stage else 0

    def settings(self, stage: int, steps: int) -> TrainConfig:
        """Return the settings of a stage that begins; its schedules run over the whole of it."""
        chosen = self.config.variants[self.variant][stage]
        whole = round(chosen.until * self.config.samples) - self.begin_of(stage)
        words = [*shlex.split(chosen.options), *shlex.split(self.config.options)]
        words += ["--run", str(self.folder / f"stage{stage}"), "--seed", str(self.seed)]
        words += ["--workers", str(self.config.workers), "--evaluate-minutes", "0"]
        words += ["--steps", str(steps), "--schedule-steps", str(whole)]
        # Checkpoints are at evaluations only: a training that was killed goes on from the last one and ends
        # where it would have ended.
        words += ["--checkpoint-steps", str(self.config.every)]
        if stage:
            words += ["--init", str(self.folder / f"stage{stage - 1}")]
        return from_arguments(words)

    def measured(self, stage: int, target: int, length: float | None) -> dict[str, Any]:
        """Return what the policy of a stage does without noise and without aids."""
        study, policy, episodes = self.config.study, str(self.folder / f"stage{stage}"), self.config.episodes
        tables = []
        for motion in FOLLOWED.get(study, (None,)):
            judge = EnvironmentConfig(actuation=JUDGED[study], motion=motion)  # type: ignore[arg-type]
            tables.append(evaluate(EvaluateConfig(policy, episodes=episodes, environment=judge))["table"])
        means = {name: float(np.mean([table[name]["mean"] for table in tables])) for name in MEASURES}
        return {"samples": target, "training_episode_steps": length, **means}


def compare(config: ComparisonConfig) -> dict[str, Any]:
    """Train and evaluate what is missing and no other process is at; return the results so far.

    They are written after every evaluation.
    """
    names = [name for name in config.variants if not config.only or name in config.only]
    for run in (Run(config, name, seed) for seed in range(config.seeds) for name in names):
        if run.whole:
            continue
        run.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = run.lock.acquire()
        except Timeout:
            continue
        with lock:
            for point in run.go_on():
                print(f"{run.variant:>18} seed {run.seed}: {line_of(point)}", flush=True)
                write_results(config)
    return write_results(config)


def line_of(point: Mapping[str, float]) -> str:
    """Return a point of a curve as text."""
    return " ".join(f"{key} {value:.4g}" for key, value in point.items() if value is not None)


def write_results(config: ComparisonConfig) -> dict[str, Any]:
    """Write and return what is there: all curves, and the means over the seeds by variant."""
    config.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(config.folder / "results.lock"):
        return results_written(config)


def results_written(config: ComparisonConfig) -> dict[str, Any]:
    """Write and return what is there, as the only process that does."""
    curves = {
        name: {str(seed): Run(config, name, seed).points for seed in config.all_seeds}
        for name in config.variants
    }
    settings = {**config.record, "seeds": len(config.all_seeds), "workers": config.workers}
    means = {name: means_of([*runs.values()]) for name, runs in curves.items()}
    result = {"settings": settings, "means": means, "curves": curves, "environment": environment_record()}
    picture = standalone(chart(means))
    for path in (config.folder / "results.json", config.json):
        if path is not None:
            write_json(path, result)
    for path in (config.folder / "coverage.svg", config.picture):
        if path is not None:
            path.write_text(picture, encoding="utf-8")
    return result


def means_of(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return, where at least one run has been evaluated, each measure's mean and interval over the runs."""
    begun = [run for run in runs if run]
    rows = []
    for place in range(max(map(len, begun), default=0)):
        points = [run[place] for run in begun if len(run) > place]
        row: dict[str, Any] = {"samples": points[0]["samples"], "seeds": len(points)}
        for name in ("training_episode_steps", *MEASURES):
            values = [point[name] for point in points if point[name] is not None]
            row[name] = dict(zip(("mean", "interval"), interval(values), strict=True)) if values else None
        rows.append(row)
    return rows


def interval(values: Sequence[float]) -> tuple[float, list[float] | None]:
    """Return mean and 95 % interval of the mean (Student's t); a single value has no interval."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    half = float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, [mean - half, mean + half]


def chart(means: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the coverage of the time limit over the samples, with intervals as bands, as SVG."""
    begun = {name: rows for name, rows in means.items() if rows}
    thousands = {name: [row["samples"] / 1000.0 for row in rows] for name, rows in begun.items()}
    curves = {name: (thousands[name], [r["coverage"]["mean"] for r in rows]) for name, rows in begun.items()}
    bands = {}
    for name, rows in begun.items():
        # Where only one seed is there, the band has no width.
        bounds = [r["coverage"]["interval"] or [r["coverage"]["mean"]] * 2 for r in rows]
        bands[name] = (thousands[name], *np.clip(np.transpose(bounds), 0.0, 1.0))
    title = "Coverage of the time limit, without noise"
    return line_chart(curves, "thousand samples", title, bands=bands, limits=(0.0, 1.02))


def main() -> None:
    """Compare, and print the last means."""
    torch.set_num_threads(1)
    result = compare(tyro.cli(ComparisonConfig, description=__doc__))
    for name, rows in result["means"].items():
        if not rows:
            continue
        row = rows[-1]
        print(f"{name:>18} after {row['samples']} samples, {row['seeds']} seeds:")
        for measure in MEASURES:
            known = row[measure]
            if known is not None:
                spread = "" if known["interval"] is None else " ({:.3f} to {:.3f})".format(*known["interval"])
                print(f"{measure:>34} {known['mean']:.3f}{spread}")


if __name__ == "__main__":
    main()
