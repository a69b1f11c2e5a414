"""Joint angles of wanted rotations: one way round, and without the jumps that limits and recordings make."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.body import load_body
from musclegym.motion.angles import joint_angles, one_way_round, turns_between, without_jumps

LIMIT = np.radians([45.0, 25.0, 60.0])
FPS = 30.0


def turning(degrees, axis=(1.0, 0.0, 0.0)) -> np.ndarray:
    """Rotation vectors (frame, 3) about an axis, each the short way round as any rotation's is."""
    return Rotation.from_rotvec(np.radians(degrees)[:, None] * np.array(axis)).as_rotvec()


def steps(vector) -> np.ndarray:
    """How much the angles within limits change between frames [rad]."""
    return np.linalg.norm(np.diff(np.clip(vector, -LIMIT, LIMIT), axis=0), axis=1)


def test_half_a_turn_is_passed_without_going_round_the_other_way():
    vector = turning(160.0 + 25.0 * np.sin(np.linspace(0.0, 20.0, 60)))
    assert steps(vector).max() > np.radians(80.0)  # from one limit to the other
    chosen = one_way_round(vector, -LIMIT, LIMIT)
    assert steps(chosen).max() < 1e-9
    same = Rotation.from_rotvec(chosen).inv() * Rotation.from_rotvec(vector)
    assert same.magnitude() == pytest.approx(0.0, abs=1e-9)


def test_a_rotation_that_is_within_reach_again_is_reached():
    vector = turning(np.linspace(100.0, 380.0, 80))
    chosen = np.clip(one_way_round(vector, -LIMIT, LIMIT), -LIMIT, LIMIT)
    assert np.degrees(chosen[[0, -1], 0]) == pytest.approx([45.0, 20.0])
    assert (steps(one_way_round(vector, -LIMIT, LIMIT)) > 0.5).sum() == 1


@pytest.mark.parametrize("seed", range(5))
def test_of_all_ways_round_the_sequence_has_the_least_misses_and_changes(seed):
    vector = Rotation.random(7, np.random.default_rng(seed)).as_rotvec()
    angle = np.linalg.norm(vector, axis=1, keepdims=True)
    ways = np.stack([vector, vector * (1.0 - 2.0 * np.pi / angle)])

    def cost(chosen):
        near = np.clip(chosen, -LIMIT, LIMIT)
        missed = (Rotation.from_rotvec(near).inv() * Rotation.from_rotvec(vector)).magnitude()
        return missed.sum() + np.linalg.norm(np.diff(near, axis=0), axis=1).sum()

    choices = [[number >> frame & 1 for frame in range(7)] for number in range(2**7)]
    least = min(cost(ways[choice, np.arange(7)]) for choice in choices)
    assert cost(one_way_round(vector, -LIMIT, LIMIT)) == pytest.approx(least)


def test_small_rotations_are_taken_as_they_are():
    vector = Rotation.random(30, np.random.default_rng(0)).as_rotvec() * 0.5
    assert one_way_round(vector, -LIMIT, LIMIT) is vector


def test_a_jump_that_limits_make_is_spread_and_nothing_else_changes():
    wanted = turning(np.linspace(178.0, 182.0, 40))
    angles = np.clip(wanted, -LIMIT, LIMIT)
    out = without_jumps(angles, wanted, FPS)
    assert steps(angles).max() == pytest.approx(np.radians(90.0))
    assert steps(out).max() < np.radians(30.0)
    assert out[:14] == pytest.approx(angles[:14], abs=0.05)
    assert out[-14:] == pytest.approx(angles[-14:], abs=0.05)
    assert ((out >= -LIMIT) & (out <= LIMIT)).all()
    smooth = turning(30.0 * np.sin(np.linspace(0.0, 9.0, 40)))
    assert without_jumps(smooth, smooth, FPS) is smooth


def test_a_joint_that_a_recording_turns_faster_than_people_do_is_bridged():
    degrees = np.full(40, 10.0)
    degrees[20:22] = 130.0  # two frames in which a marker was taken for another one
    wanted = turning(degrees)
    out = without_jumps(wanted, wanted, FPS)
    assert np.degrees(out[:, 0]) == pytest.approx(10.0, abs=0.5)
    assert turns_between(wanted).max() == pytest.approx(np.radians(120.0))


def test_a_hand_that_is_turned_over_and_back_does_not_flip_on_the_body():
    skeleton = load_body("human").skeleton
    turn = np.broadcast_to(np.eye(3), (60, skeleton.n_bodies, 3, 3)).copy()
    along = (
        skeleton.joint_position[skeleton.body("HandL")] - skeleton.joint_position[skeleton.body("ForeArmL")]
    )
    axis = along / np.linalg.norm(along)
    degrees = 160.0 + 25.0 * np.sin(np.linspace(0.0, 20.0, 60))
    turn[:, skeleton.body("HandL")] = Rotation.from_rotvec(np.radians(degrees)[:, None] * axis).as_matrix()
    q, clipped = joint_angles(turn, skeleton, FPS)
    start = skeleton.dof_start[skeleton.body("HandL")]
    assert np.abs(np.diff(q[:, start : start + 3], axis=0)).max() < np.radians(5.0)
    assert clipped > 0.0
