"""A run of policy training: what is needed to go on, in files that are replaced as a whole."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from stable_baselines3 import PPO
from torch import Tensor

from musclegym.policies.policy_file import save_policy, set_weights, weights_of
from musclegym.policies.prior_policy import SimulationNNWithPrior

FILE = "training.safetensors"


class TrainingRun:
    """Learner, progress and folder of one run.

    `policy.safetensors` with its manifest is for use; `training.safetensors` also holds the optimiser and the
    progress.
    """

    def __init__(
        self, learner: PPO, folder: Path, fits: Mapping[str, Any], record: Mapping[str, Any]
    ) -> None:
        """Begin a run at its first step.

        Args:
            learner: whose policy is a `SimulationNNWithPrior`.
            folder: run folder, which must exist.
            fits: what `made_for` says of the environment.
            record: what else the policy's manifest is to hold.
        """
        self.learner, self.folder, self.fits, self.record = learner, folder, dict(fits), dict(record)
        self.seconds = 0.0
        self.curve: list[dict[str, float]] = []

    @property
    def policy(self) -> SimulationNNWithPrior:
        """The policy that learns."""
        assert isinstance(self.learner.policy, SimulationNNWithPrior)
        return self.learner.policy

    @property
    def steps(self) -> int:
        """Control steps taken so far, over all environments."""
        return self.learner.num_timesteps

    def save(self) -> None:
        """Replace the run's checkpoint and its policy by the present state."""
        tensors = {f"policy.{name}": value for name, value in weights_of(self.policy).items()}
        for index, state in self.policy.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        tensors["torch_generator"] = torch.get_rng_state()
        progress = {"steps": self.steps, "seconds": self.seconds, "curve": self.curve, "fits": self.fits}
        scratch = self.folder / f"{FILE}.part"
        separate = {
            name: value.detach().clone(memory_format=torch.contiguous_format)
            for name, value in tensors.items()
        }
        save_file(separate, scratch, {"run": json.dumps(progress)})
        scratch.replace(self.folder / FILE)
        self.save_policy()

    def save_policy(self) -> None:
        """Write the policy with its manifest."""
        scores = {"training": self.curve[-1]} if self.curve else {}
        progress = {"steps": self.steps, "seconds": self.seconds, "scores": scores}
        save_policy(self.folder / "policy.safetensors", self.policy, self.fits, {**self.record, **progress})

    def resume(self) -> None:
        """Take up the run where its checkpoint left it; episodes begin anew.

        Raises:
            FileNotFoundError: if the folder has no checkpoint.
            ValueError: if the environment is no longer the one that the run began in.
        """
        tensors, progress = read_checkpoint(self.folder)
        if progress["fits"] != self.fits:
            raise ValueError(
                f"a run goes on in the environment that it began in, but {self.folder} began with "
                f"{progress['fits']} and now finds {self.fits}; restore body and options, or start a new run"
            )
        set_weights(self.policy, below("policy.", tensors))
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in below("optimizer.", tensors).items():
            index, _, key = name.partition(".")
            states.setdefault(int(index), {})[key] = value
        groups = self.policy.optimizer.state_dict()["param_groups"]
        self.policy.optimizer.load_state_dict({"state": states, "param_groups": groups})
        torch.set_rng_state(tensors["torch_generator"])
        self.learner.num_timesteps = progress["steps"]
        self.seconds, self.curve = progress["seconds"], progress["curve"]


def read_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the progress of a run's checkpoint.

    Raises:
        FileNotFoundError: if the folder has none.
    """
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"a run is resumed from {FILE}, but {folder} has none; name the folder of a run that was "
            "interrupted, or start a new run without --resume"
        )
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return tensors, json.loads(file.metadata()["run"])


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
