"""The observation: one table of parts, from which its layout, its numbers and its documentation are made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from musclegym.body import Body
from musclegym.envs.config import HumanoidConfig
from musclegym.rotation import Array
from musclegym.state import BodyState

BOUND = 100.0
"""Every number of an observation is clipped to [-BOUND, BOUND]."""


@dataclass(frozen=True)
class Block:
    """A named part of the observation."""

    name: str
    """What it is."""
    start: int
    """First number."""
    stop: int
    """One past the last number."""
    unit: str
    """Unit of the numbers."""
    frame: str
    """Frame that the numbers are stated in."""


class View(NamedTuple):
    """What an observation is made of."""

    state: BodyState
    target_error: Array  # (dof,) way from the pose to the motion's next one [rad, m]; empty without one
    phase: float  # of the motion in its cycle, in [0, 1)
    goal: Array  # what the task says about its goal
    past: Array  # (history, 2 dof) states [q, qd], oldest first


class Part(NamedTuple):
    """A row of the table: a block, its unit and frame, how long it is, and its numbers."""

    name: str
    unit: str
    frame: str
    length: str  # how many numbers, for readers
    size: Callable[[Body, HumanoidConfig], int]  # 0 where the block is left out
    numbers: Callable[[View], Array]
    there: str = ""  # when it is there; always if left empty


def following(size: Callable[[Body], int]) -> Callable[[Body, HumanoidConfig], int]:
    """Return the size of a part that is there only where the task follows the motion."""
    return lambda body, config: size(body) if config.chosen_task.follows_motion else 0


def joints(body: Body, config: HumanoidConfig | None = None) -> int:
    """Return the number of actuated DoFs."""
    return body.n_dofs - 6


FOLLOWS = "task follows the motion"
PARTS = (
    Part(
        "root_height",
        "m",
        "above the ground",
        "1",
        lambda body, config: 1,
        lambda view: np.array([view.state.root_height]),
    ),
    Part("up", "-", "root", "3", lambda body, config: 3, lambda view: view.state.rotation[0][1]),
    Part(
        "root_linear_velocity",
        "m/s",
        "heading",
        "3",
        lambda body, config: 3,
        lambda view: view.state.com_velocity[0] @ view.state.heading,
    ),
    Part(
        "root_angular_velocity",
        "rad/s",
        "heading",
        "3",
        lambda body, config: 3,
        lambda view: view.state.angular_velocity[0] @ view.state.heading,
    ),
    Part(
        "body_position",
        "m",
        "heading, from the root",
        "3 (body - 1)",
        lambda body, config: 3 * (body.skeleton.n_bodies - 1),
        lambda view: ((view.state.com[1:] - view.state.joint_position[0]) @ view.state.heading).ravel(),
    ),
    Part(
        "body_velocity",
        "m/s",
        "heading",
        "3 body",
        lambda body, config: 3 * body.skeleton.n_bodies,
        lambda view: (view.state.com_velocity @ view.state.heading).ravel(),
    ),
    Part("joint_rotation", "rad", "joint", "dof - 6", joints, lambda view: view.state.q[6:]),
    Part("joint_velocity", "0.1 rad/s", "joint", "dof - 6", joints, lambda view: 0.1 * view.state.qd[6:]),
    Part(
        "target_error",
        "rad",
        "joint",
        "dof - 6",
        following(joints),
        lambda view: view.target_error[6:],
        FOLLOWS,
    ),
    Part(
        "root_error",
        "rad, m",
        "root",
        "6",
        following(lambda body: 6),
        lambda view: view.target_error[:6],
        FOLLOWS,
    ),
    Part(
        "phase",
        "-",
        "cosine and sine",
        "2",
        following(lambda body: 2),
        lambda view: np.array([np.cos(2.0 * np.pi * view.phase), np.sin(2.0 * np.pi * view.phase)]),
        FOLLOWS,
    ),
    Part(
        "goal",
        "of the task",
        "of the task",
        "of the task",
        lambda body, config: config.chosen_task.goal_size,
        lambda view: view.goal,
        "task has a goal",
    ),
    Part(
        "activation",
        "-",
        "muscle",
        "muscle",
        lambda body, config: body.n_muscles if config.remembers_activation else 0,
        lambda view: view.state.activation,
        "activation lags behind excitation",
    ),
    Part(
        "fatigued",
        "-",
        "muscle",
        "muscle",
        lambda body, config: body.n_muscles if config.tires else 0,
        lambda view: view.state.fatigued,
        "muscles tire",
    ),
    Part(
        "history",
        "rad, m, rad/s, m/s",
        "states [q, qd], oldest first",
        "history x 2 dof",
        lambda body, config: config.history * 2 * body.n_dofs,
        lambda view: view.past.ravel(),
        "history is not 0",
    ),
)
"""All parts of the observation in their order."""


def layout_of(body: Body, config: HumanoidConfig) -> tuple[Block, ...]:
    """Return the blocks of the observation in their order."""
    blocks: list[Block] = []
    for part in PARTS:
        size, start = part.size(body, config), blocks[-1].stop if blocks else 0
        if part.name == "goal":
            unit, frame = config.chosen_task.goal_unit, config.chosen_task.goal_frame
        else:
            unit, frame = part.unit, part.frame
        if size:
            blocks.append(Block(part.name, start, start + size, unit, frame))
    return tuple(blocks)


def observe(layout: tuple[Block, ...], view: View) -> npt.NDArray[np.float32]:
    """Return the observation of a view, laid out as `layout_of` says."""
    values = np.concatenate([NUMBERS[block.name](view) for block in layout])
    return np.clip(values, -BOUND, BOUND).astype(np.float32)


NUMBERS = {part.name: part.numbers for part in PARTS}
