"""Training aids over the course of a training, and the numbers that they and the logs are made from."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from musclegym.policies.adapter import AdaptedVecEnv, LastStep
from musclegym.policies.rollout_numbers import RECENT, RolloutNumbers
from musclegym.policies.schedule import (
    AidsConfig,
    Fading,
    Limits,
    Motions,
    StartPhases,
    make_aids,
)
from tests.vectors import MEMBERS, make, random_actions


def step_of(starts: list[float], terminated: list[bool], truncated: list[bool] | None = None) -> LastStep:
    """Return a step of members that began in these phases; those that end start anew at phase 0.5."""
    ends = np.array(terminated), np.array(truncated or [False] * len(starts))
    over, start, everywhere = ends[0] | ends[1], np.array(starts), np.ones(len(starts), dtype=bool)
    infos: dict[str, Any] = {"start_phase": np.where(over, 0.5, start), "_start_phase": everywhere}
    if over.any():
        last = {"start_phase": np.where(over, start, 0.0), "_start_phase": over}
        infos |= {"final_info": last, "_final_info": over}
    return LastStep(infos, *ends)


def test_by_default_nothing_helps():
    environment = gym.make("MuscleHumanoid-v0", actuation="torque")
    assert make_aids(AidsConfig(), environment) == {}
    environment.close()


def test_assistance_shrinks_while_episodes_last_and_grows_back_where_they_do_not():
    aid = Fading(AidsConfig(reserve=50.0, assistance_coverage=(0.4, 0.7), assistance_change=0.4), "reserve")
    strengths = []
    for coverage in (None, 0.5, 0.8, 0.8, 0.8, 0.8, 0.1, 0.1, 0.1, 0.1):
        aid.update(coverage, 0.0)
        strengths.append(aid.strength)
    assert strengths == pytest.approx([50.0, 50.0, 30.0, 10.0, 0.0, 0.0, 20.0, 40.0, 50.0, 50.0])


def test_episodes_start_more_often_where_more_of_them_end_by_a_fall():
    aid = StartPhases(AidsConfig(start_bins=4, start_floor=0.2))
    assert aid.weights.tolist() == pytest.approx([0.25] * 4)
    for _ in range(3):
        aid.observe(step_of([0.3, 0.6, 0.1], [True, False, False], [False, True, False]))
    # Three of three fall from bin 1, none of three from bin 2, and nothing is known of bins 0 and 3:
    # rates of 1, 1, 1/4 and 1 beside a floor of 0.2 that all share.
    wanted = [0.05 + 0.8 * rate / 3.25 for rate in (1.0, 1.0, 0.25, 1.0)]
    assert aid.weights.tolist() == pytest.approx(wanted)
    aid.observe(step_of([0.0, 0.99, 0.3], [False] * 3, [True, True, False]))
    rates = (0.5, 1.0, 0.25, 0.5)
    assert aid.weights.tolist() == pytest.approx([0.05 + 0.8 * rate / 2.25 for rate in rates])


def test_infos_tell_where_an_episode_began():
    environment = gym.make("MuscleHumanoid-v0", actuation="torque")
    _, info = environment.reset(seed=0, options={"phase": 0.75})
    assert info["start_phase"] == info["phase"] == pytest.approx(0.75)
    *_, info = environment.step(np.zeros(environment.action_space.shape or (), dtype=np.float32))
    assert info["start_phase"] == pytest.approx(0.75)
    assert info["phase"] > 0.76
    environment.close()


def test_limits_move_to_the_environments_own_over_their_share_of_the_schedule():
    aid = Limits(AidsConfig(fall_drop=0.1, limits_until=0.5), {"fall_drop": 0.3, "lost_distance": 1.0})
    drops = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        aid.update(None, progress)
        drops.append(aid.present["fall_drop"])
    assert drops == pytest.approx([0.1, 0.2, 0.3, 0.3])


def test_the_next_motion_joins_after_enough_episodes_that_last():
    aid = Motions(AidsConfig(motions=("run", "jump"), motion_coverage=0.8), ["walk", "run", "jump"])  # type: ignore[list-item]
    joined = []
    for ends in (0, RECENT, 0, RECENT, 2 * RECENT):
        for _ in range(ends):
            aid.observe(step_of([0.5], [True]))
        aid.update(0.9, 0.0)
        joined.append(aid.joined)
    assert joined == [1, 2, 2, 3, 3]
    aid.update(0.9, 0.0)
    assert aid.joined == 3


def test_aids_reach_the_members():
    environment = gym.make("MuscleHumanoid-v0", actuation="torque")
    config = AidsConfig(assistance=0.4, start_bins=5, fall_drop=0.1, lost_distance=0.2)
    workers = AdaptedVecEnv(make(autoreset_mode="SameStep"))
    for aid in make_aids(config, environment).values():
        aid.apply(workers)
    for aids in workers.get_attr("aids"):
        assert (aids.assistance, aids.fall_drop, aids.lost_distance) == (0.4, 0.1, 0.2)
        assert aids.start_phases.tolist() == pytest.approx([0.2] * 5)
    environment.close()
    workers.close()


def test_reserve_reaches_the_members_and_is_refused_without_muscles():
    environment = gym.make("MuscleHumanoid-v0", actuation="muscle")
    workers = AdaptedVecEnv(make(autoreset_mode="SameStep", actuation="muscle"))
    make_aids(AidsConfig(reserve=75.0), environment)["reserve"].apply(workers)
    assert [actuator.reserve for actuator in workers.get_attr("actuator")] == [75.0] * workers.num_envs
    workers.close()
    environment.close()
    environment = gym.make("MuscleHumanoid-v0", actuation="torque")
    with pytest.raises(ValueError, match="reserve"):
        make_aids(AidsConfig(reserve=50.0), environment)
    environment.close()


def test_members_are_spread_over_the_motions_that_have_joined():
    environment = gym.make("MuscleHumanoid-v0", actuation="torque")
    workers = AdaptedVecEnv(make(autoreset_mode="SameStep"))
    aid = make_aids(AidsConfig(motions=("run",)), environment)["motions"]
    aid.restore([2, 0])
    aid.apply(workers)
    workers.reset()
    assert [motion.name for motion in workers.get_attr("motion")] == ["walk", "run", "walk"]
    environment.close()
    workers.close()


def test_an_aid_goes_on_from_its_state():
    config = AidsConfig(assistance=0.5, start_bins=4, fall_drop=0.1)
    own = {"fall_drop": 0.3, "lost_distance": 1.0}
    pairs: list[tuple[Any, Any]] = [
        (Fading(config, "assistance"), Fading(config, "assistance")),
        (StartPhases(config), StartPhases(config)),
        (Limits(config, own), Limits(config, own)),
    ]
    for first, second in pairs:
        first.observe(step_of([0.1, 0.9], [True, False]))
        first.update(0.9, 0.25)
        assert first.state() != second.state()
        second.restore(first.state())
        assert first.state() == second.state()
        assert first.numbers() == second.numbers()


@pytest.mark.parametrize(
    "settings",
    [
        {"assistance": 1.5},
        {"reserve": -0.1},
        {"assistance_coverage": (0.8, 0.2)},
        {"start_bins": -1},
        {"start_bins": 4, "motions": ("run",)},
        {"fall_drop": 0.0},
    ],
)
def test_aids_that_cannot_be_are_refused(settings: dict[str, Any]):
    with pytest.raises(ValueError, match="but"):
        AidsConfig(**settings)


def test_aids_of_a_motion_are_refused_without_one():
    environment = gym.make("MuscleHumanoid-v0", actuation="torque", task="stand", motion=None)
    with pytest.raises(ValueError, match="follow a motion"):
        make_aids(AidsConfig(assistance=0.5), environment)
    environment.close()


def test_means_count_the_last_info_of_an_episode_and_not_the_start_of_the_next():
    numbers = RolloutNumbers(2, limit=10)
    numbers.add(step_of([0.1, 0.2], [False, False]))
    numbers.add(step_of([0.3, 0.4], [True, False]))
    means = numbers.take()
    assert means["info/start_phase"] == pytest.approx((0.1 + 0.2 + 0.3 + 0.4) / 4)
    assert (means["episode_steps"], means["coverage"]) == (2.0, pytest.approx(0.2))
    numbers.add(step_of([0.5, 0.6], [False, False], [False, True]))
    assert numbers.take()["info/start_phase"] == pytest.approx(0.55)
    assert numbers.recent[-1] == (3.0, 1.0)  # an episode that was truncated covers all there was


def test_means_of_a_real_rollout_are_those_of_single_infos():
    envs = AdaptedVecEnv(make(autoreset_mode="SameStep"))
    numbers, single, rewards = RolloutNumbers(MEMBERS, None), [], []
    envs.seed(3)
    envs.reset()
    for actions in random_actions(envs.envs, 20):
        _, reward, _, infos = envs.step(actions)
        numbers.add(envs.last_step)
        single += infos
        rewards.append(reward)
    means = numbers.take()
    assert means["reward_per_step"] == pytest.approx(np.mean(rewards), rel=1e-5)
    assert means["info/joint_work"] == pytest.approx(np.mean([info["joint_work"] for info in single]))
    assert means["reward/pose"] == pytest.approx(np.mean([info["reward_terms"]["pose"] for info in single]))
    envs.close()
