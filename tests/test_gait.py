"""The gait cycle, and when the muscles of the embedded walk are active in it."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.body import load_body
from musclegym.gait import ActivePhase, events, heel_strikes, over_cycles, published_phases, toe_offs
from musclegym.motion import load_motion

STUDY = Path(__file__).parent.parent / "benchmarks" / "gait_activation.py"


@pytest.fixture(scope="module")
def human():
    return load_body("human")


@pytest.fixture(scope="module")
def study():
    return SimpleNamespace(**runpy.run_path(str(STUDY)))


@pytest.fixture(scope="module")
def walk(human, study):
    return study.walk_activity(human)


def test_peaks_of_an_oscillation_are_its_events():
    time = np.arange(0.0, 3.0, 0.01)
    assert events(time, 0.3 * np.cos(2.0 * np.pi * (time - 0.25))) == pytest.approx([0.25, 1.25, 2.25])


def test_a_foot_that_hardly_swings_makes_no_step():
    time = np.arange(0.0, 3.0, 0.01)
    assert len(events(time, 0.04 * np.cos(2.0 * np.pi * time))) == 0
    assert len(events(time[:2], time[:2])) == 0


def test_feet_touch_down_half_a_cycle_apart_and_stand_for_three_fifths_of_it(human):
    motion = load_motion("walk", human)
    time = np.arange(0.0, 3.0 * motion.duration, 1.0 / 120.0)
    poses = motion.at(time)[0]
    left, right = (heel_strikes(human, time, poses, side) for side in ("left", "right"))
    assert np.diff(left) == pytest.approx(motion.duration, abs=0.01)
    apart = (right[0] - left[0]) / motion.duration % 1.0
    assert apart == pytest.approx(0.5, abs=0.02)
    leaving = toe_offs(human, time, poses, "left")
    assert 0.58 < (leaving[leaving > left[0]][0] - left[0]) / motion.duration < 0.68


def test_heel_strikes_do_not_depend_on_where_the_body_walks_to(human):
    motion = load_motion("walk", human)
    time = np.arange(0.0, 2.0 * motion.duration, 1.0 / 60.0)
    poses = motion.at(time)[0]
    turned = poses.copy()
    pelvis = human.skeleton.joint_rotation[0]
    assert pelvis == pytest.approx(np.eye(3))
    turn = Rotation.from_rotvec([0.0, 2.0, 0.0])
    turned[:, :3] = (turn * Rotation.from_rotvec(poses[:, :3])).as_rotvec()
    turned[:, 3:6] = turn.apply(poses[:, 3:6])
    assert heel_strikes(human, time, turned, "left") == pytest.approx(
        heel_strikes(human, time, poses, "left")
    )


def test_values_over_cycles_of_different_length_line_up():
    time = np.linspace(0.0, 4.0, 401)
    strikes = np.array([0.5, 1.5, 3.5])
    share = np.interp(time, strikes, [0.0, 1.0, 2.0]) % 1.0
    values = np.stack([share, 1.0 - share], axis=1)
    cycles = over_cycles(time, values, strikes, points=5)
    assert cycles.shape == (2, 5, 2)
    assert cycles[:, 1:4, 0] == pytest.approx(np.tile([0.25, 0.5, 0.75], (2, 1)))
    assert over_cycles(time, values, strikes[:1], points=5).shape == (0, 5, 2)


def test_a_phase_may_go_on_over_the_heel_strike():
    phase = ActivePhase("hamstrings", ["semi*"], on=0.8, off=0.1, source="")
    assert phase.contains(np.array([0.79, 0.8, 0.99, 0.0, 0.1, 0.11])).tolist() == [0, 1, 1, 1, 1, 0]
    assert phase.duration == pytest.approx(0.3)


def test_published_phases_are_stated_with_their_source():
    phases = {phase.name: phase for phase in published_phases()}
    assert {"hamstrings", "gastrocnemius", "soleus", "tibialis_anterior", "vasti"} <= set(phases)
    for phase in phases.values():
        assert phase.source.startswith("Perry & Burnfield 2010, from memory")
        assert 0.05 < phase.duration < 0.65


@pytest.mark.parametrize(
    "group", ["hamstrings", "gastrocnemius", "soleus", "vasti", "rectus_femoris", "gluteus_maximus"]
)
def test_oracle_of_the_walk_peaks_in_the_published_phase(walk, group):
    phase = next(phase for phase in published_phases() if phase.name == group)
    for side, activity in walk[group].items():
        assert activity.peak_inside, (side, activity.peak_percent)
        assert activity.inside_percent > 100.0 * phase.duration, "more than activity without rhythm"


def test_tibialis_anterior_peaks_in_its_phase_once_the_ankle_bears_torques_passively(human, study):
    walk = study.walk_activity(human, study.VARIANTS["ankle as hinge"])
    for activity in walk["tibialis_anterior"].values():
        assert activity.peak_inside
        assert activity.inside_percent > 75.0
