"""Ground, pushes and body variation as options: their checks and draws, the bodies and forces they make."""

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from musclegym.body import Body, load_body
from musclegym.envs.world import BodyVariation, Ground, Pushes, World, bounds, make_option
from musclegym.ground import FLAT
from musclegym.motion import Motion, load_motion
from musclegym.rotation import Array
from musclegym.scaling import scale_body, scale_motion, stature
from musclegym.simulation import Simulation

CONTROL_HZ, PHYSICS_HZ = 30, 240
GROUND = Ground(slope=(0.0, 0.1), roughness=(0.005, 0.02), wavelength=(0.8, 1.2), friction=(0.5, 1.0))
PUSHES = Pushes(impulse=(10.0, 20.0), duration=(0.05, 0.2), interval=(0.1, 0.5), bodies=("Torso", "Head"))
VARIATION = BodyVariation(height=(0.9, 1.1), mass=(0.8, 1.3), strength=(0.5, 1.0))


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


@pytest.fixture(scope="module")
def walk(human: Body) -> Motion:
    return load_motion("walk", human)


def make_world(body: Body, motion: Motion, **options: Any) -> tuple[World, Simulation]:
    simulation = Simulation(body, PHYSICS_HZ)
    return World(body, motion, simulation, CONTROL_HZ, **options), simulation


def assert_equal(one: Any, other: Any, where: str) -> None:
    """Compare all arrays of two skeletons, muscle sets or paths; rounding may differ."""
    names = [f.name for f in fields(one)] if is_dataclass(one) else one._fields
    for name in names:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, np.ndarray) and a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=f"{where}.{name}")
        else:
            assert np.array_equal(a, b), f"{where}.{name}"


def forces(world: World, simulation: Simulation, seed: int, steps: int) -> Array:
    """Return the push force (step, 3) [N] in each control step of an episode."""
    rng = np.random.default_rng(seed)
    world.reset(rng)
    out = []
    for _ in range(steps):
        world.step(rng)
        out.append(simulation.push_force.copy())
    return np.array(out)


@pytest.mark.parametrize(("height", "mass", "strength"), [(1.6, 60.0, 0.7), (1.9, 110.0, 1.4)])
def test_a_scaled_human_is_the_one_that_is_loaded(human: Body, height: float, mass: float, strength: float):
    loaded = load_body("human", height=height, mass=mass, strength=strength)
    scaled = scale_body(human, height / 1.75, mass / 73.0, strength)
    assert_equal(scaled.skeleton, loaded.skeleton, "skeleton")
    assert_equal(scaled.muscle_set, loaded.muscle_set, "muscle_set")
    assert_equal(scaled.paths, loaded.paths, "paths")
    assert stature(scaled.skeleton) == pytest.approx(height)


def test_scaling_back_gives_the_body_itself(human: Body):
    there = scale_body(human, 0.9, 1.2, 0.5)
    back = scale_body(there, 1.0 / 0.9, 1.0 / 1.2, 2.0)
    assert_equal(back.skeleton, human.skeleton, "skeleton")
    assert_equal(back.muscle_set, human.muscle_set, "muscle_set")


def test_torques_of_a_scaled_body_go_with_force_times_length(human: Body):
    scaled = scale_body(human, height=0.9)
    q = 0.2 * np.random.default_rng(0).normal(size=human.n_dofs)
    before, after = human.muscles(q), scaled.muscles(q)
    assert after.fibre_length == pytest.approx(before.fibre_length, rel=1e-9)
    force = scaled.muscle_set.max_isometric_force[0] / human.muscle_set.max_isometric_force[0]
    assert after.torque_matrix == pytest.approx(0.9 * force * before.torque_matrix, abs=1e-9)


def test_a_mass_body_scales_alike(motion_data: Any):
    folder = motion_data("mass") / "data"
    body = load_body(folder / "human.xml", muscles=folder / "muscle284.xml")
    scaled = scale_body(body, 0.9, 0.8, 0.7)
    assert scaled.skeleton.total_mass == pytest.approx(0.8 * body.skeleton.total_mass)
    assert scaled.rest_path_length == pytest.approx(0.9 * body.rest_path_length)
    assert scaled.mass_matrix(np.zeros(56))[3, 3] == pytest.approx(0.8 * body.skeleton.total_mass)
    assert 1.5 < stature(body.skeleton) < 1.9


