"""Forces of Hill-type muscles with a rigid tendon.

The curves and their constants are those of the Thelen (2003, J Biomech Eng 125:70-77) muscle as used by the
gait2392 model and by MASS (Lee et al. 2019, ACM TOG 38:73): a Gaussian active force-length curve, an
exponential passive one, and for force and velocity the hyperbola of Hill (1938, Proc R Soc B 126:136-195)
with a second one for lengthening, twice as steep where they meet (Katz 1939, J Physiol 96:45-64).
"""

import numpy as np
from numba import njit

ACTIVE_WIDTH = 0.5
"""Width of the Gaussian active force-length curve [-]."""
PASSIVE_SHAPE = 4.0
"""Exponent of the passive force-length curve [-]."""
PASSIVE_STRAIN = 0.6
"""Fibre strain at which the passive force equals the maximum isometric force [-]."""
FORCE_VELOCITY_SHAPE = 0.25
"""Hill's a / F0, Thelen's A_f; from memory of OpenSim's Thelen2003Muscle, not re-read [-]."""
LENGTHENING_FORCE = 1.4
"""Force of fast lengthening relative to the isometric one, Thelen's F_len for young adults; likewise [-]."""


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
def force_velocity_slope(velocity: float) -> float:
    """Return the slope k of the line from the isometric force to the one at a normalised fibre velocity [-].

    With v the velocity, positive when fibres lengthen, the force relative to the isometric one is 1 + k v:

        shortening   k = (1 + 1/A) / (1 - v/A), which is Hill's (1 + v) / (1 - v/A), and from v = -1 on
                     k = -1/v, which is no force;
        lengthening  k = 2 (1 + 1/A) / (1 + c v) with c = 2 (1 + 1/A) / (F - 1), which tends to F,

    where A is `FORCE_VELOCITY_SHAPE` and F is `LENGTHENING_FORCE`: equations 6 and 7 of Thelen 2003, solved
    for the force at full activation. Thelen lowers the velocities at partial activation; here they do not
    depend on it, so that the force is proportional to the activation.
    """
    steepest = 1.0 + 1.0 / FORCE_VELOCITY_SHAPE
    if velocity > 0.0:
        return 2.0 * steepest / (1.0 + 2.0 * steepest / (LENGTHENING_FORCE - 1.0) * velocity)
    return steepest / (1.0 - velocity / FORCE_VELOCITY_SHAPE) if velocity > -1.0 else -1.0 / velocity


@njit(cache=True, inline="always")
def force_velocity(velocity: float) -> float:
    """Return the active force relative to the isometric one at a normalised fibre velocity [-].

    See `force_velocity_slope`.

    Args:
        velocity: of the fibres, positive when they lengthen, in maximum shortening velocities [-].
    """
    return 1.0 + force_velocity_slope(velocity) * velocity


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
