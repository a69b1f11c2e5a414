"""Fatigue: which share of a muscle's fibres is tired and cannot be activated.

The three compartments of Xia & Frey-Law (2008, J Biomech 41:3046-3052): of a muscle's fibres a share is
active, a share is fatigued and the rest is at rest; the shares add up to one. Active fibres tire, tired ones
recover,

    d fatigued / dt = F active - R fatigued,

and the muscle cannot be more active than its capacity, 1 - fatigued. In the original a controller moves
fibres between rest and activity within a tenth of a second; here the activation dynamics does. While a muscle
rests, recovery is faster by a factor (Looft, Herkert & Frey-Law 2018, J Biomech 77:16-25).
"""

import numpy as np
from numba import njit

from musclegym.rotation import Array

FATIGUE_RATE = 0.00912
"""F of the elbow (Frey-Law, Looft & Heitsman 2012, J Biomech 45:1803-1808); with R as MyoSuite quotes them.
The authors' rates lie between those of the ankle (0.00589, R 0.00058) and the shoulder (0.0182, R 0.00168)
[1/s]."""
RECOVERY_RATE = 0.00094
"""R of the elbow, likewise [1/s]."""
REST_RECOVERY = 15.0
"""Factor on R at rest (Looft et al. 2018, as MyoSuite quotes it; the paper was not re-read) [-]."""
REST_ACTIVATION = 0.01
"""Activation below which a muscle rests; own choice, as activations never fall to zero in finite time [-]."""


@njit(cache=True, error_model="numpy")
def fatigue_after(
    fatigued: float,
    activation: float,
    dt: float,
    fatigue_rate: float = FATIGUE_RATE,
    recovery_rate: float = RECOVERY_RATE,
    rest_recovery: float = REST_RECOVERY,
) -> float:
    """Return the fatigued share after `dt` of an activation, held until fatigue forbids it.

    Solved exactly: an exponential approach to F a / R at rate R while the activation a can be held, and from
    the moment in which the capacity has fallen to it, one to F / (F + R) at rate F + R.

    Args:
        fatigued: present share, in [0, 1] [-].
        activation: held activation, in [0, 1] [-].
        dt: span of time [s].
        fatigue_rate: F, share of the active fibres that tire [1/s].
        recovery_rate: R, share of the tired fibres that recover; positive [1/s].
        rest_recovery: factor on R while the activation is below `REST_ACTIVATION` [-].
    """
    recovery = recovery_rate * (rest_recovery if activation < REST_ACTIVATION else 1.0)
    capacity, spent = 1.0 - activation, 0.0  # fatigued share at which the capacity equals the activation
    if fatigued < capacity:
        settled = fatigue_rate * activation / recovery
        after = settled + (fatigued - settled) * np.exp(-recovery * dt)
        if after <= capacity:
            return after
        spent = np.log((settled - fatigued) / (settled - capacity)) / recovery
        fatigued = capacity
    settled = fatigue_rate / (fatigue_rate + recovery)
    return settled + (fatigued - settled) * np.exp(-(fatigue_rate + recovery) * (dt - spent))


@njit(cache=True)
def tire(
    fatigued: Array,
    activation: Array,
    dt: float,
    fatigue_rate: float,
    recovery_rate: float,
    rest_recovery: float,
) -> None:
    """Advance the fatigued shares (muscle,) in place by `dt` [s] and bound the activations (muscle,) by them.

    See `fatigue_after`.
    """
    for muscle in range(fatigued.size):
        after = fatigue_after(
            fatigued[muscle], activation[muscle], dt, fatigue_rate, recovery_rate, rest_recovery
        )
        fatigued[muscle] = after
        activation[muscle] = min(activation[muscle], 1.0 - after)
