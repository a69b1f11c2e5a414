"""MuscleNN under every physiology and for every build: states, shapes of bodies, reach, benchmark."""

import json
from dataclasses import fields, replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from musclegym.body import Body, load_body
from musclegym.builds import GRID, BuildRange, build_of, shape_hash
from musclegym.builds import LENGTHS as LENGTHS_OF
from musclegym.motion import load_motion
from musclegym.motion.motion import Motion
from musclegym.muscle.network import load_muscle_network
from musclegym.muscle.oracle import Entries
from musclegym.muscle.physiology import MuscleConfig
from musclegym.policies.bench import RolloutConfig, bench_rollout, main
from musclegym.policies.environment import EnvironmentConfig
from musclegym.policies.muscle_moments import Gains, Moments, held_out_moments, scaled
from musclegym.policies.muscle_reach import balanced_reach, free_reach
from musclegym.policies.muscle_scores import CONDITIONS, oracle_activation, score, torque_error
from musclegym.policies.muscle_settings import Setting, Variety, judged_settings
from musclegym.policies.muscle_states import BEFORE, Spread, StateSampler
from musclegym.scaling import scale_body

NOWHERE = Spread(0.0, 0.0, 0.0, 0.0)
ALL = {
    "force_velocity": True,
    "activation_dynamics": True,
    "fatigue": True,
    "start_fatigue": (0.1, 0.6),
    "pennation": False,
    "passive_force": False,
    "strength": {"quadriceps_left": 0.3, "*": 0.7},
}


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


@pytest.fixture(scope="module")
def walk(human: Body) -> Motion:
    return load_motion("walk", human)


