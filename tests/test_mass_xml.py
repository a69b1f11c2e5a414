"""Files of the MASS family: a small one read back number by number, and bad ones refused with a reason."""

import re
from pathlib import Path

import numpy as np
import pytest

from musclegym.body import load_body
from musclegym.mass_xml import MASS_GRAVITY, load_mass_muscles, load_mass_skeleton
from musclegym.skeleton import FREE, HINGE
from tests.synthetic import TWO_BODIES, TWO_MUSCLES, write_two_bodies


def test_skeleton_has_the_numbers_of_its_file(tmp_path: Path):
    skeleton = load_mass_skeleton(write_two_bodies(tmp_path)[0])
    assert skeleton.body_names == ("Trunk", "Arm")
    assert skeleton.parent.tolist() == [-1, 0]
    assert skeleton.joint_kind.tolist() == [FREE, HINGE]
    assert skeleton.mass.tolist() == [12.0, 5.0]
    assert skeleton.com.tolist() == [[0.0, 1.0, 0.0], [0.0, 1.0, 2.0]]
    assert skeleton.joint_position.tolist() == [[0.0, 1.0, 0.0], [0.0, 1.0, 1.5]]
    assert skeleton.joint_axis.tolist() == [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    assert skeleton.size.tolist() == [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]
    assert skeleton.contact.tolist() == [False, True]
    assert skeleton.end_effector.tolist() == [False, True]
    assert skeleton.motion_names == ("Hips", None)
    assert skeleton.lower.tolist() == [-np.inf] * 6 + [-1.0]
    assert skeleton.upper.tolist() == [np.inf] * 6 + [2.0]
    np.testing.assert_allclose(skeleton.body_rotation[1], [[0, -1, 0], [1, 0, 0], [0, 0, 1]])


def test_inertias_are_those_of_the_solids(tmp_path: Path):
    inertia = load_mass_skeleton(write_two_bodies(tmp_path)[0]).inertia
    np.testing.assert_allclose(inertia[0], np.diag([4.0 + 9.0, 1.0 + 9.0, 1.0 + 4.0]))  # 12/12 (b^2 + c^2)
    np.testing.assert_allclose(inertia[1], np.diag([0.5, 0.5, 0.5]))  # 2/5 5 0.5^2


def test_capsule_is_a_cylinder_between_half_spheres(tmp_path: Path):
    """Against the moments of a capsule integrated over slices along its axis."""
    text = TWO_BODIES.replace(
        'type="Sphere" mass="5.0" radius="0.5"', 'type="Capsule" mass="5.0" radius="0.5" height="2"'
    )
    skeleton = load_mass_skeleton(write_two_bodies(tmp_path, skeleton=text)[0])
    edges = np.linspace(-1.5, 1.5, 300_001)
    z = 0.5 * (edges[1:] + edges[:-1])
    square = 0.25 - np.maximum(np.abs(z) - 1.0, 0.0) ** 2  # radius squared of a slice
    density = 5.0 / square.sum()
    along, across = 0.5 * density * (square**2).sum(), density * (square * (square / 4.0 + z**2)).sum()
    np.testing.assert_allclose(skeleton.inertia[1], np.diag([across, across, along]), rtol=1e-8, atol=1e-12)
    assert skeleton.size[1].tolist() == [1.0, 1.0, 3.0]


def test_rounded_rotations_are_made_orthonormal_keeping_the_direction_of_x(tmp_path: Path):
    text = TWO_BODIES.replace("0 -1 0 1 0 0 0 0 1", "0.8 -0.61 0 0.6 0.8 0 0 0 1.01")
    rotation = load_mass_skeleton(write_two_bodies(tmp_path, skeleton=text)[0]).body_rotation[1]
    np.testing.assert_allclose(rotation, [[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]], atol=1e-6)


def test_vectors_are_read_in_single_precision_and_numbers_in_double(tmp_path: Path):
    """As the released code does; only so do its lengths agree to 1e-12."""
    text = TWO_BODIES.replace('translation="0 1 2"', 'translation="0 1 0.1"').replace("12.0", "0.1")
    skeleton = load_mass_skeleton(write_two_bodies(tmp_path, skeleton=text)[0])
    assert skeleton.com[1, 2] == float(np.float32(0.1))
    assert skeleton.mass[0] == 0.1


def test_muscles_have_the_numbers_of_their_file(tmp_path: Path):
    paths = write_two_bodies(tmp_path)
    muscles = load_mass_muscles(paths[1], load_mass_skeleton(paths[0]))
    assert muscles.names == ("straight", "blended")
    assert muscles.max_isometric_force.tolist() == [100.0, 50.0]
    assert muscles.waypoint_start.tolist() == [0, 2, 5]
    assert muscles.optimal_fibre_length[0] == pytest.approx(0.5 * 0.4, abs=1e-7)
    assert muscles.tendon_slack_length[0] == pytest.approx(0.5 * 0.4, abs=1e-7)
    assert muscles.pennation_angle.tolist() == [0.0, 0.0]  # as in the released code
    np.testing.assert_allclose(muscles.waypoint_position[1, 0], [0.3, 0.4, -0.5], atol=1e-7)


def test_inner_waypoint_near_a_joint_is_shared_by_inverse_root_distance(tmp_path: Path):
    paths = write_two_bodies(tmp_path)
    muscles = load_mass_muscles(paths[1], load_mass_skeleton(paths[0]))
    assert muscles.waypoint_body.tolist() == [[0, -1], [1, -1], [0, -1], [1, 0], [1, -1]]
    near, far = 1 / np.sqrt(0.05), 1 / np.sqrt(np.hypot(0.05, 1.5))
    np.testing.assert_allclose(
        muscles.waypoint_weight[3], [near / (near + far), far / (near + far)], rtol=1e-6
    )
    np.testing.assert_array_equal(muscles.waypoint_weight[[0, 1, 2, 4]], [[1.0, 0.0]] * 4)


def test_inner_waypoint_near_the_roots_joint_lies_on_the_root_alone(tmp_path: Path):
    paths = write_two_bodies(tmp_path, muscles=TWO_MUSCLES.replace("0.03 1.04 1.5", "0.03 1.04 0"))
    muscles = load_mass_muscles(paths[1], load_mass_skeleton(paths[0]))
    assert muscles.waypoint_body[3].tolist() == [0, -1]
    assert muscles.waypoint_weight[3].tolist() == [1.0, 0.0]


def test_transmission_says_who_takes_the_force(tmp_path: Path):
    paths = write_two_bodies(tmp_path)
    skeleton = load_mass_skeleton(paths[0])
    consistent, released = (load_mass_muscles(paths[1], skeleton, way) for way in ("consistent", "mass"))
    np.testing.assert_array_equal(consistent.force_weight, consistent.waypoint_weight)
    np.testing.assert_array_equal(released.force_weight, [[1.0, 0.0]] * 5)
    np.testing.assert_array_equal(released.waypoint_weight, consistent.waypoint_weight)


def test_body_falls_as_in_the_released_code_and_carries_the_files_name(tmp_path: Path):
    body = load_body(write_two_bodies(tmp_path)[0])
    assert body.gravity == MASS_GRAVITY == 9.8
    assert body.name == "two"
    assert load_body(body) is body


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('parent="Trunk"', 'parent="Trank"', "'Arm' has parent 'Trank'; the bodies are Trunk, Arm"),
        ('parent="Trunk"', "", "every Node needs the attribute 'parent', but one has {'name': 'Arm'"),
        (
            'name="Arm"',
            'name="Trunk"',
            "needs Node elements with distinct names, but has Trunk more than once",
        ),
        (
            'mass="12.0"',
            'mass="heavy"',
            "'mass' of Body must be 1 finite number, but is 'heavy'; correct it",
        ),
        ('mass="12.0"', 'mass="inf"', "'mass' of Body must be 1 finite number, but is 'inf'"),
        ('size="1.0 2.0 3.0"', 'size="1.0 2.0"', "'size' of Body must be 3 finite numbers, but is '1.0 2.0'"),
        ("Revolute", "Weld", "joint of 'Arm' must be one of Free, Ball, Revolute, but is 'Weld'"),
        ("Sphere", "Mesh", "shape of a Body must be Box, Sphere or Capsule, but is 'Mesh'"),
        ('axis="0 0 2"', 'axis="0 0 0"', "of unit length on a hinge, but 'Arm' has [0. 0. 0.]"),
        ('contact="On"', 'contact="on"', "'contact' of Body must be Off or On, but is 'on'; correct it"),
        (
            'linear="0 -1 0 1 0 0 0 0 1"',
            'linear="1 1 0 1 1 0 0 0 1"',
            "'linear' must be a rotation matrix, but is",
        ),
        (
            'lower="-1"',
            'lower="3"',
            "upper of every body must be no less than `lower` [rad], but 'Arm' has [2.]",
        ),
        ("</Skeleton>", "", "must be well-formed XML, but no element found: line 18"),
        ("Node", "Knot", "needs Node elements with distinct names, but has none; check the file"),
        ('type="Free"', 'type="Ball"', "moves freely, but body 0 ('Trunk') has joint kind 1"),
    ],
)
def test_bad_skeleton_files_are_refused_with_rule_value_and_cure(
    tmp_path: Path, old: str, new: str, message: str
):
    assert old in TWO_BODIES
    path, _ = write_two_bodies(tmp_path, skeleton=TWO_BODIES.replace(old, new))
    with pytest.raises(ValueError, match=re.escape(message)):
        load_body(path)


