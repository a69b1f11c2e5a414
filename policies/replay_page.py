"""The plot page of `musclegym replay`: what an episode looked like in numbers, in one HTML file."""

import base64
from pathlib import Path

from musclegym.charts import heat_map, line_chart
from musclegym.gait_steps import SIDES
from musclegym.muscle.groups import group_activation, muscle_groups
from musclegym.policies.gait_numbers import gait_record
from musclegym.policies.gait_page import (
    CYCLE,
    TIME,
    activation_charts,
    angle_charts,
    block,
    curve,
    gait_sections,
    torque_charts,
    words,
)
from musclegym.policies.recording import Recording
from musclegym.report import document, fact_row, section

MIMES = {".mp4": "video/mp4", ".gif": "image/gif", ".webp": "image/webp"}
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
    how = (
        f"Mean over {cycles['left']} cycles of the left and {cycles['right']} of the right foot, each from "
        "its own heel strike (where the ankle is farthest ahead of the pelvis), and standard deviation."
        if recording.walks
        else "Over the time of the episode, which holds no whole gait cycle of both feet."
    )
    parts = [
        fact_row(facts(recording)),
        section("The episode", "", moving_picture(film)),
        section(
            "Joints and ground",
            how,
            block([*angle_charts(recording), reaction_chart(recording), *torque_charts(recording)]),
        ),
    ]
    if recording.activation.size:
        note = f"{how} Means over a group's muscles are weighted by their maximum isometric force."
        parts.append(section("Muscles of the leg", note, block(activation_charts(recording))))
    parts += gait_sections(gait_record(recording))
    if recording.activation.size:
        maps = [group_map(recording, side) for side in SIDES]
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
    out = {
        "time [s]": f"{recording.time[-1]:.1f}",
        "mean speed along the path [m/s]": f"{recording.speed:.2f}",
    }
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


def reaction_chart(recording: Recording) -> str:
    """Return a chart of the vertical ground reaction of both feet."""
    share = recording.foot_force / recording.weight
    curves = {side: curve(recording, share[:, column], side) for column, side in enumerate(SIDES)}
    across = CYCLE if recording.walks else TIME
    return line_chart(curves, across, "Vertical ground reaction [body weight]", levels={"body weight": 1.0})


def group_map(recording: Recording, side: str) -> str:
    """Return a map of the activations of all muscle groups of a side."""
    rows = {}
    for name, muscles in muscle_groups(recording.body).items():
        if name.endswith(f"_{side}"):
            activation = group_activation(recording.body, recording.activation, muscles)
            _, rows[words(name.removesuffix(f"_{side}"))] = curve(recording, activation, side)
    span = (0.0, 100.0) if recording.walks else (float(recording.time[0]), float(recording.time[-1]))
    return heat_map(rows, CYCLE if recording.walks else TIME, f"Activation, {side} side", span)


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
