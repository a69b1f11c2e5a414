"""Rotations: small numba helpers that the physics kernels share.

Matrices act on column vectors. Quaternions are xyzw. Offline code (readers, retargeting) uses
`scipy.spatial.transform`. Kernels copy arrays in loops: for `a[:] = b` numba compiles an error message too,
which takes ten seconds on its own.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from musclegym.compiling import announce_compiling

announce_compiling()

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SMALL_ANGLE = 1e-4  # below it, series of second order are exact to double precision in the terms used here


@njit(cache=True, inline="always")
def matrix_from_quaternion(x: float, y: float, z: float, w: float, out: Array) -> None:
    """Write the rotation matrix of the unit quaternion xyzw into `out` (3, 3)."""
    out[0, 0] = 1.0 - 2.0 * (y * y + z * z)
    out[0, 1] = 2.0 * (x * y - z * w)
    out[0, 2] = 2.0 * (x * z + y * w)
    out[1, 0] = 2.0 * (x * y + z * w)
    out[1, 1] = 1.0 - 2.0 * (x * x + z * z)
    out[1, 2] = 2.0 * (y * z - x * w)
    out[2, 0] = 2.0 * (x * z - y * w)
    out[2, 1] = 2.0 * (y * z + x * w)
    out[2, 2] = 1.0 - 2.0 * (x * x + y * y)


@njit(cache=True)
def rotation_from_vector(x: float, y: float, z: float, out: Array) -> None:
    """Write exp([x y z]), the rotation about that vector by its length [rad], into `out` (3, 3)."""
    angle = np.sqrt(x * x + y * y + z * z)
    scale = 0.5 - angle * angle / 48.0 if angle < SMALL_ANGLE else np.sin(0.5 * angle) / angle
    matrix_from_quaternion(scale * x, scale * y, scale * z, np.cos(0.5 * angle), out)


@njit(cache=True)
def quaternion_from_matrix(r: Array, out: Array) -> None:
    """Write the unit quaternion xyzw of the rotation matrix `r` (3, 3), with w >= 0, into `out` (4,).

    Shepperd's method: divide by the largest of the four components.
    """
    trace = r[0, 0] + r[1, 1] + r[2, 2]
    if trace > max(r[0, 0], r[1, 1], r[2, 2]):
        out[0], out[1], out[2] = r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
        out[3] = 1.0 + trace
    else:
        i = 0
        if r[1, 1] > r[i, i]:
            i = 1
        if r[2, 2] > r[i, i]:
            i = 2
        j, k = (i + 1) % 3, (i + 2) % 3
        out[i] = 1.0 + r[i, i] - r[j, j] - r[k, k]
        out[j] = r[j, i] + r[i, j]
        out[k] = r[k, i] + r[i, k]
        out[3] = r[k, j] - r[j, k]
    norm = np.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2 + out[3] ** 2)
    if out[3] < 0.0:
        norm = -norm
    for i in range(4):
        out[i] /= norm


@njit(cache=True)
def vector_from_rotation(r: Array, out: Array) -> None:
    """Write log(r), the rotation vector [rad] of `r` (3, 3) with length in [0, pi], into `out` (3,)."""
    quaternion = np.empty(4)
    quaternion_from_matrix(r, quaternion)
    sine = np.sqrt(quaternion[0] ** 2 + quaternion[1] ** 2 + quaternion[2] ** 2)
    scale = 2.0 if sine < SMALL_ANGLE * SMALL_ANGLE else 2.0 * np.arctan2(sine, quaternion[3]) / sine
    for i in range(3):
        out[i] = scale * quaternion[i]


@njit(cache=True)
def rotation_about_axis(axis: Array, angle: float, out: Array) -> None:
    """Write the rotation by `angle` [rad] about the unit vector `axis` (3,) into `out` (3, 3)."""
    sine = np.sin(0.5 * angle)
    matrix_from_quaternion(sine * axis[0], sine * axis[1], sine * axis[2], np.cos(0.5 * angle), out)


@njit(cache=True, inline="always")
def multiply(a: Array, b: Array, out: Array) -> None:
    """Write a @ b, all (3, 3), into `out`, which is neither of them."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@njit(cache=True, inline="always")
def rotate(r: Array, v: Array, out: Array) -> None:
    """Write r @ v into `out` (3,), which is not `v`."""
    for i in range(3):
        out[i] = r[i, 0] * v[0] + r[i, 1] * v[1] + r[i, 2] * v[2]


@njit(cache=True, inline="always")
def cross(a: Array, b: Array, out: Array) -> None:
    """Write a x b into `out` (3,), which is neither of them."""
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]


@njit(cache=True, inline="always")
def shift(v: Array, out: Array) -> None:
    """Add v (3,) to `out` (3,)."""
    for i in range(3):
        out[i] += v[i]


@njit(cache=True, inline="always")
def relative_vector(r_from: Array, r_to: Array, buffer: Array, out: Array) -> None:
    """Write log(r_from^T r_to) into `out` (3,); `buffer` is a (3, 3) scratch."""
    for i in range(3):
        for j in range(3):
            buffer[i, j] = r_from[0, i] * r_to[0, j] + r_from[1, i] * r_to[1, j] + r_from[2, i] * r_to[2, j]
    vector_from_rotation(buffer, out)
