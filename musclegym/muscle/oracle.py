"""The oracle: muscle activations by bounded least squares, the yardstick of MuscleNN."""

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from musclegym.rotation import Array

if TYPE_CHECKING:
    from musclegym.body import MuscleState

EFFORT_WEIGHT = 1e-4
"""Weight of the sum of squared activations beside the squared torque residual [N^2 m^2]; makes the solution unique."""
MAX_ITERATIONS = 100
GRADIENT_TOLERANCE = 1e-9  # relative to the torque's norm


def solve_activation(muscles: "MuscleState", torque: Array, start: Array | None = None) -> Array:
    """Return the activations whose torque comes nearest to `torque`.

    Minimises |A a + b - torque|^2 + EFFORT_WEIGHT |a|^2 over 0 <= a <= 1, where A is the torque matrix and b the passive torque of
    the actuated DoFs. The effort term is too small to move the torque; among equal torques it picks the least activation.

    Args:
        muscles: what `Body.muscles` returned for the present pose.
        torque: wanted joint torque, root rows ignored, shape (dof,) [N m].
        start: torque residual of a similar problem to start from, shape (dof,), overwritten by this one's [N m].

    Returns:
        Activations in [0, 1], shape (muscle,) [-].

    Raises:
        ValueError: if the torque has the wrong shape or is not finite.
    """
    torque = np.asarray(torque, dtype=np.float64)
    dofs = muscles.torque_matrix.shape[0]
    if torque.shape != (dofs,) or not np.isfinite(torque).all():
        raise ValueError(
            f"torque must be {dofs} finite numbers, one per DoF, but has shape {torque.shape} and "
            f"{np.count_nonzero(~np.isfinite(torque))} non-finite entries; give body.n_dofs numbers, root first"
        )
    columns = np.ascontiguousarray(muscles.torque_matrix.T)
    residual = np.zeros(dofs) if start is None else start
    activation = np.empty(columns.shape[0])
    least_squares(columns, torque - muscles.passive_torque, residual, activation)
    return activation


@njit(cache=True)
def least_squares(columns: Array, wanted: Array, residual: Array, activation: Array) -> int:
    """Solve the bounded least-squares problem of `solve_activation` on DoFs 6 and up.

    Semismooth Newton on the dual: with residual y the best activation is clip(A^T y / w, 0, 1), so only y + A a(y) = wanted
    has to be solved, in as many unknowns as there are DoFs. It is the gradient of a convex, piecewise quadratic function, so that
    Newton steps with a line search reach its minimum from anywhere, in a few iterations from a good start.

    Args:
        columns: torque of each muscle per unit activation, shape (muscle, dof) [N m].
        wanted: torque to be made by active forces, shape (dof,) [N m].
        residual: start of the iteration, receives the residual wanted - A a, shape (dof,) [N m].
        activation: receives the solution, shape (muscle,).

    Returns:
        Number of Newton iterations.
    """
    n = wanted.size - 6
    scale = np.sqrt((wanted[6:] ** 2).sum()) + 1.0
    gradient, hessian = np.empty(n), np.empty((n, n))
    y = residual[6:]
    value = dual(columns, wanted, y, activation, gradient)
    iteration = 0
    while iteration < MAX_ITERATIONS and np.sqrt((gradient**2).sum()) > GRADIENT_TOLERANCE * scale:
        iteration += 1
        dual_hessian(columns, activation, hessian)
        step = -gradient
        cholesky_solve(hessian, step)
        slope = (gradient * step).sum()
        length = 1.0
        trial = y + step
        trial_value = dual(columns, wanted, trial, activation, gradient)
        while trial_value > value + 1e-4 * length * slope + 1e-14 * abs(value) and length > 1e-10:
            length *= 0.5
            trial = y + length * step
            trial_value = dual(columns, wanted, trial, activation, gradient)
        y[:] = trial
        value = trial_value
    return iteration


@njit(cache=True)
def dual(columns: Array, wanted: Array, y: Array, activation: Array, gradient: Array) -> float:
    """Return the dual function at `y`; write its gradient and the activations that belong to `y`."""
    value = 0.0
    for i in range(y.size):
        gradient[i] = y[i] - wanted[6 + i]
        value += y[i] * (0.5 * y[i] - wanted[6 + i])
    for muscle in range(activation.size):
        row = columns[muscle]
        drive = 0.0
        for i in range(y.size):
            drive += row[6 + i] * y[i]
        a = min(max(drive / EFFORT_WEIGHT, 0.0), 1.0)
        activation[muscle] = a
        value += a * drive - 0.5 * EFFORT_WEIGHT * a * a
        if a > 0.0:
            for i in range(y.size):
                gradient[i] += a * row[6 + i]
    return value


@njit(cache=True)
def dual_hessian(columns: Array, activation: Array, hessian: Array) -> None:
    """Write the generalised Hessian I + A_free A_free^T / w over the muscles off their bounds, lower half."""
    n = hessian.shape[0]
    nonzero = np.empty(n, dtype=np.int64)
    hessian[:] = 0.0
    for i in range(n):
        hessian[i, i] = 1.0
    for muscle in range(activation.size):
        if activation[muscle] <= 0.0 or activation[muscle] >= 1.0:
            continue
        row, count = columns[muscle], 0
        for i in range(n):
            if row[6 + i] != 0.0:
                nonzero[count] = i
                count += 1
        for a in range(count):
            i = nonzero[a]
            factor = row[6 + i] / EFFORT_WEIGHT
            for b in range(a + 1):
                hessian[i, nonzero[b]] += factor * row[6 + nonzero[b]]


@njit(cache=True)
def cholesky_solve(matrix: Array, vector: Array) -> None:
    """Solve a positive definite system in place, given its lower half; leaves the solution in `vector`."""
    n = vector.size
    for j in range(n):
        for i in range(j, n):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                matrix[j, j] = np.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    for i in range(n):
        for k in range(i):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= matrix[k, i] * vector[k]
        vector[i] /= matrix[i, i]
