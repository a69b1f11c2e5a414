"""A body as URDF text, the file format from which the physics engine reads it."""

from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.body import Body
from musclegym.link_frames import link_frames
from musclegym.rotation import Array
from musclegym.skeleton import HINGE


def urdf(body: Body) -> str:
    """Return the body as URDF text, link frames at the joints along the principal axes of inertia."""
    skeleton, frames = body.skeleton, link_frames(body.skeleton)
    in_world = skeleton.joint_rotation @ frames.to_joint
    to_box = in_world.transpose(0, 2, 1) @ skeleton.body_rotation
    to_box[~skeleton.contact] = np.eye(3)  # has no box
    to_child = in_world[skeleton.parent.clip(0)].transpose(0, 2, 1) @ in_world
    box_angles, joint_angles = angles(to_box), angles(to_child)
    robot = ElementTree.Element("robot", name=body.name)
    for index, name in enumerate(skeleton.body_names):
        link = ElementTree.SubElement(robot, "link", name=name)
        centre = in_world[index].T @ (skeleton.com[index] - skeleton.joint_position[index])
        inertial = ElementTree.SubElement(link, "inertial")
        ElementTree.SubElement(inertial, "origin", xyz=text(centre), rpy="0 0 0")
        ElementTree.SubElement(inertial, "mass", value=text([skeleton.mass[index]]))
        xx, yy, zz = (text([value]) for value in frames.principal_inertia[index])
        ElementTree.SubElement(inertial, "inertia", ixx=xx, iyy=yy, izz=zz, ixy="0", ixz="0", iyz="0")
        if skeleton.contact[index]:
            collision = ElementTree.SubElement(link, "collision")
            ElementTree.SubElement(collision, "origin", xyz=text(centre), rpy=text(box_angles[index]))
            geometry = ElementTree.SubElement(collision, "geometry")
            ElementTree.SubElement(geometry, "box", size=text(skeleton.size[index]))
    for index in range(1, skeleton.n_bodies):
        parent, hinge = skeleton.parent[index], skeleton.joint_kind[index] == HINGE
        name = skeleton.body_names[index]
        joint = ElementTree.SubElement(robot, "joint", name=name, type="continuous" if hinge else "spherical")
        ElementTree.SubElement(joint, "parent", link=skeleton.body_names[parent])
        ElementTree.SubElement(joint, "child", link=name)
        offset = in_world[parent].T @ (skeleton.joint_position[index] - skeleton.joint_position[parent])
        ElementTree.SubElement(joint, "origin", xyz=text(offset), rpy=text(joint_angles[index]))
        axis = frames.to_joint[index].T @ skeleton.joint_axis[index] if hinge else [1.0, 0.0, 0.0]
        ElementTree.SubElement(joint, "axis", xyz=text(axis))
    ElementTree.indent(robot)  # the engine breaks words in lines of more than 1024 characters
    return ElementTree.tostring(robot, encoding="unicode")


def text(numbers: Sequence[float] | Array) -> str:
    """Return numbers as URDF text."""
    return " ".join(f"{float(number):.17g}" for number in numbers)


def angles(rotation: Array) -> Array:
    """Return the roll, pitch and yaw (n, 3) [rad] of rotation matrices (n, 3, 3)."""
    return Rotation.from_matrix(rotation).as_euler("xyz")
