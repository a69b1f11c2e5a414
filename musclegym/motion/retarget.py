"""Retargeting: a clip of any known skeleton becomes a motion of a body.

World orientations are carried over: each body turns away from its rest pose as its joint in the source turns
away from the source's T-pose. Limbs point exactly as the source's do; where the body has a hinge, the limb
above is turned about its own axis until the hinge can reach that direction. The root follows the middle of
the hips, scaled by the length of the legs.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.motion.angles import joint_angles
from musclegym.motion.body_clip import poses_of
from musclegym.motion.clip import Clip
from musclegym.motion.cycle import at_origin, close_cycle, thrice, velocities
from musclegym.motion.families import Family
from musclegym.motion.feet import plant_feet
from musclegym.motion.frames import foot_contacts, place
from musclegym.motion.motion import Motion
from musclegym.motion.name_maps import NameMap, find_family
from musclegym.motion.rest_pose import t_pose_of
from musclegym.rotation import Array
from musclegym.skeleton import HINGE, Skeleton

if TYPE_CHECKING:
    from musclegym.body import Body

# Without a joint of its own, such a body takes half of the next one's turn.
SHARED = {"Spine": "Torso", "Neck": "Head"}


def retarget(
    clip: Clip,
    body: "Body",
    fps: float = 30.0,
    *,
    mapping: NameMap | None = None,
    cyclic: bool | None = None,
    keep_place: bool = False,
) -> Motion:
    """Make a motion of `body` from a clip.

    A clip on the body's own skeleton (see `poses_of`), such as `write_bvh` makes, is taken as it is: nothing
    but the motion's start and heading changes, unless it is cyclic.

    Args:
        clip: the recorded motion.
        body: who shall move, of the 23-body family.
        fps: frames per second of the motion [1/s].
        mapping: a user's own map for a skeleton of no known family: body name -> joint name, or the path of
            a TOML file (see `read_map`).
        cyclic: whether the motion repeats; by default as the clip says.
        keep_place: stay where the clip was recorded, instead of starting at x = z = 0 and heading along +z.

    Raises:
        FileNotFoundError: if the mapping's file is missing.
        ValueError: if the skeleton is of no known family and there is no mapping, or the mapping does not
            fit.
    """
    skeleton = body.skeleton
    family = find_family(clip, mapping)
    cyclic = clip.cyclic if cyclic is None else cyclic
    clip = followed(clip, skeleton, fps, mapping=mapping, cyclic=cyclic)
    copied = None if mapping is not None else poses_of(clip, skeleton)
    q, clipped = follow(clip, family, skeleton) if copied is None else (copied, 0.0)
    if not keep_place:
        q = at_origin(q, fps)
    turned, displacement = 0.0, np.zeros(3)
    if cyclic:
        turned, displacement = close_cycle(skeleton, q)
        q = plant_feet(skeleton, thrice(q, turned, displacement), fps)[len(q) - 1 : 2 * len(q) - 1]
        turned, displacement = close_cycle(skeleton, q)
    elif copied is None:
        q = plant_feet(skeleton, q, fps)
    contact = foot_contacts(skeleton, place(skeleton, q), fps)
    qd = velocities(skeleton, q, fps, cyclic)
    return Motion(skeleton, clip.name, q, qd, fps, contact, cyclic, turned, displacement, clipped)


def followed(
    clip: Clip, skeleton: Skeleton, fps: float, *, mapping: NameMap | None = None, cyclic: bool = False
) -> Clip:
    """Return the frames of a clip that a motion at `fps` is made from."""
    own = mapping is None and poses_of(clip, skeleton) is not None
    return replace(clip if own else without_lead_in(clip), cyclic=cyclic).resample(fps)


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
    turn = wanted_turns(rotation, t_pose_of(clip, family, skeleton), clip, family, skeleton)
    q, clipped = joint_angles(turn, skeleton, clip.fps)
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