def test_a_body_that_does_not_stand_on_the_ground_is_not_scaled(human: Body):
    sunken = replace(human.skeleton, joint_position=human.skeleton.joint_position - [0.0, 2.0, 0.0])
    with pytest.raises(ValueError, match="must stand on the ground y = 0 in its rest pose"):
        scale_body(replace(human, skeleton=sunken), height=0.9)


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", ["height", "mass", "strength"])
def test_impossible_factors_are_refused(human: Body, name: str, factor: float):
    with pytest.raises(
        ValueError, match=f"the factor on {name} must be positive and finite, but is {factor}"
    ):
        scale_body(human, **{name: factor})


def test_a_scaled_motion_keeps_angles_and_times_and_stands_on_the_ground(human: Body, walk: Motion):
    small = scale_body(human, height=0.9)
    motion = scale_motion(walk, small.skeleton)
    for time in (0.0, 0.37, 1.0, 3.3):
        (q, qd), (before, before_rate) = motion.at(time), walk.at(time)
        assert np.delete(q, [3, 4, 5]) == pytest.approx(np.delete(before, [3, 4, 5]), abs=1e-12)
        assert q[3:6] == pytest.approx(0.9 * before[3:6], abs=1e-12)
        assert qd[3:6] == pytest.approx(0.9 * before_rate[3:6], abs=1e-12)
        soles = small.sole_points(q)[:, 1].min()
        assert soles == pytest.approx(0.9 * human.sole_points(before)[:, 1].min(), abs=1e-12)


def test_a_scaled_motion_is_near_the_motion_that_is_retargeted_to_the_scaled_body(human: Body, walk: Motion):
    small = scale_body(human, height=0.92)
    scaled, retargeted = scale_motion(walk, small.skeleton), load_motion("walk", small)
    times = np.linspace(0.0, walk.duration, 40)
    apart = np.linalg.norm(
        small.joint_positions(scaled.at(times)[0]) - small.joint_positions(retargeted.at(times)[0]), axis=-1
    )
    assert apart.mean() < 0.003  # feet clear the ground by lengths that do not scale
    assert scaled.cycle_displacement == pytest.approx(retargeted.cycle_displacement, abs=1e-3)


def test_options_that_are_off_draw_nothing_and_change_nothing(human: Body, walk: Motion):
    world, simulation = make_world(human, walk)
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    body, motion = world.reset(rng)
    world.step(rng)
    assert rng.bit_generator.state == state
    assert body is human
    assert motion is walk
    assert simulation.ground == FLAT
    assert world.info() == {}


def test_a_seed_repeats_its_draws_and_seeds_differ(human: Body, walk: Motion):
    def episode(seed: int) -> str:
        world, simulation = make_world(human, walk, ground=GROUND, pushes=PUSHES, variation=VARIATION)
        rng = np.random.default_rng(seed)
        body, _ = world.reset(rng)
        pushes = []
        for _ in range(60):
            world.step(rng)
            pushes.append((simulation.push_body, *simulation.push_force))
        return repr((simulation.ground, body.hash, pushes))

    assert episode(3) == episode(3)
    assert episode(3) != episode(4)


def test_an_option_draws_as_often_whatever_its_ranges_are(human: Body, walk: Motion):
    """So another range of one option leaves the draws of the others as they are."""
    narrow, _ = make_world(human, walk, ground=Ground(slope=0.1), variation=VARIATION, pushes=PUSHES)
    wide, _ = make_world(human, walk, ground=GROUND, variation=BodyVariation(mass=1.1), pushes=PUSHES)
    one, other = np.random.default_rng(0), np.random.default_rng(0)
    narrow.reset(one)
    wide.reset(other)
    assert one.bit_generator.state == other.bit_generator.state


def test_draws_lie_in_their_ranges_and_fill_them(human: Body, walk: Motion):
    world, simulation = make_world(human, walk, ground=GROUND, variation=VARIATION)
    rng = np.random.default_rng(1)
    rows = []
    for _ in range(200):
        shape = GROUND.draw(rng)
        rows.append([shape.slope, shape.roughness, shape.wavelength, shape.friction])
    ranges = [bounds(getattr(GROUND, name)) for name in ("slope", "roughness", "wavelength", "friction")]
    for values, (low, high) in zip(np.array(rows).T, ranges, strict=True):
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high >= values.max() > high - 0.05 * (high - low)
    for _ in range(5):
        body, _ = world.reset(rng)
        info = world.info()
        assert 0.9 <= info["body_height"] <= 1.1
        assert stature(body.skeleton) == pytest.approx(1.75 * info["body_height"])
        assert body.skeleton.total_mass == pytest.approx(73.0 * info["body_mass"])
        assert simulation.body is body
        assert info["slope"] == simulation.ground.slope


