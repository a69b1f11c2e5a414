"""How natural a motion is in the eyes of a prior: a reward term for `gymnasium.make(..., prior=...)`."""

from pathlib import Path

import numpy as np
import torch

from musclegym.body import Body
from musclegym.pretrain.checkpoint import load_prior
from musclegym.rotation import Array

TOLERANCE = 3.0
"""Surprise at which the score has fallen to exp(-1); constant velocity has about 1 in the data [-]."""


class PriorScore:
    """Scores the latest state by how near a prior's prediction from the states before came to it.

    The surprise is the root mean square, over positions and velocities, of the missed change divided by what
    is hard to foretell in the prior's training data: how velocities change from frame to frame, and what the
    mean velocity of a frame misses of the positions. The score is exp(-(surprise / tolerance)^2).
    """

    def __init__(
        self, prior: str | Path = "shipped", body: Body | None = None, tolerance: float = TOLERANCE
    ) -> None:
        """Read the prior.

        Args:
            prior: file or run folder of `musclegym pretrain`, or "shipped".
            body: the body that is scored; None skips the check that the prior was made for it.
            tolerance: surprise at which the score has fallen to exp(-1) [-].

        Raises:
            FileNotFoundError: if there is no such prior.
            ValueError: if it was made for another skeleton, or the tolerance is not positive.
        """
        if not tolerance > 0.0:
            raise ValueError(f"tolerance must be positive, but is {tolerance!r}; the default is {TOLERANCE}")
        self.model, self.tolerance = load_prior(prior, body), tolerance
        self.window = self.model.window + 1
        self.fps = self.model.fps

    def surprise(self, states: Array) -> float:
        """Return the surprise about the last of the states [q, qd], shape (window, 2 dof) [-]."""
        layout, rows = self.model.layout, torch.from_numpy(np.asarray(states, dtype=np.float32))[None]
        with torch.inference_mode():
            expected = self.model(layout.pose(rows[:, :-1]))
            missed = layout.difference(expected, layout.pose(rows[:, -1:]))
            return float(((missed / self.model.change_scale) ** 2).mean().sqrt())

    def __call__(self, states: Array) -> float:
        """Return the score in [0, 1] of states [q, qd], oldest first, shape (window, 2 dof)."""
        return float(np.exp(-((self.surprise(states) / self.tolerance) ** 2)))
