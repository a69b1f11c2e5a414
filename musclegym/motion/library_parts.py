"""Turning motion files into the clips of a library, in several processes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from musclegym.body import Body
from musclegym.motion.labels import reading_of
from musclegym.motion.library_files import ClipData
from musclegym.motion.load import read_motion
from musclegym.motion.low_pass import low_pass
from musclegym.motion.motion import Motion
from musclegym.motion.parallel import in_processes
from musclegym.motion.retarget import retarget


class Job(NamedTuple):
    """What is to be made of every file."""

    body: Body  # who follows
    fps: float  # frame rate of the library [1/s]
    mapping: Path | None = None  # TOML file for skeletons of no known family
    low_pass: float | None = None  # cut-off [1/s]
    table: Sequence[Mapping[str, str]] = ()  # rows of `read_label_table`


Outcome = ClipData | str
"""What became of a source: its clip, or why it could not be read."""
WORTH_IT = 32
"""Files for which starting one more process pays."""


def clip_data(motion: Motion, source_fps: float) -> ClipData:
    """Return a motion as the clip of a library.

    Args:
        motion: of the library's body and rate.
        source_fps: frame rate of the file it came from [1/s].
    """
    x, y, z = (float(value) for value in motion.cycle_displacement)
    states = np.concatenate([motion.q, motion.qd], axis=1).astype(np.float32)
    return ClipData(states, motion.contact, source_fps, motion.cyclic, motion.cycle_heading, (x, y, z))


def make_clip(source: tuple[str, Path], job: Job) -> Outcome:
    """Read and retarget a file; what is wrong comes back as text, with `name` in place of the path."""
    name, path = source
    try:
        reading = reading_of(name, job.table)
        clip = read_motion(path, fps=reading.get("fps"), unit=reading.get("unit"))
        # What was recorded at twice the cut-off or less holds nothing faster.
        if job.low_pass is not None and clip.fps > 2.0 * job.low_pass + 1e-6:
            clip = low_pass(clip, job.low_pass)
        return clip_data(retarget(clip, job.body, job.fps, mapping=job.mapping), clip.fps)
    except (ValueError, OSError) as error:
        folder = PurePosixPath(name).parent.as_posix()
        return str(error).replace(str(path), name).replace(f"{path.parent}{os.sep}", f"{folder}/")


def make_clips(sources: Mapping[str, Path], job: Job, workers: int) -> Iterator[tuple[str, Outcome]]:
    """Yield name and outcome of each source, as soon as it is ready."""
    work = partial(make_clip, job=job)
    for (name, _), outcome in in_processes(work, sources.items(), min(workers, len(sources) // WORTH_IT)):
        yield name, outcome


def packed(outcome: Outcome) -> bytes:
    """Return an outcome as the bytes of a part."""
    stream = BytesIO()
    if isinstance(outcome, str):
        np.savez(stream, error=np.array(outcome))
    else:
        np.savez(
            stream,
            states=outcome.states,
            contacts=outcome.contacts,
            source_fps=outcome.source_fps,
            cyclic=outcome.cyclic,
            heading=outcome.heading,
            displacement=outcome.displacement,
        )
    return stream.getvalue()


def unpacked(data: bytes) -> Outcome:
    """Return the outcome that `packed` made bytes of."""
    with np.load(BytesIO(data), allow_pickle=False) as part:
        if "error" in part:
            return str(part["error"])
        x, y, z = part["displacement"].tolist()
        return ClipData(
            part["states"],
            part["contacts"],
            float(part["source_fps"]),
            bool(part["cyclic"]),
            float(part["heading"]),
            (x, y, z),
        )
