"""How a source stands in the T-pose: from its table, its zero pose, or its motion."""

from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.motion.angles import LIMBS
from musclegym.motion.clip import Clip
from musclegym.motion.families import ARM, BODIES, LEG, Family
from musclegym.motion.feet import shortest_turns
from musclegym.rotation import Array
from musclegym.skeleton import Skeleton

UPRIGHT = 0.7  # cosine of the angle (45 degrees) that a leg of a standing zero pose may be off the vertical
PRIOR = 0.1  # weight of the usual plane of a limb against the one in which it bends, sine of 6 degrees
QUIET = 0.25  # share of frames, those with the slowest ankle, in which a foot is taken to stand flat


def t_pose_of(clip: Clip, family: Family, skeleton: Skeleton) -> dict[str, Array]:
    """Return body name -> orientation (3, 3) of its joint when the source stands as the body at rest.

    What the family's table leaves open comes from the zero pose if it stands upright (a T-, A- or N-pose,
    facing anywhere), else from the motion (`t_pose_of_motion`); so does all where the table does not fit the
    bones, as when another program has changed the axes. Thighs, shins and arms are then turned by the
    smallest rotation that makes their bones point as the body's; a hand turns with its forearm where the
    table does not state it.

    Raises:
        ValueError: if the zero pose does not stand, and the motion cannot tell for lack of arms and head.
    """
    table = family.t_pose if fits_bones(clip, family) else {}
    out = dict(table)
    if not set(family.joints) <= set(out):
        turn = facing(clip, family)
        derived = t_pose_of_motion(clip, family) if turn is None else dict.fromkeys(family.joints, turn)
        out = derived | out
    for name in (body for body in BODIES if body in family.joints):
        end = LIMBS.get(name)
        if end is not None and end in family.joints:
            bone = skeleton.joint_position[skeleton.body(end)] - skeleton.joint_position[skeleton.body(name)]
            source = out[name] @ clip.bone(family.joints[name], family.joints[end])
            turn = shortest_turns(source[None], bone[None])[0]
            out[name] = turn @ out[name]
            if end.startswith("Hand") and end not in table:
                out[end] = turn @ out[end]
    return out


def fits_bones(clip: Clip, family: Family) -> bool:
    """Whether the bones of the legs point down where a family's table says how their joints are turned."""
    bones = [
        family.t_pose[high + side] @ clip.bone(family.joints[high + side], family.joints[low + side])
        for side in "LR"
        for high, low in pairwise(LEG)
        if high + side in family.t_pose
    ]
    return all(-bone[1] > UPRIGHT * np.linalg.norm(bone) for bone in bones)


def facing(clip: Clip, family: Family) -> Array | None:
    """Return the turn (3, 3) that makes the zero pose face +z with its head up, or None if it does not stand.

    It is one of the 24 turns that swap axes: files lay their zero pose along axes, and small slants of trunk
    or hips are the person's.
    """
    position = np.zeros((len(clip.names), 3))
    for joint, parent in enumerate(clip.parent[1:], start=1):
        position[joint] = position[parent] + clip.offset[joint]
    at = {body: position[clip.joint(joint)] for body, joint in family.joints.items()}
    left = at["FemurL"] - at["FemurR"]
    up = 0.5 * (at["FemurL"] + at["FemurR"] - at["TalusL"] - at["TalusR"])
    x, y = (np.sign(axis) * (np.abs(axis) == np.abs(axis).max()) for axis in (left, up))
    turn = np.stack([x, y, np.cross(x, y)])
    legs = [at[low + side] - at[high + side] for side in "LR" for high, low in pairwise(LEG)]
    down = [(turn @ leg)[1] / max(float(np.linalg.norm(leg)), 1e-9) for leg in legs]
    trunk = [(turn @ (at[body] - at["FemurL"]))[1] for body in ("Head", "ArmL", "ArmR") if body in at]
    stands = max(down) < -UPRIGHT and min(trunk, default=1.0) > 0.0
    return turn if stands and abs(np.linalg.det(turn) - 1.0) < 1e-9 else None


