"""Stable PD that expects the forces of contacts: what it finds them to be, and how stiff they make ankles."""

import numpy as np
import pytest

from musclegym import load_body
from musclegym.actuation import Stage, make_model, make_stage, torque_step
from musclegym.body import Body
from musclegym.dynamics import bias_and_mass_matrix, force_of_change, make_workspace
from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.rotation import Array
from musclegym.simulation import Simulation
from musclegym.skeleton import forward_kinematics, local_rotations

HZ = 480


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


def drive(body: Body, start: Array, target: Array, steps: int, *, counts: bool) -> tuple[Stage, Array]:
    """Let stable PD of 300 N m/rad hold a target; return the stage and the contact forces of each step."""
    gains = np.zeros((2, body.n_dofs))
    gains[:, 6:] = [[300.0], [25.0]]
    model = make_model(body, gains[0], gains[1], 1 / HZ, 1 / HZ, counts_contacts=counts)
    stage, simulation, still = make_stage(body), Simulation(body, HZ), np.zeros(body.n_dofs)
    simulation.reset(start, still)
    found = []
    for _ in range(steps):
        torque_step(model, simulation.links, target, still, stage)
        found.append(stage.contact.copy())
        simulation.step(stage.link_torque)
        simulation.read()
    return stage, np.array(found)


@pytest.mark.parametrize("seed", range(3))
def test_the_force_of_a_change_is_the_one_that_made_it(human: Body, seed: int):
    random, work = np.random.default_rng(seed), make_workspace(human.skeleton)
    q, qd, torque, force = random.normal(0.0, [[0.3], [2.0], [20.0], [50.0]], (4, human.n_dofs))
    local_rotations(human.skeleton.tree, q, work.local)
    tree = human.skeleton.tree
    forward_kinematics(tree, work.local, q[3:6], work.rotation, work.position, work.com)
    bias_and_mass_matrix(tree, qd, human.gravity, work)
    after = qd + np.linalg.solve(work.mass_matrix, torque + force - work.bias) / HZ
    found = np.zeros(human.n_dofs)
    force_of_change(work, qd, after, torque, 1.0 / HZ, found)
    np.testing.assert_allclose(found, force, atol=1e-7)


def test_a_standing_body_feels_its_weight_and_a_falling_one_nothing(human: Body):
    rest = np.zeros(human.n_dofs)
    weight = human.skeleton.total_mass * human.gravity
    _, standing = drive(human, rest, rest, 96, counts=True)
    assert standing[24:, 4].mean() == pytest.approx(weight, rel=0.1)
    assert (standing[0] == 0.0).all()  # no step has been made
    high = rest.copy()
    high[4] = 5.0
    _, falling = drive(human, high, rest, 48, counts=True)
    assert np.abs(falling).max() < 0.005 * weight


def test_unless_it_counts_contacts_nothing_is_felt(human: Body):
    rest = np.zeros(human.n_dofs)
    assert (drive(human, rest, rest, 48, counts=False)[1] == 0.0).all()


def test_a_push_is_felt_where_it_acts():
    env = MuscleHumanoidEnv(actuation="torque", contact_forces=True, physics_hz=HZ)
    env.reset(seed=0)
    q = np.zeros(env.body.n_dofs)
    q[4] = 5.0
    env.simulation.reset(q, np.zeros(env.body.n_dofs))
    env.actuator.reset(np.random.default_rng(0))
    env.simulation.push(0, (100.0, 0.0, -50.0))
    env.actuator.follow(q, np.zeros(env.body.n_dofs))
    for _ in range(2):
        env.actuator.act(False)
    env.actuator.read()
    np.testing.assert_allclose(env.actuator.stage.contact[3:6], (100.0, 0.0, -50.0), atol=1.0)
    env.actuator.reset(np.random.default_rng(0))
    assert (env.actuator.stage.contact == 0.0).all()


def test_the_ankle_of_a_standing_body_is_as_stiff_as_its_gain(human: Body):
    """A free foot is so light that implicit damping takes most of its torque; one that stands is not free."""
    rest = np.zeros(human.n_dofs)
    ankles = [human.dof_names.index(f"Talus{side}_x") for side in "LR"]
    target = rest.copy()
    target[ankles] = -0.1
    made = {}
    for counts in (False, True):
        stage, _ = drive(human, rest, target, 60, counts=counts)
        asked = 300.0 * (target - stage.q) - 25.0 * stage.qd
        made[counts] = (stage.wanted[ankles] / asked[ankles]).mean()
    assert made[True] == pytest.approx(1.0, abs=0.1)
    assert made[False] < 0.35


@pytest.mark.parametrize("actuation", ["torque", "oracle"])
def test_zero_action_follows_the_walk_for_longer_where_contacts_count(actuation: str):
    steps = {}
    for counts in (False, True):
        env = MuscleHumanoidEnv(actuation=actuation, contact_forces=counts, physics_hz=240)
        steps[counts] = 0
        for phase in np.arange(6) / 6:
            env.reset(seed=0, options={"phase": float(phase)})
            done = False
            while not done:
                _, _, terminated, truncated, _ = env.step(np.zeros(50, np.float32))
                done = terminated or truncated
                steps[counts] += 1
    assert steps[True] > 1.1 * steps[False]
