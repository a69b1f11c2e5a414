"""Settings of the environment: what can be chosen, and the rules that a choice must keep."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from inspect import signature
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from musclegym.body import Body, load_body
from musclegym.envs.tasks import TASKS, Task
from musclegym.envs.world import BodyVariation, Ground, Pushes, make_option
from musclegym.motion import Clip, Motion
from musclegym.muscle.physiology import MuscleConfig, muscle_config
from musclegym.rotation import Array

if TYPE_CHECKING:
    from musclegym.muscle.network import MuscleNN


Actuation = Literal["torque", "muscle", "oracle", "excitation", "muscle_length"]

ACTUATIONS = {
    "torque": (
        "dof - 6",
        "offset of the target pose, in `action_range`; the stable PD's torque acts as it is",
    ),
    "muscle": ("dof - 6", "likewise; MuscleNN activates the muscles to make that torque"),
    "oracle": ("dof - 6", "likewise; bounded least squares activate the muscles"),
    "excitation": ("muscle", "excitation of the muscle, -1 for none and 1 for all of it"),
    "muscle_length": (
        "muscle",
        "offset of the fibre length, in `length_range`, that a PD in muscle space seeks",
    ),
}
"""What moves the joints: how many numbers an action has and what they mean."""
DEFAULT_MOTION = "walk"
"""Motion of a task that follows one."""
FOLLOWED_RANGE = 0.5
FREE_RANGE = 1.0
"""Default `action_range` where a motion is followed, and where it is not [rad]."""


@dataclass(frozen=True)
class TrackWeights:
    """Weights of the terms of tracking a motion; they sum to one (Peng et al. 2018, DeepMimic)."""

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
class RewardWeights:
    """Factors on whole groups of reward terms; `set_reward_weights` changes them between steps.

    Raises:
        ValueError: if a factor is not finite.
    """

    tracking: float = 1.0
    """On the terms of tracking the motion."""
    task: float = 1.0
    """On the task's own terms."""
    prior: float = 1.0
    """On the score of the prior."""
    reach: float = 0.0
    """On a term that asks for torques within the muscles' reach (`musclegym.envs.rewards.reach_match`)."""

    def __post_init__(self) -> None:
        """Check that every factor is a finite number."""
        for item in fields(self):
            value = getattr(self, item.name)
            if not abs(value) < float("inf"):
                raise ValueError(
                    f"reward weight {item.name} must be a finite number, but is {value!r}; 0 switches it off"
                )


