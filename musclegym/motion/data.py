"""The command `musclegym data`: look at motion files, convert them, and build motion libraries of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from tqdm import tqdm

from musclegym.body import Body, load_body
from musclegym.manifest import write_json
from musclegym.motion.clip import Clip
from musclegym.motion.convert import ConvertConfig, convert, summary
from musclegym.motion.data_build import BuildConfig, build, build_text
from musclegym.motion.data_features import FeaturesConfig, write_features
from musclegym.motion.load import load_clip
from musclegym.motion.motion import Motion
from musclegym.motion.name_maps import NameMap, find_family
from musclegym.motion.parallel import in_processes
from musclegym.motion.plausibility import plausibility
from musclegym.motion.quality import measure
from musclegym.motion.retarget import retarget, without_lead_in
from musclegym.motion.sheet import draw_sheet
from musclegym.motion.skeleton_text import one_clip, skeleton_lines
from musclegym.motion.sources import motions_in

COLUMNS = {  # figure -> heading and format in the table
    "frames": ("frames", "d"),
    "fps": ("fps", ".4g"),
    "seconds": ("s", ".1f"),
    "speed": ("m/s", ".2f"),
    "limb_error": ("limb mm", ".1f"),
    "world_error": ("world mm", ".1f"),
    "sliding": ("sliding", ".3f"),
    "skating": ("skating", ".3f"),
    "source_skating": ("source's", ".3f"),
    "penetration": ("under mm", ".2f"),
    "deepest": ("deepest", ".1f"),
    "floating": ("above mm", ".1f"),
    "clipped": ("clipped", ".3f"),
}


@dataclass(frozen=True)
class InspectConfig:
    """Print what motion files hold, how well the body follows them, and what looks wrong.

    Columns: m/s, mean horizontal speed of the source's pelvis; limb mm, mean distance of knees, ankles,
    elbows and wrists from the source's, limb root on limb root, with the source's bones scaled to the
    body's; world mm, the same in the world, with the whole source scaled by leg length; sliding, share of
    frames in which a sole moves while it touches the ground; skating, share in which the ball of a foot is
    low and fast, 20 frames a second, and source's, the same of the source; under mm and deepest, mean and
    largest depth of the soles under the ground; above mm, mean height of standing soles above it; clipped,
    share of joint angles that limits changed.
    """

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Motion files, folders of them, or names of embedded motions."""
    body: str = "human"
    """Name or file of the body that follows."""
    fps: float = 30.0
    """Frame rate of the motions made [1/s]."""
    mapping: Path | None = None
    """TOML file that maps bodies to the joints of skeletons of no known family."""
    source_fps: float | None = None
    """Frame rate of the files, instead of the one that they state [1/s]."""
    unit: float | None = None
    """Metres per unit of length of the files; by default inferred from the skeletons' size."""
    trust_rows: bool = False
    """Take the rows that a BVH file has when its header promises another number."""
    processes: int = 1
    """Processes that read and retarget."""
    json: Path | None = None
    """File to write the figures to."""


@dataclass(frozen=True)
class SheetConfig:
    """Draw stick figures of each clip and of the body that follows it, from the side and the front."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Motion files, folders of them, or names of embedded motions."""
    out: Path
    """Picture to write (PNG)."""
    body: str = "human"
    """Name or file of the body that follows."""
    fps: float = 30.0
    """Frame rate of the motions made [1/s]."""
    mapping: Path | None = None
    """TOML file that maps bodies to the joints of skeletons of no known family."""


Command = (
    Annotated[InspectConfig, tyro.conf.subcommand("inspect")]
    | Annotated[SheetConfig, tyro.conf.subcommand("sheet")]
    | Annotated[FeaturesConfig, tyro.conf.subcommand("features")]
    | Annotated[ConvertConfig, tyro.conf.subcommand("convert")]
    | Annotated[BuildConfig, tyro.conf.subcommand("build")]
)


def main(args: list[str]) -> None:
    """Run `musclegym data`.

    Raises:
        FileNotFoundError: if a file is missing, or a folder holds no motion.
        ValueError: if a file cannot be read or retargeted.
    """
    config: InspectConfig | SheetConfig | FeaturesConfig | ConvertConfig | BuildConfig = tyro.cli(  # pyright: ignore
        Command, args=args, prog="musclegym data"
    )
    if isinstance(config, InspectConfig):
        record = inspect(config)
        show(record, text(record), config.json)
    elif isinstance(config, ConvertConfig):
        record = convert(config)
        show(record, summary(record), config.json)
    elif isinstance(config, BuildConfig):
        record = build(config)
        show(record, build_text(record), config.json)
    elif isinstance(config, FeaturesConfig):
        print(write_features(config, motion_files(config.files)))
    else:
        sheet(config)
        print(f"wrote {config.out}")


