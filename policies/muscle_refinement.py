"""MuscleNN in the loop: refined on the states that the policy itself comes to, and never made worse."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from musclegym.body import Body
from musclegym.muscle.network import Array32, MuscleNN, save_muscle_network
from musclegym.policies.muscle_scores import oracle_activation, torque_error, wanted_torque
from musclegym.policies.muscle_training import LossWeights, TorqueObjective
from musclegym.pretrain.draws import Draw

STATES = 4096
"""States kept from the last control steps, over all members; own choice."""
HELD_OUT = 5
"""One member of so many gives the states that judge; its trajectories are in no batch."""
JUDGED = 512
"""States that judge, at most: least squares take about half a millisecond each."""
BATCH, GRADIENT_STEPS = 256, 300
LEARNING_RATE = 3e-4
"""Of Adam, falling to zero by a cosine; own choice."""


class Refinement:
    """Trains a copy of MuscleNN, and hands it to the members where it is better."""

    def __init__(self, body: Body, network: MuscleNN) -> None:
        """Begin with the network that the members use, `network`, and have refined nothing."""
        self.body, self.network = body, copy.deepcopy(network)
        self.refined: int | None = None  # control steps at the last refinement that was taken over
        self.tried = 0  # control steps at the last refinement
        self.scores: dict[str, float] = {}

    def keep_states(self, workers: VecEnv) -> None:
        """Let the members keep their recent states, from now on."""
        workers.env_method("keep_muscle_states", max(1, STATES // workers.num_envs))

    def refine(self, workers: VecEnv, steps: int, seed: int) -> dict[str, float]:
        """Train on the members' recent states, and take the result over if it is better on held-out ones.

        Args:
            workers: members that have kept their states.
            steps: control steps taken so far.
            seed: of the batches.

        Returns:
            Root mean square over held-out states and actuated DoFs of the wanted torque and of the errors of
            least squares, of the network before and of the refined one [N m]; whether it was taken over.
        """
        self.tried = steps
        states = workers.env_method("muscle_states")
        judges = np.concatenate(states[::HELD_OUT])
        judges = judges[np.linspace(0, len(judges) - 1, min(JUDGED, len(judges))).astype(int)]
        others = [rows for index, rows in enumerate(states) if index % HELD_OUT]
        candidate = trained(self.network, np.concatenate(others or states), seed)
        before, after = (residual(network, judges) for network in (self.network, candidate))
        numbers = {
            "wanted": rms(wanted_torque(judges, self.network.entries)),
            "oracle": residual_of(judges, oracle_activation(judges, self.network.entries), self.network),
            "before": before,
            "after": after,
            "taken": float(after < before),
        }
        if after < before:
            self.network, self.refined, self.scores = candidate, steps, numbers
            self.hand_over(workers)
        return numbers

    def weights(self) -> dict[str, Array32]:
        """Return the network's weights by the names of its `state_dict`."""
        return {name: value.numpy() for name, value in self.network.state_dict().items()}

    def hand_over(self, workers: VecEnv) -> None:
        """Let all members use the present network."""
        workers.env_method("set_muscle_weights", self.weights())

    def save(self, path: Path) -> None:
        """Write the network as `musclegym train-muscle` does."""
        save_muscle_network(path, self.network, self.body, {"refined": self.refined, "scores": self.scores})

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs beside the weights."""
        return {"refined": self.refined, "tried": self.tried, "scores": self.scores}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any], workers: VecEnv) -> None:
        """Go on with the network and the state of a checkpoint."""
        self.network.load_state_dict(dict(tensors))
        self.network.eval()
        self.refined, self.tried, self.scores = state["refined"], state["tried"], dict(state["scores"])
        self.hand_over(workers)


def trained(network: MuscleNN, features: Array32, seed: int) -> MuscleNN:
    """Return a copy of a network, trained on features (state, feature); rounded as files hold it."""
    result = copy.deepcopy(network).train().requires_grad_(True)
    objective, weights = TorqueObjective(features, BATCH), LossWeights()
    optimiser = torch.optim.Adam(result.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, GRADIENT_STEPS)
    for step in range(GRADIENT_STEPS):
        terms = objective(result, Draw(step, step / GRADIENT_STEPS, seed))
        optimiser.zero_grad()
        sum((getattr(weights, name) * term for name, term in terms.items()), torch.zeros(())).backward()
        optimiser.step()
        schedule.step()
    return result.requires_grad_(False).half().float().eval()


def residual(network: MuscleNN, features: Array32) -> float:
    """Return the RMS torque error of a network [N m]."""
    return residual_of(features, network.activate(features), network)


def residual_of(features: Array32, activation: Any, network: MuscleNN) -> float:
    """Return the RMS torque error of activations (state, muscle) [N m]."""
    return rms(torque_error(features, network.entries, activation))


def rms(values: Any) -> float:
    """Return the root mean square of numbers."""
    return float(np.sqrt(np.mean(np.square(values))))