def test_pushes_last_whole_steps_and_carry_the_stated_impulse(human: Body, walk: Motion):
    pushes = Pushes(impulse=12.0, duration=0.1, interval=0.2)
    world, simulation = make_world(human, walk, pushes=pushes)
    force = forces(world, simulation, 0, 40)
    pushed = np.flatnonzero(force.any(axis=1))
    # 0.2 s at 30 Hz are 6 steps, 0.1 s are 3.
    assert pushed.tolist() == [step for start in (6, 15, 24, 33) for step in range(start, start + 3)]
    assert np.linalg.norm(force[6:9], axis=1) == pytest.approx(12.0 / 0.1)
    assert not force[:, 1].any()
    assert np.array_equal(force[6], force[8])
    assert not np.allclose(force[6], force[15])
    assert simulation.push_body == 0  # released again
    assert world.info()["push_force"].tolist() == [0.0, 0.0, 0.0]


def test_a_push_shorter_than_a_control_step_lasts_one(human: Body, walk: Motion):
    world, simulation = make_world(human, walk, pushes=Pushes(impulse=3.0, duration=0.001, interval=0.1))
    force = forces(world, simulation, 0, 12)
    assert np.flatnonzero(force.any(axis=1)).tolist() == [3, 7, 11]
    assert np.linalg.norm(force[3]) == pytest.approx(3.0 * 30)


def test_a_given_direction_is_the_direction_of_every_push(human: Body, walk: Motion):
    pushes = Pushes(impulse=(1.0, 9.0), interval=0.0, direction=np.pi / 2)
    world, simulation = make_world(human, walk, pushes=pushes)
    force = forces(world, simulation, 0, 20)
    assert (force[:, 0] > 0.0).all()  # to the left
    assert np.abs(force[:, 1:]).max() < 1e-9


def test_a_push_in_the_frame_of_the_heading_goes_where_the_body_faces(human: Body, walk: Motion):
    """Facing +x, a push to the left goes along -z."""
    pushes = Pushes(impulse=6.0, duration=0.1, interval=0.0, direction=np.pi / 2, frame="heading")
    world, simulation = make_world(human, walk, pushes=pushes)
    rng = np.random.default_rng(0)
    world.reset(rng)
    world.step(rng, facing=np.pi / 2)
    assert simulation.push_force == pytest.approx([0.0, 0.0, -60.0])
    world.step(rng, facing=0.0)
    assert simulation.push_force == pytest.approx([0.0, 0.0, -60.0])  # it does not turn with the body


def test_pushes_end_after_the_most_that_are_wanted_and_begin_again_with_the_episode(
    human: Body, walk: Motion
):
    world, simulation = make_world(human, walk, pushes=Pushes(duration=0.1, interval=0.1, most=2))
    for _ in range(2):
        pushed = forces(world, simulation, 0, 40).any(axis=1)
        assert np.flatnonzero(pushed).tolist() == [3, 4, 5, 9, 10, 11]


def test_pushes_may_be_set_between_episodes(human: Body, walk: Motion):
    world, simulation = make_world(human, walk)
    world.set_pushes(Pushes(impulse=3.0, duration=0.1, interval=0.0, most=1))
    assert np.linalg.norm(forces(world, simulation, 0, 4), axis=1) == pytest.approx([30.0, 30.0, 30.0, 0.0])
    world.set_pushes(None)
    assert not forces(world, simulation, 0, 4).any()
    with pytest.raises(ValueError, match="no body is called 'Tail'"):
        world.set_pushes(Pushes(bodies=("Tail",)))


def test_every_listed_body_is_pushed(human: Body, walk: Motion):
    world, simulation = make_world(human, walk, pushes=Pushes(interval=0.0, bodies=("Torso", "HandL")))
    rng, seen = np.random.default_rng(0), set()
    world.reset(rng)
    for _ in range(200):
        world.step(rng)
        seen.add(human.body_names[simulation.push_body])
    assert seen == {"Torso", "HandL"}


def test_an_unknown_body_cannot_be_pushed(human: Body, walk: Motion):
    with pytest.raises(ValueError, match="no body is called 'Tail'"):
        make_world(human, walk, pushes=Pushes(bodies=("Tail",)))


def test_a_new_episode_starts_without_a_push(human: Body, walk: Motion):
    world, simulation = make_world(human, walk, pushes=Pushes(duration=1.0, interval=0.1))
    assert forces(world, simulation, 0, 10)[-1].any()
    again = forces(world, simulation, 0, 10)
    assert np.array_equal(again, forces(world, simulation, 0, 10))


