"""What a process draws of a step. Every random number of a training follows from its seed and the step.

So nothing of a generator is to be saved, and however many parts a batch is cut into (processes, and passes
whose gradients are accumulated), together they are the same batch.
"""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Draw:
    """One part of the batch of one step."""

    step: int = 0
    """Number of the optimiser step."""
    progress: float = 0.0
    """Share of the training that is done, in [0, 1]."""
    seed: int = 0
    """Seed of the training."""
    part: int = 0
    """Number of this part of the batch."""
    parts: int = 1
    """How many there are."""

    def generator(self) -> torch.Generator:
        """Return a generator for the numbers of the whole batch; a part takes its rows of them."""
        words = np.random.SeedSequence((self.seed, self.step)).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))

    def rows(self, total: int) -> slice:
        """Return which of `total` rows belong to this part: as many in each, dealt out in turn.

        Raises:
            ValueError: if they cannot be divided evenly.
        """
        if total % self.parts:
            raise ValueError(
                f"each part of a batch (processes x accumulate = {self.parts}) has as many rows, but "
                f"{total} rows % {self.parts} = {total % self.parts}; use e.g. "
                f"{self.parts * -(-total // self.parts)} rows, or fewer parts"
            )
        return slice(self.part, total, self.parts)