class Prior(Protocol):
    """A score of how natural a motion is."""

    window: int
    """How many states it looks at."""
    fps: float
    """States per second; must equal `control_hz`."""

    def __call__(self, states: Array) -> float:
        """Return the score in [0, 1] of states [q, qd], oldest first, shape (window, 2 dof)."""
        ...


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
    motion: str | Path | Clip | Motion | None = None
    """Name of an embedded motion, path of a motion file, or a loaded one. None for `walk` where the task
    follows a motion, and for none elsewhere; a motion that is given all the same is where episodes start, and
    tracking it is rewarded, but actions and observations know nothing of it."""
    cyclic: bool | None = None
    """Whether the motion repeats, its end closed with its start; None for what its file says. BVH and AMC
    files cannot say it and are taken to end."""
    task: str | Task = "track"
    """What is rewarded: `track`, `speed`, `heading`, `stand`, or a task of your own, derived from
    `musclegym.envs.tasks.Task`."""
    prior: Prior | None = None
    """Score of how natural the motion is, a reward term; such as `musclegym.pretrain.score.PriorScore()`."""
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
    contact_forces: bool = True
    """Whether stable PD and passive joints expect the contact forces of the last physics step, as in MASS.
    Without them a foot on the ground counts as free to move, and its ankle is many times softer than `kp`."""
    feed_forward: bool = False
    """Whether stable PD also makes the torque that inverse dynamics finds in the motion, for the body as the
    options give it: the target pose is moved by this torque over `kp`."""
    action_range: float | None = None
    """Largest offset of the target pose, per joint coordinate, from the motion's pose or, where the task does
    not follow one, from standing with hanging arms [rad]. None for 0.5 and 1.0."""
    length_range: float = 0.1
    """Largest offset of a wanted fibre length from the one in that pose, in optimal fibre lengths [-]."""
    length_kp: float = 8.0
    """Excitation per fibre length, in optimal ones, beyond the wanted one under `muscle_length` [-]."""
    length_kd: float = 0.4
    """Excitation per fibre velocity beyond the wanted one, likewise; zero actions follow the walk for 32
    steps with these gains and for 36 with stable PD torques (`benchmarks/muscle_length.py`) [s]."""
    muscles: MuscleConfig | Mapping[str, Any] | None = None
    """Physiology of the muscles, or its settings by name: `{"force_velocity": True}`."""
    history: int = 0
    """How many past states [q, qd] end the observation, for motion priors."""
    weights: TrackWeights = field(default_factory=TrackWeights)
    """Weights of the terms of tracking the motion."""
    reward_weights: RewardWeights = field(default_factory=RewardWeights)
    """Factors on the terms of tracking, of the task and of the prior."""
    ground: Ground | Mapping[str, Any] | None = None
    """Slope, unevenness and friction of the ground, drawn at each reset; None for flat ground."""
    pushes: Pushes | Mapping[str, Any] | None = None
    """Pushes at random times; None for none."""
    variation: BodyVariation | Mapping[str, Any] | None = None
    """Height, mass and strength, drawn at each reset; None for the body as it is."""
    fall_drop: float = 0.25
    """The episode ends when the root is lower above the ground, by this share of its height in the rest pose,
    than in the motion that is followed or else than in the rest pose [-]."""
    lost_distance: float = 1.0
    """The episode ends when the root is farther than this from the followed motion's over the ground [m]."""
    ghost: bool = False
    """Whether pictures show the motion as a second, translucent body."""
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

    def surroundings(self) -> dict[str, Any]:
        """Return the options of `World`, each None or made from its mapping."""
        return {
            "ground": make_option(Ground, self.ground),
            "pushes": make_option(Pushes, self.pushes),
            "variation": make_option(BodyVariation, self.variation),
        }

    @property
    def chosen_task(self) -> Task:
        """The task, where it was given by name too."""
        return TASKS[self.task] if isinstance(self.task, str) else self.task

    @property
    def chosen_motion(self) -> str | Path | Clip | Motion | None:
        """The motion, the default one where the task follows one and none was given."""
        if self.motion is None and self.chosen_task.follows_motion:
            return DEFAULT_MOTION
        return self.motion

    @property
    def acts_on_muscles(self) -> bool:
        """Whether the action has a number per muscle, not per joint coordinate."""
        return self.actuation in ("excitation", "muscle_length")

    @property
    def remembers_activation(self) -> bool:
        """Whether the next state depends on present activations."""
        lags = muscle_config(self.muscles).activation_dynamics
        return self.actuation != "torque" and (self.acts_on_muscles if lags is None else lags)

    @property
    def tires(self) -> bool:
        """Whether muscles act and tire."""
        return self.actuation != "torque" and muscle_config(self.muscles).fatigue

    @property
    def target_range(self) -> float:
        """Largest offset of the target pose [rad]."""
        if self.action_range is not None:
            return self.action_range
        return FOLLOWED_RANGE if self.chosen_task.follows_motion else FREE_RANGE

    @property
    def muscle_updates(self) -> int:
        """Muscle activations per second [1/s]."""
        if self.muscle_hz is not None:
            return self.muscle_hz
        return self.physics_hz // (2 if self.physics_hz // self.control_hz % 2 == 0 else 1)

    def __post_init__(self) -> None:
        """Check every rule."""
        choose("actuation", self.actuation, tuple(ACTUATIONS))
        if not isinstance(self.task, Task):
            choose("task", self.task, tuple(TASKS))
        if isinstance(self.body, Mapping):
            for argument in self.body:
                choose("argument of body", argument, tuple(signature(load_body).parameters))
        self._check_rates()
        self.surroundings()
        muscle_config(self.muscles)
        if self.prior is not None and self.prior.fps != self.control_hz:
            raise ValueError(
                f"a prior scores states at its own rate, {self.prior.fps}/s, but control_hz is "
                f"{self.control_hz}; use control_hz={self.prior.fps:g} or another prior"
            )
        self._refuse_idle_options()
        for name in ("kp", "kd", "target_range", "length_range", "length_kp", "fall_drop", "lost_distance"):
            if not getattr(self, name) > 0.0:
                option = "action_range" if name == "target_range" else name
                raise ValueError(
                    f"{option} must be positive, but is {getattr(self, option)!r}; the default is "
                    f"{default_of(option)}"
                )
        for name in ("start_noise", "history", "length_kd"):
            if getattr(self, name) < 0.0:
                raise ValueError(
                    f"{name} must not be negative, but is {getattr(self, name)!r}; 0 switches it off"
                )

    def _check_rates(self) -> None:
        """Check that rates are whole and divide each other."""
        for name in ("physics_hz", "control_hz", "muscle_hz"):
            value = getattr(self, name)
            if not (name == "muscle_hz" and value is None) and (not isinstance(value, int) or value <= 0):
                raise ValueError(f"{name} must be a positive whole number, but is {value!r}; use e.g. 480")
        multiple("physics_hz", self.physics_hz, "control_hz", self.control_hz)
        multiple("physics_hz", self.physics_hz, "muscle_hz", self.muscle_updates)
        multiple("muscle_hz", self.muscle_updates, "control_hz", self.control_hz)

    def _refuse_idle_options(self) -> None:
        """Refuse options that would change nothing beside the others."""
        for names, acts, where in IDLE_UNLESS:
            for name in names:
                if attrgetter(name)(self) != default_of(name) and not acts(self):
                    raise ValueError(
                        f"{name} acts {where} only, but was given with actuation {self.actuation!r} and task "
                        f"{self.task!r}; leave it out"
                    )


