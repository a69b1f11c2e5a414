"""Contact sheets: stick figures of a clip and of the motion made from it, side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from musclegym.motion.clip import Clip
from musclegym.motion.cycle import heading
from musclegym.motion.frames import place
from musclegym.motion.motion import Motion
from musclegym.motion.name_maps import NameMap, find_family
from musclegym.motion.quality import scaled_source
from musclegym.motion.retarget import followed
from musclegym.rotation import Array

FIGURES = 8
COLOURS = {"L": "tab:blue", "R": "tab:red", "": "black"}
SPACING = 1.05  # between neighbouring figures [m]

Bones = list[tuple[str, Array, Array]]  # side, path of both ends (frame, 3)


def draw_sheet(pairs: Sequence[tuple[Clip, Motion]], path: Path, mapping: NameMap | None = None) -> None:
    """Draw, for every clip and its motion made with `keep_place`, both from the side and from the front.

    Left limbs are blue, right ones red. From the side the figures face right; from the front their left is on
    the right of the picture.
    """
    figure = Figure(figsize=(20, 5.4 * len(pairs)), layout="constrained")
    panels = figure.subplots(2 * len(pairs), 2, squeeze=False)
    for row, (clip, motion) in enumerate(pairs):
        frames = place(motion.skeleton, motion.q)
        facing = float(heading(motion.q[:1])[0])
        across = {
            "side": np.array([np.sin(facing), 0.0, np.cos(facing)]),
            "front": np.array([np.cos(facing), 0.0, -np.sin(facing)]),
        }
        made_from = followed(clip, motion.skeleton, motion.fps, mapping=mapping, cyclic=motion.cyclic)
        source = scaled_source(made_from, find_family(clip, mapping), motion, frames)
        own = {name: frames.position[:, body] for body, name in enumerate(motion.skeleton.body_names)}
        for line, (who, joints) in enumerate(((f"{Path(clip.source).name}, source", source), ("body", own))):
            for column, (view, direction) in enumerate(across.items()):
                axis = panels[2 * row + line, column]
                draw_strip(axis, bones(motion, joints), frames.position[:, 0], direction, motion.fps)
                axis.set_title(f"{who}, {view}", fontsize=11, loc="left")
    FigureCanvasAgg(figure).print_png(path)


def bones(motion: Motion, joints: Mapping[str, Array]) -> Bones:
    """Return the bones between the joints that are there, each from the nearest one above it."""
    skeleton = motion.skeleton
    out = []
    for body, name in enumerate(skeleton.body_names):
        above = int(skeleton.parent[body])
        while above >= 0 and skeleton.body_names[above] not in joints:
            above = int(skeleton.parent[above])
        if name in joints and above >= 0:
            side = name[-1] if name[-1] in "LR" else ""
            out.append((side, joints[skeleton.body_names[above]], joints[name]))
    return out


def draw_strip(axis: Axes, sticks: Bones, root: Array, across: Array, fps: float) -> None:
    """Draw figures of evenly spread frames in a row, each around its own place, with the ground below."""
    frames = np.linspace(0, len(root) - 1, FIGURES).astype(int)
    for column, frame in enumerate(frames):
        for side, start, end in sticks:
            points = np.stack([start[frame], end[frame]])
            horizontal = (points - root[frame]) @ across + SPACING * column
            axis.plot(horizontal, points[:, 1], color=COLOURS[side], linewidth=1.6, solid_capstyle="round")
        axis.text(SPACING * column, -0.2, f"{frame / fps:.2f} s", ha="center", fontsize=7)
    axis.axhline(0.0, color="0.6", linewidth=0.8)
    axis.set(xlim=(-0.8, SPACING * (FIGURES - 1) + 0.8), ylim=(-0.3, 2.0), aspect="equal")
    axis.set_axis_off()
