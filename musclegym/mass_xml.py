"""Read bodies of the MASS family: a skeleton file (human.xml) and a muscle file (muscle284.xml).

World axes are as ours. The format is that of the released MASS code (Lee et al. 2019, Scalable
muscle-actuated human simulation and control, ACM TOG 38:73). `musclegym.mass_xml_writer` writes it, and says
which attributes of our own are read here.
"""

from pathlib import Path
from typing import Literal, get_args
from xml.etree import ElementTree

import numpy as np

from musclegym.muscle.path import MuscleSet
from musclegym.rotation import Array
from musclegym.skeleton import BALL, DOFS_OF_KIND, FREE, HINGE, Skeleton

Transmission = Literal["consistent", "mass"]
JOINT_KINDS = {"Free": FREE, "Ball": BALL, "Revolute": HINGE}
BLEND_DISTANCE = 0.08
"""An inner waypoint nearer than this to a joint is blended between the two bodies of the joint [m]."""
TINY_DISTANCE = 1e-12
"""Least distance between a blended waypoint and a joint, to divide by [m]."""
MASS_GRAVITY = 9.8
"""Acceleration of free fall in the released code [m/s^2]."""


def load_mass_skeleton(path: Path) -> Skeleton:
    """Read a skeleton file.

    Args:
        path: file with one `Node` per body, each with a `Body` and a `Joint`, both placed in the world in the
            rest pose.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a parent is unknown, a number is missing or malformed, or a joint or shape is of an
            unknown type.
    """
    nodes, names = elements("Node", path)
    parts = [(child(node, "Body", path), child(node, "Joint", path)) for node in nodes]
    joints = [placement(joint, path) for _, joint in parts]
    bodies = [placement(body, path) for body, _ in parts]
    kinds = np.array([joint_kind(joint, name, path) for name, (_, joint) in zip(names, parts, strict=True)])
    mass = np.array([numbers(body, "mass", 1, path)[0] for body, _ in parts])
    size, inertia = zip(
        *(shape(body, m, path) for (body, _), m in zip(parts, mass, strict=True)), strict=True
    )
    axis = [
        numbers(j, "axis", 3, path) if k == HINGE else np.zeros(3)
        for (_, j), k in zip(parts, kinds, strict=True)
    ]
    return Skeleton(
        body_names=tuple(names),
        parent=np.array([parent_index(node, names, path) for node in nodes]),
        joint_kind=kinds,
        joint_position=np.array([position for _, position in joints]),
        joint_rotation=np.array([rotation for rotation, _ in joints]),
        joint_axis=np.array([a / (np.linalg.norm(a) or 1.0) for a in axis]),
        com=np.array([position for _, position in bodies]),
        body_rotation=np.array([rotation for rotation, _ in bodies]),
        mass=mass,
        inertia=np.array(inertia),
        size=np.array(size),
        contact=np.array([flag(body, "contact", ("Off", "On"), path) for body, _ in parts]),
        lower=joint_limits(parts, kinds, "lower", -np.inf, path),
        upper=joint_limits(parts, kinds, "upper", np.inf, path),
        motion_names=tuple(joint.get("bvh") for _, joint in parts),
        end_effector=np.array([flag(node, "endeffector", ("False", "True"), path) for node in nodes]),
    )


def load_mass_gravity(path: Path) -> float:
    """Return the acceleration of free fall that a skeleton file states, or that of the released code [m/s^2].

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no finite number.
    """
    return optional_number(read_xml(path), "gravity", MASS_GRAVITY, path)


def load_mass_muscles(path: Path, skeleton: Skeleton, transmission: Transmission = "consistent") -> MuscleSet:
    """Read a muscle file for `skeleton`.

    Args:
        path: file with one `Unit` per muscle; `lm` and `lt` are fractions of the path length in the rest
            pose.
        skeleton: bodies that the waypoints name.
        transmission: "mass" puts the force of a blended waypoint on its first body, as the released code
            does, which breaks virtual work; "consistent" shares it as the geometry does.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a waypoint names an unknown body, or a number is missing or malformed.
    """
    if transmission not in get_args(Transmission):
        raise ValueError(
            f"transmission must be one of {', '.join(get_args(Transmission))}, but is {transmission!r}; "
            f"use one of these"
        )
    units, names = elements("Unit", path)
    paths = [rest_path(unit, skeleton, path) for unit in units]
    points, bodies, weights = (np.concatenate(parts) for parts in zip(*paths, strict=True))
    length = np.array([np.linalg.norm(np.diff(way, axis=0), axis=1).sum() for way, _, _ in paths])
    return MuscleSet.from_rest(
        skeleton,
        names,
        waypoint_start=np.cumsum([0] + [len(way) for way, _, _ in paths]),
        waypoint_body=bodies,
        waypoint_weight=weights,
        waypoints=points,
        max_isometric_force=np.array([numbers(unit, "f0", 1, path)[0] for unit in units]),
        optimal_fibre_length=np.array([numbers(unit, "lm", 1, path)[0] for unit in units]) * length,
        tendon_slack_length=np.array([numbers(unit, "lt", 1, path)[0] for unit in units]) * length,
        # The format's own pen_angle is not used by the released code.
        pennation_angle=np.array([optional_number(unit, "pennation", 0.0, path) for unit in units]),
        force_weight=np.tile([1.0, 0.0], (len(points), 1)) if transmission == "mass" else None,
    )


