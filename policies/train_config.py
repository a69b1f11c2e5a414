"""Settings of `musclegym train`, from the command line, a file of settings, or a run to be resumed."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from musclegym.policies.environment import EnvironmentConfig
from musclegym.policies.schedule import AidsConfig
from musclegym.settings import read_settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_STEPS = 1_000_000
QUIET = ("FootThumb", "FootPinky", "Neck", "Head", "Shoulder", "Arm", "ForeArm", "Hand")
POSITIVE = (
    "learning_rate",
    "final_learning_rate",
    "wanted_kl",
    "exploration",
    "quiet_exploration",
    "final_exploration",
)
SHIPPED = Path(__file__).resolve().parent.parent / "musclegym" / "assets" / "policies"


@dataclass(frozen=True)
class PPOConfig:
    """Settings of PPO, found in short runs on tracking the walk."""

    learning_rate: float = 4e-5
    """Learning rate of Adam."""

    final_learning_rate: float | None = None
    """Learning rate at the end of the schedule, approached geometrically; None keeps it."""

    steady: float = 0.0
    """Share of the schedule over which learning rate and noise stay as they are, before they sink."""

    wanted_kl: float | None = None
    """Change of the policy in an update, summed over all actions, to which its learning rate is adapted; None
    does not adapt it [nat]."""

    exploration: float = 0.09
    """Standard deviation of the actions at the beginning; 1 is `action_range`, 0.5 rad by default [-]."""

    quiet_exploration: float | None = 0.035
    """The same for the joints of `quiet_bodies`, which do not carry the body; None treats all alike [-]."""

    quiet_bodies: tuple[str, ...] = QUIET
    """Bodies, without L and R, whose joints explore less."""

    final_exploration: float | None = None
    """What `exploration`, and the quiet one in proportion, have become at the end of the schedule, approached
    geometrically; None lets them be learned [-]."""

    discount: float = 0.97
    """Weight of a reward one control step later."""

    gae_lambda: float = 0.95
    """Decay of generalised advantage estimation."""

    samples: int = 4096
    """Control steps per update, over all environments."""

    minibatch: int = 256
    """Control steps per gradient step."""

    epochs: int = 5
    """Passes over the samples of an update."""

    clip: float = 0.2
    """Range in which the ratio of new to old probability is rewarded."""

    target_kl: float = 0.3
    """Change of the policy, summed over all actions, at 1.5 times which an update is cut short [nat]."""

    hidden: tuple[int, ...] = (256, 256)
    """Width of each hidden layer of the policy head and of the value head."""

    def __post_init__(self) -> None:
        """Check the rates and the noise."""
        for name in POSITIVE:
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise ValueError(
                    f"{name} must be positive, but is {value}; use e.g. {name}=0.1 or leave it out"
                )
        if not 0.0 <= self.steady < 1.0:
            raise ValueError(
                f"steady is a share of the schedule that leaves a rest, in [0, 1), but is {self.steady}; use "
                "e.g. steady=0.5"
            )
        if self.wanted_kl is not None and self.final_learning_rate is not None:
            raise ValueError(
                "the learning rate follows a schedule or the KL divergence, but final_learning_rate is "
                f"{self.final_learning_rate} and wanted_kl is {self.wanted_kl}; leave one of them out or "
                "make it None"
            )


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `musclegym train`."""

    run: Path = Path("runs/train")
    """Folder that receives settings, logs, checkpoints and the policy."""

    config: Path | None = None
    """TOML file of settings, named as these options, or the name of a shipped one; options given beside it
    override it."""

    resume: Path | None = None
    """Run folder to go on with; its settings are kept, and of those here only --steps and --minutes count."""

    init: Path | None = None
    """Policy file or run folder whose weights to begin with; it may come from another actuation."""

    steps: int | None = None
    """Control steps of the whole run, in whole updates; 1,000,000 where no budget is given."""

    minutes: float | None = None
    """Training time of the whole run, over all resumptions [min]."""

    schedule_steps: int | None = None
    """Control steps over which schedules run; None is --steps, or 1,000,000."""

    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=EnvironmentConfig
    )
    """What is trained in."""

    prior: str = "none"
    """Encoder in the policy: "none", "random", "shipped", or the file or run folder of a trained prior."""

    prior_frames: int | None = None
    """Latest states that the encoder reads, at most its window; None is 4 for a transformer, the whole window
    for a perceptron."""

    finetune: bool = False
    """Whether the encoder learns with the policy instead of staying frozen."""

    seed: int = 0
    """Seed of weights, noise and start states."""

    workers: int = 2
    """Processes that gather experience; one alone is the learner's own."""

    members: int = 8
    """Environments per process, which step in lockstep."""

    threads: int = 1
    """Threads of an update, during which the workers wait; more than one only where nothing else runs."""

    checkpoint_steps: int = 65_536
    """Control steps between checkpoints, at each of which all episodes begin anew."""

    evaluate_minutes: float = 5.0
    """Time between evaluations of the policy without noise and without aids; 0 for none [min]."""

    evaluate_episodes: int = 4
    """Episodes of an evaluation, from spread start phases."""

    refine_steps: int = 0
    """Control steps between refinements of MuscleNN on the policy's own states; 0 for none."""

    ppo: Annotated[PPOConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=PPOConfig)
    """How the policy learns."""

    aids: AidsConfig = field(default_factory=AidsConfig)
    """What helps while it learns."""

    def __post_init__(self) -> None:
        """Check the budget and that samples divide among workers and minibatches."""
        if (self.steps is not None and self.steps < 1) or (self.minutes is not None and not self.minutes > 0):
            raise ValueError(
                f"steps and minutes must be positive, but they are {self.steps} and {self.minutes}; use e.g. "
                "--minutes 30"
            )
        if min(self.workers, self.members) < 1 or self.ppo.samples % (self.workers * self.members):
            raise ValueError(
                f"samples must be a multiple of workers times members, but they are {self.ppo.samples}, "
                f"{self.workers} and {self.members}; use e.g. 4096, 2 and 8"
            )
        if self.ppo.samples % self.ppo.minibatch:
            raise ValueError(
                f"samples must be a multiple of minibatch, but they are {self.ppo.samples} and "
                f"{self.ppo.minibatch}; use e.g. 4096 and 256"
            )
        counts = (self.threads, self.checkpoint_steps, self.evaluate_episodes, self.horizon)
        if min(counts) < 1 or self.refine_steps < 0 or not self.evaluate_minutes >= 0.0:
            raise ValueError(
                "threads, checkpoint_steps, evaluate_episodes and schedule_steps must be positive, "
                f"refine_steps and evaluate_minutes not negative, but they are "
                f"{', '.join(map(str, counts))}, {self.refine_steps} and {self.evaluate_minutes}; use e.g. "
                "the defaults"
            )

    @property
    def horizon(self) -> int:
        """Control steps over which schedules run."""
        return self.schedule_steps or self.steps or DEFAULT_STEPS


