"""The physics engine against our own kinematics and dynamics."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pybullet
import pytest

from musclegym.actuation import make_model, make_stage, torque_step
from musclegym.body import Body, load_body
from musclegym.ground import FLAT, GroundShape
from musclegym.link_frames import from_links, pose_vector, to_links
from musclegym.rotation import Array
from musclegym.scaling import scale_body
from musclegym.simulation import Simulation
from musclegym.urdf import urdf

HZ = 1200
STATM = Path("/proc/self/statm")


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


def read(simulation: Simulation) -> tuple[Array, Array]:
    """Return q and qd of the simulation."""
    body = simulation.body
    local, displacement = np.empty((body.skeleton.n_bodies, 3, 3)), np.empty(3)
    q, qd = np.empty(body.n_dofs), np.empty(body.n_dofs)
    scratch = np.empty((3, 3, 3))
    from_links(body.skeleton.tree, simulation.frames, simulation.read(), scratch, local, displacement, qd)
    pose_vector(body.skeleton.tree, local, displacement, q)
    return q, qd


def simulate(body: Body, q: Array, qd: Array, steps: int) -> tuple[Array, Array]:
    """Return q and qd after unactuated steps in the engine."""
    simulation = Simulation(body, HZ)
    simulation.reset(q, qd)
    for _ in range(steps):
        simulation.step(None)
    state = read(simulation)
    simulation.close()
    return state


def integrate(body: Body, q: Array, qd: Array, steps: int) -> tuple[Array, Array]:
    """Return q and qd after unactuated steps of our own dynamics, semi-implicit Euler as in the engine."""
    for _ in range(steps):
        qd = qd - np.linalg.solve(body.mass_matrix(q), body.bias_torque(q, qd)) / HZ
        q = body.skeleton.integrate(q, qd, 1.0 / HZ)
    return q, qd


def flying_pose(body: Body, seed: int) -> tuple[Array, Array]:
    """Return a random pose well above the ground and a random velocity."""
    rng = np.random.default_rng(seed)
    q, qd = 0.3 * rng.normal(size=body.n_dofs), 0.6 * rng.normal(size=body.n_dofs)
    q[4] += 5.0
    return q, qd


def test_reset_and_read_are_inverse(human: Body):
    simulation = Simulation(human, HZ)
    for seed in range(5):
        q, qd = flying_pose(human, seed)
        simulation.reset(q, qd)
        pose, velocity = read(simulation)
        assert np.abs(pose - q).max() < 1e-12
        assert np.abs(velocity - qd).max() < 1e-12


def test_a_resting_body_falls_freely_without_moving_its_joints(human: Body):
    start = np.zeros(human.n_dofs)
    start[4] = 5.0
    q, qd = simulate(human, start, np.zeros(human.n_dofs), steps=120)
    fall = 120 * 121 / 2 * human.gravity / HZ**2  # semi-implicit Euler: speeds first, then positions
    assert q[4] == pytest.approx(5.0 - fall, abs=1e-6)
    assert qd[4] == pytest.approx(-0.1 * human.gravity, abs=1e-6)
    assert np.abs(np.delete(q, 4)).max() < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_a_thrown_body_moves_as_our_dynamics_say(human: Body, seed: int):
    q, qd = flying_pose(human, seed)
    ours, theirs = integrate(human, q, qd, 120), simulate(human, q, qd, 120)
    assert np.abs(human.kinematics(ours[0]).com - human.kinematics(theirs[0]).com).max() < 1e-4


@pytest.mark.parametrize("name", ["FemurR", "ArmL", "Head"])
def test_a_spinning_ball_joint_spins_the_body_that_we_say(human: Body, name: str):
    body = human.skeleton.body(name)
    q, _ = flying_pose(human, 0)
    qd = np.zeros(human.n_dofs)
    start = human.skeleton.dof_start[body]
    qd[start : start + 3] = 1.0, -2.0, 3.0
    simulation = Simulation(human, HZ)
    simulation.reset(q, qd)
    link = pybullet.getLinkState(
        simulation._body, body - 1, computeLinkVelocity=1, physicsClientId=simulation._client
    )
    ours = human.kinematics(q, qd)
    assert np.allclose(link[0], ours.com[body], atol=1e-9)
    assert np.allclose(link[6], ours.com_velocity[body], atol=1e-9)
    assert np.allclose(link[7], ours.angular_velocity[body], atol=1e-9)


def test_momentum_is_conserved_without_gravity(human: Body):
    floating = replace(human, gravity=0.0)
    q, qd = flying_pose(floating, 4)
    mass = floating.skeleton.mass[:, None]
    before = (mass * floating.kinematics(q, qd).com_velocity).sum(axis=0)
    after = (mass * floating.kinematics(*simulate(floating, q, qd, 120)).com_velocity).sum(axis=0)
    assert np.abs(after - before).max() < 1e-3 * np.linalg.norm(before)


def test_a_held_body_presses_on_the_ground_with_its_weight(human: Body):
    gains = np.zeros((2, human.n_dofs))
    gains[:, 6:] = [[300.0], [25.0]]
    model, stage = make_model(human, gains[0], gains[1], 1 / 480, 1 / 480), make_stage(human)
    simulation, rest = Simulation(human, 480), np.zeros(human.n_dofs)
    simulation.reset(rest, rest)
    force = []
    for _ in range(96):
        torque_step(model, simulation.links, rest, rest, stage)
        simulation.step(stage.link_torque)
        simulation.read()
        force.append(simulation.ground_forces().sum())
    weight = human.skeleton.total_mass * human.gravity
    assert np.mean(force[24:]) == pytest.approx(weight, rel=0.1)


def test_joint_limits_hold_the_lightest_joint_against_a_blow(human: Body):
    model = make_model(human, np.zeros(human.n_dofs), np.zeros(human.n_dofs), 1 / 240, 1 / 240)
    stage, simulation = make_stage(human), Simulation(human, 240)
    q, qd = np.zeros(human.n_dofs), np.zeros(human.n_dofs)
    toe = human.skeleton.dof_start[human.skeleton.body("FootThumbR")]
    q[4], qd[toe] = 5.0, 50.0
    simulation.reset(q, qd)
    beyond = []
    for _ in range(60):
        torque_step(model, simulation.links, q, qd, stage)
        simulation.step(stage.link_torque)
        simulation.read()
        beyond.append(stage.q[toe] - human.skeleton.upper[toe])
    assert max(beyond) < 0.25  # one step of 50 rad/s
    assert beyond[-1] < 0.02


def test_link_states_of_turned_inertias_survive_the_round_trip(human: Body):
    skewed = human.skeleton.inertia.copy()
    skewed[1] += 0.02 * (np.ones((3, 3)) - np.eye(3))
    body = replace(human, skeleton=replace(human.skeleton, inertia=skewed))
    simulation = Simulation(body, HZ)
    assert not np.allclose(simulation.frames.to_joint[1], human.skeleton.body_rotation[1])
    q, qd = flying_pose(body, 1)
    state = np.empty(simulation.frames.size)
    to_links(body.skeleton.tree, simulation.frames, q, qd, state)
    simulation.reset(q, qd)
    assert np.abs(simulation.read() - state).max() < 1e-12
    ours, theirs = integrate(body, q, qd, 60), simulate(body, q, qd, 60)
    assert np.abs(body.kinematics(ours[0]).com - body.kinematics(theirs[0]).com).max() < 1e-4


def test_the_robot_file_gives_every_body_its_mass(human: Body):
    text = urdf(human)
    assert text.count("<mass ") == human.skeleton.n_bodies
    assert text.count("<collision>") == human.skeleton.contact.sum()


@pytest.mark.parametrize("name", ["Pelvis", "Torso", "HandL"])
def test_a_push_gives_its_impulse_and_moment_to_the_body(human: Body, name: str):
    floating, force = replace(human, gravity=0.0), np.array([30.0, -10.0, 20.0])
    simulation, number = Simulation(floating, HZ), human.skeleton.body(name)
    q = flying_pose(floating, 0)[0]
    simulation.reset(q, np.zeros(human.n_dofs))
    simulation.push(number, force)
    assert simulation.push_point() == pytest.approx(floating.kinematics(q).com[number], abs=1e-9)
    for _ in range(12):
        simulation.step(None)
    simulation.release()
    simulation.step(None)
    moved = floating.kinematics(*read(simulation))
    mass, start = floating.skeleton.mass[:, None], floating.kinematics(q).com[number]
    assert (mass * moved.com_velocity).sum(axis=0) == pytest.approx(force * 12 / HZ, rel=0.01)
    spin = floating.skeleton.inertia
    turned = moved.rotation @ spin @ moved.rotation.transpose(0, 2, 1)
    moment = np.cross(moved.com, mass * moved.com_velocity).sum(axis=0)
    moment += np.einsum("bij,bj->i", turned, moved.angular_velocity)
    wanted = np.cross(start, force * 12 / HZ)
    assert moment == pytest.approx(wanted, abs=0.02 * float(np.linalg.norm(wanted)))


def test_a_reset_ends_the_push(human: Body):
    simulation, rest = Simulation(human, HZ), np.zeros(human.n_dofs)
    simulation.push(0, [100.0, 0.0, 0.0])
    simulation.reset(rest, rest)
    assert not simulation.push_force.any()
    simulation.step(None)
    assert abs(read(simulation)[1][3]) < 1e-9


@pytest.mark.parametrize(
    ("body", "force", "message"),
    [
        (23, [1.0, 0.0, 0.0], "a push acts on a body from 0 to 22, but is on 23"),
        (-1, [1.0, 0.0, 0.0], "a push acts on a body from 0 to 22, but is on -1"),
        (0, [np.nan, 0.0, 0.0], "three finite numbers [N]"),
        (0, [1.0, 0.0], "three finite numbers [N]"),
    ],
)
def test_impossible_pushes_are_refused(human: Body, body: int, force: list[float], message: str):
    simulation = Simulation(human, HZ)
    with pytest.raises(ValueError, match=re.escape(message)):
        simulation.push(body, force)


def test_a_replaced_body_moves_as_in_a_world_of_its_own(human: Body):
    small = scale_body(human, height=0.9, mass=0.8)
    simulation = Simulation(human, HZ)
    q, qd = flying_pose(human, 2)
    q[4] = 0.02  # onto the ground
    for body in (small, human, small):
        simulation.set_body(body)
        simulation.reset(q, qd)
        for _ in range(60):
            simulation.step(None)
        alone = simulate(body, q, qd, 60)
        assert np.array_equal(np.concatenate(read(simulation)), np.concatenate(alone))


def resident_memory() -> float:
    """Return the memory that this process holds [MB]."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not STATM.is_file(), reason="reads the memory of the process from /proc")
