"""Rates of muscle path lengths."""

import numpy as np

from musclegym.muscle.path import MuscleSet
from musclegym.rotation import Array


def path_velocities(
    muscles: MuscleSet, waypoints: Array, rotation: Array, angular: Array, linear: Array
) -> Array:
    """Return the rate of each path length, shape (muscle,) [m/s].

    Waypoints move with the bodies that carry them; a path grows by the motion of neighbouring ones apart.

    Args:
        muscles: the muscles.
        waypoints: present waypoints in the world, shape (waypoint, 3) [m].
        rotation: joint frames in the world, shape (body, 3, 3).
        angular: angular velocities of the bodies in the world, shape (body, 3) [rad/s].
        linear: velocities of the joints in the world, shape (body, 3) [m/s].
    """
    body = muscles.waypoint_body  # -1 picks the last body, with weight zero
    arm = np.einsum("wkij,wkj->wki", rotation[body], muscles.waypoint_position)
    velocity = np.einsum("wk,wki->wi", muscles.waypoint_weight, linear[body] + np.cross(angular[body], arm))
    way, apart = np.diff(waypoints, axis=0), np.diff(velocity, axis=0)
    length = np.linalg.norm(way, axis=1)
    rate = np.einsum("si,si->s", way, apart) / np.where(length > 0.0, length, 1.0)
    within = np.ones(len(rate), dtype=np.bool_)
    within[muscles.waypoint_start[1:-1] - 1] = False  # from the end of one muscle to the start of the next
    muscle = np.repeat(np.arange(muscles.n_muscles), np.diff(muscles.waypoint_start))[1:]
    out = np.zeros(muscles.n_muscles)
    np.add.at(out, muscle[within], rate[within])
    return out
