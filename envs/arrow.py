"""The arrow of a push."""

import numpy as np
import numpy.typing as npt

from musclegym.envs.camera import View
from musclegym.envs.palette import linear
from musclegym.envs.raster import CONE_WIDTH
from musclegym.rotation import Array

COLOUR = "#e8a013"
SHAFT, HEAD = 0.014, 0.036
"""Radii of the shaft and of the head's base [m]."""
SCALE, SHORTEST, LONGEST = 0.002, 0.25, 0.9
"""Length per force [m/N], and its bounds [m]."""
GAP = 0.19
"""The arrow ends this far short of where the push acts, outside the flesh [m]."""


def checked_push(push: npt.ArrayLike) -> Array:
    """Return a push as an array (2, 3): where it acts [m] and its force [N].

    Raises:
        ValueError: if it has another shape or is not finite.
    """
    values = np.asarray(push, dtype=np.float64)
    if values.shape != (2, 3) or not np.isfinite(values).all():
        raise ValueError(
            f"push must be a place [m] and a force [N], three finite numbers each, but is {push}; leave it "
            f"out where nothing pushes"
        )
    return values


def arrow_cones(push: Array, view: View) -> Array:
    """Return the cones of an arrow towards the place of a push (2, 3), shape (cone, CONE_WIDTH).

    A push of no force has none.
    """
    strength = float(np.linalg.norm(push[1]))
    if strength == 0.0:
        return np.zeros((0, CONE_WIDTH))
    along = push[1] / strength
    tip = push[0] - GAP * along
    tail = tip - float(np.clip(SCALE * strength, SHORTEST, LONGEST)) * along
    neck = tip - 3.0 * HEAD * along
    marks = view.to_view(np.stack([tail, neck - 0.4 * HEAD * along, neck, tip]))
    radius = np.array([SHAFT, SHAFT, HEAD, 0.001])
    span = np.linalg.norm(np.diff(marks, axis=0), axis=1)
    cones = np.zeros((len(span), CONE_WIDTH))
    cones[:, :3], cones[:, 4:7] = marks[:-1], marks[1:]
    cones[:, 3], cones[:, 7] = radius[:-1], radius[1:]
    cones[:, 8:14] = np.tile(linear(COLOUR), 2)
    cones[:, 14] = 0.10
    cones[0, 15] = 1.0  # round at the tail
    cones[:, 17:] = (np.diff(radius) / span)[:, None]
    return cones