def test_swapping_bodies_and_grounds_keeps_memory_flat(human: Body):
    bodies = [scale_body(human, height=height) for height in (0.9, 1.0, 1.1)]
    grounds = [FLAT, GroundShape(slope=0.1), GroundShape(roughness=0.02)]
    simulation, rest = Simulation(human, 240), np.zeros(human.n_dofs)

    def swap(times: int) -> None:
        for turn in range(times):
            simulation.set_body(bodies[turn % 3], grounds[turn % 2])
            simulation.reset(rest, rest)
            simulation.step(None)
        simulation.set_ground(grounds[2])

    swap(50)
    before = resident_memory()
    swap(300)
    assert resident_memory() - before < 1.0  # MB; a file read under a new name each time costs 4 MB


def test_a_world_that_lost_its_numbers_is_built_anew(human: Body):
    simulation, rest = Simulation(human, HZ), np.zeros(human.n_dofs)
    simulation.reset(rest, rest)
    for _ in range(3):
        simulation.step(np.full(human.n_dofs - 6, np.nan))
    assert not np.isfinite(simulation.read()).all()
    simulation.reset(rest, rest)
    for _ in range(60):
        simulation.step(None)
    assert np.array_equal(np.concatenate(read(simulation)), np.concatenate(simulate(human, rest, rest, 60)))


