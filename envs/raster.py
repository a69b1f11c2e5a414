"""Drawing kernels: solids into a depth buffer, and from it the finished picture.

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
CONE_WIDTH = 19
"""Numbers that describe a cone: centre, radius, centre, radius; colour at either end; gloss; whether each
end is rounded off by its sphere; how the radius grows along the axis at each end, which turns the light."""
ELLIPSOID_WIDTH = 16
"""Numbers that describe an ellipsoid: centre; three rows, axis / semi-axis; colour; gloss."""
KEY_LIGHT = np.array([-0.45, 0.62, -0.6428])
"""Unit vector to the light in the camera's frame: above, to the left, from behind the camera."""
HALFWAY = (KEY_LIGHT + np.array([0.0, 0.0, -1.0])) / np.linalg.norm(KEY_LIGHT + np.array([0.0, 0.0, -1.0]))
OCCLUSION_REACH = 0.10
"""Things that lie further in front darken less, as they stand apart [m]."""
FACING = (0.0, 1.0, 0.0)
"""A surface that neither leans nor widens: its lean, how far it faces the camera, its slope."""
RING = np.array([[0, 2], [1, 1], [2, 0], [1, -1], [0, -2], [-1, -1], [-2, 0], [-1, 1]])
"""Where around a sample is looked for what darkens it, rows and columns."""


@njit(cache=True, error_model="numpy")
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
    (rows, columns), za, zb = depth.shape, cone[2], cone[6]
    if za < NEAR or zb < NEAR:
        return
    ua, va, pa = 0.5 * columns + focal * cone[0] / za, 0.5 * rows - focal * cone[1] / za, focal * cone[3] / za
    ub, vb, pb = 0.5 * columns + focal * cone[4] / zb, 0.5 * rows - focal * cone[5] / zb, focal * cone[7] / zb
    length = np.sqrt((ub - ua) ** 2 + (vb - va) ** 2)
    ex, ey = ((ub - ua) / length, (vb - va) / length) if length > 0.0 else (1.0, 0.0)
    # The axis seen in the plane of its image and the line of sight: it turns the surface's normals.
    span = np.sqrt((cone[4] - cone[0]) ** 2 + (cone[5] - cone[1]) ** 2 + (zb - za) ** 2)
    tilt = (zb - za) / span if span > 1e-9 else 0.0
    across = np.sqrt(max(0.0, 1.0 - tilt * tilt))
    for row in range(max(0, int(min(va - pa, vb - pb))), min(rows, int(max(va + pa, vb + pb)) + 1)):
        py = row + 0.5 - va
        first, last = min(ua - pa, ub - pb), max(ua + pa, ub + pb)
        if abs(ey) > 1e-6:
            middle, reach = ua + py * ex / ey, max(pa, pb) / abs(ey)
            first, last = max(first, middle - reach), min(last, middle + reach)
        for column in range(max(0, int(first)), min(columns, int(last) + 1)):
            px = column + 0.5 - ua
            along = px * ex + py * ey
            if (along < 0.0 and cone[15] == 0.0) or (along >= length and cone[16] == 0.0):
                continue
            on_cone = 0.0 <= along < length
            t = along / length if on_cone else (0.0 if along < 0.0 or length == 0.0 else 1.0)
            radius = pa + (pb - pa) * t
            side, beyond = (py * ex - px * ey) / radius, (0.0 if on_cone else along - t * length) / radius
            bulge = 1.0 - side * side - beyond * beyond
            if bulge <= 0.0:
                continue
            bulge = np.sqrt(bulge)
            # The axis leans away by `tilt`; a sphere at its end faces the camera.
            lean, face, slope = (tilt, across, cone[17] + (cone[18] - cone[17]) * t) if on_cone else FACING
            centre = 1.0 / ((1.0 - t) / za + t / zb)
            z = centre - radius * centre / focal * bulge * face
            if z < depth[row, column]:
                forth = beyond + bulge * lean - slope * across
                nx, ny, nz = forth * ex - side * ey, -forth * ey - side * ex, -bulge * face - slope * tilt
                paint_cone(cone, t, nx, ny, nz, depth, colour, row, column, z)


