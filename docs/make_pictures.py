"""Make the pictures of README and documentation: the human in poses, walking, pushed, on slopes and bumps.

    python docs/make_pictures.py [--only NAME ...]

Activations of poses and of the walk are the oracle's, for the torques of inverse dynamics with the ground
pushing at the feet; a pose is held still. Pushes and slopes are simulated: the body follows the motion
through the oracle's muscles, without a policy, until shortly before it falls.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont

import musclegym
from musclegym.body import Body
from musclegym.envs.camera import Camera
from musclegym.envs.render import Renderer
from musclegym.gait import heel_strikes
from musclegym.human import neutral_pose
from musclegym.inverse_dynamics import frame_dynamics, inverse_dynamics
from musclegym.rotation import Array

FOLDER = Path(__file__).parent
INK = (58, 66, 78)
SIDE = Camera(azimuth=1.35, elevation=0.10, distance=4.5)
FRONT = Camera(azimuth=0.62, elevation=0.12, distance=6.1)
POSES: dict[str, dict[str, float]] = {
    "standing": {},
    "T-pose": {"ArmR_z": -80.0, "ArmL_z": 80.0},
    "squat": {
        "root_x": 25.0, "FemurR_x": -100.0, "FemurL_x": -100.0, "TibiaR": 100.0, "TibiaL": 100.0,
        "TalusR_x": -25.0, "TalusL_x": -25.0, "ArmR_y": 80.0, "ArmL_y": -80.0,
        "ArmR_z": -80.0, "ArmL_z": 80.0,
    },
    "reaching up": {"ArmR_z": -150.0, "ArmL_z": 150.0, "ShoulderR_z": -20.0, "ShoulderL_z": 20.0},
}  # fmt: skip
"""Joint angles beyond those of standing with hanging arms [deg]; root_x leans the whole body forwards."""
MOMENTS = {"run": ("run", 0.30), "kick": ("kick", 0.40)}
"""Moments of embedded motions, as shares of their duration."""


@dataclass(frozen=True)
class Config:
    """Which pictures to make."""

    only: tuple[str, ...] = ()
    """Names of the pictures to make; all if left out."""


def posed(body: Body, angles: Mapping[str, float]) -> Array:
    """Return a pose (dof,) whose soles stand on the ground, from angles as in POSES."""
    q = neutral_pose(body.skeleton)
    for name, angle in angles.items():
        q[0 if name == "root_x" else body.dof_names.index(name)] += np.radians(angle)
    q[4] -= body.sole_points(q)[:, 1].min()
    return q


def held(body: Body, q: Array) -> Array:
    """Return the activations (muscle,) that hold a pose still on the ground."""
    still = np.zeros(body.n_dofs)
    return musclegym.solve_activation(body.muscles(q), frame_dynamics(body, q, still, still)[0])


def moving(body: Body, name: str, share: float) -> tuple[Array, Array]:
    """Return pose and activations at a moment of an embedded motion."""
    result = inverse_dynamics(body, musclegym.load_motion(name, body))
    frame = round(share * (len(result.q) - 1))
    state = body.muscles(result.q[frame], result.qd[frame])
    return result.q[frame], musclegym.solve_activation(state, result.torque[frame])


def tile(
    renderer: Renderer, label: str, legend: bool, q: Array, activation: Array, **more: Any
) -> Image.Image:
    """Return one labelled picture; the body stands a little low, which leaves room for the label."""
    kept = renderer.legend
    renderer.legend = kept if legend else None
    drawn = Image.fromarray(renderer.draw(q, activation, **more))
    renderer.legend = kept
    font = ImageFont.load_default(13)
    ImageDraw.Draw(drawn).text((0.5 * drawn.width, 20), label, fill=INK, font=font, anchor="ms")
    return drawn


def strip(tiles: Sequence[Image.Image], gap: int = 4) -> Image.Image:
    """Return pictures of one height side by side."""
    width = sum(each.width for each in tiles) + gap * (len(tiles) - 1)
    out = Image.new("RGB", (width, tiles[0].height), "white")
    left = 0
    for each in tiles:
        out.paste(each, (left, 0))
        left += each.width + gap
    return out


def poses(body: Body) -> Image.Image:
    """Draw the body in six poses."""
    shown = {name: (q := posed(body, angles), held(body, q)) for name, angles in POSES.items()}
    shown |= {label: moving(body, *moment) for label, moment in MOMENTS.items()}
    renderer = Renderer(body, 270, 390, FRONT)
    tiles = []
    for number, (name, (q, activation)) in enumerate(shown.items()):
        middle = body.kinematics(q).joint_position[0] * [1.0, 0.0, 1.0] + [0.0, 1.12, 0.0]
        tiles.append(tile(renderer, name, number == 0, q, activation, focus=middle))
    return strip(tiles)


def walk_cycle(
    body: Body, steps: int = 7, size: tuple[int, int] = (200, 400), camera: Camera = SIDE
) -> Image.Image:
    """Draw the walk over one cycle of the left leg, from heel strike to heel strike."""
    motion = musclegym.load_motion("walk", body)
    result = inverse_dynamics(body, motion)
    time = np.arange(0.0, 2.0 * motion.duration, 1.0 / 120.0)
    strike = heel_strikes(body, time, motion.at(time)[0], "left")[0]
    renderer = Renderer(body, *size, camera)
    tiles = []
    for number, share in enumerate(np.linspace(0.0, 1.0, steps, endpoint=False)):
        frame = round((strike / motion.duration + share) % 1.0 * (len(result.q) - 1))
        q, state = result.q[frame], body.muscles(result.q[frame], result.qd[frame])
        activation = musclegym.solve_activation(state, result.torque[frame])
        middle = body.kinematics(q).joint_position[0] * [1.0, 0.0, 1.0] + [0.0, 0.85, 0.0]
        tiles.append(tile(renderer, f"{100 * share:.0f} %", number == 0, q, activation, focus=middle))
    return strip(tiles)


def readme(body: Body) -> Image.Image:
    """Draw the picture of the README: fewer steps of the walk, larger."""
    return walk_cycle(body, 4, (290, 580), Camera(azimuth=1.05, elevation=0.10, distance=4.6))


def simulated(times: Sequence[float], labels: Sequence[str], seed: int, **options: Any) -> list[Image.Image]:
    """Return labelled pictures of an episode without a policy at some times since its start [s]."""
    env = gymnasium.make("MuscleHumanoid-v0", actuation="oracle", render_mode="rgb_array", **options)
    env.reset(seed=seed, options={"phase": 0.0})
    assert isinstance(env.action_space, gymnasium.spaces.Box)
    action = np.zeros(env.action_space.shape, dtype=np.float32)
    pictures, wanted = [], [round(30.0 * time) for time in times]
    for step in range(1, wanted[-1] + 1):
        env.step(action)
        if step in wanted:
            pixels = env.render()
            assert isinstance(pixels, np.ndarray)
            pictures.append(labelled(Image.fromarray(pixels), labels[len(pictures)]))
    env.close()
    return pictures


def labelled(picture: Image.Image, label: str, height: int = 380) -> Image.Image:
    """Return the middle of a picture, scaled and labelled."""
    edge = round(0.5 * (picture.width - 0.68 * picture.height))
    middle = picture.crop((edge, 0, picture.width - edge, picture.height))
    width = round(height * middle.width / middle.height)
    out = middle.resize((width, height), Image.Resampling.LANCZOS)
    ImageDraw.Draw(out).text((0.5 * width, 20), label, fill=INK, font=ImageFont.load_default(13), anchor="ms")
    return out


def push(body: Body) -> Image.Image:
    """Draw a push from the right while walking."""
    pushes = {"impulse": 40.0, "duration": 0.2, "interval": 0.2, "direction": np.pi / 2.0}
    times = (0.17, 0.27, 0.37, 0.47, 0.57)
    return strip(simulated(times, [f"{time:.2f} s" for time in times], seed=0, body=body, pushes=pushes))


def grounds(body: Body) -> Image.Image:
    """Draw the body on a slope that rises, one that falls, and on uneven ground."""
    shapes = {
        "slope of 0.2 rad, up": {"slope": 0.2, "direction": 0.0},
        "slope of 0.2 rad, down": {"slope": 0.2, "direction": np.pi},
        "sideways": {"slope": 0.2, "direction": np.pi / 2.0},
        "uneven, 40 mm": {"roughness": 0.04, "wavelength": 1.0, "flat_radius": 0.0},
    }
    tiles = [simulated((0.3,), [name], 1, body=body, ground=shape)[0] for name, shape in shapes.items()]
    return strip(tiles)


PICTURES: dict[str, Callable[[Body], Image.Image]] = {
    "picture": readme,
    "pictures/poses": poses,
    "pictures/walk_cycle": walk_cycle,
    "pictures/push": push,
    "pictures/grounds": grounds,
}
"""By the file below this folder, without its ending."""


def main(config: Config) -> None:
    """Draw and write."""
    unknown = sorted(set(config.only) - set(PICTURES))
    if unknown:
        raise ValueError(f"pictures are {', '.join(PICTURES)}, but {unknown[0]!r} was asked for; choose one")
    body = musclegym.load_body("human")
    for name in config.only or PICTURES:
        picture, file = PICTURES[name](body), FOLDER / f"{name}.png"
        if file.parent != FOLDER:
            # An octree of 256 colours keeps the few strong ones, and a third of the size.
            picture = picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        picture.save(file, optimize=True)


if __name__ == "__main__":
    main(tyro.cli(Config))
