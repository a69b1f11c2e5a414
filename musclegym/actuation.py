"""From a link state to the joint torque of one physics step: fused kernels over plain arrays.

The joint torque is that of the actuators (stable PD or muscles) plus that of the passive joints, which is a
damper and, beyond the joint limits, a stiff spring. Springs and dampers act at the end of the step,
implicitly, so that stiff ones are stable on bodies as light as toes. The stable PD looks ahead over the time
for which its torque is held, which in muscle-driven bodies is the time between two muscle updates. Both
expect the forces of the last physics step's contacts to go on: a foot that stands is not free to move. The
force-velocity relation is a damper too, the stiffest of all: its present value acts, and the change of
velocity over the step is resisted.

Kernels are inlined into those that are called: each that numba compiles on its own has to take the hundred
arrays of model and stage, which took much of the time of a first use.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from musclegym.body import Body
from musclegym.dynamics import (
    Workspace,
    bias_and_mass_matrix,
    force_of_change,
    implicit_torque,
    joint_axes,
    make_workspace,
    stable_pd_spring,
)
from musclegym.link_frames import LinkFrames, from_links, link_frames, pose_vector, torque_to_links
from musclegym.muscle.activity import (
    Activity,
    Dynamics,
    advance_activity,
    excite_by_length,
    make_activity,
    offer_choice,
    take_choice,
)
from musclegym.muscle.effort import Tally, count_joints, count_muscles, count_update, make_tally
from musclegym.muscle.path import Paths
from musclegym.muscle.physiology import MuscleConfig
from musclegym.muscle.transmission import (
    MuscleBuffers,
    activation_torque,
    make_muscle_buffers,
    muscle_torques,
    velocity_damping,
)
from musclegym.rotation import Array
from musclegym.skeleton import Tree, forward_kinematics, local_rotations

JOINT_DAMPING = 0.4
"""Damping of every joint, as in MASS [N m s/rad]."""
LIMIT_STIFFNESS = 500.0
"""Stiffness of a joint beyond its limit; own choice: 9 degrees beyond at 75 N m [N m/rad]."""
LIMIT_DAMPING = 5.0
"""Damping of a joint beyond its limit; own choice: a limit takes up a blow within 10 ms [N m s/rad]."""


DOF_BUFFERS = (
    *("q", "qd", "qd_before", "spring", "pd_spring", "damping"),
    *("wanted", "reserve", "actuator", "total", "contact", "other"),
)


class Model(NamedTuple):
    """What stays the same from step to step."""

    tree: Tree
    frames: LinkFrames
    paths: Paths
    dynamics: Dynamics
    velocity_matters: bool  # whether muscle forces depend on the velocity
    lower: Array  # (dof,) joint limits [rad]
    upper: Array  # (dof,)
    kp: Array  # (dof,) stiffness of the stable PD [N m/rad]
    kd: Array  # (dof,) damping of the stable PD [N m s/rad]
    gravity: float  # [m/s^2]
    dt: float  # physics step [s]
    hold: float  # time for which the stable PD's torque is held [s]
    counts_contacts: bool  # whether springs and dampers expect the contact forces of the last step


class Stage(NamedTuple):
    """What a physics step fills."""

    work: Workspace
    muscles: MuscleBuffers
    activity: Activity
    tally: Tally
    displacement: Array  # (3,) of the root from rest [m]
    q: Array  # (dof,)
    qd: Array  # (dof,)
    qd_before: Array  # (dof,) at the last physics step
    spring: Array  # (dof,) explicit part of all springs and dampers
    pd_spring: Array  # (dof,) explicit part of the stable PD
    damping: Array  # (dof,) implicit damping
    wanted: Array  # (dof,) torque that the stable PD asks for [N m]
    reserve: Array  # (dof,) torque of reserve actuators, held until the next update [N m]
    reserve_limit: Array  # (1,) largest torque of a reserve actuator [N m]
    actuator: Array  # (dof,) torque of the actuators [N m]
    total: Array  # (dof,) torque of actuators and passive joints [N m]
    contact: Array  # (dof,) force of contacts, pushes and supports over the last physics step [N m, N]
    other: Array  # (dof,) all that moves the joints besides springs and dampers [N m, N]
    stepped: npt.NDArray[np.bool_]  # (1,) whether a physics step has been made since the pose was read
    resist: Array  # (dof, dof) damping of the force-velocity relation
    link_torque: Array  # (dof - 6,) total torque, root left out, in link frames


def make_model(
    body: Body,
    kp: Array,
    kd: Array,
    dt: float,
    hold: float,
    muscles: MuscleConfig | None = None,
    lags: bool = False,
    counts_contacts: bool = False,
) -> Model:
    """Return the model of a body.

    Args:
        body: the body.
        kp: stiffness of the stable PD, shape (dof,) [N m/rad].
        kd: damping of the stable PD, shape (dof,) [N m s/rad].
        dt: physics step [s].
        hold: time for which the stable PD's torque, and an excitation, is held [s].
        muscles: physiology; the default one if left out.
        lags: whether activation lags behind excitation where `muscles` leaves it open.
        counts_contacts: whether springs and dampers expect the contact forces of the last physics step.

    Raises:
        ValueError: if `muscles` does not fit the body.
    """
    muscles = muscles or MuscleConfig()
    return Model(
        tree=body.skeleton.tree,
        frames=link_frames(body.skeleton),
        paths=muscles.paths(body),
        dynamics=muscles.dynamics(dt, hold, lags),
        velocity_matters=muscles.force_velocity,
        lower=np.ascontiguousarray(body.skeleton.lower),
        upper=np.ascontiguousarray(body.skeleton.upper),
        kp=np.ascontiguousarray(kp),
        kd=np.ascontiguousarray(kd),
        gravity=float(body.gravity),
        dt=float(dt),
        hold=float(hold),
        counts_contacts=counts_contacts,
    )


def make_stage(body: Body) -> Stage:
    """Return the buffers of a body."""
    return Stage(
        work=make_workspace(body.skeleton),
        muscles=make_muscle_buffers(body.paths, body.n_dofs),
        activity=make_activity(body.n_muscles, body.n_dofs),
        tally=make_tally(body.n_dofs),
        displacement=np.zeros(3),
        reserve_limit=np.zeros(1),
        resist=np.zeros((body.n_dofs, body.n_dofs)),
        stepped=np.zeros(1, dtype=np.bool_),
        link_torque=np.zeros(body.n_dofs - 6),
        **{name: np.zeros(body.n_dofs) for name in DOF_BUFFERS},
    )


@njit(cache=True, inline="always")
def read_pose(model: Model, links: Array, stage: Stage) -> None:
    """Fill pose, velocity, kinematics, mass matrix and bias of `stage` from a link state.

    After a physics step it also finds the force of the contacts over this step, where it counts.
    """
    work = stage.work
    for i in range(stage.qd.size):
        stage.qd_before[i] = stage.qd[i]
    from_links(model.tree, model.frames, links, work.scratch, work.local, stage.displacement, stage.qd)
    if stage.stepped[0] and model.counts_contacts:
        force_of_change(work, stage.qd_before, stage.qd, stage.total, model.dt, stage.contact)
    stage.stepped[0] = False
    pose_vector(model.tree, work.local, stage.displacement, stage.q)
    forward_kinematics(model.tree, work.local, stage.displacement, work.rotation, work.position, work.com)
    bias_and_mass_matrix(model.tree, stage.qd, model.gravity, work)


@njit(cache=True, inline="always")
def passive_joints(model: Model, dt: float, stage: Stage) -> None:
    """Write the passive joint torque over the next `dt` [s]: `stage.spring` and implicit `stage.damping`."""
    for i in range(stage.q.size):
        if i < 6:
            stage.spring[i], stage.damping[i] = 0.0, 0.0
            continue
        stage.spring[i], stage.damping[i] = -JOINT_DAMPING * stage.qd[i], JOINT_DAMPING
        ahead = stage.q[i] + dt * stage.qd[i]
        excess = ahead - min(max(ahead, model.lower[i]), model.upper[i])
        if excess != 0.0:
            stage.spring[i] -= LIMIT_STIFFNESS * excess + LIMIT_DAMPING * stage.qd[i]
            stage.damping[i] += LIMIT_DAMPING + dt * LIMIT_STIFFNESS


@njit(cache=True, inline="always")
def want_torque(model: Model, target: Array, qd_target: Array, stage: Stage) -> None:
    """Write the torque of the stable PD into `stage.wanted`, and with the passive one into `stage.total`."""
    passive_joints(model, model.hold, stage)
    kp, kd, pd = model.kp, model.kd, stage.pd_spring
    displacement, qd, hold = stage.displacement, stage.qd, model.hold
    stable_pd_spring(model.tree, qd, displacement, target, qd_target, kp, kd, hold, stage.work, pd)
    for i in range(qd.size):
        stage.spring[i] += pd[i]
        stage.damping[i] += kd[i]
    implicit_torque(model.tree, qd, stage.spring, stage.damping, stage.contact, hold, stage.work, stage.total)
    for i in range(qd.size):
        stage.wanted[i] = pd[i] - hold * kd[i] * stage.work.predicted[i] if i >= 6 else 0.0


@njit(cache=True, inline="always")
def measure_muscles(model: Model, stage: Stage) -> None:
    """Fill `stage.muscles` for the pose and velocity that `stage` holds."""
    work, muscles = stage.work, stage.muscles
    muscle_torques(model.tree, model.paths, work.rotation, work.position, work.axis, stage.qd, muscles)


@njit(cache=True, inline="always")
def measure_muscles_at(model: Model, q: Array, qd: Array, stage: Stage) -> None:
    """Fill `stage.muscles` for a pose and velocity (dof,) of one's own."""
    work = stage.work
    for i in range(qd.size):
        stage.qd[i] = qd[i]
    local_rotations(model.tree, q, work.local)
    forward_kinematics(model.tree, work.local, q[3:6], work.rotation, work.position, work.com)
    joint_axes(model.tree, work.rotation, work.position, work.axis)
    measure_muscles(model, stage)


