"""The observation: named blocks of numbers, each a function of the body's state."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclegym.body import Body
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


def layout_of(body: Body, excitation: bool, history: int) -> tuple[Block, ...]:
    """Return the blocks of the observation in their order; `history` states of the past end it."""
    bodies, dofs = body.skeleton.n_bodies, body.n_dofs
    parts = [
        ("root_height", 1, "m", "world"),
        ("up", 3, "-", "root"),
        ("root_linear_velocity", 3, "m/s", "heading"),
        ("root_angular_velocity", 3, "rad/s", "heading"),
        ("body_position", 3 * (bodies - 1), "m", "heading, from the root"),
        ("body_velocity", 3 * bodies, "m/s", "heading"),
        ("joint_rotation", dofs - 6, "rad", "joint"),
        ("joint_velocity", dofs - 6, "0.1 rad/s", "joint"),
        ("target_error", dofs - 6, "rad", "joint"),
        ("root_error", 6, "rad, m", "root"),
        ("phase", 2, "-", "cosine and sine"),
    ]
    if excitation:
        parts.append(("activation", body.n_muscles, "-", "muscle"))
    if history:
        parts.append(("history", history * 2 * dofs, "rad, m, rad/s, m/s", "states [q, qd], oldest first"))
    stops = np.cumsum([size for _, size, _, _ in parts]).tolist()
    starts = [0, *stops[:-1]]
    return tuple(
        Block(name, start, stop, unit, frame)
        for (name, _, unit, frame), start, stop in zip(parts, starts, stops, strict=True)
    )


def heading_rotation(root: Array) -> Array:
    """Return the rotation (3, 3) about the vertical that turns +z to where the root (3, 3) faces."""
    sine, cosine = root[0, 2], root[2, 2]
    length = np.hypot(sine, cosine)
    if length < 1e-9:  # facing straight up or down: no heading
        return np.eye(3)
    sine, cosine = sine / length, cosine / length
    return np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])


def observe(
    state: BodyState, target_error: Array, phase: float, excitation: bool, past: Sequence[Array]
) -> npt.NDArray[np.float32]:
    """Return the observation of a state, laid out as `layout_of` says.

    Args:
        state: the body.
        target_error: way from the pose to the next reference pose, shape (dof,) [rad, m].
        phase: of the reference in its cycle, in [0, 1).
        excitation: whether the activations are part of it.
        past: states [q, qd] of the history, oldest first.
    """
    heading = heading_rotation(state.rotation[0])
    root = state.joint_position[0]
    velocity = state.com_velocity @ heading
    blocks = [
        root[1:2],
        state.rotation[0][1],
        velocity[0],
        state.angular_velocity[0] @ heading,
        ((state.com[1:] - root) @ heading).ravel(),
        velocity.ravel(),
        state.q[6:],
        0.1 * state.qd[6:],
        target_error[6:],
        target_error[:6],
        np.array([np.cos(2.0 * np.pi * phase), np.sin(2.0 * np.pi * phase)]),
    ]
    if excitation:
        blocks.append(state.activation)
    blocks += past
    return np.clip(np.concatenate(blocks), -BOUND, BOUND).astype(np.float32)
