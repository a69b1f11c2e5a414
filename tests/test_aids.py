"""Training aids help while they are on, and an environment that has just been made has none."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from musclegym.envs.aids import LARGEST
from musclegym.envs.humanoid import MuscleHumanoidEnv

STILL = np.zeros(50, np.float32)


def make(**options) -> MuscleHumanoidEnv:
    return MuscleHumanoidEnv(**{"actuation": "torque", **options})


def name_of(env: MuscleHumanoidEnv) -> str:
    assert env.motion is not None
    return env.motion.name


def steps_upright(env: MuscleHumanoidEnv, most: int) -> int:
    for step in range(most):
        if env.step(STILL)[2]:
            return step
    return most


def test_full_assistance_keeps_zero_action_walking_and_none_does_not():
    env = make()
    env.reset(seed=0, options={"phase": 0.2})
    assert steps_upright(env, 90) < 45
    env.set_assistance(1.0)
    env.reset(seed=0, options={"phase": 0.2})
    assert steps_upright(env, 90) == 90
    env.set_assistance(0.0)
    env.reset(seed=0, options={"phase": 0.2})
    assert steps_upright(env, 90) < 45


def test_no_assistance_moves_bit_by_bit_as_an_environment_that_never_had_any():
    env, fresh = make(), make()
    env.set_assistance(0.7)
    env.reset(seed=3)
    env.step(STILL)
    env.set_assistance(0.0)
    for one in (env, fresh):
        one.reset(seed=5)
    for _ in range(5):
        assert (env.step(STILL)[0] == fresh.step(STILL)[0]).all()


def test_unlimited_reserve_moves_as_stable_pd_torques_and_leaves_the_residual_to_the_muscles():
    # Where muscles are updated at every physics step, what they miss is all that differs.
    by_torque, by_muscle = make(motion="run"), make(motion="run", actuation="oracle", muscle_hz=480)
    by_muscle.set_reserve(1e4)
    missed = []
    for env in (by_torque, by_muscle):
        env.reset(seed=0, options={"phase": 0.1})
    for _ in range(8):
        by_torque.step(STILL)
        missed.append(by_muscle.step(STILL)[4]["torque_residual"])
        for name in ("q", "qd"):
            np.testing.assert_allclose(
                getattr(by_muscle.state, name), getattr(by_torque.state, name), rtol=0.0, atol=1e-6
            )
    assert max(missed) > 1.0


def test_reserve_makes_what_the_muscles_miss_up_to_its_limit():
    env = make(motion="run", actuation="oracle", muscle_hz=480)
    env.set_reserve(5.0)
    env.reset(seed=0, options={"phase": 0.1})
    stage, largest = env.actuator.stage, 0.0
    for _ in range(8):
        env.step(STILL)
        missed = (stage.wanted - stage.activity.made)[6:]
        np.testing.assert_allclose(stage.reserve[6:], np.clip(missed, -5.0, 5.0), rtol=1e-12)
        assert (stage.reserve[:6] == 0.0).all()
        largest = max(largest, float(np.abs(missed).max()))
    assert largest > 5.0


def test_no_reserve_moves_bit_by_bit_as_an_environment_that_never_had_any():
    env, fresh = make(actuation="muscle", motion="run"), make(actuation="muscle", motion="run")
    env.set_reserve(100.0)
    env.reset(seed=3)
    env.step(STILL)
    env.set_reserve(0.0)
    for one in (env, fresh):
        one.reset(seed=5)
    for _ in range(5):
        assert (env.step(STILL)[0] == fresh.step(STILL)[0]).all()


@pytest.mark.parametrize("actuation", ["torque", "excitation", "muscle_length"])
def test_reserve_is_refused_where_no_torque_is_wanted_of_muscles(actuation: str):
    with pytest.raises(ValueError, match="use 'muscle' or 'oracle'"):
        make(actuation=actuation).set_reserve(0.5)


@pytest.mark.parametrize("limit", [-1.0, np.inf, np.nan])
def test_a_reserve_that_is_no_torque_is_refused(limit: float):
    with pytest.raises(ValueError, match="finite, not negative"):
        make(actuation="muscle").set_reserve(limit)


def test_a_body_on_its_motion_is_not_pushed_and_one_far_away_by_the_largest_force(monkeypatch):
    env = make()
    env.reset(seed=0, options={"phase": 0.2})
    forces = {}
    monkeypatch.setattr(
        env.simulation, "support", lambda bodies, given: forces.update(zip(bodies, given, strict=True))
    )
    env.set_assistance(0.5)
    place = env.body.kinematics(env.state.q, env.state.qd)
    env.aids.support(env.simulation, env.state, place)
    assert np.abs(list(forces.values())).max() < 1e-6
    shifted = env.state.q.copy()
    shifted[3] += 10.0
    env.aids.support(env.simulation, env.state, env.body.kinematics(shifted, env.state.qd))
    for force in forces.values():
        assert np.linalg.norm(force) == pytest.approx(0.5 * LARGEST)
        assert force[0] > 0.49 * LARGEST


def test_start_phases_fall_into_the_bins_that_have_weight():
    env = make()
    env.set_start_phases([0.0, 3.0, 0.0, 1.0])
    phases = np.array([env.reset(seed=seed)[1]["phase"] for seed in range(200)])
    assert set((4.0 * phases).astype(int)) == {1, 3}
    assert np.mean(phases < 0.5) == pytest.approx(0.75, abs=0.12)
    env.set_start_phases(None)
    assert [env.reset(seed=1)[1]["phase"]] == [make().reset(seed=1)[1]["phase"]]


def test_narrower_limits_end_episodes_earlier_and_none_returns_to_the_options():
    env = make()
    env.reset(seed=0, options={"phase": 0.2})
    usual = steps_upright(env, 90)
    env.set_limits(fall_drop=0.05)
    env.reset(seed=0, options={"phase": 0.2})
    assert steps_upright(env, 90) < usual
    env.set_limits(lost_distance=0.01)
    env.reset(seed=0, options={"phase": 0.2})
    assert steps_upright(env, 90) < usual // 2
    env.set_limits()
    env.reset(seed=0, options={"phase": 0.2})
    assert steps_upright(env, 90) == usual


def test_another_motion_is_followed_from_the_next_reset_on():
    env, running = make(), make(motion="run")
    env.reset(seed=0)
    env.set_motion("run")
    assert name_of(env) == "walk"
    env.reset(seed=1)
    running.reset(seed=1)
    assert name_of(env) == name_of(running) == "run"
    assert (env.step(STILL)[0] == running.step(STILL)[0]).all()


def test_members_of_a_vector_environment_can_be_aided_one_by_one():
    envs: Any = gym.make_vec("MuscleHumanoid-v0", num_envs=2, actuation="torque")
    envs.call_some([1], "set_motion", "run")
    envs.reset(seed=0)
    assert [motion.name for motion in envs.get_attr("motion")] == ["walk", "run"]
    envs.close()


@pytest.mark.parametrize(
    ("aid", "value", "words"),
    [
        ("set_assistance", 1.5, r"lie in \[0, 1\]"),
        ("set_start_phases", [0.0, 0.0], "one positive"),
        ("set_start_phases", [1.0, -1.0], "none negative"),
        ("set_limits", -0.1, "must be positive"),
    ],
)
def test_an_aid_that_makes_no_sense_is_refused(aid: str, value, words: str):
    env = make()
    with pytest.raises(ValueError, match=words):
        getattr(env, aid)(value)


def test_tasks_that_follow_no_motion_have_no_aids_of_following():
    env = make(task="stand")
    for call in (lambda: env.set_assistance(0.5), lambda: env.set_motion("run")):
        with pytest.raises(ValueError, match="follow a motion"):
            call()
