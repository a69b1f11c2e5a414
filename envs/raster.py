"""Drawing kernels: solids into a depth buffer, the ground, and the finished picture.

Solids are drawn at SUBSAMPLES x SUBSAMPLES samples per pixel, each with its own depth, so that bones and
muscles hide each other correctly and edges come out smooth. Light is added up in linear RGB.

A cone here is the hull of two spheres. It is drawn from its outline: across its axis the surface is a circle,
which gives depth and normal in a few operations, exact where the radius does not change and the view is
parallel. Ellipsoids are met by rays exactly.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from musclegym.rotation import Array, IntArray

Array32 = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

SUBSAMPLES = 2
NEAR = 0.2
"""What is nearer to the camera's plane is left out [m]."""
BELLY_PIECES = 8
"""Cones that the swelling part of a muscle is made of."""
CONE_WIDTH = 15
"""Numbers that describe a cone: centre, radius, centre, radius; colour at either end; gloss."""
ELLIPSOID_WIDTH = 16
"""Numbers that describe an ellipsoid: centre; three rows, axis / semi-axis; colour; gloss."""
KEY_LIGHT = np.array([-0.45, 0.62, -0.6428])
"""Unit vector to the light in the camera's frame: above, to the left, from behind the camera."""
HALFWAY = (KEY_LIGHT + np.array([0.0, 0.0, -1.0])) / np.linalg.norm(KEY_LIGHT + np.array([0.0, 0.0, -1.0]))
GRID = 0.5
"""Distance of the lines on the ground; every second one is stronger [m]."""
OCCLUSION_REACH = 0.10
"""Things that lie further in front darken less, as they stand apart [m]."""


@njit(cache=True, error_model="numpy", inline="always")
def paint(
    depth: Array32, colour: Array32, row: int, column: int, z: float,
    nx: float, ny: float, nz: float, red: float, green: float, blue: float, gloss: float,
) -> None:  # fmt: skip
    """Write one sample of a surface with unit normal (nx, ny, nz) in the camera's frame."""
    key = max(0.0, nx * KEY_LIGHT[0] + ny * KEY_LIGHT[1] + nz * KEY_LIGHT[2])
    light = (0.30 + 0.14 * ny + 0.72 * key) * (0.72 - 0.28 * nz)
    shine = max(0.0, nx * HALFWAY[0] + ny * HALFWAY[1] + nz * HALFWAY[2])
    shine *= shine
    shine *= shine
    shine *= shine
    shine = gloss * shine * shine * shine
    depth[row, column] = z
    colour[row, column, 0] = red * light + shine
    colour[row, column, 1] = green * light + shine
    colour[row, column, 2] = blue * light + shine


@njit(cache=True, error_model="numpy")
def draw_cone(cone: Array, focal: float, depth: Array32, colour: Array32) -> None:
    """Draw one cone of CONE_WIDTH numbers in the camera's frame."""
    rows, columns = depth.shape
    za, zb = cone[2], cone[6]
    if za < NEAR or zb < NEAR:
        return
    ua, va, pa = 0.5 * columns + focal * cone[0] / za, 0.5 * rows - focal * cone[1] / za, focal * cone[3] / za
    ub, vb, pb = 0.5 * columns + focal * cone[4] / zb, 0.5 * rows - focal * cone[5] / zb, focal * cone[7] / zb
    widest = max(pa, pb)
    length = np.sqrt((ub - ua) ** 2 + (vb - va) ** 2)
    ex, ey = ((ub - ua) / length, (vb - va) / length) if length > 1e-9 else (1.0, 0.0)
    # The axis seen in the plane of its image and the line of sight: it turns the surface's normals.
    span = np.sqrt((cone[4] - cone[0]) ** 2 + (cone[5] - cone[1]) ** 2 + (zb - za) ** 2)
    tilt = (zb - za) / span if span > 1e-9 else 0.0
    across = np.sqrt(max(0.0, 1.0 - tilt * tilt))
    for row in range(max(0, int(min(va - pa, vb - pb))), min(rows, int(max(va + pa, vb + pb)) + 1)):
        py = row + 0.5 - va
        first, last = min(ua - pa, ub - pb), max(ua + pa, ub + pb)
        if abs(ey) > 1e-6:
            middle, reach = ua + py * ex / ey, widest / abs(ey)
            first, last = max(first, middle - reach), min(last, middle + reach)
        for column in range(max(0, int(first)), min(columns, int(last) + 1)):
            px = column + 0.5 - ua
            along = px * ex + py * ey
            t = min(1.0, max(0.0, along / length)) if length > 1e-9 else 0.0
            radius = pa + (pb - pa) * t
            side, beyond = (py * ex - px * ey) / radius, (along - t * length) / radius
            bulge = 1.0 - side * side - beyond * beyond
            if bulge <= 0.0:
                continue
            bulge = np.sqrt(bulge)
            lean, face = (tilt, across) if beyond == 0.0 else (0.0, 1.0)
            centre = 1.0 / ((1.0 - t) / za + t / zb)
            z = centre - radius * centre / focal * bulge * face
            if z >= depth[row, column]:
                continue
            forth = beyond + bulge * lean
            paint(
                depth, colour, row, column, z,
                forth * ex - side * ey, -forth * ey - side * ex, -bulge * face,
                cone[8] + (cone[11] - cone[8]) * t,
                cone[9] + (cone[12] - cone[9]) * t,
                cone[10] + (cone[13] - cone[10]) * t,
                cone[14],
            )  # fmt: skip


