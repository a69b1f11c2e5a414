"""The physiology of muscles as settings: which parts of a Hill-type muscle act, and how strongly."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import exp, inf, isfinite
from typing import Any

import numpy as np

from musclegym.body import Body
from musclegym.muscle.activation import FALL_TIME, RISE_TIME
from musclegym.muscle.activity import Dynamics
from musclegym.muscle.fatigue import FATIGUE_RATE, RECOVERY_RATE, REST_RECOVERY
from musclegym.muscle.groups import muscle_groups
from musclegym.muscle.path import Paths
from musclegym.rotation import Array

SWITCH_OF = {
    "rise_time": "activation_dynamics",
    "fall_time": "activation_dynamics",
    "max_velocity": "force_velocity",
    "fatigue_rate": "fatigue",
    "recovery_rate": "fatigue",
    "rest_recovery": "fatigue",
    "start_fatigue": "fatigue",
}
"""Figures that act while a switch is on only."""


@dataclass(frozen=True)
class MuscleConfig:
    """What a muscle is. Frozen: derive variants with `dataclasses.replace`.

    Every switch is independent of the others. The tendon is rigid: at the lengths of human tendons it
    stretches by some 3 to 5 % at full force, and an elastic one would need steps below a tenth of a
    millisecond.

    Raises:
        ValueError: if a value breaks its rule or belongs to a switch that is off.
    """

    activation_dynamics: bool | None = None
    """Whether activation lags behind excitation. None: where a controller excites the muscles (`excitation`,
    `muscle_length`), and not where activations are chosen for a torque (`muscle`, `oracle`), as in MASS."""
    rise_time: float = RISE_TIME
    """Time constant of a rising activation [s]."""
    fall_time: float = FALL_TIME
    """Time constant of a falling activation [s]."""
    force_velocity: bool = False
    """Whether shortening fibres pull less and lengthening ones more, see `hill.force_velocity_slope`."""
    max_velocity: float = 10.0
    """Shortening velocity at which no force is left (Zajac 1989, Thelen 2003), in optimal fibre lengths
    [1/s]."""
    pennation: bool = True
    """Whether fibres run at an angle to the tendon; without, all angles are zero."""
    passive_force: bool = True
    """Whether stretched fibres resist without activation."""
    fatigue: bool = False
    """Whether active fibres tire, see `musclegym.muscle.fatigue`."""
    fatigue_rate: float = FATIGUE_RATE
    """Share of the active fibres that tire [1/s]."""
    recovery_rate: float = RECOVERY_RATE
    """Share of the tired fibres that recover [1/s]."""
    rest_recovery: float = REST_RECOVERY
    """Factor on the recovery rate while the muscle rests [-]."""
    start_fatigue: tuple[float, float] = (0.0, 0.0)
    """Range from which the fatigued share of each muscle is drawn at a reset [-]."""
    strength: Mapping[str, float] = field(default_factory=dict)
    """Factors on the forces of some muscles, active and passive, by group (`musclegym.muscle.groups`, such as
    "hamstrings_left") or by a pattern of groups' and muscles' names ("*" for all, "*_left", "soleus*");
    factors of several that fit one muscle multiply, and 0 is paralysis [-]."""

    def __post_init__(self) -> None:
        """Check every rule that needs no body."""
        object.__setattr__(self, "start_fatigue", tuple(self.start_fatigue))  # files know lists only
        for name, switch in SWITCH_OF.items():
            if getattr(self, switch) is False and getattr(self, name) != DEFAULTS[name]:
                raise ValueError(
                    f"{name} acts with {switch} only, but was given without it; add {switch}=True or leave "
                    f"it out"
                )
        for name in ("rise_time", "fall_time", "max_velocity", "recovery_rate", "rest_recovery"):
            check(name, getattr(self, name) > 0.0, getattr(self, name), "positive and finite")
        check("fatigue_rate", self.fatigue_rate > 0.0, self.fatigue_rate, "positive and finite")
        low, high = self.start_fatigue
        check("start_fatigue", 0.0 <= low <= high < 1.0, (low, high), "a range (low, high) within [0, 1)")
        for name, factor in self.strength.items():
            check(f"strength of {name!r}", factor >= 0.0, factor, "0 or more, and finite")

    def paths(self, body: Body) -> Paths:
        """Return the muscles of a body for the kernels, without what is off and with forces scaled.

        Raises:
            ValueError: if `strength` names a group or muscle that the body does not have.
        """
        force = body.paths.max_force * self.strength_factors(body)
        return body.paths._replace(
            max_force=force,
            passive_force=force if self.passive_force else np.zeros_like(force),
            pennation=body.paths.pennation if self.pennation else np.zeros_like(force),
            max_velocity=np.full_like(force, self.max_velocity if self.force_velocity else inf),
        )

    def strength_factors(self, body: Body) -> Array:
        """Return the factor on the forces of each muscle, shape (muscle,) [-].

        Raises:
            ValueError: if `strength` names a group or muscle that the body does not have.
        """
        factors = np.ones(body.n_muscles)
        if not self.strength:
            return factors
        groups = muscle_groups(body)
        members = {**{name: [index] for index, name in enumerate(body.muscle_names)}, **groups}
        for pattern, factor in self.strength.items():
            fitting = [members[name] for name in members if fnmatchcase(name, pattern)]
            if not fitting:
                near = get_close_matches(pattern, members, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"choose a group: {', '.join(groups)}"
                raise ValueError(
                    f"strength must name groups or muscles of the body, but {pattern!r} fits none of "
                    f"{body.name!r}; {hint}"
                )
            factors[np.unique(np.concatenate(fitting))] *= factor
        return factors

    def dynamics(self, dt: float, hold: float, lags: bool) -> Dynamics:
        """Return what the kernels need to advance activation and fatigue.

        Args:
            dt: physics step [s].
            hold: time between two updates of the excitation [s].
            lags: what `activation_dynamics=None` stands for.

        Raises:
            ValueError: if a time constant was given that nothing uses.
        """
        if self.activation_dynamics is not None:
            lags = self.activation_dynamics
        for name in ("rise_time", "fall_time"):
            if not lags and getattr(self, name) != DEFAULTS[name]:
                raise ValueError(
                    f"{name} acts with activation dynamics only, which this actuation has off by default; "
                    f"add activation_dynamics=True or leave it out"
                )

        def left(span: float, constant: float) -> float:
            return exp(-span / constant) if lags else 0.0

        return Dynamics(
            dt=dt,
            rise=left(dt, self.rise_time),
            fall=left(dt, self.fall_time),
            rise_hold=left(hold, self.rise_time),
            fall_hold=left(hold, self.fall_time),
            fatigue_rate=self.fatigue_rate if self.fatigue else 0.0,
            recovery_rate=self.recovery_rate,
            rest_recovery=self.rest_recovery,
        )


DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(MuscleConfig)}


def check(name: str, kept: bool, value: Any, rule: str) -> None:
    """Refuse a figure that breaks its rule or is not finite."""
    numbers = value if isinstance(value, tuple) else (value,)
    if not (kept and all(isfinite(number) for number in numbers)):
        default = f"; the default is {DEFAULTS[name]!r}" if name in DEFAULTS else "; 1 changes nothing"
        raise ValueError(f"{name} of muscles must be {rule}, but is {value!r}{default}")


def muscle_config(settings: MuscleConfig | Mapping[str, Any] | None) -> MuscleConfig:
    """Return settings of muscles from themselves, from their fields by name, or the defaults.

    Raises:
        ValueError: if a field is unknown or breaks its rule.
    """
    if isinstance(settings, MuscleConfig):
        return settings
    settings = settings or {}
    for name in settings:
        if name not in DEFAULTS:
            near = get_close_matches(name, DEFAULTS, 1)
            hint = f"did you mean {near[0]!r}?" if near else "choose one of these"
            raise ValueError(f"muscles have no setting {name!r} but {', '.join(DEFAULTS)}; {hint}")
    return MuscleConfig(**settings)