@pytest.fixture(scope="module")
def moments(human: Body, walk: Motion) -> Moments:
    return held_out_moments(human, walk, 0.2, Gains())


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"force_velocity": True},
        {"activation_dynamics": True},
        {"fatigue": True, "start_fatigue": (0.1, 0.6)},
        {"pennation": False},
        {"passive_force": False},
        {"strength": {"quadriceps_left": 0.3, "*": 0.7}},
        ALL,
    ],
    ids=lambda changed: "all" if len(changed) > 2 else next(iter(changed), "default"),
)
def test_states_are_what_the_environment_offers(human: Body, moments: Moments, changed: dict[str, object]):
    physiology = MuscleConfig(**changed)  # type: ignore[arg-type]
    sampler = StateSampler(human, moments, Gains(), physiology)
    features = sampler.draw(1, np.random.default_rng(0), Spread(0.2, 1.0, 0.1, 0.0), varied=False)[0]
    stage = sampler.stage
    present, capacity = stage.activity.activation, 1.0 - stage.activity.fatigued
    measured = human.muscles(stage.q, stage.qd, physiology)
    rise, fall = (np.exp(-1.0 / 240.0 / tau) for tau in (physiology.rise_time, physiology.fall_time))
    if not physiology.activation_dynamics:
        rise, fall = 0.0, 0.0
    lower, upper = fall * present, capacity + rise * (present - capacity)
    matrix = measured.torque_matrix[6:] * (upper - lower)
    wanted = stage.wanted - measured.passive_torque - measured.torque_matrix @ lower
    entries, count = sampler.entries, sampler.entries.dof.size
    muscle = np.repeat(np.arange(human.n_muscles), np.diff(entries.start))
    np.testing.assert_allclose(features[:count], matrix[entries.dof, muscle], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(features[count : count + 50], wanted[6:], rtol=1e-5, atol=1e-4)
    if physiology.fatigue and not physiology.activation_dynamics:
        low, high = physiology.start_fatigue
        assert low <= stage.activity.fatigued.min() < stage.activity.fatigued.max() <= high
    assert (present.max() > 0.05) == bool(physiology.activation_dynamics)


def test_activation_comes_from_the_torque_of_the_update_before(human: Body, moments: Moments):
    sampler = StateSampler(human, moments, Gains(), MuscleConfig(activation_dynamics=True))
    trusted = np.flatnonzero(moments.trust)
    ratios = []
    for seed in range(5):
        sampler.draw(1, np.random.default_rng(seed), NOWHERE, varied=False)
        stage = sampler.stage
        measured = human.muscles(stage.q)
        active = (stage.wanted - measured.passive_torque)[6:]
        ratios.append((measured.torque_matrix[6:] @ stage.activity.activation) @ active / (active @ active))
    assert len(trusted)
    assert min(ratios) >= BEFORE[0] - 0.02
    assert max(ratios) <= BEFORE[1] + 0.02
    assert max(ratios) - min(ratios) > 0.05


def test_moments_of_another_build_scale_with_it(moments: Moments):
    other = scaled(moments, 1.1, 1.2)
    np.testing.assert_allclose(other.torque, 1.32 * moments.torque)
    np.testing.assert_allclose(other.qd[:, 3:6], 1.1 * moments.qd[:, 3:6])
    np.testing.assert_array_equal(other.q[:, 6:], moments.q[:, 6:])


def test_shape_stays_when_the_build_changes(human: Body):
    shape = shape_hash(human)
    for height, mass, strength in ((0.81, 1.7, 1.0), (1.19, 0.6, 3.0), (1.0, 1.0, 0.1)):
        assert shape_hash(scale_body(human, height, mass, strength)) == shape
    assert shape_hash(load_body("human", height=1.6, mass=58.0, strength=0.9)) == shape
    factors = np.divide(build_of(scale_body(human, 1.1, 1.3, 1.0)), build_of(human))
    assert factors[:2] == pytest.approx([1.1, 1.3])
    assert factors[2] == pytest.approx((47 * 73 * 1.3 * 1.75 + 1285 / 1.1) / (47 * 73 * 1.75 + 1285))


def test_shape_changes_with_a_millimetre_and_a_name(human: Body):
    muscles = human.muscle_set
    moved = muscles.waypoint_position.copy()
    moved[17, 0, 2] += 1e-3
    stronger = muscles.max_isometric_force * np.where(np.arange(270) == 9, 1.01, 1.0)
    for change in (
        {"waypoint_position": moved},
        {"max_isometric_force": stronger},
        {"names": ("another", *muscles.names[1:])},
    ):
        assert shape_hash(replace(human, muscle_set=replace(muscles, **change))) != shape_hash(human)
    assert shape_hash(replace(human, gravity=9.8)) != shape_hash(human)


def test_no_figure_of_the_human_lies_where_rounding_could_change_its_shape(human: Body):
    length, mass, force = build_of(human)
    units = {"mass": mass, "inertia": mass * length**2, "max_isometric_force": force / 100.0}
    units |= dict.fromkeys(LENGTHS_OF, length / 10.0)
    for part in (human.skeleton, human.muscle_set):
        for item in fields(part):
            value = getattr(part, item.name)
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                steps = value[np.isfinite(value)] / units.get(item.name, 1.0) / GRID
                rounding = 1e-13 * np.abs(steps) + 1e-9
                assert (np.abs(steps - np.floor(steps) - 0.5) > rounding).all(), item.name


def test_range_of_builds_holds_the_body_itself():
    for wrong in ((0.0, 1.0), (1.1, 1.2), (0.9, 0.95), (1.0, float("inf"))):
        with pytest.raises(ValueError, match=r"0 < low <= 1 <= high.*use e\.g\. \(0\.8, 1\.2\)"):
            BuildRange(mass=wrong)
    with pytest.raises(ValueError, match=r"must be shares in \[0, 1\]"):
        Variety(plain=1.5)


def test_drawn_settings_lie_within_the_ranges_and_vary(human: Body):
    variety, random = Variety(), np.random.default_rng(0)
    drawn = [variety.draw(human, random) for _ in range(200)]
    bodies = [setting.applied(human) for setting in drawn]
    factors = np.array([np.divide(build_of(body), build_of(human)) for body in bodies])
    assert (factors >= np.array([0.8, 0.6, 0.4]) * (1 - 1e-9)).all()
    assert (factors <= np.array([1.2, 1.6, 2.0]) * (1 + 1e-9)).all()
    assert factors.std(axis=0).min() > 0.03
    for name in ("force_velocity", "activation_dynamics", "fatigue", "pennation", "passive_force"):
        assert {bool(getattr(setting.muscles, name)) for setting in drawn} == {False, True}, name
    assert 30 <= drawn.count(Setting()) <= 75
    assert Variety(plain=1.0).draw(human, random) == Setting()
    alone = Variety(BuildRange(), plain=0.0, switched=1.0).draw(human, random)
    assert alone.applied(human) is human


def test_shipped_network_holds_under_every_setting(human: Body, moments: Moments):
    # The bar is that of the default setting; the error is that on 60 states of each condition of the walk.
    network = load_muscle_network(human)
    for name, setting in judged_settings(human).items():
        around = scaled(moments, setting.height, setting.mass)
        sampler = StateSampler(setting.applied(human), around, Gains(), setting.muscles)
        for condition, (spread, followed) in CONDITIONS.items():
            random = np.random.default_rng(0)
            features = sampler.draw(60, random, spread, varied=False, followed=followed)
            row, _ = score(network, sampler.entries, features)
            assert row["network"] <= row["allowed"], (name, condition, row)


@pytest.mark.parametrize("height", [1.4, 1.6, 2.1])
def test_human_of_any_height_moves_by_the_shipped_network(height: float):
    env = gymnasium.make("MuscleHumanoid-v0", body={"name": "human", "height": height})
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.zeros(env.action_space.shape, dtype=np.float32))  # type: ignore[arg-type]
    assert not info["diverged"]
    env.close()


