"""What ground, pushes and body variation do to an episode of the environment."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.envs.world import BodyVariation, Ground, Pushes
from musclegym.rotation import Array

PHYSICS_HZ = 240


def rollout(steps: int = 30, **options: Any) -> tuple[Array, dict[str, Any]]:
    """Return the root's path and turn (step, 6) of an episode under zero action, and the last info."""
    env = MuscleHumanoidEnv(**{"actuation": "torque", "physics_hz": PHYSICS_HZ, **options})
    env.reset(seed=5)
    path, info = [], {}
    for _ in range(steps):
        _, _, _, _, info = env.step(np.zeros(env.action_space.shape or (), np.float32))
        path.append(env.state.q[:6])
    env.close()
    return np.array(path), info


BASES: dict[str, dict[str, Any]] = {
    "ground": {"slope": 0.1, "direction": 0.3, "roughness": 0.02, "wavelength": 1.0, "friction": 0.6},
    "pushes": {"impulse": 20.0, "duration": 0.1, "interval": 0.1, "direction": 0.3},
    "variation": {"height": 1.05, "mass": 1.1, "strength": 0.8},
}
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("ground", {"slope": 0.05}),
    ("ground", {"direction": 1.0}),
    ("ground", {"roughness": 0.01}),
    ("ground", {"wavelength": 1.5}),
    ("ground", {"flat_radius": 0.1}),
    ("ground", {"friction": 0.2}),
    ("pushes", {"impulse": 30.0}),
    ("pushes", {"duration": 0.2}),
    ("pushes", {"interval": 0.2}),
    ("pushes", {"direction": 1.0}),
    ("pushes", {"bodies": ("Head",)}),
    ("pushes", {"frame": "heading"}),
    ("pushes", {"most": 1}),
    ("variation", {"height": 1.1}),
    ("variation", {"mass": 1.2}),
    ("variation", {"strength": 0.5}),
]


@pytest.mark.parametrize(("option", "change"), CHANGES, ids=str)
def test_every_field_of_every_option_changes_the_trajectory(option: str, change: dict[str, Any]):
    actuation = "oracle" if "strength" in change else "torque"
    before: dict[str, Any] = {"actuation": actuation, option: BASES[option]}
    base, _ = rollout(**before)
    changed, _ = rollout(**{**before, option: {**BASES[option], **change}})
    assert not np.array_equal(base, changed)


def test_every_field_has_such_a_test():
    kinds = {"ground": Ground, "pushes": Pushes, "variation": BodyVariation}
    tested = {(option, name) for option, change in CHANGES for name in change}
    assert tested == {(option, item.name) for option, kind in kinds.items() for item in fields(kind)}


def test_options_leave_the_start_phase_as_it_is():
    options: dict[str, Any] = BASES
    plain, rich = MuscleHumanoidEnv(actuation="torque"), MuscleHumanoidEnv(actuation="torque", **options)
    for seed in range(5):
        assert plain.reset(seed=seed)[1]["phase"] == rich.reset(seed=seed)[1]["phase"]


def test_info_states_the_figures_of_the_episode():
    _, info = rollout(steps=5, **BASES)
    assert {name: info[name] for name in ("slope", "roughness", "friction")} == pytest.approx(
        {"slope": 0.1, "roughness": 0.02, "friction": 0.6}
    )
    assert (info["body_height"], info["body_mass"], info["body_strength"]) == (1.05, 1.1, 0.8)
    assert info["push_force"] == pytest.approx(200.0 * np.array([np.sin(0.3), 0.0, np.cos(0.3)]))


def test_a_push_to_the_left_moves_the_body_to_the_left():
    push = {"impulse": 40.0, "duration": 0.1, "interval": 0.0, "direction": np.pi / 2}
    still, _ = rollout()
    pushed, _ = rollout(pushes=push)
    assert (pushed - still)[-1, 3] > 0.05


@pytest.mark.parametrize("task", ["track", "stand"])
def test_a_body_starts_on_the_ground_of_any_shape(task: str):
    ground = {"slope": 0.15, "roughness": 0.02, "flat_radius": 0.0}
    env = MuscleHumanoidEnv(actuation="torque", ground=ground, task=task)
    for seed in range(5):
        env.reset(seed=seed)
        soles = env.body.sole_points(env.state.q)
        gap = (soles[:, 1] - env.world.height_at(soles[:, 0], soles[:, 2])).min()
        assert gap == pytest.approx(0.0, abs=0.01)  # soles of the walk are within a centimetre of the ground


NOT_FINITE: list[dict[str, Any]] = [
    {"actuation": "torque", "action_range": 1e300},
    {"actuation": "oracle", "kp": 1e300},
    {"actuation": "torque", "variation": {"mass": 1e-300}},
    {"actuation": "excitation", "variation": {"mass": 1e-300}},
    {"actuation": "muscle_length", "variation": {"mass": 1e-300}},
]
ABSURD: list[dict[str, Any]] = [
    {"actuation": "torque", "kp": 1e12},
    {"actuation": "torque", "kd": 1e300},
    {"actuation": "torque", "variation": {"mass": 1e-30}},
    {"actuation": "torque", "variation": {"mass": 1e30}},
    {"actuation": "oracle", "variation": {"height": 1e-6}},
    {"actuation": "excitation", "variation": {"strength": 1e300}},
    {"actuation": "muscle_length", "length_range": 1e300},
    {"actuation": "torque", "pushes": {"impulse": 1e305, "interval": 0.1}},
]


@pytest.mark.parametrize("options", [*NOT_FINITE, *ABSURD], ids=str)
def test_a_body_torn_apart_ends_its_episode_and_leaves_no_trace(options: dict[str, Any]):
    """What is no longer finite ends as diverged; the engine's limit on speeds keeps the rest finite."""
    env, rng = MuscleHumanoidEnv(physics_hz=PHYSICS_HZ, **options), np.random.default_rng(0)
    env.reset(seed=0)
    action, info, terminated, steps = np.zeros(0, np.float32), {}, False, 0
    while not terminated and steps < 60:
        action = rng.uniform(-1.0, 1.0, env.action_space.shape).astype(np.float32)
        observation, reward, terminated, _, info = env.step(action)
        assert np.isfinite(observation).all()
        assert np.isfinite([reward, *info["reward_terms"].values()]).all()
        assert info["diverged"] == (not np.isfinite(env.simulation.links).all())
        steps += 1
    assert terminated
    assert info["diverged"] or options not in NOT_FINITE
    fresh = MuscleHumanoidEnv(physics_hz=PHYSICS_HZ, **options)
    assert np.array_equal(env.reset(seed=1)[0], fresh.reset(seed=1)[0])
    assert np.array_equal(env.step(action)[0], fresh.step(action)[0])
