"""Rigid-body dynamics of a skeleton as numba kernels: mass matrix, bias, stable PD, implicit damping.

World-aligned spatial algebra (Featherstone, Rigid Body Dynamics Algorithms, 2008) about the root's present
position: all bodies share one frame, so composite inertias and forces of children are plainly added to their
parents'. An inertia is ten numbers, laid out as [mass, first moment (3), xx, yy, zz, xy, xz, yz]; a motion is
[angular, linear], a force [moment, force].
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from musclegym.rotation import (
    Array,
    IntArray,
    multiply,
    relative_vector,
    rotate,
    rotation_about_axis,
    rotation_from_vector,
)
from musclegym.skeleton import FREE, HINGE, Skeleton, Tree, joint_dofs

GRAVITY = 9.81
"""Acceleration of free fall [m/s^2]."""


class Workspace(NamedTuple):
    """Buffers that the kernels fill, so that a physics step allocates nothing."""

    local: Array  # (body, 3, 3) joint rotations away from rest
    rotation: Array  # (body, 3, 3) joint frames in the world
    position: Array  # (body, 3) joint positions [m]
    com: Array  # (body, 3) centres of mass [m]
    axis: Array  # (dof, 6) motion of each DoF about the root's position
    velocity: Array  # (body, 6) spatial velocities
    acceleration: Array  # (body, 6) spatial accelerations at zero generalised acceleration
    force: Array  # (body, 6) spatial forces
    inertia: Array  # (body, 10) spatial inertias, then composite ones
    mass_matrix: Array  # (dof, dof)
    bias: Array  # (dof,) Coriolis, centrifugal and gravity torque
    factor: Array  # (dof, dof) factor of the mass matrix with implicit damping
    predicted: Array  # (dof,) acceleration that the implicit dampers expect
    scratch: Array  # (3, 3, 3)


def make_workspace(skeleton: Skeleton) -> Workspace:
    """Return buffers for one skeleton."""
    bodies, dofs = skeleton.n_bodies, skeleton.n_dofs
    return Workspace(
        local=np.zeros((bodies, 3, 3)),
        rotation=np.zeros((bodies, 3, 3)),
        position=np.zeros((bodies, 3)),
        com=np.zeros((bodies, 3)),
        axis=np.zeros((dofs, 6)),
        velocity=np.zeros((bodies, 6)),
        acceleration=np.zeros((bodies, 6)),
        force=np.zeros((bodies, 6)),
        inertia=np.zeros((bodies, 10)),
        mass_matrix=np.zeros((dofs, dofs)),
        bias=np.zeros(dofs),
        factor=np.zeros((dofs, dofs)),
        predicted=np.zeros(dofs),
        scratch=np.zeros((3, 3, 3)),
    )


@njit(cache=True, inline="always")
def apply_inertia(inertia: Array, motion: Array, out: Array) -> None:
    """Write inertia @ motion, a spatial momentum or force, into `out` (6,)."""
    m, hx, hy, hz = inertia[0], inertia[1], inertia[2], inertia[3]
    wx, wy, wz, vx, vy, vz = motion[0], motion[1], motion[2], motion[3], motion[4], motion[5]
    out[0] = inertia[4] * wx + inertia[7] * wy + inertia[8] * wz + hy * vz - hz * vy
    out[1] = inertia[7] * wx + inertia[5] * wy + inertia[9] * wz + hz * vx - hx * vz
    out[2] = inertia[8] * wx + inertia[9] * wy + inertia[6] * wz + hx * vy - hy * vx
    out[3] = m * vx + wy * hz - wz * hy
    out[4] = m * vy + wz * hx - wx * hz
    out[5] = m * vz + wx * hy - wy * hx


@njit(cache=True, inline="always")
def add_cross_motion(a: Array, b: Array, out: Array) -> None:
    """Add the spatial cross product a x b of two motions (6,) to `out` (6,)."""
    out[0] += a[1] * b[2] - a[2] * b[1]
    out[1] += a[2] * b[0] - a[0] * b[2]
    out[2] += a[0] * b[1] - a[1] * b[0]
    out[3] += a[1] * b[5] - a[2] * b[4] + a[4] * b[2] - a[5] * b[1]
    out[4] += a[2] * b[3] - a[0] * b[5] + a[5] * b[0] - a[3] * b[2]
    out[5] += a[0] * b[4] - a[1] * b[3] + a[3] * b[1] - a[4] * b[0]


@njit(cache=True, inline="always")
def add_cross_force(a: Array, f: Array, out: Array) -> None:
    """Add the spatial cross product a x* f of a motion and a force (6,) to `out` (6,)."""
    out[0] += a[1] * f[2] - a[2] * f[1] + a[4] * f[5] - a[5] * f[4]
    out[1] += a[2] * f[0] - a[0] * f[2] + a[5] * f[3] - a[3] * f[5]
    out[2] += a[0] * f[1] - a[1] * f[0] + a[3] * f[4] - a[4] * f[3]
    out[3] += a[1] * f[5] - a[2] * f[4]
    out[4] += a[2] * f[3] - a[0] * f[5]
    out[5] += a[0] * f[4] - a[1] * f[3]


@njit(cache=True)
def joint_axes(tree: Tree, rotation: Array, position: Array, out: Array) -> None:
    """Write the motion of each DoF at unit velocity, about the root's position, into `out` (dof, 6)."""
    for body in range(tree.parent.size):
        at = tree.dof_start[body]
        px = position[body, 0] - position[0, 0]
        py = position[body, 1] - position[0, 1]
        pz = position[body, 2] - position[0, 2]
        count = 1 if tree.kind[body] == HINGE else 3
        for k in range(count):
            row = out[at + k]
            if count == 1:
                rotate(rotation[body], tree.axis[body], row[:3])
            else:
                row[0], row[1], row[2] = rotation[body, 0, k], rotation[body, 1, k], rotation[body, 2, k]
            row[3] = py * row[2] - pz * row[1]
            row[4] = pz * row[0] - px * row[2]
            row[5] = px * row[1] - py * row[0]
        if tree.kind[body] == FREE:
            for k in range(3):
                row = out[at + 3 + k]
                row[0], row[1], row[2] = 0.0, 0.0, 0.0
                row[3], row[4], row[5] = rotation[body, 0, k], rotation[body, 1, k], rotation[body, 2, k]


