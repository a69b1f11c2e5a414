"""Bodies written as files of the MASS family: what it says, what our attributes add, what is refused."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import musclegym
from musclegym.body import Body, load_body
from musclegym.mass_xml_writer import write_body
from tests.synthetic import TWO_BODIES, TWO_MUSCLES, random_state, write_two_bodies

OURS = ("gravity", "inertia", "pennation", "weight", "second")
"""Attributes that the released format does not have."""


@pytest.fixture
def two(tmp_path: Path) -> Body:
    skeleton, muscles = write_two_bodies(tmp_path)
    return load_body(skeleton, muscles=muscles)


def attributes(path: Path) -> list[tuple[str, str, str]]:
    """Tag, name and value of every attribute of a file, in order."""
    return [(e.tag, key, value) for e in ElementTree.parse(path).iter() for key, value in e.attrib.items()]


def test_a_file_of_the_family_is_written_in_the_words_it_was_read_from(two: Body, tmp_path: Path):
    paths = tmp_path / "one.xml", tmp_path / "one_muscles.xml"
    write_body(two, *paths)
    for path, source in zip(paths, (TWO_BODIES, TWO_MUSCLES), strict=True):
        before = ElementTree.fromstring(source)
        after = ElementTree.parse(path).getroot()
        assert [e.tag for e in after.iter()] == [e.tag for e in before.iter()]
        for old, new in zip(before.iter(), after.iter(), strict=True):
            assert not set(new.attrib) & set(OURS)
            for key in {"type", "parent", "bvh", "endeffector", "contact"} & set(old.attrib):
                assert new.get(key) == old.get(key)
            for key in {"mass", "size", "radius", "lower", "upper", "f0", "linear"} & set(old.attrib):
                assert numbers(new, key) == numbers(old, key)
            for key in {"lm", "lt", "p", "translation"} & set(old.attrib):
                assert numbers(new, key) == pytest.approx(numbers(old, key), abs=1e-7)
    words = attributes(paths[0])
    assert [value for _, key, value in words if key == "name"] == ["two", "Trunk", "Arm"]
    assert ("Joint", "axis", "0.0 0.0 1.0") in words
    carriers = [value for _, key, value in attributes(paths[1]) if key == "body"]
    assert carriers == ["Trunk", "Arm", "Trunk", "Arm", "Arm"]  # a shared one is named by the nearer joint


def numbers(element: ElementTree.Element, key: str) -> list[float]:
    return [float(word) for word in element.attrib[key].split()]


def test_numbers_have_all_their_digits(two: Body, tmp_path: Path):
    mass, inertia = two.skeleton.mass / 3.0, two.skeleton.inertia / 3.0
    third = replace(two, skeleton=replace(two.skeleton, mass=mass, inertia=inertia))
    write_body(third, tmp_path / "third.xml")
    again = load_body(tmp_path / "third.xml").skeleton
    assert again.mass.tolist() == mass.tolist()
    np.testing.assert_allclose(again.inertia, inertia, rtol=1e-15)


def test_capsule_is_written_as_a_capsule(tmp_path: Path):
    text = TWO_BODIES.replace(
        'type="Sphere" mass="5.0" radius="0.5"', 'type="Capsule" mass="5.0" radius="0.5" height="2.25"'
    )
    write_body(load_body(write_two_bodies(tmp_path, skeleton=text)[0]), tmp_path / "capsule.xml")
    figures = ElementTree.parse(tmp_path / "capsule.xml").findall("Node/Body")[1].attrib
    assert (figures["type"], figures["radius"], figures["height"]) == ("Capsule", "0.5", "2.25")


def test_the_human_comes_back_with_its_gravity_inertias_pennation_and_waypoints(tmp_path: Path):
    """Through the four attributes of our own; poses move alike to single precision."""
    human = load_body("human", height=1.6, strength=0.8)
    paths = tmp_path / "human.xml", tmp_path / "muscles.xml"
    musclegym.write_body(human, *paths)
    again = load_body(paths[0], muscles=paths[1])
    assert {key for path in paths for _, key, _ in attributes(path)} >= set(OURS)
    assert again.gravity == human.gravity
    np.testing.assert_array_equal(again.muscle_set.pennation_angle, human.muscle_set.pennation_angle)
    np.testing.assert_array_equal(again.muscle_set.waypoint_body, human.muscle_set.waypoint_body)
    np.testing.assert_allclose(again.muscle_set.waypoint_weight, human.muscle_set.waypoint_weight, atol=1e-15)
    np.testing.assert_allclose(again.skeleton.inertia, human.skeleton.inertia, rtol=1e-6)
    q, qd = random_state(human, 0)
    np.testing.assert_allclose(again.mass_matrix(q), human.mass_matrix(q), atol=1e-5)
    np.testing.assert_allclose(again.bias_torque(q, qd), human.bias_torque(q, qd), atol=1e-3)
    one, other = human.muscles(q), again.muscles(q)
    np.testing.assert_allclose(other.moment_arm, one.moment_arm, atol=1e-6)
    np.testing.assert_allclose(other.active_force, one.active_force, atol=1e-4 * one.active_force.max())


def test_shares_other_than_those_of_the_rule_come_back(two: Body, tmp_path: Path):
    weight = two.muscle_set.waypoint_weight.copy()
    weight[3] = [0.125, 0.875]
    paths = tmp_path / "one.xml", tmp_path / "one_muscles.xml"
    write_body(with_muscles(waypoint_weight=weight, force_weight=weight)(two), *paths)
    again = load_body(paths[0], muscles=paths[1]).muscle_set
    np.testing.assert_array_equal(again.waypoint_weight, weight)
    np.testing.assert_array_equal(again.waypoint_body, two.muscle_set.waypoint_body)


def test_inertia_with_products_and_turned_axes_comes_back(two: Body, tmp_path: Path):
    inertia = two.skeleton.inertia.copy()
    inertia[1] = [[0.5, 0.01, -0.02], [0.01, 0.6, 0.03], [-0.02, 0.03, 0.7]]
    write_body(replace(two, skeleton=replace(two.skeleton, inertia=inertia)), tmp_path / "odd.xml")
    again = load_body(tmp_path / "odd.xml").skeleton
    np.testing.assert_allclose(again.inertia, inertia, rtol=1e-6)
    np.testing.assert_array_equal(again.size, two.skeleton.size)


def test_forces_shared_as_in_the_released_code_need_its_transmission(tmp_path: Path):
    skeleton, muscles = write_two_bodies(tmp_path)
    released = load_body(skeleton, muscles=muscles, transmission="mass")
    paths = tmp_path / "one.xml", tmp_path / "one_muscles.xml"
    write_body(released, *paths)
    again = load_body(paths[0], muscles=paths[1], transmission="mass")
    np.testing.assert_array_equal(again.muscle_set.force_weight, released.muscle_set.force_weight)
    np.testing.assert_array_equal(again.muscle_set.waypoint_weight, released.muscle_set.waypoint_weight)


def test_without_a_second_file_the_muscles_are_left_out(two: Body, tmp_path: Path):
    write_body(two, tmp_path / "alone.xml")
    assert load_body(tmp_path / "alone.xml").n_muscles == 0
    with pytest.raises(ValueError, match="a file of muscles needs a muscle, but 'alone' has none; leave"):
        write_body(load_body(tmp_path / "alone.xml"), tmp_path / "a.xml", tmp_path / "b.xml")
    assert not (tmp_path / "a.xml").exists()


def with_skeleton(**figures: object) -> Callable[[Body], Body]:
    return lambda body: replace(body, skeleton=replace(body.skeleton, **figures))  # pyright: ignore[reportArgumentType]


def with_muscles(**figures: object) -> Callable[[Body], Body]:
    return lambda body: replace(body, muscle_set=replace(body.muscle_set, **figures))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_skeleton(body_names=("Trunk", "Trunk")), "must be printable and distinct"),
        (with_skeleton(body_names=("None", "Arm")), "no body is called 'None', but here are ['None']"),
        (with_muscles(names=("one", "t\0o")), "muscle names in a MASS file must be printable"),
        (with_skeleton(motion_names=("Hi\nps", None)), "motion names in a MASS file must be printable"),
        (with_skeleton(lower=np.array([0.0] * 6 + [-1.0])), "the root for none, but 'Trunk' has [0. 0."),
        (with_skeleton(upper=np.array([np.inf] * 5 + [1.0, 2.0])), "the root for none, but 'Trunk' has [inf"),
        (
            with_muscles(waypoint_weight=np.full((5, 2), 0.5)),
            "shares of one, all of it where there is one body",
        ),
        (with_muscles(waypoint_weight=np.tile([1.0, 0.2], (5, 1))), "shares of one"),
        (with_muscles(force_weight=np.tile([0.0, 1.0], (5, 1))), "but force_weight does neither"),
        (with_muscles(waypoint_position=np.ones((5, 2, 3))), "but those of waypoints [3] do not"),
    ],
)
def test_bodies_that_the_format_cannot_hold_are_refused(
    two: Body, tmp_path: Path, change: Callable[[Body], Body], message: str
):
    with pytest.raises(ValueError, match=re.escape(message)):
        write_body(change(two), tmp_path / "a.xml", tmp_path / "b.xml")
    assert not (tmp_path / "a.xml").exists()


def test_a_muscle_without_length_in_the_rest_pose_is_refused(two: Body, tmp_path: Path):
    muscles = two.muscle_set
    doubled = muscles.waypoint_position.copy()
    doubled[1, 0] = doubled[0, 0] + two.skeleton.joint_position[0] - two.skeleton.joint_position[1]
    with pytest.raises(ValueError, match="path lengths of the rest pose, but 'straight' has none there"):
        write_body(
            replace(two, muscle_set=replace(muscles, waypoint_position=doubled)),
            tmp_path / "a.xml",
            tmp_path / "b.xml",
        )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('body="Arm" p="0.5 1 2"', 'body="Arm" weight="0.7" p="0.5 1 2"', "has 0.7; correct it"),
        (
            'body="Arm" p="0.5 1 2"',
            'body="Arm" weight="1.5" second="Trunk" p="0.5 1 2"',
            "'weight' of Waypoint must be between 0 and 1, and 1 without a 'second' body, but muscle",
        ),
        ('body="Arm" p="0.5 1 2"', 'body="Arm" weight="0.5" second="Leg" p="0.5 1 2"', "has one on 'Leg'"),
        ('pen_angle="0.2"', 'pennation="flat"', "'pennation' of Unit must be 1 finite number, but is 'flat'"),
        ('pen_angle="0.2"', 'pennation="2"', "pennation_angle of every muscle must be in [0, 1.4) rad"),
    ],
)
def test_our_attributes_of_muscles_are_checked(tmp_path: Path, old: str, new: str, message: str):
    assert old in TWO_MUSCLES
    skeleton, muscles = write_two_bodies(tmp_path, muscles=TWO_MUSCLES.replace(old, new))
    with pytest.raises(ValueError, match=re.escape(message)):
        load_body(skeleton, muscles=muscles)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name="pendulum"', 'gravity="down"', "'gravity' of Skeleton must be 1 finite number, but is 'down'"),
        ('mass="12.0"', 'mass="12.0" inertia="1 1 1"', "'inertia' of Body must be 6 finite numbers"),
        (
            'mass="12.0"',
            'mass="12.0" inertia="1 1 1 2 0 0"',
            "inertia of every body must be positive definite",
        ),
    ],
)
def test_our_attributes_of_bodies_are_checked(tmp_path: Path, old: str, new: str, message: str):
    assert old in TWO_BODIES
    with pytest.raises(ValueError, match=re.escape(message)):
        load_body(write_two_bodies(tmp_path, skeleton=TWO_BODIES.replace(old, new))[0])


def test_weight_and_second_body_replace_the_rule_of_the_format(tmp_path: Path):
    text = TWO_MUSCLES.replace(
        '<Waypoint body="Trunk" p="0.03 1.04 1.5"/>',
        '<Waypoint body="Trunk" weight="0.25" second="Arm" p="0.03 1.04 1.5"/>',
    )
    skeleton, muscles = write_two_bodies(tmp_path, muscles=text)
    read = load_body(skeleton, muscles=muscles).muscle_set
    assert read.waypoint_body[3].tolist() == [0, 1]
    assert read.waypoint_weight[3].tolist() == [0.25, 0.75]
