"""Settings of the environment: what can be chosen, and the rules that a choice must keep."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from musclegym.body import Body, load_body
from musclegym.motion import Clip, Motion
from musclegym.muscle.physiology import MuscleConfig, muscle_config

if TYPE_CHECKING:
    from musclegym.muscle.network import MuscleNN

Actuation = Literal["torque", "muscle", "oracle", "excitation", "muscle_length"]
Task = Literal["track"]


FOLLOWING = ("torque", "muscle", "oracle")
NEEDED_BY = {
    "muscle_hz": ("muscle", "oracle"),
    "muscle_weights": ("muscle",),
    "kp": FOLLOWING,
    "kd": FOLLOWING,
    "action_range": FOLLOWING,
    "length_range": ("muscle_length",),
    "muscles": ("muscle", "oracle", "excitation", "muscle_length"),
}
"""Options that act under some actuations only."""


@dataclass(frozen=True)
class TrackWeights:
    """Weights of the reward terms of the task `track`; they sum to one (Peng et al. 2018, DeepMimic)."""

    pose: float = 0.5
    """Of matching the joint rotations."""
    velocity: float = 0.05
    """Of matching the joint velocities."""
    end_effector: float = 0.15
    """Of matching the positions of hands, feet and head relative to the root."""
    root: float = 0.2
    """Of matching position, orientation and velocities of the root."""
    com: float = 0.1
    """Of matching the velocity of the whole body's centre of mass."""


@dataclass(frozen=True)
class HumanoidConfig:
    """Settings of `MuscleHumanoid-v0`. Frozen: derive variants with `dataclasses.replace`.

    Raises:
        ValueError: if a value breaks its rule.
    """

    actuation: Actuation = "muscle"
    """What moves the joints: `torque` (stable PD), `muscle` (stable PD, MuscleNN, muscles), `oracle` (stable
    PD, least squares, muscles), `excitation` (the action excites the muscles) or `muscle_length` (PD in
    muscle space; the action offsets the fibre lengths that it seeks)."""
    body: str | Path | Body | Mapping[str, Any] = "human"
    """Name, path or loaded body, or the arguments of `load_body`: `{"name": "human", "height": 1.6}`."""
    motion: str | Path | Clip | Motion = "walk"
    """Name of an embedded motion, path of a motion file, or a loaded one."""
    task: Task = "track"
    """What is rewarded: `track`, following the motion."""
    physics_hz: int = 480
    """Physics steps per second; must be a multiple of `control_hz`."""
    control_hz: int = 30
    """Policy actions per second."""
    muscle_hz: int | None = None
    """Muscle activations per second under `muscle` and `oracle`; a divisor of `physics_hz`, a multiple of
    `control_hz`. None for every second physics step, or every one where control steps have an odd number."""
    kp: float = 300.0
    """Stiffness of the stable PD on every joint, as in MASS [N m/rad]."""
    kd: float = 24.5
    """Damping of the stable PD on every joint, sqrt(2 kp) as in MASS [N m s/rad]."""
    action_range: float = 0.5
    """Largest offset of the target pose from the reference, per joint coordinate [rad]."""
    length_range: float = 0.1
    """Largest offset of a wanted fibre length from the reference's under `muscle_length`, in optimal ones
    [-]."""
    muscles: MuscleConfig | Mapping[str, Any] | None = None
    """Physiology of the muscles, or its settings by name: `{"force_velocity": True}`."""
    history: int = 0
    """How many past states [q, qd] end the observation, for motion priors."""
    weights: TrackWeights = field(default_factory=TrackWeights)
    """Weights of the reward terms."""
    fall_drop: float = 0.25
    """The episode ends when the root is lower than the reference by this share of its rest height [-]."""
    lost_distance: float = 1.0
    """The episode ends when the root is farther than this from the reference on the ground [m]."""
    start_noise: float = 0.0
    """Standard deviation of noise on the joint angles at the start [rad]."""
    muscle_weights: "str | Path | MuscleNN | None" = None
    """Weights of MuscleNN, or a loaded one; None for those shipped with the body."""

    def load_body(self) -> Body:
        """Return the body.

        Raises:
            FileNotFoundError: if one of its files is missing.
            ValueError: if a file is malformed or an argument does not fit.
        """
        return load_body(**self.body) if isinstance(self.body, Mapping) else load_body(self.body)

    @property
    def muscle_updates(self) -> int:
        """Muscle activations per second [1/s]."""
        if self.muscle_hz is not None:
            return self.muscle_hz
        return self.physics_hz // (2 if self.physics_hz // self.control_hz % 2 == 0 else 1)

    def _refuse_idle_options(self) -> None:
        """Refuse options that would change nothing under the chosen actuation."""
        for field_ in fields(self):
            needs = NEEDED_BY.get(field_.name)
            if needs and self.actuation not in needs and getattr(self, field_.name) != field_.default:
                raise ValueError(
                    f"{field_.name} acts under actuation {' or '.join(map(repr, needs))} only, but was given "
                    f"with {self.actuation!r}; leave it out"
                )

    def __post_init__(self) -> None:
        """Check every rule."""
        choose("actuation", self.actuation, get_args(Actuation))
        choose("task", self.task, get_args(Task))
        if isinstance(self.body, Mapping):
            for argument in self.body:
                choose("argument of body", argument, tuple(signature(load_body).parameters))
        for name in ("physics_hz", "control_hz", "muscle_hz"):
            value = getattr(self, name)
            if not (name == "muscle_hz" and value is None) and (not isinstance(value, int) or value <= 0):
                raise ValueError(f"{name} must be a positive whole number, but is {value!r}; use e.g. 480")
        multiple("physics_hz", self.physics_hz, "control_hz", self.control_hz)
        multiple("physics_hz", self.physics_hz, "muscle_hz", self.muscle_updates)
        multiple("muscle_hz", self.muscle_updates, "control_hz", self.control_hz)
        self._refuse_idle_options()
        muscle_config(self.muscles)
        for name in ("kp", "kd", "action_range", "length_range", "fall_drop", "lost_distance"):
            if not getattr(self, name) > 0.0:
                default = next(f.default for f in fields(self) if f.name == name)
                raise ValueError(
                    f"{name} must be positive, but is {getattr(self, name)!r}; the default is {default}"
                )
        if self.start_noise < 0.0 or self.history < 0:
            raise ValueError(
                f"start_noise and history must not be negative, but are {self.start_noise!r} and "
                f"{self.history!r}; 0 switches either off"
            )


def choose(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, 1)
        hint = f"did you mean {near[0]!r}?" if near else "choose one of these"
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, but is {value!r}; {hint}")


def multiple(name: str, value: int, of: str, unit: int) -> None:
    """Refuse a rate that is not a multiple of another."""
    if value % unit:
        raise ValueError(
            f"{name} must be a multiple of {of}, but {value} % {unit} = {value % unit}; "
            f"for {of}={unit} use e.g. {name}={unit * max(1, round(value / unit))}"
        )


def make_config(options: Mapping[str, Any]) -> HumanoidConfig:
    """Return the settings for options of `gymnasium.make`; an unknown one is refused by name.

    Raises:
        ValueError: if an option is unknown or breaks its rule.
    """
    names = (*(f.name for f in fields(HumanoidConfig)), "render_mode")
    for name in options:
        choose("option", name, names)
    return HumanoidConfig(**options)
