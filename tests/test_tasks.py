"""Tasks without a reference, reward groups, and a task of one's own."""

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3

from musclegym.envs import rewards
from musclegym.envs.config import RewardWeights, TrackWeights, make_config
from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.envs.measures import step_measures, step_way
from musclegym.envs.tasks import TASKS, Heading, Speed, Stand, StandWeights, Task, WalkWeights
from musclegym.pretrain.score import PriorScore
from musclegym.rotation import Array
from musclegym.state import BodyState

FREE = ("speed", "heading", "stand")


def make(**options: Any) -> Any:
    """Return the bare environment."""
    return MuscleHumanoidEnv(**{"actuation": "torque", **options})


def zero(env: gymnasium.Env) -> np.ndarray:
    """Return the zero action."""
    return np.zeros(env.action_space.shape or (), np.float32)


@dataclass(frozen=True)
class RaiseHand(Task):
    """A task as a user would write it: lift the right hand above the head."""

    margin: float = 0.1

    def rewards(self, state: BodyState, goal: Array) -> dict[str, float]:
        hand, head = (state.body.body_names.index(name) for name in ("HandR", "Head"))
        above = state.com[hand, 1] - state.com[head, 1]
        return {"hand": float(1.0 / (1.0 + np.exp(-above / self.margin)))}

    def is_over(self, state: BodyState, goal: Array) -> bool:
        return state.time >= 0.5


@pytest.mark.parametrize("task", FREE)
def test_both_checkers_pass_for_tasks_without_a_motion(task: str):
    env = gymnasium.make("MuscleHumanoid-v0", actuation="torque", task=task)
    check_gymnasium(env.unwrapped)
    check_sb3(env)
    env.close()


@pytest.mark.parametrize("task", FREE)
def test_terms_lie_between_zero_and_their_weights_and_sum_to_the_reward(task: str):
    env, rng = make(task=task), np.random.default_rng(0)
    env.reset(seed=0)
    weights = env.task.weights
    for _ in range(15):
        action = rng.uniform(-0.3, 0.3, 50).astype(np.float32)
        _, reward, terminated, _, info = env.step(action)
        terms = info["reward_terms"]
        assert reward == sum(terms.values())
        assert all(0.0 <= value <= getattr(weights, name) for name, value in terms.items())
        if terminated:
            env.reset()


@pytest.mark.parametrize("weights", [WalkWeights(), StandWeights()])
def test_weights_sum_to_one(weights: Any):
    assert sum(vars(weights).values()) == pytest.approx(1.0)


def test_a_body_that_stands_still_earns_nearly_all_that_standing_is_worth():
    env = make(task="stand")
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(zero(env))
    assert not terminated
    assert 0.9 < reward <= 1.0
    assert info["contacts"].sum() > 0


def test_without_a_motion_the_body_starts_still_on_its_soles_with_hanging_arms():
    env = make(task="stand")
    env.reset(seed=0)
    assert not env.state.qd.any()
    assert env.body.sole_points(env.state.q)[:, 1].min() == pytest.approx(0.0, abs=2e-3)
    hands = [env.body.body_names.index(name) for name in ("HandR", "HandL")]
    assert (env.state.com[hands, 1] < env.state.root_height).all()


def test_moving_as_wanted_earns_the_weight_and_missing_by_the_tolerance_a_factor_e_less():
    env = make(task=Speed(speed=(1.2, 1.2), tolerance=0.4))
    env.reset(seed=0)
    wanted = env.task.wanted_velocity(env.goal)
    assert wanted == pytest.approx([0.0, 1.2])  # straight ahead, along +z
    assert rewards.ground_velocity_match(np.zeros(2), 0.4) == 1.0
    assert rewards.ground_velocity_match(np.array([0.0, 0.4]), 0.4) == pytest.approx(np.exp(-1.0))


def test_the_goal_is_seen_in_the_heading_frame():
    env = make(task=Speed(speed=(1.0, 1.0), direction=(np.pi / 2, np.pi / 2)))
    observation, _ = env.reset(seed=0)
    block = next(block for block in env.observation_layout if block.name == "goal")
    assert block.unit == "m/s"
    assert observation[block.start : block.stop] == pytest.approx([1.0, 0.0], abs=1e-6)  # to the left


