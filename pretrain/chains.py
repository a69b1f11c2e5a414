"""Chains: rollouts kept alive beside the training, so that a prior learns to come back from its own mistakes.

Each chain is a window of the model's own predictions that walks along a clip, one frame per visit. At each of
its frames the model is asked to move as the clip does there, as in DAgger (Ross et al. 2011), while its
distance from the clip in positions and velocities dies out as that of a critically damped spring does; a body
cannot be asked for a jump back to its place and for the clip's velocity at once. A chain that has come too
far, or to the end of its clip, begins anew with true frames.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from musclegym.motion.features import Pose
from musclegym.motion.rotation_arrays import constant_like, rotation_from_vector
from musclegym.pretrain.draws import Draw
from musclegym.pretrain.pose_pool import PosePool, joined
from musclegym.pretrain.windows import PLACE, Windows


@dataclass(frozen=True)
class ChainConfig:
    """How rollouts are kept beside the training."""

    pool: int = 256
    """Rollouts that are kept going."""

    farthest: float = 6.0
    """Distance from the truth at which a rollout begins anew, in changes of a frame."""

    restart: float = 0.01
    """Chance per step that a rollout begins anew in any case."""

    recovery: float = 8.0
    """Rate at which the distance of a rollout from the truth is to die out [1/s]."""


class Chains(PosePool):
    """A pool of rollouts; its buffers are part of a run's checkpoint."""

    scale: Tensor
    place: Tensor
    frame: Tensor

    def __init__(self, windows: Windows, scale: Tensor, config: ChainConfig) -> None:
        """Prepare a pool whose chains all begin at their first visit.

        Args:
            windows: true motion; their length is one more than that of a chain.
            scale: size of a frame's change, shape (2 dof,).
            config: how many chains there are and how they are led.
        """
        super().__init__(windows.layout, config.pool, windows.length - 1)
        self.layout, self.windows, self.config = windows.layout, windows, config
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("place", torch.zeros(config.pool, PLACE, dtype=torch.float64))
        self.register_buffer("frame", torch.full((config.pool,), -1))

    def visit(self, fresh: Tensor, generator: torch.Generator, draw: Draw) -> tuple[Tensor, Pose, Pose]:
        """Take the chains whose turn it is, and start those that have to begin anew.

        Args:
            fresh: where they would begin, as many as the whole batch takes, shape (batch, PLACE).
            generator: of which begin anew in any case.
            draw: which part of the batch to take. Chains belong to parts as they take turns.

        Returns:
            Numbers of the chains, shape (count,); their windows; and the poses wanted after each frame,
            leading axes (count, frame) for both.

        Raises:
            ValueError: if the chains cannot be dealt out evenly.
        """
        count, context, mine = len(fresh), self.windows.length - 1, draw.rows(len(fresh))
        draw.rows(len(self.frame))
        chosen = ((draw.step * count + torch.arange(count)) % len(self.frame))[mine]
        chance = torch.rand(count, generator=generator)[mine].to(self.frame.device)
        fresh = fresh[mine].to(self.frame.device)
        begin = (self.frame[chosen] < 0) | (chance < self.config.restart)
        self.place[chosen] = torch.where(begin[:, None], fresh, self.place[chosen])
        self.frame[chosen] = torch.where(begin, context - 1, self.frame[chosen])
        first = self.frame[chosen] - context + 1
        true = self.windows.poses(self.place[chosen], first, context + 1)
        here, following = true.at((slice(None), slice(-1))), true.at((slice(None), slice(1, None)))
        poses = Pose(
            *(
                torch.where(begin.view(-1, *[1] * (old.ndim - 1)), new, old[chosen])
                for new, old in zip(here, self.poses, strict=True)
            )
        )
        here, following = moved_along(here, here, poses), moved_along(following, here, poses)
        distance = self.layout.difference(here, poses)
        left = springing_back(distance, self.config.recovery, 1.0 / self.windows.fps)
        return chosen, poses, self.layout.advance(following, left)

    def advance(self, chosen: Tensor, poses: Pose, predicted: Pose) -> None:
        """Move chains on by a frame.

        Args:
            chosen: numbers of the chains, shape (count,).
            poses: their windows, leading axes (count, frame).
            predicted: the frame to append, leading axis (count,).
        """
        later, newest = (slice(None), slice(1, None)), (slice(None), None)
        self.keep(chosen, joined([poses.at(later), predicted.at(newest)], dim=1))
        frame, place = self.frame[chosen] + 1, self.place[chosen]
        true = self.windows.poses(place, frame, 1).at((slice(None), 0))
        distance = self.layout.difference(moved_along(true, true, predicted), predicted) / self.scale
        square = (distance[:, : self.layout.n_dofs] ** 2).mean(dim=1)
        over = ~self.windows.has(place, frame + 1) | ~(square < self.config.farthest**2)
        self.frame[chosen] = torch.where(over, -1, frame)


def springing_back(distance: Tensor, rate: float, time: float) -> Tensor:
    """Return what is left of a distance after a time, as of a critically damped spring that pulls it to zero.

    Args:
        distance: of positions, and at what speed it changes, shape (..., 2 dof).
        rate: natural frequency of the spring [rad/s].
        time: since then [s].
    """
    away, speed = distance.chunk(2, dim=-1)
    push = speed + rate * away
    fading = float(np.exp(-rate * time))
    return fading * torch.cat([away + time * push, speed - rate * time * push], dim=-1)


def moved_along(poses: Pose, reference: Pose, target: Pose) -> Pose:
    """Return `poses` carried along by the motion of the world that makes `reference` best meet `target`.

    The world is turned about the vertical and shifted along the ground, so that both roots stand in one place
    with as little as possible between their orientations.
    """
    between = reference.rotation[..., 0, :, :] @ target.rotation[..., 0, :, :].transpose(-1, -2)
    sine, cosine = between[..., 2, 0] - between[..., 0, 2], between[..., 0, 0] + between[..., 2, 2]
    zero = torch.zeros_like(sine)
    turn = rotation_from_vector(torch.stack([zero, torch.arctan2(sine, cosine), zero], dim=-1))
    level = constant_like([1.0, 0.0, 1.0], poses.displacement)
    start, end = level * reference.displacement, level * target.displacement
    return Pose(
        rotation=torch.cat(
            [(turn @ poses.rotation[..., 0, :, :])[..., None, :, :], poses.rotation[..., 1:, :, :]], dim=-3
        ),
        displacement=(turn @ (poses.displacement - start)[..., None])[..., 0] + end,
        hinge=poses.hinge,
        velocity=poses.velocity,
    )
