"""Retargeting: left is left, soles are on the ground, limbs point as in the source, cycles go on."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.body import load_body
from musclegym.motion import Clip, embedded_motion_names, load_motion, read_motion, retarget
from musclegym.motion.angles import TWIST, within_limits
from musclegym.motion.cycle import heading
from musclegym.motion.deepmimic import HUMANOID
from musclegym.motion.families import DEEPMIMIC
from musclegym.motion.frames import feet, lowest_sole, place
from musclegym.motion.load import embedded_files, load_clip
from musclegym.motion.motion import carried_on
from musclegym.motion.name_maps import find_family
from musclegym.motion.quality import measure, skating_ratio
from musclegym.motion.retarget import copy_rotations, follow, followed

SOURCES = {  # one clip of each archive, and how much of it
    "mass": "data/motion/walk.bvh",
    "cmu-actions": "walking_extra/walking_13.bvh",
    "cmu-dance": "salsa/10.bvh",
    "bandai-namco-2": "data/dataset-2_walk_normal_008.bvh",
    "deepmimic": "humanoid3d_walk.txt",
}


@pytest.fixture(scope="module")
def body():
    return load_body("human")


@pytest.fixture(scope="module")
def walk(body):
    return load_motion("walk", body)


def standing(**turns) -> Clip:
    """Two frames of the DeepMimic humanoid standing, arms down, facing +x; joint -> rotation vector [rad]."""
    names, parents, _, offsets = zip(*HUMANOID, strict=True)
    rotation = np.broadcast_to(np.eye(3), (2, len(names), 3, 3)).copy()
    for name, vector in turns.items():
        rotation[:, names.index(name)] = Rotation.from_rotvec(vector).as_matrix()
    root = np.array([[0.0, 0.9, 0.0]] * 2)
    return Clip("standing", "standing", names, np.array(parents), np.array(offsets), rotation, root, 30.0)


def joints(body, motion, *names):
    """Positions of joints in the first frame."""
    position = place(body.skeleton, motion.q).position[0]
    return (position[body.skeleton.body(name)] for name in names)


def test_raising_the_left_arm_raises_the_left_arm(body):
    motion = retarget(standing(left_shoulder=[np.pi / 2, 0.0, 0.0]), body)
    arm, hand, other_arm, other_hand = joints(body, motion, "ArmL", "HandL", "ArmR", "HandR")
    assert hand[0] - arm[0] > 0.4  # out to the left, +x
    assert hand[1] == pytest.approx(arm[1], abs=0.01)
    assert other_hand[1] < other_arm[1] - 0.4  # the right one hangs
    assert other_hand[0] < 0.0


def test_a_bent_knee_and_elbow_bend_the_same_way_by_the_same_angle(body):
    turns = {"right_knee": [0.0, 0.0, -1.0], "left_elbow": [0.0, 0.0, 0.7]}
    q, clipped = follow(standing(**turns), DEEPMIMIC, body.skeleton)
    names = list(body.dof_names)
    assert q[0, names.index("TibiaR")] == pytest.approx(1.0, abs=0.05)
    assert q[0, names.index("TibiaL")] == pytest.approx(0.0, abs=0.05)
    assert q[0, names.index("ForeArmL")] == pytest.approx(-0.7, abs=0.05)
    assert clipped <= 0.02  # the straight joints may stand at their limits


def test_a_motion_starts_at_the_origin_facing_along_z_unless_kept_in_place(body):
    clip = replace(standing(), root=np.array([[3.0, 0.9, 4.0]] * 2))
    moved, kept = retarget(clip, body), retarget(clip, body, keep_place=True)
    assert heading(moved.q) == pytest.approx(0.0)
    assert moved.q[:, [3, 5]] == pytest.approx(0.0)
    assert heading(kept.q) == pytest.approx(np.pi / 2)  # facing +x
    assert np.linalg.norm(kept.q[0, [3, 5]]) > 4.0


def test_standing_puts_both_soles_on_the_ground_in_contact(body):
    motion = retarget(standing(), body)
    assert lowest_sole(body.skeleton, place(body.skeleton, motion.q)) == pytest.approx(0.0, abs=2e-3)
    assert motion.contact.all()
    assert motion.qd == pytest.approx(0.0, abs=1e-6)


def test_a_walk_goes_forward_with_left_foot_on_the_left_and_alternating_stance(body, walk):
    frames = place(body.skeleton, walk.q)
    left, right = (frames.position[:, body.skeleton.body(name)] for name in ("TalusL", "TalusR"))
    assert (left[:, 0] - right[:, 0]).mean() > 0.05
    assert walk.cycle_displacement[2] > 1.0
    assert abs(walk.cycle_displacement[0]) < 0.1
    assert np.abs(heading(walk.q)).max() < np.radians(20.0)
    assert ((walk.contact.mean(axis=0) > 0.4) & (walk.contact.mean(axis=0) < 0.7)).all()
    assert walk.contact.any(axis=1).mean() > 0.9
    assert not walk.contact.all(axis=1).all()
    ahead = left[:, 2] - right[:, 2]
    assert ahead.max() > 0.3
    assert ahead.min() < -0.3


def mirrored(clip: Clip) -> Clip:
    """The same clip as seen in a mirror that swaps left and right (z -> -z)."""
    other = {"right": "left", "left": "right"}
    swap = [clip.joint("_".join(other.get(part, part) for part in name.split("_"))) for name in clip.names]
    flip = np.diag([1.0, 1.0, -1.0])
    return replace(clip, rotation=flip @ clip.rotation[:, swap] @ flip, root=clip.root @ flip)


def test_a_mirrored_source_gives_the_mirrored_motion(body):
    clip = load_clip("punch")
    motion, mirror = retarget(clip, body), retarget(mirrored(clip), body)
    names = body.body_names
    swap = [
        names.index(name[:-1] + {"R": "L", "L": "R"}[name[-1]]) if name[-1] in "RL" else i
        for i, name in enumerate(names)
    ]
    position = place(body.skeleton, motion.q).position
    other = place(body.skeleton, mirror.q).position[:, swap] * [-1.0, 1.0, 1.0]
    assert other == pytest.approx(position, abs=1e-6)


@pytest.mark.parametrize("name", embedded_motion_names())
def test_embedded_motion_keeps_limits_ground_and_cycle(body, name):
    motion, skeleton = load_motion(name, body), body.skeleton
    assert (motion.q >= skeleton.lower - 1e-9).all()
    assert (motion.q <= skeleton.upper + 1e-9).all()
    assert lowest_sole(skeleton, place(skeleton, motion.q)).min() > -2e-3
    assert np.isfinite(motion.qd).all()
    assert np.abs(motion.qd[:, 6:]).max() < 30.0
    if motion.cyclic:
        again = carried_on(motion.q[0], 1, motion.cycle_heading, motion.cycle_displacement)
        assert np.abs(skeleton.difference(motion.q[-1], again)).max() < 1e-6


def test_velocities_lead_from_the_frame_before_to_the_frame_after(body, walk):
    skeleton = body.skeleton
    for frame in range(1, len(walk.q) - 1):
        forward = skeleton.difference(walk.q[frame], walk.q[frame + 1])
        backward = skeleton.difference(walk.q[frame], walk.q[frame - 1])
        assert walk.qd[frame] == pytest.approx((forward - backward) * walk.fps / 2.0)
    assert np.array_equal(walk.qd[0], walk.qd[-1])


def test_a_cyclic_motion_goes_on_without_a_jump(body, walk):
    period, skeleton = walk.duration, body.skeleton
    for time in (period, 3.0 * period, -period):
        (before, speed_before), (after, speed_after) = walk.at(time - 1e-7), walk.at(time + 1e-7)
        assert np.abs(skeleton.difference(before, after)).max() < 1e-5
        assert speed_before == pytest.approx(speed_after, abs=1e-3)
    assert walk.at(2.5 * period)[0][5] == pytest.approx(
        walk.at(0.5 * period)[0][5] + 2 * walk.cycle_displacement[2]
    )


def test_a_turning_cycle_turns_on_and_keeps_its_speed(body):
    motion = load_motion("turn_left1", body)
    assert motion.cycle_heading > 0.5  # left, about +y
    period = motion.duration
    q, qd = motion.at(np.array([0.3, 0.3 + period, 0.3 + 2.0 * period]))
    turned = np.diff(np.unwrap(heading(q)))
    assert turned == pytest.approx(motion.cycle_heading)
    assert np.allclose(qd, qd[0])
    steps = np.diff(q[:, [3, 5]], axis=0)
    assert np.linalg.norm(steps[0]) == pytest.approx(np.linalg.norm(steps[1]))


def test_a_motion_is_at_its_frames_and_stands_still_outside(body):
    motion = load_motion("punch", body)
    q, qd = motion.at(np.arange(3) / motion.fps)
    assert q == pytest.approx(motion.q[:3])
    assert qd == pytest.approx(motion.qd[:3])
    for time, frame in ((-1.0, 0), (motion.duration + 1.0, -1)):
        pose, velocity = motion.at(time)
        assert pose == pytest.approx(motion.q[frame], abs=1e-9)
        assert not velocity.any()


def test_unknown_skeleton_is_refused_until_a_mapping_is_given(body):
    clip = load_clip("kick")
    renamed = replace(clip, names=tuple(f"bone{i}" for i in range(len(clip.names))))
    with pytest.raises(
        ValueError, match=r"known family .*DeepMimic.* but its joints are bone0, bone1.*mapping="
    ):
        retarget(renamed, body)
    # A mapping's zero pose is a T-pose that faces +z, which the DeepMimic one is not: turn its joints'
    # frames.
    rest = {DEEPMIMIC.joints[name]: turn for name, turn in DEEPMIMIC.t_pose.items()}
    turns = [rest.get(name, np.eye(3)) for name in clip.names]
    above = [np.eye(3) if parent < 0 else turns[parent] for parent in clip.parent]
    local = np.stack([up @ clip.rotation[:, j] @ turns[j].T for j, up in enumerate(above)], axis=1)
    local[:, 0] = clip.rotation[:, 0] @ turns[0].T
    offset = np.stack([up @ offset for up, offset in zip(above, clip.offset, strict=True)])
    mapping = {name: f"bone{clip.joint(joint)}" for name, joint in DEEPMIMIC.joints.items()}
    mapped = retarget(replace(renamed, rotation=local, offset=offset), body, mapping=mapping)
    assert mapped.q == pytest.approx(retarget(clip, body).q, abs=1e-6)
    with pytest.raises(ValueError, match="no joint is called 'tail'"):
        retarget(renamed, body, mapping=mapping | {"Pelvis": "tail"})
    with pytest.raises(ValueError, match=r"must name .* lacks FemurR"):
        retarget(renamed, body, mapping={"Pelvis": "bone0"})


def test_load_motion_takes_names_paths_clips_and_motions_of_this_body(body, walk):
    file = embedded_files()["walk"]
    for motion in (file, str(file), read_motion(file)):
        assert np.array_equal(load_motion(motion, body).q, walk.q)
    assert load_motion(walk, body) is walk
    with pytest.raises(ValueError, match="retarget its clip again"):
        load_motion(walk, load_body("human", height=1.5))
    with pytest.raises(ValueError, match=r"at 60.* frames/s, but is for .* at 30.* frames/s"):
        load_motion(walk, body, fps=60.0)
    with pytest.raises(FileNotFoundError, match="no-such-motion"):
        load_motion("no-such-motion", body)


def test_the_path_scales_with_the_legs(body, walk):
    small = load_body("human", height=1.4)
    ratio = load_motion("walk", small).cycle_displacement[2] / walk.cycle_displacement[2]

    def leg(body):
        position = body.skeleton.joint_position
        return np.linalg.norm(position[body.skeleton.body("FemurL")] - position[body.skeleton.body("TalusL")])

    assert ratio == pytest.approx(leg(small) / leg(body), abs=0.02)


@pytest.mark.parametrize("archive", SOURCES)
def test_every_source_is_followed_on_the_ground(body, motion_data, archive):
    clip = load_clip(motion_data(archive) / SOURCES[archive])
    quality = measure(clip, retarget(clip, body, cyclic=False, keep_place=True))
    assert quality.limb_error < 20.0
    assert quality.deepest < 5.0
    assert quality.sliding < 0.1
    assert quality.clipped < 0.06


@pytest.mark.parametrize("archive", SOURCES)
def test_left_of_every_source_is_left_of_the_body(body, motion_data, archive):
    motion = load_motion(motion_data(archive) / SOURCES[archive], body)
    frames = place(body.skeleton, motion.q)
    across = Rotation.from_rotvec(motion.q[:, :3]).apply([1.0, 0.0, 0.0])
    for left, right in (("TalusL", "TalusR"), ("HandL", "HandR")):
        apart = frames.position[:, body.skeleton.body(left)] - frames.position[:, body.skeleton.body(right)]
        assert np.einsum("fi,fi->f", apart, across).mean() > 0.05


@pytest.mark.parametrize("archive", ["mass", "cmu-dance"])
def test_the_zero_pose_of_a_source_that_rests_in_a_t_pose_is_near_the_rest_pose(body, motion_data, archive):
    clip = load_clip(motion_data(archive) / SOURCES[archive]).part(0, 2)
    clip = replace(clip, rotation=np.broadcast_to(np.eye(3), clip.rotation.shape))
    q, _ = follow(clip, find_family(clip, None), body.skeleton)
    trunk = ("Spine", "Torso", "Neck", "Head_", "Shoulder")
    columns = [i for i, name in enumerate(body.dof_names) if name.startswith(trunk)]
    assert np.abs(q[0, columns]).max() < 1e-6
    assert np.abs(q[0, 6:]).max() < np.radians(20.0)  # elbows and knees are not quite straight in the sources


def test_copied_rotations_equal_those_of_the_mass_reader(shared, motion_data):
    folder = motion_data("mass") / "data"
    body = load_body(folder / "human.xml", muscles=folder / "muscle284.xml", transmission="mass")
    q = copy_rotations(read_motion(folder / "motion" / "walk.bvh"), body.skeleton)
    rows = np.load(shared / "golden" / "mass_reference.npz")["bvh"]
    frames = np.floor(rows[:, 0] * 120.0 + 1e-9).astype(int) % len(q)
    assert np.abs(q[frames] - rows[:, 1:]).max() < 1e-5


def test_a_mass_clip_retargeted_to_its_own_body_stays_near_its_rotations(shared, motion_data):
    folder = motion_data("mass") / "data"
    body = load_body(folder / "human.xml", muscles=folder / "muscle284.xml", transmission="mass")
    clip = read_motion(folder / "motion" / "walk.bvh")
    q, _ = follow(clip, find_family(clip, None), body.skeleton)
    off = np.abs(q - copy_rotations(clip, body.skeleton))
    hinges_and_balls = [i for i, name in enumerate(body.dof_names) if i >= 6 and not name.startswith("Head")]
    assert off[:, :3].max() < 1e-6
    assert np.median(off[:, hinges_and_balls], axis=0).max() < np.radians(6.0)


def test_feet_are_the_bodies_that_touch_the_ground(body):
    left, right = feet(body.skeleton)
    assert [body.body_names[i] for i in left] == ["TalusL", "FootThumbL", "FootPinkyL"]
    assert [body.body_names[i] for i in right] == ["TalusR", "FootThumbR", "FootPinkyR"]


def ball_of_a_foot(speed: float, height: float, fps: float) -> np.ndarray:
    """A foot that moves for two seconds at one speed and height, and one that stands."""
    along = np.arange(int(2 * fps) + 1) / fps * speed
    moving = np.stack([np.zeros_like(along), np.full_like(along, height), along], axis=1)
    return np.stack([moving, np.zeros_like(moving)], axis=1)


@pytest.mark.parametrize("fps", [20.0, 30.0, 120.0])
def test_skating_counts_feet_that_are_low_and_fast_at_any_frame_rate(fps):
    # Of 40 steps, the two at each end lack frames in their mean: 3 and 4 fifths of 0.6 m/s are too slow.
    assert skating_ratio(ball_of_a_foot(0.6, 0.04, fps), fps) == pytest.approx(36 / 40)
    assert skating_ratio(ball_of_a_foot(0.4, 0.04, fps), fps) == 0.0
    assert skating_ratio(ball_of_a_foot(0.6, 0.06, fps), fps) == 0.0


def test_one_fast_step_of_a_slow_foot_is_no_skating():
    foot = ball_of_a_foot(0.0, 0.04, 20.0)
    foot[20:, 0, 2] += 0.1  # 2 m/s for one frame, 0.4 m/s over five
    assert skating_ratio(foot, 20.0) == 0.0


@pytest.mark.parametrize("name", ["walk", "run"])
def test_feet_skate_less_than_the_source_and_within_the_bar(body, name):
    clip = load_clip(name)
    quality = measure(clip, retarget(clip, body, cyclic=False, keep_place=True))
    assert quality.skating <= min(0.05, quality.source_skating + 0.01)


def accelerations(skeleton, q, name):
    """How much the joint coordinates of a body's both sides change their velocity in a frame, RMS [rad/s]."""
    columns = [i for i, dof in enumerate(skeleton.dof_names) if dof.startswith(name)]
    return np.sqrt((np.diff(skeleton.velocities(q, 30.0)[:, columns], axis=0) ** 2).mean())


