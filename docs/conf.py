"""How Sphinx builds the documentation: no network is needed to build it or to read it.

Pages and figures that follow from the code are made by `made_pages.py` before anything is read.
"""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from made_pages import make_pages  # noqa: E402 (lies beside this file)

project = "musclegym"
author = "The musclegym contributors"
release = version = installed_version("musclegym")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "generated"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_use_rtype = False
html_theme = "furo"
html_title = "musclegym"
html_show_copyright = html_show_sourcelink = False
html_math_renderer = "mathml"


def setup(app: Sphinx) -> None:
    """Register what is ours: made pages, formulas as MathML, code in docstrings."""
    app.connect("builder-inited", lambda _: make_pages(HERE / "generated"))
    app.connect("autodoc-process-docstring", mark_code, priority=400)  # before napoleon
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))


def visit_math(writer: Any, node: nodes.math) -> None:
    """Write a formula inside a sentence; browsers draw MathML without a script."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(writer: Any, node: nodes.math_block) -> None:
    """Write a formula that stands alone."""
    writer.body.append(f'<div style="margin: 1em 0">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def mark_code(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Tell docutils that an indented block after a colon and an empty line is code, and a bar a bar."""
    for index in range(len(lines) - 2):
        indented = re.match(r"\s+", lines[index + 2]) and not lines[index].startswith(" ")
        if lines[index].endswith(":") and not lines[index + 1].strip() and indented:
            lines[index] += ":"
    for index, line in enumerate(lines):
        parts = line.split("`")  # every second one is code
        lines[index] = "`".join(p if i % 2 else p.replace("|", "\\|") for i, p in enumerate(parts))
