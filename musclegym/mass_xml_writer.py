"""Write bodies as files of the MASS family, for `load_body` and for the tools that read such files.

What the format cannot say stands in attributes of our own. `load_body` reads them; other readers of the
family pass over them and take what the format says:

- `gravity` of the Skeleton [m/s^2], where it is not that of the released code;
- `inertia` of a Body, where it is not that of its box: xx yy zz xy xz yz in the body frame [kg m^2];
- `pennation` of a Unit [rad]; the same number also stands in the format's own `pen_angle`, which the released
  code reads but does not use;
- `weight` of a Waypoint, where its bodies are not those of the rule in `musclegym.mass_xml.carriers`: the
  share of the body that it names; the body `second` has the rest.
"""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from musclegym.body import Body
from musclegym.mass_xml import JOINT_KINDS, MASS_GRAVITY, carriers, inertia_numbers, shape
from musclegym.muscle.path import MuscleSet
from musclegym.rotation import Array
from musclegym.skeleton import FREE, HINGE, Skeleton

KIND_NAMES = {kind: name for name, kind in JOINT_KINDS.items()}
LONGEST_LENGTH = "-0.1"
"""The format's `lmax`, which the released code reads but does not use; as in the released file."""
SAME = 1e-6
"""Two figures that differ by less, relatively, are the same in single precision; for places, in metres."""


def write_body(body: Body, skeleton: str | Path, muscles: str | Path | None = None) -> None:
    """Write a body as files that `load_body` reads back.

    Single numbers (masses, forces, lengths of fibres and tendons) are read back to the last bit or the one
    before it. Positions, rotations, sizes, limits and inertias are written with all their digits, but readers
    of the family, ours included, take vectors in single precision: they are read back to 1e-7 of their size,
    exactly if they came from such a file, so that `Body.hash` may differ. A body whose force shares are those
    of the released code is read back with `transmission="mass"`.

    Args:
        body: any body, such as the shipped human.
        skeleton: file to write bodies and joints to; an existing one is replaced, and its name without the
            ending is the name of the body that `load_body` returns.
        muscles: file to write the muscles to, likewise; without one they are left out.

    Raises:
        ValueError: if the format cannot hold the body, with the reason, or `muscles` is given for a body that
            has none. Nothing is written then.
    """
    trees = [(Path(skeleton), skeleton_element(body))]
    if muscles is not None:
        if not body.n_muscles:
            raise ValueError(
                f"a file of muscles needs a muscle, but {body.name!r} has none; leave `muscles` out"
            )
        trees.append((Path(muscles), muscles_element(body.muscle_set, body.skeleton)))
    for path, root in trees:
        ElementTree.indent(root)
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def skeleton_element(body: Body) -> ElementTree.Element:
    """Return the XML of bodies and joints."""
    skeleton = body.skeleton
    check_names(skeleton.body_names, "body")
    check_names([name for name in skeleton.motion_names if name is not None], "motion", distinct=False)
    check_names((body.name,), "skeleton")
    root = ElementTree.Element("Skeleton", {"name": body.name})
    if body.gravity != MASS_GRAVITY:
        root.set("gravity", text(body.gravity))
    for index, name in enumerate(skeleton.body_names):
        parent = int(skeleton.parent[index])
        above = "None" if parent < 0 else skeleton.body_names[parent]
        node = ElementTree.SubElement(root, "Node", {"name": name, "parent": above})
        if skeleton.end_effector[index]:
            node.set("endeffector", "True")
        figures = body_attributes(skeleton, index)
        place(ElementTree.SubElement(node, "Body", figures), skeleton.body_rotation, skeleton.com, index)
        joint = ElementTree.SubElement(node, "Joint", joint_attributes(skeleton, index))
        place(joint, skeleton.joint_rotation, skeleton.joint_position, index)
    return root


def place(element: ElementTree.Element, rotation: Array, position: Array, index: int) -> None:
    """Add the placement of a Body or Joint."""
    figures = {"linear": text(rotation[index]), "translation": text(position[index])}
    ElementTree.SubElement(element, "Transformation", figures)


def body_attributes(skeleton: Skeleton, index: int) -> dict[str, str]:
    """Return mass, shape and contact; the shape is the first of the format's that has the body's inertia."""
    size, mass, inertia = skeleton.size[index], float(skeleton.mass[index]), skeleton.inertia[index]
    round_shapes = (
        {"type": "Sphere", "radius": text(size[0] / 2.0)},
        {"type": "Capsule", "radius": text(size[0] / 2.0), "height": text(size[2] - size[0])},
    )
    box = {"type": "Box", "size": text(size)}
    rest = {"mass": text(mass), "contact": "On" if skeleton.contact[index] else "Off"}
    for figures in (box, *round_shapes):
        edges, own = shape(ElementTree.Element("Body", figures), mass, Path())
        if np.allclose(edges, size, SAME, 0.0) and np.allclose(own, inertia, SAME, SAME * np.trace(inertia)):
            return {**figures, **rest}
    return {**box, **rest, "inertia": text(inertia_numbers(inertia))}


def joint_attributes(skeleton: Skeleton, index: int) -> dict[str, str]:
    """Return type, axis, limits and name in motion files; limits at infinity are left out."""
    kind = int(skeleton.joint_kind[index])
    figures = {"type": KIND_NAMES[kind]}
    if kind == HINGE:
        figures["axis"] = text(skeleton.joint_axis[index])
    for key, missing in (("lower", -np.inf), ("upper", np.inf)):
        bounds = getattr(skeleton, key)[skeleton.dof_body == index]
        if (bounds == missing).all():
            continue
        if kind == FREE or not np.isfinite(bounds).all():
            raise ValueError(
                f"a joint of a MASS file has {key} limits for all its DoFs or for none, and the root for "
                f"none, but {skeleton.body_names[index]!r} has {bounds}; state all of them or {missing} for "
                f"all"
            )
        figures[key] = text(bounds)
    name = skeleton.motion_names[index]
    return figures if name is None else {**figures, "bvh": name}


