"""The score that early stopping goes by: how far rollouts go astray in motion that is not trained on."""

import torch
from torch import nn

from musclegym.pretrain.next_state import NextStateModel
from musclegym.pretrain.unrolled import UnrollConfig, Unrolled
from musclegym.pretrain.windows import Windows


class RolloutScore:
    """Distance of joints after rollouts, as a share of how far the joints move; lower is better.

    Always the same rollouts, so that scores of different models compare. 1 is what doing nothing scores.
    """

    def __init__(self, windows: Windows, frames: int) -> None:
        """Choose where rollouts begin.

        Args:
            windows: of the motion kept for validation; as many rollouts as they have in a batch.
            frames: length of the rollouts.

        Raises:
            ValueError: if no clip is long enough.
        """
        self.places = windows.draw(0)
        unit = torch.ones(windows.layout.n_state)  # of velocity errors, which are not looked at
        self.rollouts = Unrolled(
            windows, windows.length - 1, unit, UnrollConfig(longest=frames, count=len(self.places))
        )
        self.windows = windows

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> float:
        """Return the score of a next-state model, which is left as it was."""
        assert isinstance(model, NextStateModel)
        self.windows.device = model.feature_mean.device
        self.rollouts.to(self.windows.device)
        return float(self.rollouts(model, self.places, progress=1.0)["joints"])
