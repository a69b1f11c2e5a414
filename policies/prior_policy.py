"""The policy network: the encoder of a motion prior, a policy head and a value head.

The encoder reads the block "history" of the observation, which lies at its end; the rest passes by it. Both
are normalised by statistics inside the network and go to both heads, so the encoder is evaluated once for the
two. While it is frozen, its features of a rollout are kept for the update.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from musclegym.body import Body
from musclegym.motion.features import StateLayout
from musclegym.motion.motion import Motion
from musclegym.policies.frozen_encoder import Encoder, frozen
from musclegym.policies.normaliser import RunningNormaliser
from musclegym.pretrain.checkpoint import load_prior, manifest_of
from musclegym.pretrain.kinds import model_of_kind
from musclegym.pretrain.motion_nn import MotionNN
from musclegym.pretrain.next_state import NextStateModel, statistics_of
from musclegym.pretrain.windows import states_of

VALUE_RATE = 10.0
"""Learning rate of the value head as a multiple of the policy's; no trust region limits it."""
FRAMES = 4
"""States that a transformer reads in a policy unless more are asked for.

The shipped one tells the next pose from so many about as well as from its whole window, since it also sees
how each frame was arrived at (benchmarks/prior_frames.py), and its time is nearly proportional to them.
"""


class PriorFeatures(BaseFeaturesExtractor):
    """Normalised observation in which the encoder's features stand in the place of the history."""

    def __init__(
        self, observation_space: gym.spaces.Box, encoder: NextStateModel | None = None, finetune: bool = False
    ) -> None:
        """Take over an encoder as it is.

        Args:
            observation_space: of the environment; its last numbers are the encoder's window of states.
            encoder: prior that reads the history; None passes the whole observation on.
            finetune: whether the encoder learns with the policy; otherwise its parameters get no gradient.

        Raises:
            ValueError: if the observation is too short to hold the history.
        """
        self.observation_size = int(np.prod(observation_space.shape))
        window = encoder.window * encoder.layout.n_state if encoder is not None else 0
        if window >= self.observation_size and encoder is not None:
            raise ValueError(
                f"the observation must end with the encoder's history of {encoder.window} x "
                f"{encoder.layout.n_state} = {window} numbers, but has {self.observation_size}; make the "
                f"environment with history={encoder.window}"
            )
        self.plain_size = self.observation_size - window
        super().__init__(
            observation_space, self.plain_size + (encoder.config.width if encoder is not None else 0)
        )
        self.encoder, self.finetune = encoder, finetune
        self.last_encoded: Tensor | None = None  # what `forward` encoded last, so that a rollout can keep it
        self.frozen: Encoder | None = None  # the encoder as it is while its weights do not change
        self.register_load_state_dict_post_hook(PriorFeatures._forget)
        if encoder is not None:
            encoder.requires_grad_(finetune)
        self.normaliser = RunningNormaliser(self.features_dim)

    def encoded(self, observation: Tensor) -> Tensor:
        """Return observations (..., observation) with encoded history, (..., feature), not normalised."""
        if self.encoder is None:
            return observation
        plain, history = observation.split([self.plain_size, self.observation_size - self.plain_size], dim=-1)
        windows = history.reshape(-1, self.encoder.window, self.encoder.layout.n_state)
        features = self._features(self.encoder, windows)
        return torch.cat([plain, features.reshape(*plain.shape[:-1], -1)], dim=-1)

    def _features(self, encoder: NextStateModel, windows: Tensor) -> Tensor:
        """Return an encoder's features (batch, width) of windows (batch, frame, 2 dof)."""
        if self.finetune:
            return encoder.encode(windows)
        with torch.no_grad():
            if self.frozen is None:
                self.frozen = frozen(encoder)
            return self.frozen(windows)

    def _forget(self, *_: Any) -> None:
        """Forget the encoder as it was before other weights were loaded."""
        self.frozen = None

    def forward(self, observation: Tensor) -> Tensor:
        """Return normalised features (batch, feature) of observations, or of what `encoded` made of them."""
        if observation.shape[-1] == self.observation_size:
            observation = self.encoded(observation)
            self.last_encoded = observation.detach()
        return self.normaliser(observation)


