"""The curves of muscle physiology as arrays, for drawing and for comparison with measurements."""

from dataclasses import dataclass

import numpy as np

from musclegym.muscle.activation import advance_activation
from musclegym.muscle.fatigue import fatigue_after
from musclegym.muscle.hill import (
    active_force_length,
    fibre_geometry,
    force_velocity,
    passive_force_length,
)
from musclegym.muscle.physiology import MuscleConfig
from musclegym.rotation import Array

SAMPLES = 201
"""Points of every curve."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Lines over a common axis, with what is needed to label them."""

    name: str
    """Short name, such as "force-velocity"."""
    x_label: str
    """What the axis shows, with its unit."""
    y_label: str
    """What the lines show, with their unit."""
    x: Array
    """Positions, shape (sample,)."""
    lines: dict[str, Array]
    """Values of each line by its label, shape (sample,) each."""
    equation: str
    """The equation in plain text."""
    source: str
    """Where equation and constants come from."""


def physiology_curves(config: MuscleConfig | None = None) -> list[Curve]:
    """Return the curves of a muscle under `config`, or under the default figures, whether switched on or not.

    They are the functions that the simulation evaluates, not copies of them.
    """
    config = config or MuscleConfig()
    return [
        activation_curve(config),
        force_length_curve(),
        force_velocity_curve(config),
        pennation_curve(),
        fatigue_curve(config),
    ]


def activation_curve(config: MuscleConfig) -> Curve:
    """Return the activation under full excitation for 0.1 s and none for 0.2 s."""
    time, step = np.linspace(0.0, 0.3, SAMPLES, retstep=True)
    excitation = np.where(time < 0.1, 1.0, 0.0)
    activation = np.zeros(SAMPLES)
    for i in range(1, SAMPLES):
        activation[i] = advance_activation(
            activation[i - 1], excitation[i - 1], step, config.rise_time, config.fall_time
        )
    return Curve(
        name="activation dynamics",
        x_label="time [s]",
        y_label="[-]",
        x=time,
        lines={"excitation": excitation, "activation": activation},
        equation=f"da/dt = (e - a) / T; T = {config.rise_time:g} s rising, {config.fall_time:g} s falling",
        source="Zajac 1989, Crit Rev Biomed Eng 17:359-411; solved exactly",
    )


def force_length_curve() -> Curve:
    """Return active and passive force over fibre length."""
    length = np.linspace(0.4, 1.7, SAMPLES)
    active = np.array([active_force_length(value) for value in length])
    passive = np.array([passive_force_length(value) for value in length])
    return Curve(
        name="force-length",
        x_label="fibre length [optimal lengths]",
        y_label="force [maximum isometric forces]",
        x=length,
        lines={"active": active, "passive": passive, "both, fully active": active + passive},
        equation="active exp(-(l - 1)^2 / 0.5); "
        "passive (exp(4 (l - 1) / 0.6) - 1) / (exp(4) - 1) from l = 1 on",
        source="Thelen 2003, J Biomech Eng 125:70-77; constants as in MASS (Lee et al. 2019, ACM TOG 38:73)",
    )


def force_velocity_curve(config: MuscleConfig) -> Curve:
    """Return the active force over fibre velocity."""
    velocity = np.linspace(-1.2, 1.2, SAMPLES)
    force = np.array([force_velocity(value) for value in velocity])
    return Curve(
        name="force-velocity",
        x_label="fibre velocity, lengthening positive [optimal lengths / s]",
        y_label="active force [isometric forces]",
        x=velocity * config.max_velocity,
        lines={"active": force},
        equation="shortening (1 + v) / (1 - v / 0.25); lengthening (1 + 1.4 * 25 v) / (1 + 25 v); "
        "v in maximum velocities",
        source="Hill 1938, Proc R Soc B 126:136-195; Thelen 2003, J Biomech Eng 125:70-77",
    )


def pennation_curve() -> Curve:
    """Return the share of the fibres' force that acts along the tendon, over the path's length."""
    along = np.linspace(0.0, 1.5, SAMPLES)
    lines = {}
    for degrees in (0, 10, 20, 30):
        angle = np.radians(degrees)
        lines[f"{degrees}° at optimal length"] = np.array(
            [fibre_geometry(value, 1.0, 0.0, angle)[1] for value in along]
        )
    return Curve(
        name="pennation",
        x_label="path length beyond the tendon [optimal fibre lengths]",
        y_label="force along the tendon [fibre forces]",
        x=along,
        lines=lines,
        equation="cos p = x / hypot(x, sin p0); p0 the angle at optimal fibre length",
        source="Zajac 1989, Crit Rev Biomed Eng 17:359-411: constant thickness",
    )


def fatigue_curve(config: MuscleConfig) -> Curve:
    """Return the capacity under held activations for ten minutes, and at rest for ten more."""
    time, step = np.linspace(0.0, 1200.0, SAMPLES, retstep=True)
    lines = {}
    for level in (0.2, 0.5, 1.0):
        fatigued = np.zeros(SAMPLES)
        for i in range(1, SAMPLES):
            held = level if time[i - 1] < 600.0 else 0.0
            rates = config.fatigue_rate, config.recovery_rate, config.rest_recovery
            fatigued[i] = fatigue_after(fatigued[i - 1], held, step, *rates)
        lines[f"activation {level:g}, then rest"] = 1.0 - fatigued
    return Curve(
        name="fatigue",
        x_label="time [s]",
        y_label="capacity [-]",
        x=time,
        lines=lines,
        equation=f"d fatigued / dt = {config.fatigue_rate:g} a - {config.recovery_rate:g} fatigued "
        f"(at rest {config.rest_recovery:g} times that); a at most 1 - fatigued",
        source="Xia & Frey-Law 2008, J Biomech 41:3046-3052; Looft et al. 2018, J Biomech 77:16-25",
    )
