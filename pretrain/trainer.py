"""The trainer that all priors share: AdamW, warm-up, cosine decay, clipping, averaging, exact resuming.

A run is a sequence of steps whose every random number comes from one generator. What is needed to go on
(weights, their average, optimiser, generator, losses so far) lies in one file, RUN/training.safetensors,
replaced as a whole, so that a run that was killed continues as if it had not been.
"""

import json
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from musclegym.pretrain.precision import Precision, chosen_precision, lower_precision

TIMED_STEPS = 40  # steps whose rate decides how many fit into `minutes`
WARMING_STEPS = 10  # the first of them, in which kernels are compiled and files first read, do not count
FILE = "training.safetensors"


@dataclass(frozen=True)
class TrainerConfig:
    """How to train a prior."""

    steps: int = 2000
    """Optimiser steps of the whole run; the learning rate falls to zero over them."""

    minutes: float | None = None
    """Time budget instead of `steps`: the first steps are timed and fix the number of steps [min]."""

    learning_rate: float = 2e-3
    """Highest learning rate of AdamW."""

    warmup_steps: int = 100
    """Steps over which the learning rate rises."""

    weight_decay: float = 0.01
    """Decay of weight matrices; biases and gains have none."""

    clip: float = 1.0
    """Largest norm of the gradient."""

    ema_decay: float = 0.99
    """Decay per step of the average of the weights, which is what gets saved and judged."""

    checkpoint_minutes: float = 2.0
    """Time between checkpoints [min]."""

    log_every: int = 20
    """Steps between lines of the log; the losses are means over them."""

    precision: Precision = "float32"
    """In what linear layers multiply: bfloat16 is faster where there are units for it; auto finds out."""

    seed: int = 0
    """Seed of the weights and of all draws."""

    threads: int = 0
    """Threads of torch; 0 leaves torch's own choice."""

    def __post_init__(self) -> None:
        """Check that there is something to do and that the average is one."""
        if min(self.steps, self.log_every) < 1 or (self.minutes is not None and not self.minutes > 0):
            raise ValueError(
                f"steps, log_every and minutes must be positive, but they are {self.steps}, "
                f"{self.log_every} and {self.minutes}; use e.g. steps=2000 or minutes=1.5"
            )
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), but is {self.ema_decay}; use e.g. 0.99")


