"""From pose to muscle torque: path lengths, tensions and the torque matrix, as numba kernels.

The torque of a muscle under unit tension is minus the gradient of its path length (principle of virtual
work); each waypoint pulls towards its neighbours, and the wrenches travel inwards along the muscle's chain of
bodies.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from musclegym.muscle.hill import active_force_length, fibre_geometry, passive_force_length
from musclegym.muscle.path import Paths
from musclegym.rotation import Array
from musclegym.skeleton import Tree


class MuscleBuffers(NamedTuple):
    """What the kernels write about the muscles in the present pose."""

    waypoint: Array  # (waypoint, 3) in the world [m]
    path_length: Array  # (muscle,) [m]
    fibre_length: Array  # (muscle,) as a fraction of the optimal one [-]
    active_force: Array  # (muscle,) per unit activation, along the tendon [N]
    passive_force: Array  # (muscle,) along the tendon [N]
    torque_matrix: Array  # (muscle, dof) per unit activation [N m]
    passive_torque: Array  # (dof,) [N m]
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
        fibre_length=np.zeros(muscles),
        active_force=np.zeros(muscles),
        passive_force=np.zeros(muscles),
        torque_matrix=np.zeros((muscles, n_dofs)),
        passive_torque=np.zeros(n_dofs),
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
def muscle_forces(paths: Paths, out: MuscleBuffers) -> None:
    """Write fibre lengths, active forces per unit activation and passive forces along the tendons [N]."""
    for muscle in range(paths.max_force.size):
        length, cosine = fibre_geometry(
            out.path_length[muscle],
            paths.optimal_length[muscle],
            paths.slack_length[muscle],
            paths.pennation[muscle],
        )
        out.fibre_length[muscle] = length
        force = paths.max_force[muscle] * cosine
        out.active_force[muscle] = force * active_force_length(length)
        out.passive_force[muscle] = force * passive_force_length(length)


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
def chain_torques(tree: Tree, paths: Paths, axis: Array, out: MuscleBuffers) -> None:
    """Hand the wrenches inwards along the chains; write the torque matrix and the passive torque."""
    out.passive_torque[:] = 0.0
    for muscle in range(paths.max_force.size):
        first = paths.chain_start[muscle]
        active, passive = out.active_force[muscle], out.passive_force[muscle]
        for link in range(first, paths.chain_start[muscle + 1]):
            start = tree.dof_start[paths.chain_body[link]]
            for dof in range(start, start + paths.chain_dofs[link]):
                arm = 0.0
                for i in range(6):
                    arm += axis[dof, i] * out.wrench[link, i]
                out.torque_matrix[muscle, dof] = active * arm
                out.passive_torque[dof] += passive * arm
            if paths.chain_parent[link] >= 0:
                for i in range(6):
                    out.wrench[first + paths.chain_parent[link], i] += out.wrench[link, i]


@njit(cache=True)
def muscle_torques(
    tree: Tree, paths: Paths, rotation: Array, position: Array, axis: Array, out: MuscleBuffers
) -> None:
    """Fill `out` for a pose: joint frames (body, 3, 3), joint positions (body, 3), DoF axes (dof, 6)."""
    place_waypoints(paths, rotation, position, out)
    muscle_forces(paths, out)
    chain_wrenches(paths, out)
    chain_torques(tree, paths, axis, out)


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
