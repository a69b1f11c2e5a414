"""Reward terms against their closed forms."""

from math import exp

import numpy as np
import pytest

from musclegym.envs import rewards


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
