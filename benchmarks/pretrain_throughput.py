"""Training of a prior: what reading costs, how speed and memory depend on the corpus, what options bring.

    python benchmarks/pretrain_throughput.py [LIBRARY] [--json OUT]

Every time is the processor's, of one thread, and compared within the same run: steps of all variants are made
in turn, and medians are divided. The bare model is forward, backward and optimiser on windows that lie in
memory, as many as a step has. A GPU, where there is one, is compared with its own large matrix product.
"""

import dataclasses
import multiprocessing
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from torch.utils.flop_counter import FlopCounterMode

from musclegym.body import load_body
from musclegym.manifest import environment_record, write_json
from musclegym.motion.labels import Labels
from musclegym.motion.library import MotionLibrary
from musclegym.motion.library_files import ClipData, SavedClips
from musclegym.motion.library_write import save_library
from musclegym.pretrain.corpus import open_corpus
from musclegym.pretrain.losses import NextStateObjective, ObjectiveConfig
from musclegym.pretrain.next_state import NextStateModel
from musclegym.pretrain.pretrain_config import PretrainConfig
from musclegym.pretrain.train import trainer_of
from musclegym.pretrain.trainer import Trainer
from musclegym.pretrain.trainer_config import TrainerConfig
from musclegym.pretrain.unrolled import UnrollConfig
from musclegym.pretrain.windows import Windows

NO_ROLLOUTS = ObjectiveConfig(unroll=UnrollConfig(every=0))
LONG_ROLLOUTS = ObjectiveConfig(unroll=UnrollConfig(longest=60, count=64))
SIDE = 8192  # of the matrices whose product says what a GPU can do


@dataclass(frozen=True)
class PretrainBenchmark:
    """What to measure."""

    library: tyro.conf.Positional[Path | None] = None
    """Cache of a motion library; one of the embedded motions is built if none is given."""
    steps: int = 4
    """Steps of a variant before it is the next one's turn."""
    rounds: int = 12
    """Turns of each variant."""
    copies: int = 10
    """How many times larger the second corpus is."""
    read_steps: int = 300
    """Steps that are made while memory is measured."""
    compile: bool = shutil.which("c++") is not None
    """Whether compiled layers are measured too."""
    json: Path | None = None
    """File to write the result to."""


def trainer(
    library: Path, folder: Path, objective: ObjectiveConfig = NO_ROLLOUTS, **settings: Any
) -> Trainer:
    """Return a trainer of the default model on the training split of a library."""
    config = PretrainConfig(
        run=folder,
        data=(str(library),),
        objective=objective,
        trainer=TrainerConfig(**{"threads": 1, "device": "cpu", **settings}),
    )
    return trainer_of(config, open_corpus(config))


def windows_of(trainer: Trainer) -> Windows:
    """Return what a trainer draws from."""
    assert isinstance(trainer.objective, NextStateObjective)
    return trainer.objective.windows


def bare_step(trainer: Trainer) -> Callable[[], None]:
    """Return forward, backward and optimiser of a trainer's model on windows that lie in memory."""
    model, windows = trainer.model, windows_of(trainer)
    assert isinstance(model, NextStateModel)
    places = windows.draw(0)
    poses = windows.poses(places, torch.zeros(len(places), dtype=torch.int64), windows.length - 1)

    def step() -> None:
        for optimizer in trainer.optimizers:
            optimizer.zero_grad()
        (model.changes(poses) ** 2).mean().backward()
        for optimizer in trainer.optimizers:
            optimizer.step()

    return step


def rollout_step(trainer: Trainer) -> Callable[[], None]:
    """Return forward and backward of a trainer's longest rollouts."""
    model, objective = trainer.model, trainer.objective
    assert isinstance(model, NextStateModel)
    assert isinstance(objective, NextStateObjective)
    unrolled, places = objective.unrolled, objective.windows.draw(0)
    assert unrolled is not None

    def step() -> None:
        torch.stack(list(unrolled(model, places, 1.0).values())).sum().backward()

    return step


def read_step(trainer: Trainer) -> Callable[[], None]:
    """Return the drawing and reading of a step's windows alone."""
    windows = windows_of(trainer)

    def step() -> None:
        places = windows.draw(1)
        windows.poses(places, torch.zeros(len(places), dtype=torch.int64), windows.length)

    return step


