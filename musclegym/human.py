"""The default human: a parametric skeleton and its muscles, built from the tables in `assets/human`.

The tables state one side in the T-pose: `segments.csv` in fractions of stature and of body mass, `joints.csv`
the joint limits, `muscles.csv` forces and fibres of a man of `REFERENCE_HEIGHT` and `REFERENCE_MASS`,
`waypoints.csv` the paths in fractions of each segment's length from its joint, `movements.csv` what the names
of actions mean, `strength.csv` published isometric strength to compare with. Each row names its source. The
left side is the mirror image of the right.

Frames are world aligned in the T-pose: x to the left, y up, z forward. Models of hanging arms (arm26,
Holzbaur et al. 2005) were turned by 90 degrees about z with the arm, the scapula standing still; elbows flex
forwards and palms face down. The forearm is one body: pronation happens at the hand, where its muscles
insert.
"""

import csv
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from itertools import groupby

import numpy as np

from musclegym.muscle.fitting import fit_tendons
from musclegym.muscle.path import MuscleSet
from musclegym.rotation import Array
from musclegym.skeleton import BALL, DOFS_OF_KIND, FREE, HINGE, Skeleton

REFERENCE_HEIGHT = 1.75
"""Stature that the muscle table's lengths belong to [m]."""
REFERENCE_MASS = 73.0
"""Body mass that the muscle table's forces belong to [kg]; the mean of the men in de Leva 1996."""
HEIGHT_RANGE = (1.40, 2.10)
MASS_RANGE = (35.0, 150.0)
STRENGTH_RANGE = (0.1, 5.0)
HANGING_ARM = np.radians(80.0)
"""Adduction from the T-pose that lets the arms hang in the neutral pose [rad]."""

Row = dict[str, str]
KINDS = {"free": FREE, "ball": BALL, "hinge": HINGE}
MIRROR = np.array([-1.0, 1.0, 1.0])


def load_human(
    height: float = REFERENCE_HEIGHT, mass: float = REFERENCE_MASS, strength: float = 1.0
) -> tuple[Skeleton, MuscleSet]:
    """Build the default human.

    All lengths are proportional to stature and all segment masses to body mass, so that inertias go with
    mass x height^2. Maximum isometric forces go with the muscles' cross-section, see `force_scale`, times
    `strength`.

    Args:
        height: stature [m].
        mass: body mass [kg].
        strength: factor on all maximum isometric forces [-].

    Raises:
        ValueError: if a figure is outside its range.
    """
    check("height", height, HEIGHT_RANGE, "m")
    check("mass", mass, MASS_RANGE, "kg")
    check("strength", strength, STRENGTH_RANGE, "times the published strength")
    skeleton, published = published_human(height, mass)
    fibre, tendon = fitted_lengths(height)
    fitted = replace(
        published, optimal_fibre_length=np.repeat(fibre, 2), tendon_slack_length=np.repeat(tendon, 2)
    )
    return skeleton, fitted.with_strength(strength * force_scale(height, mass))


def published_human(height: float, mass: float) -> tuple[Skeleton, MuscleSet]:
    """Return skeleton and muscles as the tables have them, with tendons still to be fitted."""
    rows = both_sides(read_table("segments"))
    skeleton = build_skeleton(rows, height, mass)
    length = {row["body"]: float(row["length"]) * height for row in rows}
    return skeleton, build_muscles(skeleton, length, height)


@lru_cache(maxsize=64)
def fitted_lengths(height: float) -> tuple[Array, Array]:
    """Return optimal fibre and tendon slack lengths of the right side's muscles [m].

    They depend on stature alone. Measuring the paths in thousands of poses takes longer than all else of a
    body, so it is done once.
    """
    skeleton, published = published_human(height, REFERENCE_MASS)
    neutral = np.repeat([float(row["neutral_fibre_length"]) for row in read_table("muscles")], 2)
    fitted = fit_tendons(skeleton, published, neutral_pose(skeleton), neutral)
    return fitted.optimal_fibre_length[::2].copy(), fitted.tendon_slack_length[::2].copy()


def force_scale(height: float, mass: float) -> float:
    """Return maximum isometric forces relative to those of the reference man [-].

    Force goes with muscle volume over fibre length. The volume of the leg's muscles is 47 mass height + 1285
    cm^3 (Handsfield et al. 2014, J Biomech 47:631-638, in kg and m), taken here for all muscles; fibre
    lengths are proportional to height.
    """

    def section(h: float, m: float) -> float:
        return (47.0 * m * h + 1285.0) / h

    return section(height, mass) / section(REFERENCE_HEIGHT, REFERENCE_MASS)


def neutral_pose(skeleton: Skeleton) -> Array:
    """Return the pose (dof,) of standing with hanging arms, in which fibre lengths are stated."""
    pose = np.zeros(skeleton.n_dofs)
    pose[skeleton.dof_names.index("ArmR_z")] = HANGING_ARM
    pose[skeleton.dof_names.index("ArmL_z")] = -HANGING_ARM
    return pose


