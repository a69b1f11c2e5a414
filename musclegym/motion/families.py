"""Skeleton families of motion files: which joint moves which body, and how the source stands in a T-pose."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial.transform import Rotation

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
    their bones point as the body's. Empty: taken from the zero pose, or from the motion (`t_pose_of`)."""
    signs: tuple[str, ...] = ()
    """Names of further joints by which to tell the family."""
    prefix: str = ""
    """What must stand before the names, next to whatever else does."""


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
ARM = ("Shoulder", "Arm", "ForeArm", "Hand")
TRUNK = ("Spine", "Torso", "Neck", "Head")
NEEDED = ("Pelvis", *(part + side for side in "RL" for part in LEG))
BODIES = (
    *("Pelvis", *TRUNK),
    *(part + side for side in "RL" for part in (*LEG, "FootThumb", "FootPinky", *ARM)),
)
"""Names of the bodies of the 23-body family."""

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

# The bodies' own names, which `write_bvh` gives to the joints.
OWN = Family(
    "musclegym",
    {name: name for name in ("Pelvis", "Spine", "Torso", "Neck", "Head")}
    | {part + side: part + side for side in "RL" for part in (*LEG, *ARM)},
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
    | {f"{body}L": np.eye(3) for body in ARM[1:]}
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


def motion_builder(
    name: str, spine: str, torso: str, *, signs: tuple[str, ...] = (), prefix: str = ""
) -> Family:
    """Return a family with the names of MotionBuilder's characters, which differ in their spines."""
    return Family(
        name,
        sides(
            {"Pelvis": "Hips", "Spine": spine, "Torso": torso, "Neck": "Neck", "Head": "Head"},
            {"Femur": "{}UpLeg", "Tibia": "{}Leg", "Talus": "{}Foot"}
            | {"Shoulder": "{}Shoulder", "Arm": "{}Arm", "ForeArm": "{}ForeArm", "Hand": "{}Hand"},
            "Right",
            "Left",
        ),
        signs=signs,
        prefix=prefix,
    )


MIXAMO = motion_builder("Mixamo", "Spine1", "Spine2", prefix="mixamorig")
# Bones lie along local x everywhere; read off the first frame of a file, which stands with its arms out.
LAFAN1 = replace(
    motion_builder("LAFAN1", "Spine1", "Spine2", signs=("LeftToe", "RightToe")),
    t_pose={body: axes("+y", "+z") for body in ("Pelvis", *TRUNK)}
    | {part + side: axes("-y", "+z") for part in ("Femur", "Tibia") for side in "RL"}
    | {"Talus" + side: about("x", 24.5) @ axes("+z", "+y") for side in "RL"}
    | {part + "R": axes("-x", "-z") for part in ARM}
    | {part + "L": axes("+x", "-z") for part in ARM},
)
CMU_MOTION_BUILDER = motion_builder("CMU (MotionBuilder names)", "Spine", "Spine1", signs=("LowerBack",))
MOTION_BUILDERS = (
    motion_builder("MotionBuilder (5 spine joints)", "Spine2", "Spine4"),
    motion_builder("MotionBuilder (4 spine joints)", "Spine2", "Spine3"),
    motion_builder("MotionBuilder (3 spine joints)", "Spine1", "Spine2"),
    motion_builder("MotionBuilder (2 spine joints)", "Spine", "Spine1"),
)

# Names of the joints in the BVH files of MVN Studio.
XSENS = Family(
    "Xsens (joints)",
    sides(
        {"Pelvis": "Hips", "Spine": "Chest2", "Torso": "Chest4", "Neck": "Neck", "Head": "Head"},
        {"Femur": "{}Hip", "Tibia": "{}Knee", "Talus": "{}Ankle"}
        | {"Shoulder": "{}Collar", "Arm": "{}Shoulder", "ForeArm": "{}Elbow", "Hand": "{}Wrist"},
        "Right",
        "Left",
    ),
)

# Names of the segments in the files of MVN Analyze.
XSENS_SEGMENTS = Family(
    "Xsens (segments)",
    sides(
        {"Pelvis": "Pelvis", "Spine": "L3", "Torso": "T8", "Neck": "Neck", "Head": "Head"},
        {"Femur": "{}UpperLeg", "Tibia": "{}LowerLeg", "Talus": "{}Foot"}
        | {"Shoulder": "{}Shoulder", "Arm": "{}UpperArm", "ForeArm": "{}ForeArm", "Hand": "{}Hand"},
        "Right",
        "Left",
    ),
)


def smpl(name: str, right: str, left: str) -> Family:
    """Return a family with the names of SMPL's joints, whose sides are called as given."""
    return Family(
        name,
        sides(
            {"Pelvis": "Pelvis", "Spine": "Spine2", "Torso": "Spine3", "Neck": "Neck", "Head": "Head"},
            {"Femur": "{}_Hip", "Tibia": "{}_Knee", "Talus": "{}_Ankle"}
            | {"Shoulder": "{}_Collar", "Arm": "{}_Shoulder", "ForeArm": "{}_Elbow", "Hand": "{}_Wrist"},
            right,
            left,
        ),
    )


SMPL = smpl("SMPL", "R", "L")
SMPL_X = smpl("SMPL-X", "right", "left")

FAMILIES = (
    *(OWN, MASS, CMU_ASF, CMU_POSER, BANDAI_NAMCO, DEEPMIMIC),
    *(MIXAMO, LAFAN1, CMU_MOTION_BUILDER, *MOTION_BUILDERS),
    *(XSENS, XSENS_SEGMENTS, SMPL, SMPL_X),
)
"""The families that are told by their names; of several that fit, the first."""
