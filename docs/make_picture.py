"""Make docs/picture.png: the human in the embedded walk, muscles coloured by the oracle's activations.

    python docs/make_picture.py [--out FILE]

The torques of the walk come from inverse dynamics with the ground pushing at the feet; bounded least squares
finds the activations that make them. Nothing is recorded from a simulation.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

import musclegym
from musclegym.envs.camera import Camera
from musclegym.envs.render import Renderer
from musclegym.inverse_dynamics import inverse_dynamics


@dataclass(frozen=True)
class Config:
    """Settings of the picture."""

    out: Path = Path(__file__).parent / "picture.png"
    """File to write."""
    steps: int = 4
    """Pictures side by side, evenly over one cycle of the walk."""
    width: int = 290
    """Of each [pixel]."""
    height: int = 580
    """Of each [pixel]."""
    gap: int = 6
    """Between them [pixel]."""


def main(config: Config) -> None:
    """Draw the strip."""
    body = musclegym.load_body("human")
    walk = inverse_dynamics(body, musclegym.load_motion("walk", body))
    # One cycle, without the last frame, which is the first one again.
    chosen = np.linspace(0, len(walk.q) - 1, config.steps, endpoint=False).round().astype(int)
    camera = Camera(azimuth=1.05, elevation=0.10, distance=4.5)
    white = np.full((config.height, config.gap, 3), 255, dtype=np.uint8)
    tiles = []
    for frame in chosen:
        renderer = Renderer(body, config.width, config.height, camera)
        if tiles:
            renderer.legend = None
        # A little lower than usual, which leaves room for the legend.
        focus = body.kinematics(walk.q[frame]).joint_position[0] * [1.0, 0.0, 1.0] + [0.0, 0.80, 0.0]
        activation = musclegym.solve_activation(
            body.muscles(walk.q[frame], walk.qd[frame]), walk.torque[frame]
        )
        tiles += [renderer.draw(walk.q[frame], activation, focus=focus), white]
    Image.fromarray(np.concatenate(tiles[:-1], axis=1)).save(config.out, optimize=True)


if __name__ == "__main__":
    main(tyro.cli(Config))
