"""The vector environment as stable-baselines3 sees it."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv

from musclegym.policies.adapter import AdaptedVecEnv
from tests.vectors import MEMBERS, make, make_single, random_actions


def adapted(**options: Any) -> AdaptedVecEnv:
    return AdaptedVecEnv(make(autoreset_mode="SameStep", copy=False, **options))


def assert_same_steps(mine: tuple[Any, ...], theirs: tuple[Any, ...]) -> None:
    """Check what two environments of stable-baselines3 returned, infos included."""
    for result, wanted in zip(mine[:3], theirs[:3], strict=True):
        assert result.dtype == wanted.dtype
        assert np.array_equal(result, wanted)
    np.testing.assert_equal(mine[3], theirs[3])


def test_stable_baselines3_sees_what_its_own_environment_shows():
    mine: Any = adapted(processes=2)
    theirs: Any = DummyVecEnv([make_single] * MEMBERS)
    assert mine.observation_space == theirs.observation_space
    for envs in (mine, theirs):
        envs.seed(4)
        envs.set_options([{"phase": 0.1}, {}, {"phase": 0.3}])
    assert np.array_equal(mine.reset(), theirs.reset())
    np.testing.assert_equal(mine.reset_infos, theirs.reset_infos)
    assert [round(info["phase"], 9) for info in mine.reset_infos[::2]] == [0.1, 0.3]
    ends = 0
    for actions in random_actions(make(), 30):
        results = mine.step(actions)
        ends += results[2].sum()
        assert_same_steps(results, theirs.step(actions))
        np.testing.assert_equal(mine.reset_infos, theirs.reset_infos)
    assert ends > MEMBERS
    for envs in (mine, theirs):
        envs.set_options({"phase": 0.5})
    assert np.array_equal(mine.reset(), theirs.reset())
    mine.close()
    theirs.close()


def test_stable_baselines3_reaches_some_members():
    envs = adapted(render_mode="rgb_array")
    envs.set_attr("mark", 3, indices=1)
    assert envs.get_attr("mark", indices=[1]) == [3]
    assert not envs.has_attr("mark")
    assert envs.get_attr("render_mode") == ["rgb_array"] * MEMBERS
    assert len(envs.env_method("reset", seed=1, indices=[0, 2])) == 2
    assert envs.env_is_wrapped(gymnasium.wrappers.TimeLimit) == [False] * MEMBERS
    envs.reset()
    envs.env_method("set_reward_weights", tracking=0.0, indices=[1])
    rewards = envs.step(np.zeros((MEMBERS, 50)))[1]
    assert (rewards > 0.0).tolist() == [True, False, True]
    picture = envs.render()
    assert picture is not None
    assert picture.ndim == 3


def test_observations_reach_stable_baselines3_without_a_copy():
    envs = adapted()
    first = envs.reset()
    second = envs.step(np.zeros((MEMBERS, 50)))[0]
    third = envs.step(np.zeros((MEMBERS, 50)))[0]
    assert np.shares_memory(first, third)
    assert not np.shares_memory(first, second)


def test_stable_baselines3_needs_new_episodes_in_the_same_step():
    with pytest.raises(ValueError, match="make the environment with autoreset_mode='SameStep'"):
        AdaptedVecEnv(make())
