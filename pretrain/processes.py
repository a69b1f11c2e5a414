"""Processes that train one model together: each takes its part of every batch, gradients are averaged.

They are started by `torchrun`, which tells each its number in environment variables, or by `start` here.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

Device = Literal["auto", "cpu", "cuda"]
PATIENCE = timedelta(hours=12)
"""How long a process waits for the others, for instance while the first one builds a library."""


@dataclass(frozen=True)
class Team:
    """The processes of a training as one of them sees it."""

    rank: int = 0
    """Number of this process; number 0 does all the writing."""
    size: int = 1
    """How many there are."""

    @property
    def leads(self) -> bool:
        """Whether this process does the writing."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all have come here."""
        if self.size > 1:
            dist.barrier()

    def mean(self, numbers: Tensor) -> Tensor:
        """Return the mean over the processes of a tensor that each has."""
        if self.size > 1:
            dist.all_reduce(numbers)
            numbers /= self.size
        return numbers

    def first(self, number: float) -> float:
        """Return the number that process 0 has."""
        return float(self.mean(torch.tensor(self.size * number if self.leads else 0.0, dtype=torch.float64)))

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace the gradients by their mean over the processes; where one has none, it counts as zero."""
        if self.size == 1:
            return
        parts = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        mean = self.mean(torch.cat([part.reshape(-1) for part in parts]))
        for parameter, part in zip(parameters, mean.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)

    def whole(self, rows: Tensor) -> Tensor:
        """Return a tensor of which each process keeps its own rows, with those of all.

        Args:
            rows: the same shape in all; of n processes number r owns rows r, r + n, r + 2 n ...
        """
        if self.size == 1:
            return rows
        own = rows[self.rank :: self.size].contiguous()
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own)
        return torch.stack(parts, dim=1).flatten(0, 1)


@contextmanager
def team(device: torch.device) -> Iterator[Team]:
    """Join the processes that torchrun started; alone, where it did not."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Team(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


def chosen_device(device: Device) -> torch.device:
    """Return the device that a name stands for: "auto" takes an accelerator where there is one.

    Raises:
        ValueError: if "cuda" is named where there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device cuda needs a GPU that torch can use, but it finds none; use --device auto, or install "
            "the build of torch for your GPU"
        )
    if device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def is_member() -> bool:
    """Return whether this process was started by torchrun."""
    return "WORLD_SIZE" in os.environ


def start(processes: int, words: Sequence[str]) -> None:
    """Run `musclegym WORDS` in so many processes at once and wait for them, as torchrun does.

    Raises:
        ChildProcessError: if one of them failed.
    """
    from torch.distributed.run import main

    launch = ["--standalone", "--nproc-per-node", str(processes), "--local-ranks-filter", "0"]
    try:
        main([*launch, "-m", "--", "musclegym", *words])
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        raise ChildProcessError(
            f"all {processes} processes must end well, but number {failure.local_rank} failed with code "
            f"{failure.exitcode}; what it said stands above; start again, with --resume if it had begun"
        ) from error