def resumed(config: TrainConfig) -> TrainConfig:
    """Return the settings of the run to resume, with this call's budget where it has one.

    Raises:
        FileNotFoundError: if the folder has no settings.
    """
    assert config.resume is not None
    kept = read_settings(TrainConfig, config.resume, "musclegym train")
    if config.steps is None and config.minutes is None:
        return kept
    horizon = kept.horizon  # a longer run goes on with the schedule that it began
    return replace(kept, steps=config.steps, minutes=config.minutes, schedule_steps=horizon)


def from_arguments(args: Sequence[str], description: str | None = None) -> TrainConfig:
    """Return the settings that the command line gives, over those of the file that it names.

    Raises:
        FileNotFoundError: if there is no such file of settings.
        ValueError: if the file is not TOML, or a value in it cannot be an option's.
    """
    path = named_file(args)
    given = [] if path is None else file_arguments(path)
    return tyro.cli(TrainConfig, args=[*given, *args], prog="musclegym train", description=description)


def named_file(args: Sequence[str]) -> Path | None:
    """Return the file of settings that the command line names, if it does."""
    for index, word in enumerate(args):
        name, equals, value = word.partition("=")
        if name == "--config" and (equals or index + 1 < len(args)):
            return settings_file(value if equals else args[index + 1])
    return None


def settings_file(name: str) -> Path:
    """Return the path of a file of settings that is named by its path or as a shipped one.

    Raises:
        FileNotFoundError: if there is none.
    """
    shipped = sorted(path.stem for path in SHIPPED.glob("*.toml"))
    path = SHIPPED / f"{name}.toml" if name in shipped else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"a file of settings must be there, but there is no {path}; give the path of a TOML file, or one "
            f"of the shipped: {', '.join(shipped) or 'none'}"
        )
    return path


def file_arguments(path: Path) -> list[str]:
    """Return a file of settings as words of the command line.

    Raises:
        ValueError: if the file is not TOML, or a value is none of number, text, truth value or list.
    """
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(
            f"a file of settings must be TOML, but {path} is not: {error}; mend that line"
        ) from error
    return list(words_of(record, path))


def words_of(record: Mapping[str, Any], path: Path, prefix: str = "") -> Iterator[str]:
    """Give the words of the command line for a table of settings and the tables inside it."""
    for name, value in record.items():
        option = f"{prefix}{name}".replace("_", "-")
        if isinstance(value, Mapping):
            yield from words_of(value, path, f"{option}.")
        elif isinstance(value, bool):
            *groups, last = option.split(".")
            yield f"--{'.'.join([*groups, last if value else f'no-{last}'])}"
        elif isinstance(value, str | int | float | list):
            yield f"--{option}"
            yield from map(str, value if isinstance(value, list) else [value])
        else:
            raise ValueError(
                f"a setting must be a number, a text, true, false, a list or a table, but {option} in {path} "
                f"is {value!r}; quote it if it is a text"
            )