def read_table(name: str) -> list[Row]:
    """Return the rows of the table `name` of the human, such as segments, muscles or groups."""
    text = files("musclegym").joinpath(f"assets/human/{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def check(what: str, value: float, bounds: tuple[float, float], unit: str) -> None:
    """Refuse a figure outside the range that the scaling is meant for."""
    if not bounds[0] <= value <= bounds[1]:
        raise ValueError(
            f"{what} of the human must be between {bounds[0]} and {bounds[1]} {unit}, but is {value}; "
            f"choose one in that range"
        )


def both_sides(rows: list[Row]) -> list[Row]:
    """Return segments in body order: after each limb of the right side its mirror image."""
    ordered = []
    for right, limb in groupby(rows, key=lambda row: row["body"].endswith("R")):
        members = list(limb)
        ordered += [*members, *map(mirrored, members)] if right else members
    return ordered


def mirrored(row: Row) -> Row:
    """Return the left segment that belongs to a right one."""
    image = {**row, "body": left(row["body"]), "parent": left(row["parent"])}
    image["motion_name"] = row["motion_name"].replace("Right", "Left")
    for key in ("joint_x", "com_x"):
        image[key] = str(-float(row[key]))
    return image


def left(body: str) -> str:
    """Return the mirror image of a body's name; bodies of the midline are their own."""
    return body[:-1] + "L" if body.endswith("R") else body


def vectors(rows: list[Row], key: str) -> Array:
    """Return the columns key_x, key_y, key_z as (row, 3)."""
    return np.array([[float(row[f"{key}_{axis}"]) for axis in "xyz"] for row in rows])


def build_skeleton(rows: list[Row], height: float, mass: float) -> Skeleton:
    """Return the skeleton of the segments in `rows`."""
    names = [row["body"] for row in rows]
    kinds = np.array([KINDS[row["joint"]] for row in rows])
    masses = np.array([float(row["mass"]) for row in rows])
    masses *= mass / masses.sum()
    gyration = vectors(rows, "gyration") * height
    lower, upper = joint_limits(names, kinds)
    unrotated = np.tile(np.eye(3), (len(rows), 1, 1))
    return Skeleton(
        body_names=tuple(names),
        parent=np.array([names.index(row["parent"]) if row["parent"] else -1 for row in rows]),
        joint_kind=kinds,
        joint_position=vectors(rows, "joint") * height,
        joint_rotation=unrotated,
        joint_axis=np.array([[float(row["axis"] == axis) for axis in "xyz"] for row in rows]),
        com=vectors(rows, "com") * height,
        body_rotation=unrotated,
        mass=masses,
        inertia=np.array([np.diag(m * g**2) for m, g in zip(masses, gyration, strict=True)]),
        size=vectors(rows, "size") * height,
        contact=np.array([row["contact"] == "1" for row in rows]),
        lower=lower,
        upper=upper,
        motion_names=tuple(row["motion_name"] or None for row in rows),
        end_effector=np.array([row["end_effector"] == "1" for row in rows]),
    )


def joint_limits(names: Iterable[str], kinds: Array) -> tuple[Array, Array]:
    """Return lower and upper limits (dof,) [rad]; rotations about y and z change sign on the left side."""
    degrees = {row["dof"]: [float(row["lower_deg"]), float(row["upper_deg"])] for row in read_table("joints")}
    limits: list[Array] = []
    for name, kind in zip(names, kinds, strict=True):
        if kind == FREE:
            limits += [np.array([-np.inf, np.inf])] * int(DOFS_OF_KIND[FREE])
            continue
        right = name[:-1] + "R" if name.endswith("L") else name
        for ending in ("",) if kind == HINGE else ("_x", "_y", "_z"):
            low, high = np.radians(degrees[right + ending])
            flips = name.endswith("L") and (ending in ("_y", "_z") or name == "ForeArmL")
            limits.append(np.array([-high, -low]) if flips else np.array([low, high]))
    lower, upper = np.array(limits).T
    return lower, upper


def build_muscles(skeleton: Skeleton, length: dict[str, float], height: float) -> MuscleSet:
    """Return the muscles, each right one followed by its mirror image, with tendons still to be fitted."""
    rows = read_table("muscles")
    points = groupby(read_table("waypoints"), key=lambda row: row["muscle"])
    waypoints = {name: list(group) for name, group in points}
    bodies, weights, places, counts = [], [], [], []
    for row in rows:
        path = waypoints[row["muscle"]]
        for side in (str, left):
            counts.append(len(path))
            for point in path:
                place, body, weight = rest_waypoint(skeleton, point, length, side is left)
                places.append(place)
                bodies.append(body)
                weights.append(weight)
    fibre = np.repeat([float(row["optimal_fibre_length_m"]) for row in rows], 2) * height / REFERENCE_HEIGHT
    return MuscleSet.from_rest(
        skeleton,
        [row["muscle"] + side for row in rows for side in ("_r", "_l")],
        waypoint_start=np.cumsum([0, *counts]),
        waypoint_body=np.array(bodies),
        waypoint_weight=np.array(weights),
        waypoints=np.array(places),
        max_isometric_force=np.repeat([float(row["max_isometric_force_N"]) for row in rows], 2),
        optimal_fibre_length=fibre,
        tendon_slack_length=np.zeros(len(fibre)),
        pennation_angle=np.radians(np.repeat([float(row["pennation_deg"]) for row in rows], 2)),
    )


def rest_waypoint(
    skeleton: Skeleton, row: Row, length: dict[str, float], mirror: bool
) -> tuple[Array, tuple[int, int], tuple[float, float]]:
    """Return a waypoint in the rest pose [m], its bodies and their weights."""
    place = np.array([float(row[axis]) for axis in "xyz"]) * length[row["body"]]
    names = [row["body"], row["second_body"]]
    if mirror:
        place, names = place * MIRROR, [left(name) for name in names]
    first = skeleton.body(names[0])
    place = skeleton.joint_position[first] + place
    if not names[1]:
        return place, (first, -1), (1.0, 0.0)
    weight = float(row["first_weight"])
    return place, (first, skeleton.body(names[1])), (weight, 1.0 - weight)
