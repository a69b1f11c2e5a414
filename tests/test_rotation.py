"""Rotations: the kernels equal scipy's and keep their accuracy at the ends of their range."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.rotation import (
    Array,
    matrix_from_quaternion,
    quaternion_from_matrix,
    relative_vector,
    rotation_about_axis,
    rotation_from_vector,
    vector_from_rotation,
)

AXIS = np.array([2.0, -1.0, 2.0]) / 3.0
ANGLES = (0.0, 1e-12, 1e-7, 0.99e-4, 1.01e-4, 0.3, np.pi / 2, 3.0, np.pi - 1e-9)


def exponential(vector: Array) -> Array:
    out = np.empty((3, 3))
    rotation_from_vector(vector[0], vector[1], vector[2], out)
    return out


def logarithm(matrix: Array) -> Array:
    out = np.empty(3)
    vector_from_rotation(matrix, out)
    return out


@pytest.mark.parametrize("angle", [*ANGLES, 4.0, 7.0])
def test_exponential_equals_scipy(angle: float):
    expected = Rotation.from_rotvec(angle * AXIS).as_matrix()
    np.testing.assert_allclose(exponential(angle * AXIS), expected, atol=1e-15)


@pytest.mark.parametrize("angle", ANGLES)
def test_logarithm_undoes_the_exponential(angle: float):
    back = logarithm(exponential(angle * AXIS))
    np.testing.assert_allclose(back, angle * AXIS, rtol=1e-9, atol=1e-15 + 1e-7 * (angle > 3.1))


def test_logarithm_takes_the_short_way():
    np.testing.assert_allclose(logarithm(exponential((2 * np.pi - 0.5) * AXIS)), -0.5 * AXIS, atol=1e-12)


@pytest.mark.parametrize("axis", np.eye(3))
def test_half_turns_about_the_axes_have_length_pi(axis: Array):
    np.testing.assert_allclose(np.abs(logarithm(np.diag(2.0 * axis - 1.0))), np.pi * axis, atol=1e-12)


def test_quarter_turn_about_x_takes_y_to_z():
    out = np.empty((3, 3))
    rotation_about_axis(np.array([1.0, 0.0, 0.0]), np.pi / 2, out)
    np.testing.assert_allclose(out @ [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], atol=1e-15)


@pytest.mark.parametrize("seed", range(20))
def test_quaternions_equal_scipys_and_have_positive_w(seed: int):
    rotation = Rotation.random(None, np.random.default_rng(seed))
    quaternion, matrix = np.empty(4), np.empty((3, 3))
    quaternion_from_matrix(rotation.as_matrix(), quaternion)
    matrix_from_quaternion(quaternion[0], quaternion[1], quaternion[2], quaternion[3], matrix)
    np.testing.assert_allclose(quaternion, rotation.as_quat(canonical=True), atol=1e-14)
    np.testing.assert_allclose(matrix, rotation.as_matrix(), atol=1e-14)


def test_relative_vector_leads_from_the_first_to_the_second():
    first, second = Rotation.random(2, np.random.default_rng(0))
    out = np.empty(3)
    relative_vector(first.as_matrix(), second.as_matrix(), np.empty((3, 3)), out)
    np.testing.assert_allclose(
        (first * Rotation.from_rotvec(out)).as_matrix(), second.as_matrix(), atol=1e-14
    )