def test_node_without_a_joint_is_refused(tmp_path: Path):
    text = re.sub(r'<Joint type="Rev.*?</Joint>', "", TWO_BODIES, flags=re.DOTALL)
    with pytest.raises(ValueError, match="Node 'Arm' needs a Joint element, but has none; add it"):
        load_body(write_two_bodies(tmp_path, skeleton=text)[0])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('body="Arm"', 'body="Leg"', "but muscle 'straight' has one on 'Leg'; the bodies are Trunk, Arm"),
        ('p="0.3 1 1"', 'p="0.3 1"', "'p' of Waypoint must be 3 finite numbers, but is '0.3 1'"),
        (
            'f0="100"',
            'f0="-100"',
            "max_isometric_force of every muscle must be positive and finite [N], but 'straight'",
        ),
        ('f0="100"', "", "every Unit needs the attribute 'f0', but one has"),
        (
            '"blended"',
            '"straight"',
            "needs Unit elements with distinct names, but has straight more than once",
        ),
        ("Unit", "Muscle", "needs Unit elements with distinct names, but has none; check the file"),
        (
            '<Waypoint body="Arm" p="0.3 1.4 1"/>',
            "",
            "number of waypoints of every muscle must be at least 2, but 'straight' has 1",
        ),
    ],
)
def test_bad_muscle_files_are_refused_with_rule_value_and_cure(
    tmp_path: Path, old: str, new: str, message: str
):
    assert old in TWO_MUSCLES
    skeleton, muscles = write_two_bodies(tmp_path, muscles=TWO_MUSCLES.replace(old, new))
    with pytest.raises(ValueError, match=re.escape(message)):
        load_body(skeleton, muscles=muscles)


