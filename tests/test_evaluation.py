"""Evaluations during a training."""

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from musclegym.policies.environment import EnvironmentConfig, make_environment
from musclegym.policies.evaluation import PICTURES, Evaluator
from musclegym.policies.policy_file import load_policy
from musclegym.policies.ppo import train
from musclegym.policies.prior_policy import SimulationNNWithPrior
from musclegym.policies.train_config import PPOConfig, TrainConfig

OPTIONS: dict[str, Any] = {"actuation": "torque", "physics_hz": 240}


@pytest.fixture(scope="module")
def evaluator():
    made = Evaluator(OPTIONS, episodes=2)
    yield made
    made.close()


def test_an_evaluation_is_the_same_twice_and_pictures_the_beginning(evaluator):
    spaces = evaluator.envs.single_observation_space, evaluator.envs.single_action_space
    policy = SimulationNNWithPrior(*spaces, lambda _: 0.0)
    first, second = (evaluator.evaluate(policy, None) for _ in range(2))
    assert first.numbers == second.numbers
    assert first.numbers["coverage"] == pytest.approx(first.numbers["episode_steps"] / 300.0)
    assert 0.0 < first.numbers["score"] < first.numbers["coverage"]
    width, height = first.strip.size
    assert 160 <= width <= 160 * PICTURES
    assert height > 100
    assert np.asarray(first.strip).std() > 10.0  # somebody is in the picture


def test_a_training_keeps_the_best_policy_and_a_strip_of_each_evaluation(tmp_path):
    config = TrainConfig(
        run=tmp_path,
        steps=256,
        workers=1,
        members=4,
        evaluate_minutes=1e-9,
        evaluate_episodes=1,
        environment=EnvironmentConfig(actuation="torque", physics_hz=240),
        ppo=PPOConfig(samples=128, minibatch=64, epochs=1),
    )
    curve = train(config)["curve"]
    scores = [point["evaluation/score"] for point in curve]
    assert len(scores) == 2
    strips = sorted((tmp_path / "evaluation").glob("*.png"))
    assert [path.stem for path in strips] == ["0000000000", "0000000128"]
    with Image.open(strips[0]) as strip:
        assert strip.height > 100
    logs = EventAccumulator(str(tmp_path)).Reload().Tags()
    assert "evaluation/strip" in logs["images"]
    assert {"reward/pose", "info/torque_residual", "evaluation/score", "train/kl"} <= set(logs["scalars"])
    manifest = json.loads((tmp_path / "best.json").read_text())
    assert manifest["scores"]["evaluation"]["score"] == pytest.approx(max(scores))
    evaluator = Evaluator(OPTIONS, episodes=1)
    best = load_policy(tmp_path / "best.safetensors", make_environment(OPTIONS))
    assert evaluator.evaluate(best, None).numbers["score"] == pytest.approx(max(scores))
    evaluator.close()
