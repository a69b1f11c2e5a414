"""Augmentation: motions made from a recorded one by changes that physics allows, velocities included.

- mirror: left and right change places.
- speed: the whole motion is played faster or slower at one rate, so that cadence and walking speed change
  together over the same path.
- stretch: the rate swings about its mean through the motion, once every two seconds: one part takes longer,
  the next one less, and the duration stays about the same.
- scale: a larger or smaller person moves with the same angles, so that the root's path grows with the body.
- heading: the motion starts in another direction.

After a change of time, poses lie between the recorded ones (on the shortest way between them) and velocities
are central differences of these new poses.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from musclegym.rotation import Array, IntArray
from musclegym.skeleton import HINGE, Skeleton

ACROSS = np.diag([-1.0, 1.0, 1.0])  # reflection in the plane x = 0, for positions and velocities
ABOUT = -ACROSS  # the same for rotation vectors, which are axial: reflected and reversed
SWING = 2.0  # period of the rate that `stretch` varies [s]


@dataclass(frozen=True)
class Augmentation:
    """How far motions are changed; each draw is uniform in its range."""

    mirror: bool = True
    """Whether half of the motions are mirror images."""

    speed: float = 0.2
    """Largest change of the rate at which a motion is played, as a share; constant through a window."""

    stretch: float = 0.15
    """Largest swing of that rate within a window, as a share."""

    scale: float = 0.1
    """Largest change of the body's size, as a share."""

    heading: bool = True
    """Whether motions start in any direction."""

    def __post_init__(self) -> None:
        """Check that time goes forwards and bodies have a size."""
        if min(self.speed, self.stretch, self.scale) < 0 or self.speed + self.stretch >= 1 or self.scale >= 1:
            raise ValueError(
                f"speed, stretch and scale must not be negative, scale must be below 1 and so must speed + "
                f"stretch, but they are {self.speed}, {self.stretch} and {self.scale}; use e.g. 0.2, 0.15 "
                f"and 0.1"
            )

    @property
    def changes_time(self) -> bool:
        """Whether poses between the recorded ones are needed."""
        return self.speed > 0 or self.stretch > 0


NONE = Augmentation(mirror=False, speed=0.0, stretch=0.0, scale=0.0, heading=False)
"""Motions as they were recorded."""


class Change(NamedTuple):
    """What is done to each of n motions."""

    mirror: IntArray  # (n,) 1 for the mirror image, else 0
    speed: Array  # (n,) mean rate [-]
    stretch: Array  # (n,) swing of the rate [-]
    phase: Array  # (n,) phase of that swing at the beginning [rad]
    scale: Array  # (n,) size [-]
    heading: Array  # (n,) turn to the left [rad]


def change_of(augmentation: Augmentation, uniform: Array) -> Change:
    """Return the changes that uniform random numbers (n, 6) in [0, 1) stand for."""
    mirror, speed, stretch, phase, scale, heading = np.ascontiguousarray(uniform.T)
    return Change(
        mirror=(mirror < 0.5 * augmentation.mirror).astype(np.int64),
        speed=1.0 + augmentation.speed * (2.0 * speed - 1.0),
        stretch=augmentation.stretch * stretch,
        phase=2.0 * np.pi * phase,
        scale=1.0 + augmentation.scale * (2.0 * scale - 1.0),
        heading=2.0 * np.pi * augmentation.heading * heading,
    )


def mirrored(skeleton: Skeleton, states: Array) -> Array:
    """Return the mirror image of motions on a body that is alike on both sides.

    Bodies are paired by the last letter of their names, R or L; the others are their own image.

    Args:
        skeleton: the body.
        states: shape (..., 2 dof), q and qd.

    Returns:
        States of the motion reflected in the plane x = 0, shape (..., 2 dof).
    """
    position, velocity = mirror_maps(skeleton)
    n = skeleton.n_dofs
    return np.concatenate([states[..., :n] @ position.T, states[..., n:] @ velocity.T], axis=-1)


def mirror_maps(skeleton: Skeleton) -> tuple[Array, Array]:
    """Return the matrices (dof, dof) that mirror q and qd; they differ at the root's displacement."""
    position = np.zeros((skeleton.n_dofs, skeleton.n_dofs))
    for body, name in enumerate(skeleton.body_names):
        image = _image(skeleton, name)
        frame, image_frame = skeleton.joint_rotation[body], skeleton.joint_rotation[image]
        about = image_frame.T @ ABOUT @ frame
        row, column = skeleton.dof_start[image], skeleton.dof_start[body]
        if skeleton.joint_kind[body] == HINGE:
            position[row, column] = skeleton.joint_axis[image] @ about @ skeleton.joint_axis[body]
        else:
            position[row : row + 3, column : column + 3] = about
    velocity = position.copy()
    root = skeleton.joint_rotation[0]
    position[3:6, 3:6] = ACROSS
    velocity[3:6, 3:6] = root.T @ ACROSS @ root
    return position, velocity


def _image(skeleton: Skeleton, name: str) -> int:
    """Return the index of the body that `name` becomes in the mirror."""
    other = name[:-1] + {"R": "L", "L": "R"}.get(name[-1], name[-1])
    return skeleton.body(other if other in skeleton.body_names else name)
