"""Features of KIT-ML (251 numbers a frame) and HumanML3D (263): joints from them, mirror image, repairs.

One row per step from a frame to the next, so T frames give T - 1 rows (Guo et al. 2022, CVPR; layout checked
against a genuine sample). In the heading frame of the row's first frame unless said otherwise:

| block | numbers | meaning |
|---|---|---|
| root_turn | 1 | half the angle from the next heading frame to this one about +y [rad] |
| root_step | 2 | x and z of the root's displacement, in the heading frame of the next frame |
| root_height | 1 | of the root above the clip's lowest joint |
| position | 3 per joint but the root | x and z from the root, height above the clip's lowest joint |
| rotation | 6 per joint but the root | first two columns of each bone's rotation in its chain |
| velocity | 3 per joint | displacement in the world during the step |
| contact | 4 | whether ankle and toes of each foot stand still |

`musclegym.motion.kit_extraction` makes them.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from musclegym.motion.joint_sets import JointSet
from musclegym.motion.rotation_arrays import orthonormal
from musclegym.rotation import Array

CONTACT_HEIGHT = 0.05  # a foot joint that is higher above the lowest of its kind does not stand [m]
CONTACT_SPEED = 0.5  # a foot joint that is faster does not stand [m/s]
ROOT_SCALES = (0.5, 0.65)  # of KIT-ML: people between 2.00 and 1.54 m
DEFAULT_ROOT_SCALE = 0.57
KIT_ROOT_UNIT = 1e-3  # KIT-ML's root path is in millimetres, whatever the body's unit [m]
MIRROR_POINT = np.array([-1.0, 1.0, 1.0])
MIRROR_COLUMNS = np.array([1.0, -1.0, -1.0, -1.0, 1.0, 1.0])  # of the first two columns of M R M


@dataclass(frozen=True, eq=False)
class JointFeatures:
    """Features of one clip, with what is needed to read them.

    Raises:
        ValueError: if the rows have not one number per feature, or rate or unit is not positive.
    """

    joint_set: JointSet
    """Joints and layout."""
    values: Array
    """Features, shape (row, number)."""
    fps: float
    """Rows per second."""
    unit: float
    """Length that a 1 stands for [m]."""

    def __post_init__(self) -> None:
        """Check shape, rate and unit."""
        if self.values.ndim != 2 or self.values.shape[1] != self.joint_set.n_features:
            raise ValueError(
                f"{self.joint_set.name} features have {self.joint_set.n_features} numbers a row, but the "
                f"array has shape {self.values.shape}; give one such row per frame, or another joint set"
            )
        if not (self.fps > 0.0 and self.unit > 0.0):
            raise ValueError(
                f"fps and unit must be positive, but are {self.fps} and {self.unit}; "
                f"{self.joint_set.name} has {self.joint_set.fps} fps and {self.joint_set.unit} m"
            )

    def block(self, name: str) -> Array:
        """Return the columns of the block called `name`, shape (row, number)."""
        start, stop = next((start, stop) for block, start, stop in self.joint_set.blocks if block == name)
        return self.values[:, start:stop]

    def headings(self) -> tuple[Array, Array]:
        """Return cosine and sine of the angle by which +z turns to the heading, both (row + 1,)."""
        angle = -2.0 * np.concatenate([[0.0], np.cumsum(self.block("root_turn")[:, 0])])
        return np.cos(angle), np.sin(angle)

    def joints(self) -> Array:
        """Return the joints that the positions describe, shape (row + 1, joint, 3) [unit].

        The clip starts at the origin, facing +z. The last frame is the last row's, moved by its velocities.
        """
        cosine, sine = self.headings()
        root = self.root_path(cosine, sine)
        local = self.block("position").reshape(len(self.values), -1, 3)
        frames = np.concatenate([root[:-1, None], about_vertical(local, cosine[:-1], sine[:-1])], axis=1)
        frames[:, 1:] += root[:-1, None] * [1.0, 0.0, 1.0]
        step = self.block("velocity")[-1:].reshape(1, -1, 3)
        return np.concatenate([frames, frames[-1:] + about_vertical(step, cosine[-2:-1], sine[-2:-1])])

    def joints_from_rotations(self, bone_lengths: Array) -> Array:
        """Return the joints that the rotations describe, shape (row, joint, 3) [unit].

        The 6-D rotations are made orthonormal (Gram-Schmidt), so any numbers give bones of their lengths.

        Args:
            bone_lengths: length of the bone that ends in each joint, shape (joint,) [unit].
        """
        cosine, sine = self.headings()
        out = np.repeat(self.root_path(cosine, sine)[:-1, None], self.joint_set.n_joints, axis=1)
        columns = self.block("rotation").reshape(len(self.values), -1, 2, 3)
        rotation = orthonormal(np.swapaxes(columns, 2, 3))
        bones = np.array(self.joint_set.directions) * bone_lengths[:, None]
        root = upright(cosine[:-1], -sine[:-1])
        for chain in self.joint_set.chains:
            turn = root
            for above, joint in pairwise(chain):
                turn = turn @ rotation[:, joint - 1]
                out[:, joint] = out[:, above] + turn @ bones[joint]
        return out

    def root_path(self, cosine: Array, sine: Array) -> Array:
        """Return the root's path from the headings, shape (row + 1, 3) [unit]."""
        step = np.zeros((len(self.values), 3))
        step[:, ::2] = self.block("root_step")
        path = np.concatenate([np.zeros((1, 3)), about_vertical(step[:, None], cosine[1:], sine[1:])[:, 0]])
        path = np.cumsum(path, axis=0)
        height = self.block("root_height")[:, 0]
        path[:, 1] = [*height, height[-1] + self.block("velocity")[-1, 1]]
        return path

    def mirrored(self) -> "JointFeatures":
        """Return the features of the mirrored motion, left and right exchanged."""
        order = self.joint_set.mirror_order
        rows = len(self.values)
        position = self.block("position").reshape(rows, -1, 3)[:, order[1:] - 1] * MIRROR_POINT
        rotation = self.block("rotation").reshape(rows, -1, 6)[:, order[1:] - 1] * MIRROR_COLUMNS
        velocity = self.block("velocity").reshape(rows, -1, 3)[:, order] * MIRROR_POINT
        parts = [
            -self.block("root_turn"),
            self.block("root_step") * MIRROR_POINT[[0, 2]],
            self.block("root_height"),
            *(part.reshape(rows, -1) for part in (position, rotation, velocity)),
            self.block("contact")[:, [2, 3, 0, 1]],
        ]
        return replace(self, values=np.concatenate(parts, axis=1))

    def with_contacts(self) -> "JointFeatures":
        """Return the features with contacts found from height and speed in metres and seconds.

        A foot joint stands while it is slower than `CONTACT_SPEED` and less than `CONTACT_HEIGHT` above the
        lowest that a joint of its kind, ankle or toes, comes in the clip. KIT-ML's own channels are nearly
        always zero.
        """
        height = self.unit * self.joints()[:-1, self.joint_set.feet, 1]
        lowest = height.reshape(-1, 2, 2).min(axis=(0, 1))
        step = self.block("velocity").reshape(len(self.values), -1, 3)[:, self.joint_set.feet]
        slow = np.linalg.norm(step, axis=2) * self.fps * self.unit < CONTACT_SPEED
        values = self.values.copy()
        values[:, -4:] = slow & (height - np.tile(lowest, 2) < CONTACT_HEIGHT)
        return replace(self, values=values)

    def with_root_scale(self, factor: float | None = None) -> "JointFeatures":
        """Return the features of the same movement along a path of the root scaled by `factor`.

        KIT-ML holds bodies of one metre on root paths of real people, so feet slide. The factor that stops
        them is one over the person's height, from which the unit follows.

        Args:
            factor: scale of the root's path on the ground; the `steadiest_root_scale` if None.

        Raises:
            ValueError: if the factor is outside [0.5, 0.65].
        """
        factor = self.steadiest_root_scale() if factor is None else factor
        if not ROOT_SCALES[0] <= factor <= ROOT_SCALES[1]:
            raise ValueError(
                f"the root's path of KIT-ML is scaled by one over a person's height, {ROOT_SCALES[0]} to "
                f"{ROOT_SCALES[1]} per metre, but the factor is {factor}; the default is {DEFAULT_ROOT_SCALE}"
            )
        values = self.values.copy()
        values[:, 1:3] *= factor
        start = next(start for name, start, _ in self.joint_set.blocks if name == "velocity")
        change = (factor - 1.0) * self.values[:, start : start + 3] * [1.0, 0.0, 1.0]
        values[:, start:-4] += np.tile(change, self.joint_set.n_joints)
        return replace(self, values=values, unit=KIT_ROOT_UNIT / factor)

    def steadiest_root_scale(self) -> float:
        """Return the scale of the root's path at which the standing foot moves least, within [0.5, 0.65].

        The foot that stands is the one whose toes are lower. Its displacement is linear in the scale, so the
        least sum of squares has a closed form. A root that stays in place tells nothing: 0.57 then.
        """
        step = self.block("velocity").reshape(len(self.values), -1, 3)[..., ::2]
        toes = [self.joint_set.feet[1], self.joint_set.feet[3]]
        lower = self.joints()[:-1, toes, 1].argmin(axis=1)
        root = step[:, 0]
        foot = step[np.arange(len(step)), np.array(toes)[lower]] - root
        path = float((root**2).sum())
        if path < 1e-12 * self.joint_set.leg_length**2:
            return DEFAULT_ROOT_SCALE
        return float(np.clip(-(foot * root).sum() / path, *ROOT_SCALES))


def upright(cosine: Array, sine: Array) -> Array:
    """Return rotations about +y (n, 3, 3) from cosine and sine of their angles, both (n,)."""
    zero, one = np.zeros_like(cosine), np.ones_like(cosine)
    rows = [cosine, zero, sine, zero, one, zero, -sine, zero, cosine]
    return np.stack(rows, axis=1).reshape(-1, 3, 3)


def about_vertical(points: Array, cosine: Array, sine: Array) -> Array:
    """Return points (n, point, 3) turned about +y by angles whose cosine and sine are given, both (n,).

    Written out, so that mirrored points give mirrored results to the last bit.
    """
    cosine, sine = cosine[:, None], sine[:, None]
    x, z = points[..., 0], points[..., 2]
    return np.stack([cosine * x + sine * z, points[..., 1], cosine * z - sine * x], axis=-1)
