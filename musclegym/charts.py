"""Charts as SVG text that can stand in a page."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from musclegym.rotation import Array

INK, FAINT = "#3d4451", "#d9dde3"
SHADE = "#dfe8dd"
COLOURS = ("#c8442e", "#2f6db5", "#4c9a6a", "#b07d2b", "#7a5ea8", "#6b7280")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "musclegym",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#eceff3",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}

HEAT = LinearSegmentedColormap.from_list("heat", ["#f4f5f8", "#e6a89e", "#c4232b", "#6d0013"])
"""Colours of a heat map from 0 to 1; each is darker than the one before."""

Curve = tuple[Sequence[float] | Array, Sequence[float] | Array]
Band = tuple[Array, Array, Array]
Span = tuple[float, float]


def line_chart(
    curves: Mapping[str, Curve],
    horizontal: str,
    vertical: str,
    *,
    levels: Mapping[str, float] | None = None,
    logarithmic: Literal["", "y", "both"] = "",
    dashed: Mapping[str, Curve] | None = None,
    bands: Mapping[str, Band] | None = None,
    shaded: Mapping[str, Sequence[Span]] | None = None,
    limits: Span | None = None,
) -> str:
    """Return an SVG chart.

    Args:
        curves: x and y by name; a single one gets no legend.
        horizontal: label of the x axis.
        vertical: what is drawn, written above the chart.
        levels: values to mark by dashed lines, by name.
        logarithmic: which axes are.
        dashed: curves to draw thin and dashed, each in the colour of the curve at its place, by name.
        bands: x, lower and upper edge of areas, pale in the colour of the curve at their place, by name.
        shaded: parts of the x axis to shade, by name.
        limits: of the y axis.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(4.4, 3.0), layout="constrained")
        axes = figure.subplots()
        for name, spans in (shaded or {}).items():
            for number, span in enumerate(spans):
                axes.axvspan(*span, color=SHADE, linewidth=0.0, label=None if number else name)
        for (name, (x, y)), colour in zip(curves.items(), COLOURS, strict=False):
            axes.plot(x, y, color=colour, linewidth=1.8, label=name, marker="o" if len(x) == 1 else None)
        for (x, low, high), colour in zip((bands or {}).values(), COLOURS, strict=False):
            axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0.0)
        for (name, (x, y)), colour in zip((dashed or {}).items(), COLOURS, strict=False):
            axes.plot(
                x, y, color=colour, linewidth=1.1, linestyle=(0, (4, 2)), alpha=0.75, label=name, zorder=1.5
            )
        for name, value in (levels or {}).items():
            axes.axhline(value, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), label=name)
        if logarithmic:
            axes.set_yscale("log")
        if logarithmic == "both":
            axes.set_xscale("log")
        axes.set_xlabel(horizontal)
        axes.set_title(vertical, loc="left", fontsize=10, fontweight="bold")
        if limits is not None:
            axes.set_ylim(*limits)
        if len(curves) + len(levels or {}) + len(dashed or {}) + len(shaded or {}) > 1:
            columns = 4 if dashed else 3
            figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
        return drawn(figure, vertical)


def heat_map(rows: Mapping[str, Array], horizontal: str, title: str, span: Span) -> str:
    """Return an SVG picture with a row of colour for each name.

    Args:
        rows: values in [0, 1] by name, all of one length.
        horizontal: label of the x axis.
        title: what is drawn, written above.
        span: x of the first and of the last value.
    """
    with rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(5.4, 0.9 + 0.17 * len(rows)), layout="constrained")
        axes = figure.subplots()
        values = np.array(list(rows.values()))
        extent = (*span, len(rows) - 0.5, -0.5)
        picture = axes.imshow(
            values, aspect="auto", interpolation="nearest", extent=extent, cmap=HEAT, vmin=0.0, vmax=1.0
        )
        axes.set_yticks(range(len(rows)), list(rows), fontsize=7.5)
        axes.set_xlabel(horizontal)
        axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
        bar = figure.colorbar(picture, ax=axes, location="bottom", aspect=40, fraction=0.02, pad=0.01)
        bar.outline.set_visible(False)  # type: ignore[operator]  # an artist, which stubs call otherwise
        return drawn(figure, title)


def drawn(figure: Figure, name: str) -> str:
    """Return a figure as SVG that stands in a page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return inline(text.getvalue(), name)


def standalone(chart: str) -> str:
    """Return a chart as the text of an SVG file."""
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return chart.replace("<svg ", f"<svg {spaces} ", 1)


def inline(svg: str, name: str) -> str:
    """Return an SVG file's picture as it stands in HTML: without prologue, metadata and fixed size.

    Args:
        svg: the file's text.
        name: what the picture shows, for readers who do not see it.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body)
    body = re.sub(r'^<svg ([^>]*?)width="[^"]*"', r"<svg \1", body)
    body = re.sub(r'^<svg ([^>]*?)height="[^"]*"', r"<svg \1", body)
    return body.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)
