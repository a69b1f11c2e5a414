import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from musclegym.body import load_body
from musclegym.motion.features import Placement, StateLayout
from musclegym.motion.rotation_arrays import (
    levelling,
    orthonormal,
    rotation_from_vector,
    vector_from_rotation,
)
from tests.synthetic import random_body

BODY = load_body("human")
LAYOUT = StateLayout.of(BODY.skeleton)


def random_states(count: int, seed: int = 0) -> np.ndarray:
    """States with every rotation angle below pi, so that rotation vectors are unique."""
    random = np.random.default_rng(seed)
    states = random.uniform(-1.7, 1.7, (count, LAYOUT.n_state))
    states[:, LAYOUT.n_dofs :] *= 5.0
    return states


def turned_and_shifted(states: np.ndarray, angle: float, shift: np.ndarray) -> np.ndarray:
    """The same motion in a world turned by `angle` about the vertical and then shifted along the ground."""
    turn = Rotation.from_rotvec([0.0, angle, 0.0])
    moved = states.copy()
    moved[:, :3] = (turn * Rotation.from_rotvec(states[:, :3])).as_rotvec()
    moved[:, 3:6] = turn.apply(states[:, 3:6]) + shift
    return moved


def test_state_of_the_human_is_112_numbers_and_blocks_cover_all_columns():
    assert LAYOUT.n_state == 112
    assert sorted(np.concatenate(list(LAYOUT.dof_blocks.values()))) == list(range(56))
    stops = [stop for _, _, stop in LAYOUT.feature_blocks]
    assert [start for _, start, _ in LAYOUT.feature_blocks] == [0, *stops[:-1]]
    # height 1, up 3, root velocities 6, 14 balls x 6, 8 hinges, 50 joint velocities
    assert LAYOUT.n_features == 1 + 3 + 6 + 14 * 6 + 8 + 50


def test_layout_survives_its_record():
    assert StateLayout.from_record(LAYOUT.record()) == LAYOUT


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_state_returns_from_features_and_placement(kind):
    states = kind(random_states(200))
    pose = LAYOUT.pose(states)
    back = LAYOUT.state(LAYOUT.from_features(LAYOUT.features(pose), LAYOUT.placement(pose)))
    assert np.abs(np.asarray(back - states)).max() < 1e-10


@pytest.mark.parametrize("seed", range(4))
def test_states_of_bodies_with_turned_joint_frames_return_too(tmp_path, seed):
    layout = StateLayout.of(random_body(tmp_path, seed).skeleton)
    states = np.random.default_rng(seed).uniform(-1.7, 1.7, (50, layout.n_state))
    pose = layout.pose(states)
    back = layout.state(layout.from_features(layout.features(pose), layout.placement(pose)))
    np.testing.assert_allclose(back, states, atol=1e-12)


@pytest.mark.parametrize("off", [1.0, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 1e-18, 0.0])
@pytest.mark.parametrize("root", ["upside down", "face up", "face down", "upright"])
def test_poses_return_from_features_however_the_root_is_turned(root, off):
    turn = {"upside down": np.pi, "face up": -np.pi / 2, "face down": np.pi / 2, "upright": 0.0}[root]
    random = np.random.default_rng(1)
    count = 200
    states = random_states(count)
    heading = np.zeros((count, 3))
    heading[:, 1] = random.uniform(-np.pi, np.pi, count)
    tilt = Rotation.from_rotvec(off * random.normal(size=(count, 3)))
    rotation = Rotation.from_rotvec(heading) * Rotation.from_rotvec([turn, 0.0, 0.0]) * tilt
    states[:, :3] = rotation.as_rotvec()
    pose = LAYOUT.pose(states)
    back = LAYOUT.from_features(LAYOUT.features(pose), LAYOUT.placement(pose))
    for part, own in zip(back, pose, strict=True):
        np.testing.assert_allclose(part, own, atol=1e-13)


@pytest.mark.parametrize("off", [1e-3, 1e-6, 0.0])
def test_features_next_to_upside_down_survive_single_precision(off):
    states = random_states(50)
    states[:, :3] = (
        Rotation.from_rotvec([np.pi, 0.0, 0.0]) * Rotation.from_rotvec([off, 0.0, off])
    ).as_rotvec()
    pose = LAYOUT.pose(states.astype(np.float32))
    back = LAYOUT.from_features(LAYOUT.features(pose), LAYOUT.placement(pose))
    for part, own in zip(back, pose, strict=True):
        assert part.dtype == np.float32
        np.testing.assert_allclose(part, own, atol=1e-5)


