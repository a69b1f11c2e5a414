"""Reward terms: physical quantities in, a number in [0, 1] out; their weights live in the config.

Forms and scales are those of DeepMimic (Peng, Abbeel, Levine & van de Panne 2018, ACM TOG 37:143, section
5.2), its sums over joints included, except that velocities of rotation count per joint in the frames of this
body.
"""

import numpy as np

from musclegym.rotation import Array


def pose_match(error: Array, scale: float = 2.0) -> float:
    """Return exp(-scale * sum of squared rotation errors).

    Args:
        error: way from the joint rotations to the reference's, shape (dof - 6,) [rad].
        scale: how strictly errors count [1/rad^2].
    """
    return float(np.exp(-scale * np.sum(error**2)))


def velocity_match(error: Array, scale: float = 0.1) -> float:
    """Return exp(-scale * sum of squared velocity errors).

    Args:
        error: joint velocities less the reference's, shape (dof - 6,) [rad/s].
        scale: how strictly errors count [s^2/rad^2].
    """
    return float(np.exp(-scale * np.sum(error**2)))


def end_effector_match(error: Array, scale: float = 40.0) -> float:
    """Return exp(-scale * sum of squared distances of the end effectors).

    Args:
        error: positions relative to the root, less the reference's, in the heading frame, shape (n, 3) [m].
        scale: how strictly errors count [1/m^2].
    """
    return float(np.exp(-scale * np.sum(error**2)))


def root_match(position: Array, rotation: Array, linear: Array, angular: Array, scale: float = 5.0) -> float:
    """Return exp(-scale * weighted sum of squared errors of the root).

    The weights are DeepMimic's: 1, 0.1, 0.01 and 0.001.

    Args:
        position: error of the position, shape (3,) [m].
        rotation: rotation vector to the reference's orientation, shape (3,) [rad].
        linear: error of the velocity, shape (3,) [m/s].
        angular: error of the angular velocity, shape (3,) [rad/s].
        scale: how strictly errors count [1/m^2].
    """
    squares = [np.sum(error**2) for error in (position, rotation, linear, angular)]
    return float(np.exp(-scale * np.dot([1.0, 0.1, 0.01, 0.001], squares)))


def com_match(error: Array, scale: float = 10.0) -> float:
    """Return exp(-0.1 * scale * squared error) of the velocity of the body's centre of mass.

    Args:
        error: velocity less the reference's, shape (3,) [m/s].
        scale: how strictly errors count [s^2/m^2].
    """
    return float(np.exp(-0.1 * scale * np.sum(error**2)))


def ground_velocity_match(error: Array, tolerance: float) -> float:
    """Return exp(-|error|^2 / tolerance^2).

    Args:
        error: velocity of the whole body's centre of mass over the ground, less the wanted one, (2,) [m/s].
        tolerance: miss at which the term has fallen to exp(-1) [m/s].
    """
    return float(np.exp(-np.sum(error**2) / tolerance**2))


def facing_match(facing: Array, wanted: Array) -> float:
    """Return (1 + cosine) / 2 of the angle between two directions on the ground, unit vectors (2,)."""
    return float(0.5 * (1.0 + np.dot(facing, wanted)))


def upright_match(up: float) -> float:
    """Return the square of how far the trunk's axis points up, its vertical part `up` [-]; 0 below level."""
    return float(max(up, 0.0) ** 2)


def effort_match(power: float, scale: float = 0.5) -> float:
    """Return exp(-power / scale).

    Args:
        power: mean absolute joint power per body weight [m/s]; people walk at 0.2 to 0.4.
        scale: power at which the term has fallen to exp(-1) [m/s].
    """
    return float(np.exp(-power / scale))


def reach_match(missed: float, scale: float = 0.01) -> float:
    """Return exp(-scale * squared torque) of what the muscles miss.

    Args:
        missed: root mean square, over DoFs and updates, of the wanted torque less the muscles' [N m].
        scale: how strictly it counts; own choice, a walk misses 2 and a run that falls 20 [1/(N m)^2].
    """
    return float(np.exp(-scale * missed**2))


def height_match(error: float, tolerance: float = 0.1) -> float:
    """Return exp(-(error / tolerance)^2) of the root's height, as a share of that in the rest pose [-]."""
    return float(np.exp(-((error / tolerance) ** 2)))


def still_match(velocity: Array, tolerance: float = 0.2) -> float:
    """Return exp(-|velocity|^2 / tolerance^2) of the whole body's centre of mass, shape (3,) [m/s]."""
    return float(np.exp(-np.sum(velocity**2) / tolerance**2))