@njit(cache=True, error_model="numpy")
def draw_cones(cones: Array, order: IntArray, focal: float, depth: Array32, colour: Array32) -> None:
    """Draw cones (cone, CONE_WIDTH) in that order; nearest first costs least."""
    for index in order:
        draw_cone(cones[index], focal, depth, colour)


@njit(cache=True, error_model="numpy")
def draw_ellipsoids(ellipsoids: Array, reach: Array, focal: float, depth: Array32, colour: Array32) -> None:
    """Draw ellipsoids (ellipsoid, ELLIPSOID_WIDTH) in the camera's frame; `reach` is the largest semi-axis [m]."""
    rows, columns = depth.shape
    for index in range(len(ellipsoids)):
        shape = ellipsoids[index]
        x, y, z = shape[0], shape[1], shape[2]
        if z - reach[index] < NEAR:
            continue
        u, v, extent = (
            0.5 * columns + focal * x / z,
            0.5 * rows - focal * y / z,
            focal * reach[index] / (z - reach[index]),
        )
        m = shape[3:12].reshape(3, 3)
        ox, oy, oz = (
            -(m[0, 0] * x + m[0, 1] * y + m[0, 2] * z),
            -(m[1, 0] * x + m[1, 1] * y + m[1, 2] * z),
            -(m[2, 0] * x + m[2, 1] * y + m[2, 2] * z),
        )
        inside = ox * ox + oy * oy + oz * oz - 1.0
        for row in range(max(0, int(v - extent)), min(rows, int(v + extent) + 1)):
            ry = (0.5 * rows - row - 0.5) / focal
            for column in range(max(0, int(u - extent)), min(columns, int(u + extent) + 1)):
                rx = (column + 0.5 - 0.5 * columns) / focal
                # Meet the unit sphere along the ray (rx, ry, 1) z in the ellipsoid's own scaled axes.
                dx, dy, dz = (
                    m[0, 0] * rx + m[0, 1] * ry + m[0, 2],
                    m[1, 0] * rx + m[1, 1] * ry + m[1, 2],
                    m[2, 0] * rx + m[2, 1] * ry + m[2, 2],
                )
                a, b = dx * dx + dy * dy + dz * dz, ox * dx + oy * dy + oz * dz
                root = b * b - a * inside
                if root <= 0.0:
                    continue
                hit = (-b - np.sqrt(root)) / a
                if hit >= depth[row, column]:
                    continue
                sx, sy, sz = ox + hit * dx, oy + hit * dy, oz + hit * dz
                nx, ny, nz = (
                    m[0, 0] * sx + m[1, 0] * sy + m[2, 0] * sz,
                    m[0, 1] * sx + m[1, 1] * sy + m[2, 1] * sz,
                    m[0, 2] * sx + m[1, 2] * sy + m[2, 2] * sz,
                )
                norm = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
                paint(
                    depth, colour, row, column, hit, nx * norm, ny * norm, nz * norm,
                    shape[12], shape[13], shape[14], shape[15],
                )  # fmt: skip


