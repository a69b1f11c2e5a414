"""Whether a clip can be a person's motion: size, speed, steps, feet and falls, against laws and recordings.

A wrong unit shows in the size; a wrong frame time in speed against leg length, in the time a step takes, in
falls faster than gravity's, and in limbs that turn as fast as in jumps and kicks though a foot always stands;
a root path in another unit than the skeleton in feet that slide while they stand. The bounds were set on the
clips of CMU, Bandai-Namco and DeepMimic: each flags what it states, not every wrong file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from musclegym.motion.clip import Clip
from musclegym.motion.families import Family
from musclegym.rotation import Array

GRAVITY = 9.81  # [m/s^2]
# Segments between joints and their share of the body's mass (Winter 2009, Biomechanics and Motor Control of
# Human Movement, table 4.1; figures from memory), taken halfway between the joints.
TRUNK = (("Pelvis", "Neck", 0.497), ("Head", "Head", 0.081))
LIMB = (
    ("Femur", "Tibia", 0.1),
    ("Tibia", "Talus", 0.0465),
    ("Talus", "Talus", 0.0145),
    ("Arm", "ForeArm", 0.028),
    ("ForeArm", "Hand", 0.016),
    ("Hand", "Hand", 0.006),
)
TURNING = (("Femur", "Tibia"), ("Arm", "ForeArm"), ("Pelvis", "Torso"))
LIFTED = 0.06  # an ankle so much above where it stands is in the air [m]
APART = 0.15  # distance of the ankles along the heading that makes a step, over leg length

LEGS = (0.55, 1.1)  # people above 1.2 m [m]
FASTEST = 2.2  # speed over sqrt(g leg): runs in motion data stay below 2, a sprinter's 12 m/s is 4
STEP_TIMES = (1.1, 3.65)  # of walks, over sqrt(leg / g): 186 to 56 steps a minute on legs of 0.85 m
WALKING_STEPS = (0.6, 1.05)  # length of steps that these times are about, over leg length
STEEPEST_FALL = 1.8  # downward acceleration, over g, in the fastest hundredth of the frames
LIVELIEST = 5.0  # turning of limbs and trunk in the fastest tenth of the frames [rad/s]
GROUNDED = 0.12  # share of frames without a foot on the ground below which nobody jumps
LONG = 5.0  # a kick or a throw is shorter [s]
SLIDING = 0.6  # speed of the slower foot over the pelvis's


@dataclass(frozen=True)
class Plausibility:
    """What a clip says about the person in it. A figure that the clip is too short for is 0."""

    leg: float
    """Length of the left leg, hip to ankle [m]."""
    height: float
    """Height of the head joint above the lower ankle, in the uppermost twentieth of the frames [m]."""
    speed: float
    """Mean horizontal speed of the pelvis, its path sampled ten times a second [m/s]."""
    stance_speed: float
    """Horizontal speed of the slower ankle, exceeded in four of five frames [m/s]."""
    step_length: float
    """Median path of the pelvis from one step to the next [m]; 0 without regular steps."""
    step_time: float
    """Median time from one step to the next [s]; 0 without regular steps."""
    fall: float
    """Downward acceleration of the centre of mass, exceeded in 1 % of the frames, over gravity's."""
    turning: float
    """Rate at which limbs and trunk turn, exceeded in 10 % of the frames; geometric mean of both [rad/s]."""
    airborne: float
    """Share of frames in which both ankles are above their places on the ground."""
    seconds: float
    """Duration of the clip [s]."""

    @property
    def leg_time(self) -> float:
        """Time scale of gaits, sqrt(leg / g) [s]."""
        return float(np.sqrt(self.leg / GRAVITY))

    def warnings(self) -> Iterator[str]:
        """Say what is implausible, and what to try."""
        if not LEGS[0] < self.leg < LEGS[1]:
            yield f"its legs are {self.leg:.2f} m long: read it with unit=METRES_PER_UNIT"
        if self.speed * self.leg_time > FASTEST * self.leg:
            yield (
                f"it moves at {self.speed:.1f} m/s on legs of {self.leg:.2f} m: check frame time and unit "
                "(fps=, unit=)"
            )
        walks = WALKING_STEPS[0] < self.step_length / self.leg < WALKING_STEPS[1]
        if walks and not STEP_TIMES[0] < self.step_time / self.leg_time < STEP_TIMES[1]:
            yield (
                f"its steps of {self.step_length:.2f} m take {self.step_time:.2f} s, "
                f"{60.0 / self.step_time:.0f} a minute: check the frame time (fps=)"
            )
        if self.fall > STEEPEST_FALL:
            yield (
                f"it falls with {self.fall:.1f} times gravity's acceleration: check frame time and unit "
                "(fps=, unit=), or look for faults in the recording"
            )
        if self.turning > LIVELIEST and self.airborne < GROUNDED and self.seconds > LONG:
            yield (
                f"limbs and trunk turn at {self.turning:.1f} rad/s though a foot always stands, as only fast "
                "dances do: check the frame time (fps=)"
            )
        if self.stance_speed > max(SLIDING * self.speed, 0.3):
            yield (
                f"its standing foot slides at {self.stance_speed:.2f} m/s, its pelvis moves at "
                f"{self.speed:.2f} m/s: check that the root's path and the skeleton have one unit"
            )


