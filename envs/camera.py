"""The camera: a perspective view of a point from a direction."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from musclegym.rotation import Array


class View(NamedTuple):
    """A camera that has been placed; its frame is right, up, forwards."""

    eye: Array  # (3,) world [m]
    axes: Array  # (3, 3) rows right, up and forwards in the world
    focal: float  # pixels per unit of sideways / forwards
    width: int  # [pixel]
    height: int  # [pixel]

    def to_view(self, points: Array) -> Array:
        """Return world points (..., 3) in the camera's frame [m]."""
        return (points - self.eye) @ self.axes.T

    def to_pixel(self, points: Array) -> Array:
        """Return column and row (..., 2) of world points (..., 3); the picture's corner is (0, 0)."""
        x, y, z = np.moveaxis(self.to_view(points), -1, 0)
        column, row = 0.5 * self.width + self.focal * x / z, 0.5 * self.height - self.focal * y / z
        return np.stack([column, row], axis=-1)


@dataclass(frozen=True)
class Camera:
    """Where a target is looked at from. It looks along a fixed direction of the world and never rolls."""

    azimuth: float = 0.9
    """Angle about the world's y from +z, where bodies face, towards +x, their left, to the camera [rad]."""
    elevation: float = 0.13
    """Angle of the camera above the horizontal [rad]."""
    distance: float = 4.6
    """From the target to the camera [m]."""
    field_of_view: float = 0.46
    """Angle that the picture's height spans [rad]."""

    def __post_init__(self) -> None:
        """Check that something can be seen."""
        rules = (
            ("azimuth", np.isfinite(self.azimuth), "finite [rad]"),
            ("elevation", -1.5 <= self.elevation <= 1.5, "in [-1.5, 1.5] rad, short of straight up and down"),
            ("distance", 0.0 < self.distance < np.inf, "positive and finite [m]"),
            ("field_of_view", 0.0 < self.field_of_view <= 2.5, "in (0, 2.5] rad"),
        )
        for name, holds, rule in rules:
            if not holds:
                default = Camera.__dataclass_fields__[name].default
                raise ValueError(
                    f"{name} must be {rule}, but is {getattr(self, name)}; the default is {default}"
                )

    def look_at(self, target: Array, width: int, height: int) -> View:
        """Return the view of `target` (3,) [m] in a picture of that size [pixel]."""
        level = np.cos(self.elevation)
        towards = np.array(
            [level * np.sin(self.azimuth), np.sin(self.elevation), level * np.cos(self.azimuth)]
        )
        right = np.array([np.cos(self.azimuth), 0.0, -np.sin(self.azimuth)])
        axes = np.stack([right, np.cross(towards, right), -towards])
        focal = 0.5 * height / np.tan(0.5 * self.field_of_view)
        return View(target + self.distance * towards, axes, float(focal), width, height)
