import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.body import load_body
from musclegym.motion import Motion
from musclegym.motion.joint_sets import HUMANML3D, KIT
from musclegym.motion.kit_extraction import (
    canonical,
    features_from_joints,
    features_from_motion,
    joints_of_poses,
    mirrored_joints,
    shortest_turns,
)
from musclegym.motion.kit_features import JointFeatures
from tests.mirror_image import mirrored_poses

BODY = load_body("human")
SETS = pytest.mark.parametrize("joint_set", [HUMANML3D, KIT], ids=lambda joint_set: joint_set.name)


def walk(seconds: float = 3.0, fps: float = 60.0, turn: float = 0.8) -> Motion:
    """Someone who walks a curve to the left at 1.2 m/s, legs and arms swinging, with twists of the trunk."""
    skeleton = BODY.skeleton
    time = np.arange(round(seconds * fps) + 1) / fps
    q = np.zeros((len(time), skeleton.n_dofs))
    column = {name: index for index, name in enumerate(skeleton.dof_names)}
    heading, phase = turn * time + 0.3, 2.0 * np.pi * time
    path = 1.2 * np.stack([np.sin(heading), np.zeros_like(time), np.cos(heading)], axis=1) / fps
    q[:, 3:6] = np.cumsum(path, axis=0)
    q[:, 4] = 0.02 * np.cos(2.0 * phase)
    root = Rotation.from_rotvec(np.stack([0.1 * np.sin(phase), heading, 0.05 * np.cos(phase)], axis=1))
    q[:, :3] = root.as_rotvec()
    for side, shift in (("L", 0.0), ("R", np.pi)):
        q[:, column[f"Femur{side}_x"]] = 0.4 * np.sin(phase + shift)
        q[:, column[f"Tibia{side}"]] = 0.3 - 0.3 * np.cos(phase + shift)
        q[:, column[f"Talus{side}_x"]] = 0.1 * np.sin(phase + shift)
        q[:, column[f"Arm{side}_x"]] = 0.3 * np.cos(phase + shift)
    q[:, column["ArmL_z"]], q[:, column["ArmR_z"]] = -1.2, 1.3
    q[:, column["Torso_y"]] = 0.1 * np.sin(phase)
    return Motion(
        skeleton, "walk", q, skeleton.velocities(q, fps), fps, contact=np.zeros((len(q), 2), dtype=np.bool_)
    )


@pytest.mark.parametrize(
    ("joint_set", "joints", "numbers", "blocks"),
    [
        (HUMANML3D, 22, 263, {"position": (4, 67), "rotation": (67, 193), "velocity": (193, 259)}),
        (KIT, 21, 251, {"position": (4, 64), "rotation": (64, 184), "velocity": (184, 247)}),
    ],
    ids=["HumanML3D", "KIT-ML"],
)
def test_blocks_lie_where_the_data_sets_have_them(joint_set, joints, numbers, blocks):
    assert joint_set.n_joints == joints
    assert joint_set.n_features == numbers
    table = {name: (start, stop) for name, start, stop in joint_set.blocks}
    assert {name: table[name] for name in blocks} == blocks
    assert table["root_turn"] == (0, 1)
    assert table["root_step"] == (1, 3)
    assert table["root_height"] == (3, 4)
    assert table["contact"] == (numbers - 4, numbers)


@SETS
def test_every_joint_hangs_in_one_chain_and_has_a_unit_direction_along_an_axis(joint_set):
    children = [joint for chain in joint_set.chains for joint in chain[1:]]
    assert sorted(children) == list(range(1, joint_set.n_joints))
    directions = np.abs(joint_set.directions[1:])
    np.testing.assert_array_equal(np.sort(directions, axis=1), np.tile([0, 0, 1], (len(directions), 1)))


@SETS
def test_names_of_swapped_joints_are_left_and_right_of_the_same(joint_set):
    def other(name: str) -> str:
        if joint_set is KIT:
            return {"L": "R", "R": "L"}[name[0]] + name[1:]
        return name.replace("left", "?").replace("right", "left").replace("?", "right")

    names = joint_set.joint_names
    assert all(other(names[a]) == names[b] for a, b in joint_set.swaps)
    midline = 22 - 16 if joint_set is HUMANML3D else 21 - 16
    assert (joint_set.mirror_order == np.arange(joint_set.n_joints)).sum() == midline


