"""Normalisation of observations by statistics that are measured in rollouts and saved with the policy."""

import torch
from torch import Tensor, nn

CLIP = 10.0  # normalised numbers are clipped here, so that a rare spike cannot overwhelm the network
SMALLEST_DEVIATION = 1e-4  # a number that never changes is divided by this


class RunningNormaliser(nn.Module):
    """Shifts and scales numbers to mean 0 and deviation 1 over everything seen so far.

    Only `update` changes the statistics. They are buffers, so they are saved with the network.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        """Begin with mean 0 and variance 1.

        Args:
            size: numbers per sample.
        """
        super().__init__()
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def update(self, samples: Tensor) -> None:
        """Add `samples` (..., size) to the statistics.

        Combines the moments of two sets (Chan, Golub & LeVeque 1983, The American Statistician 37:242-247).
        """
        samples = samples.reshape(-1, samples.shape[-1]).double()
        added = len(samples)
        total = self.count + added
        shift = samples.mean(dim=0) - self.mean
        squares = self.variance * self.count + samples.var(dim=0, unbiased=False) * added
        self.variance.copy_((squares + shift**2 * self.count * added / total) / total)
        self.mean.add_(shift * added / total)
        self.count.copy_(total)

    def forward(self, samples: Tensor) -> Tensor:
        """Return `samples` (..., size) normalised and clipped."""
        deviation = self.variance.sqrt().clamp_min(SMALLEST_DEVIATION).float()
        return ((samples - self.mean.float()) / deviation).clamp(-CLIP, CLIP)