def t_pose_of_motion(clip: Clip, family: Family) -> dict[str, Array]:
    """Return body name -> orientation (3, 3) of its joint in the T-pose, estimated from how it moves.

    For files whose zero pose is no stance, with whatever axes their joints have. On average over the motion
    the parts of the trunk, the clavicles and the head are taken to be in line with the trunk; knees bend
    backwards and elbows forwards, which tells how limbs are turned about their bones; a foot is flat while
    its ankle is slowest; a hand is, on average, straight on its forearm.

    Raises:
        ValueError: if neither arms nor head are known.
    """
    rotation, position = clip.pose
    turned = {body: rotation[:, clip.joint(joint)] for body, joint in family.joints.items()}
    at = {body: position[:, clip.joint(joint)] for body, joint in family.joints.items()}
    trunk = trunk_frames(clip, at)
    out = {body: mean_turn(trunk, own) for body, own in turned.items()}
    for side, left in (("L", 1.0), ("R", -1.0)):
        leg, arm = (tuple(part + side for part in parts) for parts in (LEG, ARM[1:]))
        out |= limb_t_pose(turned, at, leg, np.array([0.0, -1.0, 0.0]), -trunk[..., 2])
        middle, foot = leg[1:]
        axis = turned[middle] @ out[middle].T @ [1.0, 0.0, 0.0]
        out[foot] = flat_foot(at[foot], axis, turned[foot])
        if set(arm) <= set(at):
            out |= limb_t_pose(turned, at, arm, np.array([left, 0.0, 0.0]), trunk[..., 2])
            out[arm[2]] = out[arm[1]] @ mean_turn(turned[arm[1]], turned[arm[2]])
    return out


def limb_t_pose(
    turned: dict[str, Array], at: dict[str, Array], limb: tuple[str, ...], bone: Array, bends: Array
) -> dict[str, Array]:
    """Return the orientations (3, 3) in the T-pose of both bones of a limb, from the plane they bend in.

    Args:
        turned: body name -> orientation of its joint in the world, shape (frame, 3, 3).
        at: body name -> path of its joint, shape (frame, 3) [m].
        limb: the two bodies and the one at their end.
        bone: direction of both bones in the T-pose, shape (3,).
        bends: direction to which the limb bends at its middle, backwards or forwards, shape (frame, 3).
    """
    first, second = (unit(at[low] - at[high]) for high, low in pairwise(limb))
    hinge = np.cross(first, second + PRIOR * bends)
    axis = [1.0, 0.0, 0.0] if bone[0] == 0.0 else np.cross(bone, [0.0, 0.0, 1.0])
    wanted = frame_of(bone, np.asarray(axis))
    return {
        body: wanted @ frame_of(seen_from(turned[body], along), seen_from(turned[body], hinge)).T
        for body, along in zip(limb, (first, second), strict=False)
    }


def seen_from(frames: Array, vectors: Array) -> Array:
    """Return the mean of vectors (frame, 3) as they appear in frames (frame, 3, 3), shape (3,)."""
    return np.einsum("fji,fj->fi", frames, vectors).mean(axis=0)


def trunk_frames(clip: Clip, at: dict[str, Array]) -> Array:
    """Return left, up and forward of the trunk as columns, shape (frame, 3, 3).

    Raises:
        ValueError: if neither arms nor head are known.
    """
    hips = 0.5 * (at["FemurL"] + at["FemurR"])
    left = unit(at["FemurL"] - at["FemurR"])
    if {"ArmL", "ArmR"} <= set(at):
        top = 0.5 * (at["ArmL"] + at["ArmR"])
        left = left + unit(at["ArmL"] - at["ArmR"])
    elif "Head" in at:
        top = at["Head"]
    else:
        raise ValueError(
            f"{clip.source}: the zero pose must stand upright where neither arms nor head are mapped, but "
            f"its legs do not point down; map ArmL and ArmR too, or state [t_pose]"
        )
    up = unit(top - hips)
    left = unit(left - np.sum(left * up, axis=1, keepdims=True) * up)
    return np.stack([left, up, np.cross(left, up)], axis=-1)


def flat_foot(ankle: Array, left: Array, foot: Array) -> Array:
    """Return the orientation (3, 3) of a foot that stands flat and points ahead.

    Args:
        ankle: path of the ankle, shape (frame, 3) [m].
        left: direction of the knee's axis, to the left of the shin, shape (frame, 3).
        foot: orientation of the foot in the world, shape (frame, 3, 3).
    """
    speed = np.linalg.norm(np.gradient(ankle, axis=0), axis=1)
    stands = speed <= np.quantile(speed, QUIET)
    up = np.array([0.0, 1.0, 0.0])
    level = unit(left[stands] * [1.0, 0.0, 1.0])
    frames = np.stack([level, np.broadcast_to(up, level.shape), np.cross(level, up)], axis=-1)
    return mean_turn(frames, foot[stands])


def mean_turn(base: Array, turned: Array) -> Array:
    """Return the mean orientation (3, 3) of one frame seen from another, both (frame, 3, 3)."""
    return Rotation.from_matrix(base.transpose(0, 2, 1) @ turned).mean().as_matrix()


def frame_of(first: Array, second: Array) -> Array:
    """Return the orthonormal frame (3, 3) whose first column is along `first`, the second near `second`."""
    x = first / np.linalg.norm(first)
    y = second - (second @ x) * x
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def unit(vectors: Array) -> Array:
    """Return vectors (n, 3) scaled to length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