@njit(cache=True, error_model="numpy")
def paint_cone(
    cone: Array, t: float, nx: float, ny: float, nz: float, depth: Array32, colour: Array32, row: int,
    column: int, z: float,
) -> None:  # fmt: skip
    """Write one sample of a cone, `t` of the way along its axis; the normal may have any length."""
    scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
    red = cone[8] + (cone[11] - cone[8]) * t
    green = cone[9] + (cone[12] - cone[9]) * t
    blue = cone[10] + (cone[13] - cone[10]) * t
    paint(depth, colour, row, column, z, nx * scale, ny * scale, nz * scale, red, green, blue, cone[14])


@njit(cache=True, error_model="numpy")
def draw_cones(cones: Array, order: IntArray, focal: float, depth: Array32, colour: Array32) -> None:
    """Draw cones (cone, CONE_WIDTH) in that order; nearest first costs least."""
    for index in order:
        draw_cone(cones[index], focal, depth, colour)


@njit(cache=True, error_model="numpy")
def product(m: Array, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return the matrix times (x, y, z)."""
    return (
        m[0, 0] * x + m[0, 1] * y + m[0, 2] * z,
        m[1, 0] * x + m[1, 1] * y + m[1, 2] * z,
        m[2, 0] * x + m[2, 1] * y + m[2, 2] * z,
    )


@njit(cache=True, error_model="numpy")
def draw_ellipsoid(shape: Array, reach: float, focal: float, depth: Array32, colour: Array32) -> None:
    """Draw one ellipsoid of ELLIPSOID_WIDTH numbers; none of its semi-axes is longer than `reach` [m].

    A ray (rx, ry, 1) z meets it where it meets the unit sphere, both written along the scaled axes.
    """
    rows, columns = depth.shape
    x, y, z = shape[0], shape[1], shape[2]
    if z - reach < NEAR:
        return
    u, v, extent = 0.5 * columns + focal * x / z, 0.5 * rows - focal * y / z, focal * reach / (z - reach)
    m = shape[3:12].reshape(3, 3)
    ox, oy, oz = product(m, -x, -y, -z)
    outside = ox * ox + oy * oy + oz * oz - 1.0
    for row in range(max(0, int(v - extent)), min(rows, int(v + extent) + 1)):
        ry = (0.5 * rows - row - 0.5) / focal
        for column in range(max(0, int(u - extent)), min(columns, int(u + extent) + 1)):
            dx, dy, dz = product(m, (column + 0.5 - 0.5 * columns) / focal, ry, 1.0)
            a, b = dx * dx + dy * dy + dz * dz, ox * dx + oy * dy + oz * dz
            root = b * b - a * outside
            if root <= 0.0:
                continue
            hit = (-b - np.sqrt(root)) / a
            if hit < depth[row, column]:
                nx, ny, nz = product(m.T, ox + hit * dx, oy + hit * dy, oz + hit * dz)
                norm = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
                paint(
                    depth, colour, row, column, hit, nx * norm, ny * norm, nz * norm,
                    shape[12], shape[13], shape[14], shape[15],
                )  # fmt: skip


@njit(cache=True, error_model="numpy")
def draw_ellipsoids(ellipsoids: Array, reach: Array, focal: float, depth: Array32, colour: Array32) -> None:
    """Draw ellipsoids (ellipsoid, ELLIPSOID_WIDTH) in the camera's frame; `reach`: largest semi-axes [m]."""
    for index in range(len(ellipsoids)):
        draw_ellipsoid(ellipsoids[index], reach[index], focal, depth, colour)


@njit(cache=True, error_model="numpy")
def spindle_end(
    out: Array, at: int, point: Array, share: float, length: float, radius: float, thin: float, belly: Array,
    tendon: Array,
) -> None:  # fmt: skip
    """Write the first (`at` 0) or second end of a cone, `share` of the way along the belly."""
    inside = 0.0 < share < 1.0
    swelling = np.sin(np.pi * share) if inside else 0.0
    swell = max(0.0, radius - thin)
    for i in range(3):
        out[4 * at + i] = point[i]
    out[4 * at + 3] = thin + swell * swelling
    out[17 + at] = swell * np.pi / length * np.cos(np.pi * share) if inside else 0.0
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
    for muscle in range(len(radius)):
        first, length = belly_start[muscle], belly_end[muscle] - belly_start[muscle]
        size, width, flesh = radius[muscle], thin[muscle], belly[muscle]
        travelled, station, share = 0.0, 0, -first / length
        here = waypoints[start[muscle]]
        for index in range(start[muscle] + 1, start[muscle + 1]):
            origin, target = waypoints[index - 1], waypoints[index]
            piece = np.sqrt(np.sum((target - origin) ** 2))
            fresh = cut = True
            while cut:
                stop = first + length * station / BELLY_PIECES
                cut = station <= BELLY_PIECES and stop < travelled + piece
                place = stop if cut else travelled + piece
                point = origin + (target - origin) * ((place - travelled) / piece if piece > 0.0 else 1.0)
                spindle_end(out[count], 0, here, share, length, size, width, flesh, tendon)
                share = (place - first) / length
                spindle_end(out[count], 1, point, share, length, size, width, flesh, tendon)
                out[count, 14], out[count, 15], out[count, 16] = gloss, fresh, not cut
                here, count, station, fresh = point, count + 1, station + cut, False
            travelled += piece
    return count


@njit(cache=True, error_model="numpy")
def light_reaching(depth: Array32, row: int, column: int, step: int) -> float:
    """Return how much light reaches a sample past what stands a little in front of it near by."""
    rows, columns = depth.shape
    z, dark = depth[row, column], 0.0
    for ring in range(1, 3):
        for corner in range(8):
            i = row + RING[corner, 0] * step * ring
            j = column + RING[corner, 1] * step * ring
            if 0 <= i < rows and 0 <= j < columns:
                ahead = z - depth[i, j] - 0.004
                if ahead > 0.0:
                    dark += min(1.0, ahead / 0.025) / (1.0 + (ahead / OCCLUSION_REACH) ** 2)
    return 1.0 - 0.62 * dark / 16.0


@njit(cache=True, error_model="numpy")
def lay_over(layer: Array32, depth: Array32, colour: Array32, behind: Array32, opacity: float) -> None:
    """Average the samples of every pixel over what is there already.

    Args:
        layer: the picture so far, changed in place, linear RGB, shape (height, width, 3).
        depth: of the samples, inf where there is none [m].
        colour: of the samples.
        behind: a sample is seen where it is nearer than this depth [m].
        opacity: share that a sample covers [-].
    """
    rows, columns, _ = layer.shape
    step = max(1, rows * SUBSAMPLES // 480)
    for row in range(rows):
        for column in range(columns):
            seen, red, green, blue, lit = 0.0, 0.0, 0.0, 0.0, 1.0
            for i in range(row * SUBSAMPLES, (row + 1) * SUBSAMPLES):
                for j in range(column * SUBSAMPLES, (column + 1) * SUBSAMPLES):
                    if depth[i, j] < behind[i, j]:
                        if seen == 0.0:
                            lit = light_reaching(depth, i, j, step)
                        seen += 1.0
                        red += colour[i, j, 0]
                        green += colour[i, j, 1]
                        blue += colour[i, j, 2]
            if seen > 0.0:
                share = opacity / SUBSAMPLES**2
                keep, lit = 1.0 - seen * share, lit * share
                layer[row, column, 0] = layer[row, column, 0] * keep + red * lit
                layer[row, column, 1] = layer[row, column, 1] * keep + green * lit
                layer[row, column, 2] = layer[row, column, 2] * keep + blue * lit


@njit(cache=True, error_model="numpy")
def encode(layer: Array32, code: Pixels, out: Pixels) -> None:
    """Write linear RGB as bytes; `code` holds sRGB for linear values 0 to 1, shape (n,)."""
    top = len(code) - 1
    linear, coded = layer.ravel(), out.ravel()
    for index in range(len(linear)):
        coded[index] = code[min(top, int(linear[index] * top + 0.5))]
