"""A run of policy training: what is needed to go on, in files that are replaced as a whole."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from musclegym.muscle.network import WEIGHTS
from musclegym.policies.learner import Learner
from musclegym.policies.muscle_refinement import Refinement
from musclegym.policies.policy_file import save_policy, set_weights, weights_of
from musclegym.policies.prior_policy import SimulationNNWithPrior
from musclegym.policies.rollout_numbers import RolloutNumbers
from musclegym.policies.schedule import Aid

FILE = "training.safetensors"
POLICY, BEST = "policy.safetensors", "best.safetensors"


class TrainingRun:
    """Learner, progress and folder of one run.

    `policy.safetensors` with its manifest is for use; `training.safetensors` also holds the optimiser and the
    progress. The state of the physics is in no file. Instead all episodes begin anew at every checkpoint, and
    all chance from there on comes from the run's seed and the steps taken, so that a run that was killed goes
    on as it would have done. This costs no samples, since values bridge where an episode is cut.
    """

    def __init__(
        self,
        learner: Learner,
        folder: Path,
        fits: Mapping[str, Any],
        record: Mapping[str, Any],
        *,
        aids: Mapping[str, Aid] | None = None,
        refinement: Refinement | None = None,
        limit: int | None = None,
    ) -> None:
        """Begin a run at its first step.

        Args:
            learner: what learns.
            folder: run folder, which must exist.
            fits: what `made_for` says of the environment.
            record: what else the policy's manifest is to hold; its "environment_options" name MuscleNN's
                refined weights once there are some.
            aids: what helps, by name.
            refinement: of MuscleNN, if any.
            limit: control steps of a full episode; None for no limit.
        """
        self.learner, self.folder, self.fits, self.record = learner, folder, dict(fits), dict(record)
        self.aids, self.refinement = dict(aids or {}), refinement
        self.numbers = RolloutNumbers(learner.n_envs, limit)
        self.seconds = 0.0
        self.curve: list[dict[str, float]] = []
        self.best: float | None = None  # score of the best evaluation so far

    @property
    def policy(self) -> SimulationNNWithPrior:
        """The policy that learns."""
        return self.learner.policy

    @property
    def steps(self) -> int:
        """Control steps taken so far, over all environments."""
        return self.learner.num_timesteps

    def begin_anew(self) -> None:
        """Start new episodes everywhere; all that is drawn by chance from here on follows from the steps."""
        chance = int(np.random.SeedSequence([self.learner.seed or 0, self.steps]).generate_state(1)[0] >> 1)
        torch.manual_seed(chance)
        workers = self.learner.get_env()
        assert workers is not None
        for aid in self.aids.values():
            aid.apply(workers)
        if self.refinement is not None:
            self.refinement.keep_states(workers)
        workers.seed(chance)
        self.learner.begin(workers.reset())
        self.numbers.begin_anew()

    def save(self) -> None:
        """Replace the run's checkpoint and its policy by the present state."""
        tensors = {f"policy.{name}": value for name, value in weights_of(self.policy).items()}
        for index, state in self.policy.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        if self.refinement is not None:
            tensors |= {
                f"muscle.{name}": value for name, value in self.refinement.network.state_dict().items()
            }
        scratch = self.folder / f"{FILE}.part"
        separate = {
            name: value.detach().clone(memory_format=torch.contiguous_format)
            for name, value in tensors.items()
        }
        save_file(separate, scratch, {"run": json.dumps(self._progress())})
        scratch.replace(self.folder / FILE)
        self.save_policy(POLICY)

    def _progress(self) -> dict[str, Any]:
        """Return what is to be kept beside tensors."""
        return {
            "steps": self.steps,
            "seconds": self.seconds,
            "curve": self.curve,
            "fits": self.fits,
            "adaptation": self.learner.adaptation,
            "aids": {name: aid.state() for name, aid in self.aids.items()},
            "recent": list(self.numbers.recent),
            "best": self.best,
            "refinement": self.refinement and self.refinement.state(),
        }

    def save_policy(self, name: str, scores: Mapping[str, Any] | None = None) -> None:
        """Write the policy with its manifest, and MuscleNN beside it where it has been refined.

        Args:
            name: of the file.
            scores: of an evaluation, for the manifest.
        """
        training = {"training": self.curve[-1]} if self.curve else {}
        progress = {"steps": self.steps, "seconds": self.seconds, "scores": {**training, **(scores or {})}}
        record = {**self.record, **progress}
        if self.refinement is not None and self.refinement.refined is not None:
            weights = WEIGHTS if name == POLICY else f"{Path(name).stem}_{WEIGHTS}"
            self.refinement.save(self.folder / weights)
            record["environment_options"] = {**record["environment_options"], "muscle_weights": weights}
        save_policy(self.folder / name, self.policy, self.fits, record)

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
        self.learner.num_timesteps = progress["steps"]
        self.seconds, self.curve = progress["seconds"], progress["curve"]
        # A run of an earlier version knows nothing of what follows, and goes on with its beginnings.
        self.learner.adaptation = progress.get("adaptation", 1.0)
        for name, state in progress.get("aids", {}).items():
            self.aids[name].restore(state)
        self.numbers.recent.extend(map(tuple, progress.get("recent", [])))
        self.best = progress.get("best")
        if self.refinement is not None and progress.get("refinement") is not None:
            workers = self.learner.get_env()
            assert workers is not None
            self.refinement.restore(below("muscle.", tensors), progress["refinement"], workers)


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
