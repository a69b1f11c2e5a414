"""The environment that a policy is trained and measured in, alone or many at once."""

import ast
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import gymnasium as gym
import tyro
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from musclegym.policies.adapter import AdaptedVecEnv
from musclegym.settings import BodyConfig

ENVIRONMENT_ID = "MuscleHumanoid-v0"


@dataclass(frozen=True)
class EnvironmentConfig:
    """Options of the environment; what is left out has the environment's own default."""

    actuation: Literal["torque", "muscle", "oracle", "excitation", "muscle_length"] | None = None
    """What turns the action into joint torques."""

    body: Annotated[BodyConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=BodyConfig)
    """Body to move."""

    motion: str | None = None
    """Motion to follow: the name of an embedded clip, or a motion file."""

    task: str | None = None
    """What is rewarded."""

    physics_hz: int | None = None
    """Physics steps per second; a multiple of the control rate of 30."""

    muscle_weights: str | None = None
    """Weights of MuscleNN instead of those shipped with the body."""

    env: tuple[str, ...] = ()
    """Any other options of the environment, NAME=VALUE or NAME.FIELD=VALUE, such as start_noise=0.02,
    pushes.impulse=(10,30) or muscles.force_velocity=True."""

    def options(self) -> dict[str, Any]:
        """Return the options that were set, as keywords of `gymnasium.make`.

        Raises:
            ValueError: if one of `env` is not NAME=VALUE, or sets what another has set.
        """
        given = {**asdict(self), "body": self.body.arguments() or None}
        named = {name: value for name, value in given.items() if value is not None and name != "env"}
        for text in self.env:
            set_option(named, text)
        return named


def set_option(options: dict[str, Any], text: str) -> None:
    """Set what NAME=VALUE or NAME.FIELD=VALUE says; the value is a Python literal, or else text."""
    path, equals, value = text.partition("=")
    *groups, name = path.strip().split(".")
    place = options
    for group in groups:
        place = place.setdefault(group, {})
        if not isinstance(place, dict):
            break
    if not (equals and name and all(groups)) or not isinstance(place, dict) or name in place:
        raise ValueError(
            f"an option must be NAME=VALUE or NAME.FIELD=VALUE and given once, but one is {text!r}; use e.g. "
            f"pushes.impulse=20"
        )
    try:
        place[name] = ast.literal_eval(value.strip())
    except (ValueError, SyntaxError):
        place[name] = value.strip()


def make_environment(options: dict[str, Any], render_mode: str | None = None) -> gym.Env:
    """Make the environment with keywords of `gymnasium.make`."""
    return gym.make(ENVIRONMENT_ID, render_mode=render_mode, **options)


class DiscountedMean(VecEnvWrapper):
    """Scales rewards by 1 - discount, so that a value is a mean reward.

    A value head that begins near zero is then near its targets from the start, and its gradient does not
    crowd out that of the policy where their joint norm is clipped.
    """

    def __init__(self, workers: VecEnv, discount: float) -> None:
        super().__init__(workers)
        self.scale = 1.0 - discount

    def reset(self) -> VecEnvObs:
        """Start episodes."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the workers and scale their rewards."""
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, self.scale * rewards, dones, infos


def make_workers(options: dict[str, Any], processes: int, members: int, discount: float) -> VecEnv:
    """Make the environments that experience is gathered in.

    Args:
        options: keywords of `gymnasium.make_vec`.
        processes: processes that step them; one alone means this process.
        members: environments per process, which step in lockstep.
        discount: weight of a reward one control step later, by which rewards are scaled.
    """
    envs = gym.make_vec(
        ENVIRONMENT_ID,
        num_envs=processes * members,
        vectorization_mode="vector_entry_point",
        processes=processes,
        autoreset_mode="SameStep",
        copy=False,
        **options,
    )
    return DiscountedMean(AdaptedVecEnv(envs, every_info=False), discount)


def make_members(
    options: dict[str, Any], members: int, processes: int, render_mode: str | None = None
) -> Any:
    """Make environments that are measured in, whose episodes start where `musclegym.policies.episodes` says.

    Args:
        options: keywords of `gymnasium.make`.
        members: environments.
        processes: processes that step them, at most one for each; one alone means this process.
        render_mode: of each.
    """
    return gym.make_vec(
        ENVIRONMENT_ID,
        num_envs=members,
        vectorization_mode="vector_entry_point",
        processes=min(processes, members),
        autoreset_mode="Disabled",
        render_mode=render_mode,
        **options,
    )


def options_of(environment: gym.Env) -> dict[str, Any]:
    """Return the options that an environment was made with."""
    assert environment.spec is not None
    return {name: value for name, value in environment.spec.kwargs.items() if name != "render_mode"}


def made_for(environment: gym.Env) -> dict[str, Any]:
    """Return what a policy must agree with to act in `environment`, as it stands in the policy's manifest."""
    bare: Any = environment.unwrapped
    assert isinstance(environment.action_space, gym.spaces.Box)
    return {
        "body_hash": bare.body.hash,
        "observation_layout": [[block.name, block.start, block.stop] for block in bare.observation_layout],
        "action_size": environment.action_space.shape[0],
        "control_hz": bare.metadata["render_fps"],
    }