def test_missing_files_are_named(tmp_path: Path):
    skeleton, _ = write_two_bodies(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no file .*nobody\.xml'; check the path"):
        load_body(tmp_path / "nobody.xml")
    with pytest.raises(FileNotFoundError, match=r"no file .*nothing\.xml; check the path"):
        load_body(skeleton, muscles=tmp_path / "nothing.xml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transmission": "massive"}, "transmission must be one of consistent, mass, but is 'massive'"),
        ({"height": 1.8}, "height and mass scale the shipped 'human' only, but the body is"),
        ({"mass": 80.0}, "height and mass scale the shipped 'human' only, but the body is"),
        (
            {"strength": 0.0},
            "strength must be positive and finite, but is 0.0; 1.0 is the published strength",
        ),
        ({"strength": np.nan}, "strength must be positive and finite, but is nan"),
    ],
)
def test_options_that_do_not_belong_to_a_file_are_refused(tmp_path: Path, options: dict, message: str):
    skeleton, muscles = write_two_bodies(tmp_path)
    with pytest.raises(ValueError, match=re.escape(message)):
        load_body(skeleton, muscles=muscles, **options)


def test_transmission_without_muscles_is_refused(tmp_path: Path):
    with pytest.raises(
        ValueError, match="transmission='mass' says how the muscles of a file act, but no file"
    ):
        load_body(write_two_bodies(tmp_path)[0], transmission="mass")


@pytest.mark.parametrize("options", [{"muscles": "muscle284.xml"}, {"transmission": "mass"}])
def test_options_that_do_not_belong_to_the_human_are_refused(options: dict):
    with pytest.raises(
        ValueError, match="the shipped 'human' has its own muscles and consistent transmission, but"
    ):
        load_body("human", **options)


def test_options_with_a_loaded_body_are_refused(tmp_path: Path):
    body = load_body(write_two_bodies(tmp_path)[0])
    with pytest.raises(
        ValueError, match="a loaded body is taken as it is, but options were given with 'two'"
    ):
        load_body(body, strength=2.0)


@pytest.mark.parametrize("q", [np.zeros(6), np.zeros((1, 7)), np.r_[np.zeros(6), np.inf]])
def test_poses_of_wrong_size_or_not_finite_are_refused(tmp_path: Path, q: np.ndarray):
    body = load_body(write_two_bodies(tmp_path)[0])
    for measure in (body.kinematics, body.muscles, body.mass_matrix, body.sole_points):
        with pytest.raises(ValueError, match="q must be 7 finite numbers, one per DoF, but has shape"):
            measure(q)
    with pytest.raises(ValueError, match="qd must be 7 finite numbers"):
        body.bias_torque(np.zeros(7), q)


def test_sole_points_are_the_corners_of_boxes_that_may_touch_the_ground(tmp_path: Path):
    body = load_body(write_two_bodies(tmp_path)[0])
    points = body.sole_points(np.zeros(7))
    assert points.shape == (8, 3)
    np.testing.assert_allclose(points.min(axis=0), [-0.5, 0.5, 1.5])
    np.testing.assert_allclose(points.max(axis=0), [0.5, 1.5, 2.5])
    assert body.joint_positions(np.zeros((3, 7))).shape == (3, 2, 3)