IDLE_UNLESS: tuple[tuple[tuple[str, ...], Callable[[HumanoidConfig], bool], str], ...] = (
    (("muscle_weights",), lambda c: c.actuation == "muscle", "under actuation 'muscle'"),
    (("muscle_hz",), lambda c: c.actuation in ("muscle", "oracle"), "under actuation 'muscle' or 'oracle'"),
    (("kp", "kd", "action_range"), lambda c: not c.acts_on_muscles, "where the action is a target pose"),
    (
        ("length_range", "length_kp", "length_kd"),
        lambda c: c.actuation == "muscle_length",
        "under actuation 'muscle_length'",
    ),
    (("muscles",), lambda c: c.actuation != "torque", "where muscles act"),
    (
        ("feed_forward",),
        lambda c: c.chosen_task.follows_motion and not c.acts_on_muscles,
        "where the task follows the motion by a target pose",
    ),
    (("lost_distance",), lambda c: c.chosen_task.follows_motion, "where the task follows the motion"),
    (("ghost",), lambda c: c.chosen_motion is not None, "with a motion"),
    (("cyclic",), lambda c: c.chosen_motion is not None, "with a motion"),
    (("weights",), lambda c: c.chosen_motion is not None, "with a motion"),
    (("reward_weights.tracking",), lambda c: c.chosen_motion is not None, "with a motion"),
    (("reward_weights.task",), lambda c: c.chosen_task.has_terms, "with a task that has terms of its own"),
    (("reward_weights.prior",), lambda c: c.prior is not None, "with a prior"),
    (
        ("reward_weights.reach",),
        lambda c: c.actuation in ("muscle", "oracle"),
        "under actuation 'muscle' or 'oracle'",
    ),
)
"""Options that act beside certain others only, when they do, and how to say so."""


def default_of(name: str) -> Any:
    """Return the value of an option that is left out, "option" or "option.field"."""
    name, _, rest = name.partition(".")
    option = next(item for item in fields(HumanoidConfig) if item.name == name)
    value = option.default_factory() if option.default_factory is not MISSING else option.default
    return getattr(value, rest) if rest else value


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

    Groups of weights may be mappings of their fields: `{"reward_weights": {"reach": 0.4}}`.

    Raises:
        ValueError: if an option is unknown or breaks its rule.
    """
    names = (*(f.name for f in fields(HumanoidConfig)), "render_mode")
    for name in options:
        choose("option", name, names)
    groups = {"weights": TrackWeights, "reward_weights": RewardWeights}
    made = {name: make_option(kind, options[name]) for name, kind in groups.items() if name in options}
    return HumanoidConfig(**{**options, **made})
