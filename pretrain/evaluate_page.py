"""The page of `musclegym pretrain evaluate`: errors, paths and figures of rollouts beside the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from musclegym.body import Body
from musclegym.charts import COLOURS, INK, STYLE, drawn, line_chart
from musclegym.motion.cycle import heading
from musclegym.motion.frames import place
from musclegym.motion.motion import Motion
from musclegym.motion.sheet import bones, draw_strip
from musclegym.pretrain.next_state import MotionModel
from musclegym.pretrain.rollout import contexts, draw_starts, rolled_out
from musclegym.pretrain.windows import states_of
from musclegym.report import Table, charts, document, fact_row, html_table, section
from musclegym.rotation import Array

SHOWN = 4
"""Rollouts whose paths and figures are drawn."""
FRAMES = 150
"""Frames of these."""


def write_page(
    path: Path,
    result: Mapping[str, Any],
    models: Mapping[str, MotionModel],
    motions: Sequence[Motion],
    body: Body,
    seed: int,
) -> None:
    """Write a page that stands alone.

    Args:
        path: file to write.
        result: of `musclegym.pretrain.evaluate.evaluate`.
        models: by name.
        motions: that were measured on.
        body: that moves.
        seed: of where the rollouts that are drawn begin.
    """
    first = next(iter(models))
    measured = result["rollouts"]
    examples = drawn_rollouts(models, longest_of_each_activity(result, motions), seed)
    pictures = [trajectories(truth, rollouts) for truth, rollouts in examples]
    strips = [strips_of(body, truth, rollouts[first], first) for truth, rollouts in examples]
    held = sum(bar["holds"] for bar in result["bars"])
    parts = [
        fact_row(
            {
                f"bars of {first} that hold": f"{held} of {len(result['bars'])}",
                **{
                    f"skill at {record['horizon']} frames": f"{record[first]['skill']:.2f}"
                    for record in measured["horizons"]
                },
            }
        ),
        section(
            "Error",
            "Mean distance of the joints from the truth, at one moment ahead, not a mean up to there.",
            f'<div class="charts">{charts(error_charts(measured))}</div>',
        ),
        section(
            "Paths of the root from above",
            "Grey is the truth; a rollout begins where it does. " + ", ".join(models) + ".",
            f'<div class="charts">{charts(pictures)}</div>',
        ),
        section("Figures", f"The truth above, {first} below.", charts(strips)),
        section("Errors by horizon", "", html_table(error_table(measured))),
        section("Bars", "", html_table(bar_table(result["bars"]))),
        section("Cards", "What the manifests say.", html_table(card_table(result["models"]))),
    ]
    lead = f"{len(motions)} motions, split {result['split']} of {', '.join(result['data'])}."
    footer = f"{measured['starts']} rollouts; commit {result['environment']['commit']}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document(f"Rollouts of {', '.join(models)}", lead, parts, footer), encoding="utf-8")


def longest_of_each_activity(result: Mapping[str, Any], motions: Sequence[Motion]) -> list[Motion]:
    """Return the longest motions, one of each activity as far as there are so many."""
    order = sorted(range(len(motions)), key=lambda index: -len(motions[index].q))
    seen: dict[str, int] = {}
    for index in order:
        seen.setdefault(result["motions"][index]["activity"], index)
    chosen = [*seen.values(), *(index for index in order if index not in seen.values())]
    return [motions[index] for index in chosen[:SHOWN]]


def drawn_rollouts(
    models: Mapping[str, MotionModel], motions: Sequence[Motion], seed: int
) -> list[tuple[Motion, dict[str, Motion]]]:
    """Return true motions after a start, and by name of the model what it made of them, of equal length."""
    context = max(model.window for model in models.values())
    truth = [states_of(motion, context + FRAMES + len(motion.q)) for motion in motions]
    clips, starts = draw_starts([len(states) for states in truth], context, FRAMES, len(truth), seed)
    given = contexts(truth, clips, starts, context)
    rollouts = {name: rolled_out(model, given, FRAMES) for name, model in models.items()}
    out = []
    for row, (clip, start) in enumerate(zip(clips, starts, strict=True)):
        true = truth[clip][start + context : start + context + FRAMES]
        out.append(
            (
                as_motion(motions[clip], true),
                {
                    name: as_motion(motions[clip], states[row, : len(true)])
                    for name, states in rollouts.items()
                },
            )
        )
    return out


def as_motion(motion: Motion, states: Array) -> Motion:
    """Return states (frame, 2 dof) as a motion with the name of another."""
    n = states.shape[1] // 2
    contact = np.zeros((len(states), 2), dtype=np.bool_)
    return replace(motion, q=states[:, :n], qd=states[:, n:], contact=contact, cyclic=False)


def error_charts(measured: Mapping[str, Any]) -> list[str]:
    """Return charts of the error over the horizon, in the world and relative to the root."""
    records = measured["horizons"]
    names = [name for name in records[0] if name not in ("horizon", "starts")]
    horizons = [record["horizon"] / measured["fps"] for record in records]

    def curves(key: str) -> dict[str, Any]:
        return {
            name.replace("_", " "): (horizons, [record[name][key] for record in records]) for name in names
        }

    return [
        line_chart(curves(key), "time ahead [s]", f"{title} [mm]", logarithmic="both")
        for key, title in (
            ("joint_error_mm", "Joint error in the world"),
            ("root_relative_error_mm", "Joint error relative to the root"),
        )
    ]


def trajectories(truth: Motion, rollouts: Mapping[str, Motion]) -> str:
    """Return a picture of the root's path from above."""
    with rc_context(STYLE):
        figure = Figure(figsize=(4.4, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.plot(truth.q[:, 3], truth.q[:, 5], color=INK, linewidth=4.0, alpha=0.3)
        for (_, motion), colour in zip(rollouts.items(), COLOURS, strict=False):
            axes.plot(motion.q[:, 3], motion.q[:, 5], color=colour, linewidth=1.6)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xlabel("to the left [m]")
        axes.set_title(f"{truth.name}, {len(truth.q) / truth.fps:.1f} s", loc="left", fontsize=10)
        return drawn(figure, f"path of the root in {truth.name}")


def strips_of(body: Body, truth: Motion, rollout: Motion, name: str) -> str:
    """Return a picture of the figures of a motion and, below, of a rollout, seen from their side."""
    with rc_context(STYLE):
        figure = Figure(figsize=(10.0, 4.4), layout="constrained")
        for axis, motion, who in zip(figure.subplots(2, 1), (truth, rollout), ("truth", name), strict=True):
            frames = place(body.skeleton, motion.q)
            facing = float(heading(motion.q[:1])[0])
            joints = {joint: frames.position[:, index] for index, joint in enumerate(body.body_names)}
            across = np.array([np.sin(facing), 0.0, np.cos(facing)])
            draw_strip(axis, bones(motion, joints), frames.position[:, 0], across, motion.fps)
            axis.set_title(f"{truth.name}: {who}", fontsize=9, loc="left")
        return drawn(figure, f"figures of {truth.name}")


def error_table(measured: Mapping[str, Any]) -> Table:
    """Return the errors of all models and baselines at every horizon."""
    rows = []
    for record in measured["horizons"]:
        for name, row in record.items():
            if name not in ("horizon", "starts"):
                low, high = row["joint_error_mm_interval"]
                rows.append(
                    [
                        f"{record['horizon']} frames, {name.replace('_', ' ')}",
                        f"{row['joint_error_mm']:.1f}",
                        f"{low:.1f} to {high:.1f}",
                        f"{row['root_relative_error_mm']:.1f}",
                        f"{row['skill']:.2f}",
                        f"{row['position_mse']:.4f}",
                        f"{row['velocity_mse']:.3f}",
                        f"{row['position_change_r2']:.3f}",
                        f"{row['velocity_change_r2']:.3f}",
                    ]
                )
    head = ["", "joint error [mm]", "95 %", "root-relative [mm]", "skill", "position MSE", "velocity MSE"]
    return Table("", "", [*head, "R² position", "R² velocity"], rows)


def bar_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the bars."""
    cells = [
        [row["name"], f"{row['value']:.4g}", row["bar"], "holds" if row["holds"] else "fails"] for row in rows
    ]
    return Table("", "", ["", "measured", "bar", ""], cells)


def card_table(cards: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return what is known of each model."""
    rows = [[name, key, str(value)] for name, card in cards.items() for key, value in card.items()]
    return Table("", "", ["model", "", ""], rows, texts=True)
