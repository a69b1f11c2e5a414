"""What an episode takes place in: the ground, pushes and the body's build, drawn anew at every reset.

The three options of the environment are `Ground`, `Pushes` and `BodyVariation`, or mappings of their fields.
Each figure is a number or a range (low, high) that it is drawn from evenly. `World` draws and applies them.

Order of the draws from the environment's own generator, after the start phase: body (height, mass, strength),
ground (slope, direction, roughness, wavelength, friction, noise), time to the first push; then, as each push
begins, its impulse, duration, body and direction, and the time to the next one. An option draws the same
number of times whatever its ranges are; one that is off draws nothing.

Directions are angles in the world from +z (ahead at the start) towards +x (left) [rad]; with frame="heading"
those of pushes are counted from where the body faces: 0 is ahead, pi / 2 to the left.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from inspect import signature
from numbers import Real
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from musclegym.body import Body
from musclegym.ground import FRICTION, ROUGHEST, STEEPEST, WAVELENGTHS, GroundShape
from musclegym.motion import Motion
from musclegym.rotation import Array
from musclegym.scaling import scale_body, scale_motion
from musclegym.simulation import Simulation

Range = float | tuple[float, float]
Frame = Literal["world", "heading"]
Option = TypeVar("Option")

ANY_DIRECTION = (0.0, 2.0 * np.pi)
TINY = float(np.finfo(np.float64).tiny)
"""Least positive number."""


@dataclass(frozen=True)
class Ground:
    """Slope, unevenness and friction of the ground.

    Raises:
        ValueError: if a range breaks its rule, or the options change nothing.
    """

    slope: Range = 0.0
    """Angle with the horizontal, up to 0.78 [rad]."""
    direction: Range = ANY_DIRECTION
    """Direction in which the slope rises [rad]; by default any."""
    roughness: Range = 0.0
    """Root mean square of smooth random noise on the height, up to a tenth of the wavelength [m]."""
    wavelength: Range = 1.0
    """Typical distance between two crests of the noise, from 0.5 to 4 m [m]."""
    flat_radius: float = 0.5
    """Within this distance from the start there is no noise; it has grown to the full at twice that [m]."""
    friction: Range = FRICTION
    """Coefficient of friction between feet and ground, 0 or more [-]."""

    def __post_init__(self) -> None:
        """Check every rule."""
        check("slope", self.slope, 0.0, STEEPEST, "use e.g. (0.0, 0.1)")
        check("direction", self.direction, -np.inf, np.inf, "0 rises ahead of the body")
        check("wavelength", self.wavelength, *WAVELENGTHS, "use e.g. 1.0")
        limit = ROUGHEST * bounds(self.wavelength)[0]
        check("roughness", self.roughness, 0.0, limit, "lower it, or lengthen the wavelength")
        check("flat_radius", self.flat_radius, 0.0, np.inf, "0 for noise everywhere")
        check("friction", self.friction, 0.0, np.inf, "use e.g. (0.5, 1.0)")
        self._refuse_idle()

    def _refuse_idle(self) -> None:
        """Refuse options that would change nothing."""
        given = {f.name for f in fields(self) if getattr(self, f.name) != f.default}
        needs = {"direction": "slope", "wavelength": "roughness", "flat_radius": "roughness"}
        for name, need in needs.items():
            if name in given and bounds(getattr(self, need))[1] == 0.0:
                raise ValueError(
                    f"{name} of the ground needs {need} to act, but {need} is 0; give it a range, or leave "
                    f"{name} out"
                )
        if not given:
            raise ValueError(
                "the option ground must change the ground, but its slope, roughness and friction are those "
                "of the flat one; give one of them a range, or leave ground out"
            )

    def draw(self, rng: np.random.Generator) -> GroundShape:
        """Return the ground of an episode."""
        names = ("slope", "direction", "roughness", "wavelength", "friction")
        drawn = {name: draw(rng, getattr(self, name)) for name in names}
        return GroundShape(**drawn, flat_radius=self.flat_radius, seed=int(rng.integers(2**31)))


@dataclass(frozen=True)
class Pushes:
    """Horizontal pushes at random times.

    A push is a constant force on the mass centre of a body, held for whole control steps. The default ranges
    are our own choice: the middle one changes the speed of a man of 73 kg by 0.2 m/s.

    Raises:
        ValueError: if a range breaks its rule.
    """

    impulse: Range = (5.0, 25.0)
    """Force times duration, more than 0 [N s]."""
    duration: Range = (0.1, 0.3)
    """How long it lasts, rounded to whole control steps, at least one [s]."""
    interval: Range = (1.0, 3.0)
    """Time from the start, or from the end of the push before, to the next push, rounded likewise [s]."""
    bodies: tuple[str, ...] = ("Torso",)
    """Bodies that may be pushed, each as likely as the others."""
    direction: Range = ANY_DIRECTION
    """Direction of the force [rad]; by default any."""
    frame: Frame = "world"
    """What the direction is counted from: `world`, or the `heading` that the root has as the push begins."""
    most: int | None = None
    """Most pushes in an episode; None for no limit."""

    def __post_init__(self) -> None:
        """Check every rule."""
        check("impulse", self.impulse, TINY, np.inf, "use e.g. (5.0, 25.0), or leave pushes out")
        check("duration", self.duration, TINY, np.inf, "use e.g. (0.1, 0.3)")
        check("interval", self.interval, 0.0, np.inf, "use e.g. (1.0, 3.0)")
        check("direction", self.direction, -np.inf, np.inf, "0 pushes ahead")
        if isinstance(self.bodies, str) or not self.bodies:
            raise ValueError(
                f"bodies of the pushes must be one name or more, but is {self.bodies!r}; use e.g. ('Torso',)"
            )
        if self.frame not in get_args(Frame):
            raise ValueError(
                f"frame of the pushes must be 'world' or 'heading', but is {self.frame!r}; choose one"
            )
        if self.most is not None and self.most < 1:
            raise ValueError(
                f"most, of the pushes in an episode, must be at least 1, but is {self.most!r}; None for no "
                f"limit, or leave pushes out"
            )


@dataclass(frozen=True)
class BodyVariation:
    """Build of the body, relative to the environment's own body, see `musclegym.scaling`.

    Raises:
        ValueError: if a range breaks its rule, or the options change nothing.
    """

    height: Range = 1.0
    """Factor on stature, and so on all lengths, more than 0 [-]."""
    mass: Range = 1.0
    """Factor on body mass, more than 0 [-]."""
    strength: Range = 1.0
    """Factor on all maximum isometric forces, beyond what they change with height and mass [-]."""

    def __post_init__(self) -> None:
        """Check every rule."""
        for name in ("height", "mass", "strength"):
            check(name, getattr(self, name), TINY, np.inf, "use e.g. (0.9, 1.1)")
        if all(bounds(getattr(self, f.name)) == (1.0, 1.0) for f in fields(self)):
            raise ValueError(
                "the option variation must change the body, but all its factors are 1; give one of height, "
                "mass and strength a range, or leave variation out"
            )


class World:
    """Ground, pushes and body of one simulation, drawn by the options that are given.

    An environment calls `reset` before it places the body, `lift` to place it, `step` before each control
    step, and merges `info` into its own.
    """

    def __init__(
        self,
        body: Body,
        motion: Motion | None,
        simulation: Simulation,
        control_hz: int,
        *,
        ground: Ground | None = None,
        pushes: Pushes | None = None,
        variation: BodyVariation | None = None,
    ) -> None:
        """Prepare to draw.

        Args:
            body: the environment's own body, which the variation is relative to.
            motion: its motion, which is scaled with it; may be None, and be replaced between episodes.
            simulation: where ground, pushes and body are put.
            control_hz: control steps per second [1/s].
            ground: what the ground is drawn from; None for the flat one.
            pushes: when and how to push; None for never.
            variation: what the body's build is drawn from; None for the body as it is.

        Raises:
            ValueError: if a body to be pushed does not exist.
        """
        self._body, self.motion, self._simulation = body, motion, simulation
        self._control_hz = control_hz
        self.ground, self.variation = ground, variation
        self.set_pushes(pushes)
        self._step = self._start = self._stop = self._count = 0
        self._factors = [1.0, 1.0, 1.0]

    def set_pushes(self, pushes: Pushes | None) -> None:
        """Push as `pushes` says, None for never; to be called before a reset.

        Raises:
            ValueError: if a body to be pushed does not exist.
        """
        self._pushed = [self._body.skeleton.body(name) for name in pushes.bodies] if pushes else []
        self.pushes = pushes

    def reset(self, rng: np.random.Generator) -> tuple[Body, Motion | None]:
        """Draw an episode's body and ground, put them into the simulation and return its body and motion."""
        body, motion = self._body, self.motion
        if self.variation is not None:
            factors = (self.variation.height, self.variation.mass, self.variation.strength)
            self._factors = height, mass, strength = [draw(rng, factor) for factor in factors]
            body = scale_body(body, height, mass, strength)
            motion = scale_motion(motion, body.skeleton) if motion is not None else None
        shape = self.ground.draw(rng) if self.ground is not None else None
        if self.variation is not None:
            self._simulation.set_body(body, shape)
        elif shape is not None:
            self._simulation.set_ground(shape)
        if self.pushes is not None:
            self._step, self._stop, self._count = 0, -1, 0
            self._start = self._steps(rng, self.pushes.interval, 0)
        return body, motion

    def step(self, rng: np.random.Generator, facing: float = 0.0) -> None:
        """Begin or end a push, if it is time to; `facing` is where the root faces [rad]."""
        if self.pushes is None:
            return
        if self._step == self._stop:
            self._simulation.release()
        if self._step == self._start:
            self._push(rng, self.pushes, facing)
        self._step += 1

    def _push(self, rng: np.random.Generator, pushes: Pushes, facing: float) -> None:
        impulse, steps = draw(rng, pushes.impulse), self._steps(rng, pushes.duration, 1)
        body, angle = self._pushed[int(rng.integers(len(self._pushed)))], draw(rng, pushes.direction)
        angle += facing if pushes.frame == "heading" else 0.0
        force = impulse * self._control_hz / steps
        self._simulation.push(body, force * np.array([np.sin(angle), 0.0, np.cos(angle)]))
        self._stop = self._step + steps
        wait = self._steps(rng, pushes.interval, 0)
        self._count += 1
        self._start = -1 if self._count == pushes.most else self._stop + wait

    def _steps(self, rng: np.random.Generator, span: Range, least: int) -> int:
        """Return a time that is drawn from a range [s] in whole control steps."""
        return max(least, round(draw(rng, span) * self._control_hz))

    def height_at(self, x: npt.ArrayLike, z: npt.ArrayLike) -> Array:
        """Return the height (...,) of the ground at places x and z (...,) in the world [m]."""
        return self._simulation.ground.height(x, z)

    def lift(self, q: Array) -> Array:
        """Return a pose (dof,) raised or lowered so that it stands on this ground as it did on the flat one.

        The lowest sole point over the ground is then as high as it was over y = 0.
        """
        points = self._simulation.body.sole_points(q)
        lifted = q.copy()
        lifted[4] += points[:, 1].min() - (points[:, 1] - self.height_at(points[:, 0], points[:, 2])).min()
        return lifted

    def info(self) -> dict[str, Any]:
        """Return the figures of the options that are on, by name.

        With a ground: `slope` [rad], `slope_direction` [rad], `roughness` [m], `wavelength` [m] and
        `friction` [-]. With pushes: `push_force`, the force of this step in the world, shape (3,) [N]. With a
        variation: the factors `body_height`, `body_mass` and `body_strength` [-].
        """
        out: dict[str, Any] = {}
        if self.ground is not None:
            shape = self._simulation.ground
            out |= {"slope": shape.slope, "slope_direction": shape.direction, "roughness": shape.roughness}
            out |= {"wavelength": shape.wavelength, "friction": shape.friction}
        if self.pushes is not None:
            out["push_force"] = self._simulation.push_force.copy()
        if self.variation is not None:
            out |= dict(zip(("body_height", "body_mass", "body_strength"), self._factors, strict=True))
        return out


