"""Laws on random bodies of the MASS format: chains, stars and trees of 2 to 25 bodies with 1 to 60 muscles.

hypothesis draws them, always the same ones, and shrinks one that breaks a law to a small one.
"""

import tempfile
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from hypothesis import given, settings

from musclegym.body import Body, load_body
from musclegym.mass_xml_writer import write_body
from musclegym.muscle.physiology import MuscleConfig
from musclegym.rotation import Array, IntArray
from tests.random_bodies import Recipe, Twin, recipes
from tests.synthetic import random_state

STEP = 1e-5  # of the central differences
SINGLE = 2e-6  # what reading vectors in single precision changes, relative to a body's size of about a metre


def law(examples: int) -> Callable[[Callable[[Recipe], None]], Callable[[], None]]:
    """Check a law on this many random bodies."""
    rules = settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    return lambda test: rules(given(recipes)(test))


@lru_cache(maxsize=64)
def made(recipe: Recipe) -> tuple[Body, Twin]:
    """Return a random body and its plain twin."""
    with tempfile.TemporaryDirectory() as folder:
        skeleton, muscles = recipe.write(Path(folder))
        return load_body(skeleton, muscles=muscles), Twin(skeleton, muscles)


def reread(body: Body, change: Callable[[ElementTree.Element, ElementTree.Element], None]) -> Body:
    """Write a body, change its files, and read them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "body.xml", Path(folder) / "muscles.xml"
        write_body(body, *paths)
        trees = [ElementTree.parse(path) for path in paths]
        change(trees[0].getroot(), trees[1].getroot())
        for tree, path in zip(trees, paths, strict=True):
            tree.write(path)
        return load_body(paths[0], muscles=paths[1])


def twin_pulls(twin: Twin, q: Array) -> list[Array]:
    """Torques (dof, muscle), forces (3, muscle) and moments (3, muscle) of unit tension in each muscle."""
    pulls = [twin.pull(q, muscle) for muscle in range(len(twin.units))]
    return [np.array(part).T for part in zip(*pulls, strict=True)]


@law(25)
def test_kinematics_equal_the_plain_twin(recipe: Recipe):
    body, twin = made(recipe)
    q, qd = random_state(body, recipe.seed)
    now = body.kinematics(q, qd)
    frames, places = twin.pose(q)
    np.testing.assert_allclose(now.joint_position, places, atol=1e-10)
    np.testing.assert_allclose(now.joint_rotation, [frame.as_matrix() for frame in frames], atol=1e-10)
    np.testing.assert_allclose(now.rotation, twin.rotations(q), atol=1e-10)
    np.testing.assert_allclose(now.com, twin.coms(q), atol=1e-10)
    moves = [twin.jacobian(q, index, com) for index, com in enumerate(twin.coms(q))]
    np.testing.assert_allclose(now.com_velocity, [linear @ qd for linear, _ in moves], atol=1e-9)
    np.testing.assert_allclose(now.angular_velocity, [angular @ qd for _, angular in moves], atol=1e-9)
    ends = [twin.coms(twin.moved(q, qd, step)) for step in (STEP, -STEP)]
    np.testing.assert_allclose(now.com_velocity, (ends[0] - ends[1]) / (2 * STEP), atol=1e-5)


@law(20)
def test_mass_matrix_is_the_sum_over_bodies_of_jacobians_and_masses(recipe: Recipe):
    body, twin = made(recipe)
    q, _ = random_state(body, recipe.seed)
    matrix = body.mass_matrix(q)
    np.testing.assert_allclose(matrix, twin.mass_matrix(q), atol=1e-10 * np.trace(matrix))
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix)[0] > 0.0


@law(20)
def test_bias_is_what_newton_and_euler_ask_of_each_body(recipe: Recipe):
    body, twin = made(recipe)
    q, qd = random_state(body, recipe.seed)
    bias = body.bias_torque(q, qd)
    np.testing.assert_allclose(bias, twin.bias(q, qd, body.gravity), atol=1e-7 * (1 + np.abs(bias).max()))


@law(20)
def test_paths_and_forces_equal_the_plain_twin(recipe: Recipe):
    body, twin = made(recipe)
    q, _ = random_state(body, recipe.seed)
    now = body.muscles(q)
    active, passive = twin.forces(q)
    waypoints = np.concatenate([twin.path(q, muscle) for muscle in range(body.n_muscles)])
    np.testing.assert_allclose(now.waypoints, waypoints, atol=1e-10)
    np.testing.assert_allclose(now.path_length, twin.lengths(q), atol=1e-10)
    np.testing.assert_allclose(
        now.active_force, active, atol=1e-8 * body.muscle_set.max_isometric_force.max()
    )
    np.testing.assert_allclose(now.passive_force, passive, rtol=1e-7, atol=1e-8)


@law(12)
def test_virtual_work_holds_and_no_muscle_pulls_on_the_whole_body(recipe: Recipe):
    """Torque is minus force times the derivative of the length; the forces on all bodies cancel."""
    body, twin = made(recipe)
    q, _ = random_state(body, recipe.seed)
    now = body.muscles(q)
    torque, force, moment = twin_pulls(twin, q)
    np.testing.assert_allclose(now.moment_arm, torque, atol=1e-10)
    np.testing.assert_array_equal(now.moment_arm[:6], 0.0)
    np.testing.assert_allclose([force, moment], 0.0, atol=1e-10)
    np.testing.assert_allclose(now.torque_matrix, now.active_force * now.moment_arm, rtol=1e-12)
    expected = now.moment_arm @ now.passive_force
    np.testing.assert_allclose(now.passive_torque, expected, atol=1e-10 * (1.0 + now.passive_force.sum()))
    for dof, unit in enumerate(np.eye(body.n_dofs)):
        ends = [body.muscles(body.skeleton.integrate(q, unit, step)).path_length for step in (STEP, -STEP)]
        np.testing.assert_allclose(now.moment_arm[dof], -(ends[0] - ends[1]) / (2 * STEP), atol=1e-5)


@law(20)
def test_muscle_power_is_joint_power(recipe: Recipe):
    """Forces times the rates of the paths, with force-velocity too; rates are those of the lengths."""
    body, _ = made(recipe)
    q, qd = random_state(body, recipe.seed)
    now = body.muscles(q, qd, MuscleConfig(force_velocity=True))
    ends = [body.muscles(body.skeleton.integrate(q, qd, step)).path_length for step in (STEP, -STEP)]
    np.testing.assert_allclose(now.path_velocity, (ends[0] - ends[1]) / (2 * STEP), atol=1e-5)
    activation = np.random.default_rng(recipe.seed).random(body.n_muscles)
    muscle_power = -(activation * now.active_force + now.passive_force) @ now.path_velocity
    joint_power = (now.torque_matrix @ activation + now.passive_torque) @ qd
    scale = 1.0 + np.abs(now.path_velocity) @ (now.active_force + now.passive_force)
    assert abs(muscle_power - joint_power) < 1e-12 * scale


@law(25)
def test_a_body_written_and_read_is_the_same_body(recipe: Recipe):
    body, _ = made(recipe)
    again = reread(body, lambda skeleton, muscles: None)
    for part in ("skeleton", "muscle_set"):
        one, other = getattr(body, part), getattr(again, part)
        for item in fields(one):
            before, after = getattr(one, item.name), getattr(other, item.name)
            if isinstance(before, np.ndarray) and before.dtype.kind == "f":
                np.testing.assert_allclose(after, before, rtol=SINGLE, atol=SINGLE, err_msg=item.name)
            else:
                np.testing.assert_array_equal(after, before, err_msg=item.name)
    for name in ("joint_position", "com", "mass", "lower", "upper"):
        np.testing.assert_array_equal(getattr(again.skeleton, name), getattr(body.skeleton, name))
    for name in ("max_isometric_force", "waypoint_weight"):
        np.testing.assert_array_equal(getattr(again.muscle_set, name), getattr(body.muscle_set, name))
    assert again.gravity == body.gravity
    assert again.name == body.name


@law(15)
def test_what_was_read_back_moves_and_pulls_alike(recipe: Recipe):
    body, _ = made(recipe)
    again = reread(body, lambda skeleton, muscles: None)
    q, qd = random_state(body, recipe.seed)
    bias, matrix = body.bias_torque(q, qd), body.mass_matrix(q)
    np.testing.assert_allclose(again.mass_matrix(q), matrix, atol=SINGLE * np.abs(matrix).max())
    np.testing.assert_allclose(again.bias_torque(q, qd), bias, atol=10 * SINGLE * np.abs(bias).max())
    np.testing.assert_allclose(again.muscles(q).path_length, body.muscles(q).path_length, atol=10 * SINGLE)


@law(15)
def test_the_order_of_muscles_changes_nothing_but_their_order(recipe: Recipe):
    body, _ = made(recipe)
    order = np.random.default_rng(recipe.seed).permutation(body.n_muscles)

    def shuffle(_: ElementTree.Element, muscles: ElementTree.Element) -> None:
        muscles[:] = [muscles[int(index)] for index in order]

    shuffled, same = reread(body, shuffle), reread(body, lambda skeleton, muscles: None)
    q, qd = random_state(body, recipe.seed)
    one, other = same.muscles(q, qd), shuffled.muscles(q, qd)
    assert shuffled.muscle_names == tuple(body.muscle_names[index] for index in order)
    for name in ("path_length", "path_velocity", "active_force", "passive_force"):
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name)[order])
    np.testing.assert_array_equal(other.torque_matrix, one.torque_matrix[:, order])


@law(15)
def test_the_order_of_bodies_changes_nothing_but_the_order_of_dofs(recipe: Recipe):
    body, _ = made(recipe)
    order = another_order(body.skeleton.parent, np.random.default_rng(recipe.seed))

    def shuffle(skeleton: ElementTree.Element, _: ElementTree.Element) -> None:
        skeleton[:] = [skeleton[index] for index in order]

    shuffled, same = reread(body, shuffle), reread(body, lambda skeleton, muscles: None)
    dofs = np.concatenate([np.flatnonzero(body.skeleton.dof_body == index) for index in order])
    q, qd = random_state(body, recipe.seed)
    assert shuffled.dof_names == tuple(body.dof_names[dof] for dof in dofs)
    matrix, bias = same.mass_matrix(q)[np.ix_(dofs, dofs)], same.bias_torque(q, qd)[dofs]
    np.testing.assert_allclose(shuffled.mass_matrix(q[dofs]), matrix, atol=1e-11 * np.abs(matrix).max())
    np.testing.assert_allclose(shuffled.bias_torque(q[dofs], qd[dofs]), bias, atol=1e-11 * np.abs(bias).max())
    arms = same.muscles(q).moment_arm[dofs]
    np.testing.assert_allclose(shuffled.muscles(q[dofs]).moment_arm, arms, atol=1e-12)


def another_order(parents: IntArray, rng: np.random.Generator) -> list[int]:
    """Return a random order of the bodies in which parents still come before their children."""
    order, ready = [], [0]
    while ready:
        body = ready.pop(int(rng.integers(len(ready))))
        order.append(body)
        ready += [int(child) for child in np.flatnonzero(parents == body)]
    return order


@law(15)
def test_where_the_body_stands_changes_neither_its_inertia_nor_its_muscles(recipe: Recipe):
    body, _ = made(recipe)

    def shift(skeleton: ElementTree.Element, muscles: ElementTree.Element) -> None:
        places = [(element, "translation") for element in skeleton.iter("Transformation")]
        for element, key in [*places, *((way, "p") for way in muscles.iter("Waypoint"))]:
            moved = np.add(np.array(element.attrib[key].split(), dtype=float), [1.0, -2.0, 0.5])
            element.set(key, " ".join(map(repr, moved.tolist())))

    moved = reread(body, shift)
    q, qd = random_state(body, recipe.seed)
    matrix, bias = body.mass_matrix(q), body.bias_torque(q, qd)
    np.testing.assert_allclose(moved.mass_matrix(q), matrix, atol=10 * SINGLE * np.abs(matrix).max())
    np.testing.assert_allclose(moved.bias_torque(q, qd), bias, atol=10 * SINGLE * np.abs(bias).max())
    np.testing.assert_allclose(moved.muscles(q).path_length, body.muscles(q).path_length, atol=10 * SINGLE)
