"""The plot page of `musclegym replay`: what an episode looked like in numbers, in one HTML file."""

import base64
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from musclegym.charts import Curve, Span, heat_map, line_chart
from musclegym.gait import published_phases
from musclegym.muscle.groups import group_activation, muscle_groups, muscles_like
from musclegym.policies.recording import SIDES, Recording
from musclegym.report import charts, document, fact_row, section
from musclegym.rotation import Array

ANGLES = {
    "Hip flexion": ("Femur{}_x", -1.0),
    "Knee flexion": ("Tibia{}", 1.0),
    "Ankle dorsiflexion": ("Talus{}_x", -1.0),
    "Elbow flexion": ("ForeArm{}", None),
}
"""Joint angles to draw: DoF, "{}" for L or R, and the sign that makes bending positive; None where it differs
from side to side, and the greater part of the joint's range is bending."""
MIMES = {".mp4": "video/mp4", ".gif": "image/gif", ".webp": "image/webp"}
CYCLE, TIME = "gait cycle from heel strike [%]", "time [s]"
POWERS = {"joint_work": "of the joints", "muscle_work": "of the muscles"}
COSTS = {"cost_of_transport": "joint work", "muscle_cost_of_transport": "muscle work"}


def write_page(path: Path, recording: Recording, title: str, film: Path) -> None:
    """Write a page about an episode.

    Args:
        path: HTML file to write.
        recording: of the episode.
        title: of the page.
        film: its moving picture, which is put into the page.
    """
    cycles = recording.cycles
    gait = min(cycles.values()) > 0
    how = (
        f"Mean over {cycles['left']} cycles of the left and {cycles['right']} of the right foot, each from "
        "its own heel strike (where the ankle is farthest ahead of the pelvis)."
        if gait
        else "Over the time of the episode, which holds no whole gait cycle of both feet."
    )
    parts = [
        fact_row(facts(recording)),
        section("The episode", "", moving_picture(film)),
        section(
            "Joints and ground", how, block([*angle_charts(recording, gait), reaction_chart(recording, gait)])
        ),
    ]
    if recording.activation.size:
        note = f"{how} Means over a group's muscles are weighted by their maximum isometric force."
        parts.append(section("Muscles of the leg", note, block(activation_charts(recording, gait))))
        maps = [group_map(recording, side, gait) for side in SIDES]
        parts.append(section("All muscle groups", "Activation from 0 to 1.", block(maps)))
    if energy := energy_charts(recording):
        note = (
            "Work counts absolutely, what is braked like what is driven. Cost of transport is the work since "
            "the start over weight times way."
        )
        parts.append(section("Energy", note, block(energy)))
    footer = "Published phases: Perry & Burnfield 2010, from memory; see musclegym.gait."
    path.write_text(document(title, "What one episode looked like.", parts, footer), encoding="utf-8")


def facts(recording: Recording) -> dict[str, str]:
    """Return the headline figures."""
    seconds = recording.time[-1]
    moved = recording.distance / max(seconds - recording.time[0], recording.step_time)
    out = {"time [s]": f"{seconds:.1f}", "mean speed [m/s]": f"{moved:.2f}"}
    if "cost_of_transport" in recording.measures:
        out["cost of transport, joint work [-]"] = f"{recording.measures['cost_of_transport'][-1]:.2f}"
    if recording.activation.size:
        out["mean activation [-]"] = f"{recording.activation.mean():.3f}"
    return out


def moving_picture(film: Path) -> str:
    """Return a film or animation as it stands in a page."""
    mime = MIMES[film.suffix]
    source = f"data:{mime};base64,{base64.b64encode(film.read_bytes()).decode('ascii')}"
    if mime.startswith("video"):
        return f'<figure><video controls loop muted autoplay playsinline src="{source}"></video></figure>'
    return f'<figure><img src="{source}" alt="the body in motion"></figure>'


def block(pictures: list[str]) -> str:
    """Return charts side by side."""
    return f'<div class="charts">{charts(pictures)}</div>'


