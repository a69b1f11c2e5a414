"""Forces of Hill-type muscles with a rigid tendon.

The curves and their constants are those of the Thelen (2003, J Biomech Eng 125:70-77) muscle as used by the
gait2392 model and by MASS (Lee et al. 2019, ACM TOG 38:73): a Gaussian active force-length curve, an
exponential passive one.
"""

import numpy as np
from numba import njit

ACTIVE_WIDTH = 0.5
"""Width of the Gaussian active force-length curve [-]."""
PASSIVE_SHAPE = 4.0
"""Exponent of the passive force-length curve [-]."""
PASSIVE_STRAIN = 0.6
"""Fibre strain at which the passive force equals the maximum isometric force [-]."""


@njit(cache=True, inline="always")
def active_force_length(length: float) -> float:
    """Return the active force at a normalised fibre length [-] per unit of maximum isometric force."""
    return np.exp(-((length - 1.0) ** 2) / ACTIVE_WIDTH)


@njit(cache=True, inline="always")
def passive_force_length(length: float) -> float:
    """Return the passive force at a normalised fibre length [-] per unit of maximum isometric force."""
    if length <= 1.0:
        return 0.0
    return (np.exp(PASSIVE_SHAPE * (length - 1.0) / PASSIVE_STRAIN) - 1.0) / (np.exp(PASSIVE_SHAPE) - 1.0)


@njit(cache=True, inline="always")
def fibre_geometry(path_length: float, optimal: float, slack: float, pennation: float) -> tuple[float, float]:
    """Return normalised fibre length [-] and cosine of the pennation angle under a rigid tendon.

    The muscle's thickness is constant (Zajac 1989, Crit Rev Biomed Eng 17:359-411): fibres rotate as they
    shorten. A pennate muscle whose path is shorter than its tendon hangs slack: its cosine is zero.

    Args:
        path_length: of the whole muscle-tendon unit [m].
        optimal: optimal fibre length [m].
        slack: tendon slack length [m].
        pennation: angle at optimal fibre length [rad].
    """
    along = path_length - slack
    if pennation == 0.0:
        return along / optimal, 1.0
    fibre = np.hypot(along, optimal * np.sin(pennation))
    return fibre / optimal, max(along, 0.0) / fibre