@pytest.mark.parametrize("name", ["walk", "run", "kick", "turn_left1", "dance_a"])
def test_planted_feet_leave_the_legs_their_accelerations(body, name):
    clip, skeleton = load_clip(name), body.skeleton
    planted = retarget(clip, body, cyclic=False).q
    as_recorded, _ = follow(followed(clip, skeleton, 30.0), find_family(clip, None), skeleton)
    for joint in ("Femur", "Tibia", "Talus"):
        assert accelerations(skeleton, planted, joint) < 1.25 * accelerations(skeleton, as_recorded, joint)


@pytest.mark.parametrize("name", ["walk", "run", "turn_left1"])
def test_standing_soles_are_on_the_ground(body, name):
    motion = load_motion(name, body)
    height = lowest_sole(body.skeleton, place(body.skeleton, motion.q))[motion.contact]
    assert height.mean() < 3e-3
    assert height.max() < 6e-3
    clip = load_clip(name)
    quality = measure(clip, retarget(clip, body, keep_place=True))
    assert quality.floating == pytest.approx(1000.0 * height.mean(), abs=0.2)


def test_where_limits_stop_an_arm_turning_about_its_bone_the_bone_stays_as_near_as_it_can(body):
    rng = np.random.default_rng(0)
    skeleton, arm = body.skeleton, body.skeleton.body("ArmL")
    columns = slice(skeleton.dof_start[arm], skeleton.dof_start[arm] + 3)
    lower, upper = skeleton.lower[columns], skeleton.upper[columns]
    wanted = Rotation.random(400, rng).as_rotvec()
    clipped = np.clip(wanted, lower, upper)
    about_bone = clipped[:, 0] != wanted[:, 0]
    assert np.array_equal(within_limits(wanted, skeleton, arm)[~about_bone], clipped[~about_bone])
    wanted, clipped = wanted[about_bone], clipped[about_bone]
    weights = np.array([1.0, TWIST, TWIST])  # the bone lies along x in the T-pose
    found = within_limits(wanted, skeleton, arm)
    assert ((found >= lower) & (found <= upper)).all()

    def miss(vectors):
        return np.linalg.norm((Rotation.from_rotvec(vectors).as_matrix() - goal) * weights, axis=(1, 2))

    goal = Rotation.from_rotvec(wanted).as_matrix()
    box = lower + (upper - lower) * np.stack(np.meshgrid(*[np.linspace(0.0, 1.0, 13)] * 3), -1).reshape(-1, 3)
    best = np.min([miss(np.tile(vector, (len(wanted), 1))) for vector in box], axis=0)
    assert np.mean(miss(found) < best + 0.02) > 0.95
    assert miss(found).mean() < 0.7 * miss(clipped).mean()
    inside = rng.uniform(lower, upper, (50, 3))
    assert np.array_equal(within_limits(inside, skeleton, arm), inside)


@pytest.mark.parametrize("archive", ["cmu-actions", "bandai-namco-2"])
def test_the_mass_body_follows_other_sources_too(motion_data, archive):
    folder = motion_data("mass") / "data"
    other = load_body(folder / "human.xml", muscles=folder / "muscle284.xml")
    clip = load_clip(motion_data(archive) / SOURCES[archive])
    quality = measure(clip, retarget(clip, other, cyclic=False, keep_place=True))
    assert quality.limb_error < 20.0
    assert quality.deepest < 10.0
    assert quality.skating <= 0.05
