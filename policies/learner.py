"""PPO as it learns here: the library collects, and the update uses all cores and adapts its rates."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from musclegym.policies.prior_policy import SimulationNNWithPrior
from musclegym.policies.train_config import TrainConfig
from musclegym.pretrain.next_state import NextStateModel
from musclegym.rotation import Array

VALUE_WEIGHT = 0.5
"""Of the squared error of values beside the policy's loss, as in PPO."""
LARGEST_GRADIENT = 0.5
"""Norm to which the gradient of all parameters is cut, as in PPO."""
TOLERANCE = 1.5
"""Factor by which a change of the policy may miss the wanted one before the rate is adapted; own choice."""
ADAPTATION = 1.2
"""Factor on the policy's learning rate when it is adapted; own choice."""
ADAPTED = (0.05, 20.0)
"""Range of the product of such factors; own choice."""


class Samples(NamedTuple):
    """The control steps of a rollout, one per row."""

    observation: Tensor  # (sample, observation or encoded observation)
    action: Tensor  # (sample, action)
    log_probability: Tensor  # (sample,) of the action when it was taken
    advantage: Tensor  # (sample,)
    value: Tensor  # (sample,) that the value head learns

    def rows(self, rows: Tensor) -> "Samples":
        """Return some of them."""
        return Samples(*(values[rows] for values in self))


class Gaussian(NamedTuple):
    """Independent normal distributions of actions."""

    mean: Tensor  # (sample, action)
    log_deviation: Tensor  # (action,)

    def log_probability(self, action: Tensor) -> Tensor:
        """Return the logarithm of the density at actions (sample, action), shape (sample,)."""
        distance = (action - self.mean) * torch.exp(-self.log_deviation)
        constant = 0.5 * math.log(2.0 * math.pi) * action.shape[-1]
        return -0.5 * distance.square().sum(dim=-1) - self.log_deviation.sum() - constant

    def divergence(self, other: "Gaussian") -> float:
        """Return the Kullback-Leibler divergence of another from this one, mean over the samples [nat]."""
        gap = other.log_deviation - self.log_deviation
        square = (2.0 * self.log_deviation).exp() + (self.mean - other.mean).square()
        return float((gap + 0.5 * square * (-2.0 * other.log_deviation).exp() - 0.5).sum(dim=-1).mean())