def show(record: dict[str, Any], words: str, out: Path | None) -> None:
    """Print a record in words and write it to a file if one is named.

    Raises:
        ValueError: if it tells of files that were refused.
    """
    print(words)
    if out is not None:
        write_json(out, record)
    if record["refused"]:
        raise ValueError(f"{len(record['refused'])} of these files could not be read; the reasons are above")


def inspect(config: InspectConfig) -> dict[str, Any]:
    """Return the figures of every file, their means per family of skeletons, and the files refused."""
    body = load_body(config.body)
    files = motion_files(config.files)
    work = partial(describe_or_refuse, body=body, config=config)
    ready = in_processes(work, files, min(config.processes, len(files)))
    found = dict(tqdm(ready, total=len(files), unit="file", disable=len(files) < 20))
    outcomes = [found[file] for file in files]
    clips = [outcome for outcome in outcomes if isinstance(outcome, dict)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, str)]
    for clip in clips if len(clips) > 1 else ():
        del clip["skeleton"]
    families = sorted({clip["family"] for clip in clips})
    means = [mean_of([clip for clip in clips if clip["family"] == family]) for family in families]
    return {"body": body.name, "fps": config.fps, "clips": clips, "families": means, "refused": refused}


def describe_or_refuse(file: Path, body: Body, config: InspectConfig) -> dict[str, Any] | str:
    """Return the figures of one file, or why it cannot be read or retargeted."""
    try:
        clip = load_clip(file, fps=config.source_fps, unit=config.unit, trust_rows=config.trust_rows)
        return describe(clip, body, config.fps, config.mapping)
    except ValueError as error:
        return str(error)


def sheet(config: SheetConfig) -> None:
    """Draw the contact sheet."""
    if config.out.suffix.lower() != ".png":
        raise ValueError(
            f"the picture must be a PNG file, but --out is {config.out}; use {config.out.with_suffix('.png')}"
        )
    body = load_body(config.body)
    clips = [load_clip(file) for file in motion_files(config.files)]
    pairs = [(clip, compared(clip, body, config.fps, config.mapping)) for clip in clips]
    draw_sheet(pairs, config.out, config.mapping)


def motion_files(given: Sequence[Path]) -> list[Path]:
    """Return the files meant by paths, folders and embedded names.

    Raises:
        FileNotFoundError: if a folder holds no motion.
        ValueError: if nothing is given.
    """
    if not given:
        raise ValueError(
            "name at least one motion file, folder or embedded motion, but none is given; try: walk"
        )
    files: list[Path] = []
    for path in given:
        files += motions_in(path) if path.is_dir() else [path]
    return files


def compared(clip: Clip, body: Body, fps: float, mapping: NameMap | None = None) -> Motion:
    """Return the motion of a clip for comparison: where it was recorded, and open at its ends."""
    return retarget(clip, body, fps, mapping=mapping, cyclic=False, keep_place=True)


def describe(clip: Clip, body: Body, fps: float, mapping: NameMap | None = None) -> dict[str, Any]:
    """Return the figures of one clip."""
    family = find_family(clip, mapping)
    quality = asdict(measure(clip, compared(clip, body, fps, mapping), mapping))
    figures = plausibility(without_lead_in(clip), family)
    return {
        "name": clip.name,
        "source": clip.source,
        "family": family.name,
        "joints": len(clip.names),
        "frames": len(clip.root),
        "fps": clip.fps,
        "unit": clip.unit,
        **quality,
        **asdict(figures),
        "skeleton": skeleton_lines(clip, family),
        "warnings": list(figures.warnings()),
    }


def mean_of(clips: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the means of the figures of clips of one family, and sums of frames and seconds."""
    out: dict[str, Any] = {"family": clips[0]["family"], "clips": len(clips)}
    for key in COLUMNS:
        values = [clip[key] for clip in clips]
        total = key in ("frames", "seconds")
        out[key] = sum(values) if total else max(values) if key == "deepest" else float(np.mean(values))
    return out


def text(record: dict[str, Any]) -> str:
    """Return the figures as a table, with the warnings and refusals below; one file's skeleton above."""
    rows = [(clip["name"], clip) for clip in record["clips"]]
    rows += [(f"{mean['clips']} x {mean['family']}", mean) for mean in record["families"]]
    width = max((len(name) for name, _ in rows), default=6)
    lines = [" ".join([f"{'clip':<{width}}", *(f"{title:>8}" for title, _ in COLUMNS.values())])]
    for index, (name, figures) in enumerate(rows):
        if index == len(record["clips"]):
            lines.append(f"means per family on {record['body']} (frames and seconds: sums; deepest: largest)")
        cells = [f"{figures[key]:>8{form}}" for key, (_, form) in COLUMNS.items()]
        lines.append(" ".join([f"{name:<{width}}", *cells]))
    lines += [
        f"warning: {clip['source']}: {warning}" for clip in record["clips"] for warning in clip["warnings"]
    ]
    lines += [f"refused: {reason}" for reason in record["refused"]]
    return "\n".join([*(one_clip(record["clips"][0]) if len(record["clips"]) == 1 else []), *lines])
