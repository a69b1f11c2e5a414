"""Forward kinematics for torch: where the joints are in a batch of poses, with gradients.

The same joints as `Body.joint_positions`, all bodies of one depth of the tree at a time.
"""

import numpy as np
import torch
from torch import Tensor, nn

from musclegym.motion.features import Pose
from musclegym.motion.frames import CONTACT_HEIGHT
from musclegym.motion.rotation_arrays import rotation_from_vector
from musclegym.skeleton import BALL, HINGE, Skeleton


class JointPlaces(nn.Module):
    """Places the joints of a skeleton in the world."""

    offset: Tensor
    rest_rotation: Tensor
    axis: Tensor

    def __init__(self, skeleton: Skeleton) -> None:
        """Prepare for poses of `skeleton`."""
        super().__init__()
        tree = skeleton.tree
        for name in ("offset", "rest_rotation", "axis"):
            value = torch.as_tensor(getattr(tree, name), dtype=torch.float32)
            self.register_buffer(name, value, persistent=False)
        self.balls = np.flatnonzero(tree.kind == BALL)
        self.hinges = np.flatnonzero(tree.kind == HINGE)
        self.in_groups = np.argsort(np.concatenate([self.balls, self.hinges]))  # body - 1 -> ball or hinge
        depth = np.zeros(skeleton.n_bodies, dtype=np.int64)
        for body in range(1, skeleton.n_bodies):
            depth[body] = depth[tree.parent[body]] + 1
        self.levels = [np.flatnonzero(depth == level) for level in range(1, depth.max() + 1)]
        within = np.zeros(skeleton.n_bodies, dtype=np.int64)  # place of a body in its level
        for level in self.levels:
            within[level] = np.arange(len(level))
        self.above = [within[tree.parent[level]] for level in self.levels]
        self.in_bodies = np.argsort(np.concatenate([[0], *self.levels]))  # body -> place level by level

    def forward(self, pose: Pose) -> Tensor:
        """Return the positions of the joints (..., body, 3) [m] in poses with any leading axes."""
        turns = rotation_from_vector(pose.hinge[..., None] * self.axis[self.hinges])
        joined = torch.cat([pose.rotation[..., 1:, :, :], turns], dim=-3)[..., self.in_groups, :, :]
        local = self.rest_rotation[1:] @ joined
        rotation = pose.rotation[..., :1, :, :]
        place = (pose.displacement + self.offset[0])[..., None, :]
        places = [place]
        for level, above in zip(self.levels, self.above, strict=True):
            parent = rotation[..., above, :, :]
            place = place[..., above, :] + (parent @ self.offset[level, :, None])[..., 0]
            places.append(place)
            rotation = parent @ local[..., level - 1, :, :]
        return torch.cat(places, dim=-2)[..., self.in_bodies, :]


class FeetOnGround(nn.Module):
    """Tells how far the joints of the feet move while they are near the ground."""

    standing_height: Tensor

    def __init__(self, skeleton: Skeleton) -> None:
        """Prepare for `skeleton`; a foot is near the ground below 3 cm above where it is at rest, upright."""
        super().__init__()
        self.joints = torch.from_numpy(skeleton.contact.nonzero()[0])
        height = torch.as_tensor(skeleton.joint_position[skeleton.contact, 1], dtype=torch.float32)
        self.register_buffer("standing_height", height + CONTACT_HEIGHT, persistent=False)

    def moved(self, path: Tensor) -> tuple[Tensor, Tensor]:
        """Return how far each joint of a foot moves from frame to frame, and whether it is low in both.

        Args:
            path: positions of all joints, shape (..., frame, body, 3) [m].

        Returns:
            Distances [m] and truth values, both of shape (..., frame - 1, foot joint).
        """
        feet = path[..., self.joints, :]
        low = feet[..., 1] < self.standing_height
        square = (feet.diff(dim=-3) ** 2).sum(dim=-1)
        return square.clamp_min(1e-10).sqrt(), low[..., 1:, :] & low[..., :-1, :]

    def slide(self, path: Tensor) -> Tensor:
        """Return the mean distance that joints of feet move in a frame while low, shape (...) [m]."""
        distance, low = self.moved(path)
        return (distance * low).sum(dim=(-2, -1)) / low.sum(dim=(-2, -1)).clamp_min(1)
