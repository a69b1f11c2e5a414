"""A curriculum: which activities are practised and how long windows are, as a function of the step."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Phase:
    """What training draws from at some step."""

    weights: Mapping[str, float] = field(default_factory=dict)
    """Weight of each activity; those not named have `others`."""

    others: float = 1.0
    """Weight of the activities that are not named."""

    share: float = 1.0
    """Length of windows, as a share of the longest."""

    def length(self, longest: int) -> int:
        """Return the frames of a window, at least two."""
        return max(2, min(longest, round(self.share * longest)))

    def weight(self, activity: str) -> float:
        """Return the weight of an activity."""
        return self.weights.get(activity, self.others)


@dataclass(frozen=True)
class Curriculum:
    """Phases of training, each of the same number of steps; the last one goes on."""

    steps: int
    """Steps until the last phase begins."""

    phases: tuple[Phase, ...]
    """What is drawn, one after the other."""

    def __post_init__(self) -> None:
        """Check that there is a schedule, and that every phase draws from something."""
        if self.steps < 0 or not self.phases:
            raise ValueError(
                f"a curriculum has at least one phase and a number of steps that is not negative, but "
                f"{len(self.phases)} and {self.steps} were given; use e.g. practice(steps=10000)"
            )

    def at(self, step: int) -> Phase:
        """Return the phase of a step, a function of nothing else."""
        early = len(self.phases) - 1
        if step >= self.steps or not early:
            return self.phases[-1]
        return self.phases[step * early // self.steps]


def practice(
    steps: int, activities: tuple[str, ...] = ("walk", "run", "jump"), *, lengthen: bool = True
) -> Curriculum:
    """Return the usual curriculum: walking in short windows first, then also running, jumping, and the rest.

    Args:
        steps: steps until everything is drawn.
        activities: what is added one after the other before all the rest.
        lengthen: whether windows begin short and grow with every phase.
    """
    count = len(activities)
    early = tuple(
        Phase(
            dict.fromkeys(activities[: number + 1], 1.0),
            others=0.0,
            share=(number + 1) / (count + 1) if lengthen else 1.0,
        )
        for number in range(count)
    )
    return Curriculum(steps, (*early, Phase()))
