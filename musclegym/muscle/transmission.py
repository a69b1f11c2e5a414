"""From pose to muscle torque: path lengths, tensions and the torque matrix, as numba kernels.

The torque of a muscle under unit tension is minus the gradient of its path length (principle of virtual
work); each waypoint pulls towards its neighbours, and the wrenches travel inwards along the muscle's chain of
bodies.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from musclegym.dynamics import dot6
from musclegym.muscle.hill import active_force_length, fibre_geometry, passive_force_length
from musclegym.muscle.path import Paths
from musclegym.rotation import Array
from musclegym.skeleton import Tree, joint_dofs


class MuscleBuffers(NamedTuple):
    """What the kernels write about the muscles in the present pose."""

    waypoint: Array  # (waypoint, 3) in the world [m]
    path_length: Array  # (muscle,) [m]
    active_force: Array  # (muscle,) per unit activation, along the tendon [N]
    passive_force: Array  # (muscle,) along the tendon [N]
    torque_matrix: Array  # (muscle, dof) per unit activation [N m]
    passive_torque: Array  # (dof,) [N m]
    wrench: Array  # (longest chain, 6) scratch
    image: Array  # (longest path, 3, 3) scratch, from the root: a waypoint as either body has it, and itself


def make_muscle_buffers(paths: Paths, n_dofs: int) -> MuscleBuffers:
    """Return buffers for one set of muscles; the torque matrix starts at zero and keeps its zero entries."""
    muscles, waypoints = paths.max_force.size, paths.waypoint_body.shape[0]
    return MuscleBuffers(
        waypoint=np.zeros((waypoints, 3)),
        path_length=np.zeros(muscles),
        active_force=np.zeros(muscles),
        passive_force=np.zeros(muscles),
        torque_matrix=np.zeros((muscles, n_dofs)),
        passive_torque=np.zeros(n_dofs),
        wrench=np.zeros((int(np.diff(paths.chain_start).max(initial=1)), 6)),
        image=np.zeros((int(np.diff(paths.waypoint_start).max(initial=2)), 3, 3)),
    )


@njit(cache=True)
def place_waypoints(paths: Paths, muscle: int, rotation: Array, position: Array, out: MuscleBuffers) -> None:
    """Place the waypoints of one muscle in the world and measure its path."""
    start = paths.waypoint_start[muscle]
    length = 0.0
    for waypoint in range(start, paths.waypoint_start[muscle + 1]):
        point = out.waypoint[waypoint]
        point[:] = 0.0
        for k in range(2):
            body = paths.waypoint_body[waypoint, k]
            if body < 0:
                break
            r, local = rotation[body], paths.waypoint_position[waypoint, k]
            weight, image = paths.waypoint_weight[waypoint, k], out.image[waypoint - start, k]
            for i in range(3):
                place = r[i, 0] * local[0] + r[i, 1] * local[1] + r[i, 2] * local[2] + position[body, i]
                point[i] += weight * place
                image[i] = place - position[0, i]
        out.image[waypoint - start, 2] = point - position[0]
        if waypoint > start:
            before = out.waypoint[waypoint - 1]
            length += np.sqrt(
                (point[0] - before[0]) ** 2 + (point[1] - before[1]) ** 2 + (point[2] - before[2]) ** 2
            )
    out.path_length[muscle] = length


@njit(cache=True)
def chain_wrenches(paths: Paths, muscle: int, out: MuscleBuffers) -> None:
    """Write the wrench of unit tension on each body of the muscle's chain, about the root's position.

    Reads what `place_waypoints` wrote and fills `out.wrench`.
    """
    start, stop = paths.waypoint_start[muscle], paths.waypoint_start[muscle + 1]
    out.wrench[: paths.chain_start[muscle + 1] - paths.chain_start[muscle]] = 0.0
    bx, by, bz = 0.0, 0.0, 0.0  # direction from the previous waypoint to this one
    for waypoint in range(start, stop):
        ax, ay, az = 0.0, 0.0, 0.0  # direction from this waypoint to the next one
        if waypoint + 1 < stop:
            here, there = out.waypoint[waypoint], out.waypoint[waypoint + 1]
            ax, ay, az = there[0] - here[0], there[1] - here[1], there[2] - here[2]
            length = np.sqrt(ax * ax + ay * ay + az * az)
            scale = 1.0 / length if length > 0.0 else 0.0  # coincident waypoints pull in no direction
            ax, ay, az = ax * scale, ay * scale, az * scale
        for k in range(2):
            slot = paths.waypoint_slot[waypoint, k]
            if slot < 0:
                continue
            weight = paths.force_weight[waypoint, k]
            fx, fy, fz = weight * (ax - bx), weight * (ay - by), weight * (az - bz)
            p, w = out.image[waypoint - start, 2 if weight == 1.0 else k], out.wrench[slot]
            w[0] += p[1] * fz - p[2] * fy
            w[1] += p[2] * fx - p[0] * fz
            w[2] += p[0] * fy - p[1] * fx
            w[3] += fx
            w[4] += fy
            w[5] += fz
        bx, by, bz = ax, ay, az


@njit(cache=True)
def chain_torques(tree: Tree, paths: Paths, muscle: int, axis: Array, out: MuscleBuffers) -> None:
    """Hand the wrenches inwards; write the muscle's row of the torque matrix and add its passive torque."""
    first = paths.chain_start[muscle]
    row, active, passive = out.torque_matrix[muscle], out.active_force[muscle], out.passive_force[muscle]
    for slot in range(paths.chain_start[muscle + 1] - first):
        body, parent = int(paths.chain_body[first + slot]), paths.chain_parent[first + slot]
        at, w = tree.dof_start[body], out.wrench[slot]
        for k in range(at, at + joint_dofs(tree, body)):
            arm = dot6(axis[k], w)
            row[k] = active * arm
            out.passive_torque[k] += passive * arm
        if parent >= 0:
            for i in range(6):
                out.wrench[parent, i] += w[i]