@njit(cache=True, inline="always")
def apply_activation(model: Model, stage: Stage) -> None:
    """End a physics step: let muscles and reserve actuators act, with the passive joints; count the cost.

    The force-velocity relation resists the change of velocity over the step; what that takes off the muscles'
    torque is part of `stage.actuator`.
    """
    activation, work, n_dofs = stage.activity.activation, stage.work, stage.q.size
    advance_activity(model.dynamics, stage.activity)
    activation_torque(model.tree, model.paths, activation, stage.muscles, stage.actuator)
    for i in range(n_dofs):
        stage.actuator[i] += stage.reserve[i]
    passive_joints(model, model.dt, stage)
    if model.velocity_matters:
        velocity_damping(model.tree, model.paths, activation, stage.muscles, stage.resist)
        for i in range(n_dofs):
            for j in range(n_dofs):
                work.mass_matrix[i, j] += model.dt * stage.resist[i, j]
    for i in range(n_dofs):
        stage.other[i] = stage.actuator[i] + stage.contact[i]
    spring, damping, total = stage.spring, stage.damping, stage.total
    implicit_torque(model.tree, stage.qd, spring, damping, stage.other, model.dt, work, total)
    if model.velocity_matters:
        for i in range(n_dofs):
            for j in range(n_dofs):
                work.mass_matrix[i, j] -= model.dt * stage.resist[i, j]
                stage.actuator[i] -= model.dt * stage.resist[i, j] * work.predicted[j]
    for i in range(n_dofs):
        stage.total[i] += stage.actuator[i]
    stage.stepped[0] = True
    torque_to_links(model.tree, model.frames, stage.total, stage.link_torque)
    count_joints(stage.actuator, stage.qd, model.dt, stage.tally)
    count_muscles(stage.activity, stage.muscles, model.dt, stage.tally)


