"""The trainer that all priors share: warm-up, cosine decay, clipping, averaging, exact resuming.

A training is a sequence of steps whose every random number follows from the seed and the step. What is needed
to go on (weights, their average, optimisers, losses so far) lies in one file, RUN/training.safetensors,
replaced as a whole, so that a run that was killed continues as if it had not been.
"""

import copy
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from musclegym.pretrain.draws import Draw
from musclegym.pretrain.optimizers import optimizers_of, repeated_layers
from musclegym.pretrain.precision import chosen_precision, lower_precision
from musclegym.pretrain.processes import Team, chosen_device
from musclegym.pretrain.stopping import BestSoFar
from musclegym.pretrain.trainer_config import TrainerConfig
from musclegym.pretrain.training_file import (
    Curve,
    TrainingFile,
    curve_of,
    curve_table,
    optimizer_tensors,
    restore_optimizer,
)

TIMED_STEPS = 40  # steps whose rate decides how many fit into `minutes`
WARMING_STEPS = 10  # the first of them, in which kernels are compiled and files first read, do not count


class Trainer:
    """Trains one model and keeps what is needed to go on in a run folder."""

    def __init__(
        self,
        model: nn.Module,
        objective: nn.Module,
        weights: Mapping[str, float],
        config: TrainerConfig,
        folder: Path,
        *,
        validation: Callable[[nn.Module], float] | None = None,
        team: Team | None = None,
    ) -> None:
        """Prepare a run at its first step.

        Args:
            model: the network.
            objective: called with model and `Draw`, it draws that part of the step's batch and returns named
                loss terms without their weights, each a mean over rows of which all parts have as many. The
                names depend on nothing but the step. Its buffers that are saved have rows that belong to the
                parts as `Draw.rows` says.
            weights: weight of each term by its name.
            config: how to train.
            folder: run folder, which must exist.
            validation: score of a model, lower being better, for `validate_every`.
            team: the processes that train together; all of them make a trainer of the same model.

        Raises:
            ValueError: if the optimiser, compilation, validation or device that is asked for is impossible.
        """
        if config.threads:
            torch.set_num_threads(config.threads)
        if config.validate_every and validation is None:
            raise ValueError(
                f"validate_every={config.validate_every} needs motion that is kept for validation, but there "
                f"is none; use a library with a validation split, or validate_every=0"
            )
        self.device = chosen_device(config.device)
        self.model, self.objective = model.to(self.device), objective.to(self.device)
        self.weights, self.config, self.folder = weights, config, folder
        self.validation, self.team = validation, team or Team()
        self.parameters = list(model.parameters())
        self.optimizers = optimizers_of(model, config.optimizer, config.learning_rate, config.weight_decay)
        self.average = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay), use_buffers=False
        )
        self.prepare()
        self.best = BestSoFar(config.patience)
        self.step = 0
        self.steps: int | None = config.steps if config.minutes is None else None
        self.seconds = self.warming_seconds = self.gradient_norm = 0.0
        self.stop_asked = self.save_asked = False
        self.curve: Curve = []

    def prepare(self) -> None:
        """Lower the precision of the model and compile it, as the settings say."""
        if chosen_precision(self.config.precision, self.device) == "bfloat16":
            lower_precision(self.model)
        if not self.config.compile:
            return
        layers = repeated_layers(self.model)
        if not layers:
            raise ValueError(
                f"compile needs repeated layers, but {type(self.model).__name__} has none; use --no-compile"
            )
        for part in (*layers, self.model):
            part.compile(dynamic=False)

    @property
    def averaged_model(self) -> nn.Module:
        """The model with averaged weights: the best that were validated, or else the last."""
        if not self.best.weights:
            return self.average.module
        best = copy.deepcopy(self.average.module)
        best.load_state_dict(self.best.weights)
        return best

    def fit(self) -> None:
        """Train to the last step, writing checkpoints on the way.

        Raises:
            KeyboardInterrupt: after Ctrl-C or SIGTERM, once the present step is done and saved.
            FloatingPointError: if the loss stops being finite.
        """
        saved = time.monotonic()
        leads = self.team.leads
        writer = SummaryWriter(str(self.folder), purge_step=self.step) if leads else None
        name = type(self.model).__name__
        with (
            interruption() as stop,
            tqdm(total=self.steps, initial=self.step, desc=name, unit="step", disable=not leads) as bar,
        ):
            while self.step != self.steps and not self.best.over and not self.stop_asked:
                due = time.monotonic() - saved > 60.0 * self.config.checkpoint_minutes
                self.train_step(stop, due)
                bar.update()
                self.after_step(writer, bar)
                if self.save_asked:
                    self.save()
                    saved = time.monotonic()
        if writer is not None:
            writer.close()
        self.save()
        if self.stop_asked:
            raise KeyboardInterrupt(f"stopped after step {self.step}; go on with --resume {self.folder}")

    def after_step(self, writer: SummaryWriter | None, bar: tqdm) -> None:
        """Do what is due after some steps: fix their number, log, validate."""
        config = self.config
        if self.step == TIMED_STEPS and self.steps is None:
            bar.total = self.steps = self.steps_that_fit()
        if self.step % config.log_every == 0 and writer is not None:
            self.log(writer, bar)
        if config.validate_every and self.step % config.validate_every == 0:
            assert self.validation is not None
            score = self.team.first(self.validation(self.average.module))
            self.best.note(score, self.step, self.average.module)
            if writer is not None:
                writer.add_scalar("validation", score, self.step)

    def train_step(self, stop: threading.Event | None = None, save: bool = False) -> None:
        """Make one optimiser step and append its losses to `curve`.

        Args:
            stop: set when this process wishes to stop after the step; one wish in the team is enough.
            save: this process wishes a checkpoint after the step.
        """
        begin = time.monotonic()
        progress = self.step / self.steps if self.steps else 0.0
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        terms = self.gradients(progress)
        self.agree(terms, stop is not None and stop.is_set(), save)
        self.team.average_gradients(self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate(progress)
            optimizer.step()
        self.average.update_parameters(self.model)
        self.gradient_norm = norm.item()
        self.step += 1
        taken = time.monotonic() - begin
        self.seconds += taken
        self.warming_seconds += taken if self.step <= WARMING_STEPS else 0.0

    def gradients(self, progress: float) -> dict[str, Tensor]:
        """Add up the gradients of this process's parts of the batch, and return the means of their terms."""
        passes = self.config.accumulate
        parts, means = passes * self.team.size, {}
        for number in range(passes):
            part = number * self.team.size + self.team.rank
            terms = self.objective(self.model, Draw(self.step, progress, self.config.seed, part, parts))
            loss = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
            (loss / passes).backward()
            for name, value in {"loss": loss, **terms}.items():
                means[name] = means.get(name, 0.0) + value.detach() / passes
        return means

    def agree(self, terms: Mapping[str, Tensor], stop: bool, save: bool) -> None:
        """Append the mean of all processes' terms to `curve`, and find out what they wish.

        Raises:
            FloatingPointError: if the loss is not finite.
        """
        wishes = [torch.tensor(float(wish), device=self.device) for wish in (stop, save)]
        *values, stops, saves = self.team.mean(torch.stack([*terms.values(), *wishes]).double()).tolist()
        self.stop_asked, self.save_asked = stops > 0.0, saves > 0.0
        record: dict[str, float] = {"step": self.step} | dict(zip(terms, values, strict=True))
        if not math.isfinite(record["loss"]):
            raise FloatingPointError(
                f"the loss must stay finite, but at step {self.step} the terms are {record}; lower "
                f"--learning-rate ({self.config.learning_rate}) or --clip ({self.config.clip})"
            )
        self.curve.append(record)

    def learning_rate(self, progress: float) -> float:
        """Return the learning rate of the present step: linear warm-up times half a cosine."""
        warm = min(1.0, (self.step + 1) / self.config.warmup_steps) if self.config.warmup_steps else 1.0
        return self.config.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * progress))

    def steps_that_fit(self) -> int:
        """Return how many steps fit into `minutes` at the rate so far."""
        assert self.config.minutes is not None
        per_step = (self.seconds - self.warming_seconds) / (self.step - WARMING_STEPS)
        fitting = int((60.0 * self.config.minutes - self.warming_seconds) / per_step)
        return max(self.step, int(self.team.first(fitting)))

    def log(self, writer: SummaryWriter, bar: tqdm) -> None:
        """Write recent losses to TensorBoard and the bar."""
        recent = self.recent_losses()
        for name, value in recent.items():
            writer.add_scalar(f"loss/{name}", value, self.step)
        writer.add_scalar("steps_per_second", self.step / self.seconds, self.step)
        writer.add_scalar("gradient_norm", self.gradient_norm, self.step)
        writer.add_scalar("learning_rate", self.optimizers[0].param_groups[0]["lr"], self.step)
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
        buffers = {name: self.team.whole(rows) for name, rows in self.objective.state_dict().items()}
        if not self.team.leads:
            return
        names = ["loss", *self.weights]
        file = TrainingFile(
            {"curve": curve_table(self.curve, names), "torch_generator": torch.get_rng_state()},
            {"step": self.step, "steps": self.steps, "seconds": self.seconds, "names": names}
            | {"warming_seconds": self.warming_seconds, "best": self.best.record()},
        )
        file.add("objective", buffers)
        file.add("model", self.model.state_dict())
        file.add("average", self.average.state_dict())
        file.add("best", self.best.weights)
        for number, optimizer in enumerate(self.optimizers):
            file.add(f"optimizer{number}", optimizer_tensors(optimizer))
        file.write(self.folder)

    def resume(self) -> None:
        """Take up the run where RUN/training.safetensors left it.

        Raises:
            FileNotFoundError: if the folder has none.
        """
        file = TrainingFile.read(self.folder)
        self.objective.load_state_dict(file.part("objective"))
        self.model.load_state_dict(file.part("model"))
        self.average.load_state_dict(file.part("average"))
        for number, optimizer in enumerate(self.optimizers):
            restore_optimizer(optimizer, file.part(f"optimizer{number}"))
        torch.set_rng_state(file.tensors["torch_generator"])
        progress = file.progress
        self.best.restore(progress["best"], file.part("best"))
        self.step, self.steps = progress["step"], progress["steps"]
        self.seconds, self.warming_seconds = progress["seconds"], progress["warming_seconds"]
        self.curve = curve_of(file.tensors["curve"], progress["names"])


@contextmanager
def interruption() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C, or SIGTERM, into an event, so that a step is never torn apart.

    The second one interrupts at once. Outside the main thread, where signals do not arrive, the event is
    never set.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(number: int, frame: Any) -> None:
        event.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        restore()
