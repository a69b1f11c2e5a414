"""Windows drawn from a library: which, in what order, and how they are changed on the way."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from musclegym.body import load_body
from musclegym.motion.augment import NONE, SWING, Augmentation, Change, mirrored
from musclegym.motion.curriculum import Curriculum, Phase, practice
from musclegym.motion.features import StateLayout
from musclegym.motion.labels import Labels
from musclegym.motion.library import MotionLibrary
from musclegym.motion.motion import carried_on
from musclegym.motion.window_kernels import clip_time, shuffled
from musclegym.motion.windows import Places, Shard
from tests.libraries import FPS, clip_of, library_of, swinging

BODY = load_body("human")
N = BODY.n_dofs
LENGTHS = (90, 40, 70)
STATES = [swinging(BODY, frames, seed) for seed, frames in enumerate(LENGTHS)]
ACTIVITIES = ("walk", "run", "dance")


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> MotionLibrary:
    """Three clips, of walking, running and dancing."""
    labels = {i: Labels("", activity, f"clip{i}") for i, activity in enumerate(ACTIVITIES)}
    folder = tmp_path_factory.mktemp("windows") / "cache"
    return library_of(folder, BODY, [clip_of(states) for states in STATES], labels)


def change(**given: float) -> Change:
    """One sample's change; nothing but what is given."""
    values = {"mirror": 0, "speed": 1.0, "stretch": 0.0, "phase": 0.0, "scale": 1.0, "heading": 0.0} | given
    return Change(*(np.array([values[name]]) for name in Change._fields))


def read(library: MotionLibrary, clip: int, time: float, length: int, **given: float) -> np.ndarray:
    """One window, shape (frame, 112)."""
    places = Places(np.array([clip]), np.array([time]), change(**given))
    return library.source.read(places, np.zeros(1, dtype=np.int64), length)[0].astype(np.float64)


# --- Which windows


def test_every_order_has_each_slot_once():
    for total in (1, 2, 5, 64, 1000):
        orders = [[shuffled(i, total, np.uint64(key)) for i in range(total)] for key in (1, 2)]
        assert all(sorted(order) == list(range(total)) for order in orders)
    assert orders[0] != orders[1]
    assert np.abs(np.corrcoef(orders[0], range(1000))[0, 1]) < 0.1


def test_all_windows_are_drawn_once_before_one_is_drawn_again(library):
    sampler = library.windows(31, 10, split=None)
    assert len(sampler) == sum(frames - 30 for frames in LENGTHS) == 110
    epochs = []
    for epoch in range(2):
        drawn = [sampler.places(step)[0] for step in range(11 * epoch, 11 * epoch + 11)]
        epochs.append(
            [(int(c), int(t)) for places in drawn for c, t in zip(places.clip, places.time, strict=True)]
        )
        assert set(epochs[-1]) == {(c, t) for c, frames in enumerate(LENGTHS) for t in range(frames - 30)}
    assert epochs[0] != epochs[1]


def test_window_is_the_recorded_frames(library):
    sampler = library.windows(31, 20, split=None)
    places, _ = sampler.places(5)
    for window, clip, time in zip(sampler.draw(5), places.clip, places.time, strict=True):
        np.testing.assert_array_equal(window, STATES[clip].astype(np.float32)[int(time) : int(time) + 31])


def test_what_is_drawn_depends_on_seed_and_step_alone(library):
    everything = Augmentation()
    first = library.windows(31, 8, split=None, seed=3, augmentation=everything)
    for _ in range(4):
        first.draw(0)
    second = library.windows(31, 8, split=None, seed=3, augmentation=everything)
    np.testing.assert_array_equal(first.draw(7), second.draw(7))
    going_on = second.batches(step=7)
    np.testing.assert_array_equal(next(going_on), first.draw(7))
    np.testing.assert_array_equal(next(going_on), first.draw(8))
    other = library.windows(31, 8, split=None, seed=4, augmentation=everything)
    assert not np.array_equal(other.draw(7), first.draw(7))


