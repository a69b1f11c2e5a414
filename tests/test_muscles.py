"""Muscles: the curves' closed forms, virtual work, and a plain twin of the torque matrix."""

from collections.abc import Callable
from dataclasses import replace
from math import cos, exp, hypot, sin
from pathlib import Path

import numpy as np
import pytest

from musclegym.body import Body, load_body
from musclegym.muscle.hill import active_force_length, fibre_geometry, passive_force_length
from musclegym.muscle.path import MuscleSet
from musclegym.muscle.transmission import activation_torque, make_muscle_buffers, muscle_torques
from musclegym.rotation import Array
from tests.synthetic import random_body, random_state, write_two_bodies

STEP = 1e-5  # of the central differences
SMALL_ARM = 1e-3  # columns with moment arms below this are compared to it [m]
BODIES = (*(f"random {seed}" for seed in range(6)), "human", "mass")


@pytest.fixture(scope="module", params=BODIES)
def body(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Body:
    if request.param == "human":
        return load_body("human")
    if request.param == "mass":
        motion_data: Callable[[str], Path] = request.getfixturevalue("motion_data")
        folder = motion_data("mass")
        return load_body(next(folder.rglob("human.xml")), muscles=next(folder.rglob("muscle284.xml")))
    return random_body(tmp_path_factory.mktemp("body"), int(request.param.split()[1]))


@pytest.fixture
def two(tmp_path: Path) -> Body:
    skeleton, muscles = write_two_bodies(tmp_path)
    return load_body(skeleton, muscles=muscles)


def length_gradient(body: Body, q: Array) -> Array:
    """Derivative of the path lengths by each qd, by central differences, shape (dof, muscle) [m/rad]."""
    rows = []
    for unit in np.eye(body.n_dofs):
        ends = [body.muscles(body.skeleton.integrate(q, unit, step)).path_length for step in (STEP, -STEP)]
        rows.append((ends[0] - ends[1]) / (2 * STEP))
    return np.array(rows)


def unit_torques(body: Body, q: Array) -> Array:
    """Torque of unit tension in each muscle, from plain Jacobians of its waypoints, (dof, muscle) [m]."""
    muscles, now = body.muscle_set, body.muscles(q)
    columns = [body.kinematics(q, unit) for unit in np.eye(body.n_dofs)]
    place = body.kinematics(q)
    torque = np.zeros((body.n_dofs, body.n_muscles))
    for muscle in range(body.n_muscles):
        start, stop = muscles.waypoint_start[muscle : muscle + 2]
        way = np.diff(now.waypoints[start:stop], axis=0)
        way = way / np.linalg.norm(way, axis=1, keepdims=True)
        pull = np.vstack([way, np.zeros(3)]) - np.vstack([np.zeros(3), way])
        for waypoint, force in zip(range(start, stop), pull, strict=True):
            for carrier, weight, local in zip(
                muscles.waypoint_body[waypoint],
                muscles.waypoint_weight[waypoint],
                muscles.waypoint_position[waypoint],
                strict=True,
            ):
                if carrier >= 0:
                    arm = (
                        place.joint_position[carrier]
                        + place.joint_rotation[carrier] @ local
                        - place.com[carrier]
                    )
                    moved = [
                        c.com_velocity[carrier] + np.cross(c.angular_velocity[carrier], arm) for c in columns
                    ]
                    torque[:, muscle] += weight * np.array(moved) @ force
    return torque


def test_torque_is_minus_force_times_length_gradient(body: Body):
    """The principle of virtual work, for every muscle; by the root's rows muscles cannot lift their owner."""
    for pose in range(20):
        q, _ = random_state(body, pose)
        now = body.muscles(q)
        expected = -now.active_force * length_gradient(body, q)
        size = np.maximum(np.abs(now.torque_matrix).max(axis=0), SMALL_ARM * now.active_force)
        assert (np.abs(now.torque_matrix - expected) <= 1e-5 * size).all()
        np.testing.assert_array_equal(now.torque_matrix[:6], 0.0)
        arms = np.divide(
            now.torque_matrix, now.active_force, where=now.active_force > 0, out=np.zeros_like(expected)
        )
        np.testing.assert_allclose(
            now.passive_torque, arms @ now.passive_force, atol=1e-9 * now.passive_force.sum()
        )
        np.testing.assert_array_equal(now.passive_torque[:6], 0.0)


def test_torque_matrix_equals_the_plain_twin_with_no_force_on_the_root(body: Body):
    q, _ = random_state(body, 21)
    now, twin = body.muscles(q), unit_torques(body, q)
    np.testing.assert_allclose(
        now.torque_matrix, now.active_force * twin, rtol=0, atol=1e-11 * now.active_force.max()
    )
    np.testing.assert_allclose(twin[:6], 0.0, atol=1e-12)


def test_path_velocity_is_the_rate_of_the_path_length(body: Body):
    q, qd = random_state(body, 22)
    ends = [body.muscles(body.skeleton.integrate(q, qd, step)).path_length for step in (STEP, -STEP)]
    np.testing.assert_allclose(body.muscles(q, qd).path_velocity, (ends[0] - ends[1]) / (2 * STEP), atol=1e-7)
    np.testing.assert_array_equal(body.muscles(q).path_velocity, 0.0)


def test_activation_torque_sums_columns_and_passive_torque(body: Body):
    q, _ = random_state(body, 23)
    now, place = body.muscles(q), body._dynamics(q, np.zeros(body.n_dofs))
    activation = np.random.default_rng(0).random(body.n_muscles)
    buffers, out = make_muscle_buffers(body.paths, body.n_dofs), np.empty(body.n_dofs)
    muscle_torques(
        body.skeleton.tree,
        body.paths,
        place.rotation,
        place.position,
        place.axis,
        np.zeros(body.n_dofs),
        buffers,
    )
    activation_torque(body.skeleton.tree, body.paths, activation, buffers, out)
    expected = now.torque_matrix @ activation + now.passive_torque
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-9 * (1 + np.abs(expected).max()))