def test_a_lifted_pose_stands_on_any_ground_as_on_the_flat_one(human: Body, walk: Motion):
    world, _ = make_world(human, walk, ground=Ground(slope=0.2))
    world.reset(np.random.default_rng(0))
    q = walk.q[0]
    soles = human.sole_points(world.lift(q))
    gap = soles[:, 1] - world.height_at(soles[:, 0], soles[:, 2])
    assert gap.min() == pytest.approx(human.sole_points(q)[:, 1].min(), abs=1e-12)
    flat, _ = make_world(human, walk)
    assert flat.lift(q) == pytest.approx(q, abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "figures", "message"),
    [
        (
            Ground,
            {"slope": (0.2, 0.1)},
            "slope must be a finite number or a range (low, high) with low <= hi",
        ),
        (Ground, {"slope": (-0.1, 0.1)}, "from 0 to 0.7854, but is (-0.1, 0.1); use e.g. (0.0, 0.1)"),
        (Ground, {"slope": 1.0}, "slope must be a finite number or a range"),
        (Ground, {"slope": np.nan}, "but is nan; use e.g. (0.0, 0.1)"),
        (Ground, {"slope": "steep"}, "slope must be a finite number or a range (low, high) with low <= high"),
        (Ground, {"slope": (0.0, 0.1, 0.2)}, "but is (0.0, 0.1, 0.2); use e.g. (0.0, 0.1)"),
        (Ground, {"slope": 0.1, "direction": (0.0, np.inf)}, "direction must be a finite number or a range"),
        (Ground, {"roughness": (0.0, 0.2)}, "roughness must be a finite number or a range (low, high) with"),
        (Ground, {"roughness": 0.01, "wavelength": 0.1}, "from 0.5 to 4, but is 0.1"),
        (Ground, {"roughness": 0.01, "flat_radius": -1.0}, "flat_radius must be"),
        (Ground, {"friction": -1.0}, "friction must be a finite number or a range (low, high) with low <="),
        (Ground, {}, "the option ground must change the ground, but its slope, roughness and friction are"),
        (
            Ground,
            {"direction": 0.0, "friction": 0.5},
            "direction of the ground needs slope to act, but slope is 0",
        ),
        (Ground, {"wavelength": 2.0, "slope": 0.1}, "wavelength of the ground needs roughness to act"),
        (Ground, {"flat_radius": 2.0, "slope": 0.1}, "flat_radius of the ground needs roughness to act"),
        (
            Pushes,
            {"impulse": 0.0},
            "impulse must be a finite number or a range (low, high) with low <= high, po",
        ),
        (Pushes, {"impulse": (3.0, 1.0)}, "but is (3.0, 1.0); use e.g. (5.0, 25.0), or leave pushes out"),
        (Pushes, {"duration": -0.1}, "duration must be"),
        (Pushes, {"interval": np.nan}, "interval must be"),
        (Pushes, {"direction": np.inf}, "direction must be"),
        (Pushes, {"bodies": ()}, "bodies of the pushes must be one name or more, but is ()"),
        (Pushes, {"bodies": "Torso"}, "bodies of the pushes must be one name or more, but is 'Torso'"),
        (
            Pushes,
            {"frame": "pelvis"},
            "frame of the pushes must be 'world' or 'heading', but is 'pelvis'; ch",
        ),
        (Pushes, {"most": 0}, "most, of the pushes in an episode, must be at least 1, but is 0; None for no"),
        (BodyVariation, {}, "the option variation must change the body, but all its factors are 1"),
        (
            BodyVariation,
            {"height": 0.0},
            "height must be a finite number or a range (low, high) with low <= hi",
        ),
        (BodyVariation, {"mass": (1.2, 0.8)}, "but is (1.2, 0.8); use e.g. (0.9, 1.1)"),
        (BodyVariation, {"strength": np.inf}, "strength must be a finite number or a range"),
    ],
)
def test_broken_options_are_refused_with_rule_value_and_cure(
    kind: type, figures: dict[str, Any], message: str
):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_option(kind, figures)


def test_an_option_is_taken_as_itself_as_a_mapping_or_not_at_all():
    assert make_option(Ground, None) is None
    assert make_option(Ground, GROUND) is GROUND
    assert make_option(Ground, {"slope": [0.0, 0.1]}) == Ground(slope=[0.0, 0.1])  # pyright: ignore
    with pytest.raises(ValueError, match=re.escape("one is 'slop'; did you mean 'slope'?")):
        make_option(Ground, {"slop": 0.1})
    with pytest.raises(TypeError, match="must be a Pushes, a mapping of its fields or None, but is True"):
        make_option(Pushes, True)  # pyright: ignore
