"""The actuator: choices in reach of dynamics and fatigue, stability, effort, and PD in muscle space."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from musclegym import bundle
from musclegym.actuation import make_model, make_stage, muscle_step, torque_step
from musclegym.body import Body, load_body
from musclegym.envs.actuator import Array32
from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.muscle.activity import advance_activity, make_activity, offer_choice, take_choice
from musclegym.muscle.effort import count_muscles, effort_of, make_tally
from musclegym.muscle.network import load_muscle_network
from musclegym.muscle.physiology import MuscleConfig
from musclegym.muscle.transmission import make_muscle_buffers
from musclegym.simulation import Simulation
from tests.synthetic import random_state

MUSCULAR = ("muscle", "oracle", "excitation", "muscle_length")
SWITCHES: dict[str, dict[str, Any]] = {
    "dynamics": {"activation_dynamics": True, "rise_time": 0.03},
    "force-velocity": {"force_velocity": True},
    "no pennation": {"pennation": False},
    "no passive force": {"passive_force": False},
    "fatigue": {"fatigue": True, "start_fatigue": (0.5, 0.6)},
    "strength": {"strength": {"*": 0.5}},
}
EVERYTHING = {key: value for switch in SWITCHES.values() for key, value in switch.items()}


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


def make(human: Body, actuation: str, **options: Any) -> MuscleHumanoidEnv:
    """Return an environment in which the walk begins at its first frame."""
    env = MuscleHumanoidEnv(body=human, actuation=actuation, **options)
    env.reset(seed=0, options={"phase": 0.0})
    return env


def action_of(env: MuscleHumanoidEnv) -> Array32:
    """Return a moderate action."""
    shape = env.action_space.shape or ()
    return np.full(shape, 0.2 if env.config.actuation == "excitation" else 0.1, np.float32)


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("actuation", MUSCULAR)
def test_every_switch_moves_the_body_otherwise_under_every_muscular_actuation(
    human: Body, actuation: str, switch: str
):
    ends = []
    for muscles in (None, SWITCHES[switch]):
        env = make(human, actuation, muscles=muscles)
        for _ in range(3):
            env.step(action_of(env))
        ends.append(env.state.q)
        env.close()
    assert np.isfinite(ends).all()
    assert np.abs(ends[0] - ends[1]).max() > 1e-6


def test_physiology_is_refused_where_no_muscle_acts(human: Body):
    with pytest.raises(ValueError, match="muscles acts where muscles act only"):
        make(human, "torque", muscles={"pennation": False})


def test_activation_lags_by_default_where_a_controller_excites(human: Body):
    lagging = {"muscle": False, "oracle": False, "excitation": True, "muscle_length": True}
    for actuation, lags in lagging.items():
        env = make(human, actuation)
        assert (env.actuator.model.dynamics.rise > 0.0) == lags
        env.close()


def offered(human: Body, config: MuscleConfig, hold: int) -> tuple[Any, Any, Any]:
    """Return dynamics, buffers and activity after an offer in a random state."""
    rng, activity = np.random.default_rng(1), make_activity(human.n_muscles, human.n_dofs)
    activity.activation[:] = rng.random(human.n_muscles)
    activity.fatigued[:] = (
        rng.random(human.n_muscles) * (1.0 - activity.activation) if config.fatigue else 0.0
    )
    now, buffers = (
        human.muscles(random_state(human, 1, 0.2)[0]),
        make_muscle_buffers(human.paths, human.n_dofs),
    )
    buffers.torque_matrix[:], buffers.passive_torque[:] = now.torque_matrix.T, now.passive_torque
    dynamics = config.dynamics(0.002, 0.002 * hold, lags=True)
    offer_choice(human.skeleton.tree, human.paths, dynamics, buffers, activity)
    return dynamics, buffers, activity


@pytest.mark.parametrize("fatigue", [False, True])
@pytest.mark.parametrize("lags", [False, True])
def test_chosen_activations_are_reached_at_the_next_update(human: Body, lags: bool, fatigue: bool):
    """Bounds are what no and full excitation lead to; between them every choice is reached exactly."""
    config = MuscleConfig(activation_dynamics=lags, fatigue=fatigue)
    for share in (
        np.zeros(human.n_muscles),
        np.ones(human.n_muscles),
        np.random.default_rng(2).random(human.n_muscles),
    ):
        dynamics, _, activity = offered(human, config, hold=4)
        lower, upper = activity.lower.copy(), activity.upper.copy()
        capacity = 1.0 - activity.fatigued
        assert (lower <= upper + 1e-15).all()
        assert (upper <= capacity + 1e-15).all()
        activity.share[:] = share
        take_choice(human.skeleton.tree, human.paths, dynamics, activity)
        assert activity.excitation.min() >= 0.0
        assert activity.excitation.max() <= 1.0
        for _ in range(4):
            advance_activity(dynamics, activity)
        expected = lower + share * (upper - lower)
        np.testing.assert_allclose(activity.activation, expected, atol=2e-4 if fatigue else 1e-12)


def test_offer_and_choice_equal_their_plain_twins(human: Body):
    dynamics, buffers, activity = offered(human, MuscleConfig(fatigue=True), hold=4)
    matrix, lower, upper = buffers.torque_matrix, activity.lower, activity.upper
    np.testing.assert_allclose(lower, activity.activation * np.exp(-0.008 / 0.040))
    np.testing.assert_allclose(activity.columns, (upper - lower)[:, None] * matrix, atol=1e-9)
    np.testing.assert_allclose(activity.passive_torque, buffers.passive_torque + lower @ matrix, atol=1e-9)
    activity.share[:] = np.random.default_rng(3).random(human.n_muscles)
    take_choice(human.skeleton.tree, human.paths, dynamics, activity)
    chosen = lower + (upper - lower) * activity.share
    np.testing.assert_allclose(activity.made, buffers.passive_torque + chosen @ matrix, atol=1e-9)


def test_without_dynamics_and_fatigue_the_whole_range_is_offered(human: Body):
    _, buffers, activity = offered(human, MuscleConfig(activation_dynamics=False), hold=4)
    np.testing.assert_array_equal(activity.columns, buffers.torque_matrix)
    np.testing.assert_array_equal(activity.passive_torque, buffers.passive_torque)


@pytest.mark.parametrize("actuation", ["muscle", "oracle"])
def test_torque_is_made_under_every_setting(human: Body, actuation: str):
    """What the muscles were asked for is what is chosen, but for what dynamics and fatigue forbid."""
    for switch in SWITCHES.values():
        env = make(human, actuation, muscles=switch)
        for _ in range(4):
            env.step(np.zeros(50, np.float32))
        effort = env.actuator.effort
        assert effort.torque_residual < 0.25 * effort.wanted_torque
        env.close()


@pytest.mark.parametrize("physics_hz", [240, 600])
def test_fully_active_muscles_are_stable_with_force_velocity(human: Body, physics_hz: int):
    """Floating without gravity or contacts, all muscles pulling: the body comes to rest, down to its toes."""
    floating = replace(human, gravity=0.0)
    gains = np.zeros(human.n_dofs)
    dt = 1.0 / physics_hz
    model = make_model(floating, gains, gains, dt, dt, MuscleConfig(force_velocity=True))
    stage, simulation = make_stage(floating), Simulation(floating, physics_hz)
    pose = np.zeros(human.n_dofs)
    pose[4] = 3.0
    simulation.reset(pose, random_state(human, 0)[1])
    stage.activity.excitation[:] = 1.0
    fastest = []
    for _ in range(2 * physics_hz):
        muscle_step(model, simulation.links, stage)
        fastest.append(np.abs(stage.qd[6:]).max())
        simulation.step(stage.link_torque)
        simulation.read()
    simulation.close()
    assert max(fastest[physics_hz // 2 :]) < 0.2 * max(fastest[: physics_hz // 10])
    assert max(fastest[-physics_hz // 4 :]) < 0.5


@pytest.mark.parametrize("actuation", ["torque", *MUSCULAR])
def test_a_state_that_is_not_finite_ends_the_episode_and_leaves_no_trace(human: Body, actuation: str):
    env = make(human, actuation, **({} if actuation == "torque" else {"muscles": EVERYTHING}))
    broken = env.state.qd.copy()
    broken[6:] = 1e200
    env.simulation.reset(env.state.q, broken)
    observation, reward, terminated, _, info = env.step(action_of(env))
    assert terminated
    assert info["diverged"]
    assert np.isfinite(observation).all()
    assert np.isfinite(reward)
    effort = env.actuator.effort
    assert effort.joint_work == effort.muscle_work == effort.torque_residual == 0.0
    np.testing.assert_array_equal(effort.torque, 0.0)
    env.reset(seed=0, options={"phase": 0.0})
    again = env.step(action_of(env))[0]
    fresh = make(human, actuation, **({} if actuation == "torque" else {"muscles": EVERYTHING}))
    np.testing.assert_array_equal(again, fresh.step(action_of(fresh))[0])
    env.close()
    fresh.close()


@pytest.mark.parametrize("actuation", ["torque", *MUSCULAR])
def test_effort_is_what_the_physics_steps_add_up_to(human: Body, actuation: str):
    env = make(human, actuation)
    actuator, stage = env.actuator, env.actuator.stage
    plain: dict[str, list[Any]] = {name: [] for name in ("torque", "joint", "muscle", "squared")}
    act = actuator.act

    def recorded(updated: bool) -> None:
        act(updated)
        plain["torque"].append(stage.actuator.copy())
        plain["joint"].append(np.abs(stage.actuator * stage.qd)[6:].sum())
        level, muscles = actuator.activation, stage.muscles
        if len(level):
            force = level * muscles.active_force + muscles.passive_force
            plain["muscle"].append(np.abs(force * muscles.path_velocity).sum())
            plain["squared"].append(np.mean(level**2))

    actuator.act = recorded
    env.step(action_of(env))
    effort = actuator.effort
    assert len(plain["torque"]) == 16
    np.testing.assert_allclose(effort.torque, np.mean(plain["torque"], axis=0), atol=1e-12)
    assert effort.joint_work == pytest.approx(np.sum(plain["joint"]) / 480)
    assert effort.muscle_work == pytest.approx(np.sum(plain["muscle"]) / 480)
    assert effort.squared_activation == pytest.approx(np.mean(plain["squared"] or 0.0))
    assert (effort.wanted_torque > 0.0) == (actuation in ("torque", "muscle", "oracle"))
    assert (effort.torque_residual > 0.0) == (actuation in ("muscle", "oracle"))
    env.close()


def test_muscles_near_their_capacity_count_as_saturated(human: Body):
    activity, tally = make_activity(4, human.n_dofs), make_tally(human.n_dofs)
    activity.activation[:], activity.fatigued[:] = [1.0, 0.98, 0.5, 0.4], [0.0, 0.0, 0.5, 0.5]
    buffers = make_muscle_buffers(human.paths, human.n_dofs)
    count_muscles(activity, buffers, 0.1, tally)
    tally.sums[0] = 1.0
    assert effort_of(tally, 4).saturated == 0.5


def test_bundled_kernels_do_what_the_plain_ones_do(human: Body):
    env, gains = make(human, "torque"), np.full(human.n_dofs, 10.0)
    model, links = make_model(human, gains, gains, 0.002, 0.002), env.simulation.links
    plain, bundled = make_stage(human), make_stage(human)
    target = np.full(human.n_dofs, 0.1)
    torque_step(model, links, target, target, plain)
    bundle.torque_step(bundle.bundle(model, bundled), links, target, target)
    np.testing.assert_array_equal(bundled.link_torque, plain.link_torque)
    plain.activity.excitation[:] = bundled.activity.excitation[:] = 0.3
    muscle_step(model, links, plain)
    bundle.muscle_step(bundle.bundle(model, bundled), links)
    np.testing.assert_array_equal(bundled.link_torque, plain.link_torque)
    assert np.abs(plain.link_torque).max() > 1.0
    env.close()


def test_start_fatigue_is_drawn_from_its_range_by_the_environments_generator(human: Body):
    env = make(human, "excitation", muscles={"fatigue": True, "start_fatigue": (0.2, 0.5)})
    first = env.actuator.fatigued.copy()
    assert first.min() >= 0.2
    assert first.max() <= 0.5
    assert first.std() > 0.05
    env.reset(seed=1, options={"phase": 0.0})
    assert (env.actuator.fatigued != first).any()
    env.reset(seed=0, options={"phase": 0.0})
    np.testing.assert_array_equal(env.actuator.fatigued, first)
    env.close()


def test_tired_muscles_cannot_be_fully_active(human: Body):
    env = make(human, "excitation", muscles={"fatigue": True, "start_fatigue": (0.6, 0.6)})
    for _ in range(5):
        env.step(np.ones(human.n_muscles, np.float32))
    assert env.actuator.activation == pytest.approx(np.full(human.n_muscles, 0.4), abs=0.01)
    env.close()


def test_zero_lengths_follow_the_walk_about_as_long_as_torques(human: Body):
    env = make(human, "muscle_length")
    lengths = []
    for start in range(6):
        env.reset(options={"phase": start / 6})
        length, terminated = 0, False
        while not terminated and length < 300:
            _, _, terminated, _, _ = env.step(np.zeros(human.n_muscles, np.float32))
            length += 1
        lengths.append(length)
    assert np.mean(lengths) > 20
    env.close()


def test_wanting_muscles_shorter_excites_them(human: Body):
    env = make(human, "muscle_length")
    soleus = human.muscle_names.index("soleus_r")
    levels = []
    for offset in (1.0, 0.0, -1.0):
        env.reset(seed=0, options={"phase": 0.0})
        action = np.zeros(human.n_muscles, np.float32)
        action[soleus] = offset
        env.step(action)
        levels.append(env.actuator.activation[soleus])
    assert levels[0] < levels[1] < levels[2]
    env.close()


def test_an_actuator_takes_over_a_body_of_other_figures(human: Body):
    env, strong = make(human, "oracle"), replace(human, muscle_set=human.muscle_set.with_strength(1.5))
    env.actuator.set_body(strong)
    np.testing.assert_array_equal(env.actuator.model.paths.max_force, 1.5 * human.paths.max_force)
    env.step(np.zeros(50, np.float32))
    fresh = make(strong, "oracle")
    fresh.step(np.zeros(50, np.float32))
    np.testing.assert_array_equal(env.state.q, fresh.state.q)
    renamed = replace(human.muscle_set, names=("other", *human.muscle_names[1:]))
    with pytest.raises(ValueError, match=re.escape("bodies with equal muscle_names only")):
        env.actuator.set_body(replace(human, muscle_set=renamed))
    env.close()
    fresh.close()


def test_members_can_share_one_network(human: Body):
    network = load_muscle_network(human)
    one, other = make(human, "muscle", muscle_weights=network), make(human, "muscle")
    assert one.actuator.network is network
    for env in (one, other):
        env.step(np.zeros(50, np.float32))
    np.testing.assert_array_equal(one.state.q, other.state.q)
    one.close()
    other.close()
