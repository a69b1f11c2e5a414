"""Settings of `musclegym pretrain`."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import tyro

from musclegym.motion.augment import Augmentation
from musclegym.pretrain.kinds import KINDS, Kind
from musclegym.pretrain.losses import LossWeights, ObjectiveConfig
from musclegym.pretrain.trainer_config import TrainerConfig
from musclegym.settings import BodyConfig


@dataclass(frozen=True)
class ModelConfig:
    """Kind and size of a model; what is not given is that kind's own default."""

    kind: Kind = "transformer"
    """What predicts: MotionNN, or a baseline; dct is fitted at once, without steps."""

    width: int | None = None
    """Numbers per frame inside the network, and in what `encode` returns."""

    depth: int | None = None
    """Layers."""

    heads: int | None = None
    """Attention heads per layer of a transformer."""

    window: int | None = None
    """Frames that it looks back on."""

    horizon: int | None = None
    """Frames that dct predicts at once."""

    coefficients: int | None = None
    """Cosine coefficients that dct maps."""

    ridge: float | None = None
    """Penalty on the map of dct."""

    def __post_init__(self) -> None:
        """Check the sizes by the rules of their kind."""
        self.sizes()

    def sizes(self) -> Any:
        """Return the settings of the kind's own dataclass.

        Raises:
            ValueError: if one is given that the kind does not have, or breaks its rule.
        """
        given = {name: value for name, value in vars(self).items() if name != "kind" and value is not None}
        _, settings = KINDS[self.kind]
        known = [field.name for field in fields(settings)]
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(
                f"a model of kind {self.kind} has the sizes {', '.join(known)}, but {', '.join(unknown)} was "
                f"given; leave it out"
            )
        return settings(**given)


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of `musclegym pretrain`."""

    run: Path = Path("runs/pretrain")
    """Folder that receives settings, logs, checkpoints and the trained prior."""

    resume: Path | None = None
    """Run folder to go on with after an interruption; its settings are kept and the others here ignored."""

    init: Path | None = None
    """Prior to begin with instead of chance: NAME.safetensors, the folder of a run, or shipped. Its size must
    be that of `model`."""

    processes: int = 1
    """Processes that share every batch; torchrun may start them too. The result is that of one, but for
    rounding."""

    json: Path | None = None
    """File that also receives the measured rollouts."""

    body: Annotated[BodyConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=BodyConfig)
    """Body to move."""

    data: tuple[str, ...] = ()
    """Cache of a motion library, or motion files, folders of them or names of embedded clips, of which a
    library is built in the run's folder; none means all embedded clips."""

    held_out: float = 0.1
    """Share of the motion that is kept from training and measured at the end; of fewer than five clips, none.
    A cache has its own splits: of it, 0 means to train on all, and anything else on its training split."""

    fps: float = 30.0
    """Frames per second that the motions are brought to; a cache has its own."""

    low_pass: float | None = None
    """Cut-off of a low-pass filter that motions go through, usually 6 to 10; by default none. A cache has its
    own [Hz]."""

    augmentation: Annotated[Augmentation, tyro.conf.OmitArgPrefixes] = field(
        default_factory=lambda: Augmentation(speed=0.0, stretch=0.0, scale=0.0, heading=False)
    )
    """How motions are changed as they are drawn."""

    by_length: float = 0.5
    """Power of their length with which clips are drawn: 1, every window is as likely; 0, every clip."""

    curriculum: bool = False
    """Whether the first half of the steps begins with walking, then adds running, jumping and the rest."""

    workers: int = 1
    """Processes that build the library."""

    half: bool = False
    """Whether the prior is saved as float16, at half the size."""

    starts: int = 40
    """Rollouts per measurement."""

    model: Annotated[ModelConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=ModelConfig)
    """Kind and size of the network."""

    objective: Annotated[ObjectiveConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=ObjectiveConfig)
    """What it learns from."""

    trainer: Annotated[TrainerConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=TrainerConfig)
    """How it is trained."""

    weights: LossWeights = field(default_factory=LossWeights)
    """Weight of each loss term."""

    def __post_init__(self) -> None:
        """Check the split, the schedule and the processes."""
        if self.processes < 1:
            raise ValueError(f"processes must be at least 1, but is {self.processes}; use e.g. 2")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out must lie in [0, 1), but is {self.held_out}; use e.g. 0.1")
        if not 0 <= self.by_length <= 1:
            raise ValueError(f"by_length must lie in [0, 1], but is {self.by_length}; use e.g. 0.5")
        if self.curriculum and self.trainer.minutes is not None:
            raise ValueError(
                f"a curriculum is a schedule of steps, but the run is given minutes={self.trainer.minutes}; "
                f"give --steps instead"
            )