def curve(recording: Recording, values: Array, side: str, gait: bool) -> Curve:
    """Return one number per step (step,) as a curve over the side's gait cycle, or over time."""
    if gait:
        return np.linspace(0.0, 100.0, 101), recording.mean_cycle(values, side)
    return recording.time, values


def angle_charts(recording: Recording, gait: bool) -> list[str]:
    """Return a chart of each joint angle, the followed motion dashed."""
    names, pictures = list(recording.body.dof_names), []
    for title, (pattern, sign) in ANGLES.items():
        dofs = {side: pattern.format(side[0].upper()) for side in SIDES}
        if not set(dofs.values()) <= set(names):
            continue
        shown, wanted = {}, {}
        for side, dof in dofs.items():
            index = names.index(dof)
            scale = np.degrees(1.0) * (bending_sign(recording, index) if sign is None else sign)
            shown[side] = curve(recording, scale * recording.q[:, index], side, gait)
            if recording.reference is not None:
                dashed = scale * recording.reference[:, index]
                wanted[f"{side}, motion"] = curve(recording, dashed, side, gait)
        pictures.append(line_chart(shown, CYCLE if gait else TIME, f"{title} [°]", dashed=wanted))
    return pictures


def bending_sign(recording: Recording, dof: int) -> float:
    """Return the sign of the greater part of a hinge's range."""
    skeleton = recording.body.skeleton
    return 1.0 if skeleton.upper[dof] + skeleton.lower[dof] >= 0.0 else -1.0


def reaction_chart(recording: Recording, gait: bool) -> str:
    """Return a chart of the vertical ground reaction of both feet."""
    share = recording.foot_force / recording.weight
    curves = {side: curve(recording, share[:, column], side, gait) for column, side in enumerate(SIDES)}
    return line_chart(
        curves, CYCLE if gait else TIME, "Vertical ground reaction [body weight]", levels={"body weight": 1.0}
    )


def activation_charts(recording: Recording, gait: bool) -> list[str]:
    """Return charts of the leg's main muscles, beside published phases."""
    pictures = []
    for phase in published_phases():
        members = {side: muscles_like(recording.body, phase.muscles, side) for side in SIDES}
        if not all(len(found) for found in members.values()):
            continue
        shown = {
            side: curve(recording, group_activation(recording.body, recording.activation, found), side, gait)
            for side, found in members.items()
        }
        shaded: Mapping[str, list[Span]] = {"published phase": spans(phase.on, phase.off)} if gait else {}
        title = phase.name.replace("_", " ").capitalize()
        picture = line_chart(shown, CYCLE if gait else TIME, title, shaded=shaded, limits=(0.0, 1.02))
        pictures.append(picture)
    return pictures


def spans(on: float, off: float) -> list[Span]:
    """Return a phase, in shares of the cycle, as parts of 0 to 100 %."""
    return [(100.0 * on, 100.0 * off)] if on < off else [(100.0 * on, 100.0), (0.0, 100.0 * off)]


def group_map(recording: Recording, side: str, gait: bool) -> str:
    """Return a map of the activations of all muscle groups of a side."""
    rows = {}
    for name, muscles in muscle_groups(recording.body).items():
        if name.endswith(f"_{side}"):
            activation = group_activation(recording.body, recording.activation, muscles)
            _, rows[name.removesuffix(f"_{side}").replace("_", " ")] = curve(
                recording, activation, side, gait
            )
    span = (0.0, 100.0) if gait else (float(recording.time[0]), float(recording.time[-1]))
    return heat_map(rows, CYCLE if gait else TIME, f"Activation, {side} side", span)


def energy_charts(recording: Recording) -> list[str]:
    """Return charts of power and of the cost of transport, as far as the environment measured them."""
    measures, pictures = recording.measures, []
    power = {
        label: (recording.time, measures[name] / recording.step_time)
        for name, label in POWERS.items()
        if name in measures
    }
    if power:
        pictures.append(line_chart(power, TIME, "Absolute power [W]"))
    cost = {label: (recording.time, measures[name]) for name, label in COSTS.items() if name in measures}
    if cost:
        pictures.append(line_chart(cost, TIME, "Cost of transport [-]"))
    return pictures