@njit(cache=True, inline="always")
def torque_step(model: Model, links: Array, target: Array, qd_target: Array, stage: Stage) -> None:
    """Write the link torque of one physics step in which the stable PD's torque acts as it is."""
    read_pose(model, links, stage)
    want_torque(model, target, qd_target, stage)
    for i in range(stage.q.size):
        stage.actuator[i] = stage.wanted[i]
    stage.stepped[0] = True
    torque_to_links(model.tree, model.frames, stage.total, stage.link_torque)
    count_joints(stage.actuator, stage.qd, model.dt, stage.tally)
    count_update(stage.wanted, stage.actuator, stage.tally)


@njit(cache=True, inline="always")
def anticipate_velocity(model: Model, stage: Stage) -> None:
    """Add to `stage.wanted` what the force-velocity relation will take off it until the next update.

    That is its damping, at the present activations, times the change of velocity that the stable PD predicts.
    Light limbs need it: their muscles resist more than their inertia does.
    """
    if not model.velocity_matters:
        return
    activation, work = stage.activity.activation, stage.work
    velocity_damping(model.tree, model.paths, activation, stage.muscles, stage.resist)
    for i in range(6, stage.q.size):
        for j in range(6, stage.q.size):
            stage.wanted[i] += model.hold * stage.resist[i, j] * work.predicted[j]


