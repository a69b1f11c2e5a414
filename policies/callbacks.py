"""What happens beside the learning: statistics, aids, logs, budget, evaluation, checkpoints."""

import threading
import time
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image
from torch import Tensor
from tqdm import tqdm

from musclegym.policies.evaluation import Evaluator, save_strip
from musclegym.policies.train_config import TrainConfig
from musclegym.policies.training_run import BEST, TrainingRun

UPDATE = ("kl", "std", "explained_variance", "clip_fraction", "learning_rate")
"""What a point of the curve says of the last update."""


class TrainingCallback(BaseCallback):
    """Watches one run of PPO."""

    def __init__(
        self,
        run: TrainingRun,
        config: TrainConfig,
        *,
        stop: threading.Event,
        bar: tqdm,
        evaluator: Evaluator | None = None,
    ) -> None:
        """Prepare to watch.

        Args:
            run: what is trained.
            config: its settings.
            stop: set from outside to end the training after the present step.
            bar: shows the seconds of a time budget, or else the steps.
            evaluator: measures the policy now and then; None for never.
        """
        super().__init__()
        self.run, self.config, self.stop, self.bar, self.evaluator = run, config, stop, bar, evaluator
        self.budget = None if config.minutes is None else 60.0 * config.minutes
        self.seen: list[Tensor] = []
        self.news: dict[str, float] = {}  # what the next point of the curve says of evaluation and refinement

    def _on_training_start(self) -> None:
        self.began = time.monotonic() - self.run.seconds
        self.rollout_began = self.evaluated = time.monotonic()
        self.rollout_steps = self.saved = self.run.steps
        self.is_first = True

    def _on_rollout_start(self) -> None:
        # Not before the update: its new probabilities must see the statistics that the old ones saw.
        self._learn_statistics()
        if self.is_first or self._is_due():
            self._checkpoint()
        for aid in self.run.aids.values():
            aid.apply(self.training_env)
        if self.evaluator and time.monotonic() - self.evaluated >= 60.0 * self.config.evaluate_minutes:
            self._evaluate(self.evaluator)

    def _is_due(self) -> bool:
        return self.run.steps - self.saved >= self.config.checkpoint_steps

    def _checkpoint(self) -> None:
        """Save, and go on from new episodes as a run does that is resumed from what was saved."""
        if not self.is_first:
            self._refine()
        if not self.is_first or self.run.steps == 0:
            self.run.save()
        self.run.begin_anew()
        self.saved, self.is_first = self.run.steps, False

    def _refine(self) -> None:
        refinement, steps = self.run.refinement, self.run.steps
        if refinement is None or steps - refinement.tried < self.config.refine_steps:
            return
        numbers = refinement.refine(self.training_env, steps, seed=self.config.seed + steps)
        self.news |= {f"muscle_nn/{name}": value for name, value in numbers.items()}

    def _evaluate(self, evaluator: Evaluator) -> None:
        run = self.run
        result = evaluator.evaluate(run.policy, run.refinement and run.refinement.weights())
        self.news |= {f"evaluation/{name}": value for name, value in result.numbers.items()}
        self.logger.record("evaluation/strip", Image(np.asarray(result.strip), "HWC"), exclude="stdout")
        save_strip(run.folder, run.steps, result.strip)
        if run.best is None or result.numbers["score"] > run.best:
            run.best = result.numbers["score"]
            run.save_policy(BEST, {"evaluation": result.numbers})
        self.evaluated = time.monotonic()

    def _learn_statistics(self) -> None:
        if self.seen:
            self.run.policy.features_extractor.normaliser.update(torch.cat(self.seen))
            self.seen.clear()

    def _on_step(self) -> bool:
        encoded = self.run.policy.features_extractor.last_encoded
        assert encoded is not None
        self.seen.append(encoded.clone())  # without an encoder it is the environment's own array
        workers: Any = self.training_env
        step = workers.last_step
        self.run.numbers.add(step)
        for aid in self.run.aids.values():
            aid.observe(step)
        self.run.seconds = time.monotonic() - self.began
        done = self.run.steps if self.budget is None else min(self.run.seconds, self.budget)
        self.bar.update(done - self.bar.n)
        return not self.stop.is_set() and (self.budget is None or self.run.seconds < self.budget)

    def _on_rollout_end(self) -> None:
        buffer: Any = self.locals["rollout_buffer"]
        if not self.run.policy.features_extractor.finetune:
            # A frozen encoder need not see the observations again in every epoch of the update.
            buffer.observations = torch.stack(self.seen).numpy()
        for aid in self.run.aids.values():
            aid.update(self.run.numbers.coverage, self.run.learner.progress)
        point = self.measure()
        self.run.curve.append(point)
        for name, value in point.items():
            self.logger.record(name if "/" in name else f"training/{name}", value)
        length = f"{point['episode_steps']:.0f} steps" if "episode_steps" in point else "-"
        self.bar.set_postfix_str(f"{point['steps_per_second']:.0f} steps/s, episode {length}", refresh=False)

    def _on_training_end(self) -> None:
        # What is saved now is what a longer run saves here, where that makes a checkpoint.
        self._learn_statistics()
        if self._is_due():
            self._refine()

    def measure(self) -> dict[str, float]:
        """Return a point of the learning curve: progress, speed and the means over the rollout."""
        now = time.monotonic()
        rate = (self.run.steps - self.rollout_steps) / (now - self.rollout_began)
        self.rollout_began, self.rollout_steps = now, self.run.steps
        last = self.logger.name_to_value
        update = {name: float(last[f"train/{name}"]) for name in UPDATE if f"train/{name}" in last}
        aids = {f"aids/{n}": value for aid in self.run.aids.values() for n, value in aid.numbers().items()}
        progress = {"steps": self.run.steps, "seconds": self.run.seconds, "steps_per_second": rate}
        news, self.news = self.news, {}
        return progress | update | self.run.numbers.take() | aids | news
