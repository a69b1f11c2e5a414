"""The 64-number physics state of a motion: what mechanics says about a pose that its angles do not show.

It is derived from positions and velocities with the body's own masses and inertias. Accelerations are second
differences of positions. Vectors lie in the heading frame of `musclegym.motion.features` unless the layout
says otherwise, so that, but for `root_position`, nothing depends on where the body stands and faces.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from musclegym.dynamics import GRAVITY
from musclegym.motion.frames import foot_contacts, place
from musclegym.motion.motion import Motion
from musclegym.motion.rotation_arrays import levelling, transposed
from musclegym.rotation import Array, multiply, rotate
from musclegym.skeleton import Skeleton, Tree, body_velocities, forward_kinematics, local_rotations

N_PHYSICS = 64
"""Numbers in a physics state."""


@dataclass(frozen=True)
class Block:
    """A named part of the physics state."""

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


def physics_layout() -> tuple[Block, ...]:
    """Return the blocks of the physics state in their order; the pelvis is the root's joint."""
    parts = (
        ("gravity", 3, "m/s^2", "root"),
        ("pelvis_height", 1, "m", "world"),
        ("pelvis_velocity", 3, "m/s", "heading"),
        ("pelvis_acceleration", 3, "m/s^2", "heading"),
        ("root_angular_velocity", 3, "rad/s", "root"),
        ("root_linear_velocity", 3, "m/s", "root"),
        ("contact", 2, "0 or 1", "left, right foot"),
        ("com_velocity", 3, "m/s", "heading"),
        ("com_acceleration", 3, "m/s^2", "heading"),
        ("root_position", 3, "m", "world"),
        ("angular_momentum", 3, "kg m^2/s", "heading, about the centre of mass"),
    )
    stops = np.cumsum([size for _, size, _, _ in parts]).tolist()
    starts = [0, *stops[:-1]]
    blocks = (
        Block(name, start, stop, unit, frame)
        for (name, _, unit, frame), start, stop in zip(parts, starts, stops, strict=True)
    )
    return (*blocks, Block("reserved", stops[-1], N_PHYSICS, "-", "always zero"))


PHYSICS_LAYOUT = physics_layout()
"""Blocks of the physics state in their order."""


def physics_states_of(motion: Motion, gravity: float = GRAVITY) -> Array:
    """Return the physics states (frame, 64) of a motion; `gravity` is the acceleration of free fall [m/s^2].

    Raises:
        ValueError: if the motion has fewer than three frames.
    """
    return physics_states(motion.skeleton, motion.q, motion.qd, motion.fps, gravity)


def physics_states(skeleton: Skeleton, q: Array, qd: Array, fps: float, gravity: float = GRAVITY) -> Array:
    """Return the physics states (frame, 64), in the order of `PHYSICS_LAYOUT`.

    Args:
        skeleton: whose masses and inertias count.
        q: poses, shape (frame, dof).
        qd: velocities, shape (frame, dof).
        fps: frames per second.
        gravity: acceleration of free fall along -y [m/s^2].

    Raises:
        ValueError: if there are fewer than three frames, or not one number per DoF.
    """
    if q.shape != (len(q), skeleton.n_dofs) or qd.shape != q.shape or len(q) < 3:
        raise ValueError(
            f"physics states need at least 3 frames of {skeleton.n_dofs} positions and velocities, but q and "
            f"qd have shapes {q.shape} and {qd.shape}; give a longer motion of this body"
        )
    frames = place(skeleton, q)
    root, position = frames.rotation[:, 0], frames.position[:, 0]
    com, com_velocity, angular_momentum = centre_of_mass_motion(skeleton, q, qd)
    up = root[:, 1]
    level = levelling(up)

    def in_heading(vectors: Array) -> Array:
        """Return world vectors (frame, 3) in the heading frame."""
        return (level @ transposed(root) @ vectors[..., None])[..., 0]

    parts = {
        "gravity": -gravity * up,
        "pelvis_height": position[:, 1:2],
        "pelvis_velocity": (level @ qd[:, 3:6, None])[..., 0],
        "pelvis_acceleration": in_heading(second_differences(position, fps)),
        "root_angular_velocity": qd[:, 0:3],
        "root_linear_velocity": qd[:, 3:6],
        "contact": foot_contacts(skeleton, frames, fps),
        "com_velocity": in_heading(com_velocity),
        "com_acceleration": in_heading(second_differences(com, fps)),
        "root_position": position,
        "angular_momentum": in_heading(angular_momentum),
    }
    out = np.zeros((len(q), N_PHYSICS))
    for block in PHYSICS_LAYOUT[:-1]:
        out[:, block.start : block.stop] = parts[block.name]
    return out


