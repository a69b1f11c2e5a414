"""The gait cycle, and when the muscles of the embedded walk are active in it."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.body import load_body
from musclegym.gait import (
    ActivePhase,
    events,
    heel_strikes,
    over_cycles,
    phase_agreement,
    published_phases,
    toe_offs,
)
from musclegym.gait_steps import cadence, foot_steps, joint_angles, shoulder_flexion, stances
from musclegym.human import neutral_pose
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


def test_activity_in_the_phase_alone_agrees_and_outside_it_alone_disagrees():
    phase = ActivePhase("soleus", ["soleus"], on=0.2, off=0.5, source="")
    shares = np.linspace(0.0, 1.0, 101)
    inside = phase.contains(shares).astype(float)
    best, worst = phase_agreement(inside + 0.01 * shares, phase), phase_agreement(1.0 - inside, phase)
    assert (best.agreement, best.peak_inside, best.verdict) == (1.0, True, "agrees")
    assert (worst.agreement, worst.peak_inside, worst.verdict) == (0.0, False, "disagrees")
    assert (worst.inside_percent, best.peak_percent) == pytest.approx((0.0, 50.0))


def test_the_agreement_is_a_probability():
    """Four moments, the first two in the phase: 2 is above 1 and 0, 1 above 0 and equal to 1."""
    phase = ActivePhase("soleus", ["soleus"], on=0.0, off=0.25, source="")
    fit = phase_agreement(np.array([2.0, 1.0, 1.0, 0.0, 2.0]), phase)
    assert fit.agreement == pytest.approx((1.0 + 1.0 + 0.5 + 1.0) / 4.0)
    assert fit.inside_percent == pytest.approx(75.0)


def test_activity_without_rhythm_agrees_by_chance_and_none_has_no_share():
    phase = ActivePhase("soleus", ["soleus"], on=0.2, off=0.5, source="")
    assert phase_agreement(np.ones(101), phase).agreement == 0.5
    assert phase_agreement(np.ones(101), phase).verdict == "disagrees"  # its peak is the first of all moments
    nothing = phase_agreement(np.zeros(101), phase)
    assert (nothing.agreement, nothing.verdict) == (0.5, "hardly acts")
    assert np.isnan(nothing.inside_percent)


def test_a_peak_alone_agrees_in_part():
    phase = ActivePhase("soleus", ["soleus"], on=0.2, off=0.5, source="")
    curve = np.where(phase.contains(np.linspace(0.0, 1.0, 101)), 0.0, 0.5)
    curve[30] = 1.0
    fit = phase_agreement(curve, phase)
    assert (fit.peak_inside, fit.verdict) == (True, "agrees in part")
    assert fit.agreement < 0.1


def test_stance_is_the_share_from_heel_strike_to_the_next_toe_off():
    strikes, leaving = np.array([1.0, 2.0, 4.0, 5.0]), np.array([0.7, 1.6, 3.0])
    assert stances(strikes, leaving) == pytest.approx([0.6, 0.5])
    assert len(stances(strikes[:1], leaving)) == 0


def test_steps_of_the_embedded_walk_are_those_of_walking(human):
    motion = load_motion("walk", human)
    time = np.arange(0.0, 3.0 * motion.duration, 1.0 / 60.0)
    steps = foot_steps(human, time, motion.at(time)[0])
    speed = np.hypot(*motion.cycle_displacement[[0, 2]]) / motion.duration
    assert cadence(steps) == pytest.approx(120.0 / motion.duration, rel=0.02)
    assert sum(foot.step_length for foot in steps.values()) == pytest.approx(
        speed * motion.duration, rel=0.25
    )
    for foot in steps.values():
        assert foot.heel_strikes in (2, 3)
        assert 0.58 < foot.duty_factor < 0.68
        assert 0.0 < foot.strike_pitch < 40.0  # toes up: it lands on the heel


def test_who_stands_makes_no_steps(human):
    steps = foot_steps(human, np.arange(30) / 30.0, np.zeros((30, human.n_dofs)))
    for foot in steps.values():
        assert foot.heel_strikes == 0
        assert np.isnan([foot.cycle, foot.step_length, foot.duty_factor, foot.strike_pitch]).all()
    assert np.isnan(cadence(steps))


def test_joint_angles_are_positive_where_joints_bend(human):
    q = np.zeros((1, human.n_dofs))
    for name, value in {"FemurL_x": -0.5, "TibiaL": 1.0, "TalusL_x": -0.2}.items():
        q[0, human.dof_names.index(name)] = value
    angles = joint_angles(human, q)
    assert angles["hip flexion"]["left"] == pytest.approx(np.degrees(0.5))
    assert angles["knee flexion"]["left"] == pytest.approx(np.degrees(1.0))
    assert angles["ankle dorsiflexion"]["left"] == pytest.approx(np.degrees(0.2))
    assert angles["knee flexion"]["right"] == pytest.approx(0.0)


def test_an_arm_that_is_raised_ahead_flexes_the_shoulder_whatever_the_trunk_does(human):
    hanging = neutral_pose(human.skeleton)
    trunk = human.dof_names.index("Torso_x")
    start = slice(human.dof_names.index("ArmL_x"), human.dof_names.index("ArmL_x") + 3)
    raised = hanging.copy()
    turn = Rotation.from_rotvec([-0.6, 0.0, 0.0]) * Rotation.from_rotvec(hanging[start])
    raised[start] = turn.as_rotvec()
    bent = raised.copy()
    bent[trunk] += 0.4
    angles = shoulder_flexion(human, np.array([hanging, raised, bent]), "left")
    assert angles[1] - angles[0] == pytest.approx(np.degrees(0.6), abs=3.0)
    assert angles[2] == pytest.approx(angles[1], abs=1e-6)


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