@njit(cache=True)
def body_inertias(tree: Tree, rotation: Array, position: Array, com: Array, out: Array) -> None:
    """Write the spatial inertia of each body about the root's position into `out` (body, 10)."""
    half, world = np.empty((3, 3)), np.empty((3, 3))
    for body in range(tree.parent.size):
        m = tree.mass[body]
        cx = com[body, 0] - position[0, 0]
        cy = com[body, 1] - position[0, 1]
        cz = com[body, 2] - position[0, 2]
        multiply(rotation[body], tree.inertia[body], half)
        for i in range(3):
            for j in range(i, 3):
                r = rotation[body]
                world[i, j] = half[i, 0] * r[j, 0] + half[i, 1] * r[j, 1] + half[i, 2] * r[j, 2]
        row = out[body]
        row[0], row[1], row[2], row[3] = m, m * cx, m * cy, m * cz
        row[4] = world[0, 0] + m * (cy * cy + cz * cz)
        row[5] = world[1, 1] + m * (cx * cx + cz * cz)
        row[6] = world[2, 2] + m * (cx * cx + cy * cy)
        row[7] = world[0, 1] - m * cx * cy
        row[8] = world[0, 2] - m * cx * cz
        row[9] = world[1, 2] - m * cy * cz


@njit(cache=True)
def bias_and_mass_matrix(tree: Tree, qd: Array, gravity: float, work: Workspace) -> None:
    """Fill `work.bias` and `work.mass_matrix` for the pose that `work.rotation`, `position` and `com` hold.

    The bias comes from the recursive Newton-Euler algorithm at zero acceleration, the matrix from the
    composite-rigid-body algorithm (Featherstone 2008, chapters 5 and 6).

    Args:
        tree: the skeleton.
        qd: generalised velocity, shape (dof,).
        gravity: acceleration of free fall along -y [m/s^2].
        work: buffers; kinematics in, everything else out.
    """
    joint_axes(tree, work.rotation, work.position, work.axis)
    body_inertias(tree, work.rotation, work.position, work.com, work.inertia)
    accumulate_motion(tree, qd, gravity, work)
    project_forces(tree, work)


