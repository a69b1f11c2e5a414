"""Physiology: published curves by hand, virtual work and power under every switch, twins of the kernels."""

import re
from dataclasses import replace
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musclegym.body import Body, load_body
from musclegym.muscle.activation import advance_activation
from musclegym.muscle.activity import advance_activity, excite_by_length, make_activity
from musclegym.muscle.curves import physiology_curves
from musclegym.muscle.fatigue import FATIGUE_RATE, RECOVERY_RATE, REST_RECOVERY, fatigue_after
from musclegym.muscle.groups import muscle_groups
from musclegym.muscle.hill import force_velocity, force_velocity_slope
from musclegym.muscle.physiology import MuscleConfig, muscle_config
from musclegym.muscle.transmission import make_muscle_buffers, velocity_damping
from tests.synthetic import random_body, random_state
from tests.test_muscles import SMALL_ARM, length_gradient

SWITCHES: dict[str, dict[str, Any]] = {
    "default": {},
    "force-velocity": {"force_velocity": True},
    "slow fibres": {"force_velocity": True, "max_velocity": 2.0},
    "no pennation": {"pennation": False},
    "no passive force": {"passive_force": False},
    "weak": {"strength": {"*": 0.4}},
    "all": {"force_velocity": True, "pennation": False, "passive_force": False, "strength": {"*": 0.4}},
}


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


@pytest.fixture(scope="module", params=["random 1", "random 4", "human"])
def body(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, human: Body) -> Body:
    if request.param == "human":
        return human
    plain = random_body(tmp_path_factory.mktemp("body"), int(request.param.split()[1]))
    pennate = np.linspace(0.0, 0.6, plain.n_muscles)
    return replace(plain, muscle_set=replace(plain.muscle_set, pennation_angle=pennate))


@pytest.mark.parametrize(
    ("velocity", "force"),
    [(0.0, 1.0), (-0.5, 0.5 / 3.0), (-1.0, 0.0), (-3.0, 0.0), (0.04, 1.2), (1e9, 1.4)],
)
def test_force_falls_with_shortening_and_rises_to_fourteen_tenths_with_lengthening(
    velocity: float, force: float
):
    assert force_velocity(velocity) == pytest.approx(force, abs=1e-7)


def test_lengthening_is_twice_as_steep_as_shortening_where_they_meet():
    assert force_velocity_slope(-1e-9) == pytest.approx(5.0)
    assert force_velocity_slope(1e-9) == pytest.approx(10.0)


def test_force_rises_with_velocity_everywhere():
    forces = [force_velocity(velocity) for velocity in np.linspace(-1.0, 2.0, 500)]
    assert (np.diff(forces) > 0.0).all()


def test_curves_to_draw_are_labelled_and_finite():
    curves = physiology_curves(MuscleConfig(force_velocity=True, max_velocity=8.0))
    assert [curve.name for curve in curves] == [
        "activation dynamics", "force-length", "force-velocity", "pennation", "fatigue",
    ]  # fmt: skip
    for curve in curves:
        assert curve.equation
        assert curve.source
        for line in curve.lines.values():
            assert line.shape == curve.x.shape
            assert np.isfinite(line).all()
    assert curves[2].x.max() == pytest.approx(1.2 * 8.0)


@pytest.mark.parametrize("switch", SWITCHES)
def test_virtual_work_holds_under_every_switch(body: Body, switch: str):
    """Torque is minus force times the gradient of the path length, whatever the force is."""
    q, qd = random_state(body, 1)
    now = body.muscles(q, qd, MuscleConfig(**SWITCHES[switch]))
    gradient = length_gradient(body, q)
    size = np.maximum(np.abs(now.torque_matrix).max(axis=0), SMALL_ARM * now.active_force)
    assert (np.abs(now.torque_matrix + now.active_force * gradient) <= 1e-5 * size).all()
    np.testing.assert_allclose(now.moment_arm, -gradient, atol=1e-6)
    expected = now.moment_arm @ now.passive_force
    np.testing.assert_allclose(now.passive_torque, expected, atol=1e-9 * (1.0 + now.passive_force.sum()))


