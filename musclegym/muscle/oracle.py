"""The oracle: muscle activations by bounded least squares, the yardstick of MuscleNN."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from musclegym.rotation import Array, IntArray

if TYPE_CHECKING:
    from musclegym.body import Body, MuscleState

EFFORT_WEIGHT = 1e-4
"""Weight of the squared activations beside the squared torque residual [N^2 m^2]; makes the answer unique."""
MAX_ITERATIONS = 50
COMPLEMENTARITY = 1e-11
"""Mean product of slack and multiplier, and a tenth of the gradient's error, that suffice [N^2 m^2]."""
ROUNDING = 1e-16
"""Share of the first gradient that is added to it, for large torques cancel only up to rounding [-]."""
STEP_FRACTION = 0.995
"""Share of the way to the nearest bound that one step may go [-]."""


# The kernels divide as NumPy does, x / 0 = inf: the checks of Python's division cost more than the division.


class Entries(NamedTuple):
    """The torque-matrix entries that can differ from zero, muscle after muscle."""

    start: IntArray  # (muscle + 1,)
    dof: IntArray  # (entry,) counted from the first actuated DoF


class InteriorPoint(NamedTuple):
    """State of the interior-point iteration, one number per muscle."""

    room: Array  # 1 - a, kept apart from a so that rounding never makes it zero
    lower: Array  # multiplier of 0 <= a
    upper: Array  # multiplier of a <= 1
    gradient: Array
    curvature: Array  # diagonal that bounds and effort add to A^T A
    right: Array  # right-hand side of the Newton system
    step: Array
    lower_step: Array
    upper_step: Array


def muscle_entries(body: "Body") -> Entries:
    """Return where the torque matrix of the actuated DoFs can differ from zero, muscle after muscle."""
    dof, muscle = body.muscle_set.turned_dofs(body.skeleton)
    actuated = dof >= 6
    start = np.searchsorted(muscle[actuated], np.arange(body.n_muscles + 1))
    return Entries(start=start, dof=dof[actuated] - 6)


def solve_activation(muscles: "MuscleState", torque: npt.ArrayLike) -> Array:
    """Return the activations whose torque comes nearest to `torque`.

    Minimises |A a + b - torque|^2 + EFFORT_WEIGHT |a|^2 over 0 <= a <= 1, where A is the torque matrix and b
    the passive torque of the actuated DoFs. The effort term is too small to move the torque; among equal
    torques it picks the least activation.

    Args:
        muscles: what `Body.muscles` returned for the present pose.
        torque: wanted joint torque, root rows ignored, shape (dof,) [N m].

    Returns:
        Activations in [0, 1], shape (muscle,) [-].

    Raises:
        ValueError: if the torque has the wrong shape or is not finite.
    """
    wanted = np.asarray(torque, dtype=np.float64)
    dofs, count = muscles.torque_matrix.shape
    if wanted.shape != (dofs,) or not np.isfinite(wanted).all():
        raise ValueError(
            f"torque must be {dofs} finite numbers, one per DoF, but has shape {wanted.shape} and "
            f"{np.count_nonzero(~np.isfinite(wanted))} non-finite entries; give one number per "
            f"body.dof_names, root first"
        )
    columns = np.ascontiguousarray(muscles.torque_matrix.T)
    muscle, dof = np.nonzero(columns[:, 6:])
    entries = Entries(np.searchsorted(muscle, np.arange(count + 1)), np.ascontiguousarray(dof))
    activation = np.empty(count)
    least_squares(columns, entries, (wanted - muscles.passive_torque)[6:], activation)
    return activation


@njit(cache=True, error_model="numpy")
def least_squares(columns: Array, entries: Entries, wanted: Array, activation: Array) -> int:
    """Solve the bounded least-squares problem of `solve_activation`.

    Primal-dual interior point with Mehrotra's predictor and corrector (Nocedal & Wright 2006, Numerical
    Optimization, section 16.6). The Newton system in the muscles is diagonal plus A^T A, so it is solved in
    as many unknowns as there are DoFs. It needs no start, so the answer depends on the present state alone.

    Args:
        columns: torque of each muscle per unit activation, shape (muscle, dof) [N m].
        entries: where `columns` can differ from zero.
        wanted: torque of the actuated DoFs to be made by active forces, shape (dof - 6,) [N m].
        activation: receives the solution, shape (muscle,).

    Returns:
        Number of Newton iterations.
    """
    muscles, dofs = activation.size, wanted.size
    if muscles == 0:
        return 0
    b = np.empty((9, muscles))
    point = InteriorPoint(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8])
    residual, matrix = np.empty(dofs), np.empty((dofs, dofs))
    activation[:] = 0.5
    point.room[:] = 0.5
    gradient(columns, entries, wanted, activation, residual, point.gradient)
    largest = np.abs(point.gradient).max()
    start, tolerance = 0.1 * largest, COMPLEMENTARITY + ROUNDING * largest
    point.lower[:] = np.maximum(point.gradient, 0.0) + start
    point.upper[:] = np.maximum(-point.gradient, 0.0) + start
    for iteration in range(MAX_ITERATIONS):
        gap = (point.lower * activation + point.upper * point.room).sum() / (2 * muscles)
        error = np.abs(point.gradient - point.lower + point.upper).max()
        if not (gap > tolerance or error > 10.0 * tolerance):
            return iteration
        point.curvature[:] = EFFORT_WEIGHT + point.lower / activation + point.upper / point.room
        factorise(columns, entries, point.curvature, matrix)
        length = newton_step(columns, entries, matrix, activation, 0.0, False, residual, point)
        free = (point.lower + length * point.lower_step) * (activation + length * point.step)
        free += (point.upper + length * point.upper_step) * (point.room - length * point.step)
        centre = gap * (max(free.sum(), 0.0) / (2 * muscles) / gap) ** 3
        length = newton_step(columns, entries, matrix, activation, centre, True, residual, point)
        activation[:] = np.minimum(activation + length * point.step, 1.0)
        point.room[:] -= length * point.step
        point.lower[:] += length * point.lower_step
        point.upper[:] += length * point.upper_step
        gradient(columns, entries, wanted, activation, residual, point.gradient)
    return MAX_ITERATIONS