def muscles_element(muscles: MuscleSet, skeleton: Skeleton) -> ElementTree.Element:
    """Return the XML of the muscles."""
    check_names(muscles.names, "muscle")
    check_shares(muscles)
    root = ElementTree.Element("Muscle")
    as_read = replace(skeleton, joint_position=single(skeleton.joint_position))
    points = rest_points(muscles, skeleton)
    for index, name in enumerate(muscles.names):
        way = range(muscles.waypoint_start[index], muscles.waypoint_start[index + 1])
        length = float(np.linalg.norm(np.diff(single(points[way]), axis=0), axis=1).sum())
        if length == 0.0:
            raise ValueError(
                f"a MASS file states fibres and tendons in path lengths of the rest pose, but {name!r} has "
                f"none there; move one of its waypoints"
            )
        unit = ElementTree.SubElement(root, "Unit", unit_attributes(muscles, index, length))
        for waypoint in way:
            inner = way[0] < waypoint < way[-1]
            ruled = carriers(
                as_read, int(muscles.waypoint_body[waypoint, 0]), single(points[waypoint]), inner
            )
            figures = {"p": text(points[waypoint]), **waypoint_bodies(muscles, skeleton, waypoint, ruled)}
            ElementTree.SubElement(unit, "Waypoint", figures)
    return root


def unit_attributes(muscles: MuscleSet, index: int, length: float) -> dict[str, str]:
    """Return name and architecture of a muscle whose path has `length` [m] in the rest pose."""
    angle = text(muscles.pennation_angle[index])
    figures = {
        "name": muscles.names[index],
        "f0": text(muscles.max_isometric_force[index]),
        "lm": text(muscles.optimal_fibre_length[index] / length),
        "lt": text(muscles.tendon_slack_length[index] / length),
        "pen_angle": angle,
        "lmax": LONGEST_LENGTH,
    }
    return {**figures, "pennation": angle} if muscles.pennation_angle[index] else figures


def waypoint_bodies(
    muscles: MuscleSet, skeleton: Skeleton, waypoint: int, ruled: tuple[tuple[int, int], tuple[float, float]]
) -> dict[str, str]:
    """Return the body of a waypoint, and weight and second body where the format's rule says otherwise."""
    first, second = (int(body) for body in muscles.waypoint_body[waypoint])
    weight = float(muscles.waypoint_weight[waypoint, 0])
    figures = {"body": skeleton.body_names[first]}
    if ruled[0] == (first, second) and abs(ruled[1][0] - weight) < 1e-12:
        return figures
    figures["weight"] = text(weight)
    return figures if second < 0 else {**figures, "second": skeleton.body_names[second]}


def rest_points(muscles: MuscleSet, skeleton: Skeleton) -> Array:
    """Return the waypoints in the rest pose, shape (waypoint, 3) [m], where both bodies of each agree."""
    rotation = skeleton.joint_rotation[muscles.waypoint_body]
    images = np.einsum("wkij,wkj->wki", rotation, muscles.waypoint_position)
    images += skeleton.joint_position[muscles.waypoint_body]
    blended = muscles.waypoint_body[:, 1] >= 0
    apart = np.linalg.norm(images[:, 1] - images[:, 0], axis=1) > SAME
    if (blended & apart).any():
        raise ValueError(
            f"the two bodies of a waypoint must agree on its place in the rest pose, which is all that a "
            f"MASS file states, but those of waypoints {np.flatnonzero(blended & apart).tolist()} do not; "
            f"build the muscles with MuscleSet.from_rest"
        )
    return images[:, 0]


def check_shares(muscles: MuscleSet) -> None:
    """Refuse weights that are no shares, and forces shared neither as the geometry nor as in MASS."""
    weight, force = muscles.waypoint_weight, muscles.force_weight
    lone = np.array([1.0, 0.0])
    shares = (weight >= 0.0).all() and np.allclose(weight.sum(axis=1), 1.0, 0.0, 1e-12)
    if not shares or not (weight[muscles.waypoint_body[:, 1] < 0] == lone).all():
        raise ValueError(
            "the weights of a waypoint must be shares of one, all of it where there is one body, but they "
            "are not; divide them by their sum"
        )
    if not (np.array_equal(force, weight) or (force == lone).all()):
        raise ValueError(
            "forces must be shared as the waypoints are, or lie on the first body as in the released code, "
            "which is all that `load_body` can restore, but force_weight does neither; use one of the two"
        )


def check_names(names: tuple[str, ...] | list[str], what: str, distinct: bool = True) -> None:
    """Refuse names that XML or the format cannot hold."""
    wrong = [name for name in names if not name.isprintable() or (name == "None" and what == "body")]
    twice = sorted({name for name in names if names.count(name) > 1}) if distinct else []
    if wrong or twice:
        raise ValueError(
            f"{what} names in a MASS file must be printable{' and distinct' if distinct else ''}, and no "
            f"body is called 'None', but here are {wrong + twice}; rename them"
        )


def single(values: Array) -> Array:
    """Return vectors as readers of the format see them: rounded to single precision."""
    return values.astype(np.float32).astype(np.float64)


def text(values: npt.ArrayLike) -> str:
    """Return numbers, row after row, with as many digits as bring each of them back to the last bit."""
    return " ".join(repr(float(value)) for value in np.ravel(values))
