"""`musclegym quickstart`: motions, prior, muscles and policy in ten minutes, with a report.

Each stage leaves its result in the run folder. Run again with the same folder, what is done is not done
again, and what was interrupted goes on where it was.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro

from musclegym.body import load_body
from musclegym.manifest import environment_record, start_run, write_json
from musclegym.motion import embedded_motion_names, load_motion
from musclegym.motion.data import InspectConfig, inspect
from musclegym.muscle.network import WEIGHTS, load_muscle_network
from musclegym.policies.bench import RolloutConfig, bench_rollout
from musclegym.policies.environment import EnvironmentConfig
from musclegym.policies.episodes import ZERO
from musclegym.policies.evaluate import EvaluateConfig, evaluate
from musclegym.policies.muscle_scores import muscle_scores
from musclegym.policies.muscle_training import MuscleTrainingConfig, train_muscle
from musclegym.policies.ppo import train
from musclegym.policies.quickstart_report import write_report
from musclegym.policies.replay import ReplayConfig, replay
from musclegym.policies.train_config import TrainConfig
from musclegym.policies.training_run import FILE as CHECKPOINT
from musclegym.pretrain.train import PretrainConfig, pretrain
from musclegym.pretrain.trainer import TrainerConfig
from musclegym.pretrain.training_file import FILE as TRAINER_CHECKPOINT

PRIOR_SHARE, POLICY_SHARE = 0.15, 0.6  # of the budget; the rest is for measuring, pictures and compiling
MUSCLE_SHARE = 0.1  # where MuscleNN has to be trained
DETAILS = ("curve", "episodes", "source")  # of a record, left out of --json
JUDGED = ("walk", "run")  # motions that MuscleNN is judged on


@dataclass(frozen=True)
class QuickstartConfig:
    """Settings of `musclegym quickstart`."""

    run: Path = Path("runs/quickstart")
    """Folder that receives everything; an interrupted quickstart goes on in it."""

    minutes: float = 8.5
    """Time for all of it on two cores [min]."""

    motion: str = "walk"
    """Embedded motion, or motion file, that the policy follows."""

    episodes: int = 20
    """Episodes per measurement, their start phases evenly spread."""

    workers: int = 2
    """Processes that gather experience."""

    seed: int = 0
    """Seed of all random numbers."""

    json: Path | None = None
    """File that also receives the results of all stages, without curves and single episodes."""

    def __post_init__(self) -> None:
        """Check that there is time and something to measure."""
        if not self.minutes > 0 or min(self.episodes, self.workers) < 1:
            raise ValueError(
                f"minutes must be positive, episodes and workers at least 1, but they are {self.minutes}, "
                f"{self.episodes} and {self.workers}; use e.g. --minutes 8.5"
            )

    @property
    def torque(self) -> EnvironmentConfig:
        """What the policy is trained in: joint torques, which need the least computing."""
        return EnvironmentConfig(actuation="torque", motion=self.motion)

    @property
    def muscle(self) -> EnvironmentConfig:
        """What it is shown in: the same torques, made by muscles."""
        trained = self.run / "muscle" / WEIGHTS
        weights = str(trained) if trained.is_file() else None
        return EnvironmentConfig(actuation="muscle", motion=self.motion, muscle_weights=weights)


def quickstart(config: QuickstartConfig) -> dict[str, Any]:
    """Go through all stages that are not done yet, and write the report.

    Returns:
        Result and duration [s] of each stage by name.

    Raises:
        KeyboardInterrupt: after Ctrl-C; the same command goes on.
        ValueError: if the folder holds a quickstart with other settings.
    """
    check_settings(config)
    folder = start_run(config.run, config, config.seed, goes_on=True)
    stages: dict[str, tuple[str, Callable[[], Mapping[str, Any]]]] = {
        "motions": ("preparing the embedded motions", prepare_motions),
        "prior": ("pretraining MotionNN", lambda: pretrain_prior(config)),
        "muscle": ("preparing MuscleNN", lambda: prepare_muscles(config)),
        "before": ("measuring zero action", lambda: measured(config, ZERO)),
        "policy": ("training the policy by PPO", lambda: train_policy(config)),
        "after": ("measuring the policy", lambda: measured(config, str(folder / "policy"))),
        "stability": ("measuring rollouts", lambda: measure_rollouts(config)),
        "films": ("making pictures", lambda: make_films(config)),
    }
    record: dict[str, Any] = {}
    for number, (name, (title, work)) in enumerate(stages.items(), start=1):
        record[name] = stage(folder / "stages" / f"{name}.json", f"[{number}/{len(stages)}] {title}", work)
    write_json(folder / "quickstart.json", record)
    if config.json is not None:
        write_json(config.json, {**without_details(record), "environment": environment_record()})
    write_report(folder, record, asdict(config))
    return record


def without_details(record: Any) -> Any:
    """Return a record without learning curves, lists of episodes and places of files on this machine."""
    if isinstance(record, list):
        return [without_details(value) for value in record]
    if isinstance(record, Mapping):
        kept = {name: value for name, value in record.items() if name not in DETAILS}
        return {name: without_details(value) for name, value in kept.items()}
    return record


def check_settings(config: QuickstartConfig) -> None:
    """Refuse to go on with other settings than a folder was begun with."""
    path = config.run / "config.json"
    if not path.is_file():
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    now = asdict(config)
    different = [name for name in now if name not in ("run", "json") and before.get(name) != now[name]]
    if different:
        old, new = ({name: values.get(name) for name in different} for values in (before, now))
        raise ValueError(
            f"{config.run} holds a quickstart with {old}, but {new} were given; use the same settings to go "
            f"on with it, or another folder: --run {config.run}-2"
        )


def stage(path: Path, title: str, work: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Do a stage's work unless its result is there; return result and seconds."""
    if path.is_file():
        print(f"{title}: done before")
    else:
        print(title)
        begin = time.monotonic()
        result = work()
        # Training that went on after an interruption counts its own time, over all of its parts.
        seconds = max(time.monotonic() - begin, result.get("seconds", 0.0))
        write_json(path, {"seconds": seconds, "result": result})
    return json.loads(path.read_text(encoding="utf-8"))