def test_a_heading_changes_when_its_time_is_over_and_not_before():
    env = make(task=Heading(hold=(0.2, 0.2)), fall_drop=0.9)
    env.reset(seed=1)
    goals = []
    for _ in range(12):
        goals.append(env.goal.copy())
        env.step(zero(env))
    changes = [not np.array_equal(a, b) for a, b in pairwise(goals)]
    assert [step + 1 for step, changed in enumerate(changes) if changed] == [6]  # 0.2 s at 30 Hz
    assert len({goal[0] for goal in goals}) == 2


def test_goals_come_from_the_environments_own_generator():
    first, second = make(task="heading"), make(task="heading")
    first.reset(seed=3)
    second.reset(seed=3)
    assert np.array_equal(first.goal, second.goal)
    second.reset(seed=4)
    assert not np.array_equal(first.goal, second.goal)


def test_falling_ends_an_episode_without_a_motion():
    env = make(task="stand", fall_drop=0.1)
    env.reset(seed=0)
    steps, over = 0, False
    while not over and steps < 300:
        _, _, over, _, _ = env.step(np.full(50, 1.0, np.float32))
        steps += 1
    assert over
    assert env.state.root_height < 0.9 * env.body.skeleton.joint_position[0, 1]


def test_a_task_of_ones_own_is_rewarded_observed_and_ended_as_it_says():
    env = gymnasium.make("MuscleHumanoid-v0", actuation="torque", task=RaiseHand(margin=0.2))
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    steps, over, info = 0, False, {}
    while not over:
        _, _, over, _, info = env.step(zero(env))
        steps += 1
    assert steps == 15
    assert set(info["reward_terms"]) == {"hand"}


def test_a_task_that_says_not_what_it_rewards_is_told_so():
    env = make(task=Task())
    env.reset(seed=0)
    with pytest.raises(NotImplementedError, match=r"define rewards\(\)"):
        env.step(zero(env))


def test_a_motion_beside_a_task_is_rewarded_but_not_observed():
    alone, beside = make(task="speed"), make(task="speed", motion="walk")
    assert alone.observation_layout == beside.observation_layout
    beside.reset(seed=0, options={"phase": 0.25})
    q, _ = beside.motion.at(0.25 * beside.motion.duration)
    assert np.allclose(beside.state.q, q, atol=1e-9)
    _, _, _, _, info = beside.step(zero(beside))
    assert set(info["reward_terms"]) == set(vars(WalkWeights())) | set(vars(TrackWeights()))


def test_a_term_named_like_one_of_the_motions_is_refused():
    @dataclass(frozen=True)
    class Pose(Task):
        def rewards(self, state: BodyState, goal: Array) -> dict[str, float]:
            return {"pose": 1.0}

    env = make(task=Pose(), motion="walk")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="the task's 'pose' is one of the motion's or prior's terms"):
        env.step(zero(env))


def test_groups_of_terms_are_weighed_between_steps():
    env = make(task=Stand(), motion="walk", history=9, prior=PriorScore())
    results = []
    for weights in ({}, {"tracking": 0.5}, {"task": 0.0}, {"prior": 3.0}):
        env.reset(seed=0, options={"phase": 0.1})
        env.set_reward_weights(**{"tracking": 1.0, "task": 1.0, "prior": 1.0, **weights})
        _, reward, _, _, info = env.step(zero(env))
        results.append(info["reward_terms"])
        assert reward == pytest.approx(sum(info["reward_terms"].values()))
    full, half, without, more = results
    assert half["pose"] == pytest.approx(0.5 * full["pose"])
    assert half["still"] == full["still"]
    assert without["still"] == 0.0
    assert more["prior"] == pytest.approx(3.0 * full["prior"])


def test_reach_rewards_torques_that_the_muscles_make():
    env = make(actuation="oracle", motion="run", reward_weights=RewardWeights(reach=0.5))
    env.reset(seed=0, options={"phase": 0.1})
    reached = []
    for _ in range(8):
        _, reward, _, _, info = env.step(zero(env))
        assert reward == pytest.approx(sum(info["reward_terms"].values()))
        missed = info["torque_residual"]
        assert info["reward_terms"]["reach"] == pytest.approx(0.5 * np.exp(-((missed / 10.0) ** 2)))
        reached.append(info["reward_terms"]["reach"])
    assert max(reached) > 0.45
    assert min(reached) < 0.4
    env.set_reward_weights(reach=0.0)
    assert "reach" not in env.step(zero(env))[4]["reward_terms"]


