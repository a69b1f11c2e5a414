"""Intervals of what is measured over episodes."""

import numpy as np

from musclegym.rotation import Array

NORMAL_95 = 1.96
"""Half-width of the 95 % interval of a normal distribution, in standard deviations."""
RESAMPLES = 4000
"""Times that episodes are drawn anew for an interval."""


def wilson(count: int, of: int) -> list[float]:
    """Return the 95 % interval [low, high] of a share, `count` of `of` (Wilson 1927, JASA 22:209)."""
    share, square = count / of, NORMAL_95**2 / of
    middle = (share + square / 2.0) / (1.0 + square)
    half = np.sqrt(share * (1.0 - share) * square + square**2 / 4.0) / (1.0 + square)
    return [float(max(0.0, middle - half)), float(min(1.0, middle + half))]


def bootstrap(values: Array, weights: Array) -> list[float]:
    """Return the 95 % interval [low, high] of a weighted mean, by drawing the values anew with replacement.

    The percentiles of the drawn means (Efron 1979, Annals of Statistics 7:1), which never leave the range of
    the values. The draws are the same in every call.

    Args:
        values: shape (value,).
        weights: positive, shape (value,).
    """
    drawn = np.random.default_rng(0).multinomial(
        len(values), np.full(len(values), 1.0 / len(values)), RESAMPLES
    )
    means = drawn @ (weights * values) / (drawn @ weights)
    low, high = np.percentile(means, (2.5, 97.5))
    return [float(max(low, values.min())), float(min(high, values.max()))]
