"""Dynamics against laws of mechanics and a plain Newton-Euler twin; stable PD against its closed form."""

from pathlib import Path

import numpy as np
import pytest

from musclegym.body import Body, load_body, stable_pd
from musclegym.dynamics import solve_tree
from musclegym.rotation import Array
from musclegym.skeleton import HINGE, as_floats
from tests.synthetic import random_body, random_state, write_two_bodies

STEP = 1e-4  # of the central differences [s]
BOX_INERTIA, BALL_INERTIA = 5.0, 0.5  # of `TWO_BODIES` about the axle: 12/12 (1 + 4), 2/5 x 5 x 0.25 [kg m^2]


@pytest.fixture(scope="module", params=range(4))
def body(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Body:
    return random_body(tmp_path_factory.mktemp("body"), request.param)


@pytest.fixture
def axle(tmp_path: Path) -> Body:
    return load_body(write_two_bodies(tmp_path)[0])


def world_inertia(body: Body, rotation: Array) -> Array:
    return rotation @ body.skeleton.inertia @ rotation.transpose(0, 2, 1)


def jacobians(body: Body, q: Array) -> tuple[Array, Array]:
    """Velocity of the mass centres and angular velocity per unit of each qd, both (body, 3, dof)."""
    columns = [body.kinematics(q, unit) for unit in np.eye(body.n_dofs)]
    return (
        np.stack([column.com_velocity for column in columns], axis=-1),
        np.stack([column.angular_velocity for column in columns], axis=-1),
    )


def twin_dynamics(body: Body, q: Array, qd: Array) -> tuple[Array, Array]:
    """Mass matrix and bias by Newton's and Euler's laws for each body, projected with its Jacobians."""
    now = body.kinematics(q, qd)
    after = body.kinematics(body.skeleton.integrate(q, qd, STEP), qd)
    before = body.kinematics(body.skeleton.integrate(q, qd, -STEP), qd)
    acceleration = (after.com_velocity - before.com_velocity) / (2 * STEP)
    spin = (after.angular_velocity - before.angular_velocity) / (2 * STEP)
    linear, angular = jacobians(body, q)
    inertia = world_inertia(body, now.rotation)
    force = body.skeleton.mass[:, None] * (acceleration + np.array([0.0, body.gravity, 0.0]))
    momentum = np.einsum("bij,bj->bi", inertia, now.angular_velocity)
    moment = np.einsum("bij,bj->bi", inertia, spin) + np.cross(now.angular_velocity, momentum)
    matrix = np.einsum("b,bik,bil->kl", body.skeleton.mass, linear, linear)
    matrix += np.einsum("bik,bij,bjl->kl", angular, inertia, angular)
    return matrix, np.einsum("bik,bi->k", linear, force) + np.einsum("bik,bi->k", angular, moment)


def energy(body: Body, q: Array, qd: Array) -> float:
    now, mass = body.kinematics(q, qd), body.skeleton.mass
    kinetic = 0.5 * np.sum(mass[:, None] * now.com_velocity**2)
    inertia = world_inertia(body, now.rotation)
    kinetic += 0.5 * np.einsum("bi,bij,bj", now.angular_velocity, inertia, now.angular_velocity)
    return float(kinetic + body.gravity * mass @ now.com[:, 1])


def momenta(body: Body, q: Array, qd: Array) -> tuple[Array, Array]:
    """Linear momentum, and angular momentum about the common mass centre."""
    now, mass = body.kinematics(q, qd), body.skeleton.mass
    linear = mass[:, None] * now.com_velocity
    spin = np.einsum("bij,bj->bi", world_inertia(body, now.rotation), now.angular_velocity)
    centre = mass @ now.com / mass.sum()
    return linear.sum(axis=0), (spin + np.cross(now.com - centre, linear)).sum(axis=0)


def unforced(body: Body, q: Array, qd: Array) -> Array:
    """Acceleration (dof,) under gravity alone."""
    return as_floats(np.linalg.solve(body.mass_matrix(q), -body.bias_torque(q, qd)))


def around(body: Body, q: Array, qd: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """States shortly after and before, moving freely."""
    qdd = unforced(body, q, qd)
    after = body.skeleton.integrate(q, qd, STEP), qd + STEP * qdd
    return after, (body.skeleton.integrate(q, qd, -STEP), qd - STEP * qdd)


def test_mass_matrix_and_bias_equal_the_plain_twin(body: Body):
    q, qd = random_state(body, 1)
    matrix, bias = twin_dynamics(body, q, qd)
    np.testing.assert_allclose(body.mass_matrix(q), matrix, atol=1e-11)
    np.testing.assert_allclose(body.bias_torque(q, qd), bias, atol=1e-5)


def test_mass_matrix_is_symmetric_and_positive_definite(body: Body):
    matrix = body.mass_matrix(random_state(body, 2)[0])
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix)[0] > 0.0


def test_a_free_motion_keeps_its_energy(body: Body):
    q, qd = random_state(body, 3)
    after, before = around(body, q, qd)
    assert (energy(body, *after) - energy(body, *before)) / (2 * STEP) == pytest.approx(0.0, abs=1e-4)


def test_a_free_motion_loses_momentum_to_gravity_alone(body: Body):
    q, qd = random_state(body, 4)
    (linear, angular), (linear_before, angular_before) = (
        momenta(body, *state) for state in around(body, q, qd)
    )
    weight = [0.0, -body.gravity * body.skeleton.total_mass, 0.0]
    np.testing.assert_allclose((linear - linear_before) / (2 * STEP), weight, atol=1e-4)
    np.testing.assert_allclose((angular - angular_before) / (2 * STEP), 0.0, atol=1e-4)


def test_a_body_at_rest_falls_without_bending(body: Body):
    q, _ = random_state(body, 5)
    expected = np.zeros(body.n_dofs)
    expected[3:6] = body.kinematics(q).joint_rotation[0].T @ [0.0, -body.gravity, 0.0]
    np.testing.assert_allclose(unforced(body, q, np.zeros(body.n_dofs)), expected, atol=1e-9)


def test_tree_solve_equals_the_dense_solve(body: Body):
    matrix, right = body.mass_matrix(random_state(body, 6)[0]), np.arange(1.0, body.n_dofs + 1.0)
    expected = np.linalg.solve(matrix, right)
    solve_tree(body.skeleton.tree.dof_parent, matrix.copy(), right)
    np.testing.assert_allclose(right, expected, rtol=1e-9)


def test_axle_has_the_inertia_worked_by_hand(axle: Body):
    matrix = axle.mass_matrix(np.zeros(7))
    assert matrix[6, 6] == pytest.approx(BALL_INERTIA)
    assert matrix[2, 6] == pytest.approx(BALL_INERTIA)
    assert matrix[2, 2] == pytest.approx(BOX_INERTIA + BALL_INERTIA)
    np.testing.assert_allclose(matrix[3:6, 3:6], 17.0 * np.eye(3), atol=1e-12)


def gains(value: float) -> Array:
    """A gain on the axle's hinge alone."""
    return np.array([0.0] * 6 + [value])


def test_stable_pd_on_an_axle_has_the_closed_form(axle: Body):
    reduced = BOX_INERTIA * BALL_INERTIA / (BOX_INERTIA + BALL_INERTIA)
    q, qd = gains(0.2), gains(1.5)
    torque = stable_pd(
        axle, q, qd, gains(0.7), kp=gains(300.0), kd=gains(20.0), dt=0.01, qd_target=gains(0.5)
    )
    spring = 300.0 * (0.7 - 0.2 - 0.01 * 1.5) - 20.0 * (1.5 - 0.5)
    np.testing.assert_allclose(torque, gains(spring * reduced / (reduced + 0.01 * 20.0)), rtol=1e-12)


def test_stable_pd_stays_stable_where_plain_pd_explodes(axle: Body):
    q, qd, target, dt = np.zeros(7), np.zeros(7), gains(1.0), 1 / 30
    for _ in range(300):
        torque = stable_pd(axle, q, qd, target, kp=gains(1e5), kd=gains(1e4), dt=dt)
        qd = qd + dt * np.linalg.solve(axle.mass_matrix(q), torque - axle.bias_torque(q, qd))
        qd[3:6] = 0.0  # let it spin in place
        q = axle.skeleton.integrate(q, qd, dt)
        assert np.abs(q[6]) < 1.5
    assert q[6] == pytest.approx(1.0, abs=1e-6)
    assert qd[6] == pytest.approx(0.0, abs=1e-6)


def test_stable_pd_at_its_target_and_at_rest_does_nothing(body: Body):
    weightless = Body("weightless", body.skeleton, body.muscle_set, gravity=0.0)
    q, _ = random_state(body, 7)
    torque = stable_pd(weightless, q, np.zeros(body.n_dofs), q, kp=300.0, kd=24.0, dt=1 / 600)
    np.testing.assert_allclose(torque, 0.0, atol=1e-9)


def test_stable_pd_puts_nothing_on_the_root(body: Body):
    (q, qd), (target, _) = random_state(body, 8), random_state(body, 9)
    torque = stable_pd(body, q, qd, target, kp=300.0, kd=24.0, dt=1 / 600)
    np.testing.assert_array_equal(torque[:6], 0.0)
    assert np.abs(torque[6:]).min() > 0.0


def test_stable_pd_equals_a_dense_twin(body: Body):
    (q, qd), (target, qd_target), dt = random_state(body, 10, 0.3), random_state(body, 11, 0.3), 1 / 480
    kp, kd = np.linspace(100, 400, body.n_dofs), np.linspace(10, 30, body.n_dofs)
    ahead = body.skeleton.integrate(q, qd, dt)
    error = body.skeleton.difference(ahead, target)
    turn = body.kinematics(q).joint_rotation[0].T
    error[3:6] = turn @ (target[3:6] - q[3:6]) - dt * qd[3:6]
    spring = kp * error - kd * (qd - qd_target)
    matrix = body.mass_matrix(q) + dt * np.diag(kd)
    contact = random_state(body, 12, 50.0)[1]
    expected = spring - dt * kd * np.linalg.solve(matrix, spring + contact - body.bias_torque(q, qd))
    torque = stable_pd(body, q, qd, target, kp=kp, kd=kd, dt=dt, qd_target=qd_target, contact=contact)
    np.testing.assert_allclose(torque[6:], expected[6:], rtol=1e-8, atol=1e-8)


def test_stable_pd_is_as_stiff_as_its_gains_where_contacts_hold_the_body_still(body: Body):
    (q, _), still, target = random_state(body, 13, 0.3), np.zeros(body.n_dofs), np.zeros(body.n_dofs)
    kp, error = np.full(body.n_dofs, 300.0), body.skeleton.difference(q, target)
    kp[:6] = 0.0
    contact = body.bias_torque(q, still) - kp * error  # then nothing accelerates
    torque = stable_pd(body, q, still, target, kp=kp, kd=24.5, dt=1 / 480, contact=contact)
    np.testing.assert_allclose(torque[6:], (kp * error)[6:], rtol=1e-9)


def test_stable_pd_turns_the_short_way_round(axle: Body):
    assert axle.skeleton.joint_kind[1] == HINGE
    torque = stable_pd(axle, gains(3.0), gains(0.0), gains(-3.0), kp=gains(10.0), kd=gains(0.0), dt=0.01)
    assert torque[6] == pytest.approx(10.0 * (2 * np.pi - 6.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kp": -1.0}, r"kp must not be negative, but its least is -1.0; use 0 for none"),
        ({"kd": np.ones(3)}, r"kd must be 7 finite numbers, one per DoF, but has shape \(3,\)"),
        ({"dt": 0.0}, r"dt must be positive and finite, but is 0.0; give the physics step"),
        ({"q_target": np.full(7, np.nan)}, r"q_target must be 7 finite numbers.* and 7 non-finite entries"),
        ({"qd_target": np.zeros((7, 1))}, r"qd_target must be 7 finite numbers, .* but has shape \(7, 1\)"),
        ({"contact": np.full(7, np.inf)}, r"contact must be 7 finite numbers.* and 7 non-finite entries"),
        ({"q": np.zeros(56)}, r"q must be 7 finite numbers, one per DoF, but has shape \(56,\)"),
    ],
)
def test_stable_pd_refuses_what_makes_no_sense(axle: Body, change: dict[str, object], message: str):
    good = {"q": np.zeros(7), "qd": np.zeros(7), "q_target": np.zeros(7), "kp": 1.0, "kd": 1.0, "dt": 0.01}
    with pytest.raises(ValueError, match=message):
        stable_pd(axle, **{**good, **change})  # pyright: ignore[reportArgumentType]