def test_a_prior_scores_the_true_motion_above_a_shaken_one():
    score, env = PriorScore(), make(motion="walk")
    states = np.concatenate([env.motion.q, env.motion.qd], axis=1)[: score.window]
    shaken = states + np.random.default_rng(0).normal(0.0, 0.05, states.shape)
    assert 0.0 <= score(shaken) < score(states) <= 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "speeed"}, "did you mean 'speed'?"),
        (
            {"task": "stand", "lost_distance": 2.0},
            "lost_distance acts where the task follows",
        ),
        (
            {"task": "stand", "reward_weights": RewardWeights(tracking=0.5)},
            "reward_weights.tracking acts",
        ),
        ({"reward_weights": RewardWeights(task=0.5)}, "reward_weights.task acts with a task"),
        ({"reward_weights": RewardWeights(prior=0.5)}, "reward_weights.prior acts with a prior only"),
        (
            {"actuation": "torque", "reward_weights": RewardWeights(reach=0.5)},
            "reward_weights.reach acts under actuation 'muscle' or 'oracle' only",
        ),
        ({"control_hz": 60, "prior": PriorScore()}, "use control_hz=30 or another prior"),
        ({"task": "stand", "action_range": 0.0}, "action_range must be positive"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_config(options)


def test_weights_may_be_given_as_mappings():
    config = make_config({"weights": {"pose": 0.4}, "reward_weights": {"tracking": 0.5}})
    assert (config.weights, config.reward_weights) == (TrackWeights(pose=0.4), RewardWeights(tracking=0.5))
    with pytest.raises(ValueError, match="did you mean 'tracking'"):
        make_config({"reward_weights": {"traking": 0.5}})


def test_bad_weights_and_ranges_are_refused():
    env = make()
    with pytest.raises(ValueError, match="did you mean 'tracking'"):
        env.set_reward_weights(traking=0.5)
    with pytest.raises(ValueError, match="must be a finite number"):
        env.set_reward_weights(tracking=np.nan)
    with pytest.raises(ValueError, match=r"reward_weights\.prior acts with a prior only"):
        env.set_reward_weights(prior=0.5)
    with pytest.raises(ValueError, match=r"speed must be \(low, high\)"):
        Speed(speed=(2.0, 1.0))
    with pytest.raises(ValueError, match="hold and tolerance must be positive"):
        Heading(hold=(0.0, 1.0))
    with pytest.raises(ValueError, match="there is no motion; leave it out"):
        make(task="stand").reset(options={"phase": 0.5})


def test_every_named_task_says_what_it_is():
    assert set(TASKS) == {"track", *FREE}
    for name, task in TASKS.items():
        assert f'`task="{name}"`' in (type(task).__doc__ or "")


def test_costs_of_transport_grow_with_the_work():
    env = make(task="speed")
    env.reset(seed=0)
    joint, info, places = 0.0, {}, [env.state.joint_position[0]]
    for _ in range(5):
        _, _, _, _, info = env.step(np.full(50, 0.2, np.float32))
        joint += info["joint_work"]
        places.append(env.state.joint_position[0])
    way = np.hypot(*np.diff(places, axis=0)[:, [0, 2]].T).sum()
    assert info["way"] == pytest.approx(way)
    assert info["cost_of_transport"] == pytest.approx(joint / (env.state.weight * max(way, 0.1)))
    assert info["muscle_work"] == 0.0
    env.reset(seed=0)
    assert env.step(zero(env))[-1]["way"] < way


def test_the_way_is_that_along_the_path_and_the_cost_of_transport_counts_it():
    """3 m to the left and 4 m ahead, then 4 m back: 9 m, though the start is only 3 m away."""
    env = make(task="speed")
    env.reset(seed=0)
    offsets = ([0.0, 0.0, 0.0], [3.0, 0.2, 4.0], [3.0, -0.1, 0.0])
    states = [replace(env.state, joint_position=env.state.joint_position + offset) for offset in offsets]
    ways = [step_way(before, after) for before, after in pairwise(states)]
    assert ways == pytest.approx([5.0, 4.0])
    weight = env.state.weight
    measured = step_measures(env.state, np.array([2.0 * weight, 0.9 * weight]), sum(ways))
    assert measured["cost_of_transport"] == pytest.approx(2.0 / 9.0)
    assert measured["muscle_cost_of_transport"] == pytest.approx(0.1)