class Trainer:
    """Trains one model and keeps what is needed to go on in a run folder."""

    def __init__(
        self,
        model: nn.Module,
        objective: nn.Module,
        weights: Mapping[str, float],
        config: TrainerConfig,
        folder: Path,
    ) -> None:
        """Prepare a run at its first step.

        Args:
            model: the network.
            objective: called with model, generator and progress in [0, 1], it draws a batch and returns named
                loss terms without their weights; its buffers are saved with the run.
            weights: weight of each term by its name.
            config: how to train.
            folder: run folder, which must exist.
        """
        if config.threads:
            torch.set_num_threads(config.threads)
        self.model, self.objective, self.weights = model, objective, weights
        self.config, self.folder = config, folder
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        others = [p for p in model.parameters() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
        self.average = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay), use_buffers=False
        )
        if chosen_precision(config.precision, torch.device("cpu")) == "bfloat16":
            lower_precision(model)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.steps: int | None = config.steps if config.minutes is None else None
        self.seconds = self.warming_seconds = 0.0
        self.curve: list[dict[str, float]] = []

    @property
    def averaged_model(self) -> nn.Module:
        """The model with averaged weights."""
        return self.average.module

    def fit(self) -> None:
        """Train to the last step, writing checkpoints on the way.

        Raises:
            KeyboardInterrupt: after Ctrl-C, once the present step is done and saved.
            FloatingPointError: if the loss stops being finite.
        """
        saved = time.monotonic()
        writer = SummaryWriter(str(self.folder), purge_step=self.step)
        with (
            interruption() as stop,
            tqdm(total=self.steps, initial=self.step, desc=type(self.model).__name__, unit="step") as bar,
        ):
            while self.step != self.steps and not stop.is_set():
                self.train_step()
                bar.update()
                if self.step == TIMED_STEPS and self.steps is None:
                    bar.total = self.steps = self.steps_that_fit()
                if self.step % self.config.log_every == 0:
                    self.log(writer, bar)
                if time.monotonic() - saved > 60.0 * self.config.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
        writer.close()
        self.save()
        if stop.is_set():
            raise KeyboardInterrupt(f"stopped after step {self.step}; go on with --resume {self.folder}")

    def train_step(self) -> None:
        """Make one optimiser step and append its losses to `curve`."""
        begin = time.monotonic()
        progress = self.step / self.steps if self.steps else 0.0
        terms = self.objective(self.model, self.generator, progress)
        loss = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        record = {"step": self.step, "loss": loss.item()} | {
            name: term.item() for name, term in terms.items()
        }
        if not math.isfinite(record["loss"]):
            raise FloatingPointError(
                f"the loss must stay finite, but at step {self.step} the terms are {record}; lower "
                f"--learning-rate ({self.config.learning_rate}) or --clip ({self.config.clip})"
            )
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(progress)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.curve.append(record)
        self.step += 1
        taken = time.monotonic() - begin
        self.seconds += taken
        self.warming_seconds += taken if self.step <= WARMING_STEPS else 0.0

    def learning_rate(self, progress: float) -> float:
        """Return the learning rate of the present step: linear warm-up times half a cosine."""
        warm = min(1.0, (self.step + 1) / self.config.warmup_steps) if self.config.warmup_steps else 1.0
        return self.config.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * progress))

    def steps_that_fit(self) -> int:
        """Return how many steps fit into `minutes` at the rate so far."""
        assert self.config.minutes is not None
        per_step = (self.seconds - self.warming_seconds) / (self.step - WARMING_STEPS)
        return max(self.step, int((60.0 * self.config.minutes - self.warming_seconds) / per_step))

    def log(self, writer: SummaryWriter, bar: tqdm) -> None:
        """Write recent losses to TensorBoard and the bar."""
        recent = self.recent_losses()
        for name, value in recent.items():
            writer.add_scalar(f"loss/{name}", value, self.step)
        writer.add_scalar("steps_per_second", self.step / self.seconds, self.step)
        bar.set_postfix(loss=f"{recent['loss']:.3f}")

    def recent_losses(self) -> dict[str, float]:
        """Return the mean of each loss term over the last `log_every` steps, where it was measured."""
        recent = self.curve[-self.config.log_every :]
        values = {
            name: [record[name] for record in recent if name in record] for name in ["loss", *self.weights]
        }
        return {name: sum(numbers) / len(numbers) for name, numbers in values.items() if numbers}

    def save(self) -> None:
        """Replace RUN/training.safetensors by the present state."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"objective.{name}": value for name, value in self.objective.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        tensors["generator"] = self.generator.get_state()
        tensors["torch_generator"] = torch.get_rng_state()
        progress = {"step": self.step, "steps": self.steps, "seconds": self.seconds, "curve": self.curve}
        scratch = self.folder / (FILE + ".part")
        save_file(
            {name: value.contiguous() for name, value in tensors.items()},
            scratch,
            {"run": json.dumps(progress)},
        )
        scratch.replace(self.folder / FILE)

    def resume(self) -> None:
        """Take up the run where RUN/training.safetensors left it.

        Raises:
            FileNotFoundError: if the folder has none.
        """
        path = self.folder / FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"a run is resumed from {FILE}, but {self.folder} has none; name the folder of a run that "
                f"was interrupted, or start again without --resume"
            )
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            progress = json.loads(file.metadata()["run"])
        self.model.load_state_dict(_below("model.", tensors))
        self.objective.load_state_dict(_below("objective.", tensors))
        self.average.load_state_dict(_below("average.", tensors))
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in _below("optimizer.", tensors).items():
            index, _, key = name.partition(".")
            states.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch_generator"])
        self.step, self.steps = progress["step"], progress["steps"]
        self.seconds, self.curve = progress["seconds"], progress["curve"]


@contextmanager
def interruption() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that a step is never torn apart.

    The second one interrupts at once. Outside the main thread, where signals do not arrive, the event is
    never set.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(number: int, frame: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
