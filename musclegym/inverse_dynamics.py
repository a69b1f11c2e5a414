"""Inverse dynamics of a motion: joint torques and ground reaction from positions alone.

1. The poses are resampled and low-pass filtered without phase shift, since accelerations of recorded motion
   are mostly noise; a cyclic motion is continued over its ends first.
2. M(q) qdd + bias(q, qd) is what all forces on the body must add up to. Its six root rows can come from the
   ground only.
3. The ground pushes at the corners of the soles, each within a friction pyramid. Among all such pushes the
   one is taken that makes the root rows best with the least effort, where effort at a corner rises with its
   height over the ground. So one foot takes over from the other gradually, the centre of pressure moves
   within the soles, and nothing pushes in flight.
4. What the ground cannot make of the root rows stays as the residual: errors of recording and retargeting.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from musclegym.body import Body
from musclegym.motion.motion import Motion
from musclegym.rotation import Array
from musclegym.skeleton import FREE, HINGE

SAMPLING = 120.0
"""Rate at which motions are resampled [1/s]."""
CUTOFF = 6.0
"""Cut-off of the low-pass filter, usual for gait (Winter 2009, section 3.4.4) [Hz]."""
MARGIN = 1.0
"""Time by which a cyclic motion is continued on both ends before filtering [s]."""
FRICTION = 0.8
"""Slope of the friction pyramid's edges [-]."""
EFFORT = 0.2
"""Weight of a push at ground level beside the root rows' error [-]."""
CONTACT_DEPTH = 0.02
"""Height over which the weight of a push grows by e [m]."""
HIGHEST = 0.15
"""Height from which on the weight grows no more; it is then so large that nothing pushes [m]."""


@dataclass(frozen=True, eq=False)
class InverseDynamics:
    """Torques and forces of a motion, frame by frame, all in the frames of the generalised velocities."""

    time: Array
    """Time since the motion's start, shape (frame,) [s]."""
    q: Array
    """Filtered poses, shape (frame, dof)."""
    qd: Array
    """Their velocities, shape (frame, dof)."""
    torque: Array
    """Joint torques, root rows zero, shape (frame, dof) [N m]."""
    root_residual: Array
    """Moment and force on the root that the ground does not explain, shape (frame, 6) [N m, N]."""
    ground_point: Array
    """Corners of the soles in the world, shape (frame, point, 3) [m]."""
    ground_force: Array
    """Force of the ground at each corner, shape (frame, point, 3) [N]."""


def inverse_dynamics(body: Body, motion: Motion, cutoff: float = CUTOFF) -> InverseDynamics:
    """Return the joint torques that make `body` move as in `motion`.

    Args:
        body: who moves.
        motion: a motion of that body.
        cutoff: of the low-pass filter on the poses [Hz].

    Raises:
        ValueError: if the cut-off is not between 0 and half the sampling rate.
    """
    if not 0.0 < cutoff < SAMPLING / 2.0:
        raise ValueError(
            f"cutoff must be between 0 and {SAMPLING / 2.0} Hz, but is {cutoff}; gait is filtered at 6 Hz"
        )
    margin = MARGIN if motion.cyclic else 0.0
    time = np.arange(-margin, motion.duration + margin, 1.0 / SAMPLING)
    q = filtered(body, motion.at(time)[0], cutoff)
    qd = body.skeleton.velocities(q, SAMPLING)
    qdd = np.gradient(qd, 1.0 / SAMPLING, axis=0)
    inside = np.flatnonzero((time >= 0.0) & (time <= motion.duration))
    frames = [frame_dynamics(body, q[i], qd[i], qdd[i]) for i in inside]
    torque, residual, point, force = (np.array(column) for column in zip(*frames, strict=True))
    return InverseDynamics(time[inside], q[inside], qd[inside], torque, residual, point, force)


