"""Wrong units and frame times show in size, speed, steps, falls and feet; right ones do not."""

import re
from dataclasses import replace

import numpy as np
import pytest

import musclegym
from musclegym.motion import clip_of, read_motion
from musclegym.motion.load import embedded_files
from musclegym.motion.name_maps import find_family
from musclegym.motion.plausibility import centre_of_mass, plausibility, steepest_fall, steps, turning
from musclegym.motion.retarget import without_lead_in


def figures(clip):
    return plausibility(without_lead_in(clip), find_family(clip, None))


@pytest.fixture(scope="module")
def walk():
    """The embedded walk, three cycles of it."""
    clip = read_motion(embedded_files()["walk"])
    cycles = [clip.root + cycle * (clip.root[-1] - clip.root[0]) * [1, 0, 1] for cycle in range(3)]
    root = np.concatenate([cycles[0][:-1], cycles[1][:-1], cycles[2]])
    rotation = np.concatenate([clip.rotation[:-1], clip.rotation[:-1], clip.rotation])
    return replace(clip, root=root, rotation=rotation, cyclic=False)


def test_a_walk_is_plausible_and_measured(walk):
    found = figures(walk)
    assert list(found.warnings()) == []
    assert found.leg == pytest.approx(0.8314, abs=1e-4)  # 0.421546 + 0.409870 in the humanoid's file
    assert found.speed == pytest.approx(1.0, abs=0.1)
    assert found.stance_speed < 0.1
    assert found.step_time * found.speed == pytest.approx(found.step_length, rel=0.1)
    assert 1.2 < found.height < 1.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda clip: replace(clip, fps=2.0 * clip.fps), "steps .* a minute: check the frame time"),
        (lambda clip: replace(clip, fps=0.5 * clip.fps), "steps .* a minute: check the frame time"),
        (lambda clip: replace(clip, fps=8.0 * clip.fps), "moves at .* m/s on legs"),
        (lambda clip: replace(clip, offset=0.4 * clip.offset, root=0.4 * clip.root), "legs are 0.33 m long"),
        (lambda clip: replace(clip, root=0.3048 * clip.root), "foot slides"),
        (lambda clip: replace(clip, root=np.zeros_like(clip.root)), "foot slides"),
    ],
)
def test_wrong_frame_times_and_units_of_a_walk_are_named(walk, change, message):
    assert any(re.search(message, warning) for warning in figures(change(walk)).warnings())


def test_nothing_falls_faster_than_gravity():
    for fps in (30.0, 60.0, 120.0):
        time = np.arange(0.0, 1.2, 1.0 / fps)
        height = 1.0 + 0.5 * 9.81 * 0.36 - 0.5 * 9.81 * (time - 0.6) ** 2
        assert steepest_fall(height, fps) == pytest.approx(1.0)
        assert steepest_fall(height, 2.0 * fps) == pytest.approx(4.0)
    assert steepest_fall(np.zeros(10), 30.0) == 0.0


def test_steps_of_a_compass_have_its_length_and_time():
    fps, step, leg = 50.0, 0.6, 0.9
    time = np.arange(0.0, 6.0, 1.0 / fps)
    swing = 0.5 * step * np.sin(np.pi * time / 0.5)  # a step every 0.5 s
    zero = np.zeros_like(time)
    pelvis = np.stack([step / 0.5 * time, zero + 0.9, zero], axis=1)  # along +x
    right = np.array([0.0, 0.0, 1.0])
    paths = {
        "Pelvis": pelvis,
        "FemurL": pelvis - 0.1 * right,
        "FemurR": pelvis + 0.1 * right,
        "TalusL": pelvis + np.stack([swing, zero - 0.9, zero - 0.1], axis=1),
        "TalusR": pelvis + np.stack([-swing, zero - 0.9, zero + 0.1], axis=1),
    }
    length, duration = steps(paths, leg, fps)
    assert length == pytest.approx(step, rel=0.05)
    assert duration == pytest.approx(0.5, rel=0.05)
    still = {name: path[:100] for name, path in paths.items()}
    assert steps(still, leg, fps) == (0.0, 0.0)


def test_centre_of_mass_of_the_whole_body_lies_between_its_ends():
    body = musclegym.load_body("human")
    kinematics = body.kinematics(np.zeros(56))
    paths = {
        name: point[None] for name, point in zip(body.body_names, kinematics.joint_position, strict=True)
    }
    own = np.average(kinematics.com, axis=0, weights=body.skeleton.mass)
    assert centre_of_mass(paths)[0] == pytest.approx(own, abs=0.06)


def test_turning_is_the_rate_of_the_limbs_turns():
    body = musclegym.load_body("human")
    q = np.zeros((60, 56))
    q[:, 1] = 3.0 * np.arange(60) / 30.0  # the whole body turns at 3 rad/s
    clip = clip_of(body.skeleton, q, 30.0)
    frames = dict(zip(clip.names, clip.pose[0].transpose(1, 0, 2, 3), strict=True))
    assert turning(frames, 30.0) == pytest.approx(3.0, rel=1e-6)


def test_embedded_motions_are_plausible():
    doubtful = {
        name for name, file in embedded_files().items() if list(figures(read_motion(file)).warnings())
    }
    assert doubtful <= {"backflip"}  # falls at 2.8 g, which no one does


def test_salsa_with_its_wrong_frame_time_is_doubted(motion_data):
    files = sorted((motion_data("cmu-dance") / "salsa").glob("*.bvh"))[:6]
    as_stated = [" ".join(figures(read_motion(file)).warnings()) for file in files]
    assert sum("check the frame time" in text for text in as_stated) >= 5
    assert not any(list(figures(read_motion(file, fps=60.0)).warnings()) for file in files)


def test_recorded_walks_are_not_doubted(motion_data):
    files = [
        *(motion_data("cmu-actions") / "walking").glob("*.bvh"),
        motion_data("cmu-asfamc") / "02" / "02_01.amc",
    ]
    for file in files:
        assert not list(figures(read_motion(file)).warnings())
        halved = replace(read_motion(file), fps=60.0)
        assert any("check the frame time" in warning for warning in figures(halved).warnings())