@SETS
def test_points_of_the_body_at_rest_mirror_and_stand_in_anatomical_order(joint_set):
    joints = joints_of_poses(BODY.skeleton, np.zeros((1, BODY.n_dofs)), joint_set)
    np.testing.assert_allclose(mirrored_joints(joints, joint_set), joints, atol=1e-12)
    point = dict(zip(joint_set.joint_names, joints[0], strict=True))
    spine = ["BP", "BT", "BLN", "BUN"] if joint_set is KIT else ["spine1", "spine2", "spine3", "neck", "head"]
    leg = (
        ["LH", "LK", "LA", "LMrot", "LF"]
        if joint_set is KIT
        else ["left_hip", "left_knee", "left_ankle", "left_foot"]
    )
    heights = [point[name][1] for name in [*leg[::-1], joint_set.joint_names[0], *spine]]
    assert (np.diff(heights) > -1e-9).all()
    side = -1.0 if joint_set is KIT else 1.0
    assert point[leg[0]][0] * side > 0.05  # KIT's left is at x < 0
    assert np.ptp([point[name][0] for name in leg]) < 0.02


def test_bones_of_the_human_in_units_of_kit_are_those_of_kit():
    joints = joints_of_poses(BODY.skeleton, np.zeros((1, BODY.n_dofs)), KIT)[0] / KIT.unit_of(BODY.skeleton)
    length = np.linalg.norm(joints - joints[KIT.parent], axis=1)
    bones = dict(zip(KIT.joint_names, length, strict=True))
    # Winter's fractions of stature: both skeletons have them in their legs and arms.
    assert bones["LK"] == pytest.approx(245, rel=0.01)
    assert bones["LA"] == pytest.approx(246, rel=0.01)
    assert bones["LMrot"] == pytest.approx(30.3, rel=0.2)
    assert bones["LF"] == pytest.approx(56.3, rel=0.2)
    assert bones["BP"] == pytest.approx(80, rel=0.1)
    assert bones["BT"] == pytest.approx(120, rel=0.1)
    assert bones["LS"] == pytest.approx(110, rel=0.15)
    assert bones["BUN"] == pytest.approx(30, rel=0.15)
    assert bones["LW"] == pytest.approx(145, rel=0.1)
    assert KIT.unit_of(BODY.skeleton) == pytest.approx(1.75e-3, rel=0.01)


@SETS
def test_joints_return_exactly_from_positions(joint_set):
    features = features_from_motion(walk(), joint_set)
    joints = features.joints()
    again = features_from_joints(joints, joint_set, features.fps, features.unit)
    assert len(joints) == len(features.values) + 1
    np.testing.assert_allclose(
        again.values[:, :-4], features.values[:, :-4], atol=1e-9 * joint_set.leg_length
    )
    q, _ = walk().at(np.arange(len(joints)) / joint_set.fps)
    expected = canonical(joints_of_poses(BODY.skeleton, q, joint_set) / features.unit, joint_set)
    np.testing.assert_allclose(joints, expected, atol=1e-9 * joint_set.leg_length)


def test_joints_return_exactly_from_rotations_because_bones_are_rigid():
    features = features_from_motion(walk(), HUMANML3D)
    joints = features.joints()[:-1]
    lengths = np.linalg.norm(joints - joints[:, HUMANML3D.parent], axis=2)
    np.testing.assert_allclose(lengths[:, 1:], np.tile(lengths[0, 1:], (len(lengths), 1)), atol=1e-12)
    np.testing.assert_allclose(features.joints_from_rotations(lengths[0]), joints, atol=1e-9)