class Learner(PPO):
    """PPO (Schulman et al. 2017, arXiv:1707.06347) of stable-baselines3 with an update of its own.

    The loss is the library's. Encoded observations are normalised once per update instead of once per
    minibatch where the encoder does not learn, several threads work while the workers wait, rates and noise
    follow a schedule, and the policy's rate may be adapted to its change. All chance comes from torch's
    generator.
    """

    policy: SimulationNNWithPrior  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(
        self,
        workers: VecEnv,
        config: TrainConfig,
        encoder: NextStateModel | None = None,
        exploration: Array | None = None,
    ) -> None:
        """Build a policy that has not learned anything.

        Args:
            workers: environments, whose number divides the samples of an update.
            config: settings.
            encoder: prior in the policy, if any.
            exploration: standard deviation of each action at the beginning, shape (action,), instead of the
                settings' own for all of them [-].
        """
        ppo = config.ppo
        super().__init__(
            SimulationNNWithPrior,
            workers,
            learning_rate=ppo.learning_rate,
            n_steps=ppo.samples // workers.num_envs,
            batch_size=ppo.minibatch,
            n_epochs=ppo.epochs,
            gamma=ppo.discount,
            gae_lambda=ppo.gae_lambda,
            policy_kwargs={
                "encoder": encoder,
                "finetune": config.finetune,
                "hidden": ppo.hidden,
                "optimizer_kwargs": {"eps": 1e-5, "fused": True},  # the library's constant, a faster loop
            },
            seed=config.seed,
            device="cpu",
        )
        self.settings, self.threads, self.horizon = ppo, config.threads, config.horizon
        self.adaptation = 1.0  # factor on the policy's learning rate
        each = torch.full_like(self.policy.log_std, ppo.exploration, requires_grad=False)
        if exploration is not None:
            each.copy_(torch.from_numpy(exploration))
        self.first_log_std = each.log()
        self.policy.log_std.data.copy_(self.first_log_std)
        if ppo.final_exploration is not None:
            self.policy.log_std.requires_grad_(False)

    @property
    def progress(self) -> float:
        """How far schedules have run, in [0, 1]."""
        return min(1.0, self.num_timesteps / self.horizon)

    @property
    def sunk(self) -> float:
        """How far learning rate and noise have come from their first to their final values, in [0, 1]."""
        return max(0.0, self.progress - self.settings.steady) / (1.0 - self.settings.steady)

    def begin(self, observations: Any) -> None:
        """Collect from new episodes, which begin with these observations (member, observation)."""
        self._last_obs = observations
        self._last_episode_starts = np.ones(self.n_envs, dtype=bool)

    def follow_schedules(self) -> None:
        """Set the noise, and each group of parameters' learning rate, for the present step."""
        settings = self.settings
        rate = between(settings.learning_rate, settings.final_learning_rate, self.sunk)
        for group in self.policy.optimizer.param_groups:
            group["lr"] = rate * group["factor"] * (self.adaptation if group["adapts"] else 1.0)
        if settings.final_exploration is not None:
            shrunk = between(settings.exploration, settings.final_exploration, self.sunk)
            share = math.log(shrunk / settings.exploration)
            self.policy.log_std.data.copy_(self.first_log_std + share)

    def collect_rollouts(self, *arguments: Any, **keywords: Any) -> bool:
        """Collect with the noise that the schedule asks for now."""
        self.follow_schedules()
        return super().collect_rollouts(*arguments, **keywords)

    def train(self) -> None:
        """Learn from the rollout in the buffer."""
        with threads(self.threads):
            self._train()

    def _train(self) -> None:
        policy, samples = self.policy, self._samples()
        features = self._features(samples)
        everything = torch.arange(len(samples.action))
        with torch.no_grad():
            before = gaussian(policy, features(everything))
        losses: dict[str, list[float]] = {"policy_gradient_loss": [], "value_loss": [], "clip_fraction": []}
        for rows in self._minibatches(len(everything)):
            if not self._step(samples.rows(rows), features(rows), losses):
                break
        with torch.no_grad():
            kl = before.divergence(gaussian(policy, features(everything)))
        self._adapt(kl)
        self._log(kl, losses)

    def _samples(self) -> Samples:
        """Return the buffer's control steps."""
        buffer = self.rollout_buffer

        def flat(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).flatten(0, 1)

        return Samples(
            observation=flat(buffer.observations),
            action=flat(buffer.actions),
            log_probability=flat(buffer.log_probs),
            advantage=flat(buffer.advantages),
            value=flat(buffer.returns),
        )

    def _features(self, samples: Samples) -> Callable[[Tensor], Tensor]:
        """Return what gives the features of some samples."""
        extractor = self.policy.features_extractor
        if extractor.finetune:
            return lambda rows: extractor(samples.observation[rows])
        with torch.no_grad():
            features = extractor(samples.observation)
        return lambda rows: features[rows]

    def _minibatches(self, count: int) -> Iterator[Tensor]:
        """Give the rows of each minibatch of each epoch."""
        for _ in range(self.n_epochs):
            yield from torch.randperm(count).split(self.batch_size)

    def _step(self, samples: Samples, features: Tensor, losses: dict[str, list[float]]) -> bool:
        """Make a gradient step, or return False if the policy has changed too much."""
        policy, clip = self.policy, self.settings.clip
        advantage = samples.advantage
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        log_ratio = gaussian(policy, features).log_probability(samples.action) - samples.log_probability
        ratio = log_ratio.exp()
        policy_loss = -torch.min(advantage * ratio, advantage * ratio.clamp(1.0 - clip, 1.0 + clip)).mean()
        value = policy.value_net(policy.mlp_extractor.value_net(features)).flatten()
        value_loss = nn.functional.mse_loss(value, samples.value)
        with torch.no_grad():
            kl = float((ratio - 1.0 - log_ratio).mean())  # John Schulman's estimate, as in the library
            losses["clip_fraction"].append(float(((ratio - 1.0).abs() > clip).float().mean()))
        if kl > 1.5 * self.settings.target_kl:
            return False
        policy.optimizer.zero_grad()
        (policy_loss + VALUE_WEIGHT * value_loss).backward()
        nn.utils.clip_grad_norm_(policy.parameters(), LARGEST_GRADIENT)
        policy.optimizer.step()
        losses["policy_gradient_loss"].append(float(policy_loss.detach()))
        losses["value_loss"].append(float(value_loss.detach()))
        return True

    def _adapt(self, kl: float) -> None:
        """Raise or lower the policy's rate for the next update."""
        wanted = self.settings.wanted_kl
        if wanted is None or wanted / TOLERANCE <= kl <= wanted * TOLERANCE:
            return
        factor = ADAPTATION if kl < wanted else 1.0 / ADAPTATION
        self.adaptation = min(max(self.adaptation * factor, ADAPTED[0]), ADAPTED[1])

    def _log(self, kl: float, losses: dict[str, list[float]]) -> None:
        buffer, record = self.rollout_buffer, self.logger.record
        for name, values in losses.items():
            if values:
                record(f"train/{name}", float(np.mean(values)))
        record("train/kl", kl)
        record("train/gradient_steps", len(losses["value_loss"]))
        record("train/learning_rate", self.policy.optimizer.param_groups[0]["lr"])
        record("train/std", float(self.policy.log_std.detach().exp().mean()))
        explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        record("train/explained_variance", float(explained))


def gaussian(policy: SimulationNNWithPrior, features: Tensor) -> Gaussian:
    """Return the distribution of actions at features (sample, feature)."""
    return Gaussian(policy.action_net(policy.mlp_extractor.policy_net(features)), policy.log_std)


def between(first: float, last: float | None, progress: float) -> float:
    """Return what lies between two positive numbers, geometrically, at a progress in [0, 1]."""
    return first if last is None else first * (last / first) ** progress


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use some threads, and one afterwards."""
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(1)
