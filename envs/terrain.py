"""Ground that is not flat: slopes and bumps, drawn from the height of the ground over a plan."""

from collections.abc import Callable

import numpy as np
from numba import njit

from musclegym.envs.backdrop import GRID, grid_ink, shade_at
from musclegym.envs.camera import View
from musclegym.envs.raster import NEAR, SUBSAMPLES, Array32
from musclegym.rotation import Array

Height = Callable[[Array, Array], Array]
"""Height of the ground [m] at world x and z [m], arrays of one shape in and out."""
CELL = 0.15
"""Distance of the samples that the ground is drawn from [m]."""
REACH = 24.0
"""How far ground is drawn; the haze hides what is farther [m]."""
BLOCK = 4.0
"""Samples are taken anew when the body has moved about that far [m]."""
STEEPEST = 1.2
"""Rise over run that rays look out for; they may miss the tip of a steeper bump [-]."""
SLACK = 0.05
"""Surfaces that lie less than this behind the ground are seen, so that soles do not flicker [m]."""
SUN = np.array([0.45, 0.80, 0.40]) / np.linalg.norm([0.45, 0.80, 0.40])
"""Unit vector to the light that shows the ground's relief, in the world."""


class Terrain:
    """The ground around a body, sampled on a grid that is kept while the body stays near its middle."""

    def __init__(self, height: Height) -> None:
        """Draw ground of that height, which must not change."""
        self.height = height
        self._heights: Array = np.zeros((2, 2))
        self._slopes: Array = np.zeros((2, 2, 2))
        self._middle: Array | None = None

    def level(self, x: float, z: float) -> float:
        """Return the mean height about a place, which a camera can follow without bobbing [m]."""
        around = np.linspace(-0.6, 0.6, 3)
        along, across = np.meshgrid(x + around, z + around, indexing="ij")
        return float(np.mean(self.height(along, across)))

    def around(self, x: float, z: float) -> None:
        """Sample the ground about a place, unless samples about it are there."""
        middle = BLOCK * np.round(np.array([x, z]) / BLOCK)
        if self._middle is None or not np.array_equal(middle, self._middle):
            offsets = np.arange(-REACH - BLOCK, REACH + BLOCK + 0.5 * CELL, CELL)
            along, across = np.meshgrid(middle[0] + offsets, middle[1] + offsets, indexing="ij")
            self._heights = np.ascontiguousarray(self.height(along, across), dtype=np.float64)
            self._slopes = np.array(np.gradient(self._heights, CELL))
            self._middle = middle

    def draw(
        self, view: View, shadow: Array32, shadow_cell: float, shadow_at: Array, colours: Array, out: Array32,
        depth: Array32,
    ) -> None:  # fmt: skip
        """Draw sky and ground about the place that was last sampled.

        Args:
            view: of the camera.
            shadow: map of `cast_shadow`.
            shadow_cell: edge of its cells [m].
            shadow_at: world x and z of its middle, shape (2,) [m].
            colours: linear RGB of horizon, zenith, ground and lines, shape (4, 3).
            out: linear RGB, shape (height, width, 3).
            depth: receives the ground's depth at each sample, inf where the sky is seen [m].
        """
        assert self._middle is not None
        corner = self._middle - REACH - BLOCK
        draw_terrain(
            view.eye, view.axes, view.focal, self._heights, self._slopes, corner, shadow, shadow_cell,
            shadow_at, colours, out, depth,
        )  # fmt: skip


@njit(cache=True, error_model="numpy")
def height_at(samples: Array, i: float, j: float) -> float:
    """Return the value between samples, bilinearly; i and j count cells, clamped to the plan."""
    last = len(samples) - 1.000001
    i, j = min(max(i, 0.0), last), min(max(j, 0.0), last)
    row, column = int(i), int(j)
    a, b = i - row, j - column
    upper = samples[row, column] + b * (samples[row, column + 1] - samples[row, column])
    lower = samples[row + 1, column] + b * (samples[row + 1, column + 1] - samples[row + 1, column])
    return upper + a * (lower - upper)


