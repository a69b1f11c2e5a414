"""Activation dynamics: the lag between neural excitation and muscle activation."""

import numpy as np

from musclegym.rotation import Array

RISE_TIME = 0.010
"""Time constant of activation (Zajac 1989, Crit Rev Biomed Eng 17:359-411; Thelen 2003: 0.010-0.015) [s]."""
FALL_TIME = 0.040
"""Time constant of deactivation (Zajac 1989; Thelen 2003 uses 0.040 to 0.060) [s]."""


def advance_activation(
    activation: Array,
    excitation: Array,
    dt: float,
    rise_time: float = RISE_TIME,
    fall_time: float = FALL_TIME,
) -> Array:
    """Advance muscle activation by `dt` under a constant excitation.

    First-order lag, solved exactly, so the result does not depend on how a span of time is cut into steps.

    Args:
        activation: present activation in [0, 1], shape (..., muscle) [-].
        excitation: command in [0, 1], shape (..., muscle) [-].
        dt: span of time [s].
        rise_time: time constant while the excitation exceeds the activation [s].
        fall_time: time constant otherwise [s].

    Returns:
        Activation after `dt`, shape (..., muscle) [-].
    """
    lag = np.where(excitation > activation, rise_time, fall_time)
    return excitation + (activation - excitation) * np.exp(-dt / lag)