def rest_path(unit: ElementTree.Element, skeleton: Skeleton, path: Path) -> tuple[Array, Array, Array]:
    """Return waypoints (n, 3) [m] in the rest pose, their bodies (n, 2) and weights (n, 2) of one muscle."""
    waypoints = unit.findall("Waypoint")
    points = np.array([numbers(waypoint, "p", 3, path) for waypoint in waypoints]).reshape(-1, 3)
    bodies, weights = np.full((len(points), 2), -1), np.zeros((len(points), 2))
    for index, waypoint in enumerate(waypoints):
        body = waypoint_body(unit, skeleton, required(waypoint, "body", path), path)
        if waypoint.get("weight") is None:
            inner = 0 < index < len(points) - 1
            bodies[index], weights[index] = carriers(skeleton, body, points[index], inner)
            continue
        weight, second = numbers(waypoint, "weight", 1, path)[0], waypoint.get("second")
        if not (0.0 <= weight <= 1.0 if second else weight == 1.0):
            raise ValueError(
                f"{path}: 'weight' of Waypoint must be between 0 and 1, and 1 without a 'second' body, but "
                f"muscle {unit.get('name')!r} has {weight}; correct it"
            )
        bodies[index] = body, waypoint_body(unit, skeleton, second, path) if second else -1
        weights[index] = weight, 1.0 - weight
    return points, bodies, weights


def waypoint_body(unit: ElementTree.Element, skeleton: Skeleton, name: str, path: Path) -> int:
    """Return the index of a body that carries a waypoint."""
    if name not in skeleton.body_names:
        raise ValueError(
            f"{path}: every waypoint must lie on a body of the skeleton, but muscle {unit.get('name')!r} "
            f"has one on {name!r}; the bodies are {', '.join(skeleton.body_names)}"
        )
    return skeleton.body_names.index(name)


