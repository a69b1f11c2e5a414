"""Inverse dynamics of the default human, and whether its muscles can make the torques."""

import re

import numpy as np
import pytest

from musclegym.body import Body, load_body
from musclegym.inverse_dynamics import InverseDynamics, inverse_dynamics, point_jacobians
from musclegym.motion import Motion, load_motion
from musclegym.muscle.fitting import sample_poses
from musclegym.muscle.oracle import solve_activation


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


def standing(human: Body, lift: float = 0.0) -> Motion:
    """A second of standing still, or hanging in the air."""
    q = np.zeros((31, 56))
    q[:, 4] = lift
    contact = np.full((31, 2), lift == 0.0)
    return Motion(human.skeleton, "standing", q, np.zeros_like(q), 30.0, contact)


def residual_share(human: Body, result: InverseDynamics) -> float:
    """RMS of the torque that the oracle cannot make, over the RMS of the torque."""
    missing = []
    for q, torque in zip(result.q, result.torque, strict=True):
        muscles = human.muscles(q)
        made = muscles.torque_matrix @ solve_activation(muscles, torque) + muscles.passive_torque
        missing.append((made - torque)[6:])
    return float(np.sqrt(np.mean(np.square(missing)) / np.mean(np.square(result.torque[:, 6:]))))


def test_the_ground_carries_a_standing_body(human: Body):
    result = inverse_dynamics(human, standing(human))
    weight = 73.0 * 9.81
    force = result.ground_force.sum(axis=1)
    np.testing.assert_allclose(force[:, 1], weight, rtol=0.01)
    np.testing.assert_allclose(force[:, [0, 2]], 0.0, atol=0.01 * weight)
    pressure = (result.ground_force[..., 1:2] * result.ground_point).sum(axis=1) / force[:, 1:2]
    centre = np.average(human.kinematics(np.zeros(56)).com, axis=0, weights=human.skeleton.mass)
    np.testing.assert_allclose(pressure[:, [0, 2]], np.tile(centre[[0, 2]], (len(pressure), 1)), atol=0.015)


def test_nothing_pushes_a_body_in_the_air(human: Body):
    result = inverse_dynamics(human, standing(human, lift=0.5))
    np.testing.assert_allclose(result.ground_force, 0.0, atol=1.0)
    np.testing.assert_allclose(result.root_residual[:, 4], 73.0 * 9.81, rtol=0.01)


def test_ground_and_residual_together_obey_newton(human: Body):
    # All outer forces add up to mass times the acceleration of the mass centre, here from positions alone.
    result = inverse_dynamics(human, load_motion("walk", human))
    centre = np.array(
        [np.average(human.kinematics(q).com, axis=0, weights=human.skeleton.mass) for q in result.q]
    )
    step = 1.0 / 120.0
    acceleration = (centre[2:] - 2.0 * centre[1:-1] + centre[:-2]) / step**2
    outer = 73.0 * (acceleration + np.array([0.0, 9.81, 0.0]))
    root = np.array([human.kinematics(q).joint_rotation[0] for q in result.q])
    residual = np.einsum("fij,fj->fi", root, result.root_residual[:, 3:])
    force = result.ground_force.sum(axis=1) + residual
    error = np.linalg.norm(force[1:-1] - outer, axis=1)
    assert np.sqrt(np.mean(error**2)) < 0.02 * 73.0 * 9.81


def test_pushes_stay_in_the_friction_pyramid(human: Body):
    force = inverse_dynamics(human, load_motion("run", human)).ground_force
    assert (force[..., 1] >= 0.0).all()
    assert (np.abs(force[..., [0, 2]]).sum(axis=-1) <= 0.8 * force[..., 1] + 1e-6).all()


@pytest.mark.parametrize(("name", "limit"), [("walk", 0.01), ("run", 0.03)])
def test_muscles_make_the_torques_of_locomotion(human: Body, name: str, limit: float):
    assert residual_share(human, inverse_dynamics(human, load_motion(name, human))) < limit


def test_a_cut_off_beyond_the_sampling_is_refused(human: Body):
    with pytest.raises(ValueError, match=re.escape("cutoff must be between 0 and 60.0 Hz, but is 90.0")):
        inverse_dynamics(human, standing(human), cutoff=90.0)


def test_jacobians_of_the_soles_are_their_derivatives(human: Body):
    pose, step = sample_poses(human.skeleton, seed=2)[-1], 1e-6
    jacobian = point_jacobians(human, pose, human.sole_points(pose))
    for dof, velocity in enumerate(np.eye(56)):
        after = human.sole_points(human.skeleton.integrate(pose, velocity, step))
        before = human.sole_points(human.skeleton.integrate(pose, velocity, -step))
        np.testing.assert_allclose(jacobian[..., dof], (after - before) / (2.0 * step), atol=1e-8)
