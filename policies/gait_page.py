"""The parts of the page of `musclegym replay` that are about gait: charts, tables and words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from musclegym.charts import Band, Curve, Span, line_chart
from musclegym.gait import ActivePhase, published_phases
from musclegym.gait_steps import SIDES, joint_angles, leg_torques
from musclegym.muscle.groups import group_activation, muscles_like
from musclegym.policies.recording import Recording
from musclegym.report import Table, charts, html_table, section
from musclegym.rotation import Array

CYCLE, TIME = "gait cycle from heel strike [%]", "time [s]"
VERDICTS = {
    "agrees": "Agree",
    "agrees in part": "Agree in part",
    "disagrees": "Disagree",
    "hardly acts": "Hardly act",
}
STEP_ROWS = {  # field of `FootSteps` -> label, digits
    "heel_strikes": ("heel strikes", 0),
    "cycle": ("gait cycle [s]", 2),
    "step_length": ("step length [m]", 2),
    "duty_factor": ("duty factor, heel strike to toe-off [-]", 2),
    "strike_pitch": ("toes up at heel strike [°]", 0),
}
ANGLE_COLUMNS = (  # number of `compare`, label, digits
    ("range", "range [°]", 0),
    ("motion_range", "motion [°]", 0),
    ("peak", "greatest [°]", 0),
    ("motion_peak", "motion [°]", 0),
    ("difference", "difference [°]", 1),
    ("correlation", "correlation", 2),
)
JITTER_ROWS = {  # number of the policy -> the motion's, label, digits
    "jerk": ("motion_jerk", "jerk of the joints, RMS [rad/s³]", 0),
    "fast_share": ("motion_fast_share", "variance of joint angles above 6 Hz [%]", 2),
    "action_fast_share": ("", "variance of actions above 6 Hz [%]", 2),
}


def block(pictures: list[str]) -> str:
    """Return charts side by side."""
    return f'<div class="charts">{charts(pictures)}</div>'


def curve(recording: Recording, values: Array, side: str, *, motion: bool = False) -> Curve:
    """Return one number per step (step,) as a mean curve over the side's gait cycle, or over time."""
    if not recording.walks:
        return recording.time, values
    return np.linspace(0.0, 100.0, 101), recording.over_cycles(values, side, motion=motion).mean(axis=0)


def band(recording: Recording, values: Array, side: str) -> Band:
    """Return mean less and plus a standard deviation over the cycles of one number per step (step,)."""
    cycles = recording.over_cycles(values, side)
    mean, spread = cycles.mean(axis=0), cycles.std(axis=0)
    return np.linspace(0.0, 100.0, 101), mean - spread, mean + spread


def angle_charts(recording: Recording) -> list[str]:
    """Return a chart of each joint angle with its spread, the followed motion dashed."""
    wanted: Mapping[str, Mapping[str, Array]] = {}
    if recording.reference is not None and recording.walks <= recording.motion_walks:
        wanted = joint_angles(recording.body, recording.reference)
    return [
        line_chart(
            {side: curve(recording, angle, side) for side, angle in sides.items()},
            CYCLE if recording.walks else TIME,
            f"{name.capitalize()} [°]",
            dashed={
                f"{side}, motion": curve(recording, angle, side, motion=True)
                for side, angle in wanted.get(name, {}).items()
            },
            bands={side: band(recording, angle, side) for side, angle in sides.items() if recording.walks},
        )
        for name, sides in joint_angles(recording.body, recording.q).items()
    ]


def torque_charts(recording: Recording) -> list[str]:
    """Return a chart of each joint torque that carries the body in stance, with its spread."""
    return [
        line_chart(
            {side: curve(recording, torque, side) for side, torque in sides.items()},
            CYCLE if recording.walks else TIME,
            f"{name.capitalize()} torque [N m/kg]",
            bands={side: band(recording, torque, side) for side, torque in sides.items() if recording.walks},
        )
        for name, sides in leg_torques(recording.body, recording.torque).items()
    ]


def activation_charts(recording: Recording) -> list[str]:
    """Return charts of the leg's main muscles, beside published phases."""
    pictures = []
    for phase in published_phases():
        members = {side: muscles_like(recording.body, phase.muscles, side) for side in SIDES}
        if not all(len(found) for found in members.values()):
            continue
        active = {
            side: group_activation(recording.body, recording.activation, found)
            for side, found in members.items()
        }
        picture = line_chart(
            {side: curve(recording, values, side) for side, values in active.items()},
            CYCLE if recording.walks else TIME,
            words(phase.name).capitalize(),
            bands={side: band(recording, values, side) for side, values in active.items() if recording.walks},
            shaded={"published phase": spans(phase.on, phase.off)} if recording.walks else {},
            limits=(0.0, 1.02),
        )
        pictures.append(picture)
    return pictures


def spans(on: float, off: float) -> list[Span]:
    """Return a phase, in shares of the cycle, as parts of 0 to 100 %."""
    return [(100.0 * on, 100.0 * off)] if on < off else [(100.0 * on, 100.0), (0.0, 100.0 * off)]