@pytest.mark.parametrize("switch", SWITCHES)
def test_power_of_the_muscles_is_power_of_the_joints(body: Body, switch: str):
    for seed in range(5):
        q, qd = random_state(body, seed)
        now = body.muscles(q, 3.0 * qd, MuscleConfig(**SWITCHES[switch]))
        activation = np.random.default_rng(seed).random(body.n_muscles)
        force = activation * now.active_force + now.passive_force
        torque = now.torque_matrix @ activation + now.passive_torque
        each = -force * now.path_velocity  # positive where a shortening muscle does work
        assert each.sum() == pytest.approx(torque @ (3.0 * qd), rel=1e-6, abs=1e-9 * np.abs(each).sum())


@pytest.mark.parametrize("switch", SWITCHES)
def test_forces_equal_a_plain_twin(body: Body, switch: str):
    config = MuscleConfig(**SWITCHES[switch])
    q, qd = random_state(body, 3, 0.3)
    now, muscles = body.muscles(q, qd, config), body.muscle_set
    angle = muscles.pennation_angle * config.pennation
    along = now.path_length - muscles.tendon_slack_length
    fibre = np.hypot(along, muscles.optimal_fibre_length * np.sin(angle))
    cosine = np.where(angle > 0.0, np.maximum(along, 0.0) / fibre, 1.0)
    length = np.where(angle > 0.0, fibre, along) / muscles.optimal_fibre_length
    rate = cosine * now.path_velocity / muscles.optimal_fibre_length
    factor = np.ones(body.n_muscles)
    if config.force_velocity:
        factor = np.array([force_velocity(value) for value in rate / config.max_velocity])
    force = muscles.max_isometric_force * config.strength.get("*", 1.0) * cosine
    passive = (np.exp(4.0 * (length - 1.0) / 0.6) - 1.0) / (exp(4.0) - 1.0) * (length > 1.0)
    np.testing.assert_allclose(now.fibre_length, length, rtol=1e-12)
    np.testing.assert_allclose(now.fibre_velocity, rate, atol=1e-9)
    np.testing.assert_allclose(
        now.active_force, force * np.exp(-2.0 * (length - 1.0) ** 2) * factor, rtol=1e-9
    )
    np.testing.assert_allclose(now.passive_force, force * passive * config.passive_force, rtol=1e-9)


def test_shortening_muscles_lose_force_and_lengthening_ones_gain(human: Body):
    q, qd = random_state(human, 5, 0.2)
    still, moving = human.muscles(q, qd), human.muscles(q, qd, MuscleConfig(force_velocity=True))
    pulling = still.active_force > 1.0
    shortens, lengthens = moving.fibre_velocity < -0.01, moving.fibre_velocity > 0.01
    assert (moving.active_force < still.active_force)[pulling & shortens].all()
    assert (moving.active_force > still.active_force)[pulling & lengthens].all()
    assert (moving.active_force <= 1.4 * still.active_force)[pulling].all()


def test_forces_at_rest_and_by_default_do_not_depend_on_velocity(human: Body):
    q, qd = random_state(human, 6, 0.2)
    np.testing.assert_array_equal(
        human.muscles(q, qd).torque_matrix, human.muscles(q, qd, MuscleConfig()).torque_matrix
    )
    np.testing.assert_array_equal(
        human.muscles(q).torque_matrix,
        human.muscles(q, None, MuscleConfig(force_velocity=True)).torque_matrix,
    )


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_joint_damping_covers_that_of_the_muscles_and_has_the_trees_sparsity(seed: int, tmp_path: Path):
    body = random_body(tmp_path, seed, bodies=8, muscles=30)
    q, qd = random_state(body, seed)
    now = body.muscles(q, qd, MuscleConfig(force_velocity=True))
    still = body.muscles(q, qd)
    activation = np.random.default_rng(0).random(body.n_muscles)
    buffers, found = make_muscle_buffers(body.paths, body.n_dofs), np.full((body.n_dofs, body.n_dofs), np.nan)
    buffers.moment_arm[:] = now.moment_arm.T
    gained, moved = now.active_force - still.active_force, now.path_velocity
    buffers.damping[:] = np.divide(gained, moved, where=moved != 0.0, out=np.zeros_like(moved))
    assert (buffers.damping >= 0.0).all()
    velocity_damping(body.skeleton.tree, body.paths, activation, buffers, found)
    exact = (now.moment_arm * activation * buffers.damping) @ now.moment_arm.T
    on_one_way = np.zeros_like(exact, dtype=bool)
    for dof in range(body.n_dofs):
        other = dof
        while other >= 0:
            on_one_way[dof, other] = on_one_way[other, dof] = True
            other = int(body.skeleton.tree.dof_parent[other])
    twin = np.where(on_one_way, exact, 0.0)
    for muscle in range(body.n_muscles):
        arms = np.abs(now.moment_arm[:, muscle])
        twin += np.diag(
            activation[muscle] * buffers.damping[muscle] * arms * (np.where(on_one_way, 0.0, 1.0) @ arms)
        )
    np.testing.assert_allclose(found, twin, atol=1e-9 * np.abs(twin).max())
    assert np.linalg.eigvalsh(found - exact)[0] >= -1e-9 * np.abs(twin).max()


