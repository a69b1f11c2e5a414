"""Smooth curves over frames: through what is given where it counts, or nowhere below what is needed.

Kinks in a path are peaks of its acceleration, which no body follows and no prior can foresee.
"""

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded
from scipy.ndimage import convolve1d, maximum_filter1d

from musclegym.rotation import Array

TENSION = 0.05  # length of the bends of a curve at the ends of a gap, between which it is straight [s]
BRIM = 0.1  # how long before and after a need a covering curve begins to rise [s]
RETURN = 0.1  # time before the first target and after the last in which a lifted curve comes down again [s]
FREE = 1e-9  # weight of frames without a target, which keeps the equations regular
ROUNDS = 6  # in which a curve is lifted where it is below its bound
ENOUGH = 1e-3  # what it may lack of the bound [m]


def eased(target: Array, weight: npt.NDArray[np.bool_] | Array, fps: float, stiffness: float) -> Array:
    """Return the smooth curve near targets where they have weight, and straight across gaps, (frame, number).

    It minimises sum w (s - target)^2 + a sum (D^2 s)^2 + a / (TENSION fps)^2 sum (D s)^2 with the weight w,
    a = (stiffness fps)^4 and D the difference of successive frames: Whittaker's graduation (1923, Proc
    Edinburgh Math Soc 41:63) with the tension of Schweikert's splines (1966, J Math Phys 45:312).

    Args:
        target: shape (frame, number); what it holds where there is no weight does not count.
        weight: shape (frame,); of a target that is given 1, or True.
        fps: frame rate [1/s].
        stiffness: time over which the curve rather misses targets than bends [s].
    """
    bend = (stiffness * fps) ** 4
    weight = np.maximum(weight, FREE)
    upper = np.zeros((3, len(target)))  # diagonals of the symmetric matrix, the main one last
    upper[2] = weight
    for order, factor in ((1, bend / (TENSION * fps) ** 2), (2, bend)):
        difference = np.diff(np.eye(order + 1), n=order, axis=0)[0]
        rows = max(0, len(target) - order)
        for i in range(order + 1):
            for j in range(i, order + 1):
                upper[2 + i - j, j : j + rows] += factor * difference[i] * difference[j]
    return solveh_banded(upper, weight[:, None] * target)


def eased_above(
    target: Array, given: npt.NDArray[np.bool_], bound: Array, fps: float, stiffness: float
) -> Array:
    """Return the curve (frame,) of `eased` lifted where it is below a bound (frame,) by over a millimetre.

    Where it is, frames become targets, or theirs become higher, by what is lacking; six times at most, so a
    bound that jumps is approached and not reached. Between targets these bring the curve down again; before
    the first and after the last it returns to what it would be without the bound.
    """
    curve = eased(target[:, None], given, fps, stiffness)[:, 0]
    beyond = ~(np.logical_or.accumulate(given) & np.logical_or.accumulate(given[::-1])[::-1])
    target, weight = np.where(given, target, curve), given.astype(np.float64)
    weight[beyond] = (stiffness**2 / (TENSION * RETURN)) ** 2  # against the tension, the length of an e-fold
    for _ in range(ROUNDS):
        lack = bound - curve
        low = lack > ENOUGH
        if not low.any():
            break
        target = np.where(low, np.where(weight == 1.0, target, curve) + lack, target)
        weight[low] = 1.0
        curve = eased(target[:, None], weight, fps, stiffness)[:, 0]
    return curve


def covering(needed: Array, fps: float) -> Array:
    """Return a smooth curve that is nowhere below what is needed and nowhere below zero, both (frame,).

    It is the mean, in a bell-shaped window, of the highest need within as wide a window.
    """
    reach = int(np.ceil(BRIM * fps))
    bell = np.hanning(2 * reach + 3)[1:-1]
    highest = maximum_filter1d(np.maximum(needed, 0.0), 2 * reach + 1, mode="nearest")
    return convolve1d(highest, bell / bell.sum(), mode="nearest")