@njit(cache=True, inline="always")
def demand_step(model: Model, links: Array, target: Array, qd_target: Array, stage: Stage) -> None:
    """Write the torque that the muscles are asked for, and what they can choose from.

    Whoever fills `stage.activity.share` then ends the step with `chosen_step`.
    """
    read_pose(model, links, stage)
    want_torque(model, target, qd_target, stage)
    measure_muscles(model, stage)
    anticipate_velocity(model, stage)
    offer_choice(model.tree, model.paths, model.dynamics, stage.muscles, stage.activity)


@njit(cache=True, inline="always")
def chosen_step(model: Model, stage: Stage) -> None:
    """Write the link torque of the physics step that `demand_step` began, and hold the chosen excitation.

    Reserve actuators make what the chosen activations miss, up to their limit, until the next update.
    """
    take_choice(model.tree, model.paths, model.dynamics, stage.activity)
    limit = stage.reserve_limit[0]
    for i in range(6, stage.q.size):
        stage.reserve[i] = min(max(stage.wanted[i] - stage.activity.made[i], -limit), limit)
    count_update(stage.wanted, stage.activity.made, stage.tally)
    apply_activation(model, stage)


@njit(cache=True, inline="always")
def muscle_step(model: Model, links: Array, stage: Stage) -> None:
    """Write the link torque of one physics step under the excitation that `stage.activity` holds."""
    read_pose(model, links, stage)
    measure_muscles(model, stage)
    apply_activation(model, stage)


@njit(cache=True, inline="always")
def length_step(
    model: Model, links: Array, length: Array, velocity: Array, gains: tuple[float, float], stage: Stage
) -> None:
    """Write the link torque of one physics step in which the muscles seek fibre lengths.

    Args:
        model: the body.
        links: its state.
        length: wanted fibre lengths in optimal ones, shape (muscle,) [-].
        velocity: wanted rates of them, shape (muscle,) [1/s].
        gains: excitation per fibre length [-] and per fibre velocity [s].
        stage: buffers.
    """
    read_pose(model, links, stage)
    measure_muscles(model, stage)
    excitation = stage.activity.excitation
    excite_by_length(stage.muscles, length, velocity, gains[0], gains[1], excitation)
    apply_activation(model, stage)
