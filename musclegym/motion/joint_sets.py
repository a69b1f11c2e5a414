"""The joints that KIT-ML and HumanML3D describe people by, and where they lie on a body of the MASS family.

Both sets name 21 or 22 points without twist. A point of the body is a weighted sum of its joints, so that it
is rigid wherever these joints lie in one body, and mirrors exactly:

| HumanML3D (SMPL) | on the body | | KIT (MMM) | on the body |
|---|---|---|---|---|
| pelvis | 0.34 of the way from Pelvis to Spine | | root | middle of both hips (Femur) |
| hip, knee, ankle | Femur, Tibia, Talus | | LH, LK, LA | Femur, Tibia, Talus |
| foot | middle of both toe joints | | LF | middle of both toe joints |
| | | | LMrot | 0.35 of the way from ankle to LF |
| spine1, spine2 | Spine, Torso | | BP | Spine |
| spine3 | 0.2 of the way from Torso to Neck | | BT | 0.13 of the way from Torso to Neck |
| neck, head | Neck, Head | | BLN | 0.8 of that way: between the shoulders |
| collar | 0.8 of that way, 1.5 Shoulder widths outwards | | BUN | Neck |
| shoulder, elbow, wrist | Arm, ForeArm, Hand | | LS, LE, LW | Arm, ForeArm, Hand |

The fractions put each point about where the other skeleton has it, as a share of trunk or foot. Every bone of
HumanML3D is rigid then, and every one of KIT-ML but BP to BT, which spans a joint of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from musclegym.rotation import Array, IntArray
from musclegym.skeleton import Skeleton

LEFTWARDS, RIGHTWARDS = (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)
UP, DOWN, FORWARDS = (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)

Points = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class JointSet:
    """The joints of one data set and the conventions of its features."""

    name: str
    """What the data set is called."""
    points: Points
    """Joint name -> bodies whose joints it lies between -> weights, in the order of the joints."""
    chains: tuple[tuple[int, ...], ...]
    """Joints from the root outwards along which rotations are chained."""
    directions: tuple[tuple[float, float, float], ...]
    """Unit direction of each joint from its parent where all rotations are zero, shape (joint, 3)."""
    facing: tuple[int, int, int, int]
    """Right hip, left hip, right shoulder, left shoulder by the data set's convention."""
    feet: tuple[int, int, int, int]
    """Joints of the contact channels: ankle and toes of one foot, then of the other."""
    swaps: tuple[tuple[int, int], ...]
    """Joints that change places under mirroring."""
    fps: float
    """Frames per second of the data set."""
    unit: float
    """Length that a 1 stands for in the data set [m]."""
    leg: tuple[int, int, int]
    """Hip, knee and ankle whose distances make the leg's length."""
    leg_length: float
    """That length in the data set [unit]."""
    mirrored: bool
    """Whether the left limbs lie at x < 0."""
    still: float
    """A foot is in contact, by the data set's own channels, while its joint's squared displacement per frame
    is less than this [unit^2]."""

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the joints, the root first."""
        return tuple(self.points)

    @property
    def n_joints(self) -> int:
        """Number of joints, the root included."""
        return len(self.points)

    @property
    def n_features(self) -> int:
        """Numbers in the features of one frame: 263 for 22 joints, 251 for 21."""
        return self.blocks[-1][2]

    @cached_property
    def blocks(self) -> tuple[tuple[str, int, int], ...]:
        """Name, first and one past the last index of each block of the features."""
        others = self.n_joints - 1
        sizes = {
            "root_turn": 1,
            "root_step": 2,
            "root_height": 1,
            "position": 3 * others,
            "rotation": 6 * others,
            "velocity": 3 * self.n_joints,
            "contact": 4,
        }
        ends = np.cumsum(list(sizes.values())).tolist()
        return tuple((name, end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True))

    @cached_property
    def parent(self) -> IntArray:
        """Parent of each joint, -1 for the root, shape (joint,)."""
        parent = np.full(self.n_joints, -1)
        for chain in self.chains:
            parent[list(chain[1:])] = chain[:-1]
        return parent

    @cached_property
    def mirror_order(self) -> IntArray:
        """Joint whose mirror image each joint is, shape (joint,)."""
        order = np.arange(self.n_joints)
        for a, b in self.swaps:
            order[a], order[b] = b, a
        return order

    def weights(self, skeleton: Skeleton) -> Array:
        """Return the matrix (joint, body) that makes the set's joints of the joint positions of a skeleton.

        Raises:
            ValueError: if the skeleton lacks a body that the set refers to.
        """
        matrix = np.zeros((self.n_joints, skeleton.n_bodies))
        for row, parts in enumerate(self.points.values()):
            for body, weight in parts.items():
                matrix[row, skeleton.body(body)] = weight
        return matrix

    def unit_of(self, skeleton: Skeleton) -> float:
        """Return the unit [m] in which the skeleton's legs are as long as the data set's."""
        rest = self.weights(skeleton) @ skeleton.joint_position
        return float(np.linalg.norm(np.diff(rest[list(self.leg)], axis=0), axis=1).sum()) / self.leg_length


def between(start: Mapping[str, float], end: Mapping[str, float], part: float) -> dict[str, float]:
    """Return the point that lies `part` of the way between two."""
    names = {**start, **end}
    return {name: (1.0 - part) * start.get(name, 0.0) + part * end.get(name, 0.0) for name in names}


def at(body: str) -> dict[str, float]:
    """Return the point at the joint of one body."""
    return {body: 1.0}


def toes(side: str) -> dict[str, float]:
    """Return the middle of the toe joints of side "L" or "R"."""
    return between(at(f"FootThumb{side}"), at(f"FootPinky{side}"), 0.5)


def collar(side: str, other: str) -> dict[str, float]:
    """Return the middle of the clavicle of a side "L" or "R" as a point of the trunk."""
    base = between(at("Torso"), at("Neck"), 0.8)
    return {**base, f"Shoulder{side}": 1.5, f"Shoulder{other}": -1.5}


def humanml3d_points() -> Points:
    """Return the 22 joints of HumanML3D on the body."""
    points = {
        "pelvis": between(at("Pelvis"), at("Spine"), 0.34),
        "left_hip": at("FemurL"),
        "right_hip": at("FemurR"),
        "spine1": at("Spine"),
        "left_knee": at("TibiaL"),
        "right_knee": at("TibiaR"),
        "spine2": at("Torso"),
        "left_ankle": at("TalusL"),
        "right_ankle": at("TalusR"),
        "spine3": between(at("Torso"), at("Neck"), 0.2),
        "left_foot": toes("L"),
        "right_foot": toes("R"),
        "neck": at("Neck"),
        "left_collar": collar("L", "R"),
        "right_collar": collar("R", "L"),
        "head": at("Head"),
    }
    for joint, body in (("shoulder", "Arm"), ("elbow", "ForeArm"), ("wrist", "Hand")):
        points |= {f"left_{joint}": at(f"{body}L"), f"right_{joint}": at(f"{body}R")}
    return MappingProxyType(points)


def kit_points() -> Points:
    """Return the 21 joints of KIT-ML on the body."""
    points = {
        "root": between(at("FemurL"), at("FemurR"), 0.5),
        "BP": at("Spine"),
        "BT": between(at("Torso"), at("Neck"), 0.13),
        "BLN": between(at("Torso"), at("Neck"), 0.8),
        "BUN": at("Neck"),
    }
    for side in "LR":
        points |= {
            side + "S": at(f"Arm{side}"),
            side + "E": at(f"ForeArm{side}"),
            side + "W": at(f"Hand{side}"),
        }
    for side in "LR":
        points |= {
            side + "H": at(f"Femur{side}"),
            side + "K": at(f"Tibia{side}"),
            side + "A": at(f"Talus{side}"),
            side + "Mrot": between(at(f"Talus{side}"), toes(side), 0.35),
            side + "F": toes(side),
        }
    return MappingProxyType(points)


HUMANML3D = JointSet(
    name="HumanML3D",
    points=humanml3d_points(),
    chains=(
        (0, 2, 5, 8, 11),
        (0, 1, 4, 7, 10),
        (0, 3, 6, 9, 12, 15),
        (9, 14, 17, 19, 21),
        (9, 13, 16, 18, 20),
    ),
    directions=(
        (0.0, 0.0, 0.0),
        *(LEFTWARDS, RIGHTWARDS, UP),
        *(DOWN, DOWN, UP),
        *(DOWN, DOWN, UP),
        *(FORWARDS, FORWARDS, UP),
        *(LEFTWARDS, RIGHTWARDS, FORWARDS),
        *(DOWN,) * 6,
    ),
    facing=(2, 1, 17, 16),
    feet=(7, 10, 8, 11),
    swaps=((1, 2), (4, 5), (7, 8), (10, 11), (13, 14), (16, 17), (18, 19), (20, 21)),
    fps=20.0,
    unit=1.0,
    leg=(1, 4, 7),
    leg_length=0.826,  # of the skeleton that all its clips are brought to, from the genuine sample
    mirrored=False,
    still=0.002,
)
"""HumanML3D: SMPL joints in metres at 20 fps, features of 263 numbers.

