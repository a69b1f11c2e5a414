"""The gait cycle: when the feet touch down, and quantities as functions of the cycle.

A cycle goes from a foot's heel strike to its next one, 0 to 100 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.signal import find_peaks

from musclegym.body import Body
from musclegym.human import read_table
from musclegym.motion.cycle import heading
from musclegym.rotation import Array

SHORTEST_CYCLE = 0.4
"""Least time between two heel strikes of one foot; a sprint's cycle lasts longer [s]."""
SHORTEST_STEP = 0.1
"""How far a foot must at least swing against the pelvis to make a step [m]."""
AGREES = 0.7
"""Agreement from which on activity fits a published phase; own choice [-]."""
ACTIVE = 0.05
"""Activation which a muscle that acts reaches at some time of the cycle; own choice [-]."""


def foot_travel(body: Body, q: Array, segment: str) -> Array:
    """Return how far a body segment's joint is ahead of the pelvis, in the direction that it faces.

    Args:
        body: who walks.
        q: poses, shape (frame, dof).
        segment: name of the body segment, such as "TalusL".

    Returns:
        Distance, shape (frame,) [m].
    """
    index = body.skeleton.body(segment)
    joints = np.array([body.kinematics(pose).joint_position for pose in q])
    ahead, facing = joints[:, index] - joints[:, 0], heading(q)
    return ahead[:, 0] * np.sin(facing) + ahead[:, 2] * np.cos(facing)


def heel_strikes(body: Body, time: Array, q: Array, side: str) -> Array:
    """Return when a foot touches down: where it is farthest ahead of the pelvis.

    The rule is that of Zeni, Richards & Higginson 2008, Gait & Posture 27:710-714, given from memory and not
    re-read; the ankle stands for their heel marker. It needs no forces, so it serves recorded motions too.

    Args:
        body: who walks; its feet are called TalusL and TalusR.
        time: of the poses, evenly spaced, shape (frame,) [s].
        q: poses, shape (frame, dof).
        side: "left" or "right".

    Returns:
        Times, shape (strike,) [s]; empty where the body does not walk.
    """
    return events(time, foot_travel(body, q, f"Talus{side[0].upper()}"))


def toe_offs(body: Body, time: Array, q: Array, side: str) -> Array:
    """Return when a foot leaves the ground: where its toes are farthest behind; see `heel_strikes`."""
    return events(time, -foot_travel(body, q, f"FootThumb{side[0].upper()}"))


def events(time: Array, travel: Array) -> Array:
    """Return the times of the peaks of a distance that oscillates with the steps, shape (event,) [s]."""
    if len(time) < 3:
        return np.zeros(0)
    spacing = max(1, round(SHORTEST_CYCLE / float(time[1] - time[0])))
    peaks, _ = find_peaks(travel, distance=spacing, prominence=SHORTEST_STEP)
    return time[peaks]


def over_cycles(time: Array, values: Array, strikes: Array, points: int = 101) -> Array:
    """Return values at evenly spaced shares of each cycle, both ends included.

    Args:
        time: of the values, shape (frame,) [s].
        values: shape (frame, ...).
        strikes: heel strikes of one foot, shape (cycle + 1,) [s].
        points: per cycle.

    Returns:
        Shape (cycle, points, ...).
    """
    share = np.linspace(0.0, 1.0, points)
    columns = values.reshape(len(time), -1)
    cycles = [
        [np.interp(begin + share * (end - begin), time, column) for column in columns.T]
        for begin, end in pairwise(strikes)
    ]
    moved = np.array(cycles).reshape(max(0, len(strikes) - 1), columns.shape[1], points).transpose(0, 2, 1)
    return moved.reshape(len(moved), points, *values.shape[1:])


@dataclass(frozen=True)
class ActivePhase:
    """When a muscle is active in walking, as published."""

    name: str
    """Of the muscle or group."""
    muscles: Sequence[str]
    """Patterns of the muscles' names, as in `musclegym.muscle.groups`."""
    on: float
    """Begin, as a share of the cycle from heel strike [-]."""
    off: float
    """End, likewise; less than `on` where the phase goes on over the next heel strike [-]."""
    source: str
    """Where it comes from."""

    def contains(self, share: Array | float) -> npt.NDArray[np.bool_]:
        """Return whether shares of the cycle lie in the phase; its ends do."""
        return np.asarray((np.asarray(share) - self.on) % 1.0 <= self.duration)

    @property
    def duration(self) -> float:
        """Length, as a share of the cycle [-]."""
        return (self.off - self.on) % 1.0


def published_phases() -> list[ActivePhase]:
    """Return the active phases of leg muscles in level walking, from the table `gait_phases`.

    Its source (1) is Perry & Burnfield 2010, Gait Analysis: Normal and Pathological Function, 2nd edition,
    from intramuscular electrodes. The figures are from memory and were not re-read there.
    """
    return [
        ActivePhase(
            row["name"],
            row["muscles"].split(),
            float(row["on_percent"]) / 100.0,
            float(row["off_percent"]) / 100.0,
            row["source"].replace("(1)", "Perry & Burnfield 2010, from memory"),
        )
        for row in read_table("gait_phases")
    ]


@dataclass(frozen=True)
class PhaseAgreement:
    """How activity over the gait cycle fits a published phase."""

    peak: float
    """Greatest activation [-]."""
    peak_percent: float
    """Where that is [%]."""
    peak_inside: bool
    """Whether that is in the published phase."""
    inside_percent: float
    """Part of the activity, summed over the cycle, in the published phase; NaN without activity [%]."""
    agreement: float
    """Probability that activity at a moment in the phase is above that at a moment outside: 1 at best, 0.5 by
    chance, 0 where it is active at the very other times [-]."""

    @property
    def verdict(self) -> str:
        """Whether the peak is in the phase and the agreement 0.7 or more: both, one of them or neither.

        "hardly acts" where the peak is below 0.05.
        """
        if self.peak < ACTIVE:
            return "hardly acts"
        held = self.peak_inside + (self.agreement >= AGREES)
        return ("disagrees", "agrees in part", "agrees")[held]


def phase_agreement(curve: Array, phase: ActivePhase) -> PhaseAgreement:
    """Compare activity with a published phase.

    The agreement is the area under the curve of a receiver operating characteristic (Hanley & McNeil 1982,
    Radiology 143:29), from memory; it needs no threshold between on and off.

    Args:
        curve: activity at evenly spaced shares of the cycle, its end included, shape (point,) [-].
        phase: published.
    """
    shares, active = np.linspace(0.0, 1.0, len(curve))[:-1], np.asarray(curve)[:-1]
    inside = phase.contains(shares)
    above = np.sign(active[inside][:, None] - active[~inside][None, :])
    peak, total = float(shares[np.argmax(active)]), float(active.sum())
    return PhaseAgreement(
        peak=float(active.max()),
        peak_percent=100.0 * peak,
        peak_inside=bool(phase.contains(peak)),
        inside_percent=100.0 * float(active[inside].sum()) / total if total > 0.0 else float("nan"),
        agreement=float(0.5 + 0.5 * above.mean()),
    )
