"""Feed-forward makes the torques that inverse dynamics finds in the motion, and a body follows it better."""

from typing import Any

import numpy as np
import pytest

from musclegym.envs.feed_forward import FeedForward
from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.inverse_dynamics import inverse_dynamics

STILL = np.zeros(50, np.float32)


def make(**options: Any) -> Any:
    return MuscleHumanoidEnv(**{"actuation": "torque", **options})


def test_at_its_frames_feed_forward_is_what_inverse_dynamics_finds():
    env = make(feed_forward=True)
    found, fed = inverse_dynamics(env.body, env.motion), env.feed_forward
    for frame in (0, 7, 60, found.time.size - 1):
        np.testing.assert_allclose(fed.at(found.time[frame]), found.torque[frame, 6:], atol=1e-9)
    between = 0.25 * found.torque[7, 6:] + 0.75 * found.torque[8, 6:]
    np.testing.assert_allclose(fed.at(0.25 * found.time[7] + 0.75 * found.time[8]), between, atol=1e-9)


def test_feed_forward_of_a_cyclic_motion_repeats_and_that_of_another_one_stays_at_its_ends():
    walk, kick = make(feed_forward=True), make(feed_forward=True, motion="kick")
    duration = walk.motion.duration
    np.testing.assert_allclose(
        walk.feed_forward.at(0.4 + 3.0 * duration), walk.feed_forward.at(0.4), atol=1e-6
    )
    assert not kick.motion.cyclic
    for outside, inside in ((-1.0, 0.0), (kick.motion.duration + 1.0, kick.motion.duration)):
        np.testing.assert_array_equal(kick.feed_forward.at(outside), kick.feed_forward.at(inside))


def test_the_target_pose_moves_by_the_torque_in_the_middle_of_the_step_over_the_stiffness():
    plain, fed = make(kp=400.0), make(kp=400.0, feed_forward=True)
    for env in (plain, fed):
        env.reset(seed=0, options={"phase": 0.3})
    middle = fed.time + 0.5 / 30
    for env in (plain, fed):
        env.begin(STILL)
    moved = fed.actuator.target - plain.actuator.target
    np.testing.assert_allclose(moved[6:], fed.feed_forward.at(middle) / 400.0, atol=1e-12)
    assert (moved[:6] == 0.0).all()
    assert np.abs(moved).max() > 0.1


@pytest.mark.parametrize("actuation", ["torque", "oracle"])
def test_zero_action_follows_the_walk_more_closely_with_feed_forward(actuation: str):
    errors = {}
    for fed in (False, True):
        env = make(actuation=actuation, feed_forward=fed)
        errors[fed] = []
        for phase in (0.0, 0.25, 0.5, 0.75):
            env.reset(seed=0, options={"phase": phase})
            errors[fed] += [env.step(STILL)[4]["joint_error"] for _ in range(15)]
    assert np.mean(errors[True]) < 0.85 * np.mean(errors[False])


def test_environments_of_a_process_share_the_torques_and_another_motion_has_its_own():
    first, second = make(feed_forward=True), make(feed_forward=True)
    assert first.feed_forward._torque is second.feed_forward._torque
    second.set_motion("run")
    second.reset(seed=0)
    assert second.feed_forward.motion.name == "run"
    wanted = FeedForward(second.body, second.motion).at(0.2)
    np.testing.assert_array_equal(second.feed_forward.at(0.2), wanted)


@pytest.mark.parametrize("options", [{"task": "stand"}, {"actuation": "excitation"}])
def test_feed_forward_is_refused_where_no_target_pose_follows_a_motion(options: dict[str, Any]):
    with pytest.raises(
        ValueError, match="feed_forward acts where the task follows the motion by a target pose"
    ):
        make(feed_forward=True, **options)
