"""Kernel that composes rotations from channels: angles about one axis after another."""

import numpy as np
from numba import njit

from musclegym.rotation import Array, IntArray, matrix_from_quaternion


@njit(cache=True)
def compose(
    start: IntArray, axis: IntArray, column: IntArray, cosine: Array, sine: Array, out: Array
) -> None:
    """Write the rotation of every joint in every frame.

    A joint's rotation is the product, from left to right, of its channels' turns. As quaternions, each
    product is q (cos + sin e) with the axis's unit e.

    Args:
        start: first channel of each joint and, after the last, their number, shape (joint + 1,).
        axis: axis (0, 1, 2) of each channel, shape (channel,).
        column: column of each channel in `cosine` and `sine`, shape (channel,).
        cosine: cosines of half the angles, shape (frame, column).
        sine: sines of half the angles, shape (frame, column).
        out: receives the rotations, shape (frame, joint, 3, 3).
    """
    q = np.empty(4)
    for frame in range(out.shape[0]):
        for joint in range(out.shape[1]):
            q[0], q[1], q[2], q[3] = 0.0, 0.0, 0.0, 1.0
            for channel in range(start[joint], start[joint + 1]):
                c, s = cosine[frame, column[channel]], sine[frame, column[channel]]
                i = axis[channel]
                j, k = (i + 1) % 3, (i + 2) % 3
                x, y, z, w = q[i], q[j], q[k], q[3]
                q[i], q[j], q[k], q[3] = x * c + w * s, y * c + z * s, z * c - y * s, w * c - x * s
            matrix_from_quaternion(q[0], q[1], q[2], q[3], out[frame, joint])