def second_differences(path: Array, fps: float) -> Array:
    """Return the acceleration along a path (frame, 3), exact for parabolas; the ends repeat the next."""
    inner = (path[2:] - 2.0 * path[1:-1] + path[:-2]) * fps**2
    return np.concatenate([inner[:1], inner, inner[-1:]])


def centre_of_mass_motion(skeleton: Skeleton, q: Array, qd: Array) -> tuple[Array, Array, Array]:
    """Return place and velocity of the whole body's centre of mass and the angular momentum about it.

    All have shape (frame, 3) and lie in the world [m, m/s, kg m^2/s].
    """
    out = np.empty((3, len(q), 3))
    momenta(skeleton.tree, np.ascontiguousarray(q), np.ascontiguousarray(qd), out)
    return out[0], out[1], out[2]


@njit(cache=True)
def momenta(tree: Tree, q: Array, qd: Array, out: Array) -> None:
    """Write centre of mass, its velocity and the angular momentum about it into `out` (3, frame, 3).

    L = sum of R I R^T w + m (c - C) x (v - V) over the bodies, with their inertias I about their centres c,
    angular velocities w and velocities v of these; C and V are those of the whole.
    """
    bodies = tree.parent.size
    local, rotation = np.empty((bodies, 3, 3)), np.empty((bodies, 3, 3))
    position, com = np.empty((bodies, 3)), np.empty((bodies, 3))
    angular, linear = np.empty((bodies, 3)), np.empty((bodies, 3))
    share = tree.mass / tree.mass.sum()
    half, inertia = np.empty((3, 3)), np.empty((3, 3))
    arm, relative, spin = np.empty(3), np.empty(3), np.empty(3)
    out[:] = 0.0
    for frame in range(q.shape[0]):
        local_rotations(tree, q[frame], local)
        forward_kinematics(tree, local, q[frame, 3:6], rotation, position, com)
        body_velocities(tree, rotation, position, qd[frame], angular, linear)
        centre, velocity, momentum = out[0, frame], out[1, frame], out[2, frame]
        for body in range(bodies):
            for i in range(3):
                arm[i] = com[body, i] - position[body, i]
            add_cross(angular[body], arm, 1.0, linear[body])
            for i in range(3):
                centre[i] += share[body] * com[body, i]
                velocity[i] += share[body] * linear[body, i]
        for body in range(bodies):
            multiply(rotation[body], tree.inertia[body], half)
            multiply(half, rotation[body].T, inertia)
            rotate(inertia, angular[body], spin)
            for i in range(3):
                arm[i] = com[body, i] - centre[i]
                relative[i] = linear[body, i] - velocity[i]
                momentum[i] += spin[i]
            add_cross(arm, relative, tree.mass[body], momentum)


@njit(cache=True)
def add_cross(a: Array, b: Array, scale: float, out: Array) -> None:
    """Add scale * (a x b) to `out` (3,)."""
    out[0] += scale * (a[1] * b[2] - a[2] * b[1])
    out[1] += scale * (a[2] * b[0] - a[0] * b[2])
    out[2] += scale * (a[0] * b[1] - a[1] * b[0])
