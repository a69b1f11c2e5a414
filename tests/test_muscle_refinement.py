"""MuscleNN in the loop: the states that members keep, and its refinement on them."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from musclegym.envs.actuator import RecentRows
from musclegym.manifest import read_manifest
from musclegym.muscle.network import WEIGHTS, load_muscle_network
from musclegym.policies import muscle_refinement
from musclegym.policies.adapter import AdaptedVecEnv
from musclegym.policies.muscle_refinement import Refinement, residual
from musclegym.policies.muscle_scores import wanted_torque
from musclegym.policies.ppo import make_refinement
from musclegym.policies.train_config import TrainConfig
from tests.vectors import random_actions

MEMBERS = 5


def test_recent_rows_are_the_last_ones_from_the_oldest_on():
    recent = RecentRows(3, 1)
    assert recent.rows().shape == (0, 1)
    for number in range(5):
        recent.add(np.array([number], dtype=np.float32))
        assert recent.rows()[:, 0].tolist() == list(range(max(0, number - 2), number + 1))


@pytest.fixture(scope="module")
def workers():
    options = {"num_envs": MEMBERS, "actuation": "muscle", "physics_hz": 240, "max_episode_steps": 30}
    envs = gym.make_vec(
        "MuscleHumanoid-v0", vectorization_mode="vector_entry_point", autoreset_mode="SameStep", **options
    )
    made = AdaptedVecEnv(envs)
    yield made
    made.close()


def walk(workers: AdaptedVecEnv, refinement: Refinement, steps: int = 40) -> None:
    """Let the members keep the states of some steps."""
    refinement.keep_states(workers)
    workers.seed(0)
    workers.reset()
    for actions in random_actions(workers.envs, steps):
        workers.step(0.2 * actions)


def spoilt(workers: AdaptedVecEnv) -> Refinement:
    """Return a refinement of a network that knows little: without sweeps, with noise on its weights."""
    body = workers.get_attr("body")[0]
    refinement = Refinement(body, load_muscle_network(body))
    random = torch.Generator().manual_seed(0)
    for parameter in refinement.network.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=random) * parameter.abs().mean())
    refinement.network.sweeps = 0
    refinement.network.eval()
    return refinement


def test_members_keep_one_state_per_control_step_with_the_torque_that_was_wanted(workers):
    refinement = spoilt(workers)
    assert [len(states) for states in workers.env_method("muscle_states")] == [0] * MEMBERS
    workers.env_method("keep_muscle_states", 7)
    workers.reset()
    for actions in random_actions(workers.envs, 9):
        workers.step(0.0 * actions)
    states = workers.env_method("muscle_states")
    assert [rows.shape for rows in states] == [(7, refinement.network.n_features)] * MEMBERS
    assert np.isfinite(states).all()
    assert 1.0 < np.sqrt(np.mean(wanted_torque(states[0], refinement.network.entries) ** 2)) < 200.0


def test_a_better_network_is_handed_to_the_members_and_saved(workers, tmp_path):
    refinement = spoilt(workers)
    refinement.hand_over(workers)
    walk(workers, refinement)
    numbers = refinement.refine(workers, steps=1000, seed=0)
    assert numbers["oracle"] <= numbers["after"] < numbers["before"]
    assert (numbers["taken"], refinement.refined, refinement.tried) == (1.0, 1000, 1000)
    used = workers.get_attr("actuator")[0].network
    for name, value in used.state_dict().items():
        assert torch.equal(value, refinement.network.state_dict()[name]), name
    judges, refinement.network.sweeps = np.concatenate(workers.env_method("muscle_states")), used.sweeps
    assert residual(used, judges) == residual(refinement.network, judges)
    refinement.save(tmp_path / WEIGHTS)
    again = load_muscle_network(refinement.body, tmp_path)
    assert residual(again, judges) == residual(refinement.network, judges)
    assert read_manifest(tmp_path / WEIGHTS, "")["scores"] == numbers


def test_a_worse_network_is_never_taken_over(workers, monkeypatch):
    refinement = spoilt(workers)
    walk(workers, refinement)
    before = {name: value.clone() for name, value in refinement.network.state_dict().items()}
    monkeypatch.setattr(muscle_refinement, "LEARNING_RATE", 100.0)
    numbers = refinement.refine(workers, steps=2000, seed=0)
    assert numbers["after"] > numbers["before"]
    assert (numbers["taken"], refinement.refined, refinement.tried) == (0.0, None, 2000)
    for name, value in refinement.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_refinement_needs_musclenn():
    environment: Any = gym.make("MuscleHumanoid-v0", actuation="torque")
    with pytest.raises(ValueError, match="use --actuation muscle"):
        make_refinement(TrainConfig(refine_steps=100), environment)
    for call in ("muscle_states", "keep_muscle_states", "set_muscle_weights"):
        arguments = {"muscle_states": (), "keep_muscle_states": (5,), "set_muscle_weights": ({},)}[call]
        with pytest.raises(ValueError, match="make the environment with actuation='muscle'"):
            getattr(environment.unwrapped, call)(*arguments)
    environment.close()
