"""When the muscles of the embedded walk are active, beside the phases published for walking.

    python benchmarks/gait_activation.py [--json OUT] [--picture OUT]

Joint torques of the walk come from inverse dynamics with the ground pushing at the feet, activations from the
oracle, bounded least squares; each frame stands for itself, without activation dynamics. Heel strikes are
where the ankle is farthest ahead of the pelvis: the motion's own flags of contact mark one foot at a time and
so know no double support. A group's activation is weighted by force.

Done twice: once every joint torque is asked of the muscles, once those that turn the toes in or out and the
sole (`Talus_y` and `Talus_z`) are left to bones and ligaments. The body's ankle is a ball joint; a real one
turns about two oblique axes and bears part of those torques passively.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from musclegym.body import Body, MuscleState, load_body
from musclegym.charts import COLOURS, SHADE, STYLE
from musclegym.gait import (
    ActivePhase,
    PhaseAgreement,
    heel_strikes,
    over_cycles,
    phase_agreement,
    published_phases,
    toe_offs,
)
from musclegym.inverse_dynamics import inverse_dynamics
from musclegym.manifest import environment_record, write_json
from musclegym.motion import load_motion
from musclegym.muscle.groups import group_activation, muscles_like
from musclegym.muscle.oracle import solve_activation
from musclegym.rotation import Array

RESULTS = Path(__file__).parent / "results" / "gait_activation.json"
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "gait_activation.png"
SHARES = np.linspace(0.0, 1.0, 101)
VARIANTS = {"all torques": (), "ankle as hinge": ("TalusL_y", "TalusL_z", "TalusR_y", "TalusR_z")}
"""DoFs whose torque is not asked of the muscles."""


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    json: Path = RESULTS
    """File for the figures."""
    picture: Path = PICTURE
    """File for the plot."""


@dataclass(frozen=True)
class SideActivity(PhaseAgreement):
    """How a muscle group of one side is active over the gait cycle, and how that fits its phase."""

    curve: list[float]
    """Activation at every hundredth of the cycle from heel strike [-]."""


Activity = dict[str, dict[str, SideActivity]]
"""Of each muscle group by side."""


def walk_activity(body: Body, left_out: Sequence[str] = ()) -> Activity:
    """Return the activity of the muscles in the embedded walk, without the torques about some DoFs."""
    motion = load_motion("walk", body)
    result = inverse_dynamics(body, motion)
    asked = np.array([name not in left_out for name in body.dof_names])
    activation = np.array(
        [
            oracle(body.muscles(q, qd), torque, asked)
            for q, qd, torque in zip(result.q, result.qd, result.torque, strict=True)
        ]
    )
    time, activation = thrice(result.time, activation)
    poses = motion.at(time)[0]
    groups: Activity = {phase.name: {} for phase in published_phases()}
    for side in ("left", "right"):
        strikes = heel_strikes(body, time, poses, side)[:2]
        for phase in published_phases():
            members = muscles_like(body, phase.muscles, side)
            curve = over_cycles(time, group_activation(body, activation, members), strikes, len(SHARES))[0]
            groups[phase.name][side] = judge(curve, phase)
    return groups


def oracle(state: MuscleState, torque: Array, asked: Array) -> Array:
    """Return activations (muscle,) that make the torque (dof,) about the DoFs that are asked (dof,)."""
    matrix, passive = state.torque_matrix * asked[:, None], state.passive_torque * asked
    return solve_activation(replace(state, torque_matrix=matrix, passive_torque=passive), torque * asked)


def walk_toe_off(body: Body) -> dict[str, float]:
    """Return when each foot leaves the ground in the embedded walk [% of its cycle]."""
    motion = load_motion("walk", body)
    time = np.arange(0.0, 3.0 * motion.duration, 1.0 / 120.0)
    poses, shares = motion.at(time)[0], {}
    for side in ("left", "right"):
        begin, end = heel_strikes(body, time, poses, side)[:2]
        leaving = toe_offs(body, time, poses, side)
        shares[side] = 100.0 * float((leaving[leaving > begin][0] - begin) / (end - begin))
    return shares


def thrice(time: Array, values: Array) -> tuple[Array, Array]:
    """Return three cycles of values (frame, ...) whose last frame is the first one again."""
    period = time[-1] - time[0]
    times = [time[:-1] + count * period for count in range(3)]
    return np.concatenate(times), np.concatenate([values[:-1]] * 3)


def judge(curve: Array, phase: ActivePhase) -> SideActivity:
    """Compare a curve over the cycle with a published phase."""
    return SideActivity(**asdict(phase_agreement(curve, phase)), curve=curve.round(4).tolist())


def draw(variants: Mapping[str, Activity], toe_off: Mapping[str, float], out: Path) -> None:
    """Draw every group's activation over the cycle, with the published phase shaded."""
    with rc_context(STYLE):
        figure = Figure(figsize=(10.0, 4.6), layout="constrained", dpi=100)
        plots = figure.subplots(2, 4, sharex=True, sharey=True).ravel()
        for axes, phase in zip(plots, published_phases(), strict=True):
            draw_group(axes, phase, variants, toe_off)
        for axes in plots[4:]:
            axes.set_xlabel("gait cycle [%]")
        handles, labels = plots[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out)


