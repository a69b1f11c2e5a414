"""Line charts as SVG text that can stand in a page."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

INK, FAINT = "#3d4451", "#d9dde3"
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

Curve = tuple[Sequence[float], Sequence[float]]


def line_chart(
    curves: Mapping[str, Curve],
    horizontal: str,
    vertical: str,
    *,
    levels: Mapping[str, float] | None = None,
    logarithmic: bool = False,
) -> str:
    """Return an SVG chart.

    Args:
        curves: x and y by name; a single one gets no legend.
        horizontal: label of the x axis.
        vertical: what is drawn, written above the chart.
        levels: values to mark by dashed lines, by name.
        logarithmic: whether the y axis is.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(4.4, 3.0), layout="constrained")
        axes = figure.subplots()
        for (name, (x, y)), colour in zip(curves.items(), COLOURS, strict=False):
            axes.plot(x, y, color=colour, linewidth=1.8, label=name, marker="o" if len(x) == 1 else None)
        for name, value in (levels or {}).items():
            axes.axhline(value, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), label=name)
        if logarithmic:
            axes.set_yscale("log")
        axes.set_xlabel(horizontal)
        axes.set_title(vertical, loc="left", fontsize=10, fontweight="bold")
        if len(curves) + len(levels or {}) > 1:
            figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return inline(text.getvalue(), vertical)


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
