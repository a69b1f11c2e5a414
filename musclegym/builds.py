"""Bodies of one shape and other builds: taller, heavier or stronger, as `musclegym.scaling` makes them.

What is made for one body, such as the weights of MuscleNN, may serve others of its shape within stated
ranges. A build is told by the figures of a body alone, so that no reference body is needed.
"""

import hashlib
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from musclegym.body import Body
from musclegym.rotation import Array

LENGTHS = (
    "joint_position",
    "com",
    "size",
    "optimal_fibre_length",
    "tendon_slack_length",
    "waypoint_position",
)
"""Figures that go with the length."""
GRID = 1e-6 * np.pi
"""Figures of the unit build are compared in steps of this, whose limits no decimal number meets [-]."""

ROUNDING = 1e-9
"""By how much a build may leave a range [-]."""


class Build(NamedTuple):
    """How long, heavy and strong a body is, or factors between two bodies."""

    length: float  # sum of the optimal fibre lengths [m]
    mass: float  # [kg]
    force: float  # sum of the maximum isometric forces [N]


@dataclass(frozen=True)
class BuildRange:
    """Builds relative to that of one body.

    Raises:
        ValueError: if a range breaks its rule.
    """

    length: tuple[float, float] = (1.0, 1.0)
    """Factor on all lengths, and so on stature [-]."""
    mass: tuple[float, float] = (1.0, 1.0)
    """Factor on body mass [-]."""
    force: tuple[float, float] = (1.0, 1.0)
    """Factor on all maximum isometric forces, which go with height and mass (`scaling.force_scale`) and with
    strength [-]."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, (low, high) in asdict(self).items():
            if not 0.0 < low <= 1.0 <= high < float("inf"):
                raise ValueError(
                    f"{name} of a range of builds must be factors (low, high) with 0 < low <= 1 <= high, so "
                    f"that the body itself is among them, but is {(low, high)}; use e.g. (0.8, 1.2)"
                )

    def contains(self, factors: Build) -> bool:
        """Return whether a build lies within the ranges, up to rounding."""
        return all(
            low * (1.0 - ROUNDING) <= factor <= high * (1.0 + ROUNDING)
            for factor, (low, high) in zip(factors, asdict(self).values(), strict=True)
        )


def build_of(body: Body) -> Build:
    """Return the build of a body; it must have muscles."""
    muscles = body.muscle_set
    return Build(
        length=float(muscles.optimal_fibre_length.sum()),
        mass=body.skeleton.total_mass,
        force=float(muscles.max_isometric_force.sum()),
    )


def shape_hash(body: Body) -> str:
    """Return the SHA-256 of everything but a body's build, as hexadecimal text.

    It is that of the build of 10 m fibre length in all, 1 kg and 100 N, so that it stays when `scale_body`
    changes height, mass and strength.

    Args:
        body: with muscles.
    """
    length, mass, force = build_of(body)
    units = {"mass": mass, "inertia": mass * length**2, "max_isometric_force": force / 100.0}
    units |= dict.fromkeys(LENGTHS, length / 10.0)
    sha = hashlib.sha256(repr(body.gravity).encode())
    for part in (body.skeleton, body.muscle_set):
        for item in fields(part):
            sha.update(plain_bytes(getattr(part, item.name), units.get(item.name, 1.0)))
    return sha.hexdigest()


def plain_bytes(value: Any, unit: float) -> bytes:
    """Return names or numbers as bytes; floating-point numbers as multiples of `GRID` in a unit."""
    if not isinstance(value, np.ndarray):
        return repr(value).encode()
    return (grid_steps(value / unit) if value.dtype.kind == "f" else value).tobytes()


def grid_steps(value: Array) -> Array:
    """Return the nearest multiples of `GRID`."""
    return np.round(value / GRID) + 0.0  # no minus zero