def test_strength_of_a_group_scales_its_muscles_and_no_others(human: Body):
    group = muscle_groups(human)["hamstrings_left"]
    others = np.setdiff1d(np.arange(human.n_muscles), group)
    q, _ = random_state(human, 7, 0.2)
    weak, usual = human.muscles(q, config=MuscleConfig(strength={"hamstrings_left": 0.5})), human.muscles(q)
    for name in ("active_force", "passive_force"):
        before, after = getattr(usual, name), getattr(weak, name)
        np.testing.assert_allclose(after[group], 0.5 * before[group])
        np.testing.assert_array_equal(after[others], before[others])


def test_strengths_that_fit_one_muscle_multiply_and_zero_paralyses(human: Body):
    config = MuscleConfig(strength={"*": 0.8, "*_left": 0.5, "soleus_r": 0.0})
    factors = dict(zip(human.muscle_names, config.strength_factors(human), strict=True))
    assert factors["soleus_l"] == pytest.approx(0.4)
    assert factors["gluteus_maximus_upper_r"] == pytest.approx(0.8)
    assert factors["soleus_r"] == 0.0


def test_strength_of_nothing_is_refused_with_the_nearest_name(human: Body):
    with pytest.raises(
        ValueError, match=r"'hamstring_left' fits none of 'human'; did you mean 'hamstrings_left'"
    ):
        MuscleConfig(strength={"hamstring_left": 0.5}).paths(human)


@pytest.mark.parametrize("pieces", [1, 2, 7, 50])
def test_activation_does_not_depend_on_how_time_is_cut(pieces: int):
    start, excitation = np.array([0.0, 0.2, 0.9, 1.0]), np.array([1.0, 0.7, 0.1, 0.0])
    activity = make_activity(4, 6)
    activity.activation[:], activity.excitation[:] = start, excitation
    dynamics = MuscleConfig(rise_time=0.02, fall_time=0.05).dynamics(0.03 / pieces, 0.03, lags=True)
    for _ in range(pieces):
        advance_activity(dynamics, activity)
    whole = advance_activation(start, excitation, 0.03, 0.02, 0.05)
    np.testing.assert_allclose(activity.activation, whole, rtol=0, atol=1e-14)


def test_activation_follows_at_once_without_dynamics():
    activity = make_activity(2, 6)
    activity.activation[:], activity.excitation[:] = [0.3, 0.9], [0.7, 0.1]
    advance_activity(MuscleConfig().dynamics(0.001, 0.001, lags=False), activity)
    assert activity.activation.tolist() == [0.7, 0.1]


def test_fatigue_under_a_held_activation_is_an_exponential_approach():
    """a = 0.02 settles at F a / R = 0.194, below the capacity; half of the way after ln 2 / R."""
    settled = FATIGUE_RATE * 0.02 / RECOVERY_RATE
    assert fatigue_after(0.0, 0.02, np.log(2.0) / RECOVERY_RATE) == pytest.approx(0.5 * settled)
    assert fatigue_after(0.5, 0.02, 1e6) == pytest.approx(settled)


def test_full_effort_tires_to_the_balance_of_fatigue_and_recovery():
    settled = FATIGUE_RATE / (FATIGUE_RATE + RECOVERY_RATE)
    assert fatigue_after(0.0, 1.0, 50.0) == pytest.approx(
        settled * (1.0 - exp(-50.0 * (FATIGUE_RATE + RECOVERY_RATE)))
    )
    assert fatigue_after(0.0, 1.0, 1e6) == pytest.approx(settled)


def test_tired_muscles_recover_faster_at_rest():
    assert fatigue_after(0.5, 0.0, 60.0) == pytest.approx(0.5 * exp(-60.0 * REST_RECOVERY * RECOVERY_RATE))


