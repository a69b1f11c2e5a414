"""Rollouts with gradients: a prior learns from where its own predictions lead over several frames.

After a window of true motion the model goes on alone, each prediction joining what the next one is made of
(auto-conditioning, Li et al. 2018), and the error of every predicted frame reaches the weights through all
the frames before it. The rollouts grow longer as training goes on. Those that come to the end of their clip
are measured up to there: were clips left out that are shorter than the rollouts, a prior would come to move
as the people of long clips do.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from musclegym.motion.features import Pose, StateLayout
from musclegym.motion.frames import CONTACT_SPEED
from musclegym.pretrain.joint_places import FeetOnGround, JointPlaces
from musclegym.pretrain.next_state import Memory, NextStateModel
from musclegym.pretrain.pose_pool import joined
from musclegym.pretrain.windows import Windows
from musclegym.skeleton import Skeleton

LEAST_MOVED = 0.01  # joints are taken to move by no less than this, so that errors in stillness count [m]
MEASURED_BATCHES = 8  # batches of windows from which it is learned how far joints move


@dataclass(frozen=True)
class UnrollConfig:
    """How rollouts with gradients are made."""

    every: int = 5
    """Steps from one batch with rollouts to the next; 5 makes 20 % of all batches, 0 none."""

    longest: int = 16
    """Frames of the longest rollouts."""

    count: int = 32
    """Rollouts in such a batch, of all processes together."""

    shortest: int = 1
    """Frames of the first rollouts, which double up to the middle of training; a prior that has learned
    already can begin with long ones."""

    passing: float = 1.0
    """Share of the gradient that passes from each frame to the one before. With less than 1 a few rollouts
    whose gradients grow from frame to frame do not outweigh all others."""

    def __post_init__(self) -> None:
        """Check that there is something to roll out."""
        if self.every < 0 or not 1 <= self.shortest <= self.longest or self.count < 1:
            raise ValueError(
                f"every must not be negative, shortest from 1 to longest, and count positive, but they are "
                f"{self.every}, {self.shortest} to {self.longest} and {self.count}; use e.g. 5, 1, 16 and 32"
            )
        if not 0.0 <= self.passing <= 1.0:
            raise ValueError(f"passing must lie in [0, 1], but is {self.passing}; use e.g. 0.95")

    def frames(self, progress: float) -> int:
        """Return the length of rollouts at a stage of the training in [0, 1]."""
        doublings = (-(-self.longest // self.shortest) - 1).bit_length()
        return min(self.longest, self.shortest * 2 ** int(min(1.0, 2.0 * progress) * doublings))


class Unrolled(nn.Module):
    """Draws places in true motion, rolls a model out from there and measures where that leads."""

    moved: Tensor

    def __init__(self, windows: Windows, context: int, change: Tensor, config: UnrollConfig) -> None:
        """Prepare to draw.

        Args:
            windows: true motion.
            context: frames of it that rollouts begin with, fewer than a window has.
            change: size of a frame's change, shape (2 dof,).
            config: how long and how many.

        Raises:
            ValueError: if no clip is long enough for the longest rollouts.
        """
        super().__init__()
        self.windows, self.context, self.config = windows, context, config
        self.errors = RolloutErrors(windows.layout, windows.sampler.source.skeleton, change, windows.fps)
        self.register_buffer("moved", self.distance_moved(), persistent=False)

    def forward(
        self, model: NextStateModel, places: Tensor, progress: float, mine: slice = slice(None)
    ) -> dict[str, Tensor]:
        """Return the terms of rollouts that begin at `places` (sample, PLACE), if need be more than once."""
        context, frames = self.context, self.config.frames(progress)
        places = places[torch.arange(self.config.count) % len(places)][mine]
        true = self.windows.poses(places, torch.zeros(len(places), dtype=torch.int64), context + frames)
        start, wanted = true.at((slice(None), context - 1)), true.at((slice(None), slice(context, None)))
        predicted = unroll(model, true.at((slice(None), slice(context))), frames, self.config.passing)
        known = self.windows.known(places, context, frames).to(self.moved.device)
        return self.errors(start, predicted, wanted, self.moved[:frames], known)

    def distance_moved(self) -> Tensor:
        """Return how far joints move on the mean within 1, 2 ... `longest` frames, shape (longest,) [m]."""
        context, frames = self.context, self.config.longest
        places = torch.cat([self.windows.draw(step) for step in range(MEASURED_BATCHES)])
        known = self.windows.known(places, context, frames)
        if not known[:, -1].any():
            raise ValueError(
                f"rollouts of {frames} frames need clips that go on for as much after the first "
                f"{context}, but among {len(places)} windows none goes on for so long; give "
                f"longer motions or e.g. --longest {max(1, frames // 2)}"
            )
        first = torch.full((len(places),), context - 1)
        joints = self.errors.places(self.windows.poses(places, first, frames + 1))
        moved = joint_distance(joints[:, 1:], joints[:, :1]) * known
        return (moved.sum(dim=0) / known.sum(dim=0)).clamp_min(LEAST_MOVED)


class RolloutErrors(nn.Module):
    """Measures predicted poses against true ones, frame by frame."""

    change: Tensor

    def __init__(self, layout: StateLayout, skeleton: Skeleton, change: Tensor, fps: float) -> None:
        """Prepare to measure.

        Args:
            layout: order of the numbers of a state.
            skeleton: places the joints.
            change: size of a frame's change, shape (2 dof,).
            fps: frames per second.
        """
        super().__init__()
        self.layout, self.fps = layout, fps
        self.register_buffer("change", change, persistent=False)
        self.places = JointPlaces(skeleton)
        self.feet = FeetOnGround(skeleton)

    def forward(
        self, start: Pose, predicted: Pose, true: Pose, moved: Tensor, known: Tensor
    ) -> dict[str, Tensor]:
        """Return the terms, means over the frames of a rollout that have a truth, then over rollouts.

        Args:
            start: where rollouts begin, leading axis (batch,).
            predicted: poses that follow, leading axes (batch, frame).
            true: the truth.
            moved: what counts as an error of 1 in each frame, shape (frame,) [m].
            known: where there is a truth, at least in every first frame, shape (batch, frame).
        """
        share = known / (known.sum(dim=1, keepdim=True) * len(known))
        before, places, wanted = (self.places(pose) for pose in (start, predicted, true))
        local, wanted_local = (joints - joints[..., :1, :] for joints in (places, wanted))
        velocity = (predicted.velocity - true.velocity) / self.change[self.layout.n_dofs :]
        path, true_path = (torch.cat([before[:, None], joints], dim=1) for joints in (places, wanted))
        return {
            "joints": (joint_distance(places, wanted) / moved * share).sum(),
            "joints_local": (joint_distance(local, wanted_local) / moved * share).sum(),
            "rollout_velocity": ((velocity**2).mean(dim=-1) * share).sum(),
            "foot": (self.foot_speed(path, true_path) * share).sum(),
        }

    def foot_speed(self, path: Tensor, true_path: Tensor) -> Tensor:
        """Return the squared speed of feet that stand in the true motion, (batch, frame) [m^2/s^2].

        It is a mean over all joints of feet. One stands from one frame to the next while it is less than 3 cm
        above where it is in the upright rest pose and slower than 0.4 m/s, the same measures as for the
        contacts of clips.

        Args:
            path: predicted positions of all joints, shape (batch, frame, body, 3) [m].
            true_path: true ones.
        """
        distance, low = self.feet.moved(true_path)
        speed, _ = self.feet.moved(path)
        stands = low & (distance * self.fps < CONTACT_SPEED)
        return ((speed * self.fps) ** 2 * stands).mean(dim=-1)


def unroll(model: NextStateModel, window: Pose, frames: int, passing: float = 1.0) -> Pose:
    """Return the poses (batch, frames) that a model predicts one by one after windows (batch, frame).

    Of the gradient of each pose the share `passing` reaches what it was predicted from.
    """
    memory: Memory = {}
    poses = [model.forward(window, memory)]  # once a rollout, and so not worth compiling as the rest is
    for _ in range(frames - 1):
        poses.append(model(fading(poses[-1], passing), memory))
    return joined(poses, dim=1)


def fading(pose: Pose, passing: float) -> Pose:
    """Return the very pose, of whose gradient only a share passes."""
    if passing == 1.0:
        return pose
    return Pose(*(passing * part + (1.0 - passing) * part.detach() for part in pose))


def joint_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean distance (...) of joints (..., body, 3) [m], with a gradient also where it is 0."""
    return ((first - second) ** 2).sum(dim=-1).clamp_min(1e-10).sqrt().mean(dim=-1)
