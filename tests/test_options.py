"""Every option of the environment changes what it returns; every actuation and task passes the checkers."""

import hashlib
from dataclasses import dataclass, fields
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3

from musclegym.envs.config import ACTUATIONS, HumanoidConfig, RewardWeights, TrackWeights
from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.envs.tasks import TASKS
from musclegym.rotation import Array

FAST = {"physics_hz": 120}


@dataclass(frozen=True)
class Half:
    """A prior to which every motion is half natural."""

    window: int = 2
    fps: float = 30.0

    def __call__(self, states: Array) -> float:
        return 0.5


def outcome(options: dict[str, Any]) -> str:
    """Return a digest of an episode under small actions: observations, rewards, end and a picture."""
    env = MuscleHumanoidEnv(**{"render_mode": "rgb_array", "actuation": "torque", **FAST, **options})
    generator, digest = np.random.default_rng(0), hashlib.sha256()
    observation, _ = env.reset(seed=0)
    for _ in range(45):
        digest.update(observation.tobytes())
        action = generator.uniform(-0.1, 0.1, env.action_space.shape).astype(np.float32)
        observation, reward, terminated, truncated, _ = env.step(action)
        digest.update(np.array([reward, terminated, truncated]).tobytes())
        if terminated or truncated:
            break
    picture = env.render()
    assert picture is not None
    digest.update(picture.tobytes())
    env.close()
    return digest.hexdigest()


CHANGES: dict[str, tuple[dict[str, Any], Any]] = {  # option -> what it is tried beside, and its value
    "actuation": ({}, "oracle"),
    "body": ({}, {"name": "human", "mass": 60.0}),
    "motion": ({}, "run"),
    "cyclic": ({"motion": "kick"}, True),
    "task": ({}, "stand"),
    "prior": ({}, Half()),
    "physics_hz": ({}, 240),
    "control_hz": ({}, 60),
    "muscle_hz": ({"actuation": "oracle"}, 120),
    "kp": ({}, 200.0),
    "kd": ({}, 10.0),
    "contact_forces": ({}, False),
    "feed_forward": ({}, True),
    "action_range": ({}, 0.3),
    "length_range": ({"actuation": "muscle_length"}, 0.2),
    "length_kp": ({"actuation": "muscle_length"}, 5.0),
    "length_kd": ({"actuation": "muscle_length"}, 1.0),
    "muscles": ({"actuation": "excitation"}, {"pennation": False}),
    "history": ({}, 2),
    "weights": ({}, TrackWeights(pose=0.4)),
    "reward_weights": ({}, RewardWeights(tracking=0.5)),
    "ground": ({}, {"slope": 0.1}),
    "pushes": ({}, {"interval": 0.0}),
    "variation": ({}, {"mass": 1.2}),
    "fall_drop": ({}, 0.05),
    "lost_distance": ({}, 0.05),
    "ghost": ({}, True),
    "start_noise": ({}, 0.02),
}
ELSEWHERE = {"muscle_weights"}  # other weights of MuscleNN need a file: tests/test_muscle_network.py


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_every_option_changes_what_the_environment_returns(name: str):
    beside, value = CHANGES[name]
    assert outcome({**beside, name: value}) != outcome(beside)


def test_no_option_is_forgotten_here():
    assert set(CHANGES) | ELSEWHERE == {field.name for field in fields(HumanoidConfig)}


@pytest.mark.parametrize("task", sorted(TASKS))
@pytest.mark.parametrize("actuation", sorted(ACTUATIONS))
def test_both_checkers_pass_for_every_actuation_and_task(actuation: str, task: str):
    options = {"physics_hz": 60, "actuation": actuation, "task": task, "render_mode": "rgb_array"}
    env = gymnasium.make("MuscleHumanoid-v0", **options)
    check_gymnasium(env.unwrapped)
    check_sb3(env)
    env.close()


def test_the_only_registered_environment_is_checked_here():
    mine = [name for name in gymnasium.registry if "muscle" in name.lower()]
    assert mine == ["MuscleHumanoid-v0"]
