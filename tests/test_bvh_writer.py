"""What is written as BVH comes back the same."""

from dataclasses import replace

import numpy as np
import pytest
from bvh import Bvh
from scipy.spatial.transform import Rotation

import musclegym
from musclegym.motion import clip_of, load_motion, read_motion, retarget, write_bvh
from musclegym.motion.body_clip import poses_of
from musclegym.motion.bvh_writer import euler_zyx
from musclegym.motion.clip import Clip
from musclegym.motion.load import embedded_files
from tests.synthetic import random_body


@pytest.fixture(scope="module")
def body():
    return musclegym.load_body("human")


def largest_difference(skeleton, first, second):
    pairs = zip(first, second, strict=True)
    return max(np.abs(skeleton.difference(one, other)).max() for one, other in pairs)


@pytest.mark.parametrize("name", ["walk", "backflip", "cartwheel"])
def test_bvh_to_poses_to_bvh_to_poses_is_the_same(tmp_path, body, name):
    first, second = tmp_path / "first.bvh", tmp_path / "second.bvh"
    write_bvh(first, open_clip(name))
    motion = retarget(read_motion(first), body)
    write_bvh(second, motion)
    again = retarget(read_motion(second), body)
    assert largest_difference(body.skeleton, motion.q, again.q) < 1e-6
    assert again.qd == pytest.approx(motion.qd, abs=1e-4)
    assert np.array_equal(again.contact, motion.contact)
    assert again.clipped == 0.0


def open_clip(name):
    """Return an embedded clip, not repeating, so that nothing but the poses is to be carried."""
    return replace(read_motion(embedded_files()[name]), cyclic=False)


def test_joints_of_the_file_lie_where_the_bodys_joints_lie(tmp_path, body):
    motion = load_motion("kick", body)
    write_bvh(tmp_path / "kick.bvh", motion)
    position = read_motion(tmp_path / "kick.bvh").pose[1]
    for frame in (0, len(motion.q) // 2):
        assert position[frame] == pytest.approx(body.kinematics(motion.q[frame]).joint_position, abs=1e-7)


def test_another_reader_finds_the_same_joints_and_numbers(tmp_path, body):
    motion = load_motion("walk", body)
    write_bvh(tmp_path / "walk.bvh", motion)
    other = Bvh((tmp_path / "walk.bvh").read_text())
    assert tuple(other.get_joints_names()) == body.body_names
    assert (other.nframes, other.frame_time) == (len(motion.q), pytest.approx(1.0 / 30.0))
    knee = body.skeleton.body("TibiaR")
    bone = body.skeleton.joint_position[knee] - body.skeleton.joint_position[body.skeleton.parent[knee]]
    assert other.joint_offset("TibiaR") == pytest.approx(100.0 * bone, abs=1e-6)
    height = other.frame_joint_channel(3, "Pelvis", "Yposition")
    assert height == pytest.approx(100.0 * (body.skeleton.joint_position[0, 1] + motion.q[3, 4]), abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_random_poses_of_random_trees_come_back(tmp_path, seed):
    skeleton = random_body(tmp_path, seed, bodies=9).skeleton
    q = np.random.default_rng(seed).uniform(-1.7, 1.7, (6, skeleton.n_dofs))
    write_bvh(tmp_path / "random.bvh", clip_of(skeleton, q, fps=30.0))
    clip = read_motion(tmp_path / "random.bvh", unit=0.01)
    back = poses_of(clip, skeleton)
    assert back is not None
    assert largest_difference(skeleton, q, back) < 1e-6


def test_a_hinge_turned_about_another_axis_is_no_pose_of_the_body(tmp_path):
    skeleton = random_body(tmp_path, 1).skeleton
    clip = clip_of(skeleton, np.zeros((2, skeleton.n_dofs)), fps=30.0)
    hinge = int(np.flatnonzero(skeleton.joint_kind == 2)[0])
    clip.rotation[1, hinge] = Rotation.random(rng=np.random.default_rng(0)).as_matrix()
    assert poses_of(clip, skeleton) is None


def test_angles_are_right_up_to_the_gimbal_lock():
    rng = np.random.default_rng(0)
    middle = np.concatenate([rng.uniform(-90, 90, 200), 90 - np.geomspace(1e-9, 1.0, 40), [90.0, -90.0]])
    outer = rng.uniform(-180, 180, (2, len(middle)))
    rotation = Rotation.from_euler("ZYX", np.stack([outer[0], middle, outer[1]], axis=1), degrees=True)
    back = Rotation.from_euler("ZYX", euler_zyx(rotation.as_matrix()))
    assert (rotation.inv() * back).magnitude().max() < 3e-7


def test_angles_do_not_jump_between_frames(tmp_path):
    angles = np.linspace(0.0, 720.0, 49)
    rotation = Rotation.from_euler("z", angles[:, None], degrees=True).as_matrix()[:, None]
    clip = Clip(
        "spin", "spin", ("hips",), np.array([-1]), np.zeros((1, 3)), rotation, np.zeros((49, 3)), 24.0
    )
    write_bvh(tmp_path / "spin.bvh", clip)
    lines = (tmp_path / "spin.bvh").read_text().splitlines()[-49:]
    assert [float(line.split()[3]) for line in lines] == pytest.approx(angles)


def test_frame_rates_come_back_exactly(tmp_path, body):
    for fps in (12.5, 20.0, 29.97, 30.0, 120.0):
        write_bvh(tmp_path / "still.bvh", clip_of(body.skeleton, np.zeros((3, 56)), fps))
        assert read_motion(tmp_path / "still.bvh").fps == pytest.approx(fps, rel=1e-15)


def test_what_cannot_be_written_is_refused(tmp_path, body):
    clip = clip_of(body.skeleton, np.zeros((3, 56)), 30.0)
    with pytest.raises(ValueError, match=r"ends in \.bvh"):
        write_bvh(tmp_path / "out.fbx", clip)
    with pytest.raises(ValueError, match="unit is positive"):
        write_bvh(tmp_path / "out.bvh", clip, unit=0.0)
    spoiled = replace(clip, names=("left {leg}", *clip.names[1:]))
    with pytest.raises(ValueError, match=r"left \{leg\}"):
        write_bvh(tmp_path / "out.bvh", spoiled)
    with pytest.raises(ValueError, match=r"shape \(frame, 56\)"):
        clip_of(body.skeleton, np.zeros((3, 112)), 30.0)
