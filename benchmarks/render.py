"""Time pictures on one core: the embedded walk with changing activations, a ghost, and uneven ground.

    python benchmarks/render.py [--skeleton human.xml --muscles muscle284.xml] [--json OUT]

A picture includes kinematics and muscle paths. Times are those of the process, so that other work on the
machine counts little; the median is over all pictures, after a first that compiles.
"""

from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
import tyro

from musclegym.body import Body, load_body
from musclegym.envs.render import Renderer
from musclegym.ground import GroundShape
from musclegym.manifest import environment_record, write_json
from musclegym.motion import load_motion

RESULTS = Path(__file__).parent / "results" / "render.json"


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    width: int = 640
    """Of the pictures [pixel]."""
    height: int = 480
    """Of the pictures [pixel]."""
    pictures: int = 100
    """Pictures to time in each row."""
    skeleton: Path | None = None
    """MASS skeleton file of a body to draw beside the shipped human."""
    muscles: Path | None = None
    """MASS muscle file of that skeleton."""
    json: Path = RESULTS
    """File for the figures."""


def time_pictures(body: Body, config: Config, with_ghost: bool, uneven: bool) -> dict[str, float]:
    """Return median and 95th percentile of the time of a picture [ms]."""
    ground = GroundShape(slope=0.1, roughness=0.03).height if uneven else None
    renderer = Renderer(body, config.width, config.height)
    q = load_motion("walk", body).q
    rng = np.random.default_rng(0)
    times = []
    for index in range(config.pictures + 1):
        pose, ghost = q[index % len(q)], q[(index + 5) % len(q)] if with_ghost else None
        activation = rng.random(body.n_muscles)
        start = process_time()
        renderer.draw(pose, activation, ghost, ground=ground)
        times.append(1e3 * (process_time() - start))
    return {"median_ms": float(np.median(times[1:])), "p95_ms": float(np.percentile(times[1:], 95))}


def main(config: Config) -> None:
    """Print and write the times."""
    bodies = {"human": load_body("human")}
    if config.skeleton is not None:
        bodies["mass"] = load_body(config.skeleton, muscles=config.muscles)
    rows = []
    for name, body in bodies.items():
        for with_ghost, uneven in ((False, False), (True, False), (False, True)):
            times = time_pictures(body, config, with_ghost, uneven)
            what = ", ghost" if with_ghost else ", uneven" if uneven else ""
            rate, median, slow = 1e3 / times["median_ms"], times["median_ms"], times["p95_ms"]
            rows.append(
                {
                    "body": name,
                    "muscles": body.n_muscles,
                    "ghost": with_ghost,
                    "uneven_ground": uneven,
                    **times,
                    "pictures_per_s": rate,
                }
            )
            print(
                f"{name:6s} {body.n_muscles:4d} muscles{what:9s}"
                f"{median:7.1f} ms (95 %: {slow:.1f}), {rate:.0f} pictures/s"
            )
    size = f"{config.width}x{config.height}"
    write_json(config.json, {"size": size, "rows": rows, "environment": environment_record()})
    print(f"wrote {config.json}")


if __name__ == "__main__":
    main(tyro.cli(Config))
