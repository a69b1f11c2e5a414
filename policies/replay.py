"""`musclegym replay`: a film of a deterministic policy and a page of plots of what its body does."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import tyro
from PIL import Image
from tqdm import tqdm

from musclegym.manifest import environment_record, write_json
from musclegym.motion import clip_of, write_bvh
from musclegym.policies.environment import EnvironmentConfig, options_of
from musclegym.policies.episodes import Actor, Start, open_policy, play
from musclegym.policies.gait_numbers import gait_record
from musclegym.policies.recording import Recorder, Recording
from musclegym.policies.replay_page import write_page

FORMATS = (".mp4", ".gif", ".webp")


@dataclass(frozen=True)
class ReplayConfig:
    """Settings of `musclegym replay`."""

    policy: tyro.conf.Positional[str]
    """File or run folder of a policy; "zero" follows the reference without correction."""

    out: Path = Path("replay.mp4")
    """Film to write; .mp4, .gif, or .webp, an animation smaller and finer than .gif."""

    page: bool = True
    """Whether to write a page of plots beside it, with the ending .html."""

    bvh: bool = False
    """Whether to write the body's motion beside it, with the ending .bvh, for Blender and other programs."""

    json: Path | None = None
    """File that receives the numbers of the gait: steps, joint angles, muscles beside published activity, and
    jitter."""

    phase: float = 0.0
    """Where in the motion to begin, in [0, 1)."""

    seconds: float = 10.0
    """Longest time to show [s]."""

    every: int = 1
    """Control steps per frame of the film."""

    width: int = 480
    """Width of the film [pixel]."""

    ghost: bool = False
    """Whether to show the motion that is followed as a translucent second body."""

    slope: float | None = None
    """Let the ground rise ahead at this angle [rad]."""

    push: float | None = None
    """Push the trunk, each time from another side, with this impulse [N s]."""

    push_every: float = 1.0
    """Time from the start, or from a push, to the next push [s]."""

    seed: int = 0
    """Seed of the start."""

    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=EnvironmentConfig
    )
    """Options that replace those the policy was trained with."""

    def __post_init__(self) -> None:
        """Check the format of the film."""
        if self.out.suffix not in FORMATS:
            raise ValueError(
                f"the film must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, but is {self.out}; use "
                f"e.g. {self.out.with_suffix('.mp4')}"
            )
        if not (self.seconds > 0 and self.every > 0 and self.width > 1):
            raise ValueError(
                f"seconds and every must be positive and width more than 1, but they are {self.seconds}, "
                f"{self.every} and {self.width}; use e.g. 10, 1 and 480"
            )

        if self.push is None and self.push_every != ReplayConfig.push_every:
            raise ValueError(
                f"push_every needs a push, but is {self.push_every} without one; add e.g. --push 20, or "
                f"leave it out"
            )

    def world(self) -> dict[str, Any]:
        """Return the options of the environment that `ghost`, `slope` and `push` stand for."""
        options: dict[str, Any] = {"ghost": True} if self.ghost else {}
        if self.slope is not None:
            options["ground"] = {"slope": self.slope, "direction": 0.0}
        if self.push is not None:
            options["pushes"] = {"impulse": self.push, "interval": self.push_every}
        return options


def replay(config: ReplayConfig) -> int:
    """Write a film of one episode, a page about it and its BVH; return its length in control steps."""
    environment, actor = open_policy(config.policy, config.environment, "rgb_array", config.world())
    control_hz = environment.metadata["render_fps"]
    steps = max(1, round(config.seconds * control_hz))
    frames, recording = film(environment, actor, config.phase, config.seed, steps, config.every, config.width)
    environment.close()
    save_animation(config.out, frames, config.every / control_hz)
    if config.json is not None:
        told = {"policy": config.policy, "options": options_of(environment), "phase": config.phase}
        told |= {"seed": config.seed, "control_steps": len(recording.time), "speed": recording.speed}
        write_json(config.json, {**told, **gait_record(recording), "environment": environment_record()})
    if config.page:
        title = f"Replay of {config.policy}"
        write_page(config.out.with_suffix(".html"), recording, title, config.out)
    if config.bvh:
        clip = clip_of(recording.body.skeleton, recording.q, 1.0 / recording.step_time, config.out.stem)
        write_bvh(config.out.with_suffix(".bvh"), clip)
    return len(recording.time)


def film(
    environment: gym.Env, actor: Actor, phase: float, seed: int, steps: int, every: int, width: int
) -> tuple[list[Image.Image], Recording]:
    """Run one episode, picture and record it.

    Args:
        environment: with render_mode "rgb_array".
        actor: what acts.
        phase: where in the motion to begin, in [0, 1).
        seed: of the start.
        steps: most control steps to run.
        every: control steps per frame.
        width: of the frames [pixel].

    Returns:
        The frames, and the states until the episode ended or `steps` were done.
    """
    frames, recorder, bare = [], Recorder(environment), environment.unwrapped
    start = Start(None if bare.motion is None else phase, seed)  # type: ignore[attr-defined]
    episode: Iterator[dict[str, Any]] = islice(play(environment, actor, start), steps)
    for number, info in enumerate(tqdm(episode, total=steps, desc="replay", unit="step", leave=False)):
        recorder.note(info)
        if number % every == 0:
            pixels = environment.render()
            assert isinstance(pixels, np.ndarray)
            frames.append(scaled(pixels, width))
    return frames, recorder.recording()


def scaled(pixels: npt.NDArray[np.uint8], width: int) -> Image.Image:
    """Return a picture (height, width, 3) scaled to a width [pixel]."""
    image = Image.fromarray(pixels)
    return image.resize((width, round(width * image.height / image.width)), Image.Resampling.LANCZOS)


def save_animation(path: Path, frames: list[Image.Image], frame_seconds: float) -> None:
    """Write frames as a film, or as an endless animation, by the ending of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mp4":
        save_video(path, frames, 1.0 / frame_seconds)
        return
    options: dict[str, Any] = {"quality": 70, "method": 3} if path.suffix == ".webp" else {"optimize": False}
    duration = round(1000.0 * frame_seconds)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=duration, loop=0, **options)


def save_video(path: Path, frames: list[Image.Image], rate: float) -> None:
    """Write frames as H.264 at `rate` [1/s]; an odd row or column at the edge is cut, as the format wants."""
    width, height = frames[0].width // 2 * 2, frames[0].height // 2 * 2
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=rate,  # pyright: ignore[reportArgumentType] (inferred from the default, but any number will do)
        codec="libx264",
        quality=6,
        macro_block_size=1,
        output_params=["-movflags", "+faststart"],
    )
    writer.send(None)  # starts the encoder
    for frame in frames:
        writer.send(np.ascontiguousarray(np.asarray(frame.convert("RGB"))[:height, :width]))
    writer.close()


def main(args: list[str]) -> None:
    """Run `replay` with settings from the command line and say where film and page are."""
    config = tyro.cli(ReplayConfig, args=args, prog="musclegym replay", description=__doc__)
    steps = replay(config)
    page = f" and {config.out.with_suffix('.html')}" if config.page else ""
    print(f"{steps} control steps in {config.out}{page}")
