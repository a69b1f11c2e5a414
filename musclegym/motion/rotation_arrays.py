"""Rotations for NumPy arrays and torch tensors alike, with any leading axes.

Torch gradients flow through them; where none is wanted, compiled loops do the work. `musclegym.rotation` has
the compiled twins for physics steps.
"""

import sys
from typing import Any

from musclegym.motion.rotation_loops import is_plain, rotations_from_vectors, vectors_from_rotations

Numbers = Any
"""A NumPy array or a torch tensor of floats."""


def rotation_from_vector(vector: Numbers) -> Numbers:
    """Return the rotation matrices (..., 3, 3) of rotation vectors (..., 3) [rad] (Rodrigues' formula)."""
    xp = array_module(vector)
    if is_plain(vector):
        rotation = xp.empty((*vector.shape, 3), dtype=vector.dtype)
        rotations_from_vectors(vector.reshape(-1, 3).numpy(), rotation.view(-1, 3, 3).numpy())
        return rotation
    square = (vector * vector).sum(-1)
    small = square < 1e-6
    angle = xp.sqrt(xp.where(small, 1.0, square))
    first = xp.where(small, 1.0 - square / 6.0, xp.sin(angle) / angle)  # sin(a) / a
    second = xp.where(
        small, 0.5 - square / 24.0, 2.0 * (xp.sin(0.5 * angle) / angle) ** 2
    )  # (1 - cos(a)) / a^2
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    rows = [
        [1.0 - second * (y * y + z * z), second * x * y - first * z, second * x * z + first * y],
        [second * x * y + first * z, 1.0 - second * (x * x + z * z), second * y * z - first * x],
        [second * x * z - first * y, second * y * z + first * x, 1.0 - second * (x * x + y * y)],
    ]
    return matrix_of(rows)


def vector_from_rotation(rotation: Numbers) -> Numbers:
    """Return the rotation vectors (..., 3) [rad] of rotation matrices, lengths in [0, pi].

    Goes through the quaternion, of which the best-conditioned column of 4 q q^T is taken, so that angles near
    0 and near pi keep their precision.
    """
    xp = array_module(rotation)
    if is_plain(rotation):
        vector = xp.empty(rotation.shape[:-1], dtype=rotation.dtype)
        vectors_from_rotations(rotation.reshape(-1, 3, 3).numpy(), vector.view(-1, 3).numpy())
        return vector
    r = [[rotation[..., i, j] for j in range(3)] for i in range(3)]
    w = [r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]]
    xy, xz, yz = r[0][1] + r[1][0], r[0][2] + r[2][0], r[1][2] + r[2][1]
    columns = [
        [1.0 + r[0][0] + r[1][1] + r[2][2], *w],
        [w[0], 1.0 + r[0][0] - r[1][1] - r[2][2], xy, xz],
        [w[1], xy, 1.0 - r[0][0] + r[1][1] - r[2][2], yz],
        [w[2], xz, yz, 1.0 - r[0][0] - r[1][1] + r[2][2]],
    ]
    best, size = xp.stack(columns[0], axis=-1), columns[0][0]
    for i in range(1, 4):
        larger = columns[i][i] > size
        best = xp.where(larger[..., None], xp.stack(columns[i], axis=-1), best)
        size = xp.where(larger, columns[i][i], size)
    best = unit(best)
    best = xp.where(best[..., :1] < 0.0, -best, best)
    square = (best[..., 1:] ** 2).sum(-1)
    small = square < 1e-12
    half_sine = xp.sqrt(xp.where(small, 1.0, square))
    scale = xp.where(small, 2.0, 2.0 * xp.arctan2(half_sine, best[..., 0]) / half_sine)
    return best[..., 1:] * scale[..., None]


def levelling(up: Numbers) -> Numbers:
    """Return the smallest rotations (..., 3, 3) that turn unit vectors `up` (..., 3) onto the y axis.

    For `up` = -y, where none is smallest, half a turn about x. Below the horizontal 1 / (1 + y) is taken as
    (1 - y) / (x^2 + z^2), which keeps its precision next to -y.
    """
    xp = array_module(up)
    x, y, z = up[..., 0], up[..., 1], up[..., 2]
    square, below = x * x + z * z, y < 0.0
    scale = xp.where(
        below, (1.0 - y) / xp.where(square < 1e-30, 1.0, square), 1.0 / xp.where(below, 1.0, 1.0 + y)
    )
    return matrix_of(
        [[1.0 - x * x * scale, -x, -x * z * scale], [x, y, z], [-x * z * scale, -z, y + x * x * scale]]
    )


def orthonormal(columns: Numbers) -> Numbers:
    """Return rotations (..., 3, 3) from two columns each (..., 3, 2): Gram-Schmidt (Zhou et al. 2019)."""
    xp = array_module(columns)
    first = unit(columns[..., 0])
    second = columns[..., 1] - (first * columns[..., 1]).sum(-1)[..., None] * first
    second = unit(second)
    ahead, behind = [1, 2, 0], [2, 0, 1]
    third = first[..., ahead] * second[..., behind] - first[..., behind] * second[..., ahead]
    return xp.stack([first, second, third], axis=-1)


def array_module(array: Numbers) -> Any:
    """Return the module, numpy or torch, that `array` belongs to."""
    return sys.modules[type(array).__module__.partition(".")[0]]


def constant_like(values: Any, example: Numbers) -> Numbers:
    """Return constant `values` as an array of the kind and precision of `example`."""
    array = array_module(example).asarray(values, dtype=example.dtype)
    return array.to(example.device) if hasattr(array, "to") else array


def unit(vector: Numbers) -> Numbers:
    """Return vectors (..., n) scaled to length 1."""
    xp = array_module(vector)
    return vector / xp.sqrt(xp.clip((vector * vector).sum(-1), 1e-24, None))[..., None]


def transposed(matrix: Numbers) -> Numbers:
    """Return matrices with their last two axes exchanged."""
    return array_module(matrix).swapaxes(matrix, -1, -2)


def matrix_of(rows: list[list[Numbers]]) -> Numbers:
    """Return matrices (..., row, column) from their entries (...)."""
    xp = array_module(rows[0][0])
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)
