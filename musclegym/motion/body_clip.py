"""Clips on a body's own skeleton: poses as a clip, and such a clip as poses again, without retargeting.

A joint's frame in such a clip is the world's at rest, as other programs show skeletons. With the joint frame
J at rest and the joint's rotation L away from it, the clip's rotation is J L J^T.
"""

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from musclegym.motion.clip import Clip
from musclegym.rotation import Array
from musclegym.skeleton import HINGE, Skeleton

SAME_PLACE = 1e-3  # joints nearer than this to the body's are the body's [m]
SAME_AXIS = 1e-3  # a turn by less than this about other axes than the hinge's is rounding [rad]


def clip_of(skeleton: Skeleton, q: npt.ArrayLike, fps: float, name: str = "motion") -> Clip:
    """Return poses of a skeleton as a clip: what a policy did, or what a prior predicts.

    Args:
        skeleton: who moves.
        q: poses, shape (frame, dof) [rad, m].
        fps: frames per second.
        name: what to call the clip.

    Raises:
        ValueError: if the poses have not one finite number per DoF, or are fewer than two.
    """
    q = np.asarray(q, dtype=np.float64)
    if q.ndim != 2 or q.shape[1] != skeleton.n_dofs:
        raise ValueError(
            f"poses of this body have shape (frame, {skeleton.n_dofs}), but these have {q.shape}; give the "
            "poses of one motion, not their velocities or a batch"
        )
    rotation = np.empty((len(q), skeleton.n_bodies, 3, 3))
    for body, start in enumerate(skeleton.dof_start):
        if skeleton.joint_kind[body] == HINGE:
            vector = q[:, start, None] * skeleton.joint_axis[body]
        else:
            vector = q[:, start : start + 3]
        frame = skeleton.joint_rotation[body]
        rotation[:, body] = frame @ Rotation.from_rotvec(vector).as_matrix() @ frame.T
    root = skeleton.joint_position[0] + q[:, 3:6]
    return Clip(
        name, name, skeleton.body_names, skeleton.parent.copy(), offsets(skeleton), rotation, root, fps
    )


def poses_of(clip: Clip, skeleton: Skeleton) -> Array | None:
    """Return the poses (frame, dof) of a clip on the body's own skeleton; None where it is on another.

    It is on the body's own if names, parents and joint positions are the body's, and its hinges turn about
    their axes only.
    """
    if set(clip.names) != set(skeleton.body_names):
        return None
    joints = [clip.names.index(name) for name in skeleton.body_names]
    above = [clip.names[parent] if parent >= 0 else None for parent in clip.parent[joints]]
    expected = [skeleton.body_names[parent] if parent >= 0 else None for parent in skeleton.parent]
    if above != expected or np.abs(clip.offset[joints] - offsets(skeleton)).max() > SAME_PLACE:
        return None
    q = np.empty((len(clip.root), skeleton.n_dofs))
    for body, (joint, start) in enumerate(zip(joints, skeleton.dof_start, strict=True)):
        frame = skeleton.joint_rotation[body]
        vector = Rotation.from_matrix(frame.T @ clip.rotation[:, joint] @ frame).as_rotvec()
        if skeleton.joint_kind[body] == HINGE:
            axis = skeleton.joint_axis[body]
            q[:, start] = vector @ axis
            if np.abs(vector - q[:, start, None] * axis).max() > SAME_AXIS:
                return None
        else:
            q[:, start : start + 3] = vector
    q[:, 3:6] = clip.root - skeleton.joint_position[0]
    return q


def offsets(skeleton: Skeleton) -> Array:
    """Return the position of each joint from its parent's at rest, zero for the root, shape (body, 3) [m]."""
    out = skeleton.joint_position - skeleton.joint_position[skeleton.parent]
    out[0] = 0.0
    return out
