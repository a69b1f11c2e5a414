"""Early stopping: the best weights by a validation score, and when to give up waiting for better ones."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class BestSoFar:
    """Keeps the weights with the lowest score."""

    def __init__(self, patience: int) -> None:
        """Begin without any.

        Args:
            patience: scores in a row without a better one after which waiting is over; 0 waits for ever.
        """
        self.patience = patience
        self.score, self.step, self.misses = float("inf"), -1, 0
        self.weights: dict[str, Tensor] = {}

    @property
    def over(self) -> bool:
        """Whether waiting is over."""
        return 0 < self.patience <= self.misses

    def note(self, score: float, step: int, model: nn.Module) -> None:
        """Keep the weights of a model if its score, lower being better, is the best so far."""
        if not score < self.score:
            self.misses += 1
            return
        self.score, self.step, self.misses = score, step, 0
        self.weights = {name: value.clone() for name, value in model.state_dict().items()}

    def record(self) -> dict[str, Any]:
        """Return the numbers that a checkpoint holds besides the weights."""
        return {"score": self.score, "step": self.step, "misses": self.misses}

    def restore(self, record: Mapping[str, Any], weights: dict[str, Tensor]) -> None:
        """Take up what a checkpoint holds."""
        self.score, self.step, self.misses = record["score"], record["step"], record["misses"]
        self.weights = weights
