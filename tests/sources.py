"""Source skeletons made by code: a known motion of the human, written down in other names and other axes."""

from collections.abc import Callable

import numpy as np

from musclegym.body import Body
from musclegym.motion import Clip
from musclegym.motion.families import Family, about, axes
from musclegym.motion.frames import place
from musclegym.rotation import Array

Axes = Callable[[str], Array]
"""From a body's name to the orientation (3, 3) of its joint's axes while the source stands in a T-pose."""


def t_pose(body: str) -> Array:
    """A zero pose that is the T-pose, facing +z."""
    return np.eye(3)


def a_pose(body: str) -> Array:
    """A zero pose with the arms hanging 45 degrees from the horizontal."""
    if body[:-1] in ("Arm", "ForeArm", "Hand"):
        return about("z", 45.0 if body.endswith("L") else -45.0)
    return np.eye(3)


def n_pose(body: str) -> Array:
    """A zero pose with the arms at the sides."""
    if body[:-1] in ("Arm", "ForeArm", "Hand"):
        return about("z", 90.0 if body.endswith("L") else -90.0)
    return np.eye(3)


def facing_x(body: str) -> Array:
    """A T-pose that faces +x in the zero pose."""
    return about("y", -90.0)


def standing_along_z(body: str) -> Array:
    """A zero pose that stands along z and faces -y, as Blender's rigs do."""
    return axes("+x", "-z")


def bones_along_x(body: str) -> Array:
    """Every bone along its joint's own x: the zero pose is a heap of bones that all point the same way."""
    if body == "Pelvis" or body in ("Spine", "Torso", "Neck", "Head"):
        return axes("+y", "+z")
    if body[:-1] in ("Femur", "Tibia"):
        return axes("-y", "-z")
    if body[:-1] == "Talus":
        return axes("+z", "-y")
    return axes("+x", "-y") if body.endswith("L") else axes("-x", "+y")


def bones_along_y(body: str) -> Array:
    """Every bone along its joint's own y."""
    return bones_along_x(body) @ axes("+y", "-x")


def source(
    family: Family, body: Body, q: Array, fps: float, layout: Axes, rename: Callable[[str], str] = str
) -> Clip:
    """Return the poses `q` (frame, dof) of a body as a clip of a skeleton of some family.

    Args:
        family: gives the names of the joints.
        body: whose proportions the skeleton has.
        q: its poses.
        fps: their rate [1/s].
        layout: axes of the joints.
        rename: from the family's name of a joint to the one in the clip.
    """
    skeleton = body.skeleton
    frames = place(skeleton, q)
    bodies = [name for name in skeleton.body_names if name in family.joints]
    index = [skeleton.body(name) for name in bodies]
    parent = [-1, *(nearest_above(body, name, bodies) for name in bodies[1:])]
    rest = np.stack([layout(name) for name in bodies])
    world = frames.rotation[:, index] @ skeleton.joint_rotation[index].transpose(0, 2, 1) @ rest
    local = world.copy()
    offset = np.zeros((len(bodies), 3))
    for joint, above in enumerate(parent[1:], start=1):
        local[:, joint] = world[:, above].transpose(0, 2, 1) @ world[:, joint]
        step = skeleton.joint_position[index[joint]] - skeleton.joint_position[index[above]]
        offset[joint] = rest[above].T @ step
    names = [rename(family.joints[name]) for name in bodies]
    root = frames.position[:, index[0]]
    clip = Clip("made", "made", tuple(names), np.array(parent), offset, local, root, fps)
    return with_signs(clip, family, rename)


def nearest_above(body: Body, name: str, bodies: list[str]) -> int:
    """Return the index in `bodies` of the nearest body above one."""
    above = int(body.skeleton.parent[body.skeleton.body(name)])
    while body.body_names[above] not in bodies:
        above = int(body.skeleton.parent[above])
    return bodies.index(body.body_names[above])


def with_signs(clip: Clip, family: Family, rename: Callable[[str], str]) -> Clip:
    """Return the clip with the joints by which its family is told, at the root."""
    count = len(family.signs)
    rotation = np.concatenate([clip.rotation, np.tile(np.eye(3), (len(clip.root), count, 1, 1))], axis=1)
    names = (*clip.names, *(rename(sign) for sign in family.signs))
    parent = np.concatenate([clip.parent, np.zeros(count, dtype=clip.parent.dtype)])
    offset = np.concatenate([clip.offset, np.zeros((count, 3))])
    return Clip(clip.name, clip.source, names, parent, offset, rotation, clip.root, clip.fps)
