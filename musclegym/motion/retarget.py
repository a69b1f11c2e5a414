"""Retargeting: a clip of any known skeleton becomes a motion of a body.

World orientations are carried over: each body turns away from its rest pose as its joint in the source turns
away from the source's T-pose. Limbs point exactly as the source's do; where the body has a hinge, the limb
above is turned about its own axis until the hinge can reach that direction. The root follows the middle of
the hips, scaled by the length of the legs.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.motion.clip import Clip
from musclegym.motion.families import Family, find_family
from musclegym.motion.feet import plant_feet, shortest_turns
from musclegym.motion.frames import foot_contacts, place
from musclegym.motion.motion import Motion, carried_on
from musclegym.rotation import Array
from musclegym.skeleton import BALL, FREE, HINGE, Skeleton

if TYPE_CHECKING:
    from musclegym.body import Body

LIMBS = {
    a + s: b + s
    for s in "RL"
    for a, b in (("Femur", "Tibia"), ("Tibia", "Talus"), ("Arm", "ForeArm"), ("ForeArm", "Hand"))
}
# Without a joint of its own, such a body takes half of the next one's turn.
SHARED = {"Spine": "Torso", "Neck": "Head"}
# Sine of the flexion (15 degrees) below which the source's twist counts more than the plane of the limb.
STRAIGHT = 0.26
SMALL_TURN = np.radians(15.0)  # heading change per cycle that counts as an error in closing the loop [rad]


def retarget(
    clip: Clip,
    body: "Body",
    fps: float = 30.0,
    *,
    mapping: Mapping[str, str] | None = None,
    cyclic: bool | None = None,
    keep_place: bool = False,
) -> Motion:
    """Make a motion of `body` from a clip.

    Args:
        clip: the recorded motion.
        body: who shall move, of the 23-body family.
        fps: frames per second of the motion [1/s].
        mapping: body name -> joint name, for a skeleton of no known family; its zero pose must face +z, near
            a T-pose.
        cyclic: whether the motion repeats; by default as the clip says.
        keep_place: stay where the clip was recorded, instead of starting at x = z = 0 and heading along +z.

    Raises:
        ValueError: if the skeleton is of no known family and there is no mapping, or the mapping does not
            fit.
    """
    skeleton = body.skeleton
    family = find_family(clip, mapping)
    clip = without_lead_in(clip).resample(fps)
    q, clipped = follow(clip, family, skeleton)
    cyclic = clip.cyclic if cyclic is None else cyclic
    if not keep_place:
        q = at_origin(q, fps)
    turned, displacement = 0.0, np.zeros(3)
    if cyclic:
        turned, displacement = close_cycle(skeleton, q)
        q = plant_feet(skeleton, thrice(q, turned, displacement), fps)[len(q) - 1 : 2 * len(q) - 1]
        turned, displacement = close_cycle(skeleton, q)
    else:
        q = plant_feet(skeleton, q, fps)
    contact = foot_contacts(skeleton, place(skeleton, q), fps)
    qd = velocities(skeleton, q, fps, cyclic)
    return Motion(skeleton, clip.name, q, qd, fps, contact, cyclic, turned, displacement, clipped)


def without_lead_in(clip: Clip) -> Clip:
    """Return the clip without the zero pose that CMU conversions put before the motion.

    Such a clip starts within 3 degrees of its zero pose and leaves it more than five times as fast as it
    moves later. The step was low-pass filtered with the rest, so 0.1 s go.
    """
    turn = mean_angle(clip.rotation[:-1].transpose(0, 1, 3, 2) @ clip.rotation[1:])
    starts_at_zero = mean_angle(clip.rotation[:1])[0] < np.radians(3.0)
    lead_in = int(np.ceil(0.1 * clip.fps))
    drop = starts_at_zero and turn[0] > 5.0 * np.median(turn) and len(turn) > 2 * lead_in
    return clip.part(lead_in) if drop else clip


def mean_angle(rotation: Array) -> Array:
    """Return the mean angle over joints of rotations (frame, joint, 3, 3), shape (frame,) [rad]."""
    cosine = (np.trace(rotation, axis1=2, axis2=3) - 1.0) / 2.0
    return np.arccos(np.clip(cosine, -1.0, 1.0)).mean(axis=1)


def copy_rotations(clip: Clip, skeleton: Skeleton) -> Array:
    """Return the poses (frame, dof) that MASS's own reader makes of a clip recorded on the very body.

    Bodies take over the rotations of the joints that their `motion_names` state, hinges the part about their
    axis; bodies without such a name stay at rest. The root's displacement is its position in the file.

    Raises:
        ValueError: if the clip lacks a joint that the body names.
    """
    q = np.zeros((len(clip.root), skeleton.n_dofs))
    for body, name in enumerate(skeleton.motion_names):
        start = skeleton.dof_start[body]
        if name is None:
            continue
        vector = Rotation.from_matrix(clip.rotation[:, clip.joint(name)]).as_rotvec()
        if skeleton.joint_kind[body] == HINGE:
            q[:, start] = vector @ skeleton.joint_axis[body]
        else:
            q[:, start : start + 3] = vector
    q[:, 3:6] = clip.root
    return q


def follow(clip: Clip, family: Family, skeleton: Skeleton) -> tuple[Array, float]:
    """Return the poses (frame, dof) that follow a clip, and the share of joint angles that limits changed."""
    rotation, position = clip.pose
    turn = wanted_turns(rotation, t_pose(clip, family, skeleton), clip, family, skeleton)
    q, clipped = joint_angles(turn, skeleton)
    hips = [clip.joint(family.joints[name]) for name in ("FemurR", "FemurL")]
    own_hips = skeleton.joint_position[[skeleton.body("FemurR"), skeleton.body("FemurL")]].mean(axis=0)
    middle = leg_length_ratio(clip, family, skeleton) * position[:, hips].mean(axis=1)
    q[:, 3:6] = middle - turn[:, 0] @ (own_hips - skeleton.joint_position[0]) - skeleton.joint_position[0]
    return q, clipped


def leg_length_ratio(clip: Clip, family: Family, skeleton: Skeleton) -> float:
    """Return the length of the body's legs, hip to ankle, over that of the source's."""
    own = source = 0.0
    for upper, lower in (
        ("FemurR", "TibiaR"),
        ("TibiaR", "TalusR"),
        ("FemurL", "TibiaL"),
        ("TibiaL", "TalusL"),
    ):
        bone = skeleton.joint_position[skeleton.body(lower)] - skeleton.joint_position[skeleton.body(upper)]
        own += float(np.linalg.norm(bone))
        source += float(np.linalg.norm(clip.bone(family.joints[upper], family.joints[lower])))
    return own / source


def t_pose(clip: Clip, family: Family, skeleton: Skeleton) -> dict[str, Array]:
    """Return body name -> orientation (3, 3) of its joint when the source stands as the body at rest."""
    out: dict[str, Array] = {}
    for name, joint in family.joints.items():
        out[name] = family.t_pose.get(name, np.eye(3))
        end = LIMBS.get(name)
        if end is not None and end in family.joints:
            bone = skeleton.joint_position[skeleton.body(end)] - skeleton.joint_position[skeleton.body(name)]
            source = out[name] @ clip.bone(joint, family.joints[end])
            out[name] = shortest_turns(source[None], bone[None])[0] @ out[name]
    return out


def wanted_turns(
    rotation: Array, rest: Mapping[str, Array], clip: Clip, family: Family, skeleton: Skeleton
) -> Array:
    """Return how far each body should be turned from its rest pose, in the world, (frame, body, 3, 3)."""
    out = np.empty((len(rotation), skeleton.n_bodies, 3, 3))
    for body, name in enumerate(skeleton.body_names):
        if name in family.joints:
            out[:, body] = rotation[:, clip.joint(family.joints[name])] @ rest[name].T
        elif SHARED.get(name) in family.joints:
            after = SHARED[name]
            whole = rotation[:, clip.joint(family.joints[after])] @ rest[after].T
            out[:, body] = halfway(out[:, skeleton.parent[body]], whole)
        else:
            out[:, body] = out[:, skeleton.parent[body]]
    return out


def halfway(start: Array, end: Array) -> Array:
    """Return the rotations in the middle between `start` and `end`, shape (frame, 3, 3)."""
    turn = Rotation.from_matrix(start.transpose(0, 2, 1) @ end).as_rotvec()
    return start @ Rotation.from_rotvec(0.5 * turn).as_matrix()


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
    twist *= flexion**2 / (flexion**2 + STRAIGHT**2)
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


def heading(q: Array) -> Array:
    """Return where the pelvis faces, about the vertical from +z towards +x, shape (frame,) [rad]."""
    forward = Rotation.from_rotvec(q[:, :3]).as_matrix()[:, :, 2]
    return np.arctan2(forward[:, 0], forward[:, 2])


def at_origin(q: Array, fps: float) -> Array:
    """Return the poses turned and moved to start at x = z = 0 of the root's rest position, facing +z.

    A pelvis swings while walking, so the mean heading of the first second counts, unless the body turns in
    that time.
    """
    angles = heading(q[: int(fps) + 1])
    swing = (angles - angles[0] + np.pi) % (2.0 * np.pi) - np.pi
    mean = angles[0] + (swing.mean() if np.abs(swing).max() < np.radians(45.0) else 0.0)
    turn = Rotation.from_rotvec([0.0, -mean, 0.0])
    out = q.copy()
    out[:, :3] = (turn * Rotation.from_rotvec(q[:, :3])).as_rotvec()
    out[:, 3:6] = turn.apply(q[:, 3:6] - [q[0, 3], 0.0, q[0, 5]])
    return out


def close_cycle(skeleton: Skeleton, q: Array) -> tuple[float, Array]:
    """Change `q` (frame, dof) in place so that its end is its start, carried on; return heading and path.

    What the last pose lacks is spread evenly over the cycle. A heading change below 15 degrees counts as such
    a lack.
    """
    first, last = q[0].copy(), q[-1]
    start, end = heading(q[[0, -1]])
    turned = float((end - start + np.pi) % (2.0 * np.pi) - np.pi)
    turned = turned if abs(turned) > SMALL_TURN else 0.0
    turn = Rotation.from_rotvec([0.0, turned, 0.0])
    displacement = last[3:6] - turn.apply(first[3:6])
    displacement[1] = 0.0
    goal = first.copy()
    goal[:3] = (turn * Rotation.from_rotvec(first[:3])).as_rotvec()
    goal[3:6] = turn.apply(first[3:6]) + displacement
    lack = skeleton.difference(last, goal)
    for frame, part in enumerate(np.linspace(-0.5, 0.5, len(q))):
        q[frame] = skeleton.integrate(q[frame], lack, part)
    displacement = q[-1, 3:6] - turn.apply(q[0, 3:6])
    displacement[1] = 0.0
    return turned, displacement


def thrice(q: Array, turned: float, displacement: Array) -> Array:
    """Return three cycles of a closed motion `q` (frame, dof), the given one in the middle."""
    cycles = [
        np.array([carried_on(pose, count, turned, displacement) for pose in q[:-1]]) for count in (-1, 0, 1)
    ]
    return np.concatenate([*cycles, carried_on(q[-1], 1, turned, displacement)[None]])


def velocities(skeleton: Skeleton, q: Array, fps: float, cyclic: bool) -> Array:
    """Return velocities (frame, dof) by central differences; a cyclic motion's run on over its end."""
    qd = skeleton.velocities(q, fps)
    if cyclic:
        seam = 0.5 * fps * (skeleton.difference(q[0], q[1]) - skeleton.difference(q[-1], q[-2]))
        qd[0] = qd[-1] = seam
    return qd
