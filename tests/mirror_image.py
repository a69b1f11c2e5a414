"""The mirror image of poses of the default human, worked out by hand for tests."""

import numpy as np

from musclegym.rotation import Array
from musclegym.skeleton import HINGE, Skeleton


def mirrored_poses(skeleton: Skeleton, q: Array) -> Array:
    """Return poses (frame, dof) reflected in x = 0; the joint frames must be world aligned at rest.

    Rotation vectors are axial: their x stays, y and z change sign. Hinges lie along one axis.
    """
    out = np.empty_like(q)
    for body, name in enumerate(skeleton.body_names):
        other = name[:-1] + {"R": "L", "L": "R"}.get(name[-1], name[-1])
        image = skeleton.body(other if other in skeleton.body_names else name)
        start, end = skeleton.dof_start[body], skeleton.dof_start[image]
        if skeleton.joint_kind[body] == HINGE:
            out[:, end] = q[:, start] * (1.0 if skeleton.joint_axis[body, 0] else -1.0)
        else:
            out[:, end : end + 3] = q[:, start : start + 3] * [1.0, -1.0, -1.0]
    out[:, 3:6] = q[:, 3:6] * [-1.0, 1.0, 1.0]
    return out
