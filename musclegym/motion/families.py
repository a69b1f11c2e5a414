"""Skeleton families of motion files: which joint moves which body, and how the source stands in a T-pose."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.motion.clip import Clip
from musclegym.rotation import Array


@dataclass(frozen=True)
class Family:
    """A kind of source skeleton."""

    name: str
    """What to call it."""
    joints: Mapping[str, str]
    """Body name -> name of the joint whose frame moves with it."""
    t_pose: Mapping[str, Array] = field(default_factory=dict)
    """Body name -> world orientation of its joint when the source stands in a T-pose and faces +z, shape
    (3, 3); identity where not given. For thighs, shins and arms it need only be near: they are turned until
    their bones point as the body's."""

    def fits(self, clip: Clip) -> bool:
        """Whether a clip has all joints of this family."""
        return set(self.joints.values()) <= set(clip.names)


def sides(centre: Mapping[str, str], limbs: Mapping[str, str], right: str, left: str) -> dict[str, str]:
    """Return a map of joints; `limbs`: body without its side -> joint with `{}` for the side."""
    out = dict(centre)
    for letter, word in (("R", right), ("L", left)):
        out |= {body + letter: joint.format(word) for body, joint in limbs.items()}
    return out


def axes(x: str, y: str) -> Array:
    """Return the rotation whose local x and y axes point along world axes such as "-y", shape (3, 3)."""
    first, second = ((1 if axis[0] == "+" else -1) * np.eye(3)["xyz".index(axis[1])] for axis in (x, y))
    return np.stack([first, second, np.cross(first, second)], axis=1)


def about(axis: str, degrees: float) -> Array:
    """Return the rotation about a world axis, "x", "y" or "z", by `degrees`, shape (3, 3)."""
    return Rotation.from_euler(axis, degrees, degrees=True).as_matrix()


LEG = ("Femur", "Tibia", "Talus")
NEEDED = ("Pelvis", *(part + side for side in "RL" for part in LEG))
ARM = ("Shoulder", "Arm", "ForeArm", "Hand")

MASS = Family(
    "MASS",
    sides(
        {"Pelvis": "Character1_Hips", "Spine": "Character1_Spine", "Torso": "Character1_Spine1"}
        | {"Neck": "Character1_Neck", "Head": "Character1_Head"},
        {"Femur": "Character1_{}UpLeg", "Tibia": "Character1_{}Leg", "Talus": "Character1_{}Foot"}
        | {"Shoulder": "Character1_{}Shoulder", "Arm": "Character1_{}Arm"}
        | {"ForeArm": "Character1_{}ForeArm", "Hand": "Character1_{}Hand"},
        "Right",
        "Left",
    ),
)

# The zero pose stands with its legs 20 degrees apart.
CMU_ASF = Family(
    "CMU (ASF names)",
    sides(
        {"Pelvis": "root", "Spine": "upperback", "Torso": "thorax", "Neck": "lowerneck", "Head": "head"},
        {"Femur": "{}femur", "Tibia": "{}tibia", "Talus": "{}foot"}
        | {"Shoulder": "{}clavicle", "Arm": "{}humerus", "ForeArm": "{}radius", "Hand": "{}hand"},
        "r",
        "l",
    ),
    {part + "L": about("z", -20.0) for part in LEG} | {part + "R": about("z", 20.0) for part in LEG},
)

CMU_POSER = Family(
    "CMU (Poser names)",
    sides(
        {"Pelvis": "hip", "Spine": "abdomen", "Torso": "chest", "Neck": "neck", "Head": "head"},
        {"Femur": "{}Thigh", "Tibia": "{}Shin", "Talus": "{}Foot"}
        | {"Shoulder": "{}Collar", "Arm": "{}Shldr", "ForeArm": "{}ForeArm", "Hand": "{}Hand"},
        "r",
        "l",
    ),
)

# Bones lie along local +x on the left and in the trunk, along -x on the right; knees and elbows bend about
# local y. A flat foot points 35.7 degrees down and the clavicles 18 degrees back (medians over standing feet
# and over walks of the data set).
BANDAI_NAMCO = Family(
    "Bandai-Namco",
    sides(
        {"Pelvis": "Hips", "Spine": "Spine", "Torso": "Chest", "Neck": "Neck", "Head": "Head"},
        {"Femur": "UpperLeg_{}", "Tibia": "LowerLeg_{}", "Talus": "Foot_{}"}
        | {"Shoulder": "Shoulder_{}", "Arm": "UpperArm_{}", "ForeArm": "LowerArm_{}", "Hand": "Hand_{}"},
        "R",
        "L",
    ),
    {"Pelvis": axes("+y", "-x")}
    | {body: axes("+y", "+z") for body in ("Spine", "Torso", "Neck", "Head")}
    | {f"{body}L": axes("-y", "+x") for body in ("Femur", "Tibia")}
    | {f"{body}R": axes("+y", "+x") for body in ("Femur", "Tibia")}
    | {"TalusL": about("x", 35.7) @ axes("+z", "+x"), "TalusR": about("x", 35.7) @ axes("-z", "+x")}
    | {f"{body}R": axes("+x", "-y") for body in ARM[1:]}
    | {"ShoulderL": about("y", 18.0), "ShoulderR": about("y", -18.0) @ axes("+x", "-y")},
)

DEEPMIMIC = Family(
    "DeepMimic",
    sides(
        {"Pelvis": "root", "Torso": "chest", "Head": "neck"},
        {"Femur": "{}_hip", "Tibia": "{}_knee", "Talus": "{}_ankle"}
        | {"Arm": "{}_shoulder", "ForeArm": "{}_elbow", "Hand": "{}_wrist"},
        "right",
        "left",
    ),
    {
        body: about("y", -90.0)
        for body in ("Pelvis", "Torso", "Head", *(part + side for part in LEG for side in "RL"))
    }
    | {f"{body}R": about("z", -90.0) @ about("y", -90.0) for body in ARM[1:]}
    | {f"{body}L": about("z", 90.0) @ about("y", -90.0) for body in ARM[1:]},
)

FAMILIES = (MASS, CMU_ASF, CMU_POSER, BANDAI_NAMCO, DEEPMIMIC)


def find_family(clip: Clip, mapping: Mapping[str, str] | None) -> Family:
    """Return the family of a clip's skeleton, or one made of a user's `mapping` (body name -> joint name).

    Raises:
        ValueError: if the skeleton is of no known family, or the mapping lacks the pelvis or a part of a leg,
            or names a joint that the clip has not.
    """
    if mapping is not None:
        missing = [body for body in NEEDED if body not in mapping]
        if missing:
            raise ValueError(
                f"a mapping must name the joints of {', '.join(NEEDED)}, but lacks {', '.join(missing)}; add "
                f"them"
            )
        for joint in mapping.values():
            clip.joint(joint)
        return Family("given by mapping=", dict(mapping))
    for family in FAMILIES:
        if family.fits(clip):
            return family
    raise ValueError(
        f"{clip.source}: the skeleton must be of a known family "
        f"({'; '.join(family.name for family in FAMILIES)}), but its joints are {', '.join(clip.names)}; "
        f"give mapping={{'Pelvis': JOINT, 'FemurR': JOINT, ...}}"
    )
