"""What happens beside the learning: statistics of observations, logs, budget, progress, checkpoints."""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor
from tqdm import tqdm

from musclegym.policies.training_run import TrainingRun


class TrainingCallback(BaseCallback):
    """Watches one run of PPO."""

    def __init__(
        self,
        run: TrainingRun,
        *,
        seconds: float | None,
        checkpoint_seconds: float,
        stop: threading.Event,
        bar: tqdm,
    ) -> None:
        """Prepare to watch.

        Args:
            run: what is trained.
            seconds: training time at which to stop, over all resumptions; None leaves that to the number of
                steps [s].
            checkpoint_seconds: time between checkpoints [s].
            stop: set from outside to end the training after the present step.
            bar: shows the seconds of a time budget, or else the steps.
        """
        super().__init__()
        self.run, self.budget, self.checkpoint_seconds = run, seconds, checkpoint_seconds
        self.stop, self.bar = stop, bar
        self.seen: list[Tensor] = []
        self.numbers: dict[str, list[float]] = defaultdict(list)

    def _on_training_start(self) -> None:
        self.began = time.monotonic() - self.run.seconds
        self.saved = self.rollout_began = time.monotonic()
        self.rollout_steps = self.run.steps

    def _on_rollout_start(self) -> None:
        # Not before the update: its new probabilities must see the statistics that the old ones saw.
        if self.seen:
            self.run.policy.features_extractor.normaliser.update(torch.cat(self.seen))
            self.seen.clear()

    def _on_step(self) -> bool:
        encoded = self.run.policy.features_extractor.last_encoded
        assert encoded is not None
        self.seen.append(encoded.clone())  # without an encoder it is the environment's own array
        for info in self.locals["infos"]:
            for name, value in scalars(info).items():
                self.numbers[name].append(value)
            self.numbers["reward_per_step"].append(sum(info["reward_terms"].values()))
        self.run.seconds = time.monotonic() - self.began
        done = self.run.steps if self.budget is None else min(self.run.seconds, self.budget)
        self.bar.update(done - self.bar.n)
        return not self.stop.is_set() and (self.budget is None or self.run.seconds < self.budget)

    def _on_rollout_end(self) -> None:
        buffer = self.locals["rollout_buffer"]
        if not self.run.policy.features_extractor.finetune:
            # A frozen encoder need not see the observations again in every epoch of the update.
            buffer.observations = torch.stack(self.seen).numpy()
        point = self.measure(buffer)
        self.run.curve.append(point)
        for name, value in point.items():
            self.logger.record(name if "/" in name else f"training/{name}", value)
        self.numbers.clear()
        length = f"{point['episode_steps']:.0f} steps" if "episode_steps" in point else "-"
        self.bar.set_postfix_str(f"{point['steps_per_second']:.0f} steps/s, episode {length}", refresh=False)
        if time.monotonic() - self.saved > self.checkpoint_seconds:
            self.run.save()
            self.saved = time.monotonic()

    def measure(self, buffer: RolloutBuffer) -> dict[str, float]:
        """Return a point of the learning curve: progress, speed and the means over the rollout."""
        now = time.monotonic()
        rate = (self.run.steps - self.rollout_steps) / (now - self.rollout_began)
        self.rollout_began, self.rollout_steps = now, self.run.steps
        episodes = [episode["l"] for episode in self.model.ep_info_buffer or ()]
        recent = {"episode_steps": float(np.mean(episodes))} if episodes else {}
        last_update = self.logger.name_to_value
        update = {
            name: float(last_update[f"train/{name}"])
            for name in ("approx_kl", "std", "explained_variance", "clip_fraction")
            if f"train/{name}" in last_update
        }
        means = {name: float(np.mean(values)) for name, values in self.numbers.items()}
        progress = {"steps": self.run.steps, "seconds": self.run.seconds, "steps_per_second": rate}
        return progress | recent | update | means


def scalars(info: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a step's `info` by name: reward/NAME for the reward's terms, else info/NAME."""
    terms = {f"reward/{name}": float(value) for name, value in info["reward_terms"].items()}
    others = {
        f"info/{name}": float(value)
        for name, value in info.items()
        if isinstance(value, bool | int | float | np.bool_ | np.number)
    }
    return terms | others