@njit(cache=True, error_model="numpy")
def gradient(
    columns: Array, entries: Entries, wanted: Array, activation: Array, residual: Array, out: Array
) -> None:
    """Write half the objective's gradient into `out` (muscle,), using `residual` (dof - 6,) as scratch."""
    residual[:] = -wanted
    for muscle in range(activation.size):
        for entry in range(entries.start[muscle], entries.start[muscle + 1]):
            dof = entries.dof[entry]
            residual[dof] += activation[muscle] * columns[muscle, 6 + dof]
    for muscle in range(activation.size):
        total = EFFORT_WEIGHT * activation[muscle]
        for entry in range(entries.start[muscle], entries.start[muscle + 1]):
            dof = entries.dof[entry]
            total += residual[dof] * columns[muscle, 6 + dof]
        out[muscle] = total


@njit(cache=True, error_model="numpy")
def factorise(columns: Array, entries: Entries, curvature: Array, out: Array) -> None:
    """Write the upper factor U of I + A diag(1/curvature) A^T = U^T U into `out` (dof - 6, dof - 6).

    The entries of each muscle must be in the order of the DoFs.
    """
    size = out.shape[0]
    out[:] = 0.0
    for i in range(size):
        out[i, i] = 1.0
    for muscle in range(curvature.size):
        stop, weight = entries.start[muscle + 1], 1.0 / curvature[muscle]
        for first in range(entries.start[muscle], stop):
            row = entries.dof[first]
            factor = weight * columns[muscle, 6 + row]
            for second in range(first, stop):
                column = entries.dof[second]
                out[row, column] += factor * columns[muscle, 6 + column]
    for j in range(size):
        pivot = out[j]
        scale = 1.0 / np.sqrt(pivot[j])
        for k in range(j, size):
            pivot[k] *= scale
        for i in range(j + 1, size):
            row, factor = out[i], pivot[i]
            for k in range(i, size):
                row[k] -= factor * pivot[k]


@njit(cache=True, error_model="numpy")
def solve_factorised(factor: Array, vector: Array) -> None:
    """Solve U^T U x = vector in place."""
    size = vector.size
    for i in range(size):
        row = factor[i]
        vector[i] /= row[i]
        for k in range(i + 1, size):
            vector[k] -= row[k] * vector[i]
    for i in range(size - 1, -1, -1):
        row, total = factor[i], vector[i]
        for k in range(i + 1, size):
            total -= row[k] * vector[k]
        vector[i] = total / row[i]


@njit(cache=True, error_model="numpy")
def newton_step(
    columns: Array,
    entries: Entries,
    factor: Array,
    activation: Array,
    centre: float,
    corrector: bool,
    vector: Array,
    point: InteriorPoint,
) -> float:
    """Write the step towards the central path at `centre` into `point`; return the length that bounds allow.

    The `corrector` adds the second-order term of the step that `point` holds. The system is solved by the
    Sherman-Morrison-Woodbury formula with `factor` from `factorise`; `vector` (dof - 6,) is scratch.
    """
    vector[:] = 0.0
    for muscle in range(activation.size):
        second = point.step[muscle] if corrector else 0.0
        point.lower_step[muscle] = centre - (second * point.lower_step[muscle] if corrector else 0.0)
        point.upper_step[muscle] = centre + (second * point.upper_step[muscle] if corrector else 0.0)
        low, high = activation[muscle], point.room[muscle]
        right = point.lower_step[muscle] / low - point.upper_step[muscle] / high - point.gradient[muscle]
        point.right[muscle] = right
        step = right / point.curvature[muscle]
        for entry in range(entries.start[muscle], entries.start[muscle + 1]):
            dof = entries.dof[entry]
            vector[dof] += columns[muscle, 6 + dof] * step
    solve_factorised(factor, vector)
    length = 1.0 / STEP_FRACTION
    for muscle in range(activation.size):
        total = point.right[muscle]
        for entry in range(entries.start[muscle], entries.start[muscle + 1]):
            dof = entries.dof[entry]
            total -= columns[muscle, 6 + dof] * vector[dof]
        step = total / point.curvature[muscle]
        low, high = activation[muscle], point.room[muscle]
        lower, upper = point.lower[muscle], point.upper[muscle]
        lower_step = (point.lower_step[muscle] - lower * step) / low - lower
        upper_step = (point.upper_step[muscle] + upper * step) / high - upper
        point.step[muscle], point.lower_step[muscle], point.upper_step[muscle] = step, lower_step, upper_step
        for value, change in ((low, step), (high, -step), (lower, lower_step), (upper, upper_step)):
            if change < 0.0:
                length = min(length, -value / change)
    return STEP_FRACTION * length