@njit(cache=True)
def accumulate_motion(tree: Tree, qd: Array, gravity: float, work: Workspace) -> None:
    """Walk outwards: velocities, velocity-product accelerations and the forces that they need."""
    relative, momentum = np.empty(6), np.empty(6)
    for body in range(tree.parent.size):
        parent, at = tree.parent[body], tree.dof_start[body]
        relative[:] = 0.0
        for k in range(at, at + joint_dofs(tree, body)):
            for i in range(6):
                relative[i] += work.axis[k, i] * qd[k]
        velocity, acceleration, force = work.velocity[body], work.acceleration[body], work.force[body]
        for i in range(6):
            velocity[i] = relative[i] + (work.velocity[parent, i] if parent >= 0 else 0.0)
            acceleration[i] = work.acceleration[parent, i] if parent >= 0 else 0.0
        if parent < 0:
            acceleration[4] = gravity
        add_cross_motion(velocity, relative, acceleration)
        apply_inertia(work.inertia[body], acceleration, force)
        apply_inertia(work.inertia[body], velocity, momentum)
        add_cross_force(velocity, momentum, force)


@njit(cache=True)
def project_forces(tree: Tree, work: Workspace) -> None:
    """Walk inwards: project forces and composite inertias on the DoFs and hand them to the parents."""
    momentum = np.empty(6)
    for body in range(tree.parent.size - 1, -1, -1):
        parent, at = tree.parent[body], tree.dof_start[body]
        count = joint_dofs(tree, body)
        for row in range(at, at + count):
            axis = work.axis[row]
            work.bias[row] = dot6(axis, work.force[body])
            apply_inertia(work.inertia[body], axis, momentum)
            column = at + count - 1
            while column >= 0:
                if column <= row:
                    value = dot6(work.axis[column], momentum)
                    work.mass_matrix[row, column] = value
                    work.mass_matrix[column, row] = value
                column = tree.dof_parent[column]
        if parent >= 0:
            for i in range(6):
                work.force[parent, i] += work.force[body, i]
            for i in range(10):
                work.inertia[parent, i] += work.inertia[body, i]


@njit(cache=True, inline="always")
def dot6(a: Array, b: Array) -> float:
    """Return the inner product of two vectors of six."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] + a[4] * b[4] + a[5] * b[5]


@njit(cache=True, inline="always")
def dot3(a: Array, b: Array) -> float:
    """Return the inner product of two vectors of three."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True)
def solve_tree(dof_parent: IntArray, matrix: Array, vector: Array) -> None:
    """Solve matrix @ x = vector in place: leaves x in `vector` (dof,) and destroys `matrix` (dof, dof).

    The matrix is positive definite with the sparsity of the tree, so its factorisation L^T L has no fill-in
    (Featherstone 2008, section 6.5).
    """
    size = vector.size
    for k in range(size - 1, -1, -1):
        row = matrix[k]
        row[k] = np.sqrt(row[k])
        inverse = 1.0 / row[k]
        i = dof_parent[k]
        while i >= 0:
            row[i] *= inverse
            i = dof_parent[i]
        i = dof_parent[k]
        while i >= 0:
            factor, target = row[i], matrix[i]
            j = i
            while j >= 0:
                target[j] -= factor * row[j]
                j = dof_parent[j]
            i = dof_parent[i]
    for k in range(size - 1, -1, -1):  # L^T y = vector
        vector[k] /= matrix[k, k]
        i = dof_parent[k]
        while i >= 0:
            vector[i] -= matrix[k, i] * vector[k]
            i = dof_parent[i]
    for k in range(size):  # L x = y
        i = dof_parent[k]
        while i >= 0:
            vector[k] -= matrix[k, i] * vector[i]
            i = dof_parent[i]
        vector[k] /= matrix[k, k]


