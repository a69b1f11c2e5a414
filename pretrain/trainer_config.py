"""Settings of the trainer."""

from dataclasses import dataclass

from musclegym.pretrain.optimizers import OptimizerName
from musclegym.pretrain.precision import Precision
from musclegym.pretrain.processes import Device


@dataclass(frozen=True)
class TrainerConfig:
    """How to train a prior."""

    steps: int = 2000
    """Optimiser steps of the whole run; the learning rate falls to zero over them."""

    minutes: float | None = None
    """Time budget instead of `steps`: the first steps are timed and fix the number of steps [min]."""

    optimizer: OptimizerName = "adamw"
    """What makes the steps: AdamW, or Muon for hidden weight matrices and AdamW for the rest."""

    learning_rate: float = 2e-3
    """Highest learning rate."""

    warmup_steps: int = 100
    """Steps over which the learning rate rises."""

    weight_decay: float = 0.01
    """Decay of weight matrices; biases and gains have none."""

    clip: float = 1.0
    """Largest norm of the gradient."""

    accumulate: int = 1
    """Passes that a process makes for a step, each with its part of the batch: as much less memory."""

    ema_decay: float = 0.99
    """Decay per step of the average of the weights, which is what gets saved and judged."""

    validate_every: int = 0
    """Steps between validations of the averaged weights; 0 makes none. The best weights are those saved."""

    patience: int = 0
    """Validations in a row without a better score after which training stops; 0 never stops it."""

    checkpoint_minutes: float = 2.0
    """Time between checkpoints [min]."""

    log_every: int = 20
    """Steps between lines of the log; the losses are means over them."""

    precision: Precision = "float32"
    """In what linear layers multiply: bfloat16 is faster where there are units for it; auto finds out."""

    compile: bool = False
    """Whether torch compiles repeated layers and the steps of rollouts, which takes minutes and needs a C++
    compiler; worth it for long runs alone."""

    device: Device = "cpu"
    """Where to train; auto takes a GPU that torch can use, which has not been tried yet."""

    seed: int = 0
    """Seed of the weights and of all draws."""

    threads: int = 0
    """Threads of torch; 0 leaves torch's own choice."""

    def __post_init__(self) -> None:
        """Check that there is something to do and that the average is one."""
        if min(self.steps, self.log_every, self.accumulate) < 1 or (
            self.minutes is not None and not self.minutes > 0
        ):
            raise ValueError(
                f"steps, log_every, accumulate and minutes must be positive, but they are {self.steps}, "
                f"{self.log_every}, {self.accumulate} and {self.minutes}; use e.g. steps=2000, accumulate=1 "
                f"or minutes=1.5"
            )
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), but is {self.ema_decay}; use e.g. 0.99")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, but is {self.seed}; use e.g. 0")
        if min(self.validate_every, self.patience) < 0 or (self.patience and not self.validate_every):
            raise ValueError(
                f"patience counts validations, which validate_every > 0 asks for, and neither is negative, "
                f"but they are {self.patience} and {self.validate_every}; use e.g. validate_every=500"
            )
