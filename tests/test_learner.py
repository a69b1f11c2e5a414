"""The update of PPO, its rates and its noise."""

import copy
import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from torch.distributions import Normal, kl_divergence

from musclegym.policies.adapter import AdaptedVecEnv
from musclegym.policies.environment import DiscountedMean
from musclegym.policies.learner import ADAPTATION, ADAPTED, Gaussian, Learner, between
from musclegym.policies.ppo import begin_with, exploration_of
from musclegym.policies.train_config import PPOConfig, TrainConfig
from tests.toys import Aim, Constant, Together

CHANGES = [(0.01, ADAPTATION), (0.08, 1.0), (0.11, 1.0), (0.5, 1 / ADAPTATION)]
"""Change of the policy where 0.08 is wanted, and the factor on its rate."""
SMALL = PPOConfig(samples=64, minibatch=64, epochs=1, hidden=(16,), target_kl=1.0)


def learner_of(ppo: PPOConfig, make: Callable[[], gym.Env] = Constant, **settings: Any) -> Learner:
    config = TrainConfig(ppo=ppo, **{"workers": 2, "members": 4, **settings})
    envs = AdaptedVecEnv(Together(make, config.workers * config.members), every_info=False)
    return Learner(DiscountedMean(envs, ppo.discount), config)


def quiet(learner: Learner) -> Learner:
    learner.set_logger(Logger(None, []))
    return learner


def test_log_probability_and_divergence_are_those_of_normal_distributions():
    random = torch.Generator().manual_seed(0)
    means, deviations = torch.randn(2, 7, 3, generator=random), torch.rand(2, 3, generator=random) + 0.1
    first, second = (Gaussian(m, d.log()) for m, d in zip(means, deviations, strict=True))
    mine, theirs = (Normal(m, d) for m, d in zip(means, deviations, strict=True))
    action = torch.randn(7, 3, generator=random)
    torch.testing.assert_close(first.log_probability(action), mine.log_prob(action).sum(dim=-1))
    wanted = kl_divergence(mine, theirs).sum(dim=-1).mean()
    assert first.divergence(second) == pytest.approx(float(wanted), rel=1e-5)


def test_the_divergence_of_a_shift_by_half_a_deviation_is_an_eighth_per_action():
    still = Gaussian(torch.zeros(4, 3), torch.full((3,), math.log(0.2)))
    moved = Gaussian(torch.full((4, 3), 0.1), torch.full((3,), math.log(0.2)))
    assert still.divergence(moved) == pytest.approx(3 / 8)


def test_an_update_is_that_of_the_library():
    mine = quiet(learner_of(SMALL))
    theirs = quiet(learner_of(SMALL))
    mine.learn(32, reset_num_timesteps=False)  # fills the buffer and learns from it
    buffer = copy.deepcopy(mine.rollout_buffer)
    torch.manual_seed(3)
    for learner in (mine, theirs):
        learner.policy.load_state_dict(copy.deepcopy(mine.policy.state_dict()))
        learner.policy.optimizer = torch.optim.Adam(
            [{"params": list(learner.policy.parameters()), "factor": 1.0, "adapts": True}], lr=1e-3, eps=1e-5
        )
        learner.rollout_buffer = copy.deepcopy(buffer)
    before = copy.deepcopy(mine.policy.state_dict())
    theirs.lr_schedule = lambda _: 1e-3
    mine.train()
    PPO.train(theirs)
    for name, value in theirs.policy.state_dict().items():
        torch.testing.assert_close(mine.policy.state_dict()[name], value, atol=2e-6, rtol=1e-4)
    assert any((before[name] != value).any() for name, value in mine.policy.state_dict().items())


@pytest.mark.parametrize(("end", "wanted"), [("truncated", 1.0), ("terminated", 0.263)])
def test_a_value_is_one_for_reward_one_unless_episodes_terminate(end: str, wanted: float):
    # Ended after five steps by termination, the scaled returns 1 - 0.9^k, k = 1 to 5, have the mean 0.263.
    ppo = PPOConfig(samples=160, minibatch=80, discount=0.9, gae_lambda=0.9, learning_rate=3e-3, hidden=(16,))
    learner = quiet(learner_of(ppo, lambda: Constant(end)))
    learner.learn(160 * 40, reset_num_timesteps=False)
    value = learner.policy.predict_values(torch.ones(1, 1))
    assert float(value.detach()) == pytest.approx(wanted, abs=0.06)


@pytest.mark.parametrize(("kl", "wanted"), CHANGES)
def test_the_policy_rate_rises_after_small_changes_and_falls_after_large_ones(kl: float, wanted: float):
    learner = learner_of(PPOConfig(samples=64, minibatch=64, wanted_kl=0.08, hidden=(8,)))
    learner._adapt(kl)
    assert learner.adaptation == pytest.approx(wanted)
    learner.follow_schedules()
    policy, value = (group["lr"] for group in learner.policy.optimizer.param_groups)
    assert policy == pytest.approx(wanted * learner.settings.learning_rate)
    assert value == pytest.approx(10.0 * learner.settings.learning_rate)
    for _ in range(100):
        learner._adapt(kl)
    assert ADAPTED[0] <= learner.adaptation <= ADAPTED[1]