def test_muscles_alone_reach_the_sums_of_their_pulls_each_way():
    # Two DoFs, three muscles: the first turns both, the others the second one.
    entries = Entries(start=np.array([0, 2, 3, 4]), dof=np.array([0, 1, 1, 1]))
    features = np.array([[3.0, -2.0, 5.0, -1.0, *(0.0, 0.0), *(0.0, 0.0, 0.0)]], dtype=np.float32)
    np.testing.assert_allclose(free_reach(features, entries)[:, 0], [[0.0, -3.0], [3.0, 5.0]])


def test_balanced_torque_is_at_most_the_free_one(human: Body, walk: Motion):
    balanced = balanced_reach(human, [walk])
    knee = human.dof_names.index("TibiaR") - 6
    assert balanced[0].max() <= 1e-9
    assert balanced[1].min() >= -1e-9
    poses = np.array([walk.at(walk.duration * (i + 0.5) / 3)[0] for i in range(3)])
    free = np.array([np.maximum(human.muscles(q).torque_matrix, 0.0).sum(axis=1)[6:] for q in poses])
    assert (balanced[1] <= free.max(axis=0) + 1e-6).all()
    assert min(-balanced[0, knee], balanced[1, knee]) > 30.0  # a knee can do so both ways


def test_oracle_misses_what_lies_beyond_the_free_reach(human: Body, moments: Moments):
    sampler = StateSampler(human, moments, Gains())
    features = sampler.draw(
        40, np.random.default_rng(0), Spread(0.3, 1.0, 0.4, 0.0), varied=False, followed=0.0
    )
    low, high = free_reach(features, sampler.entries)
    count = sampler.entries.dof.size
    wanted = features[:, count : count + 50]
    beyond = np.maximum(low - wanted, wanted - high).clip(0.0)
    error = torque_error(features, sampler.entries, oracle_activation(features, sampler.entries))
    assert beyond.max() > 0.0
    assert (np.abs(error) >= beyond - 1e-3).all()


def test_rollouts_without_a_motion_are_refused():
    config = RolloutConfig(environment=EnvironmentConfig(actuation="torque", task="stand"))
    with pytest.raises(ValueError, match=r"task 'stand' has none; add a motion, e\.g\. --motion"):
        bench_rollout(config)


@pytest.mark.slow
def test_command_prints_every_setting_and_the_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, picture = tmp_path / "bench.json", tmp_path / "reach.png"
    main(["muscle", "--motions", "walk", "--states", "5", "--json", str(out), "--picture", str(picture)])
    printed = capsys.readouterr().out
    result = json.loads(out.read_text())
    assert list(result["settings"]) == list(judged_settings(load_body("human")))
    for name, scores in result["settings"].items():
        assert name in printed
        assert len(scores["dofs"]) == len(result["reach"]) == 50
    assert "out of reach" in printed
    assert picture.stat().st_size > 10_000