def carriers(
    skeleton: Skeleton, body: int, point: Array, inner: bool
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the two bodies that carry a waypoint, -1 for none, and their weights.

    An inner waypoint near a joint is shared by the bodies that it joins, whichever body the file names; near
    the root's joint there is no second one.
    """
    distance = np.linalg.norm(skeleton.joint_position - point, axis=1)
    nearest = int(np.argmin(distance))
    if not inner or distance[nearest] >= BLEND_DISTANCE:
        return (body, -1), (1.0, 0.0)
    parent = int(skeleton.parent[nearest])
    if parent < 0:
        return (nearest, -1), (1.0, 0.0)
    near, far = 1.0 / np.sqrt(np.maximum(distance[[nearest, parent]], TINY_DISTANCE))
    return (nearest, parent), (near / (near + far), far / (near + far))


def read_xml(path: Path) -> ElementTree.Element:
    """Return the root element of an XML file."""
    if not path.is_file():
        raise FileNotFoundError(f"a body needs its XML file, but there is no file {path}; check the path")
    try:
        return ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(
            f"{path}: must be well-formed XML, but {error}; mend the file at that line"
        ) from error


def elements(tag: str, path: Path) -> tuple[list[ElementTree.Element], list[str]]:
    """Return the elements called `tag` right below a file's root, and their names, which must differ."""
    found = read_xml(path).findall(tag)
    names = [required(element, "name", path) for element in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not found or twice:
        wrong = f"has {', '.join(twice)} more than once; rename them" if twice else "has none; check the file"
        raise ValueError(f"{path}: needs {tag} elements with distinct names, but {wrong}")
    return found, names


def required(element: ElementTree.Element, key: str, path: Path) -> str:
    """Return an attribute that must be there."""
    value = element.get(key)
    if value is None:
        raise ValueError(
            f"{path}: every {element.tag} needs the attribute {key!r}, but one has {element.attrib}; add it"
        )
    return value


def child(node: ElementTree.Element, tag: str, path: Path) -> ElementTree.Element:
    """Return a child element that must be there."""
    found = node.find(tag)
    if found is None:
        raise ValueError(
            f"{path}: {node.tag} {node.get('name')!r} needs a {tag} element, but has none; add it"
        )
    return found


def numbers(element: ElementTree.Element, key: str, count: int, path: Path) -> Array:
    """Return an attribute of `count` finite numbers."""
    text = required(element, key, path)
    try:
        values = np.array([float(word) for word in text.split()])
        if count > 1:  # the released code reads vectors in single precision, single numbers in double
            values = values.astype(np.float32).astype(np.float64)
    except ValueError:
        values = np.empty(0)
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(
            f"{path}: {key!r} of {element.tag} must be {count} finite number{'s' * (count > 1)}, but is "
            f"{text!r}; correct it"
        )
    return values


def optional_number(element: ElementTree.Element, key: str, missing: float, path: Path) -> float:
    """Return a finite number, or `missing` where the element does not state it."""
    return missing if element.get(key) is None else float(numbers(element, key, 1, path)[0])


def flag(element: ElementTree.Element, key: str, words: tuple[str, str], path: Path) -> bool:
    """Return whether an attribute says the second of two words; without it, it says the first."""
    word = element.get(key, words[0])
    if word not in words:
        raise ValueError(
            f"{path}: {key!r} of {element.tag} must be {' or '.join(words)}, but is {word!r}; correct it"
        )
    return word == words[1]


def placement(element: ElementTree.Element, path: Path) -> tuple[Array, Array]:
    """Return rotation (3, 3) and position (3,) [m] of a Body or Joint.

    The files' rotations are rounded; they are orthonormalised column by column, as in the released code.
    """
    transformation = child(element, "Transformation", path)
    columns = numbers(transformation, "linear", 9, path).reshape(3, 3).T
    basis: list[Array] = []
    for column in columns:
        rest = column - sum(((b @ column) * b for b in basis), np.zeros(3))
        if np.linalg.norm(rest) < 1e-6:
            raise ValueError(
                f"{path}: 'linear' must be a rotation matrix, but is {transformation.get('linear')!r}; "
                f"correct it"
            )
        basis.append(rest / np.linalg.norm(rest))
    return np.array(basis).T, numbers(transformation, "translation", 3, path)


def joint_kind(joint: ElementTree.Element, name: str, path: Path) -> int:
    """Return FREE, BALL or HINGE."""
    kind = required(joint, "type", path)
    if kind not in JOINT_KINDS:
        raise ValueError(
            f"{path}: joint of {name!r} must be one of {', '.join(JOINT_KINDS)}, but is {kind!r}; "
            f"use one of these"
        )
    return JOINT_KINDS[kind]


def parent_index(node: ElementTree.Element, names: list[str], path: Path) -> int:
    """Return the index of a node's parent, -1 for the root."""
    parent = required(node, "parent", path)
    if parent == "None":
        return -1
    if parent not in names:
        raise ValueError(
            f"{path}: every parent must be a body of the file or 'None', but {node.get('name')!r} has parent "
            f"{parent!r}; the bodies are {', '.join(names)}"
        )
    return names.index(parent)


def joint_limits(
    parts: list[tuple[ElementTree.Element, ElementTree.Element]],
    kinds: Array,
    key: str,
    missing: float,
    path: Path,
) -> Array:
    """Return one bound per DoF (dof,); a joint that states none, and the root, gets `missing`."""
    bounds = []
    for (_, joint), kind in zip(parts, kinds, strict=True):
        count = int(DOFS_OF_KIND[kind])
        stated = kind != FREE and joint.get(key) is not None
        bounds.append(numbers(joint, key, count, path) if stated else np.full(count, missing))
    return np.concatenate(bounds)


def shape(body: ElementTree.Element, mass: float, path: Path) -> tuple[Array, Array]:
    """Return box edges (3,) [m] and inertia (3, 3) [kg m^2] of a body; contact sees the bounding box."""
    size, inertia = solid(body, mass, path)
    if body.get("inertia") is not None:
        xx, yy, zz, xy, xz, yz = numbers(body, "inertia", 6, path)
        inertia = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return size, inertia


def inertia_numbers(inertia: Array) -> Array:
    """Return an inertia (3, 3) as the six numbers of the attribute `inertia`: xx yy zz xy xz yz."""
    return np.concatenate([np.diag(inertia), inertia[[0, 0, 1], [1, 2, 2]]])


def solid(body: ElementTree.Element, mass: float, path: Path) -> tuple[Array, Array]:
    """Return bounding box (3,) [m] and inertia (3, 3) [kg m^2] of the uniform solid that a body states."""
    kind = required(body, "type", path)
    if kind == "Box":
        size = numbers(body, "size", 3, path)
        return size, np.diag(mass / 12.0 * (np.sum(size**2) - size**2))
    radius = numbers(body, "radius", 1, path)[0] if kind in ("Sphere", "Capsule") else 0.0
    if kind == "Sphere":
        return np.full(3, 2.0 * radius), np.eye(3) * 0.4 * mass * radius**2
    if kind == "Capsule":
        return capsule(radius, numbers(body, "height", 1, path)[0], mass)
    raise ValueError(
        f"{path}: shape of a Body must be Box, Sphere or Capsule, but is {kind!r}; use one of these"
    )


def capsule(radius: float, height: float, mass: float) -> tuple[Array, Array]:
    """Return box and inertia of a capsule along z: a cylinder of `height` [m] between two half spheres."""
    cylinder = height / (height + 4.0 / 3.0 * radius) * mass
    ball = mass - cylinder
    along = 0.5 * cylinder * radius**2 + 0.4 * ball * radius**2
    shift = 0.4 * radius**2 + 0.375 * height * radius + 0.25 * height**2
    across = cylinder * (radius**2 / 4.0 + height**2 / 12.0) + ball * shift
    return np.array([2 * radius, 2 * radius, height + 2 * radius]), np.diag([across, across, along])