def filtered(body: Body, q: Array, cutoff: float) -> Array:
    """Return poses (frame, dof) after a zero-phase Butterworth filter of order 4.

    Rotations are filtered as quaternions, whose components, unlike those of rotation vectors, move smoothly
    through whole turns.
    """
    sections = butter(2, cutoff, fs=SAMPLING, output="sos")
    smooth = sosfiltfilt(sections, q, axis=0)
    skeleton = body.skeleton
    for index in np.flatnonzero(skeleton.joint_kind != HINGE):
        columns = slice(skeleton.dof_start[index], skeleton.dof_start[index] + 3)
        quaternion = Rotation.from_rotvec(q[:, columns]).as_quat()
        jumps = (quaternion[1:] * quaternion[:-1]).sum(axis=1) < 0.0
        quaternion[1:] *= np.where(np.cumsum(jumps) % 2 == 1, -1.0, 1.0)[:, None]
        smooth[:, columns] = Rotation.from_quat(sosfiltfilt(sections, quaternion, axis=0)).as_rotvec()
    return smooth


def frame_dynamics(body: Body, q: Array, qd: Array, qdd: Array) -> tuple[Array, Array, Array, Array]:
    """Return joint torque (dof,), root residual (6,), sole corners and ground forces (point, 3)."""
    wanted = body.mass_matrix(q) @ qdd + body.bias_torque(q, qd)
    points = body.sole_points(q)
    jacobian = point_jacobians(body, q, points)
    force = ground_reaction(wanted[:6], jacobian[..., :6], points[:, 1])
    rest = wanted - np.einsum("pid,pi->d", jacobian, force)
    return np.concatenate([np.zeros(6), rest[6:]]), rest[:6], points, force


def point_jacobians(body: Body, q: Array, points: Array) -> Array:
    """Return how the corners of the soles (point, 3) move with the DoFs at a pose, shape (point, 3, dof)."""
    skeleton, kinematics = body.skeleton, body.kinematics(q)
    touching = np.flatnonzero(skeleton.contact)
    corners = len(points) // len(touching)
    jacobian = np.zeros((len(points), 3, body.n_dofs))
    for row, index in enumerate(touching):
        here = slice(row * corners, (row + 1) * corners)
        while index >= 0:
            frame, at = kinematics.joint_rotation[index], skeleton.dof_start[index]
            hinge = skeleton.joint_kind[index] == HINGE
            axes = (frame @ skeleton.joint_axis[index])[None] if hinge else frame.T
            arm = points[here] - kinematics.joint_position[index]
            jacobian[here, :, at : at + len(axes)] = np.cross(axes[None], arm[:, None]).transpose(0, 2, 1)
            if skeleton.joint_kind[index] == FREE:
                jacobian[here, :, at + 3 : at + 6] = frame
            index = skeleton.parent[index]
    return jacobian


def ground_reaction(wanted: Array, root_jacobian: Array, height: Array) -> Array:
    """Return forces of the ground (point, 3) [N] that make the root rows `wanted` with least weighted effort.

    Args:
        wanted: moment and force about the root's position in its frame, shape (6,) [N m, N].
        root_jacobian: how the points move with the root, shape (point, 3, 6).
        height: of the points over the ground, shape (point,) [m].
    """
    edges = np.array(
        [[FRICTION, 1.0, 0.0], [-FRICTION, 1.0, 0.0], [0.0, 1.0, FRICTION], [0.0, 1.0, -FRICTION]]
    )
    columns = np.einsum("ei,pid->dpe", edges, root_jacobian).reshape(6, -1)
    weight = EFFORT * np.exp(np.clip(height, 0.0, HIGHEST) / CONTACT_DEPTH)
    system = np.concatenate([columns, np.diag(np.repeat(weight, len(edges)))])
    push, _ = nnls(
        system, np.concatenate([wanted, np.zeros(columns.shape[1])]), maxiter=20 * columns.shape[1]
    )
    return push.reshape(-1, len(edges)) @ edges
