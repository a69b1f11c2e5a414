"""How well a motion follows the clip it was made from, and how its feet meet the ground."""

from dataclasses import dataclass

import numpy as np

from musclegym.motion.clip import Clip
from musclegym.motion.families import Family
from musclegym.motion.frames import Frames, feet, lowest_sole, place, sole_points
from musclegym.motion.motion import Motion
from musclegym.motion.name_maps import NameMap, find_family
from musclegym.motion.rest_pose import t_pose_of
from musclegym.motion.retarget import followed, leg_length_ratio
from musclegym.rotation import Array
from musclegym.skeleton import Skeleton

LIMB_JOINTS = tuple(
    (a + side, b + side, c + side)
    for side in "RL"
    for a, b, c in (("Femur", "Tibia", "Talus"), ("Arm", "ForeArm", "Hand"))
)
TOUCHING = 0.01  # height below which a sole point touches the ground [m]
LOW = 0.05  # height below which a foot joint can skate [m] (Karunratanakul et al. 2023)
SLIDING = 0.5  # planar speed above which it skates [m/s] (the same)
SKATING_FPS = 20.0  # frame rate of HumanML3D, which the measure's mean over five frames is meant for [1/s]
STILL = 0.2  # speed below which the ball of a source's foot stands [m/s]
BALLS = {"Talus" + side: "FootThumb" + side for side in "LR"}


@dataclass(frozen=True)
class Quality:
    """Figures of one retargeted clip; lengths in mm."""

    limb_error: float
    """Mean distance of knees, ankles, elbows and wrists from the source's, limb root on limb root and the
    source's bones scaled to the length of the body's [mm]."""
    world_error: float
    """Mean distance of the same joints in the world, the whole source scaled by the leg length [mm]."""
    sliding: float
    """Share of frames in which the lowest point of a foot is below 10 mm and faster than 0.5 m/s."""
    skating: float
    """Share of frames, 20 a second, in which the ball of a foot is low (below 50 mm) and fast (0.5 m/s), the
    metric of motion generators. A foot that swings close to the ground counts too."""
    source_skating: float
    """The same of the source: of the body's foot on the source's ankle, where the body's leg would not have
    moved it."""
    penetration: float
    """Mean depth of the lowest sole point below the ground, zeros included [mm]."""
    deepest: float
    """Largest such depth [mm]."""
    floating: float
    """Mean height above the ground of the lowest points of feet that stand, as `foot_contacts` says [mm]; 0
    where none does."""
    clipped: float
    """Share of joint angles that the limits changed."""
    speed: float
    """Mean horizontal speed of the root [m/s]."""


def measure(clip: Clip, motion: Motion, mapping: NameMap | None = None) -> Quality:
    """Compare a motion, made with `keep_place`, with its clip."""
    skeleton = motion.skeleton
    frames = place(skeleton, motion.q)
    clip = followed(clip, skeleton, motion.fps, mapping=mapping, cyclic=motion.cyclic)
    family = find_family(clip, mapping)
    source = scaled_source(clip, family, motion, frames)
    balls = frames.position[:, [skeleton.body(name) for name in BALLS.values()]]
    limb, world = [], []
    for names in LIMB_JOINTS:
        own = frames.position[:, [skeleton.body(name) for name in names]]
        other = np.stack([source[name] for name in names], axis=1)
        scale = bone_lengths(own) / bone_lengths(other)
        stray = np.diff(own, axis=1) - scale[:, None] * np.diff(other, axis=1)
        limb.append(np.linalg.norm(np.cumsum(stray, axis=1), axis=2))
        world.append(np.linalg.norm(own - other, axis=2)[:, 1:])
    soles = lowest_sole(skeleton, frames)
    depth = np.maximum(-soles.min(axis=1), 0.0)
    standing = np.maximum(soles[motion.contact], 0.0)
    path = np.linalg.norm(np.diff(motion.q[:, [3, 5]], axis=0), axis=1)
    return Quality(
        limb_error=1000.0 * float(np.mean(limb)),
        world_error=1000.0 * float(np.mean(world)),
        sliding=sliding_ratio(skeleton, frames, motion.fps),
        skating=skating_ratio(balls, motion.fps),
        source_skating=skating_ratio(source_balls(clip, family, source, motion), motion.fps),
        penetration=1000.0 * float(depth.mean()),
        deepest=1000.0 * float(depth.max()),
        floating=1000.0 * float(standing.mean()) if standing.size else 0.0,
        clipped=motion.clipped,
        speed=float(path.sum() / motion.duration),
    )


