"""From wanted orientations of the bodies to joint angles within limits."""

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.rotation import Array
from musclegym.skeleton import BALL, FREE, HINGE, Skeleton

LIMBS = {
    a + s: b + s
    for s in "RL"
    for a, b in (("Femur", "Tibia"), ("Tibia", "Talus"), ("Arm", "ForeArm"), ("ForeArm", "Hand"))
}
# Sine of the flexion (15 degrees) below which the source's twist counts more than the plane of the limb.
STRAIGHT = 0.26


def joint_angles(turn: Array, skeleton: Skeleton) -> tuple[Array, float]:
    """Return poses (frame, dof) with the bodies turned as wanted, root not displaced, and the share clipped.

    Args:
        turn: wanted rotation of each body away from rest, in the world, shape (frame, body, 3, 3).
        skeleton: whose joints and limits.
    """
    tree = skeleton.tree
    q = np.zeros((len(turn), skeleton.n_dofs))
    actual = np.empty_like(turn)  # joint frames in the world
    clipped = 0
    for body in range(skeleton.n_bodies):
        start, kind, parent = skeleton.dof_start[body], tree.kind[body], tree.parent[body]
        base = tree.rest_rotation[body] if parent < 0 else actual[:, parent] @ tree.rest_rotation[body]
        columns = slice(start, start + (1 if kind == HINGE else 3))
        if kind == HINGE:
            values = hinge_angle(base.transpose(0, 2, 1) @ turn[:, body], skeleton, body)[:, None]
        else:
            wanted = turn_limb(turn, skeleton, body) if kind == BALL else turn[:, body]
            local = np.swapaxes(base, -1, -2) @ wanted @ skeleton.joint_rotation[body]
            values = Rotation.from_matrix(local).as_rotvec()
        q[:, columns] = (
            values if kind == FREE else np.clip(values, skeleton.lower[columns], skeleton.upper[columns])
        )
        clipped += int(np.count_nonzero(np.abs(q[:, columns] - values) > 1e-9))
        vector = q[:, columns] * tree.axis[body] if kind == HINGE else q[:, columns]
        actual[:, body] = base @ Rotation.from_rotvec(vector).as_matrix()
    return q, clipped / q[:, 6:].size


def limb_end(skeleton: Skeleton, body: int) -> int | None:
    """Return the body at the far end of a limb's bone, if `body` is one."""
    name = LIMBS.get(skeleton.body_names[body])
    return None if name is None else skeleton.body(name)


def bone_at_rest(skeleton: Skeleton, body: int, end: int) -> Array:
    """Return the unit vector from one joint to another in the rest pose, world axes, shape (3,)."""
    bone = skeleton.joint_position[end] - skeleton.joint_position[body]
    return bone / np.linalg.norm(bone)


def turn_limb(turn: Array, skeleton: Skeleton, body: int) -> Array:
    """Return the wanted turn of `body`, twisted about its bone so that the hinge at its end fits.

    The next bone shall point as wanted.
    A hinge keeps the next bone's component along its axis. With axis a, bone u (both of this body) and the
    direction e wanted for the next bone, seen in this body, the twist phi must give (Rot(u, phi) a) . e = a .
    v, where v is the next bone at rest: A cos phi + B sin phi + C = a . v. Of the two solutions the one
    nearer to zero is taken, weighted down as the limb gets straight and phi loses its meaning.
    """
    hinge = limb_end(skeleton, body)
    end = None if hinge is None or skeleton.joint_kind[hinge] != HINGE else limb_end(skeleton, hinge)
    if hinge is None or end is None:
        return turn[:, body]
    bone, after = bone_at_rest(skeleton, body, hinge), bone_at_rest(skeleton, hinge, end)
    axis = skeleton.joint_rotation[hinge] @ skeleton.joint_axis[hinge]
    wanted = np.einsum("fji,fj->fi", turn[:, body], turn[:, hinge] @ after)
    along = (axis @ bone) * bone
    a, b = wanted @ (axis - along), wanted @ np.cross(bone, axis)
    reach = np.maximum(np.hypot(a, b), 1e-9)
    spread = np.arccos(np.clip((axis @ after - wanted @ along) / reach, -1.0, 1.0))
    middle = np.arctan2(b, a)
    solutions = np.stack([middle + spread, middle - spread])
    solutions = (solutions + np.pi) % (2.0 * np.pi) - np.pi
    twist = np.take_along_axis(solutions, np.abs(solutions).argmin(axis=0)[None], axis=0)[0]
    flexion = np.linalg.norm(np.cross(wanted, bone), axis=1)
    bent = (flexion / STRAIGHT) ** 6
    twist *= bent / (bent + 1.0)
    return turn[:, body] @ Rotation.from_rotvec(twist[:, None] * bone).as_matrix()


def hinge_angle(relative: Array, skeleton: Skeleton, body: int) -> Array:
    """Return the angle (frame,) [rad] of the hinge of `body` that comes nearest to a wanted turn.

    Args:
        relative: wanted orientation, away from rest in the world's axes, seen from the joint frame, shape
            (frame, 3, 3).
        skeleton: whose hinge.
        body: of a limb, so that its bone shall point as wanted; else its whole rotation counts.
    """
    axis = skeleton.joint_axis[body]
    end = limb_end(skeleton, body)
    if end is None:
        quaternion = Rotation.from_matrix(relative @ skeleton.joint_rotation[body]).as_quat()
        angle = 2.0 * np.arctan2(quaternion[:, :3] @ axis, quaternion[:, 3])
        return (angle + np.pi) % (2.0 * np.pi) - np.pi
    bone = bone_at_rest(skeleton, body, end)
    start = skeleton.joint_rotation[body].T @ bone
    goal = relative @ bone
    start_flat = start - (start @ axis) * axis
    goal_flat = goal - (goal @ axis)[:, None] * axis
    return np.arctan2(goal_flat @ np.cross(axis, start_flat), goal_flat @ start_flat)