def test_turned_dofs_are_where_torque_can_be(body: Body):
    dofs, muscles = body.muscle_set.turned_dofs(body.skeleton)
    possible = np.zeros((body.n_dofs, body.n_muscles), dtype=bool)
    possible[dofs, muscles] = True
    assert not body.muscles(random_state(body, 24)[0]).torque_matrix[~possible].any()


def test_moving_the_whole_body_changes_no_muscle(body: Body):
    q, _ = random_state(body, 25)
    moved = body.skeleton.integrate(q, np.r_[0.4, -1.0, 0.3, 1.0, 2.0, -3.0, np.zeros(body.n_dofs - 6)], 1.0)
    here, there = body.muscles(q), body.muscles(moved)
    np.testing.assert_allclose(there.path_length, here.path_length, rtol=1e-12)
    np.testing.assert_allclose(there.torque_matrix, here.torque_matrix, atol=1e-8 * here.active_force.max())


def test_mass_transmission_breaks_virtual_work_at_blended_waypoints_only(tmp_path: Path):
    skeleton, muscles = write_two_bodies(tmp_path)
    wrong = load_body(skeleton, muscles=muscles, transmission="mass")
    q = np.array([0.0, 0, 0, 0, 0, 0, 0.5])
    now = wrong.muscles(q)
    off = np.abs(now.torque_matrix + now.active_force * length_gradient(wrong, q))[6] / now.active_force
    assert off[0] < 1e-9
    assert off[1] > 1e-4


def test_hand_made_muscle_pulls_with_its_moment_arm(two: Body):
    """From (0.3, 1) to (0.3, 1.4) about an axle through (0, 1): 0.4 m long, arm 0.3 m, turns backwards."""
    now = two.muscles(np.zeros(7))
    assert now.path_length[0] == pytest.approx(0.4, abs=1e-7)
    assert now.fibre_length[0] == pytest.approx(1.0, abs=1e-6)
    assert now.active_force[0] == pytest.approx(100.0)
    assert now.torque_matrix[6, 0] == pytest.approx(-30.0, abs=1e-4)
    assert now.length.tolist() == [1.0, 1.0]


def test_muscle_with_both_ends_on_one_body_turns_nothing(tmp_path: Path):
    text = """<Muscle><Unit name="idle" f0="100" lm="1" lt="0">
        <Waypoint body="Trunk" p="0 1 0"/><Waypoint body="Trunk" p="0 1 0.5"/></Unit></Muscle>"""
    skeleton, muscles = write_two_bodies(tmp_path, muscles=text)
    body = load_body(skeleton, muscles=muscles)
    now = body.muscles([0, 0, 0, 0, 0, 0, 1.0])
    assert body.paths.chain_body.size == 0
    assert now.active_force[0] == pytest.approx(100.0)
    np.testing.assert_array_equal(now.torque_matrix, 0.0)