def test_gradients_are_finite_upside_down():
    states = torch.zeros(2, LAYOUT.n_state, dtype=torch.float64)
    states[:, 0] = np.pi
    states.requires_grad_(True)
    pose = LAYOUT.pose(states)
    LAYOUT.state(LAYOUT.from_features(LAYOUT.features(pose), LAYOUT.placement(pose))).sum().backward()
    assert states.grad is not None
    assert torch.isfinite(states.grad).all()


def test_numpy_and_torch_give_the_same_features():
    states = random_states(20)
    by_torch = LAYOUT.features(LAYOUT.pose(torch.as_tensor(states)))
    np.testing.assert_allclose(by_torch.numpy(), LAYOUT.features(LAYOUT.pose(states)), atol=1e-13)


def test_features_do_not_see_where_the_world_is_turned_or_shifted():
    states = random_states(50)
    moved = turned_and_shifted(states, 2.5, np.array([3.0, 0.0, -7.0]))
    before, after = LAYOUT.pose(states), LAYOUT.pose(moved)
    np.testing.assert_allclose(LAYOUT.features(after), LAYOUT.features(before), atol=1e-12)
    turn = LAYOUT.placement(after).heading - LAYOUT.placement(before).heading
    np.testing.assert_allclose(np.exp(1j * turn), np.exp(2.5j), atol=1e-9)


def test_walking_along_the_heading_shows_as_forward_velocity_whatever_the_pelvis_tilt():
    tilt = 0.3
    state = np.zeros((1, LAYOUT.n_state))
    state[0, 0] = tilt  # the pelvis leans forward, about x
    state[0, LAYOUT.n_dofs + 3 : LAYOUT.n_dofs + 6] = [
        0.0,
        1.3 * np.sin(tilt),
        1.3 * np.cos(tilt),
    ]  # world: 1.3 m/s along +z
    features = LAYOUT.features(LAYOUT.pose(state))[0]
    start = {name: start for name, start, _ in LAYOUT.feature_blocks}
    np.testing.assert_allclose(features[start["root_linear_velocity"] :][:3], [0.0, 0.0, 1.3], atol=1e-12)
    assert features[0] == pytest.approx(BODY.skeleton.joint_position[0, 1])


def test_change_agrees_with_the_skeletons_group_operations():
    start, end = random_states(2)
    pose = LAYOUT.pose(np.stack([start, end]))
    change = LAYOUT.difference(pose.at(0), pose.at(1))
    expected = BODY.skeleton.difference(start[:56], end[:56])
    np.testing.assert_allclose(change[:56], expected, atol=1e-9)
    np.testing.assert_allclose(change[56:], end[56:] - start[56:])
    reached = LAYOUT.state(LAYOUT.advance(pose.at(0), change))
    np.testing.assert_allclose(reached, end, atol=1e-9)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-7, 1e-3, 1.0, 3.0, np.pi - 1e-7])
def test_rotation_vectors_keep_their_precision_at_every_angle(angle):
    axis = np.array([2.0, -1.0, 2.0]) / 3.0
    rotation = rotation_from_vector(axis * angle)
    np.testing.assert_allclose(rotation, Rotation.from_rotvec(axis * angle).as_matrix(), atol=1e-14)
    np.testing.assert_allclose(vector_from_rotation(rotation), axis * angle, rtol=1e-8, atol=1e-15)


def test_gradients_are_finite_at_rest():
    states = torch.zeros(2, LAYOUT.n_state, requires_grad=True)
    LAYOUT.state(LAYOUT.pose(states)).sum().backward()
    assert states.grad is not None
    assert torch.isfinite(states.grad).all()


@pytest.mark.parametrize("up", [[0.0, 1.0, 0.0], [0.6, 0.0, 0.8], [0.0, -1.0, 0.0], [0.36, -0.8, 0.48]])
def test_levelling_turns_up_onto_the_vertical(up):
    level = levelling(np.array(up))
    np.testing.assert_allclose(level @ up, [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(level @ level.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(level) == pytest.approx(1.0)


def test_any_numbers_become_a_rotation():
    columns = np.random.default_rng(0).normal(size=(10, 3, 2))
    rotation = orthonormal(columns)
    np.testing.assert_allclose(
        rotation @ rotation.swapaxes(-1, -2), np.tile(np.eye(3), (10, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(rotation), np.ones(10))
    pose = LAYOUT.from_features(
        np.random.default_rng(1).normal(size=(4, LAYOUT.n_features)), Placement(np.zeros(4), np.zeros((4, 2)))
    )
    assert np.isfinite(LAYOUT.state(pose)).all()