def gait_sections(record: Mapping[str, Any]) -> list[str]:
    """Return the sections about steps, muscles and jitter, as far as there is something to say.

    Args:
        record: of `musclegym.policies.gait_numbers.gait_record`.
    """
    parts = []
    if record["muscles"]:
        note = (
            "Agreement is the probability that the muscle is more active at a moment in the published phase "
            "than at one outside: 1 at best, 0.5 by chance. A muscle agrees where it peaks in the phase and "
            "the agreement is 0.7 or more; where one of the two holds, it agrees in part. It hardly "
            "acts where its activation stays below 0.05."
        )
        text = "".join(f"<p>{line}</p>" for line in verdicts(record["muscles"]))
        parts.append(
            section("Muscles beside published activity", note, text + html_table(muscle_table(record)))
        )
    if record["angles"]:
        note = (
            "Range and greatest value of the mean cycle of each angle, left / right, of the policy and of "
            "the motion; the root mean square of what is between the two curves; and their correlation."
        )
        parts.append(
            section("Joint angles beside the motion", note, html_table(angle_table(record["angles"])))
        )
    if record["steps"]:
        parts.append(section("Steps", "", html_table(step_table(record["steps"]))))
    note = "Jerk is the third derivative of the joint angles. Variance is over the whole episode."
    parts.append(section("Jitter", note, html_table(jitter_table(record["jitter"]))))
    return parts


def verdicts(muscles: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return sentences that name the muscles which agree, agree in part and disagree."""
    phases, lines = {phase.name: phase for phase in published_phases()}, []
    for verdict, title in VERDICTS.items():
        named = [
            named_peak(name, fit, phases[name.rpartition("_")[0]])
            for name, fit in muscles.items()
            if fit["verdict"] == verdict
        ]
        lines.append(f"{title}: {'; '.join(named) or 'none'}.")
    return lines


def named_peak(name: str, fit: Mapping[str, Any], phase: ActivePhase) -> str:
    """Return a muscle with its peak and its phase in words."""
    muscle, _, side = name.rpartition("_")
    return (
        f"{side} {words(muscle)} (peak at {fit['peak_percent']:.0f} %, published {100 * phase.on:.0f} to "
        f"{100 * phase.off:.0f} %, agreement {fit['agreement']:.2f})"
    )


def muscle_table(record: Mapping[str, Any]) -> Table:
    """Return the numbers behind the verdicts."""
    rows = []
    for phase in published_phases():
        fits = [record["muscles"].get(f"{phase.name}_{side}") for side in SIDES]
        cells = [
            [f"{fit[key]:.{digits}f}" if fit else "-" for fit in fits]
            for key, digits in (("peak", 2), ("peak_percent", 0), ("agreement", 2), ("inside_percent", 0))
        ]
        published = f"{100 * phase.on:.0f} to {100 * phase.off:.0f}"
        rows.append(
            [
                words(phase.name),
                published,
                *(" / ".join(pair) for pair in cells),
                f"{100 * phase.duration:.0f}",
            ]
        )
    head = [
        "left / right",
        "published phase [%]",
        "peak",
        "where [%]",
        "agreement",
        "activity in the phase [%]",
        "by chance",
    ]
    return Table("", "", head, rows)


def angle_table(angles: Mapping[str, Any]) -> Table:
    """Return how the joint angles compare with the motion's."""
    rows = [
        [
            name,
            *(
                " / ".join(f"{sides[side][key]:.{digits}f}" for side in SIDES)
                for key, _, digits in ANGLE_COLUMNS
            ),
        ]
        for name, sides in angles.items()
    ]
    return Table("", "", ["left / right", *(label for _, label, _ in ANGLE_COLUMNS)], rows)


def step_table(steps: Mapping[str, Any]) -> Table:
    """Return the figures of the steps, left and right, of the policy and of the motion."""
    rows = [["cadence [steps/min]", *(f"{found['cadence']:.0f}" for found in steps.values())]]
    for key, (label, digits) in STEP_ROWS.items():
        pairs = [[f"{found[side][key]:.{digits}f}" for side in SIDES] for found in steps.values()]
        rows.append([label, *(" / ".join(pair) for pair in pairs)])
    return Table("", "", ["left / right", *steps], rows)


def jitter_table(jitter: Mapping[str, float]) -> Table:
    """Return how jerky the body moves beside the motion."""
    rows = []
    for key, (of_motion, label, digits) in JITTER_ROWS.items():
        factor = 100.0 if "share" in key else 1.0
        values = [jitter[key], jitter[of_motion] if of_motion else float("nan")]
        rows.append(
            [label, *(f"{factor * value:.{digits}f}" if np.isfinite(value) else "-" for value in values)]
        )
    return Table("", "", ["", "policy", "motion"], rows)


def words(name: str) -> str:
    """Return a name with blanks."""
    return name.replace("_", " ")
