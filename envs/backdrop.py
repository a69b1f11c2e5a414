"""Kernels for what stands behind the body: sky, ground with a grid, and the body's shadow."""

import numpy as np
from numba import njit

from musclegym.envs.raster import Array32
from musclegym.rotation import Array

GRID = 0.5
"""Distance of the lines on the ground; every second one is stronger [m]."""


@njit(cache=True, error_model="numpy")
def cast_shadow(ends: Array, radius: Array, cell: float, out: Array32) -> None:
    """Darken a map of the ground under capsules and soften it.

    Args:
        ends: both ends of each capsule relative to the map's middle, shape (capsule, 2, 3) [m]; light falls
            along the second axis.
        radius: of the capsules, shape (capsule,) [m].
        cell: edge of a cell [m].
        out: the map, 0 for no shadow, shape (size, size), along the first and third axis.
    """
    size = len(out)
    out[:] = 0.0
    for index in range(len(radius)):
        a, b = ends[index, 0], ends[index, 1]
        dx, dz = b[0] - a[0], b[2] - a[2]
        square = max(1e-12, dx * dx + dz * dz)
        soft = radius[index] + 0.05
        rows = half_open((min(a[0], b[0]) - soft) / cell, (max(a[0], b[0]) + soft) / cell, size)
        columns = half_open((min(a[2], b[2]) - soft) / cell, (max(a[2], b[2]) + soft) / cell, size)
        for i in range(rows[0], rows[1]):
            x = (i + 0.5 - 0.5 * size) * cell - a[0]
            for j in range(columns[0], columns[1]):
                z = (j + 0.5 - 0.5 * size) * cell - a[2]
                t = min(1.0, max(0.0, (x * dx + z * dz) / square))
                height = max(0.0, a[1] + t * (b[1] - a[1]) - radius[index])
                edge = 1.0 - np.sqrt((x - t * dx) ** 2 + (z - t * dz) ** 2) / (soft + 0.15 * height)
                if edge > 0.0:
                    dark = (
                        min(1.0, 1.6 * edge) * (0.32 + 0.45 * np.exp(-height / 0.05)) / (1.0 + 0.5 * height)
                    )
                    out[i, j] = max(out[i, j], dark)


@njit(cache=True)
def half_open(low: float, high: float, size: int) -> tuple[int, int]:
    """Return first and one past the last cell of a span about the middle of `size` cells."""
    return max(0, int(low + 0.5 * size)), min(size, int(high + 0.5 * size) + 1)


@njit(cache=True, error_model="numpy")
def line_share(place: float, footprint: float, width: float) -> float:
    """Return how much of a span of `footprint` about `place` lies on lines of `width` about whole numbers."""
    off = abs(place - np.floor(place + 0.5))
    covered = min(off + 0.5 * footprint, 0.5 * width) - max(off - 0.5 * footprint, -0.5 * width)
    return min(1.0, max(0.0, covered) / footprint)


@njit(cache=True, error_model="numpy")
def grid_ink(x: float, z: float, span_x: float, span_z: float) -> float:
    """Return how strong the grid's lines are over a footprint about (x, z), all in its cells."""
    fine = max(line_share(x, span_x, 0.020), line_share(z, span_z, 0.020))
    strong = max(line_share(0.5 * x, 0.5 * span_x, 0.018), line_share(0.5 * z, 0.5 * span_z, 0.018))
    return max(0.45 * fine, strong)


@njit(cache=True, error_model="numpy")
def shade_at(shadow: Array32, i: float, j: float) -> float:
    """Return the map between its cells' middles, bilinearly; i and j count cells."""
    row, column = int(i), int(j)
    if i < 0.0 or j < 0.0 or row >= len(shadow) - 1 or column >= len(shadow) - 1:
        return 0.0
    a, b = i - row, j - column
    upper = shadow[row, column] + b * (shadow[row, column + 1] - shadow[row, column])
    lower = shadow[row + 1, column] + b * (shadow[row + 1, column + 1] - shadow[row + 1, column])
    return upper + a * (lower - upper)


@njit(cache=True, error_model="numpy")
def draw_ground(
    eye: Array, axes: Array, focal: float, shadow: Array32, shadow_cell: float, shadow_at: Array, sky: Array,
    floor: Array, line: Array, out: Array32,
) -> None:  # fmt: skip
    """Draw sky, ground, its lines and the shadow, one sample a pixel; lines are averaged over the pixel.

    Args:
        eye: position of the camera in the world, shape (3,) [m].
        axes: its right, up and forwards, shape (3, 3); right is horizontal.
        focal: in pixels.
        shadow: map of `cast_shadow`.
        shadow_cell: edge of its cells [m].
        shadow_at: world x and z of its middle, shape (2,) [m].
        sky: colour at the horizon and at the zenith, shape (2, 3).
        floor: colour of the ground, shape (3,).
        line: colour of its lines, shape (3,).
        out: linear RGB, shape (height, width, 3).
    """
    (rows, columns, _), middle = out.shape, 0.5 * len(shadow) - 0.5
    for row in range(rows):
        ry = (0.5 * rows - row - 0.5) / focal
        rise = ry * axes[1, 1] + axes[2, 1]
        if rise >= 0.0 or eye[1] <= 0.0:
            out[row] = sky[0] + (sky[1] - sky[0]) * min(1.0, 3.0 * abs(rise))
            continue
        reach = -eye[1] / rise
        step, deep = reach / focal, reach / focal * reach / eye[1]
        haze = np.exp(-((reach / 14.0) ** 2))
        # A pixel's footprint along world x and z in grid cells: sideways it spans `step`, forwards `deep`.
        span_x = (step * abs(axes[0, 0]) + deep * abs(axes[0, 2])) / GRID
        span_z = (step * abs(axes[0, 2]) + deep * abs(axes[0, 0])) / GRID
        x0, _, z0 = eye + reach * (ry * axes[1] + axes[2])
        for column in range(columns):
            side = (column + 0.5 - 0.5 * columns) * step
            x, z = x0 + side * axes[0, 0], z0 + side * axes[0, 2]
            ink = haze * grid_ink(x / GRID, z / GRID, span_x, span_z)
            i, j = (x - shadow_at[0]) / shadow_cell + middle, (z - shadow_at[1]) / shadow_cell + middle
            lit = 1.0 - shade_at(shadow, i, j)
            for channel in range(3):
                ground = floor[channel] + (line[channel] - floor[channel]) * ink
                out[row, column, channel] = sky[0, channel] + (ground * lit - sky[0, channel]) * haze