@njit(cache=True, error_model="numpy")
def meet(samples: Array, i: float, y: float, j: float, di: float, dy: float, dj: float, t: float) -> float:
    """Return where a ray meets the ground, inf if nowhere within REACH.

    Args:
        samples: heights on the plan [m].
        i: of the ray's origin, in cells.
        y: its height [m].
        j: likewise in cells.
        di: change per unit of the ray's parameter.
        dy: likewise.
        dj: likewise.
        t: parameter to begin at.
    """
    run = np.sqrt(di * di + dj * dj)
    closing, finest = max(STEEPEST * CELL * run - dy, 1e-6), 0.6 / max(run, 1e-6)
    before, gap_before = t, y + t * dy - height_at(samples, i + t * di, j + t * dj)
    if gap_before <= 0.0:
        return t
    while t < REACH:
        # Farther away a pixel spans more ground, so that steps may grow.
        t = before + max(finest * (1.0 + 0.3 * before), gap_before / closing)
        gap = y + t * dy - height_at(samples, i + t * di, j + t * dj)
        if gap <= 0.0:
            return before + (t - before) * gap_before / (gap_before - gap)
        before, gap_before = t, gap
    return np.inf


@njit(cache=True, error_model="numpy")
def draw_terrain(
    eye: Array, axes: Array, focal: float, samples: Array, slopes: Array, corner: Array, shadow: Array32,
    shadow_cell: float, shadow_at: Array, colours: Array, out: Array32, depth: Array32,
) -> None:  # fmt: skip
    """Draw sky, ground, its lines and the shadow, one ray a pixel; see `Terrain.draw`.

    Rows are drawn from the lowest upwards: the camera does not roll, so each ray passes over the ground that
    the one below it met, and is followed from there.
    """
    (rows, columns, _), middle = out.shape, 0.5 * len(shadow) - 0.5
    i0, j0 = (eye[0] - corner[0]) / CELL, (eye[2] - corner[1]) / CELL
    met = np.full(columns, NEAR)
    for row in range(rows - 1, -1, -1):
        ry = (0.5 * rows - row - 0.5) / focal
        dy = axes[2, 1] + ry * axes[1, 1]  # the same for the whole row, as the axis to the right is level
        for column in range(columns):
            rx = (column + 0.5 - 0.5 * columns) / focal
            dx = axes[2, 0] + rx * axes[0, 0] + ry * axes[1, 0]
            dz = axes[2, 2] + rx * axes[0, 2] + ry * axes[1, 2]
            if met[column] < np.inf:
                met[column] = meet(samples, i0, eye[1], j0, dx / CELL, dy, dz / CELL, met[column])
            t = met[column]
            for a in range(row * SUBSAMPLES, (row + 1) * SUBSAMPLES):
                for b in range(column * SUBSAMPLES, (column + 1) * SUBSAMPLES):
                    depth[a, b] = t + SLACK
            if t == np.inf:
                rise = min(1.0, 3.0 * abs(dy))
                for channel in range(3):
                    low = colours[0, channel]
                    out[row, column, channel] = low + (colours[1, channel] - low) * rise
                continue
            x, z = eye[0] + t * dx, eye[2] + t * dz
            slope_x = height_at(slopes[0], i0 + t * dx / CELL, j0 + t * dz / CELL)
            slope_z = height_at(slopes[1], i0 + t * dx / CELL, j0 + t * dz / CELL)
            norm = np.sqrt(1.0 + slope_x * slope_x + slope_z * slope_z)
            relief = (SUN[1] - slope_x * SUN[0] - slope_z * SUN[2]) / (norm * SUN[1])
            across = t / focal
            deep = across / max(0.01, (slope_x * dx - dy + slope_z * dz) / norm)
            span_x = (across * abs(axes[0, 0]) + deep * abs(axes[0, 2])) / GRID
            span_z = (across * abs(axes[0, 2]) + deep * abs(axes[0, 0])) / GRID
            haze = np.exp(-((t / 14.0) ** 2))
            ink = haze * grid_ink(x / GRID, z / GRID, span_x, span_z)
            i, j = (x - shadow_at[0]) / shadow_cell + middle, (z - shadow_at[1]) / shadow_cell + middle
            lit = (1.0 - shade_at(shadow, i, j)) * min(1.06, max(0.4, relief))
            for channel in range(3):
                ground = colours[2, channel] + (colours[3, channel] - colours[2, channel]) * ink
                horizon = colours[0, channel]
                out[row, column, channel] = horizon + (ground * lit - horizon) * haze