def bone_lengths(chain: Array) -> Array:
    """Return the lengths of a chain's bones, joints (frame, joint, 3), in the first frame, (joint - 1,)."""
    return np.linalg.norm(np.diff(chain[0], axis=0), axis=1)


def scaled_source(clip: Clip, family: Family, motion: Motion, frames: Frames) -> dict[str, Array]:
    """Return body name -> path of its joint in the source, scaled by leg length, shape (frame, 3) [m].

    The source is shifted so that the middle of the hips lies, on average, where the motion's does.

    Args:
        clip: the frames that the motion was made from (see `followed`).
        family: of its skeleton.
        motion: of the body.
        frames: its joints.
    """
    skeleton = motion.skeleton
    ratio = leg_length_ratio(clip, family, skeleton)
    position = clip.pose[1]
    paths = {body: ratio * position[:, clip.joint(joint)] for body, joint in family.joints.items()}
    hips = ("FemurR", "FemurL")
    own = frames.position[:, [skeleton.body(name) for name in hips]]
    shift = (own - np.stack([paths[name] for name in hips], axis=1)).mean(axis=(0, 1))
    return {body: path + shift for body, path in paths.items()}


def source_balls(clip: Clip, family: Family, source: dict[str, Array], motion: Motion) -> Array:
    """Return the path of the balls of the body's feet, put on the source's ankles, shape (frame, 2, 3) [m].

    Each is at its height at rest, in the median, while it stands still.

    Args:
        clip: the frames that the motion was made from.
        family: of its skeleton.
        source: body name -> path of its joint, scaled (see `scaled_source`).
        motion: of the body.
    """
    skeleton = motion.skeleton
    rest = t_pose_of(clip, family, skeleton)
    balls = []
    for talus, ball in BALLS.items():
        at_rest = skeleton.joint_position[skeleton.body(ball)]
        turn = clip.pose[0][:, clip.joint(family.joints[talus])] @ rest[talus].T
        path = source[talus] + turn @ (at_rest - skeleton.joint_position[skeleton.body(talus)])
        still = np.linalg.norm(np.gradient(path, 1.0 / motion.fps, axis=0), axis=1) < STILL
        ground = np.median(path[still, 1]) if still.any() else path[:, 1].min()
        balls.append(path - [0.0, ground - at_rest[1], 0.0])
    return np.stack(balls, axis=1)


def sliding_ratio(skeleton: Skeleton, frames: Frames, fps: float) -> float:
    """Return the share of frames in which a sole point slides while it touches the ground."""
    slides = np.zeros(len(frames.position) - 1, dtype=np.bool_)
    for side in feet(skeleton):
        points = sole_points(skeleton, frames, side)
        lowest = points[..., 1].argmin(axis=1)[:-1]
        every = np.arange(len(lowest))
        step = (points[1:] - points[:-1])[every, lowest]
        touches = np.maximum(points[every, lowest, 1], points[every + 1, lowest, 1]) < TOUCHING
        slides |= touches & (np.linalg.norm(step[:, [0, 2]], axis=1) * fps > SLIDING)
    return float(slides.mean())


def skating_ratio(feet: Array, fps: float) -> float:
    """Return the share of frames in which a foot is low, and fast at once and over five frames.

    Args:
        feet: paths of points of the feet, shape (frame, foot, 3) [m]; sampled anew 20 times a second.
        fps: their frame rate [1/s].
    """
    own = np.arange(len(feet)) / fps
    times = np.arange(0.0, own[-1] + 1e-9, 1.0 / SKATING_FPS)
    flat = feet.reshape(len(feet), -1)
    foot = np.stack([np.interp(times, own, path) for path in flat.T], axis=1).reshape(len(times), -1, 3)
    speed = np.linalg.norm(np.diff(foot[..., [0, 2]], axis=0), axis=2) * SKATING_FPS
    if not len(speed):
        return 0.0
    width = min(5, len(speed))
    kernel = np.ones(width) / width
    mean = np.stack([np.convolve(column, kernel, mode="same") for column in speed.T], axis=1)
    low = (foot[:-1, :, 1] < LOW) & (foot[1:, :, 1] < LOW)
    return float((low & (speed > SLIDING) & (mean > SLIDING)).any(axis=1).mean())