def test_joints_of_a_stiff_body_return_exactly_from_rotations_of_kit():
    frames = walk().q.copy()
    frames[:, 6:] = frames[0, 6:]  # a stiff body keeps the length of every bone
    stiff = joints_of_poses(BODY.skeleton, frames, KIT) / KIT.unit
    features = features_from_joints(stiff, KIT)
    joints = features.joints()[:-1]
    length = np.linalg.norm(joints[0] - joints[0, KIT.parent], axis=1)
    np.testing.assert_allclose(features.joints_from_rotations(length), joints, atol=1e-8)


def test_any_rotation_numbers_give_bones_of_their_lengths():
    values = np.random.default_rng(0).normal(size=(6, KIT.n_features))
    lengths = np.arange(float(KIT.n_joints))
    joints = JointFeatures(KIT, values, KIT.fps, KIT.unit).joints_from_rotations(lengths)
    bones = np.linalg.norm(joints[:, 1:] - joints[:, KIT.parent[1:]], axis=2)
    np.testing.assert_allclose(bones, np.tile(lengths[1:], (6, 1)))


@SETS
def test_mirror_then_extract_equals_extract_then_mirror_to_the_last_bit(joint_set):
    joints = features_from_motion(walk(), joint_set).joints()
    features = features_from_joints(joints, joint_set)
    mirrored = features_from_joints(mirrored_joints(joints, joint_set), joint_set)
    np.testing.assert_array_equal(mirrored.values, features.mirrored().values)
    assert np.abs(mirrored.values - features.values).max() > 0.01


@SETS
def test_features_of_the_mirrored_body_are_the_mirrored_features(joint_set):
    motion = walk()
    image = replace(motion, q=mirrored_poses(BODY.skeleton, motion.q))
    own, other = (features_from_motion(one, joint_set) for one in (motion, image))
    np.testing.assert_allclose(other.values, own.mirrored().values, atol=1e-9 * joint_set.leg_length)
    assert np.abs(other.values - own.values).max() > 0.01


@SETS
def test_mirroring_twice_changes_nothing(joint_set):
    features = features_from_motion(walk(), joint_set)
    np.testing.assert_array_equal(features.mirrored().mirrored().values, features.values)
    joints = features.joints()
    np.testing.assert_array_equal(mirrored_joints(mirrored_joints(joints, joint_set), joint_set), joints)


@SETS
def test_features_do_not_see_where_the_clip_stands_and_faces(joint_set):
    joints = features_from_motion(walk(), joint_set).joints()
    turn = Rotation.from_rotvec([0.0, 2.0, 0.0])
    moved = np.einsum("ij,fpj->fpi", turn.as_matrix(), joints) + np.array([3.0, 0.5, -7.0])
    first, second = features_from_joints(joints, joint_set), features_from_joints(moved, joint_set)
    # The hips' bones are nearly opposite to KIT's direction at rest, so their rotations magnify rounding.
    np.testing.assert_allclose(second.values, first.values, atol=1e-8 * joint_set.leg_length)


def test_curve_to_the_left_shows_as_negative_half_angles_and_forward_steps():
    features = features_from_motion(walk(seconds=6.0, turn=0.8), HUMANML3D)
    middle = slice(40, 80)  # away from the ends of the smoothed heading
    turn = -2.0 * features.block("root_turn")[middle, 0] * features.fps
    np.testing.assert_allclose(turn.mean(), 0.8, rtol=0.05)
    step = features.block("root_step")[middle] * features.fps * features.unit
    assert step[:, 1].mean() == pytest.approx(1.2, rel=0.05)


def test_kit_sees_the_same_curve_as_a_curve_to_the_right_because_its_x_is_mirrored():
    features = features_from_motion(walk(seconds=6.0, turn=0.8), KIT)
    turn = -2.0 * features.block("root_turn")[25:50, 0] * features.fps
    assert turn.mean() == pytest.approx(-0.8, rel=0.1)


@pytest.mark.parametrize("turn", [1.5, -1.5])
def test_joints_return_where_the_heading_passes_backwards(turn):
    features = features_from_motion(walk(seconds=6.0, turn=turn), HUMANML3D)  # more than a whole turn
    cosine, sine = features.headings()
    assert ((np.diff(np.sign(sine)) != 0) & (cosine[1:] < -0.9)).any()
    again = features_from_joints(features.joints(), HUMANML3D, features.fps, features.unit)
    np.testing.assert_allclose(again.joints(), features.joints(), atol=1e-9)