@pytest.mark.parametrize(
    "ground",
    [
        GroundShape(slope=0.15, direction=0.5),
        GroundShape(roughness=0.02, flat_radius=0.0, seed=3),
        GroundShape(slope=0.1, roughness=0.02, seed=4),
    ],
    ids=str,
)
def test_a_held_body_is_carried_by_any_ground_and_does_not_sink(human: Body, ground: GroundShape):
    gains = np.zeros((2, human.n_dofs))
    gains[:, 6:] = [[300.0], [25.0]]
    model, stage = make_model(human, gains[0], gains[1], 1 / 480, 1 / 480), make_stage(human)
    simulation, rest = Simulation(human, 480, ground), np.zeros(human.n_dofs)
    start = rest.copy()
    soles = human.sole_points(rest)
    start[4] = (ground.height(soles[:, 0], soles[:, 2]) - soles[:, 1]).max()
    simulation.reset(start, rest)
    force, gap = [], []
    for _ in range(192):
        torque_step(model, simulation.links, rest, rest, stage)
        simulation.step(stage.link_torque)
        simulation.read()
        force.append(simulation.ground_forces().sum())
        soles = human.sole_points(read(simulation)[0])
        gap.append((soles[:, 1] - ground.height(soles[:, 0], soles[:, 2])).min())
    weight = human.skeleton.total_mass * human.gravity
    assert 0.85 * weight < np.mean(force[48:]) < 1.15 * weight
    assert min(gap) > -0.01