@njit(cache=True, error_model="numpy")
def spindle_end(
    out: Array,
    at: int,
    point: Array,
    swelling: float,
    radius: float,
    thin: float,
    belly: Array,
    tendon: Array,
) -> None:
    """Write centre, radius and colour of one end of a cone; `at` is 0 for the first end and 1 for the second."""
    out[4 * at : 4 * at + 3] = point
    out[4 * at + 3] = thin + max(0.0, radius - thin) * swelling
    flesh = min(1.0, 2.0 * swelling)
    for channel in range(3):
        out[8 + 3 * at + channel] = tendon[channel] + (belly[channel] - tendon[channel]) * flesh


@njit(cache=True, error_model="numpy")
def make_spindles(
    waypoints: Array, start: IntArray, belly_start: Array, belly_end: Array, radius: Array, thin: Array,
    belly: Array, tendon: Array, gloss: float, out: Array,
) -> int:  # fmt: skip
    """Cut muscles into cones and return how many.

    Args:
        waypoints: muscle after muscle in the camera's frame, shape (waypoint, 3) [m].
        start: first waypoint of each muscle and their number, shape (muscle + 1,).
        belly_start: where the belly begins along the path, shape (muscle,) [m].
        belly_end: where it ends, shape (muscle,) [m].
        radius: of the belly's middle, shape (muscle,) [m].
        thin: of the tendons, shape (muscle,) [m].
        belly: colours, shape (muscle, 3).
        tendon: colour, shape (3,).
        gloss: strength of the highlight.
        out: the cones, with room for BELLY_PIECES + 1 per muscle and one per waypoint.
    """
    count = 0
    here = np.empty(3)
    for muscle in range(len(radius)):
        first, length = belly_start[muscle], belly_end[muscle] - belly_start[muscle]
        travelled, station, swelling = 0.0, 0, 0.0
        here[:] = waypoints[start[muscle]]
        for index in range(start[muscle] + 1, start[muscle + 1]):
            origin, target = waypoints[index - 1], waypoints[index]
            piece = np.sqrt(np.sum((target - origin) ** 2))
            while True:
                stop = first + length * station / BELLY_PIECES
                cut = station <= BELLY_PIECES and stop < travelled + piece
                place = stop if cut else travelled + piece
                share = (place - first) / length
                after = np.sin(np.pi * share) if 0.0 < share < 1.0 else 0.0
                point = origin + (target - origin) * ((place - travelled) / piece if piece > 0.0 else 1.0)
                spindle_end(
                    out[count], 0, here, swelling, radius[muscle], thin[muscle], belly[muscle], tendon
                )
                spindle_end(out[count], 1, point, after, radius[muscle], thin[muscle], belly[muscle], tendon)
                out[count, 14] = gloss
                here[:], swelling = point, after
                count += 1
                if not cut:
                    break
                station += 1
            travelled += piece
    return count


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


@njit(cache=True, inline="always")
def half_open(low: float, high: float, size: int) -> tuple[int, int]:
    """Return first and one past the last cell of a span about the middle of `size` cells."""
    return max(0, int(low + 0.5 * size)), min(size, int(high + 0.5 * size) + 1)