def test_rate_and_unit_travel_with_the_features():
    features = features_from_motion(walk(), KIT)
    assert features.fps == 12.5
    assert features.mirrored().fps == 12.5
    assert features.mirrored().unit == features.unit
    assert features_from_motion(walk(), HUMANML3D).fps == 20.0
    twice = features_from_motion(walk(), HUMANML3D, fps=40.0)
    assert twice.fps == 40.0
    assert len(twice.joints()) == 2 * len(features_from_motion(walk(), HUMANML3D).joints()) - 1


def test_contacts_follow_the_foot_that_is_low_and_slow():
    joints = np.tile(joints_of_poses(BODY.skeleton, np.zeros((1, BODY.n_dofs)), HUMANML3D), (40, 1, 1))
    left_leg = [HUMANML3D.joint_names.index(f"left_{joint}") for joint in ("knee", "ankle", "foot")]
    joints[20:, left_leg, 1] += 0.1  # the left foot stands, is lifted within a frame and held still
    contact = features_from_joints(joints, HUMANML3D).with_contacts().block("contact")
    np.testing.assert_array_equal(contact[:19], 1.0)
    np.testing.assert_array_equal(contact[19, :2], 0.0)  # fast
    np.testing.assert_array_equal(contact[20:, :2], 0.0)  # high
    np.testing.assert_array_equal(contact[:, 2:], 1.0)
    published = features_from_joints(joints, HUMANML3D).block("contact")
    np.testing.assert_array_equal(published[20:, :2], 1.0)  # its rule looks at speed alone


def stepping(root_scale: float) -> JointFeatures:
    """KIT features of someone whose toes stay while the root moves, on a root path that was scaled."""
    base = joints_of_poses(BODY.skeleton, np.zeros((1, BODY.n_dofs)), KIT)[0] / KIT.unit
    joints = np.tile(base, (30, 1, 1))
    path = 8.0 * np.arange(30.0)
    joints[:, :, 2] += path[:, None]
    stance, swing = KIT.feet[1], KIT.feet[3]
    joints[:, [KIT.feet[0], stance], 2] -= path[:, None]
    joints[:, swing, 1] += 30.0
    joints[:, :, 2] += (root_scale - 1.0) * path[:, None]
    return features_from_joints(joints, KIT)


def test_root_scale_is_the_one_that_stops_the_standing_foot():
    sliding = stepping(root_scale=1.0 / 0.55)
    assert sliding.steadiest_root_scale() == pytest.approx(0.55, rel=1e-9)
    still = sliding.with_root_scale()
    toes = still.joints()[:, KIT.feet[1]]
    np.testing.assert_allclose(toes, np.tile(toes[0], (len(toes), 1)), atol=1e-9)
    np.testing.assert_allclose(still.values[:, :-4], stepping(1.0).values[:, :-4], atol=1e-9)
    assert still.unit == pytest.approx(1e-3 / 0.55)  # a thousandth of a person of 1.82 m


def test_root_scale_stays_in_its_range_and_defaults_where_nothing_moves():
    assert stepping(root_scale=4.0).steadiest_root_scale() == 0.5
    assert stepping(root_scale=1.0).steadiest_root_scale() == 0.65
    standing = np.tile(joints_of_poses(BODY.skeleton, np.zeros((1, BODY.n_dofs)), KIT) / KIT.unit, (9, 1, 1))
    assert features_from_joints(standing, KIT).steadiest_root_scale() == 0.57
    with pytest.raises(ValueError, match=re.escape("0.5 to 0.65 per metre, but the factor is 1.0")):
        stepping(1.0).with_root_scale(1.0)