def prepare_motions() -> dict[str, Any]:
    """Retarget every embedded motion onto the body and measure how well it fits."""
    return inspect(InspectConfig(files=tuple(map(Path, embedded_motion_names()))))


def pretrain_prior(config: QuickstartConfig) -> dict[str, Any]:
    """Train MotionNN, or go on with it."""
    run = config.run / "prior"
    trainer = TrainerConfig(minutes=PRIOR_SHARE * config.minutes, seed=config.seed, checkpoint_minutes=0.25)
    resume = run if (run / TRAINER_CHECKPOINT).is_file() else None
    pretrain(PretrainConfig(run=run, resume=resume, trainer=trainer))
    return json.loads((run / "result.json").read_text(encoding="utf-8"))


def prepare_muscles(config: QuickstartConfig) -> dict[str, Any]:
    """Judge the shipped MuscleNN; where none fits the body, train one briefly, or go on with it."""
    body = load_body("human")
    run = config.run / "muscle"
    try:
        network = load_muscle_network(body)
    except (FileNotFoundError, ValueError) as reason:
        print(f"training MuscleNN, since the shipped one cannot be used: {reason}")
        trainer = TrainerConfig(
            minutes=MUSCLE_SHARE * config.minutes, seed=config.seed, checkpoint_minutes=0.25
        )
        resume = run if (run / TRAINER_CHECKPOINT).is_file() else None
        return {
            **train_muscle(MuscleTrainingConfig(run=run, resume=resume, trainer=trainer)),
            "shipped": False,
        }
    motions = [load_motion(name, body) for name in JUDGED]
    return {"scores": muscle_scores(body, network, motions), "shipped": True}


def train_policy(config: QuickstartConfig) -> dict[str, Any]:
    """Train the policy with the frozen encoder of the prior, or go on with it."""
    run = config.run / "policy"
    return train(
        TrainConfig(
            run=run,
            resume=run if (run / CHECKPOINT).is_file() else None,
            minutes=POLICY_SHARE * config.minutes,
            environment=config.torque,
            prior=str(config.run / "prior"),
            workers=config.workers,
            seed=config.seed,
            checkpoint_steps=16_384,
            evaluate_minutes=0.0,
        )
    )


def measured(config: QuickstartConfig, policy: str) -> dict[str, Any]:
    """Measure a policy as trained, and through the muscles."""
    return {
        name: evaluate(
            EvaluateConfig(
                policy=policy, episodes=config.episodes, environment=environment, workers=config.workers
            )
        )
        for name, environment in {"torque": config.torque, "muscle": config.muscle}.items()
    }


def measure_rollouts(config: QuickstartConfig) -> dict[str, Any]:
    """Measure how long rollouts of the prior and of the policy stay with the motion."""
    return bench_rollout(
        RolloutConfig(
            prior=str(config.run / "prior"),
            policy=str(config.run / "policy"),
            starts=config.episodes,
            environment=config.torque,
        )
    )


def make_films(config: QuickstartConfig) -> dict[str, Any]:
    """Picture zero action and the policy through the muscles, both from where the policy lasts longest."""
    path = config.run / "stages" / "after.json"
    episodes = json.loads(path.read_text(encoding="utf-8"))["result"]["muscle"]["episodes"]
    phase = max(episodes, key=lambda episode: episode["steps"])["phase"]
    steps = {
        name: replay(
            ReplayConfig(
                policy=policy,
                out=config.run / f"{name}.webp",
                page=False,
                phase=phase,
                environment=config.muscle,
                width=560,
                every=1,
            )
        )
        for name, policy in {"before": ZERO, "after": str(config.run / "policy")}.items()
    }
    return {"phase": phase, "steps": steps}


def main(args: list[str]) -> None:
    """Run `quickstart` with settings from the command line and print what came of it."""
    config = tyro.cli(QuickstartConfig, args=args, prog="musclegym quickstart", description=__doc__)
    try:
        record = quickstart(config)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt("stopped; the same command goes on from here") from interrupt
    for name in ("torque", "muscle"):
        before, after = (
            record[stage]["result"][name]["table"]["episode_steps"]["mean"] for stage in ("before", "after")
        )
        print(f"mean episode, {name}: {before:.1f} control steps before PPO, {after:.1f} after")
    minutes = sum(stage["seconds"] for stage in record.values()) / 60.0
    print(f"{minutes:.1f} min; report: {config.run / 'report.html'}")
