"""The skeleton: layout, group operations and kinematics against a plain twin."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.body import Body, load_body
from musclegym.rotation import Array
from musclegym.skeleton import FREE, HINGE, Skeleton
from tests.synthetic import random_body, random_state, write_two_bodies

SEEDS = range(6)


@pytest.fixture(scope="module", params=SEEDS)
def body(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Body:
    return random_body(tmp_path_factory.mktemp("body"), request.param)


@pytest.fixture
def skeleton(tmp_path: Path) -> Skeleton:
    return load_body(write_two_bodies(tmp_path)[0]).skeleton


def twin_places(skeleton: Skeleton, q: Array) -> tuple[list[Array], list[Array]]:
    """Orientation of the joint frames and joint positions, by the definition of the coordinates."""
    rotations, positions = [], []
    for body, parent in enumerate(skeleton.parent):
        at, frame = skeleton.dof_start[body], skeleton.joint_rotation[body]
        if skeleton.joint_kind[body] == HINGE:
            own = Rotation.from_rotvec(q[at] * skeleton.joint_axis[body]).as_matrix()
        else:
            own = Rotation.from_rotvec(q[at : at + 3]).as_matrix()
        if parent < 0:
            rotations.append(frame @ own)
            positions.append(skeleton.joint_position[body] + q[3:6])
        else:
            carried = rotations[parent] @ skeleton.joint_rotation[parent].T
            rotations.append(carried @ frame @ own)
            arm = skeleton.joint_position[body] - skeleton.joint_position[parent]
            positions.append(positions[parent] + carried @ arm)
    return rotations, positions


def test_kinematics_equal_the_plain_twin(body: Body):
    q, _ = random_state(body, 1)
    kinematics = body.kinematics(q)
    rotations, positions = twin_places(body.skeleton, q)
    np.testing.assert_allclose(kinematics.joint_rotation, rotations, atol=1e-13)
    np.testing.assert_allclose(kinematics.joint_position, positions, atol=1e-13)
    for index, (rotation, position) in enumerate(zip(rotations, positions, strict=True)):
        carried = rotation @ body.skeleton.joint_rotation[index].T
        arm = body.skeleton.com[index] - body.skeleton.joint_position[index]
        np.testing.assert_allclose(kinematics.com[index], position + carried @ arm, atol=1e-13)
        np.testing.assert_allclose(
            kinematics.rotation[index], carried @ body.skeleton.body_rotation[index], atol=1e-13
        )


def test_rest_pose_is_the_file(body: Body):
    kinematics = body.kinematics(np.zeros(body.n_dofs))
    np.testing.assert_allclose(kinematics.com, body.skeleton.com, atol=1e-14)
    np.testing.assert_allclose(kinematics.rotation, body.skeleton.body_rotation, atol=1e-14)
    np.testing.assert_allclose(kinematics.joint_position, body.skeleton.joint_position, atol=1e-14)


def test_velocities_of_bodies_are_derivatives_of_their_places(body: Body):
    (q, qd), step = random_state(body, 2), 1e-5
    now = body.kinematics(q, qd)
    after = body.kinematics(body.skeleton.integrate(q, qd, step))
    before = body.kinematics(body.skeleton.integrate(q, qd, -step))
    np.testing.assert_allclose(now.com_velocity, (after.com - before.com) / (2 * step), atol=1e-8)
    turn = Rotation.from_matrix(after.rotation) * Rotation.from_matrix(before.rotation).inv()
    np.testing.assert_allclose(now.angular_velocity, turn.as_rotvec() / (2 * step), atol=1e-8)


def test_difference_undoes_integrate(body: Body):
    q, qd = random_state(body, 3)
    there = body.skeleton.integrate(q, qd, 1.0)
    np.testing.assert_allclose(body.skeleton.difference(q, there), qd, atol=1e-12)


def test_integrate_by_zero_stays_and_halves_compose(body: Body):
    q, qd = random_state(body, 4)
    np.testing.assert_allclose(body.skeleton.integrate(q, qd, 0.0), q, atol=1e-12)
    qd[3:6] = 0.0  # the root's linear velocity turns with the root
    half = body.skeleton.integrate(q, qd, 0.5)
    whole = body.skeleton.integrate(q, qd, 1.0)
    twice = body.skeleton.integrate(half, qd, 0.5)
    np.testing.assert_allclose(body.skeleton.difference(twice, whole), 0.0, atol=1e-12)


def test_difference_from_a_pose_to_itself_is_zero(body: Body):
    q, _ = random_state(body, 5)
    np.testing.assert_allclose(body.skeleton.difference(q, q), 0.0, atol=1e-12)


def test_velocities_of_a_steady_motion_are_steady(body: Body):
    q, qd = random_state(body, 6)
    qd[3:6] = 0.0
    frames = np.array([body.skeleton.integrate(q, qd, frame / 30.0) for frame in range(5)])
    np.testing.assert_allclose(body.skeleton.velocities(frames, 30.0), np.tile(qd, (5, 1)), atol=1e-10)


def test_velocities_of_a_thrown_root_are_exact_inside_and_one_sided_at_the_ends(skeleton: Skeleton):
    time = np.arange(4) / 10.0
    q = np.zeros((4, 7))
    q[:, 4] = 2.0 * time - 5.0 * time**2
    q[:, 6] = 3.0 * time
    qd = skeleton.velocities(q, 10.0)
    np.testing.assert_allclose(qd[:, 4], [1.5, 1.0, 0.0, -0.5], atol=1e-12)
    np.testing.assert_allclose(qd[:, 6], 3.0, atol=1e-12)


def test_linear_velocity_of_the_root_lies_in_its_own_frame(skeleton: Skeleton):
    q = np.zeros(7)
    q[1] = np.pi / 2  # z of the root now points along x of the world
    qd = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    np.testing.assert_allclose(skeleton.integrate(q, qd, 2.0)[3:6], [2.0, 0.0, 0.0], atol=1e-14)


def test_layout_names_each_degree_of_freedom(skeleton: Skeleton):
    root = [f"Trunk_{part}_{axis}" for part in ("rot", "pos") for axis in "xyz"]
    assert skeleton.dof_names == (*root, "Arm")
    assert skeleton.dof_start.tolist() == [0, 6]
    assert skeleton.dof_body.tolist() == [0] * 6 + [1]
    assert skeleton.tree.dof_parent.tolist() == [-1, 0, 1, 2, 3, 4, 5]
    assert skeleton.total_mass == 17.0


def test_body_is_found_by_name_and_refused_with_the_list(skeleton: Skeleton):
    assert skeleton.body("Arm") == 1
    with pytest.raises(ValueError, match="no body is called 'Leg'; the bodies are Trunk, Arm"):
        skeleton.body("Leg")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parent": np.array([1, -1])}, "body 0 ('Trunk') has parent index 1; list the root first"),
        ({"parent": np.array([-1, -1])}, "body 1 ('Arm') has parent index -1"),
        ({"joint_kind": np.array([FREE, FREE])}, "moves freely, but body 1 ('Arm') has joint kind 0"),
        (
            {"mass": np.array([1.0, 0.0])},
            "mass of every body must be positive and finite [kg], but 'Arm' has 0.0",
        ),
        (
            {"joint_axis": np.zeros((2, 3))},
            "joint_axis of every body must be of unit length on a hinge, but 'Arm'",
        ),
        ({"size": -np.ones((2, 3))}, "size of every body must be positive [m], but 'Trunk' has"),
        (
            {"inertia": np.zeros((2, 3, 3))},
            "inertia of every body must be positive definite [kg m^2], but 'Trunk'",
        ),
        (
            {"upper": np.full(7, -2.0)},
            "upper of every body must be no less than `lower` [rad], but 'Arm' has [-2.]",
        ),
    ],
)
def test_impossible_skeletons_are_refused(skeleton: Skeleton, change: dict[str, Any], message: str):
    if "upper" in change:
        change = {"upper": np.where(np.isfinite(skeleton.lower), change["upper"], np.inf)}
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(skeleton, **change)


def test_wrong_sizes_and_short_motions_are_refused(skeleton: Skeleton):
    with pytest.raises(
        ValueError, match=re.escape("q must be 7 finite numbers, one per DoF, but has shape (6,)")
    ):
        skeleton.integrate(np.zeros(6), np.zeros(7), 0.1)
    with pytest.raises(ValueError, match=r"q_to must be 7 finite numbers.* and 1 non-finite entries"):
        skeleton.difference(np.zeros(7), np.array([0, 0, 0, 0, 0, 0, np.nan]))
    with pytest.raises(ValueError, match=re.escape("at least 2 frames of 7 numbers, but q has shape (1, 7)")):
        skeleton.velocities(np.zeros((1, 7)), 30.0)