def draw_group(
    axes: Axes, phase: ActivePhase, variants: Mapping[str, Activity], toe_off: Mapping[str, float]
) -> None:
    """Draw one group; vertical lines are toe-offs."""
    parts = [(phase.on, phase.off)] if phase.on < phase.off else [(phase.on, 1.0), (0.0, phase.off)]
    for number, (begin, end) in enumerate(parts):
        label = "published phase" if number == 0 else None
        axes.axvspan(100.0 * begin, 100.0 * end, color=SHADE, label=label, linewidth=0.0)
    for (variant, groups), style in zip(variants.items(), ("-", (0, (3, 1.5))), strict=True):
        for (side, activity), colour in zip(groups[phase.name].items(), COLOURS, strict=False):
            label = f"{side} leg, {variant}"
            axes.plot(
                100.0 * SHARES, activity.curve, color=colour, label=label, linewidth=1.5, linestyle=style
            )
    for (_, percent), colour in zip(toe_off.items(), COLOURS, strict=False):
        axes.axvline(percent, color=colour, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set_title(phase.name.replace("_", " "), loc="left", fontsize=10, fontweight="bold")
    axes.set_ylim(0.0, 1.02)
    axes.set_xlim(0.0, 100.0)


def print_table(variant: str, groups: Activity) -> None:
    """Print where each group's peak lies, marked ! where it is outside the published phase."""
    head = f"{'muscle':20}{'published':>12}   peak left, right [%]   activity inside [%] (by chance)"
    print(f"\n{variant}\n{head}")
    for phase in published_phases():
        left, right = groups[phase.name].values()
        peaks = " ".join(f"{a.peak_percent:5.0f}{'' if a.peak_inside else '!':1}" for a in (left, right))
        inside = f"{left.inside_percent:6.0f} {right.inside_percent:6.0f}    ({100 * phase.duration:.0f})"
        print(f"{phase.name:20}{100 * phase.on:5.0f} - {100 * phase.off:3.0f}   {peaks:>18}   {inside:>24}")
    print("peak outside the published phase:", ", ".join(outside(groups)) or "none")


def outside(groups: Activity) -> list[str]:
    """Return the groups and sides whose peak is outside the published phase."""
    each = ((f"{name}_{side}", of) for name, sides in groups.items() for side, of in sides.items())
    return [name for name, activity in each if not activity.peak_inside]


def main(config: Config) -> None:
    """Measure, print, draw and write everything."""
    body = load_body("human")
    toe_off = walk_toe_off(body)
    print(f"toe-off at {toe_off['left']:.0f} % (left) and {toe_off['right']:.0f} % (right) of the cycle")
    variants = {name: walk_activity(body, left_out) for name, left_out in VARIANTS.items()}
    for name, groups in variants.items():
        print_table(name, groups)
    draw(variants, toe_off, config.picture)
    record = {
        "toe_off_percent": toe_off,
        "published": [asdict(phase) for phase in published_phases()],
        "variants": {
            name: {
                "left_out": VARIANTS[name],
                "peak_outside": outside(groups),
                "groups": {
                    group: {side: asdict(of) for side, of in sides.items()} for group, sides in groups.items()
                },
            }
            for name, groups in variants.items()
        },
    }
    write_json(config.json, {**record, "body_hash": body.hash, "environment": environment_record()})
    print(f"\nwrote {config.json} and {config.picture}")


if __name__ == "__main__":
    main(tyro.cli(Config))
