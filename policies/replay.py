"""`musclegym replay`: a moving picture of a deterministic policy."""

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import tyro
from PIL import Image
from tqdm import tqdm

from musclegym.policies.environment import EnvironmentConfig
from musclegym.policies.episodes import Actor, open_policy, play

FORMATS = (".gif", ".webp")


@dataclass(frozen=True)
class ReplayConfig:
    """Settings of `musclegym replay`."""

    policy: tyro.conf.Positional[str]
    """File or run folder of a policy; "zero" follows the reference without correction."""

    out: Path = Path("replay.gif")
    """Picture to write; .gif, or .webp, which is smaller and finer."""

    phase: float = 0.0
    """Where in the motion to begin, in [0, 1)."""

    seconds: float = 10.0
    """Longest time to show [s]."""

    every: int = 2
    """Control steps per frame of the picture."""

    width: int = 480
    """Width of the picture [pixel]."""

    seed: int = 0
    """Seed of the start."""

    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=EnvironmentConfig
    )
    """Options that replace those the policy was trained with."""

    def __post_init__(self) -> None:
        """Check the format of the picture."""
        if self.out.suffix not in FORMATS:
            raise ValueError(
                f"the picture must end in {' or '.join(FORMATS)}, but is {self.out}; use e.g. "
                f"{self.out.with_suffix('.gif')}"
            )
        if not (self.seconds > 0 and self.every > 0 and self.width > 0):
            raise ValueError(
                f"seconds, every and width must be positive, but they are {self.seconds}, {self.every} and "
                f"{self.width}; use e.g. 10, 2 and 480"
            )


def replay(config: ReplayConfig) -> int:
    """Write a picture of one episode, and return its length in control steps."""
    environment, actor = open_policy(config.policy, config.environment, render_mode="rgb_array")
    control_hz = environment.metadata["render_fps"]
    steps = max(1, round(config.seconds * control_hz))
    frames, length = film(environment, actor, config.phase, config.seed, steps, config.every, config.width)
    environment.close()
    save_animation(config.out, frames, config.every / control_hz)
    return length


def film(
    environment: gym.Env, actor: Actor, phase: float, seed: int, steps: int, every: int, width: int
) -> tuple[list[Image.Image], int]:
    """Run one episode and picture it.

    Args:
        environment: with render_mode "rgb_array".
        actor: what acts.
        phase: where in the motion to begin, in [0, 1).
        seed: of the start.
        steps: most control steps to run.
        every: control steps per frame.
        width: of the frames [pixel].

    Returns:
        The frames, and the number of control steps until the episode ended or `steps` were done.
    """
    frames, length = [], 0
    episode = islice(play(environment, actor, phase, seed), steps)
    for length, _ in enumerate(tqdm(episode, total=steps, desc="replay", unit="step", leave=False), start=1):
        if (length - 1) % every == 0:
            frames.append(picture(environment, width))
    return frames, length


def picture(environment: gym.Env, width: int) -> Image.Image:
    """Return the environment's present picture, scaled to a width [pixel]."""
    pixels = environment.render()
    assert isinstance(pixels, np.ndarray)
    image = Image.fromarray(pixels)
    return image.resize((width, round(width * image.height / image.width)), Image.Resampling.LANCZOS)


def save_animation(path: Path, frames: list[Image.Image], frame_seconds: float) -> None:
    """Write frames as an endless animation, GIF or WebP by the ending of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"quality": 70, "method": 3} if path.suffix == ".webp" else {"optimize": False}
    duration = round(1000.0 * frame_seconds)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=duration, loop=0, **options)


def main(args: list[str]) -> None:
    """Run `replay` with settings from the command line and say where the picture is."""
    config = tyro.cli(ReplayConfig, args=args, prog="musclegym replay", description=__doc__)
    print(f"{replay(config)} control steps in {config.out}")
