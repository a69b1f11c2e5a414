"""Isometric strength: the greatest torque of the muscles in one movement, as a dynamometer measures it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from musclegym.body import Body
from musclegym.human import neutral_pose, read_table
from musclegym.rotation import Array


def isometric_strength(body: Body, q: Array, dof: str, sign: int, balanced: Sequence[str] = ()) -> float:
    """Return the greatest active torque in one direction about one DoF [N m].

    A dynamometer holds the proximal segments and pushes on one segment: the torques it does not take up,
    those about the joint's other axes and about distal joints, must balance. The activations that do so and
    make the greatest torque solve a linear programme. Gravity and passive torques are subtracted in
    measurements and left out here.

    Args:
        body: whose strength.
        q: pose in which it is measured, shape (dof,).
        dof: name of the DoF.
        sign: +1 or -1, the direction along it.
        balanced: names of the DoFs about which the active torques must add up to zero.

    Raises:
        ValueError: if the body has no DoF of such a name.
    """
    index = {name: number for number, name in enumerate(body.dof_names)}
    unknown = [name for name in (dof, *balanced) if name not in index]
    if unknown:
        raise ValueError(f"a DoF must be one of the body's, but {unknown} are not; body.dof_names lists them")
    matrix = body.muscles(q).torque_matrix
    rows = matrix[[index[name] for name in balanced]]
    solution = linprog(
        -sign * matrix[index[dof]],
        A_eq=rows if len(rows) else None,
        b_eq=np.zeros(len(rows)) if len(rows) else None,
        bounds=(0.0, 1.0),
    )
    return float(-solution.fun)


@dataclass(frozen=True)
class StrengthMeasurement:
    """Strength of the default human in one movement, beside a published range."""

    movement: str
    """Name of the movement."""
    torque: float
    """Greatest active torque of the body's right side [N m]."""
    published: tuple[float, float]
    """Published range for healthy men [N m]."""
    source: str
    """Where the range comes from."""


def human_strength(body: Body) -> list[StrengthMeasurement]:
    """Measure the default human in every movement of the table `strength`.

    Poses start from standing with hanging arms. Balanced are the other DoFs of the joint and, in the limbs,
    those of all distal joints but the toes', which rest on the dynamometer's plate.
    """
    measurements = []
    for row in read_table("strength"):
        pose = neutral_pose(body.skeleton)
        for name, angle in (setting.split("=") for setting in row["pose_deg"].split()):
            pose[body.dof_names.index(name)] = np.radians(float(angle))
        balanced = balanced_dofs(body, row["dof"], distal=row["balanced"] == "distal")
        torque = isometric_strength(body, pose, row["dof"], int(row["sign"]), balanced)
        published = (float(row["low_Nm"]), float(row["high_Nm"]))
        measurements.append(StrengthMeasurement(row["movement"], torque, published, row["source"]))
    return measurements


def balanced_dofs(body: Body, dof: str, distal: bool) -> list[str]:
    """Return the other DoFs of the joint of `dof` and, if wanted, those distal to it but the toes'."""
    skeleton = body.skeleton
    owners = {int(skeleton.dof_body[body.dof_names.index(dof)])}
    for child in range(skeleton.n_bodies):
        if distal and int(skeleton.parent[child]) in owners and not body.body_names[child].startswith("Foot"):
            owners.add(child)
    moved = zip(body.dof_names, skeleton.dof_body, strict=True)
    return [name for name, owner in moved if int(owner) in owners and name != dof]