def test_ranks_and_workers_share_out_what_one_process_would_draw(library):
    whole = library.windows(31, 24, split=None, augmentation=Augmentation()).draw(2)
    parts = [
        library.windows(31, 4, split=None, augmentation=Augmentation(), shard=Shard(rank, 2, worker, 3)).draw(
            2
        )
        for rank in range(2)
        for worker in range(3)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    with pytest.raises(ValueError, match="the first is number 0"):
        Shard(rank=2, ranks=2)


def test_weights_make_activities_more_or_less_likely(library):
    sampler = library.windows(31, 1100, split=None, weights={"run": 5.0, "dance": 0.0})
    counts = np.bincount(sampler.places(0)[0].clip, minlength=3)
    np.testing.assert_allclose(counts / 1100, np.array([60, 50, 0]) / 110, atol=0.01)
    by_clip = library.windows(31, 1100, split=None, by_length=0.0)
    np.testing.assert_allclose(np.bincount(by_clip.places(0)[0].clip) / 1100, 1 / 3, atol=0.01)


def test_windows_that_no_clip_holds_are_refused(library):
    with pytest.raises(ValueError, match="windows need 91 successive frames"):
        library.windows(91, 4, split=None)
    with pytest.raises(ValueError, match="give longer motions, a shorter window, or other weights"):
        library.windows(31, 4, split=None, weights=dict.fromkeys(ACTIVITIES, 0.0))


def test_clip_that_repeats_goes_on_as_its_motion_does(tmp_path):
    states = swinging(BODY, 31)
    for heading in (0.0, 0.8):
        cycle = clip_of(states, cyclic=True, heading=heading)
        library = library_of(tmp_path / f"cache{heading}", BODY, [cycle])
        assert len(library.windows(200, 4, split=None)) == 30
        window = read(library, 0, 10.0, 80)
        for frame in (0, 19, 20, 45, 79):
            cycles, inside = divmod(10 + frame, 30)
            wanted = carried_on(states[inside, :N], cycles, heading, np.array(cycle.displacement))
            np.testing.assert_allclose(window[frame, :N], wanted, atol=2e-5)
            np.testing.assert_allclose(window[frame, N:], states[inside, N:], atol=1e-5)


# --- Curriculum


def test_curriculum_is_a_schedule_by_step(library):
    plan = practice(steps=300)
    assert plan.at(0).weights == {"walk": 1.0}
    assert [plan.at(step).others for step in (0, 99, 100, 299, 300, 10**9)] == [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    assert [plan.at(step).length(60) for step in (0, 100, 200, 300)] == [15, 30, 45, 60]
    sampler = library.windows(40, 50, split=None, curriculum=plan)
    seen = [set(sampler.places(step)[0].clip.tolist()) for step in (0, 100, 300)]
    assert seen == [{0}, {0, 1}, {0, 1, 2}]
    assert [sampler.draw(step).shape[1] for step in (0, 100, 300)] == [10, 20, 40]
    with pytest.raises(ValueError, match="at least one phase"):
        Curriculum(10, ())
    with pytest.raises(ValueError, match="windows need 40 successive frames of an activity"):
        library.windows(40, 4, split=None, curriculum=Curriculum(0, (Phase({"jump": 1.0}, others=0.0),)))


# --- Augmentation


def test_changes_stay_in_their_ranges(library):
    sampler = library.windows(31, 1000, split=None, augmentation=Augmentation())
    made = sampler.places(0)[0].change
    assert abs(made.mirror.mean() - 0.5) < 0.1
    assert made.speed.min() >= 0.8
    assert made.speed.max() <= 1.2
    assert 0.0 <= made.stretch.min() <= made.stretch.max() <= 0.15
    assert 0.9 <= made.scale.min() <= 0.92 < 1.08 <= made.scale.max() <= 1.1
    assert made.heading.max() - made.heading.min() > 6.0
    with pytest.raises(ValueError, match=re.escape("use e.g. 0.2, 0.15 and 0.1")):
        Augmentation(speed=0.9, stretch=0.2)


def test_no_sample_leaves_its_clip(library):
    sampler = library.windows(31, 500, split=None, augmentation=Augmentation())
    places, _ = sampler.places(1)
    made = places.change
    end = clip_time(places.time, made.speed, made.stretch, made.phase, np.full(500, 30.0), SWING * FPS)
    assert places.time.min() >= 0.0
    assert (end <= np.array(LENGTHS)[places.clip] - 1 + 1e-9).all()
    assert (places.time != np.floor(places.time)).any()


@pytest.mark.parametrize(
    "given",
    [
        {"speed": 1.2},
        {"speed": 0.8},
        {"stretch": 0.15, "phase": 1.0},
        {"speed": 0.9, "stretch": 0.1, "phase": 4.0, "mirror": 1, "scale": 1.1, "heading": 2.0},
        {"mirror": 1},
        {"scale": 0.9},
        {"heading": -2.0},
    ],
)
def test_velocities_are_those_of_the_changed_poses(library, given):
    window = read(library, 0, 10.0, 30, **given)
    inner = BODY.skeleton.velocities(window[:, :N], FPS)[1:-1]
    np.testing.assert_allclose(window[1:-1, N:], inner, atol=1e-3)  # float32 poses, times 30 frames/s


def test_speed_plays_the_whole_motion_at_one_rate(library):
    fast = read(library, 0, 4.0, 30, speed=1.25)
    recorded = STATES[0].astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(fast[::4, :N], recorded[4:][: 5 * 8 : 5][:8, :N], atol=1e-5)
    ratio = np.linalg.norm(fast[8, N + 3 : N + 6]) / np.linalg.norm(recorded[14, N + 3 : N + 6])
    assert ratio == pytest.approx(1.25, rel=0.01)


def test_poses_between_recorded_ones_lie_on_the_shortest_way(library):
    window = read(library, 0, 4.0, 8, speed=1.1)
    times = 4.0 + 1.1 * np.arange(8)
    layout = StateLayout.of(BODY.skeleton)
    for columns in layout.rotation_columns:
        keys = Rotation.from_rotvec(STATES[0][:20, columns])
        between = Slerp(np.arange(20), keys)(times)
        turn = (between.inv() * Rotation.from_rotvec(window[:, columns])).magnitude()
        assert turn.max() < 1e-5


def test_stretch_swings_the_rate_and_keeps_the_duration(library):
    period = SWING * FPS
    times = clip_time(np.zeros(61), 1.0, 0.15, 0.0, np.arange(61.0), period)
    assert times[60] == pytest.approx(60.0)  # a whole period takes as long as without
    rate = np.diff(times)
    assert rate.max() == pytest.approx(1.15, abs=0.001)
    assert rate.min() == pytest.approx(0.85, abs=0.001)
    window = read(library, 0, 0.0, 61, stretch=0.15)
    forward = window[1:-1, 5]
    np.testing.assert_allclose(forward, 1.2 * times[1:-1] / FPS, atol=1e-4)


def test_mirror_equals_the_numpy_twin_and_twice_is_identity(library):
    recorded = read(library, 0, 5.0, 20)
    image = read(library, 0, 5.0, 20, mirror=1)
    np.testing.assert_allclose(image, mirrored(BODY.skeleton, recorded), atol=1e-6)
    np.testing.assert_allclose(
        mirrored(BODY.skeleton, mirrored(BODY.skeleton, recorded)), recorded, atol=1e-12
    )
    names = list(BODY.body_names)
    swap = [
        names.index(n[:-1] + {"R": "L", "L": "R"}[n[-1]]) if n[-1] in "RL" else names.index(n) for n in names
    ]
    seen = BODY.joint_positions(recorded[:, :N])[:, swap] * [-1.0, 1.0, 1.0]
    np.testing.assert_allclose(BODY.joint_positions(image[:, :N]), seen, atol=1e-3)


def test_scale_lets_the_path_grow_and_keeps_the_angles(library):
    recorded, larger = read(library, 0, 5.0, 20), read(library, 0, 5.0, 20, scale=1.1)
    path = [3, 4, 5, N + 3, N + 4, N + 5]
    others = np.setdiff1d(np.arange(2 * N), path)
    np.testing.assert_allclose(larger[:, path], 1.1 * recorded[:, path], rtol=1e-6)
    np.testing.assert_array_equal(larger[:, others], recorded[:, others])


def test_heading_turns_the_world_and_nothing_that_does_not_depend_on_it(library):
    layout = StateLayout.of(BODY.skeleton)
    recorded, turned = (layout.pose(read(library, 0, 5.0, 20, heading=angle)) for angle in (0.0, 0.7))
    np.testing.assert_allclose(layout.features(turned), layout.features(recorded), atol=1e-5)
    before, after = layout.placement(recorded), layout.placement(turned)
    np.testing.assert_allclose((after.heading - before.heading) % (2 * np.pi), 0.7, atol=1e-5)
    turn = Rotation.from_rotvec([0.0, 0.7, 0.0])
    np.testing.assert_allclose(turned.displacement, turn.apply(recorded.displacement), atol=1e-5)


def test_nothing_is_changed_unless_asked_for(library):
    assert not any((NONE.mirror, NONE.speed, NONE.stretch, NONE.scale, NONE.heading))
    made = library.windows(31, 50, split=None).places(0)[0].change
    assert all(
        (part == value).all() for part, value in zip(made, (0, 1.0, 0.0, made.phase, 1.0, 0.0), strict=True)
    )