class SimulationNNWithPrior(ActorCriticPolicy):
    """Policy of stable-baselines3 with the encoder of a prior, frozen unless `finetune` is set."""

    features_extractor: PriorFeatures

    def __init__(
        self,
        observation_space: gym.spaces.Space,
        action_space: gym.spaces.Space,
        lr_schedule: Schedule,
        *,
        encoder: NextStateModel | None = None,
        finetune: bool = False,
        hidden: tuple[int, ...] = (256, 256),
        exploration: float = 0.1,
        **options: Any,
    ) -> None:
        """Build the network; its action is near zero before it has learned.

        Args:
            observation_space: of the environment.
            action_space: of the environment.
            lr_schedule: learning rate by remaining progress in [0, 1].
            encoder: prior that reads the history; None for a policy without one.
            finetune: whether the encoder learns with the policy.
            hidden: width of each hidden layer of either head.
            exploration: standard deviation of the actions at the beginning [-].
            options: further settings of `ActorCriticPolicy`.
        """
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            net_arch={"pi": list(hidden), "vf": list(hidden)},
            log_std_init=float(np.log(exploration)),
            ortho_init=False,
            features_extractor_class=PriorFeatures,
            features_extractor_kwargs={"encoder": encoder, "finetune": finetune},
            **options,
        )

    def _build(self, lr_schedule: Schedule) -> None:
        """Build heads and optimiser. The library's own initialisation would overwrite the encoder as well."""
        super()._build(lr_schedule)
        value_side = [self.mlp_extractor.value_net, self.value_net]
        policy_side = [self.mlp_extractor.policy_net, self.action_net]
        gains = {self.mlp_extractor: np.sqrt(2), self.action_net: 0.01, self.value_net: 0.01}
        for module, gain in gains.items():
            module.apply(partial(self.init_weights, gain=gain))
        value = [parameter for module in value_side for parameter in module.parameters()]
        policy = [parameter for module in policy_side for parameter in module.parameters()] + [self.log_std]
        encoder = [parameter for parameter in self.features_extractor.parameters() if parameter.requires_grad]
        groups = [
            {"params": policy + encoder, "factor": 1.0, "adapts": True},
            {"params": value, "factor": VALUE_RATE, "adapts": False},
        ]
        options = {"lr": lr_schedule(1), **self.optimizer_kwargs}
        self.optimizer = self.optimizer_class(groups, **options)


def load_encoder(
    prior: str, body: Body, motion: Motion, seed: int, frames: int | None = None
) -> NextStateModel | None:
    """Return the encoder that `--prior` names.

    Args:
        prior: "none", "random", "shipped" or the path of a trained prior.
        body: the body whose states it reads.
        motion: gives the normalisation of a random encoder.
        seed: of a random encoder's weights.
        frames: latest states that it reads; None for `FRAMES` of a transformer, or the whole window of a
            perceptron.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the prior was trained on another skeleton, or cannot read so many states.
    """
    if prior == "none" and frames is not None:
        raise ValueError(
            f"prior_frames are states that a prior reads, but it is {frames} with prior 'none'; name a "
            "prior, or leave it out"
        )
    if prior == "none":
        return None
    encoder = random_encoder(body, motion, seed) if prior == "random" else load_prior(prior, body)
    return shortened(encoder, frames)


def shortened(encoder: NextStateModel, frames: int | None) -> NextStateModel:
    """Return an encoder with the same weights that reads fewer states, where it can.

    Args:
        encoder: a transformer reads any number up to its window, a perceptron its window.
        frames: states to read; None as in `load_encoder`.

    Raises:
        ValueError: if it cannot read so many.
    """
    can = isinstance(encoder, MotionNN)
    if frames is None:
        frames = min(FRAMES, encoder.window) if can else encoder.window
    if frames == encoder.window:
        return encoder
    if not isinstance(encoder, MotionNN) or not 1 <= frames < encoder.window:
        wanted = f"from 1 to {encoder.window}" if can else f"{encoder.window}, its window"
        raise ValueError(
            f"prior_frames must be {wanted} for this {encoder.kind}, but is {frames}; leave it out for "
            "the default"
        )
    shorter = MotionNN(encoder.layout, replace(encoder.config, window=frames), encoder.fps)
    shorter.load_state_dict(encoder.state_dict())
    return shorter.eval().requires_grad_(False)


def random_encoder(body: Body, motion: Motion, seed: int) -> NextStateModel:
    """Return an untrained encoder of the shipped prior's size, the control for what its training is worth.

    All its matrices are random, also those that training begins with at zero, so that it mixes the frames.
    """
    layout, shipped = StateLayout.of(body.skeleton), manifest_of("shipped")
    encoder = model_of_kind(shipped["kind"], layout, shipped["model"], motion.fps)
    assert isinstance(encoder, NextStateModel)
    encoder.set_statistics(statistics_of(layout, [states_of(motion)], motion.fps))
    generator = torch.Generator().manual_seed(seed)
    for module in encoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return encoder.eval()
