"""Control steps per second of a training, beside those of the bare vector environment.

    python benchmarks/training_throughput.py [--actuation muscle --prior shipped] [--json OUT]

Rollouts of the bare environment, under random actions of the policy's first noise, and rounds of training
(collection, statistics, update) alternate in one run with the same workers, so that their ratio holds on a
noisy machine. Shares are of the time of training: of the update, and of the encoder. Those of the cores
are from computing times. Where other programs run, `busy` counts their share as idle; what ends with `_alone`
is what the same computing times give where nothing else runs, since workers and learner take turns.
"""

import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import torch
import tyro
from stable_baselines3.common.logger import configure
from tqdm import tqdm

from musclegym.manifest import environment_record, write_json
from musclegym.policies.callbacks import TrainingCallback
from musclegym.policies.environment import EnvironmentConfig, make_workers
from musclegym.policies.learner import Learner
from musclegym.policies.ppo import begin, prepare, warm_up
from musclegym.policies.train_config import PPOConfig, TrainConfig


@dataclass(frozen=True)
class ThroughputConfig:
    """What to measure."""

    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=EnvironmentConfig
    )
    """What is trained in."""
    prior: str = "none"
    """Encoder in the policy."""
    prior_frames: int | None = None
    """States that it reads."""
    ppo: Annotated[PPOConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=PPOConfig)
    """How the policy learns."""
    workers: int = 2
    """Processes, one core each."""
    members: int = 8
    """Environments per process."""
    rounds: int = 5
    """How many times each is measured."""
    json: Path | None = None
    """Where to write the result."""


class Stopwatch:
    """Adds up the time and the computing time of calls by name [s]."""

    def __init__(self) -> None:
        self.seconds = defaultdict[str, float](float)
        self.computed = defaultdict[str, float](float)

    def clear(self) -> None:
        """Begin again."""
        self.seconds.clear()
        self.computed.clear()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, watched."""

        def watched(*arguments: Any, **keywords: Any) -> Any:
            start, computed = time.perf_counter(), time.process_time()
            result = function(*arguments, **keywords)
            self.seconds[name] += time.perf_counter() - start
            self.computed[name] += time.process_time() - computed
            return result

        return watched


def computing_seconds() -> npt.NDArray[np.float64]:
    """Return the computing time so far of this process and of its workers, from Linux's /proc [s]."""
    ticks = 0
    for process in multiprocessing.active_children():
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return np.array([time.process_time(), ticks / os.sysconf("SC_CLK_TCK")])


def measure(config: ThroughputConfig, folder: Path) -> dict[str, float]:
    """Measure one setting; the result's names are those of the printed table."""
    settings = TrainConfig(
        run=folder,
        environment=config.environment,
        prior=config.prior,
        prior_frames=config.prior_frames,
        ppo=config.ppo,
        workers=config.workers,
        members=config.members,
        evaluate_minutes=0.0,
    )
    prepared = prepare(settings)
    workers = make_workers(prepared.options, config.workers, config.members, config.ppo.discount)
    learner = Learner(workers, settings, prepared.encoder, prepared.exploration)
    run = begin(settings, prepared, learner, folder)
    learner.set_logger(configure(str(folder), ["tensorboard"]))
    warm_up(run)
    watch, samples = Stopwatch(), config.ppo.samples
    extractor: Any = learner.policy.features_extractor
    learner.train = watch.timed("update", learner.train)  # type: ignore[method-assign]
    if prepared.encoder is not None:
        extractor.encoded = watch.timed("encoder", extractor.encoded)
    actions = np.random.default_rng(0).normal(0.0, prepared.exploration, (64, workers.num_envs, 50))
    bare, training, ratios = [], [], []
    computed = np.zeros((2, 2))  # by the learner and by the workers, bare and in training [s]
    with tqdm(total=config.rounds, desc="throughput", unit="round") as bar:
        for number in range(config.rounds + 1):
            workers.seed(number)
            workers.reset()
            start, first = time.perf_counter(), computing_seconds()
            for step in range(samples // workers.num_envs):
                workers.step(actions[step % len(actions)])
            middle, second = time.perf_counter(), computing_seconds()
            callback = TrainingCallback(run, settings, stop=threading.Event(), bar=tqdm(disable=True))
            learner.learn(samples, callback, reset_num_timesteps=False)
            end = time.perf_counter()
            if number == 0:
                watch.clear()  # the first round warms everything up
                continue
            bare.append(middle - start)
            training.append(end - middle)
            ratios.append((middle - start) / (end - middle))
            computed += [second - first, computing_seconds() - second]
            bar.update()
    workers.close()
    total, alone = sum(training), computed @ [1.0, 1.0 / config.workers]
    return {
        "steps_per_second": samples / statistics.median(training),
        "bare_steps_per_second": samples / statistics.median(bare),
        "ratio": statistics.median(ratios),
        "ratio_alone": alone[0] / alone[1],
        "busy": computed[1].sum() / (total * config.workers),
        "busy_alone": computed[1].sum() / (alone[1] * config.workers),
        "update_share": watch.seconds["update"] / total,
        "update_share_alone": watch.computed["update"] / alone[1],
        "encoder_share": watch.seconds["encoder"] / total,
        "encoder_share_alone": watch.computed["encoder"] / alone[1],
    }


def main() -> None:
    """Measure and print."""
    config = tyro.cli(ThroughputConfig)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(config, Path(folder))
    for name, value in result.items():
        print(f"{name:>24} {value:9.2f}")
    if config.json is not None:
        settings = {"options": config.environment.options(), "ppo": config.ppo}
        settings |= {"prior": config.prior, "prior_frames": config.prior_frames}
        settings |= {"workers": config.workers, "members": config.members, "rounds": config.rounds}
        write_json(config.json, {"settings": settings, "result": result, "environment": environment_record()})


if __name__ == "__main__":
    main()