@pytest.mark.parametrize("start", [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)])
@pytest.mark.parametrize("off", [1.0, 1e-3, 1e-8, 1e-12, 1e-15, 0.0])
def test_shortest_turns_reach_their_direction_even_next_to_the_opposite_one(start, off):
    side = np.roll(start, 1)
    for sign in (1.0, -1.0):
        end = sign * np.array(start) + off * side
        turn = shortest_turns(np.array(start), end[None])[0]
        np.testing.assert_allclose(turn @ start, end / np.linalg.norm(end), atol=1e-12)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1.0)


def test_wrong_shapes_and_numbers_are_refused():
    with pytest.raises(ValueError, match=re.escape("21 points, but the joints have shape (5, 22, 3)")):
        features_from_joints(np.zeros((5, 22, 3)), KIT)
    with pytest.raises(ValueError, match="at least 2 frames"):
        features_from_joints(np.zeros((1, 21, 3)), KIT)
    joints = np.zeros((5, 21, 3))
    joints[3, 2] = np.nan
    with pytest.raises(ValueError, match="frame 3"):
        features_from_joints(joints, KIT)
    with pytest.raises(ValueError, match=re.escape("263 numbers a row, but the array has shape (4, 251)")):
        JointFeatures(HUMANML3D, np.zeros((4, 251)), 20.0, 1.0)
    with pytest.raises(ValueError, match=re.escape("must be positive, but are 0.0")):
        JointFeatures(KIT, np.zeros((4, 251)), 0.0, 1.0)


@pytest.fixture(scope="module")
def sample(motion_data):
    """The genuine HumanML3D sample: its features and the joints they belong to."""
    folder = motion_data("kit")
    values = np.load(folder / "humanml3d_012314_features.npy").astype(np.float64)
    return JointFeatures(HUMANML3D, values, 20.0, 1.0), np.load(folder / "humanml3d_012314_joints.npy")


def test_joints_of_the_genuine_sample_return_from_its_features(sample):
    features, joints = sample
    np.testing.assert_allclose(features.joints()[:-1], joints, atol=1e-6)
    length = np.linalg.norm(joints[0] - joints[0, HUMANML3D.parent], axis=1)
    np.testing.assert_allclose(features.joints_from_rotations(length), joints, atol=5e-6)


def test_our_features_of_the_genuine_sample_equal_its_own(sample):
    features, joints = sample
    # The published joints lack the frame that the last velocities lead to; the smoothed heading needs it.
    whole = np.concatenate([joints, features.joints()[-1:]])
    own = features_from_joints(whole, HUMANML3D)
    for name, _, _ in HUMANML3D.blocks:
        np.testing.assert_allclose(own.block(name), features.block(name), atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(own.block("contact"), features.block("contact"))


def test_genuine_sample_mirrors_exactly(sample):
    features, joints = sample
    own = features_from_joints(joints, HUMANML3D)
    mirrored = features_from_joints(mirrored_joints(joints.astype(np.float64), HUMANML3D), HUMANML3D)
    np.testing.assert_array_equal(mirrored.values, own.mirrored().values)
    np.testing.assert_array_equal(features.mirrored().mirrored().values, features.values)


def test_published_mean_of_kit_fits_our_layout(motion_data):
    folder = motion_data("kit")
    mean = np.load(folder / "kit_Mean.npy")
    features = JointFeatures(KIT, np.tile(mean, (2, 1)), KIT.fps, KIT.unit)
    # The data set holds each clip and its mirror image, so that its mean is its own mirror image.
    np.testing.assert_allclose(features.mirrored().values, features.values, atol=1e-2)
    place = dict(zip(KIT.joint_names[1:], features.block("position")[0].reshape(-1, 3), strict=True))
    assert place["LH"][0] < 0.0 < place["RH"][0]
    assert place["BUN"][1] > place["BLN"][1] > place["BT"][1] > place["BP"][1] > mean[3] > place["LK"][1]
    ours = features_from_motion(walk(), KIT).values.mean(axis=0)
    names = [f"{side}{joint}" for side in "LR" for joint in ("H", "K", "A")]
    for name in names:
        joint = KIT.joint_names.index(name) - 1
        np.testing.assert_allclose(ours[4 + 3 * joint], place[name][0], atol=45.0, err_msg=name)