def in_turn(actions: Mapping[str, Callable[[], None]], steps: int, rounds: int) -> dict[str, float]:
    """Return the median processor time of each action [s], which are done in turn."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():  # compiles, and makes the optimisers' memory
        for _ in range(3):
            action()
    for _ in range(rounds):
        for name, action in actions.items():
            begin = time.process_time()
            for _ in range(steps):
                action()
            times[name].append((time.process_time() - begin) / steps)
    return {name: statistics.median(values) for name, values in times.items()}


def measure_steps(config: PretrainBenchmark, library: Path, folder: Path) -> dict[str, Any]:
    """Return the seconds of a step and of the bare model in both precisions, and what else differs."""
    plain = trainer(library, folder)
    low = trainer(library, folder, precision="bfloat16")
    variants = {
        "rollouts": trainer(library, folder, ObjectiveConfig()),
        "muon": trainer(library, folder, optimizer="muon"),
        "accumulate 4": trainer(library, folder, accumulate=4),
    }
    if config.compile:
        variants["compiled"] = trainer(library, folder, compile=True)
        variants["compiled bfloat16"] = trainer(library, folder, compile=True, precision="bfloat16")
    long = {
        name: rollout_step(trainer(library, folder, LONG_ROLLOUTS, precision="bfloat16", compile=compiled))
        for name, compiled in [("long rollouts", False), ("compiled long rollouts", True)]
        if config.compile or not compiled
    }
    actions = {
        "step": plain.train_step,
        "bare": bare_step(trainer(library, folder)),
        "reader": read_step(plain),
        "bfloat16": low.train_step,
        "bare bfloat16": bare_step(trainer(library, folder, precision="bfloat16")),
        **{name: each.train_step for name, each in variants.items()},
        **long,
    }
    seconds = in_turn(actions, config.steps, config.rounds)
    return {
        "seconds": seconds,
        "step_over_bare": seconds["step"] / seconds["bare"],
        "step_over_bare_bfloat16": seconds["bfloat16"] / seconds["bare bfloat16"],
        "reader_over_bare": seconds["reader"] / seconds["bare"],
        "over_step": {name: value / seconds["step"] for name, value in seconds.items()},
    }


def copies_of(library: Path, copies: int) -> Iterator[tuple[str, tuple[Labels, ClipData]]]:
    """Yield the clips of a library several times, under several names."""
    saved = SavedClips(next(library.glob("clips-*")))
    for copy in range(copies):
        for record in saved.records:
            labels = dataclasses.replace(record.labels, subject=f"{record.labels.subject}{copy}")
            yield f"copy{copy}/{record.source}", (labels, saved.data(record))


def resident(library: Path, steps: int) -> dict[str, float]:
    """Train in this process, and return how large the corpus is and the highest memory [MB]."""
    with tempfile.TemporaryDirectory() as name:
        whole = trainer(library, Path(name))
        for _ in range(steps):
            whole.train_step()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    frames = MotionLibrary(library).saved.frames.rows
    return {
        "frames": len(frames),
        "frames_megabytes": frames.nbytes / 1e6,
        "peak_megabytes": int(status["VmHWM"].split()[0]) * 1024 / 1e6,
    }


def measure_corpus(config: PretrainBenchmark, library: Path, folder: Path) -> dict[str, Any]:
    """Return speed and memory of training on a library and on one that is `copies` times as large."""
    large = folder / "large"
    save_library(large, dict(copies_of(library, config.copies)), load_body("human"), 30.0)
    actions = {
        "small": trainer(library, folder).train_step,
        "large": trainer(large, folder).train_step,
    }
    seconds = in_turn(actions, config.steps, config.rounds)
    memory = []
    for each in (library, large):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            memory.append(pool.apply(resident, (each, config.read_steps)))
    return {
        "seconds": seconds,
        "speed_of_large": seconds["small"] / seconds["large"],
        "memory": memory,
        "peak_of_large": memory[1]["peak_megabytes"] / memory[0]["peak_megabytes"],
    }


def measure_gpu(config: PretrainBenchmark, library: Path, folder: Path) -> dict[str, float]:
    """Return floating-point operations per second of the bare model on the GPU, beside a large product's."""
    fast = trainer(library, folder, device="cuda", precision="bfloat16")
    step = bare_step(fast)
    with FlopCounterMode(display=False) as counter:
        step()
    side = torch.ones(SIDE, SIDE, device="cuda", dtype=torch.bfloat16)
    rates = {}
    for name, action, work in [
        ("model", step, counter.get_total_flops()),
        ("product", lambda: side @ side, 2 * SIDE**3),
    ]:
        action()
        torch.cuda.synchronize()
        begin, count = time.perf_counter(), config.rounds * config.steps
        for _ in range(count):
            action()
        torch.cuda.synchronize()
        rates[name] = count * work / (time.perf_counter() - begin)
    return {**rates, "utilisation": rates["model"] / rates["product"]}


def measure(config: PretrainBenchmark) -> dict[str, Any]:
    """Measure everything in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="pretrain-throughput-") as name:
        folder = Path(name)
        library = config.library or folder / "embedded"
        if config.library is None:
            MotionLibrary.build((), library)
        return {
            "steps": measure_steps(config, library, folder),
            "corpus": measure_corpus(config, library, folder),
            "gpu": measure_gpu(config, library, folder) if torch.cuda.is_available() else None,
        }


def main() -> None:
    """Measure, print and write down."""
    config = tyro.cli(PretrainBenchmark)
    result = measure(config)
    steps, corpus = result["steps"], result["corpus"]
    print(
        f"a step takes {steps['step_over_bare']:.2f} x the bare model, in bfloat16 "
        f"{steps['step_over_bare_bfloat16']:.2f}; reading is {steps['reader_over_bare']:.3f} of it"
    )
    for name, ratio in steps["over_step"].items():
        print(f"{name:>22} {ratio:6.3f} x the time of a step")
    small, large = corpus["memory"]
    print(
        f"{large['frames_megabytes']:.0f} instead of {small['frames_megabytes']:.0f} MB of frames: "
        f"{corpus['speed_of_large']:.3f} of the speed, {large['peak_megabytes']:.0f} instead of "
        f"{small['peak_megabytes']:.0f} MB of memory"
    )
    if result["gpu"] is not None:
        print(f"GPU: {result['gpu']['utilisation']:.1%} of the rate of a large product")
    if config.json is not None:
        write_json(config.json, {"results": result, "environment": environment_record()})


if __name__ == "__main__":
    main()
