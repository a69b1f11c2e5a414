"""Evaluations during a training: the policy without noise and without aids, in numbers and in pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

from musclegym.muscle.network import Array32
from musclegym.policies.environment import make_environment
from musclegym.policies.episodes import Actor, play, run_episode, spread_phases
from musclegym.policies.evaluate import table_of
from musclegym.policies.prior_policy import SimulationNNWithPrior
from musclegym.policies.replay import picture

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
    """Episodes of a policy in an environment of its own, from spread start phases."""

    def __init__(self, options: Mapping[str, Any], episodes: int) -> None:
        """Make the environment with keywords of `gymnasium.make`."""
        self.environment = make_environment(dict(options), "rgb_array")
        self.episodes = episodes

    def evaluate(self, policy: SimulationNNWithPrior, weights: Mapping[str, Array32] | None) -> Evaluation:
        """Measure a policy.

        Args:
            policy: acts without noise.
            weights: of MuscleNN where it has been refined.
        """
        bare: Any = self.environment.unwrapped
        if weights is not None:
            bare.set_muscle_weights(weights)

        def act(observation: Any) -> Any:
            return policy.predict(observation, deterministic=True)[0]

        phases = spread_phases(self.episodes, seed=0)
        episodes = [run_episode(self.environment, act, phase, seed=0) for phase in phases]
        assert self.environment.spec is not None
        limit = self.environment.spec.max_episode_steps or max(episode.steps for episode in episodes)
        table = table_of(episodes, limit)
        means = {name: table[name]["mean"] for name in MEASURES if np.isfinite(table[name]["mean"])}
        score = float(np.mean([episode.reward * min(1.0, episode.steps / limit) for episode in episodes]))
        return Evaluation({**means, "score": score}, film_strip(self.environment, act, phases[0]))

    def close(self) -> None:
        """Free the physics world."""
        self.environment.close()


def film_strip(environment: gym.Env, actor: Actor, phase: float) -> Image.Image:
    """Return pictures of the beginning of an episode, the middle of each, from left to right.

    Args:
        environment: with render_mode "rgb_array".
        actor: what acts.
        phase: where in the motion to begin.
    """
    pictures = []
    for number, _ in enumerate(play(environment, actor, phase, seed=0)):
        if number % EVERY == 0:
            image = picture(environment, WIDTH)
            pictures.append(image.crop((round(LEFT * WIDTH), 0, round(RIGHT * WIDTH), image.height)))
        if len(pictures) == PICTURES:
            break
    strip = Image.new("RGB", (sum(image.width for image in pictures), pictures[0].height))
    for number, image in enumerate(pictures):
        strip.paste(image, (number * image.width, 0))
    return strip


def save_strip(folder: Path, steps: int, strip: Image.Image) -> None:
    """Write a strip into a run's folder, named by the control steps taken."""
    path = folder / FOLDER / f"{steps:010d}.png"
    path.parent.mkdir(exist_ok=True)
    strip.save(path)