def test_coincident_waypoints_pull_in_no_direction(tmp_path: Path):
    text = """<Muscle><Unit name="doubled" f0="100" lm="0.5" lt="0.5">
        <Waypoint body="Trunk" p="0.3 1 1"/><Waypoint body="Arm" p="0.3 1.4 1"/>
        <Waypoint body="Arm" p="0.3 1.4 1"/></Unit></Muscle>"""
    skeleton, muscles = write_two_bodies(tmp_path, muscles=text)
    now = load_body(skeleton, muscles=muscles).muscles(np.zeros(7), np.ones(7))
    assert now.torque_matrix[6, 0] == pytest.approx(-30.0, abs=1e-4)
    assert now.path_velocity[0] == pytest.approx(0.3, abs=1e-6)


def test_body_without_muscles_has_empty_arrays(tmp_path: Path):
    body = load_body(write_two_bodies(tmp_path)[0])
    now = body.muscles(np.zeros(7), np.ones(7))
    assert body.muscle_names == ()
    assert now.torque_matrix.shape == (7, 0)
    assert now.path_velocity.shape == now.length.shape == (0,)
    np.testing.assert_array_equal(now.passive_torque, np.zeros(7))


def test_strength_scales_forces_and_nothing_else(tmp_path: Path):
    skeleton, muscles = write_two_bodies(tmp_path)
    weak, strong = (load_body(skeleton, muscles=muscles, strength=s).muscles(np.zeros(7)) for s in (1.0, 2.5))
    np.testing.assert_allclose(strong.torque_matrix, 2.5 * weak.torque_matrix)
    np.testing.assert_array_equal(strong.fibre_length, weak.fibre_length)


def test_hash_tells_bodies_apart(two: Body):
    same = Body("another name", two.skeleton, two.muscle_set, two.gravity)
    stronger = replace(two, muscle_set=two.muscle_set.with_strength(1.1))
    heavier = replace(two, skeleton=replace(two.skeleton, mass=two.skeleton.mass * 1.1))
    assert two.hash == same.hash
    assert len({two.hash, stronger.hash, heavier.hash}) == 3
    assert two.skeleton_hash == stronger.skeleton_hash != heavier.skeleton_hash
    assert replace(two, muscle_set=MuscleSet.none()).hash != two.hash


@pytest.mark.parametrize(
    ("figure", "value", "message"),
    [
        ("max_isometric_force", -1.0, "max_isometric_force of every muscle must be positive and finite"),
        ("optimal_fibre_length", np.nan, "optimal_fibre_length of every muscle must be positive and finite"),
        ("tendon_slack_length", np.inf, "tendon_slack_length of every muscle must be finite"),
        ("pennation_angle", 1.5, r"pennation_angle of every muscle must be in \[0, 1.4\) rad"),
    ],
)
def test_impossible_muscles_are_refused_by_name(two: Body, figure: str, value: float, message: str):
    with pytest.raises(ValueError, match=f"{message}.*, but 'blended' has {value}; correct it"):
        replace(two.muscle_set, **{figure: np.array([0.5, value])})


def test_active_force_peaks_at_optimal_length_and_falls_like_a_gaussian():
    assert active_force_length(1.0) == 1.0
    assert active_force_length(0.5) == pytest.approx(exp(-0.5))
    assert active_force_length(1.5) == pytest.approx(exp(-0.5))


def test_passive_force_begins_at_optimal_length_and_is_one_at_sixty_percent_strain():
    assert passive_force_length(0.7) == 0.0
    assert passive_force_length(1.0) == 0.0
    assert passive_force_length(1.3) == pytest.approx((exp(2) - 1) / (exp(4) - 1))
    assert passive_force_length(1.6) == pytest.approx(1.0)


def test_fibres_keep_their_thickness_as_they_shorten():
    assert fibre_geometry(0.3, 0.1, 0.2, 0.0) == pytest.approx((1.0, 1.0))
    at_optimum = fibre_geometry(0.2 + 0.1 * cos(0.5), 0.1, 0.2, 0.5)
    assert at_optimum == pytest.approx((1.0, cos(0.5)))
    across = 0.1 * sin(0.5)
    length = hypot(0.05, across)
    assert fibre_geometry(0.25, 0.1, 0.2, 0.5) == pytest.approx((length / 0.1, 0.05 / length))


def test_pennate_muscle_shorter_than_its_tendon_does_not_push():
    assert fibre_geometry(0.19, 0.1, 0.2, 0.5)[1] == 0.0
