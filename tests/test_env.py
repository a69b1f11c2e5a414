"""MuscleHumanoid-v0: promises of the environment."""

import hashlib
import re
import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3

import musclegym
from musclegym.envs.config import ACTUATIONS, HumanoidConfig, TrackWeights, make_config
from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.envs.measures import INFO
from musclegym.envs.observations import PARTS
from musclegym.envs.tasks import TASKS
from musclegym.envs.tracking import tracking_terms
from musclegym.state import heading_rotation


def make(**options: Any) -> Any:
    """Return the bare environment."""
    return MuscleHumanoidEnv(**{"actuation": "torque", **options})


def rollout_digest(env: gymnasium.Env, seed: int, steps: int) -> str:
    """Return a digest of all observations and rewards of a rollout under random actions."""
    digest, rng = hashlib.sha256(), np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    for _ in range(steps):
        digest.update(observation.tobytes())
        action = rng.uniform(-0.3, 0.3, env.action_space.shape or ()).astype(np.float32)
        observation, reward, terminated, truncated, _ = env.step(action)
        digest.update(np.float64(reward).tobytes())
        if terminated or truncated:
            observation, _ = env.reset()
    return digest.hexdigest()


@pytest.mark.parametrize("actuation", ACTUATIONS)
def test_both_checkers_pass(actuation: str):
    env = gymnasium.make("MuscleHumanoid-v0", actuation=actuation, render_mode="rgb_array")
    check_gymnasium(env.unwrapped)
    check_sb3(env)
    env.close()


@pytest.mark.parametrize("actuation", ACTUATIONS)
def test_a_seed_repeats_bit_by_bit_in_one_process_and_in_another(actuation: str):
    env = gymnasium.make("MuscleHumanoid-v0", actuation=actuation)
    first = rollout_digest(env, seed=7, steps=300)
    rollout_digest(env, seed=8, steps=40)
    assert rollout_digest(env, seed=7, steps=300) == first
    code = (
        "import sys, gymnasium, musclegym; sys.path.insert(0, 'tests'); from test_env import rollout_digest;"
        f"env = gymnasium.make('MuscleHumanoid-v0', actuation={actuation!r});"
        "print(rollout_digest(env, 7, 300))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split()[-1] == first


def test_seeds_differ():
    env = make()
    assert rollout_digest(env, 1, 5) != rollout_digest(env, 2, 5)


@pytest.mark.parametrize("actuation", ACTUATIONS)
def test_reward_is_the_sum_of_its_terms(actuation: str):
    env = make(actuation=actuation)
    env.reset(seed=0)
    for _ in range(10):
        _, reward, _, _, info = env.step(env.action_space.sample())
        assert reward == sum(info["reward_terms"].values())
        assert set(info["reward_terms"]) == {"pose", "velocity", "end_effector", "root", "com"}


def test_perfect_tracking_earns_each_weight():
    env = make()
    env.reset(seed=0, options={"phase": 0.3})
    weights = TrackWeights()
    q, qd = env.reference.at(env.time)
    terms = tracking_terms(env.state, q, qd, env.body.kinematics(q, qd), weights)
    assert terms == pytest.approx({name: getattr(weights, name) for name in terms}, rel=1e-6)


@pytest.mark.parametrize("name", ["pose", "velocity", "end_effector", "root", "com"])
def test_every_weight_changes_the_reward(name: str):
    env = make(weights=TrackWeights(**{name: 0.0}))
    env.reset(seed=0, options={"phase": 0.3})
    _, _, _, _, info = env.step(np.zeros(50, np.float32))
    assert info["reward_terms"][name] == 0.0
    other = make()
    other.reset(seed=0, options={"phase": 0.3})
    _, _, _, _, info = other.step(np.zeros(50, np.float32))
    assert 0.0 < info["reward_terms"][name] < getattr(TrackWeights(), name)


def test_blocks_cover_the_observation_without_gaps():
    env = make(actuation="excitation", history=3)
    stops = [block.stop for block in env.observation_layout]
    assert [block.start for block in env.observation_layout] == [0, *stops[:-1]]
    assert env.observation_space.shape == (stops[-1],)
    assert env.observation_layout[-1].name == "history"


def test_history_ends_with_the_present_state_and_begins_in_the_past():
    env = make(history=4)
    observation, _ = env.reset(seed=0, options={"phase": 0.5})
    block = env.observation_layout[-1]
    states = observation[block.start : block.stop].reshape(4, 112)
    now = np.concatenate([env.state.q, env.state.qd])
    assert np.allclose(states[-1], now, atol=1e-6)
    before = np.concatenate(env.reference.at(env.time - 1 / 30))
    assert np.allclose(states[-2], before, atol=1e-5)
    observation, *_ = env.step(np.zeros(50, np.float32))
    shifted = observation[block.start : block.stop].reshape(4, 112)
    assert np.array_equal(shifted[:3], states[1:])


def test_start_is_the_reference_state_at_the_wanted_phase():
    env = make()
    env.reset(seed=0, options={"phase": 0.25})
    q, qd = env.motion.at(0.25 * env.motion.duration)
    assert np.allclose(env.state.q, q, atol=1e-9)
    assert np.allclose(env.state.qd, qd, atol=1e-9)


def test_reference_follows_the_body_from_cycle_to_cycle():
    env = make()
    env.reset(seed=0)
    env.reference.start()
    q, _ = env.reference.at(env.motion.duration)
    root = env.body.skeleton.joint_position[0] + q[3:6] + np.array([0.3, 0.0, -0.2])
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])  # facing +x, the left
    env.reference.resynchronise(env.motion.duration, turn, root)
    moved = env.body.kinematics(env.reference.at(env.motion.duration)[0])
    assert moved.joint_position[0, [0, 2]] == pytest.approx(root[[0, 2]], abs=1e-9)
    assert heading_rotation(moved.joint_rotation[0]) == pytest.approx(turn, abs=1e-9)


