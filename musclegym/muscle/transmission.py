"""From pose and velocity to muscle torque: paths, moment arms, tensions and the torque matrix, in numba.

The torque of a muscle under unit tension, its moment arm, is minus the gradient of its path length (principle
of virtual work); each waypoint pulls towards its neighbours, and the wrenches travel inwards along the
muscle's chain of bodies. The same arms give the rate of the path length, so that the power of the muscles is
that of the joints.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from musclegym.muscle.hill import (
    active_force_length,
    fibre_geometry,
    force_velocity_slope,
    passive_force_length,
)
from musclegym.muscle.path import Paths
from musclegym.rotation import Array
from musclegym.skeleton import Tree


class MuscleBuffers(NamedTuple):
    """What the kernels write about the muscles in the present state."""

    waypoint: Array  # (waypoint, 3) in the world [m]
    path_length: Array  # (muscle,) [m]
    path_velocity: Array  # (muscle,) [m/s]
    fibre_length: Array  # (muscle,) as a fraction of the optimal one [-]
    fibre_velocity: Array  # (muscle,) as a fraction of the optimal length in a second [1/s]
    active_force: Array  # (muscle,) per unit activation, along the tendon [N]
    passive_force: Array  # (muscle,) along the tendon [N]
    damping: Array  # (muscle,) force per path velocity and unit activation, see `muscle_forces` [N s/m]
    moment_arm: Array  # (muscle, dof) torque of unit tension [m]
    torque_matrix: Array  # (muscle, dof) per unit activation [N m]
    passive_torque: Array  # (dof,) [N m]
    near: Array  # (dof,) scratch: sum of a muscle's absolute arms on one way from the root
    wrench: Array  # (link, 6) scratch: of unit tension on the bodies of the chains
    image: (
        Array  # (waypoint, 3, 3) scratch, about the root: either body's image of a waypoint, and the waypoint
    )


def make_muscle_buffers(paths: Paths, n_dofs: int) -> MuscleBuffers:
    """Return buffers for one set of muscles; the torque matrix starts at zero and keeps its zero entries."""
    muscles, waypoints = paths.max_force.size, paths.waypoint_body.shape[0]
    return MuscleBuffers(
        waypoint=np.zeros((waypoints, 3)),
        path_length=np.zeros(muscles),
        path_velocity=np.zeros(muscles),
        fibre_length=np.zeros(muscles),
        fibre_velocity=np.zeros(muscles),
        active_force=np.zeros(muscles),
        passive_force=np.zeros(muscles),
        damping=np.zeros(muscles),
        moment_arm=np.zeros((muscles, n_dofs)),
        torque_matrix=np.zeros((muscles, n_dofs)),
        passive_torque=np.zeros(n_dofs),
        near=np.zeros(n_dofs),
        wrench=np.zeros((paths.chain_body.size, 6)),
        image=np.zeros((waypoints, 3, 3)),
    )


# The kernels index arrays element by element and loop over the muscles inside: in numba a view of a row, or a
# tuple of arrays passed to a function, costs more than the arithmetic on one waypoint.


@njit(cache=True)
def place_waypoints(paths: Paths, rotation: Array, position: Array, out: MuscleBuffers) -> None:
    """Place the waypoints in the world and measure the paths."""
    for muscle in range(paths.max_force.size):
        start = paths.waypoint_start[muscle]
        length, px, py, pz = 0.0, 0.0, 0.0, 0.0
        for waypoint in range(start, paths.waypoint_start[muscle + 1]):
            x, y, z = 0.0, 0.0, 0.0
            for k in range(2):
                body = paths.waypoint_body[waypoint, k]
                if body < 0:
                    break
                a = paths.waypoint_position[waypoint, k, 0]
                b = paths.waypoint_position[waypoint, k, 1]
                c = paths.waypoint_position[waypoint, k, 2]
                for i in range(3):
                    place = rotation[body, i, 0] * a + rotation[body, i, 1] * b + rotation[body, i, 2] * c
                    out.image[waypoint, k, i] = place + position[body, i] - position[0, i]
                weight = paths.waypoint_weight[waypoint, k]
                x += weight * out.image[waypoint, k, 0]
                y += weight * out.image[waypoint, k, 1]
                z += weight * out.image[waypoint, k, 2]
            out.image[waypoint, 2, 0], out.image[waypoint, 2, 1], out.image[waypoint, 2, 2] = x, y, z
            out.waypoint[waypoint, 0] = x + position[0, 0]
            out.waypoint[waypoint, 1] = y + position[0, 1]
            out.waypoint[waypoint, 2] = z + position[0, 2]
            if waypoint > start:
                length += np.sqrt((x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2)
            px, py, pz = x, y, z
        out.path_length[muscle] = length


@njit(cache=True)
def chain_wrenches(paths: Paths, out: MuscleBuffers) -> None:
    """Write the wrench of unit tension on each body of each chain, about the root, into `out.wrench`."""
    out.wrench[:] = 0.0
    for muscle in range(paths.max_force.size):
        first, stop = paths.chain_start[muscle], paths.waypoint_start[muscle + 1]
        bx, by, bz = 0.0, 0.0, 0.0  # direction from the previous waypoint to this one
        for waypoint in range(paths.waypoint_start[muscle], stop):
            ax, ay, az = 0.0, 0.0, 0.0  # direction from this waypoint to the next one
            if waypoint + 1 < stop:
                ax = out.image[waypoint + 1, 2, 0] - out.image[waypoint, 2, 0]
                ay = out.image[waypoint + 1, 2, 1] - out.image[waypoint, 2, 1]
                az = out.image[waypoint + 1, 2, 2] - out.image[waypoint, 2, 2]
                length = np.sqrt(ax * ax + ay * ay + az * az)
                scale = 1.0 / length if length > 0.0 else 0.0  # coincident waypoints pull in no direction
                ax, ay, az = ax * scale, ay * scale, az * scale
            for k in range(2):
                if paths.waypoint_slot[waypoint, k] < 0:
                    continue
                link, weight = first + paths.waypoint_slot[waypoint, k], paths.force_weight[waypoint, k]
                fx, fy, fz = weight * (ax - bx), weight * (ay - by), weight * (az - bz)
                at = 2 if weight == 1.0 else k
                x, y, z = out.image[waypoint, at, 0], out.image[waypoint, at, 1], out.image[waypoint, at, 2]
                out.wrench[link, 0] += y * fz - z * fy
                out.wrench[link, 1] += z * fx - x * fz
                out.wrench[link, 2] += x * fy - y * fx
                out.wrench[link, 3] += fx
                out.wrench[link, 4] += fy
                out.wrench[link, 5] += fz
            bx, by, bz = ax, ay, az


@njit(cache=True)
def chain_arms(tree: Tree, paths: Paths, axis: Array, qd: Array, out: MuscleBuffers) -> None:
    """Hand the wrenches inwards along the chains; write moment arms and path velocities."""
    for muscle in range(paths.max_force.size):
        first, rate = paths.chain_start[muscle], 0.0
        for link in range(first, paths.chain_start[muscle + 1]):
            start = tree.dof_start[paths.chain_body[link]]
            for dof in range(start, start + paths.chain_dofs[link]):
                arm = 0.0
                for i in range(6):
                    arm += axis[dof, i] * out.wrench[link, i]
                out.moment_arm[muscle, dof] = arm
                rate -= arm * qd[dof]
            if paths.chain_parent[link] >= 0:
                for i in range(6):
                    out.wrench[first + paths.chain_parent[link], i] += out.wrench[link, i]
        out.path_velocity[muscle] = rate


@njit(cache=True, error_model="numpy")
def muscle_forces(paths: Paths, out: MuscleBuffers) -> None:
    """Write fibre lengths and velocities, and the forces along the tendons.

    The tendon is rigid, so that fibres of length l at the pennation angle p move at cos(p) times the path's
    velocity. `out.damping` is the rise of the active force from the isometric one per path velocity: with it,
    active_force = isometric force + damping * path_velocity.
    """
    for muscle in range(paths.max_force.size):
        optimal = paths.optimal_length[muscle]
        length, cosine = fibre_geometry(
            out.path_length[muscle], optimal, paths.slack_length[muscle], paths.pennation[muscle]
        )
        rate = cosine * out.path_velocity[muscle] / optimal
        relative = rate / paths.max_velocity[muscle]
        isometric = paths.max_force[muscle] * cosine * active_force_length(length)
        slope = force_velocity_slope(relative)
        out.fibre_length[muscle], out.fibre_velocity[muscle] = length, rate
        out.active_force[muscle] = isometric * (1.0 + slope * relative)
        out.passive_force[muscle] = paths.passive_force[muscle] * cosine * passive_force_length(length)
        out.damping[muscle] = isometric * slope * cosine / (optimal * paths.max_velocity[muscle])


@njit(cache=True)
def chain_torques(tree: Tree, paths: Paths, out: MuscleBuffers) -> None:
    """Write the torque matrix and the passive torque from arms and forces."""
    out.passive_torque[:] = 0.0
    for muscle in range(paths.max_force.size):
        active, passive = out.active_force[muscle], out.passive_force[muscle]
        for link in range(paths.chain_start[muscle], paths.chain_start[muscle + 1]):
            start = tree.dof_start[paths.chain_body[link]]
            for dof in range(start, start + paths.chain_dofs[link]):
                arm = out.moment_arm[muscle, dof]
                out.torque_matrix[muscle, dof] = active * arm
                out.passive_torque[dof] += passive * arm


@njit(cache=True)
def muscle_torques(
    tree: Tree, paths: Paths, rotation: Array, position: Array, axis: Array, qd: Array, out: MuscleBuffers
) -> None:
    """Fill `out` for a state.

    Args:
        tree: the skeleton.
        paths: the muscles.
        rotation: joint frames in the world, shape (body, 3, 3).
        position: joint positions, shape (body, 3) [m].
        axis: motion of each DoF about the root's position, shape (dof, 6).
        qd: generalised velocity, shape (dof,).
        out: buffers to fill.
    """
    place_waypoints(paths, rotation, position, out)
    chain_wrenches(paths, out)
    chain_arms(tree, paths, axis, qd, out)
    muscle_forces(paths, out)
    chain_torques(tree, paths, out)


@njit(cache=True)
def activation_torque(
    tree: Tree, paths: Paths, activation: Array, muscles: MuscleBuffers, out: Array
) -> None:
    """Write the torque of muscles at `activation` (muscle,), with the passive one, into `out` (dof,)."""
    for dof in range(out.size):
        out[dof] = muscles.passive_torque[dof]
    for muscle in range(activation.size):
        level = activation[muscle]
        for link in range(paths.chain_start[muscle], paths.chain_start[muscle + 1]):
            start = tree.dof_start[paths.chain_body[link]]
            for dof in range(start, start + paths.chain_dofs[link]):
                out[dof] += level * muscles.torque_matrix[muscle, dof]


@njit(cache=True)
def velocity_damping(tree: Tree, paths: Paths, activation: Array, muscles: MuscleBuffers, out: Array) -> None:
    """Write the damping of the joints by the force-velocity relation into `out` (dof, dof) [N m s/rad].

    The relation adds minus D qd to the joint torque, D being the sum over muscles of activation damping arm
    arm^T. Entries between DoFs of different branches, for which the solve over the tree has no place, go with
    their absolute values to the diagonal. The result exceeds D (by diagonal dominance), so that a step which
    resists the change of velocity by it is stable however light the limb.
    """
    out[:] = 0.0
    for muscle in range(activation.size):
        damping = activation[muscle] * muscles.damping[muscle]
        if damping == 0.0:
            continue
        first, stop, reach = paths.chain_start[muscle], paths.chain_start[muscle + 1], 0.0
        lowest = out.shape[0]
        for link in range(first, stop):
            start = tree.dof_start[paths.chain_body[link]]
            lowest = min(lowest, start)
            for dof in range(start, start + paths.chain_dofs[link]):
                muscles.near[dof] = 0.0
                reach += abs(muscles.moment_arm[muscle, dof])
        for link in range(first, stop):
            start = tree.dof_start[paths.chain_body[link]]
            for dof in range(start, start + paths.chain_dofs[link]):
                arm, other = muscles.moment_arm[muscle, dof], dof
                while other >= lowest:  # the DoF itself and those that carry it
                    beside = muscles.moment_arm[muscle, other]
                    out[dof, other] += damping * arm * beside
                    muscles.near[dof] += abs(beside)
                    if other != dof:
                        out[other, dof] += damping * arm * beside
                        muscles.near[other] += abs(arm)
                    other = tree.dof_parent[other]
        for link in range(first, stop):
            start = tree.dof_start[paths.chain_body[link]]
            for dof in range(start, start + paths.chain_dofs[link]):
                apart = max(reach - muscles.near[dof], 0.0)
                out[dof, dof] += damping * abs(muscles.moment_arm[muscle, dof]) * apart
