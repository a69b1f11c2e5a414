"""What an episode's gait comes to in numbers: steps, joint angles, muscle activity and jitter."""

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from musclegym.body import Body
from musclegym.gait import PhaseAgreement, phase_agreement, published_phases
from musclegym.gait_steps import SIDES, cadence, foot_steps, joint_angles, leg_torques
from musclegym.muscle.groups import group_activation, muscles_like
from musclegym.policies.recording import Recording
from musclegym.rotation import Array

FAST = 6.0
"""Frequency above which motion counts as fast: walking has hardly any, see Winter, Sidwall & Hobson 1974, J.
Biomechanics 7:157, from memory [Hz]."""


def gait_record(recording: Recording) -> dict[str, Any]:
    """Return every number about a gait.

    Returns:
        `cycles`, whole gait cycles of each foot; `steps`, of the policy and of the motion, `cadence` [1/min]
        and the fields of `FootSteps` by side; `angles`, what `compare` says by joint angle and side, and
        `muscles`, a `PhaseAgreement` with its verdict by muscle and side, both empty where a foot makes no
        whole cycle; `torques`, the greatest mean over the cycles of each of `leg_torques` [N m/kg], likewise;
        `jitter`, see `jitter_record`.
    """
    return {
        "cycles": recording.cycles,
        "steps": step_record(recording),
        "angles": angle_record(recording),
        "muscles": {
            f"{name}_{side}": {**asdict(fit), "verdict": fit.verdict}
            for (name, side), fit in agreements(recording).items()
        },
        "torques": torque_record(recording),
        "jitter": jitter_record(recording),
    }


def step_record(recording: Recording) -> dict[str, Any]:
    """Return the figures of the steps of the body and of the motion that it followed."""
    if not recording.has_feet:
        return {}
    walkers = {"policy": recording.q, "motion": recording.reference}
    found = {
        name: foot_steps(recording.body, recording.time, q) for name, q in walkers.items() if q is not None
    }
    return {
        name: {"cadence": cadence(steps), **{side: asdict(foot) for side, foot in steps.items()}}
        for name, steps in found.items()
    }


def angle_record(recording: Recording) -> dict[str, Any]:
    """Return how joint angles over the gait cycle compare with the motion's, by angle and side."""
    if not (recording.walks and recording.motion_walks):
        return {}
    assert recording.reference is not None
    wanted = joint_angles(recording.body, recording.reference)
    return {
        name: {
            side: compare(
                recording.over_cycles(angle, side),
                recording.over_cycles(wanted[name][side], side, motion=True).mean(axis=0),
            )
            for side, angle in sides.items()
        }
        for name, sides in joint_angles(recording.body, recording.q).items()
    }


def compare(cycles: Array, wanted: Array) -> dict[str, float]:
    """Return how an angle over its cycles (cycle, point) compares with a curve (point,) [deg].

    Returns:
        `range` and `peak` of the mean cycle and of the wanted curve (`motion_range`, `motion_peak`), the root
        mean square of their `difference`, and the `spread`, the mean standard deviation over the cycles
        [deg]; and the `correlation` of the two curves [-].
    """
    mean = cycles.mean(axis=0)
    return {
        "range": float(np.ptp(mean)),
        "motion_range": float(np.ptp(wanted)),
        "peak": float(mean.max()),
        "motion_peak": float(wanted.max()),
        "difference": float(np.sqrt(np.mean((mean - wanted) ** 2))),
        "correlation": float(np.corrcoef(mean, wanted)[0, 1]),
        "spread": float(cycles.std(axis=0).mean()),
    }


def agreements(recording: Recording) -> dict[tuple[str, str], PhaseAgreement]:
    """Return how the activity of leg muscles fits their published phases, by muscle and side."""
    if not (recording.walks and recording.activation.size):
        return {}
    found = {}
    for phase in published_phases():
        for side in SIDES:
            muscles = muscles_like(recording.body, phase.muscles, side)
            if len(muscles):
                active = group_activation(recording.body, recording.activation, muscles)
                curve = recording.over_cycles(active, side).mean(axis=0)
                found[phase.name, side] = phase_agreement(curve, phase)
    return found


def torque_record(recording: Recording) -> dict[str, dict[str, float]]:
    """Return the greatest of the mean cycle of each leg torque, by name and side [N m/kg]."""
    if not recording.walks:
        return {}
    return {
        name: {
            side: float(recording.over_cycles(torque, side).mean(axis=0).max())
            for side, torque in sides.items()
        }
        for name, sides in leg_torques(recording.body, recording.torque).items()
    }


def jitter_record(recording: Recording) -> dict[str, float]:
    """Return how jerky the joints move, beside the motion.

    Returns:
        `jerk` and `motion_jerk`, root mean square over joints and time of the third derivative of the joint
        angles [rad/s^3]; `fast_share`, `motion_fast_share` and `action_fast_share`, the share of the variance
        of joint angles and of the actions above 6 Hz [-]. What there is not is NaN.
    """
    body, q, wanted, time = recording.body, recording.q, recording.reference, recording.step_time
    return {
        "jerk": jerk(body, q, time),
        "motion_jerk": float("nan") if wanted is None else jerk(body, wanted, time),
        "fast_share": fast_share(q[:, 6:], time),
        "motion_fast_share": float("nan") if wanted is None else fast_share(wanted[:, 6:], time),
        "action_fast_share": fast_share(recording.action, time),
    }


def jerk(body: Body, q: Array, step_time: float) -> float:
    """Return the root mean square of the third derivative of the joint angles of poses (step, dof) [rad/s^3].

    The first difference is a rotation's, so it does not matter how joint rotations are written.
    """
    if len(q) < 4:
        return float("nan")
    steps = [body.skeleton.difference(before, after)[6:] for before, after in pairwise(q)]
    return float(np.sqrt(np.mean((np.diff(steps, n=2, axis=0) / step_time**3) ** 2)))


def fast_share(values: Array, step_time: float) -> float:
    """Return the share of the variance of values (step, value) above 6 Hz; NaN where they do not change."""
    centred = (values - values.mean(axis=0)) * np.hanning(len(values))[:, None]
    power = (np.abs(np.fft.rfft(centred, axis=0)) ** 2).sum(axis=1)
    fast = np.fft.rfftfreq(len(values), step_time) > FAST
    total = power.sum()
    return float(power[fast].sum() / total) if total > 0.0 else float("nan")