def test_zero_action_follows_the_walk_for_more_than_twenty_steps():
    env = make()
    lengths = []
    for start in range(10):
        env.reset(options={"phase": start / 10})
        length, terminated = 0, False
        while not terminated and length < 300:
            _, _, terminated, _, _ = env.step(np.zeros(50, np.float32))
            length += 1
        lengths.append(length)
    assert np.mean(lengths) > 20


def test_oracle_on_every_physics_step_moves_the_walk_as_torques_do():
    envs = [make(), make(actuation="oracle", muscle_hz=480)]
    for env in envs:
        env.reset(options={"phase": 0.0})
        for _ in range(5):
            env.step(np.zeros(50, np.float32))
    difference = envs[0].body.skeleton.difference(envs[0].state.q, envs[1].state.q)
    assert np.abs(difference).max() < 0.02


def test_a_state_that_is_not_finite_ends_the_episode_and_never_leaves_it():
    env = make()
    env.reset(seed=0)
    broken = env.state.qd.copy()
    broken[6:] = 1e200
    env.simulation.reset(env.state.q, broken)
    observation, reward, terminated, _, info = env.step(np.zeros(50, np.float32))
    assert terminated
    assert info["diverged"]
    assert np.isfinite(observation).all()
    assert np.isfinite(reward)
    observation, _ = env.reset(seed=0)
    assert np.isfinite(observation).all()
    _, _, terminated, _, info = env.step(np.zeros(50, np.float32))
    assert not info["diverged"]


def test_a_motion_repeats_if_that_is_asked_for():
    once, again = (make(actuation="torque", motion="jump", cyclic=cyclic) for cyclic in (False, True))
    assert once.unwrapped.motion.cyclic is False
    assert again.unwrapped.motion.cyclic is True
    with pytest.raises(ValueError, match="has cyclic=True and cyclic=False is asked for"):
        make(actuation="torque", motion=again.unwrapped.motion, cyclic=False)


def test_a_motion_that_does_not_repeat_truncates_at_its_end():
    env = make(motion="kick", fall_drop=10.0, lost_distance=100.0)
    assert not env.motion.cyclic
    env.reset(options={"phase": 0.98})
    truncated, steps = False, 0
    while not truncated and steps < 10:
        _, _, terminated, truncated, _ = env.step(np.zeros(50, np.float32))
        assert not terminated
        steps += 1
    assert truncated


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"acutation": "torque"}, "did you mean 'actuation'?"),
        ({"actuation": "torques"}, "did you mean 'torque'?"),
        ({"physics_hz": 500}, "for control_hz=30 use e.g. physics_hz=510"),
        ({"physics_hz": 0}, "physics_hz must be a positive whole number"),
        ({"muscle_hz": 100}, "physics_hz must be a multiple of muscle_hz"),
        ({"body": {"name": "human", "hight": 1.6}}, "did you mean 'height'?"),
        (
            {"actuation": "torque", "muscle_hz": 240},
            "muscle_hz acts under actuation 'muscle' or 'oracle' only",
        ),
        ({"actuation": "oracle", "muscle_weights": "x"}, "muscle_weights acts under actuation 'muscle' only"),
        ({"actuation": "excitation", "kp": 200.0}, "kp acts where the action is a target pose only"),
        ({"task": "dance"}, "task must be one of 'track'"),
        ({"kp": -1.0}, "kp must be positive"),
        ({"history": -1}, "must not be negative"),
    ],
)
def test_bad_options_are_refused_by_name(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_config(options)


def test_a_body_can_be_named_by_the_arguments_of_its_loader():
    env = make(body={"name": "human", "height": 1.6, "mass": 55.0})
    assert env.body.skeleton.total_mass == pytest.approx(55.0)
    assert env.body.hash == musclegym.load_body("human", height=1.6, mass=55.0).hash


@pytest.mark.parametrize(
    ("physics_hz", "muscle_hz"), [(480, 240), (600, 300), (240, 120), (30, 30), (90, 90)]
)
def test_muscles_are_updated_on_every_second_physics_step_if_possible(physics_hz: int, muscle_hz: int):
    assert make_config({"physics_hz": physics_hz}).muscle_updates == muscle_hz


def test_bad_reset_options_and_render_modes_are_refused():
    env = make()
    with pytest.raises(ValueError, match="phase must lie in"):
        env.reset(options={"phase": 1.5})
    with pytest.raises(ValueError, match="the only option of reset is 'phase'"):
        env.reset(options={"phas": 0.5})
    with pytest.raises(ValueError, match="render_mode must be None or 'rgb_array'"):
        MuscleHumanoidEnv(render_mode="human")


def test_a_body_without_muscles_is_refused_unless_torques_drive_it(human_without_muscles: musclegym.Body):
    with pytest.raises(ValueError, match="needs muscles, but body"):
        make(body=human_without_muscles, actuation="oracle")
    make(body=human_without_muscles).close()


@pytest.fixture
def human_without_muscles() -> musclegym.Body:
    from dataclasses import replace

    from musclegym.muscle.path import MuscleSet

    return replace(musclegym.load_body("human"), muscle_set=MuscleSet.none())


def test_pictures_come_at_the_control_rate():
    env = make(control_hz=60)
    assert env.metadata["render_fps"] == 60
    assert MuscleHumanoidEnv.metadata["render_fps"] == 30


def test_the_class_docstring_is_the_reference_of_all_that_the_code_knows():
    page = MuscleHumanoidEnv.__doc__ or ""
    for names in (ACTUATIONS, TASKS, INFO, (part.name for part in PARTS), vars(HumanoidConfig())):
        missing = [name for name in names if f"`{name}`" not in page]
        assert not missing


def test_info_has_exactly_the_entries_that_the_reference_explains():
    env = make(ground={"slope": 0.05}, pushes={}, variation={"height": (0.95, 1.05)})
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.zeros(50, np.float32))
    assert set(info) == set(INFO)