The directions are those with which the rotations of the genuine sample give its joints.
"""

KIT = JointSet(
    name="KIT-ML",
    points=kit_points(),
    chains=((0, 11, 12, 13, 14, 15), (0, 16, 17, 18, 19, 20), (0, 1, 2, 3, 4), (3, 5, 6, 7), (3, 8, 9, 10)),
    directions=(
        (0.0, 0.0, 0.0),
        *(UP,) * 4,
        *(LEFTWARDS, DOWN, DOWN),
        *(RIGHTWARDS, DOWN, DOWN),
        *(LEFTWARDS, DOWN, DOWN, FORWARDS, FORWARDS),
        *(RIGHTWARDS, DOWN, DOWN, FORWARDS, FORWARDS),
    ),
    facing=(11, 16, 5, 8),
    feet=(19, 20, 14, 15),
    swaps=((5, 8), (6, 9), (7, 10), (11, 16), (12, 17), (13, 18), (14, 19), (15, 20)),
    fps=12.5,
    unit=1.75e-3,
    leg=(11, 12, 13),
    leg_length=491.0,
    mirrored=True,
    still=0.05,
)
"""KIT-ML: MMM joints at 12.5 fps (100 Hz / 8), features of 251 numbers.

Its bones are Winter's fractions of stature times 1000 (thigh 245, shank 246), so the unit is a thousandth of
the stature, here of 1.75 m. Directions, `facing` and `still` were read in the published script; the
half turns in its mean rotations show that the directions of lateral bones do point to the wrong side. No
genuine clip was at hand.
"""
