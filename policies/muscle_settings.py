"""Under which physiology and for which builds MuscleNN is trained and judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from musclegym.body import Body
from musclegym.builds import BuildRange
from musclegym.human import force_scale
from musclegym.muscle.groups import muscle_groups
from musclegym.muscle.physiology import MuscleConfig
from musclegym.scaling import scale_body, stature

WEAK_GROUPS = ("quadriceps_left", "gluteus_medius_right")
"""Groups that are weak in the setting of that name, and how weak; own choice."""
WEAK_FACTOR = 0.3
TIRED = (0.0, 0.5)
"""Fatigued share of each muscle's fibres in the settings with fatigue."""
SARCOPENIA = 0.7
"""Strength that is left in old age where muscle has wasted; own choice."""


@dataclass(frozen=True)
class Setting:
    """A physiology and a build, relative to a body's own."""

    muscles: MuscleConfig = field(default_factory=MuscleConfig)
    """What a muscle is."""
    height: float = 1.0
    """Factor on stature [-]."""
    mass: float = 1.0
    """Factor on body mass [-]."""
    strength: float = 1.0
    """Factor on all maximum isometric forces, beyond what they change with height and mass [-]."""

    def applied(self, body: Body) -> Body:
        """Return the body in this setting's build."""
        if (self.height, self.mass, self.strength) == (1.0, 1.0, 1.0):
            return body
        return scale_body(body, self.height, self.mass, self.strength)


def judged_settings(body: Body) -> dict[str, Setting]:
    """Return the settings that MuscleNN is judged under, by name: each switch alone, all at once, builds."""
    groups = muscle_groups(body)
    weak = dict.fromkeys([name for name in WEAK_GROUPS if name in groups] or list(groups)[:1], WEAK_FACTOR)
    physiologies: Mapping[str, dict[str, Any]] = {
        "default": {},
        "force-velocity": {"force_velocity": True},
        "activation dynamics": {"activation_dynamics": True},
        "fatigue": {"fatigue": True, "start_fatigue": TIRED},
        "no pennation": {"pennation": False},
        "no passive force": {"passive_force": False},
        "weak groups": {"strength": weak},
        "sarcopenia": {"strength": {"*": SARCOPENIA}},
        "all of these": {
            "force_velocity": True,
            "activation_dynamics": True,
            "fatigue": True,
            "start_fatigue": TIRED,
            "pennation": False,
            "passive_force": False,
            "strength": {**weak, "*": SARCOPENIA},
        },
    }
    settings = {name: Setting(MuscleConfig(**fields)) for name, fields in physiologies.items()}
    return settings | {
        "small, weak": Setting(height=0.85, mass=0.75, strength=0.6),
        "tall, heavy": Setting(height=1.15, mass=1.3),
        "tall, light, strong": Setting(height=1.15, mass=0.8, strength=1.5),
    }


@dataclass(frozen=True)
class Variety:
    """What the states to learn from are drawn over: builds and physiologies."""

    builds: BuildRange = field(
        default_factory=lambda: BuildRange(length=(0.8, 1.2), mass=(0.6, 1.6), force=(0.4, 2.0))
    )
    """Builds, relative to the body's own."""

    plain: float = 0.25
    """Share of the draws that are the body as it is with the default physiology."""

    switched: float = 0.35
    """Chance of each switch of the physiology to be other than by default."""

    def __post_init__(self) -> None:
        """Check the shares."""
        if not (0.0 <= self.plain <= 1.0 and 0.0 <= self.switched <= 1.0):
            raise ValueError(
                f"plain and switched must be shares in [0, 1], but are {self.plain} and {self.switched}; use "
                f"e.g. 0.25 and 0.35"
            )

    def draw(self, body: Body, random: np.random.Generator) -> Setting:
        """Return a setting."""
        if random.random() < self.plain:
            return Setting()
        on = random.random(7) < self.switched
        physiology = MuscleConfig(
            force_velocity=bool(on[0]),
            activation_dynamics=bool(on[1]),
            fatigue=bool(on[2]),
            start_fatigue=(0.0, random.uniform(0.1, 0.7)) if on[2] else (0.0, 0.0),
            pennation=not (on[3] and random.random() < 0.5),
            passive_force=not (on[4] and random.random() < 0.5),
            strength=self.weakness(body, random) if on[5] else {},
        )
        return self.built(body, physiology, random) if on[6] else Setting(physiology)

    def weakness(self, body: Body, random: np.random.Generator) -> dict[str, float]:
        """Return factors in [0, 1] on the forces of one to three groups, and in [0.5, 1] on all."""
        groups = list(muscle_groups(body))
        chosen = random.choice(len(groups), size=min(len(groups), int(random.integers(1, 4))), replace=False)
        factors = {groups[index]: random.uniform(0.0, 1.0) for index in chosen}
        return factors | {"*": random.uniform(0.5, 1.0)}

    def built(self, body: Body, physiology: MuscleConfig, random: np.random.Generator) -> Setting:
        """Return the physiology in a build whose factors are drawn evenly on a logarithmic scale."""
        ranges = (self.builds.length, self.builds.mass, self.builds.force)
        length, mass, force = (float(np.exp(random.uniform(*np.log(ends)))) for ends in ranges)
        if (length, mass, force) == (1.0, 1.0, 1.0):
            return Setting(physiology)
        tall, heavy = stature(body.skeleton), body.skeleton.total_mass
        natural = force_scale(tall * length, heavy * mass) / force_scale(tall, heavy)
        return replace(Setting(physiology), height=length, mass=mass, strength=force / natural)