@pytest.mark.parametrize("actuation", ["torque", "excitation"])
@pytest.mark.parametrize("task", sorted(TASKS))
def test_lengths_in_the_reference_are_those_of_the_blocks(actuation: str, task: str):
    env = make(actuation=actuation, task=task, history=3)
    body, lengths = env.body, {part.name: part.length for part in PARTS}
    known = {"body": body.skeleton.n_bodies, "dof": body.n_dofs, "muscle": body.n_muscles, "history": 3}
    known["of the task"] = env.task.goal_size
    for block in env.observation_layout:
        formula = lengths[block.name]
        for word, value in known.items():
            formula = formula.replace(word, str(value))
        formula = re.sub(r"(\d) (\d|\()", r"\1 * \2", formula.replace(" x ", " * "))
        assert eval(formula) == block.stop - block.start


def test_a_ghost_shows_the_motion_and_a_push_an_arrow():
    plain, ghost = make(render_mode="rgb_array"), make(render_mode="rgb_array", ghost=True)
    pushed = make(render_mode="rgb_array", pushes={"impulse": 50.0, "interval": 0.0})
    pictures = []
    for env in (plain, ghost, pushed):
        env.reset(seed=0, options={"phase": 0.1})
        for _ in range(4):
            env.step(np.full(50, 0.2, np.float32))
        pictures.append(env.render().astype(int))
    assert np.abs(pictures[1] - pictures[0]).max() > 20
    assert np.abs(pictures[2] - pictures[0]).max() > 50


def test_on_a_slope_the_motion_stands_on_the_ground_wherever_it_goes():
    env = make(ground={"slope": 0.15, "direction": 0.0})
    env.reset(seed=0, options={"phase": 0.4})
    for time in (0.0, 0.5, 3.0):
        clear = []
        for q in (env.reference.at(time)[0], env.motion.at(time)[0]):
            points = env.body.sole_points(q)
            ground = env.world.height_at(points[:, 0], points[:, 2]) if not clear else 0.0
            clear.append((points[:, 1] - ground).min())
        assert clear[0] == pytest.approx(clear[1], abs=1e-9)
    assert np.allclose(env.reference.at(env.time)[0], env.state.q, atol=1e-9)


def test_what_muscles_remember_is_observed_where_it_matters():
    def blocks(**options: Any) -> set[str]:
        return {block.name for block in make(**options).observation_layout} & {"activation", "fatigued"}

    assert blocks() == blocks(actuation="oracle") == set()
    assert blocks(actuation="excitation") == {"activation"}
    assert blocks(actuation="excitation", muscles={"activation_dynamics": False}) == set()
    assert blocks(actuation="oracle", muscles={"activation_dynamics": True}) == {"activation"}
    assert blocks(actuation="oracle", muscles={"fatigue": True}) == {"fatigued"}
    env = make(actuation="oracle", muscles={"fatigue": True, "start_fatigue": (0.2, 0.4)})
    observation, _ = env.reset(seed=0)
    block = next(block for block in env.observation_layout if block.name == "fatigued")
    tired = observation[block.start : block.stop]
    assert (tired >= 0.2).all()
    assert (tired <= 0.4).all()
    assert tired.std() > 0.0