@njit(cache=True)
def muscle_forces(paths: Paths, muscle: int, out: MuscleBuffers) -> None:
    """Write one muscle's active force per unit activation and its passive force, along the tendon [N]."""
    length, cosine = fibre_geometry(
        out.path_length[muscle],
        paths.optimal_length[muscle],
        paths.slack_length[muscle],
        paths.pennation[muscle],
    )
    force = paths.max_force[muscle] * cosine
    out.active_force[muscle] = force * active_force_length(length)
    out.passive_force[muscle] = force * passive_force_length(length)


@njit(cache=True)
def muscle_torques(
    tree: Tree, paths: Paths, rotation: Array, position: Array, axis: Array, out: MuscleBuffers
) -> None:
    """Fill `out` for a pose: joint frames (body, 3, 3), joint positions (body, 3), DoF axes (dof, 6)."""
    out.passive_torque[:] = 0.0
    for muscle in range(paths.max_force.size):
        place_waypoints(paths, muscle, rotation, position, out)
        muscle_forces(paths, muscle, out)
        chain_wrenches(paths, muscle, out)
        chain_torques(tree, paths, muscle, axis, out)


@njit(cache=True)
def activation_torque(
    tree: Tree, paths: Paths, activation: Array, muscles: MuscleBuffers, out: Array
) -> None:
    """Write the torque of the muscles at `activation` (muscle,), with the passive one, into `out` (dof,)."""
    out[:] = muscles.passive_torque
    for muscle in range(activation.size):
        row = muscles.torque_matrix[muscle]
        for link in range(paths.chain_start[muscle], paths.chain_start[muscle + 1]):
            body = int(paths.chain_body[link])
            at = tree.dof_start[body]
            for k in range(at, at + joint_dofs(tree, body)):
                out[k] += activation[muscle] * row[k]
