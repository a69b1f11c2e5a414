"""The ground: flat, sloping, uneven or slippery, as a function of the place on it.

World frame: y up, x to the left of a body that faces +z [m]. A flat ground is the plane y = 0; a slope turns
it about the origin; noise makes it uneven. Directions are angles from +z (ahead) towards +x (left) [rad].
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from musclegym.rotation import Array, IntArray

STEEPEST = np.pi / 4
"""Slopes are less than this [rad]."""
FRICTION = 1.0
"""Coefficient of friction between feet and ground, as in MASS [-]."""
WAVELENGTHS = (0.5, 4.0)
"""Range of the noise's wavelength: longer than a foot, short enough for a patch around the body [m]."""
ROUGHEST = 0.1
"""Roughness is at most this share of the wavelength: gradients of the noise are then about 0.6 [-]."""
SPREAD = 0.5
"""Wavelengths of the waves lie within this many octaves of the stated one."""
WAVES = 24
"""Waves that the noise is made of; heights of so many are nearly normally distributed."""
CELLS_PER_WAVE = 8
"""Cells of an uneven ground's lattice per wavelength."""
FLAT_CELL = 1.0
"""Cell of the lattice on which an even ground is drawn [m]."""


@dataclass(frozen=True)
class GroundShape:
    """One ground. The default is the flat one.

    An uneven ground is a slope plus noise, a sum of plane waves of random directions and phases, sampled at
    the corners of a lattice of square cells. Each cell is two triangles, split from its corner of least x and
    z to the opposite one; they are what the feet stand on.

    Raises:
        ValueError: if a figure is out of its range.
    """

    slope: float = 0.0
    """Angle between the ground, or the mean of an uneven one, and the horizontal [rad]."""
    direction: float = 0.0
    """Direction in which the slope rises [rad]."""
    roughness: float = 0.0
    """Root mean square of the noise at the lattice's corners, upwards; 0 for an even ground [m]."""
    wavelength: float = 1.0
    """Typical distance between two crests of the noise [m]."""
    flat_radius: float = 0.5
    """Within this distance from the origin there is no noise; it has grown to the full at twice that [m]."""
    seed: int = 0
    """Which noise."""
    friction: float = FRICTION
    """Coefficient of friction between feet and ground [-]. The engine lays friction along two directions of
    its own; sliding between them meets up to 5 % less of it."""

    def __post_init__(self) -> None:
        """Check each figure."""
        low, high = WAVELENGTHS
        limit = ROUGHEST * self.wavelength
        rules = (
            ("slope", 0.0 <= self.slope < STEEPEST, f"in [0, {STEEPEST:.3f}) rad", "use e.g. 0.1"),
            ("direction", np.isfinite(self.direction), "finite [rad]", "0 rises ahead of the body"),
            ("wavelength", low <= self.wavelength <= high, f"in [{low}, {high}] m", "use e.g. 1.0"),
            (
                "roughness",
                0.0 <= self.roughness <= limit,
                f"in [0, {limit:.3g}] m at a wavelength of {self.wavelength} m",
                "lower it or lengthen the wavelength",
            ),
            ("flat_radius", 0.0 <= self.flat_radius < np.inf, "0 m or more", "0 for noise everywhere"),
            ("seed", self.seed >= 0, "0 or more", "use e.g. 0"),
            ("friction", 0.0 <= self.friction < np.inf, "0 or more and finite", "1.0 is MASS's"),
        )
        for name, holds, rule, cure in rules:
            if not holds:
                raise ValueError(f"{name} of the ground must be {rule}, but is {getattr(self, name)}; {cure}")

    @property
    def is_even(self) -> bool:
        """Whether the ground is a plane."""
        return self.roughness == 0.0

    @property
    def cell(self) -> float:
        """Edge of the lattice's cells [m]."""
        return FLAT_CELL if self.is_even else self.wavelength / CELLS_PER_WAVE

    @cached_property
    def gradient(self) -> Array:
        """Rise of the slope per metre along x and z, shape (2,) [-]."""
        return np.tan(self.slope) * np.array([np.sin(self.direction), np.cos(self.direction)])

    @property
    def normal(self) -> Array:
        """Unit vector that stands on the slope, in the world, shape (3,)."""
        along_x, along_z = self.gradient
        return np.cos(self.slope) * np.array([-along_x, 1.0, -along_z])

    def height(self, x: npt.ArrayLike, z: npt.ArrayLike) -> Array:
        """Return the height (...,) of the ground at places x and z (...,) in the world [m]."""
        x, z = np.asarray(x, dtype=np.float64), np.asarray(z, dtype=np.float64)
        if self.is_even:
            return self._plane(x, z)
        i, j = np.floor(x / self.cell), np.floor(z / self.cell)
        u, v = x / self.cell - i, z / self.cell - j
        left = u > v  # which of the cell's triangles: the one with its middle corner at i + 1, or at j + 1
        near, middle, far = self.corner_height(
            np.stack([i, i + left, i + 1]), np.stack([j, j + ~left, j + 1])
        )
        first, second = np.maximum(u, v), np.minimum(u, v)
        return near + first * (middle - near) + second * (far - middle)

    def corner_height(self, i: npt.ArrayLike, j: npt.ArrayLike) -> Array:
        """Return the height (...,) of the lattice at x = i cell and z = j cell, broadcast together [m]."""
        x, z = (self.cell * np.asarray(number, dtype=np.float64) for number in (i, j))
        return self._plane(x, z) + (0.0 if self.is_even else self._noise(x, z))

    def mesh(self, x: float, z: float, reach: float) -> tuple[Array, IntArray]:
        """Return the triangles around a place, to be drawn.

        Args:
            x: of the place [m].
            z: of the place [m].
            reach: how far the mesh goes from there along x and z, at least [m].

        Returns:
            Corners (corner, 3) in the world [m], row after row of equal z; and the corners of each triangle,
            anticlockwise seen from above, shape (triangle, 3).
        """
        span = int(np.ceil(reach / self.cell)) + 1
        i = np.arange(-span, span + 1) + round(x / self.cell)
        j = np.arange(-span, span + 1) + round(z / self.cell)
        height = self.corner_height(i[None, :], j[:, None])
        places = [np.broadcast_to(self.cell * i[None, :], height.shape), height]
        places.append(np.broadcast_to(self.cell * j[:, None], height.shape))
        number = np.arange(height.size).reshape(height.shape)
        near, left, far, ahead = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
        triangles = np.stack([np.stack([near, far, left], -1), np.stack([near, ahead, far], -1)], axis=2)
        return np.stack(places, axis=-1).reshape(-1, 3), triangles.reshape(-1, 3)

    def _plane(self, x: Array, z: Array) -> Array:
        along_x, along_z = self.gradient
        return along_x * x + along_z * z

    @cached_property
    def _waves(self) -> tuple[Array, Array, Array]:
        """Wave numbers along x and along z [rad/m] and phases [rad] of the noise, each (wave,)."""
        rng = np.random.default_rng(self.seed)
        angle, phase = rng.uniform(0.0, 2.0 * np.pi, (2, WAVES))
        number = 2.0 * np.pi / self.wavelength * 2.0 ** rng.uniform(-SPREAD, SPREAD, WAVES)
        return number * np.sin(angle), number * np.cos(angle), phase

    def _noise(self, x: Array, z: Array) -> Array:
        """Return the noise (...,) at the places x and z, broadcast together [m]."""
        along_x, along_z, phase = self._waves
        waves = np.cos(x[..., None] * along_x + z[..., None] * along_z + phase)
        height = self.roughness * np.sqrt(2.0 / WAVES) * waves.sum(axis=-1)
        if self.flat_radius == 0.0:
            return height
        grown = np.clip(np.hypot(x, z) / self.flat_radius - 1.0, 0.0, 1.0)
        return height * grown**2 * (3.0 - 2.0 * grown)


FLAT = GroundShape()
"""The plane y = 0."""
