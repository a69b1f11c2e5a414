"""From wanted orientations of the bodies to joint angles within limits."""

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.motion.curves import covering, eased
from musclegym.rotation import Array
from musclegym.skeleton import BALL, FREE, HINGE, Skeleton

LIMBS = {
    a + s: b + s
    for s in "RL"
    for a, b in (("Femur", "Tibia"), ("Tibia", "Talus"), ("Arm", "ForeArm"), ("ForeArm", "Hand"))
}
# Sine of the flexion (15 degrees) below which the source's twist counts more than the plane of the limb.
STRAIGHT = 0.26
TWIST = 0.2  # weight of a limb's turn about its bone against the bone's direction, where limits stop both
STEPS = 12  # Newton steps, of which the last is below 1e-3 rad
HALF_TURN = 2.0  # rotations by less are their own nearest way to limits [rad]
JUMP = 0.5  # how much more a joint may turn between frames than what it follows [rad]
FASTEST = 25.0  # a ball joint that turns faster, but not just before and after, was recorded wrongly [rad/s]
BURST = 4.0  # how many times as fast as before and after
BRIDGE = 0.1  # time before and after a jump over which it is spread [s]
BRIDGE_STIFFNESS = 0.03  # of the curve that does so (`eased`) [s]


def joint_angles(turn: Array, skeleton: Skeleton, fps: float) -> tuple[Array, float]:
    """Return poses (frame, dof) with the bodies turned as wanted, root not displaced, and the share clipped.

    Args:
        turn: wanted rotation of each body away from rest, in the world, shape (frame, body, 3, 3).
        skeleton: whose joints and limits.
        fps: frame rate [1/s].
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
        if kind == BALL:
            values = one_way_round(values, skeleton.lower[columns], skeleton.upper[columns])
        near = values if kind == FREE else within_limits(values, skeleton, body)
        clipped += int(np.count_nonzero(np.abs(near - values) > 1e-9))
        q[:, columns] = without_jumps(near, values, fps) if kind == BALL else near
        vector = q[:, columns] * tree.axis[body] if kind == HINGE else q[:, columns]
        actual[:, body] = base @ Rotation.from_rotvec(vector).as_matrix()
    return q, clipped / q[:, 6:].size


def one_way_round(vector: Array, lower: Array, upper: Array) -> Array:
    """Return rotation vectors (frame, 3) of the same rotations whose nearest angles within limits jump least.

    A rotation can be made either way round, and near half a turn both are as far from the limits: which one
    was taken would change with every frame. The sequence that is taken has the least sum of what is missed
    [rad] and of the changes of the angles within limits [rad].
    """
    angle = np.linalg.norm(vector, axis=1, keepdims=True)
    if angle.max() < HALF_TURN:
        return vector
    ways = np.stack([vector, vector * (1.0 - 2.0 * np.pi / np.maximum(angle, 1e-9))], axis=1)
    ends = np.clip(ways, lower, upper)
    wanted = Rotation.from_rotvec(vector)
    missed = np.stack([(Rotation.from_rotvec(ends[:, i]).inv() * wanted).magnitude() for i in (0, 1)], axis=1)
    change = np.linalg.norm(ends[1:, None] - ends[:-1, :, None], axis=3)  # (frame - 1, from, to)
    total, before = missed[0], np.zeros((len(vector), 2), dtype=np.int64)
    for frame in range(1, len(vector)):  # Viterbi (1967)
        paths = total[:, None] + change[frame - 1]
        before[frame] = paths.argmin(axis=0)
        total = paths.min(axis=0) + missed[frame]
    way = np.empty(len(vector), dtype=np.int64)
    way[-1] = total.argmin()
    for frame in range(len(vector) - 1, 0, -1):
        way[frame - 1] = before[frame, way[frame]]
    return ways[np.arange(len(vector)), way]


def without_jumps(vector: Array, wanted: Array, fps: float) -> Array:
    """Return joint angles (frame, 3) whose jumps are spread over the frames around them.

    Limits make some, where a joint leaves one end of its range for the other; recordings hold others, where
    markers were taken for each other or were missing for a while.

    Args:
        vector: rotation vectors within the limits [rad].
        wanted: the ones that they come nearest to, shape (frame, 3) [rad].
        fps: frame rate [1/s].
    """
    turns, reach = turns_between(wanted), max(1, round(BRIDGE * fps))
    padded = np.pad(turns, reach, mode="edge")
    around = np.maximum(padded[: len(turns)], padded[2 * reach :])
    bursts = (turns > FASTEST / fps) & (turns > BURST * around)
    jumps = (np.linalg.norm(np.diff(vector, axis=0), axis=1) - turns > JUMP) | bursts
    if not jumps.any():
        return vector
    near = np.convolve(jumps, np.ones(2 * reach), mode="full")[reach - 1 :][: len(vector)] > 0.5
    if near.all():
        return vector
    bridged = np.clip(eased(vector, ~near, fps, BRIDGE_STIFFNESS), vector.min(axis=0), vector.max(axis=0))
    return vector + covering(near.astype(np.float64), fps)[:, None] * (bridged - vector)


def turns_between(vector: Array) -> Array:
    """Return the angles between successive rotations (frame, 3), shape (frame - 1,) [rad]."""
    rotation = Rotation.from_rotvec(vector)
    return (rotation[:-1].inv() * rotation[1:]).magnitude()


def within_limits(values: Array, skeleton: Skeleton, body: int) -> Array:
    """Return the joint angles (frame, dof of the joint) within the limits that come nearest to `values`.

    Each angle for itself, except where the turn of a limb about its own bone is beyond its limits: then all
    three are found together, such that the bone points as nearly as it can as it should.
    """
    columns = slice(skeleton.dof_start[body], skeleton.dof_start[body] + values.shape[1])
    lower, upper = skeleton.lower[columns], skeleton.upper[columns]
    out = np.clip(values, lower, upper)
    end = limb_end(skeleton, body)
    if end is None or values.shape[1] == 1:
        return out
    bone = skeleton.joint_rotation[body].T @ bone_at_rest(skeleton, body, end)
    about = int(np.abs(bone).argmax())
    twisted = np.flatnonzero(np.abs(out - values)[:, about] > 1e-9)
    if len(twisted):
        out[twisted] = nearest_turn(values[twisted], lower, upper, bone)
    return out


def nearest_turn(vector: Array, lower: Array, upper: Array, bone: Array) -> Array:
    """Return the rotation vectors (n, 3) within a box whose rotations come nearest to those of `vector`.

    Least squares of the bone's direction, and with the weight `TWIST` of two directions across it, by
    Gauss-Newton steps on the angles that are not at a limit.

    Args:
        vector: wanted rotation vectors, shape (n, 3) [rad].
        lower: least angles, shape (3,) [rad].
        upper: largest angles, shape (3,) [rad].
        bone: direction of the limb, shape (3,).
    """
    across = np.linalg.svd(bone[None])[2][1:]
    points = np.stack([bone, *(TWIST * across)])
    goal = turned(vector, points)
    angle = np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), 1e-9)
    same = vector * (1.0 - 2.0 * np.pi / angle)  # the same rotation, the other way round
    middle = np.tile(0.5 * (lower + upper), (len(vector), 1))
    ends = np.stack([descend(x, lower, upper, points, goal) for x in (vector, same, middle)])
    miss = np.stack([np.linalg.norm(turned(end, points) - goal, axis=1) for end in ends])
    miss[0] -= 1e-3  # of equals, the vector itself: no jumps between frames
    return np.take_along_axis(ends, miss.argmin(axis=0)[None, :, None], axis=0)[0]


def turned(vector: Array, points: Array) -> Array:
    """Return points (point, 3) turned by rotation vectors (n, 3), shape (n, 3 x point)."""
    rotation = Rotation.from_rotvec(vector).as_matrix()
    return (points @ rotation.transpose(0, 2, 1)).reshape(len(vector), -1)


def descend(x: Array, lower: Array, upper: Array, points: Array, goal: Array) -> Array:
    """Return the rotation vectors (n, 3) of a box, from `x` on, that turn points nearest to a goal."""
    x, step = np.clip(x, lower, upper), 1e-6 * np.eye(3)
    for _ in range(STEPS):
        miss = turned(x, points) - goal
        slope = np.stack([turned(x + h, points) - turned(x - h, points) for h in step], axis=2) / 2e-6
        gradient = np.einsum("nij,ni->nj", slope, miss)
        held = ((x <= lower) & (gradient > 0.0)) | ((x >= upper) & (gradient < 0.0))
        curvature = slope.transpose(0, 2, 1) @ slope + 1e-4 * np.eye(3)
        curvature = np.where(held[:, :, None] | held[:, None, :], np.eye(3), curvature)
        x = np.clip(
            x - np.linalg.solve(curvature, np.where(held, 0.0, gradient)[..., None])[..., 0], lower, upper
        )
    return x


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