@njit(cache=True, error_model="numpy", inline="always")
def line_share(place: float, footprint: float, spacing: float, width: float) -> float:
    """Return how much of a span of `footprint` about `place` lies on lines of `width` every `spacing`."""
    off = abs(place - spacing * np.round(place / spacing))
    half = 0.5 * footprint
    covered = min(off + half, 0.5 * width) - max(off - half, -0.5 * width)
    return min(1.0, max(0.0, covered) / footprint)


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
        floor: colour, shape (3,).
        line: colour, shape (3,).
        out: linear RGB, shape (height, width, 3).
    """
    rows, columns, _ = out.shape
    size = len(shadow)
    for row in range(rows):
        ry = (0.5 * rows - row - 0.5) / focal
        rise = ry * axes[1, 1] + axes[2, 1]
        if rise >= 0.0 or eye[1] <= 0.0:
            up = min(1.0, 3.0 * abs(rise))
            for channel in range(3):
                out[row, :, channel] = sky[0, channel] + (sky[1, channel] - sky[0, channel]) * up
            continue
        reach = -eye[1] / rise
        step = reach / focal
        deep = step * reach / eye[1]
        haze = np.exp(-((reach / 14.0) ** 2))
        # Footprints of a pixel along world x and z: sideways it spans `step`, forwards `deep`.
        span_x = step * abs(axes[0, 0]) + deep * abs(axes[0, 2])
        span_z = step * abs(axes[0, 2]) + deep * abs(axes[0, 0])
        x0 = eye[0] + reach * (ry * axes[1, 0] + axes[2, 0])
        z0 = eye[2] + reach * (ry * axes[1, 2] + axes[2, 2])
        for column in range(columns):
            side = (column + 0.5 - 0.5 * columns) * step
            x, z = x0 + side * axes[0, 0], z0 + side * axes[0, 2]
            fine = max(line_share(x, span_x, GRID, 0.010), line_share(z, span_z, GRID, 0.010))
            strong = max(line_share(x, span_x, 2.0 * GRID, 0.018), line_share(z, span_z, 2.0 * GRID, 0.018))
            ink = haze * max(0.45 * fine, strong)
            i = int((x - shadow_at[0]) / shadow_cell + 0.5 * size)
            j = int((z - shadow_at[1]) / shadow_cell + 0.5 * size)
            lit = 1.0 - shadow[i, j] if 0 <= i < size and 0 <= j < size else 1.0
            for channel in range(3):
                ground = floor[channel] + (line[channel] - floor[channel]) * ink
                out[row, column, channel] = sky[0, channel] + (ground * lit - sky[0, channel]) * haze


@njit(cache=True, error_model="numpy")
def occlusion(depth: Array32, row: int, column: int, z: float, step: int) -> float:
    """Return how much light reaches a sample past what stands a little in front of its surroundings."""
    rows, columns = depth.shape
    dark = 0.0
    for ring in range(1, 3):
        for corner in range(8):
            i = row + RING[corner, 0] * step * ring
            j = column + RING[corner, 1] * step * ring
            if 0 <= i < rows and 0 <= j < columns:
                ahead = z - depth[i, j] - 0.004
                if ahead > 0.0:
                    dark += min(1.0, ahead / 0.025) / (1.0 + (ahead / OCCLUSION_REACH) ** 2)
    return 1.0 - 0.62 * dark / 16.0


RING = np.array([[0, 2], [1, 1], [2, 0], [1, -1], [0, -2], [-1, -1], [-2, 0], [-1, 1]])


@njit(cache=True, error_model="numpy")
def resolve(
    ground: Array32, depth: Array32, colour: Array32, ghost_depth: Array32, ghost_colour: Array32,
    opacity: float, encode: Pixels, out: Pixels,
) -> None:  # fmt: skip
    """Average the samples of every pixel over the ground and encode them.

    Args:
        ground: linear RGB, shape (height, width, 3).
        depth: of the solids' samples, inf where there is none [m].
        colour: of the solids' samples.
        ghost_depth: likewise for the translucent body.
        ghost_colour: likewise.
        opacity: of the translucent body.
        encode: sRGB for linear values 0 to 1, shape (n,).
        out: the picture, shape (height, width, 3).
    """
    rows, columns, _ = out.shape
    top = len(encode) - 1
    step = max(1, rows * SUBSAMPLES // 480)
    for row in range(rows):
        for column in range(columns):
            red, green, blue = 0.0, 0.0, 0.0
            for i in range(row * SUBSAMPLES, (row + 1) * SUBSAMPLES):
                for j in range(column * SUBSAMPLES, (column + 1) * SUBSAMPLES):
                    r, g, b = ground[row, column, 0], ground[row, column, 1], ground[row, column, 2]
                    if depth[i, j] < np.inf:
                        lit = occlusion(depth, i, j, depth[i, j], step)
                        r, g, b = lit * colour[i, j, 0], lit * colour[i, j, 1], lit * colour[i, j, 2]
                    if ghost_depth[i, j] < depth[i, j]:
                        r += (ghost_colour[i, j, 0] - r) * opacity
                        g += (ghost_colour[i, j, 1] - g) * opacity
                        b += (ghost_colour[i, j, 2] - b) * opacity
                    red, green, blue = red + r, green + g, blue + b
            scale = top / SUBSAMPLES**2
            out[row, column, 0] = encode[min(top, int(red * scale))]
            out[row, column, 1] = encode[min(top, int(green * scale))]
            out[row, column, 2] = encode[min(top, int(blue * scale))]
