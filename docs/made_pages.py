"""Pages and figures of the documentation that follow from the code, made anew at every build.

They go to docs/generated, which is not kept in git; the pages include them.
"""

import contextlib
import inspect
import io
import os
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

import musclegym
from musclegym.cli import COMMANDS, main
from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.envs.vector import MuscleHumanoidVectorEnv
from musclegym.muscle.curves import Curve, physiology_curves

README = Path(__file__).resolve().parent.parent / "README.md"
SECTIONS = ("Install", "Results", "Limits", "Cite")
"""Sections of the README that the documentation shows too."""
FURTHER = {
    "Body and muscles": (
        "musclegym.body.Kinematics",
        "musclegym.body.MuscleState",
        "musclegym.muscle.physiology.MuscleConfig",
        "musclegym.muscle.groups.muscle_groups",
        "musclegym.scaling.scale_body",
    ),
    "Environment": (
        "musclegym.envs.tasks.Task",
        "musclegym.envs.world.Ground",
        "musclegym.envs.world.Pushes",
        "musclegym.envs.world.BodyVariation",
        "musclegym.state.BodyState",
    ),
    "Motions": (
        "musclegym.motion.library.MotionLibrary",
        "musclegym.motion.library_build.LibraryConfig",
        "musclegym.motion.windows.WindowSampler",
        "musclegym.motion.augment.Augmentation",
        "musclegym.motion.low_pass.low_pass",
        "musclegym.motion.kit.open_kit",
        "musclegym.motion.kit_features.JointFeatures",
        "musclegym.motion.kit_extraction.features_from_motion",
        "musclegym.motion.physics_state.physics_states_of",
    ),
    "Priors and policies": (
        "musclegym.pretrain.checkpoint.load_prior",
        "musclegym.pretrain.next_state.NextStateModel",
        "musclegym.pretrain.score.PriorScore",
        "musclegym.policies.adapter.AdaptedVecEnv",
        "musclegym.policies.policy_file.load_policy",
    ),
}
"""What users of the parts need beside the names in `musclegym` itself."""
COLUMNS = 88
"""Width of what commands print, which a block of a page holds without scrolling."""
LINES = ("#b3261e", "#1f5fa8", "#3a7d44", "#8a5a00")


def make_pages(folder: Path) -> None:
    """Write every made page and figure into `folder`."""
    folder.mkdir(exist_ok=True)
    pages = {
        "environment": inspect.cleandoc(MuscleHumanoidEnv.__doc__ or ""),
        "vector": inspect.cleandoc(MuscleHumanoidVectorEnv.__doc__ or ""),
        "commands": "\n\n".join(command_pages()),
        "api": api_page(),
        **{f"readme_{name.lower()}": readme_section(name) for name in SECTIONS},
    }
    for curve in physiology_curves():
        name = curve.name.replace(" ", "_").replace("-", "_")
        draw(curve, folder / f"{name}.svg")
        pages[name] = figure_page(curve, f"{name}.svg")
    for name, text in pages.items():
        write(folder / f"{name}.md", text + "\n")


def write(path: Path, text: str) -> None:
    """Write a file unless it says so already, so that Sphinx reads again only what has changed."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def readme_section(title: str) -> str:
    """Return a section of the README without its title.

    Raises:
        ValueError: if there is none.
    """
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README.read_text(encoding="utf-8"), re.DOTALL | re.M)
    if found is None:
        raise ValueError(
            f"the documentation shows the README's section {title!r}, but there is none; name another one in "
            f"docs/made_pages.py"
        )
    return re.sub(r"<!--.*?-->\n?", "", found[1]).strip("\n")


def command_pages() -> Iterator[str]:
    """Yield a section for each command: what `musclegym COMMAND --help` prints, subcommands included."""
    for command, (_, text) in COMMANDS.items():
        yield f"## {command}\n\n{text[0].upper() + text[1:]}."
        shown = help_of(command)
        yield fenced(shown)
        subcommands = re.search(r"\{([a-z,-]+)\}", shown.partition("\n\n")[0])
        for name in subcommands[1].split(",") if subcommands else ():
            yield f"### {command} {name}\n\n{fenced(help_of(command, name))}"


def help_of(*words: str) -> str:
    """Return what a command prints for --help, as wide as the pages."""
    printed, columns = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(COLUMNS)
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    if columns is None:
        del os.environ["COLUMNS"]
    else:
        os.environ["COLUMNS"] = columns
    lines = (line.rstrip() for line in printed.getvalue().splitlines())
    return "\n".join(textwrap.fill(line, COLUMNS) if len(line) > COLUMNS else line for line in lines).strip()


def fenced(text: str) -> str:
    """Return text as a block of plain text."""
    return f"```text\n{text}\n```"


def api_page() -> str:
    """Return directives for the public names, and for what users of the parts need."""
    parts = ["## musclegym", *(directive(f"musclegym.{name}") for name in musclegym.__all__)]
    for title, names in FURTHER.items():
        parts += [f"## {title}", *(directive(name) for name in names)]
    return "\n\n".join(parts)


def directive(name: str) -> str:
    """Return the directive that documents a class or function."""
    module, _, attribute = name.rpartition(".")
    if inspect.isclass(getattr(import_module(module), attribute)):
        return f"```{{eval-rst}}\n.. autoclass:: {name}\n   :members:\n```"
    return f"```{{eval-rst}}\n.. autofunction:: {name}\n```"


def figure_page(curve: Curve, file: str) -> str:
    """Return a figure whose caption has the equation with its numbers, and the source."""
    caption = f"`{curve.equation}`. Source: {curve.source}."
    return f"```{{figure}} generated/{file}\n:alt: {curve.name}\n\n{caption}\n```"


def draw(curve: Curve, path: Path) -> None:
    """Draw a curve as SVG, letters as outlines, so that it looks the same everywhere."""
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "musclegym", "font.size": 9}):
        figure = Figure(figsize=(5.6, 3.1), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot(xlabel=curve.x_label, ylabel=curve.y_label)
        for (label, values), colour in zip(curve.lines.items(), LINES, strict=False):
            axes.plot(curve.x, values, color=colour, label=label, linewidth=1.6)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(curve.x[0], curve.x[-1])
        if len(curve.lines) > 1:
            axes.legend(frameon=False)
        image = io.StringIO()
        figure.savefig(image, format="svg", metadata={"Date": None})
    write(path, image.getvalue())
