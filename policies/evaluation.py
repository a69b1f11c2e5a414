"""Evaluations during a training: the policy without noise and without aids, in numbers and in pictures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from musclegym.muscle.network import Array32
from musclegym.policies.environment import make_members
from musclegym.policies.episodes import actor_of, spread_starts
from musclegym.policies.evaluate import table_of
from musclegym.policies.many_episodes import run_episodes
from musclegym.policies.prior_policy import SimulationNNWithPrior
from musclegym.policies.replay import scaled

PICTURES, EVERY = 10, 6
"""Pictures of a strip, and control steps from one to the next: 2 s of the default 30 Hz."""
WIDTH, LEFT, RIGHT = 320, 0.25, 0.75
"""Of a picture before its middle is cut out [pixel], and where it is cut [-]."""
MEASURES = ("success", "coverage", "episode_steps", "reward", "joint_error_mm", "activation")
FOLDER = "evaluation"


@dataclass(frozen=True)
class Evaluation:
    """What the policy did."""

    numbers: dict[str, float]
    """Means over the episodes by measure, and their `score`."""
    strip: Image.Image
    """The beginning of an episode, from left to right."""


class Evaluator:
    """Episodes of a policy in environments of its own, from spread start phases."""

    def __init__(self, options: Mapping[str, Any], episodes: int) -> None:
        """Make the environments with keywords of `gymnasium.make`; they step in this process."""
        self.envs = make_members(dict(options), episodes, 1, "rgb_array")
        self.starts = spread_starts(self.envs.call_some([0], "motion")[0], episodes, seeds=1)

    def evaluate(self, policy: SimulationNNWithPrior, weights: Mapping[str, Array32] | None) -> Evaluation:
        """Measure a policy.

        Args:
            policy: acts without noise.
            weights: of MuscleNN where it has been refined.
        """
        if weights is not None:
            self.envs.call_some([0], "set_muscle_weights", weights)
        strip = Strip(lambda member: self.envs.call_some([member], "render")[0])
        episodes = run_episodes(self.envs, actor_of(policy), self.starts, watch=strip.look)
        limit = self.envs.spec.max_episode_steps or max(episode.steps for episode in episodes)
        table = table_of(episodes, limit)
        means = {name: table[name]["mean"] for name in MEASURES if np.isfinite(table[name]["mean"])}
        score = float(np.mean([episode.reward * min(1.0, episode.steps / limit) for episode in episodes]))
        return Evaluation({**means, "score": score}, strip.image())

    def close(self) -> None:
        """Free the physics worlds."""
        self.envs.close()


class Strip:
    """Pictures of the beginning of the first episode, the middle of each, from left to right."""

    def __init__(self, render: Callable[[int], npt.NDArray[np.uint8]]) -> None:
        """Begin without pictures; `render` gives that of a member."""
        self._render = render
        self._pictures: list[Image.Image] = []

    def look(self, number: int, member: int, steps: int) -> None:
        """Take a picture, if it is time to; a watcher of `run_episodes`."""
        if number == 0 and (steps - 1) % EVERY == 0 and len(self._pictures) < PICTURES:
            image = scaled(self._render(member), WIDTH)
            self._pictures.append(image.crop((round(LEFT * WIDTH), 0, round(RIGHT * WIDTH), image.height)))

    def image(self) -> Image.Image:
        """Return the pictures that were taken, of which there must be one."""
        pictures = self._pictures
        strip = Image.new("RGB", (sum(image.width for image in pictures), pictures[0].height))
        for number, image in enumerate(pictures):
            strip.paste(image, (number * image.width, 0))
        return strip


def save_strip(folder: Path, steps: int, strip: Image.Image) -> None:
    """Write a strip into a run's folder, named by the control steps taken."""
    path = folder / FOLDER / f"{steps:010d}.png"
    path.parent.mkdir(exist_ok=True)
    strip.save(path)