def test_a_rate_that_is_far_too_small_is_raised_as_far_as_it_may_be():
    ppo = PPOConfig(samples=160, minibatch=40, learning_rate=1e-6, wanted_kl=0.02, hidden=(16,))
    learner = quiet(learner_of(ppo, Aim))
    changes: list[float] = []
    adapt = learner._adapt
    learner._adapt = lambda kl: (changes.append(kl), adapt(kl))[1]  # type: ignore[method-assign]
    learner.learn(160 * 40, reset_num_timesteps=False)
    assert learner.adaptation == ADAPTED[1]
    assert np.mean(changes[-10:]) > 10.0 * np.mean(changes[:10])


@pytest.mark.parametrize(
    ("steady", "course"),
    [
        (0.0, ((0, 1e-3, 0.4), (500, 1e-4, 0.2), (1000, 1e-5, 0.1), (3000, 1e-5, 0.1))),
        (0.6, ((0, 1e-3, 0.4), (600, 1e-3, 0.4), (800, 1e-4, 0.2), (1000, 1e-5, 0.1))),
    ],
)
def test_rate_and_noise_follow_their_schedules(steady: float, course: tuple[tuple[int, float, float], ...]):
    ppo = PPOConfig(
        samples=64,
        minibatch=64,
        learning_rate=1e-3,
        final_learning_rate=1e-5,
        exploration=0.4,
        final_exploration=0.1,
        steady=steady,
        hidden=(8,),
    )
    learner = learner_of(ppo, schedule_steps=1000)
    for steps, rate, noise in course:
        learner.num_timesteps = steps
        learner.follow_schedules()
        assert learner.policy.optimizer.param_groups[0]["lr"] == pytest.approx(rate)
        assert learner.policy.log_std.exp().tolist() == pytest.approx([noise])
    assert not learner.policy.log_std.requires_grad


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_steady_part_that_leaves_no_rest_or_is_no_share_is_refused(share: float):
    with pytest.raises(ValueError, match=rf"in \[0, 1\), but is {share}; use e.g. steady=0.5"):
        PPOConfig(steady=share)


def test_between_is_geometric():
    assert [between(4.0, 1.0, progress) for progress in (0.0, 0.5, 1.0)] == [4.0, 2.0, 1.0]
    assert between(4.0, None, 0.7) == 4.0


@pytest.mark.parametrize("samples", [4096, 8192])
def test_large_batches_work(samples: int):
    learner = quiet(learner_of(PPOConfig(samples=samples, minibatch=512, epochs=1, hidden=(8,))))
    learner.learn(samples, reset_num_timesteps=False)
    assert learner.num_timesteps == samples


def test_joints_that_do_not_carry_the_body_explore_less():
    environment = gym.make("MuscleHumanoid-v0", actuation="torque")
    names: Any = environment.unwrapped.body.dof_names[6:]  # type: ignore[attr-defined]
    noise = dict(zip(names, exploration_of(PPOConfig(), environment), strict=True))
    assert [noise[name] for name in ("FemurL_x", "TibiaR", "TalusR_z", "Spine_y")] == [0.09] * 4
    assert [noise[name] for name in ("ArmL_x", "ForeArmR", "Head_z", "FootThumbL")] == [0.035] * 4
    assert set(exploration_of(PPOConfig(quiet_exploration=None), environment)) == {0.09}
    with pytest.raises(ValueError, match="'Tail' is none of"):
        exploration_of(PPOConfig(quiet_bodies=("Tail",)), environment)
    environment.close()


def test_a_policy_to_begin_with_gives_all_but_the_noise():
    first, second = learner_of(SMALL, seed=1), learner_of(PPOConfig(**{**vars(SMALL), "exploration": 0.5}))
    begin_with(second, first.policy)
    for name, value in first.policy.state_dict().items():
        assert torch.equal(second.policy.state_dict()[name], value) == (name != "log_std"), name
    assert second.policy.log_std.exp().tolist() == pytest.approx([0.5])


def test_a_policy_of_another_shape_is_refused_with_both_shapes():
    first = learner_of(PPOConfig(samples=64, minibatch=64, hidden=(8, 8)))
    with pytest.raises(ValueError, match=r"\[8, 8\].*\[16\].*give the same --hidden"):
        begin_with(learner_of(SMALL), first.policy)


@pytest.mark.parametrize("name", ["wanted_kl", "exploration", "quiet_exploration", "final_learning_rate"])
def test_rates_and_noise_must_be_positive(name: str):
    with pytest.raises(ValueError, match=f"{name} must be positive"):
        PPOConfig(**{name: 0.0})  # type: ignore[arg-type]


def test_a_rate_follows_either_a_schedule_or_the_change():
    with pytest.raises(ValueError, match="leave one of them out or make it None"):
        PPOConfig(wanted_kl=0.1, final_learning_rate=1e-5)
