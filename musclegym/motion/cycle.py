"""Where a motion starts, and how it closes into a cycle."""

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.motion.motion import carried_on
from musclegym.rotation import Array
from musclegym.skeleton import Skeleton

SMALL_TURN = np.radians(15.0)  # heading change per cycle that counts as an error in closing the loop [rad]


def heading(q: Array) -> Array:
    """Return where the pelvis faces, about the vertical from +z towards +x, shape (frame,) [rad]."""
    forward = Rotation.from_rotvec(q[:, :3]).as_matrix()[:, :, 2]
    return np.arctan2(forward[:, 0], forward[:, 2])


def at_origin(q: Array, fps: float) -> Array:
    """Return the poses turned and moved to start at x = z = 0 of the root's rest position, facing +z.

    A pelvis swings while walking, so the mean heading of the first second counts, unless the body turns in
    that time.
    """
    angles = heading(q[: int(fps) + 1])
    swing = (angles - angles[0] + np.pi) % (2.0 * np.pi) - np.pi
    mean = angles[0] + (swing.mean() if np.abs(swing).max() < np.radians(45.0) else 0.0)
    turn = Rotation.from_rotvec([0.0, -mean, 0.0])
    out = q.copy()
    out[:, :3] = (turn * Rotation.from_rotvec(q[:, :3])).as_rotvec()
    out[:, 3:6] = turn.apply(q[:, 3:6] - [q[0, 3], 0.0, q[0, 5]])
    return out


def close_cycle(skeleton: Skeleton, q: Array) -> tuple[float, Array]:
    """Change `q` (frame, dof) in place so that its end is its start, carried on; return heading and path.

    What the last pose lacks is spread evenly over the cycle. A heading change below 15 degrees counts as such
    a lack.
    """
    first, last = q[0].copy(), q[-1]
    start, end = heading(q[[0, -1]])
    turned = float((end - start + np.pi) % (2.0 * np.pi) - np.pi)
    turned = turned if abs(turned) > SMALL_TURN else 0.0
    turn = Rotation.from_rotvec([0.0, turned, 0.0])
    displacement = last[3:6] - turn.apply(first[3:6])
    displacement[1] = 0.0
    goal = first.copy()
    goal[:3] = (turn * Rotation.from_rotvec(first[:3])).as_rotvec()
    goal[3:6] = turn.apply(first[3:6]) + displacement
    lack = skeleton.difference(last, goal)
    for frame, part in enumerate(np.linspace(-0.5, 0.5, len(q))):
        q[frame] = skeleton.integrate(q[frame], lack, part)
    np.clip(q, skeleton.lower, skeleton.upper, out=q)
    displacement = q[-1, 3:6] - turn.apply(q[0, 3:6])
    displacement[1] = 0.0
    return turned, displacement


def thrice(q: Array, turned: float, displacement: Array) -> Array:
    """Return three cycles of a closed motion `q` (frame, dof), the given one in the middle."""
    cycles = [
        np.array([carried_on(pose, count, turned, displacement) for pose in q[:-1]]) for count in (-1, 0, 1)
    ]
    return np.concatenate([*cycles, carried_on(q[-1], 1, turned, displacement)[None]])


def velocities(skeleton: Skeleton, q: Array, fps: float, cyclic: bool) -> Array:
    """Return velocities (frame, dof) by central differences; a cyclic motion's run on over its end."""
    qd = skeleton.velocities(q, fps)
    if cyclic:
        seam = 0.5 * fps * (skeleton.difference(q[0], q[1]) - skeleton.difference(q[-1], q[-2]))
        qd[0] = qd[-1] = seam
    return qd
