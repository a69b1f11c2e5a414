"""Small motion libraries of synthetic motion, for the tests of what reads them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from musclegym.body import Body
from musclegym.motion.labels import Labels
from musclegym.motion.library import MotionLibrary
from musclegym.motion.library_files import ClipData
from musclegym.motion.library_write import save_library
from musclegym.motion.splits import SplitConfig
from musclegym.rotation import Array

FPS = 30.0


def swinging(body: Body, frames: int, seed: int = 0) -> Array:
    """Return states of a body that walks forward while its joints swing at 1 Hz, shape (frame, 2 dof)."""
    random = np.random.default_rng(seed)
    amplitude, phase = random.uniform(0.1, 0.4, body.n_dofs), random.uniform(0.0, 2.0 * np.pi, body.n_dofs)
    time = np.arange(frames)[:, None] / FPS
    q = amplitude * np.sin(2.0 * np.pi * time + phase)
    q[:, 3:6] = np.array([0.0, 0.0, 1.2]) * time
    return np.concatenate([q, body.skeleton.velocities(q, FPS)], axis=1)


def clip_of(states: Array, cyclic: bool = False, heading: float = 0.0) -> ClipData:
    """Return states (frame, 2 dof) as a clip; a cyclic one goes on by its path from first to last frame."""
    x, y, z = (states[-1, 3:6] - states[0, 3:6]).tolist()
    contacts = np.ones((len(states), 2), dtype=np.bool_)
    return ClipData(states.astype(np.float32), contacts, FPS, cyclic, heading, (x, y, z))


def library_of(
    folder: Path,
    body: Body,
    clips: Sequence[ClipData],
    labels: Mapping[int, Labels] | None = None,
    split: SplitConfig | None = None,
) -> MotionLibrary:
    """Write a library of clips, called clip0, clip1, ..., and open it."""
    given = labels or {}
    named = {f"clip{i}": (given.get(i, Labels("", "walk", f"clip{i}")), clip) for i, clip in enumerate(clips)}
    save_library(folder, named, body, FPS, split)
    return MotionLibrary(folder, body)