@njit(cache=True)
def implicit_torque(
    tree: Tree, qd: Array, spring: Array, damping: Array, other: Array, dt: float, work: Workspace, out: Array
) -> None:
    """Write the torque of springs and implicit dampers into `out` (dof,).

    The dampers act at the velocity that the end of the step will have. Reads `work.mass_matrix` and
    `work.bias`; leaves the acceleration that the step will have in `work.predicted`.

    Args:
        tree: the skeleton.
        qd: generalised velocity, shape (dof,).
        spring: torque that does not depend on the acceleration, with the damping of the present velocity,
            shape (dof,) [N m].
        damping: damping that acts at the end of the step, shape (dof,) [N m s/rad].
        other: torque of everything else that moves the joints, shape (dof,) [N m].
        dt: physics step [s].
        work: buffers of the present pose.
        out: receives the torque, shape (dof,) [N m].
    """
    for i in range(qd.size):
        for j in range(qd.size):
            work.factor[i, j] = work.mass_matrix[i, j]
        work.factor[i, i] += dt * damping[i]
        work.predicted[i] = spring[i] + other[i] - work.bias[i]
    solve_tree(tree.dof_parent, work.factor, work.predicted)
    for i in range(qd.size):
        out[i] = spring[i] - dt * damping[i] * work.predicted[i]


@njit(cache=True)
def force_of_change(
    work: Workspace, qd_before: Array, qd: Array, torque: Array, dt: float, out: Array
) -> None:
    """Write the force that, beside the joint torque, changed the velocity over a step.

    It is M (qd - qd_before) / dt + bias - torque.

    This is what contacts, and all else that acts from outside, did over a physics step. Reads
    `work.mass_matrix` and `work.bias` of the pose in which the step began.

    Args:
        work: buffers of the pose in which the step began.
        qd_before: generalised velocity at the beginning, shape (dof,).
        qd: generalised velocity at the end, shape (dof,).
        torque: joint torque during the step, shape (dof,) [N m].
        dt: physics step [s].
        out: receives the force, shape (dof,) [N m, N].
    """
    for i in range(qd.size):
        work.predicted[i] = (qd[i] - qd_before[i]) / dt
    for i in range(qd.size):
        out[i] = work.bias[i] - torque[i]
        for j in range(qd.size):
            out[i] += work.mass_matrix[i, j] * work.predicted[j]


@njit(cache=True)
def pose_error(
    tree: Tree, qd: Array, displacement: Array, target: Array, dt: float, work: Workspace, out: Array
) -> None:
    """Write the way from the pose after `dt` [s] at velocity `qd` to the target into `out` (dof,).

    Rotations are composed exactly: log(next^T target), in the frame of the joint. The root's way is stated in
    its present frame.
    """
    turn, ahead, wanted = work.scratch[0], work.scratch[1], work.scratch[2]
    for body in range(tree.parent.size):
        at = int(tree.dof_start[body])
        if tree.kind[body] == HINGE:
            rotation_about_axis(tree.axis[body], target[at] - dt * qd[at], wanted)
            relative_vector(work.local[body], wanted, turn, ahead[0])
            out[at] = dot3(ahead[0], tree.axis[body])
            continue
        rotation_from_vector(dt * qd[at], dt * qd[at + 1], dt * qd[at + 2], turn)
        multiply(work.local[body], turn, ahead)
        rotation_from_vector(target[at], target[at + 1], target[at + 2], wanted)
        relative_vector(ahead, wanted, turn, out[at : at + 3])
        if tree.kind[body] == FREE:
            for i in range(3):
                out[at + 3 + i] = -dt * qd[at + 3 + i]
                for j in range(3):
                    out[at + 3 + i] += work.rotation[body, j, i] * (target[at + 3 + j] - displacement[j])


@njit(cache=True)
def stable_pd_spring(
    tree: Tree,
    qd: Array,
    displacement: Array,
    target: Array,
    qd_target: Array,
    kp: Array,
    kd: Array,
    dt: float,
    work: Workspace,
    out: Array,
) -> None:
    """Write the explicit part of the stable PD torque (Tan, Liu & Turk 2011) for `implicit_torque`.

    Args:
        tree: the skeleton.
        qd: generalised velocity, shape (dof,).
        displacement: of the root from its rest position, shape (3,) [m].
        target: target pose as generalised coordinates, shape (dof,).
        qd_target: velocity that the damping is relative to, shape (dof,).
        kp: stiffness, shape (dof,) [N m/rad, N/m].
        kd: damping, shape (dof,) [N m s/rad, N s/m].
        dt: physics step [s].
        work: buffers of the present pose.
        out: receives kp * error one step ahead - kd * (qd - qd_target), shape (dof,).
    """
    pose_error(tree, qd, displacement, target, dt, work, out)
    for i in range(qd.size):
        out[i] = kp[i] * out[i] - kd[i] * (qd[i] - qd_target[i])