def bounds(value: Range) -> tuple[float, float]:
    """Return the lower and upper end of a range; a number is a range of its own."""
    if isinstance(value, tuple | list):
        low, high = value
        return float(low), float(high)
    return float(value), float(value)


def draw(rng: np.random.Generator, value: Range) -> float:
    """Return a number drawn evenly from a range."""
    return float(rng.uniform(*bounds(value)))


def check(name: str, value: Range, least: float, most: float, cure: str) -> None:
    """Refuse a range that is no range, or leaves [least, most]."""
    ends = value if isinstance(value, tuple | list) else (value, value)
    are_two_numbers = len(ends) == 2 and all(isinstance(end, Real) for end in ends)
    low, high = ends if are_two_numbers else (np.nan, np.nan)
    if not (least <= low <= high <= most and np.isfinite([low, high]).all()):
        limits = "positive" if least == TINY else f"from {least:g} to {most:.4g}"
        raise ValueError(
            f"{name} must be a finite number or a range (low, high) with low <= high, {limits}, but is "
            f"{value!r}; {cure}"
        )


def make_option(kind: type[Option], value: Option | Mapping[str, Any] | None) -> Option | None:
    """Return the option `kind` from itself, a mapping of its fields, or None.

    Raises:
        ValueError: if a field is unknown or breaks its rule.
        TypeError: if the value is none of the three.
    """
    if value is None or isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(
            f"this option must be a {kind.__name__}, a mapping of its fields or None, but is {value!r}; use "
            f"e.g. dict()"
        )
    names = list(signature(kind).parameters)
    for name in value:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, 1)
            raise ValueError(
                f"the fields of {kind.__name__} are {', '.join(names)}, but one is {name!r}; "
                + (f"did you mean {near[0]!r}?" if near else "choose one of these")
            )
    return kind(**value)