@pytest.mark.parametrize(
    ("fatigued", "activation"), [(0.0, 0.6), (0.35, 0.6), (0.5, 0.6), (0.2, 0.0), (0.0, 1.0)]
)
def test_fatigue_does_not_depend_on_how_time_is_cut(fatigued: float, activation: float):
    """The cuts fall before and after the moment in which the muscle can no longer hold the activation."""
    whole, pieces, level = fatigue_after(fatigued, activation, 90.0), fatigued, activation
    for span in (1.0, 9.0, 25.0, 55.0):
        pieces = fatigue_after(pieces, level, span)
        level = min(activation, 1.0 - pieces)
    assert pieces == pytest.approx(whole, rel=1e-9)


def test_fatigue_equals_small_euler_steps_of_the_three_compartments():
    active, fatigued, dt = 0.5, 0.1, 0.002
    for _ in range(50_000):
        active = min(0.5, 1.0 - fatigued)
        fatigued += dt * (FATIGUE_RATE * active - RECOVERY_RATE * fatigued)
    assert active < 0.5
    assert fatigue_after(0.1, 0.5, 100.0) == pytest.approx(fatigued, rel=1e-4)


def test_compartments_add_up_to_one_and_none_is_negative():
    rng, activity = np.random.default_rng(0), make_activity(50, 6)
    config = MuscleConfig(fatigue=True, fatigue_rate=2.0, recovery_rate=0.5, rest_recovery=3.0)
    dynamics = config.dynamics(0.01, 0.01, lags=True)
    for _ in range(300):
        activity.excitation[:] = rng.choice([0.0, 1.0, rng.random()], 50)
        advance_activity(dynamics, activity)
        resting = 1.0 - activity.activation - activity.fatigued
        assert resting.min() >= -1e-15
        assert activity.fatigued.min() >= 0.0
    assert activity.fatigued.max() > 0.3


def test_stretched_muscles_are_excited_as_the_plain_rule_says(human: Body):
    rng, buffers = np.random.default_rng(0), make_muscle_buffers(human.paths, human.n_dofs)
    length, velocity = rng.normal(size=(2, human.n_muscles))
    buffers.fibre_length[:], buffers.fibre_velocity[:] = rng.normal(size=(2, human.n_muscles))
    found = np.empty(human.n_muscles)
    excite_by_length(buffers, length, velocity, 2.0, 0.3, found)
    drive = 2.0 * (buffers.fibre_length - length) + 0.3 * (buffers.fibre_velocity - velocity)
    np.testing.assert_allclose(found, np.clip(drive, 0.0, 1.0))
    assert 0.0 < np.mean(found == 0.0) < 1.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fatige": True}, "muscles have no setting 'fatige' but"),
        ({"fatige": True}, "did you mean 'fatigue'?"),
        ({"max_velocity": 8.0}, "max_velocity acts with force_velocity only"),
        ({"start_fatigue": [0.0, 0.5]}, "start_fatigue acts with fatigue only"),
        ({"activation_dynamics": False, "rise_time": 0.02}, "rise_time acts with activation_dynamics only"),
        ({"rise_time": 0.0}, "rise_time of muscles must be positive and finite, but is 0.0; the default"),
        ({"fatigue": True, "start_fatigue": (0.5, 0.2)}, "a range (low, high) within [0, 1)"),
        ({"fatigue": True, "fatigue_rate": float("nan")}, "fatigue_rate of muscles must be positive"),
        ({"strength": {"soleus_r": -1.0}}, "strength of 'soleus_r' of muscles must be 0 or more"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused_by_name(settings: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        muscle_config(settings)


def test_settings_come_as_themselves_by_name_or_not_at_all():
    assert muscle_config(None) == MuscleConfig()
    assert muscle_config({"fatigue": True, "start_fatigue": [0.1, 0.2]}) == MuscleConfig(
        fatigue=True, start_fatigue=(0.1, 0.2)
    )
    config = MuscleConfig(pennation=False)
    assert muscle_config(config) is config


def test_time_constants_are_refused_where_nothing_lags():
    with pytest.raises(ValueError, match="add activation_dynamics=True or leave it out"):
        MuscleConfig(rise_time=0.02).dynamics(0.01, 0.01, lags=False)