def plausibility(clip: Clip, family: Family) -> Plausibility:
    """Return the figures of a clip."""
    rotation, position = clip.pose
    paths = {body: position[:, clip.joint(joint)] for body, joint in family.joints.items()}
    frames = {body: rotation[:, clip.joint(joint)] for body, joint in family.joints.items()}
    ankles = np.stack([paths["TalusL"], paths["TalusR"]], axis=1)
    bones = (("FemurL", "TibiaL"), ("TibiaL", "TalusL"))
    leg = sum(float(np.linalg.norm(clip.bone(family.joints[a], family.joints[b]))) for a, b in bones)
    lengths, times = steps(paths, max(leg, 1e-9), clip.fps)
    head = paths.get("Head", paths["Pelvis"])
    return Plausibility(
        leg=leg,
        height=float(np.percentile(head[:, 1] - ankles[..., 1].min(axis=1), 95)),
        speed=mean_speed(paths["Pelvis"], clip.fps),
        stance_speed=stance_speed(ankles, clip.fps),
        step_length=lengths,
        step_time=times,
        fall=steepest_fall(centre_of_mass(paths)[:, 1], clip.fps),
        turning=turning(frames, clip.fps),
        airborne=float((ankles[..., 1] > np.percentile(ankles[..., 1], 5) + LIFTED).all(axis=1).mean()),
        seconds=clip.duration,
    )


def mean_speed(path: Array, fps: float) -> float:
    """Return the mean horizontal speed along a path (frame, 3), sampled ten times a second [m/s]."""
    every = max(round(fps / 10.0), 1)
    points = path[::every, [0, 2]]
    span = (len(points) - 1) * every / fps
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum() / span) if span else 0.0


def stance_speed(ankles: Array, fps: float) -> float:
    """Return the speed that the slower of both ankles (frame, 2, 3) exceeds in four of five frames [m/s]."""
    every = max(round(fps / 30.0), 1)
    points = ankles[::every][..., [0, 2]]
    if len(points) < 2:
        return 0.0
    speed = np.linalg.norm(np.diff(points, axis=0), axis=2) * fps / every
    return float(np.percentile(speed.min(axis=1), 20))


def steps(paths: Mapping[str, Array], leg: float, fps: float) -> tuple[float, float]:
    """Return median length [m] and time [s] of steps, both 0 where there are fewer than four regular ones.

    A step is made when the other ankle is `APART` ahead, along the direction the hips face. Times are regular
    when half of them lie within 20 % of their median.
    """
    across = (paths["FemurL"] - paths["FemurR"])[:, [0, 2]]
    ahead = np.stack([-across[:, 1], across[:, 0]], axis=1)  # left is +x when facing +z
    apart = ((paths["TalusL"] - paths["TalusR"])[:, [0, 2]] * ahead).sum(axis=1)
    apart /= np.maximum(np.linalg.norm(ahead, axis=1), 1e-9) * leg
    wide = np.flatnonzero(np.abs(apart) > APART)
    changes = wide[1:][np.diff(np.sign(apart[wide])) != 0.0]
    if len(changes) < 5:
        return 0.0, 0.0
    times = np.diff(changes) / fps
    if np.median(np.abs(times - np.median(times))) > 0.2 * np.median(times):
        return 0.0, 0.0
    path = np.diff(paths["Pelvis"][changes][:, [0, 2]], axis=0)
    return float(np.median(np.linalg.norm(path, axis=1))), float(np.median(times))


def centre_of_mass(paths: Mapping[str, Array]) -> Array:
    """Return the centre of mass (frame, 3) [m] of the segments whose joints are known."""
    segments = [*TRUNK, *((a + side, b + side, share) for side in "LR" for a, b, share in LIMB)]
    known = [(paths[a], paths[b], share) for a, b, share in segments if a in paths and b in paths]
    total = sum(share for _, _, share in known)
    return np.sum([0.5 * share / total * (start + end) for start, end, share in known], axis=0)


def steepest_fall(height: Array, fps: float) -> float:
    """Return the downward acceleration of a height (frame,) [m] exceeded in 1 % of the frames, over g.

    The acceleration is the second difference over a tenth of a second to either side: exact in free fall.
    """
    span = max(round(0.1 * fps), 1)
    if len(height) < 2 * span + 10:
        return 0.0
    second = height[2 * span :] - 2.0 * height[span:-span] + height[: -2 * span]
    return float(-np.percentile(second, 1) * (fps / span) ** 2 / GRAVITY)


def turning(frames: Mapping[str, Array], fps: float) -> float:
    """Return the rate at which legs, arms and trunk turn, exceeded in 10 % of the frames [rad/s].

    Args:
        frames: body name -> orientation of its joint in the world, shape (frame, 3, 3).
        fps: frames per second.
    """
    every = max(round(fps / 30.0), 1)
    rates = []
    for parts in TURNING:
        names = [part + side for part in parts for side in ("", "L", "R") if part + side in frames]
        own = np.stack([frames[name][::every] for name in names], axis=1)
        if len(own) < 2:
            return 0.0
        cosine = (np.einsum("fbij,fbij->fb", own[:-1], own[1:]) - 1.0) / 2.0
        angle = np.arccos(np.clip(cosine, -1.0, 1.0)).mean(axis=1)
        rates.append(float(np.percentile(angle, 90)) * fps / every)
    return float(np.prod(rates) ** (1.0 / len(rates)))
