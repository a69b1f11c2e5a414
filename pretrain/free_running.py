"""Free rollouts: nothing leads them to a clip, so a prior learns to stay alive however far it has gone.

What comes after a second cannot be foretold, and a network that is asked to foretell it all the same learns
the mean of all that may come, which stands still. So rollouts that have left their clip long ago are asked
for something else: that they move as much as their clip does, over every lag from one frame to all that is
seen, as smoothly, with their joints as high above the ground and their feet sliding on it no more than there.
Agreement of statistics instead of frames is the idea of Professor Forcing (Lamb et al. 2016), here with the
structure function of the motion, distances moved as a function of the lag, in place of a critic. Rollouts
that have gone wild begin anew: no gradient leads back from there, so their first steps are what is unlearned.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from musclegym.pretrain.draws import Draw
from musclegym.pretrain.joint_places import FeetOnGround, JointPlaces
from musclegym.pretrain.next_state import NextStateModel
from musclegym.pretrain.pose_pool import PosePool, joined
from musclegym.pretrain.unrolled import unroll
from musclegym.pretrain.windows import PLACE, Windows

STILL = 0.002
"""Distance that is added to all, so that the ratio of two in stillness is near 1 [m]."""
FALLEN = 0.1
"""Difference in the mean height of a joint that counts as an error of 1 [m]."""
WILD = 3.0
"""How many times as far as its clip a rollout moves in a frame when it begins anew."""


@dataclass(frozen=True)
class FreeConfig:
    """How free rollouts are made."""

    free_every: int = 5
    """Steps from one batch with free rollouts to the next; 0 makes none."""

    free_frames: int = 16
    """Frames that a free rollout goes on for in such a batch, with gradients."""

    free_count: int = 32
    """Free rollouts, of all processes together."""

    free_restart: float = 0.04
    """Chance that a free rollout begins anew in such a batch."""

    free_after: float = 0.1
    """Share of the training after which there are free rollouts."""

    def __post_init__(self) -> None:
        """Check that there is something to measure."""
        if self.free_every < 0 or self.free_frames < 2 or self.free_count < 1:
            raise ValueError(
                f"free_every must not be negative, free_frames at least 2 and free_count positive, but they "
                f"are {self.free_every}, {self.free_frames} and {self.free_count}; use e.g. 5, 16 and 32"
            )
        if not 0.0 <= self.free_restart <= 1.0:
            raise ValueError(
                f"free_restart must lie in [0, 1], but is {self.free_restart}; use e.g. free_restart=0.04"
            )

    def due(self, step: int, progress: float) -> bool:
        """Return whether the batch of a step has free rollouts."""
        return progress >= self.free_after and step % self.free_every == 0


class FreeRunning(PosePool):
    """Rollouts that go on from batch to batch; its buffers are part of a run's checkpoint."""

    wanted: Tensor
    height: Tensor
    running: Tensor

    def __init__(self, windows: Windows, config: FreeConfig) -> None:
        """Prepare rollouts that all begin at their first visit.

        Args:
            windows: true motion; their length is one more than the model looks back.
            config: how long and how many.
        """
        super().__init__(windows.layout, config.free_count, windows.length - 1)
        self.windows, self.config = windows, config
        skeleton = windows.sampler.source.skeleton
        self.joints, self.feet = JointPlaces(skeleton), FeetOnGround(skeleton)
        longest = min(config.free_frames, windows.length - 2)
        self.lags = [2**power for power in range(longest.bit_length())]
        self.register_buffer("wanted", torch.zeros(config.free_count, 2 * len(self.lags) + 2))
        self.register_buffer("height", torch.zeros(config.free_count, skeleton.n_bodies))
        self.register_buffer("running", torch.zeros(config.free_count, dtype=torch.bool))

    def forward(
        self, model: NextStateModel, places: Tensor, generator: torch.Generator, draw: Draw
    ) -> dict[str, Tensor]:
        """Go on with the rollouts of a part of the batch and return their terms.

        Args:
            model: predicts the next state.
            places: where rollouts may begin, shape (sample, PLACE).
            generator: of which begin anew.
            draw: which part of the batch this is.
        """
        count, rows = self.config.free_count, draw.rows(self.config.free_count)
        chance = torch.rand(count, generator=generator)[rows].to(self.running.device)
        mine = torch.arange(count)[rows]
        begin = ~self.running[mine] | (chance < self.config.free_restart)
        self.begin(mine[begin.cpu()], places[torch.arange(count) % len(places)][mine[begin.cpu()]])
        window = self.poses.at(mine)
        predicted = unroll(model, window, self.config.free_frames)
        known = joined([window, predicted], dim=1)
        self.keep(mine, known.at((slice(None), slice(1 - self.windows.length, None))))
        places = self.joints(known.at((slice(None), slice(-self.config.free_frames - 1, None))))
        moved, height = self.structure(places), places[..., 1].mean(dim=1)
        ratio = torch.log((moved + STILL) / (self.wanted[mine] + STILL))
        self.running[mine] = ratio[:, 0].detach().exp() < WILD  # lost, or not finite
        return {
            "liveliness": smooth_l1_loss(ratio, torch.zeros_like(ratio)),
            "posture": smooth_l1_loss(height / FALLEN, self.height[mine] / FALLEN),
        }

    def begin(self, chosen: Tensor, places: Tensor) -> None:
        """Begin rollouts with true windows, and see how much these move."""
        if not len(chosen):
            return
        assert places.shape[1] == PLACE
        first = torch.zeros(len(places), dtype=torch.int64)
        true = self.windows.poses(places, first, self.windows.length - 1)
        self.keep(chosen, true)
        places = self.joints(true)
        self.wanted[chosen], self.height[chosen] = self.structure(places), places[..., 1].mean(dim=1)
        self.running[chosen] = True

    def structure(self, places: Tensor) -> Tensor:
        """Return how far things move within each lag, over all pairs of frames [m].

        Args:
            places: positions of the joints, shape (sample, frame, body, 3) [m].

        Returns:
            Shape (sample, 2 lag + 2): root mean square distances of the joints relative to the root, those of
            the root, how far a foot near the ground slides in a frame, and by how much the joints' distances
            differ from one frame to the next.
        """
        root = places[..., :1, :]
        found = []
        for part in (places[..., 1:, :] - root, root):
            for lag in self.lags:
                square = ((part[:, lag:] - part[:, :-lag]) ** 2).sum(dim=-1)
                found.append(square.mean(dim=(1, 2)).clamp_min(1e-10).sqrt())
        bend = (places[..., 1:, :] - root).diff(n=2, dim=1).square().sum(dim=-1).mean(dim=(1, 2))
        found += [self.feet.slide(places), bend.clamp_min(1e-10).sqrt()]
        return torch.stack(found, dim=1)
