"""Augmentation of motions: the mirror image, in which left and right change places."""

import numpy as np

from musclegym.rotation import Array
from musclegym.skeleton import HINGE, Skeleton

ACROSS = np.diag([-1.0, 1.0, 1.0])  # reflection in the plane x = 0, for positions and velocities
ABOUT = -ACROSS  # the same for rotation vectors, which are axial: reflected and reversed


def mirrored(skeleton: Skeleton, states: Array) -> Array:
    """Return the mirror image of motions on a body that is alike on both sides.

    Bodies are paired by the last letter of their names, R or L; the others are their own image.

    Args:
        skeleton: the body.
        states: shape (..., 2 dof), q and qd.

    Returns:
        States of the motion reflected in the plane x = 0, shape (..., 2 dof).
    """
    position, velocity = _mirror_matrices(skeleton)
    n = skeleton.n_dofs
    return np.concatenate([states[..., :n] @ position.T, states[..., n:] @ velocity.T], axis=-1)


def _mirror_matrices(skeleton: Skeleton) -> tuple[Array, Array]:
    """Return the matrices (dof, dof) that mirror q and qd; they differ at the root's displacement."""
    position = np.zeros((skeleton.n_dofs, skeleton.n_dofs))
    for body, name in enumerate(skeleton.body_names):
        image = _image(skeleton, name)
        frame, image_frame = skeleton.joint_rotation[body], skeleton.joint_rotation[image]
        about = image_frame.T @ ABOUT @ frame
        row, column = skeleton.dof_start[image], skeleton.dof_start[body]
        if skeleton.joint_kind[body] == HINGE:
            position[row, column] = skeleton.joint_axis[image] @ about @ skeleton.joint_axis[body]
        else:
            position[row : row + 3, column : column + 3] = about
    velocity = position.copy()
    root = skeleton.joint_rotation[0]
    position[3:6, 3:6] = ACROSS
    velocity[3:6, 3:6] = root.T @ ACROSS @ root
    return position, velocity


def _image(skeleton: Skeleton, name: str) -> int:
    """Return the index of the body that `name` becomes in the mirror."""
    other = name[:-1] + {"R": "L", "L": "R"}.get(name[-1], name[-1])
    return skeleton.body(other if other in skeleton.body_names else name)
