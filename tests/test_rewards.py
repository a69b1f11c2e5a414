"""Reward terms against their closed forms."""

from dataclasses import asdict, replace
from math import exp
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from musclegym.envs import rewards
from musclegym.envs.config import TrackWeights
from musclegym.envs.tracking import tracking_terms


def test_terms_are_one_without_error():
    zero = np.zeros(3)
    assert rewards.pose_match(zero) == 1.0
    assert rewards.velocity_match(zero) == 1.0
    assert rewards.end_effector_match(np.zeros((5, 3))) == 1.0
    assert rewards.root_match(zero, zero, zero, zero) == 1.0
    assert rewards.com_match(zero) == 1.0


def test_terms_fall_as_deepmimic_says():
    assert rewards.pose_match(np.array([0.3, 0.4])) == pytest.approx(exp(-2.0 * 0.25))
    assert rewards.velocity_match(np.array([3.0, 4.0])) == pytest.approx(exp(-0.1 * 25.0))
    apart = np.array([[0.1, 0.0, 0.0], [0.0, 0.2, 0.0]])
    assert rewards.end_effector_match(apart) == pytest.approx(exp(-40.0 * 0.05))
    assert rewards.com_match(np.array([0.0, 0.0, 2.0])) == pytest.approx(exp(-4.0))


def test_each_error_of_the_root_counts_with_its_own_weight():
    unit, zero = np.array([1.0, 0.0, 0.0]), np.zeros(3)
    weights = [1.0, 0.1, 0.01, 0.001]
    for place, weight in enumerate(weights):
        a, b, c, d = (unit if place == other else zero for other in range(4))
        assert rewards.root_match(a, b, c, d) == pytest.approx(exp(-5.0 * weight))


@pytest.fixture(scope="module")
def body_on_the_motion():
    """An environment whose body is exactly where its motion is."""
    environment = gym.make("MuscleHumanoid-v0", actuation="torque")
    environment.reset(seed=0, options={"phase": 0.3})
    yield environment.unwrapped
    environment.close()


def terms_after(env: Any, weights: TrackWeights, pose: Any = None, velocity: Any = None) -> dict[str, float]:
    """Return the terms when the motion has moved away from the body by some coordinates."""
    q, qd = (values.copy() for values in env.reference.at(env.time))
    for values, change in ((q, pose), (qd, velocity)):
        for place, by in (change or {}).items():
            values[place if isinstance(place, int) else env.body.dof_names.index(place)] += by
    return tracking_terms(env.state, q, qd, env.body.kinematics(q, qd), weights)


MISSES: dict[str, tuple[dict, dict, dict[str, float]]] = {
    # what is missed, in pose and in velocity -> the factors on the terms that see it; all others see nothing
    "joint velocity": ({}, {"FootThumbL": 3.0}, {"velocity": exp(-0.1 * 9.0)}),
    "place": ({3: 0.2}, {}, {"root": exp(-5.0 * 0.04)}),
    "speed": ({}, {5: 0.5}, {"root": exp(-5.0 * 0.01 * 0.25), "com": exp(-0.25)}),
}


@pytest.mark.parametrize("miss", MISSES)
def test_a_miss_lowers_the_terms_that_see_it_as_deepmimic_says_and_no_others(body_on_the_motion, miss: str):
    pose, velocity, factors = MISSES[miss]
    weights = TrackWeights()
    terms = terms_after(body_on_the_motion, weights, pose, velocity)
    for name, weight in asdict(weights).items():
        assert terms[name] == pytest.approx(weight * factors.get(name, 1.0), rel=2e-3), name


def test_a_bent_elbow_is_seen_by_the_pose_and_by_the_hand(body_on_the_motion):
    weights = TrackWeights()
    terms = terms_after(body_on_the_motion, weights, {"ForeArmL": 0.3})
    assert terms["pose"] == pytest.approx(weights.pose * exp(-2.0 * 0.09), rel=1e-6)
    assert terms["end_effector"] < 0.95 * weights.end_effector
    assert terms["root"] == pytest.approx(weights.root, rel=1e-6)


@pytest.mark.parametrize("name", asdict(TrackWeights()))
def test_each_weight_scales_its_own_term_alone(body_on_the_motion, name: str):
    weights, miss = TrackWeights(), dict.fromkeys(range(3, 56), 0.1)
    terms = terms_after(body_on_the_motion, weights, miss, miss)
    twice = terms_after(
        body_on_the_motion, replace(weights, **{name: 2.0 * getattr(weights, name)}), miss, miss
    )
    assert twice == pytest.approx({**terms, name: 2.0 * terms[name]})
    assert 0.0 < terms[name] < getattr(weights, name)
