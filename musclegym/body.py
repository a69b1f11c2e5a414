"""A body: skeleton and muscles, with their kinematics, dynamics and muscle torques at any pose."""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from musclegym.dynamics import (
    GRAVITY,
    Workspace,
    bias_and_mass_matrix,
    implicit_torque,
    joint_axes,
    make_workspace,
    stable_pd_spring,
)
from musclegym.mass_xml import Transmission, load_mass_gravity, load_mass_muscles, load_mass_skeleton
from musclegym.muscle.path import MuscleSet, Paths
from musclegym.muscle.transmission import MuscleBuffers, make_muscle_buffers, muscle_torques
from musclegym.rotation import Array
from musclegym.skeleton import Skeleton, body_velocities, forward_kinematics, local_rotations

if TYPE_CHECKING:
    from musclegym.muscle.physiology import MuscleConfig


@dataclass(frozen=True, eq=False)
class Kinematics:
    """Where the bodies are and how they move, in the world frame."""

    rotation: Array
    """Orientation of the body frames, shape (body, 3, 3)."""
    joint_rotation: Array
    """Orientation of the joint frames, shape (body, 3, 3)."""
    joint_position: Array
    """Positions of the joints, shape (body, 3) [m]."""
    com: Array
    """Centres of mass, shape (body, 3) [m]."""
    com_velocity: Array
    """Velocities of the centres of mass, shape (body, 3) [m/s]; zero where no qd was given."""
    angular_velocity: Array
    """Angular velocities, shape (body, 3) [rad/s]; zero where no qd was given."""


@dataclass(frozen=True, eq=False)
class MuscleState:
    """Muscles at one pose."""

    waypoints: Array
    """Waypoints, muscle after muscle, in the world frame, shape (waypoint, 3) [m]."""
    path_length: Array
    """Length from origin to insertion, shape (muscle,) [m]."""
    path_velocity: Array
    """Rate of the path length, minus moment arm times qd, shape (muscle,) [m/s]; zero where no qd was given.

    With `transmission="mass"`, whose moment arms are not those of its paths, the rate of the paths that would
    have them."""
    length: Array
    """Path length as a fraction of the one in the rest pose, shape (muscle,) [-]."""
    fibre_length: Array
    """Fibre length as a fraction of the optimal one, shape (muscle,) [-]."""
    fibre_velocity: Array
    """Rate of the fibre length, in optimal ones, shape (muscle,) [1/s]; zero where no qd was given."""
    active_force: Array
    """Force along the tendon per unit activation, shape (muscle,) [N]."""
    passive_force: Array
    """Passive force along the tendon, shape (muscle,) [N]."""
    moment_arm: Array
    """Joint torque per unit force along the tendon, shape (dof, muscle) [m]."""
    torque_matrix: Array
    """Joint torque per unit activation, shape (dof, muscle) [N m]."""
    passive_torque: Array
    """Joint torque of all passive forces, shape (dof,) [N m]."""


@dataclass(frozen=True, eq=False)
class Body:
    """Skeleton and muscles of one human.

    Poses q and velocities qd have shape (dof,) and are laid out as `musclegym.skeleton` says.
    """

    name: str
    """What the body is called in manifests and pictures."""
    skeleton: Skeleton
    """Rigid bodies and joints."""
    muscle_set: MuscleSet
    """Muscles; may be empty."""
    gravity: float = GRAVITY
    """Acceleration of free fall along -y [m/s^2]."""

    @property
    def body_names(self) -> tuple[str, ...]:
        """Names of the bodies, the root first."""
        return self.skeleton.body_names

    @property
    def dof_names(self) -> tuple[str, ...]:
        """Names of the degrees of freedom, the root's six first."""
        return self.skeleton.dof_names

    @property
    def muscle_names(self) -> tuple[str, ...]:
        """Names of the muscles."""
        return self.muscle_set.names

    @property
    def n_dofs(self) -> int:
        """Number of degrees of freedom, the root's six included."""
        return self.skeleton.n_dofs

    @property
    def n_muscles(self) -> int:
        """Number of muscles."""
        return self.muscle_set.n_muscles

    @cached_property
    def paths(self) -> Paths:
        """The muscles as plain arrays for the kernels."""
        return self.muscle_set.paths(self.skeleton)

    @cached_property
    def rest_path_length(self) -> Array:
        """Path lengths in the rest pose, shape (muscle,) [m]."""
        none = np.zeros(self.n_dofs)
        return self._measure(self._place(none), none, self.paths).path_length

    @cached_property
    def skeleton_hash(self) -> str:
        """SHA-256 of everything that the skeleton's motion depends on, as hexadecimal text."""
        return digest(self.skeleton, self.gravity)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of skeleton and muscles, as hexadecimal text."""
        return digest(self.skeleton, self.gravity, self.muscle_set)

    def kinematics(self, q: npt.ArrayLike, qd: npt.ArrayLike | None = None) -> Kinematics:
        """Place every body in the world.

        Raises:
            ValueError: if q or qd has not `n_dofs` finite numbers.
        """
        work = self._place(q)
        angular, linear = np.zeros_like(work.position), np.zeros_like(work.position)
        if qd is not None:
            velocity = self._check(qd, "qd")
            body_velocities(self.skeleton.tree, work.rotation, work.position, velocity, angular, linear)
        to_body = self.skeleton.joint_rotation.transpose(0, 2, 1) @ self.skeleton.body_rotation
        return Kinematics(
            rotation=work.rotation @ to_body,
            joint_rotation=work.rotation,
            joint_position=work.position,
            com=work.com,
            com_velocity=linear + np.cross(angular, work.com - work.position),
            angular_velocity=angular,
        )

    def joint_positions(self, q: npt.ArrayLike) -> Array:
        """Return the joint positions (frame, body, 3) [m] of a motion q (frame, dof)."""
        return np.array([self._place(pose).position for pose in np.asarray(q)])

    def muscles(
        self, q: npt.ArrayLike, qd: npt.ArrayLike | None = None, config: "MuscleConfig | None" = None
    ) -> MuscleState:
        """Measure the muscles: paths, forces and joint torques.

        Args:
            q: pose, shape (dof,).
            qd: velocity, shape (dof,); at rest if left out.
            config: physiology to measure under, e.g. `MuscleConfig(force_velocity=True)`; the default one if
                left out, whose forces do not depend on the velocity. Activation and fatigue scale the active
                part of what is returned, by the activation.

        Raises:
            ValueError: if q or qd has not `n_dofs` finite numbers, or `config` does not fit the body.
        """
        velocity = np.zeros(self.n_dofs) if qd is None else self._check(qd, "qd")
        paths = self.paths if config is None else config.paths(self)
        out = self._measure(self._place(q), velocity, paths)
        return MuscleState(
            waypoints=out.waypoint,
            path_length=out.path_length,
            path_velocity=out.path_velocity,
            length=out.path_length / self.rest_path_length,
            fibre_length=out.fibre_length,
            fibre_velocity=out.fibre_velocity,
            active_force=out.active_force,
            passive_force=out.passive_force,
            moment_arm=out.moment_arm.T,
            torque_matrix=out.torque_matrix.T,
            passive_torque=out.passive_torque,
        )

    def mass_matrix(self, q: npt.ArrayLike) -> Array:
        """Return the mass matrix (dof, dof) at a pose."""
        return self._dynamics(q, np.zeros(self.n_dofs)).mass_matrix

    def bias_torque(self, q: npt.ArrayLike, qd: npt.ArrayLike) -> Array:
        """Return the Coriolis, centrifugal and gravity torque (dof,) [N m], so that M qdd + bias = torque."""
        return self._dynamics(q, qd).bias

    def sole_points(self, q: npt.ArrayLike) -> Array:
        """Return the corners of the boxes that may touch the ground, in the world, shape (corner, 3) [m]."""
        kinematics = self.kinematics(q)
        signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
        touching = self.skeleton.contact
        local = signs[None] * self.skeleton.size[touching][:, None]
        turned = np.einsum("bij,bkj->bki", kinematics.rotation[touching], local)
        return (turned + kinematics.com[touching][:, None]).reshape(-1, 3)

    def _check(self, values: npt.ArrayLike, what: str) -> Array:
        return self.skeleton.dof_vector(values, what)

    def _gains(self, values: float | npt.ArrayLike, what: str) -> Array:
        gains = np.full(self.n_dofs, values) if np.ndim(values) == 0 else values
        array = self._check(gains, what)
        if array.min() < 0.0:
            raise ValueError(f"{what} must not be negative, but its least is {array.min()}; use 0 for none")
        return array

    def _place(self, q: npt.ArrayLike) -> Workspace:
        pose = self._check(q, "q")
        work = make_workspace(self.skeleton)
        local_rotations(self.skeleton.tree, pose, work.local)
        forward_kinematics(self.skeleton.tree, work.local, pose[3:6], work.rotation, work.position, work.com)
        return work

    def _measure(self, work: Workspace, qd: Array, paths: Paths) -> MuscleBuffers:
        tree, out = self.skeleton.tree, make_muscle_buffers(paths, self.n_dofs)
        joint_axes(tree, work.rotation, work.position, work.axis)
        muscle_torques(tree, paths, work.rotation, work.position, work.axis, qd, out)
        return out

    def _dynamics(self, q: npt.ArrayLike, qd: npt.ArrayLike) -> Workspace:
        work = self._place(q)
        bias_and_mass_matrix(self.skeleton.tree, self._check(qd, "qd"), self.gravity, work)
        return work


def digest(*parts: Skeleton | MuscleSet | float) -> str:
    """Return the SHA-256 of skeletons, muscle sets and numbers, as hexadecimal text.

    Numbers are rounded to six decimals (micrometres, micronewtons): their last bits depend on the processor.
    """
    sha = hashlib.sha256()
    for part in parts:
        values = (
            [getattr(part, f.name) for f in fields(part)]
            if isinstance(part, Skeleton | MuscleSet)
            else [part]
        )
        for value in values:
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                value = np.round(value, 6) + 0.0  # no minus zero
            sha.update(
                repr(value).encode() if isinstance(value, tuple | float) else np.asarray(value).tobytes()
            )
    return sha.hexdigest()


def load_body(
    name: str | Path | Body = "human",
    *,
    muscles: str | Path | None = None,
    transmission: Transmission = "consistent",
    height: float | None = None,
    mass: float | None = None,
    strength: float = 1.0,
) -> Body:
    """Load the shipped human or a body of the MASS family of files.

    Args:
        name: "human", the path of a MASS skeleton file, or a loaded body, which is returned as it is.
        muscles: path of the MASS muscle file that belongs to it; without one the body has no muscles.
        transmission: how muscles of MASS files act: "consistent" obeys virtual work, "mass" equals the
            released code.
        height: of the human [m].
        mass: of the human [kg].
        strength: factor on all maximum isometric forces [-].

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if an option does not belong to this body, or a file is malformed.
    """
    if isinstance(name, Body):
        if (muscles, transmission, height, mass, strength) != (None, "consistent", None, None, 1.0):
            raise ValueError(
                f"a loaded body is taken as it is, but options were given with {name.name!r}; give its name "
                f"or path instead, or leave the options out"
            )
        return name
    if not 0.0 < strength < np.inf:
        raise ValueError(
            f"strength must be positive and finite, but is {strength}; 1.0 is the published strength"
        )
    if name == "human":
        return load_human_body(muscles, transmission, height, mass, strength)
    if height is not None or mass is not None:
        raise ValueError(
            f"height and mass scale the shipped 'human' only, but the body is {str(name)!r}; leave them out"
        )
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"body must be 'human' or the path of a skeleton file, but there is no file {str(name)!r}; "
            f"check the path"
        )
    if muscles is None and transmission != "consistent":
        raise ValueError(
            f"transmission={transmission!r} says how the muscles of a file act, but no file was given; add "
            f"muscles=FILE or leave it out"
        )
    skeleton = load_mass_skeleton(path)
    muscle_set = (
        MuscleSet.none() if muscles is None else load_mass_muscles(Path(muscles), skeleton, transmission)
    )
    return Body(path.stem, skeleton, muscle_set.with_strength(strength), load_mass_gravity(path))


def load_human_body(
    muscles: str | Path | None,
    transmission: Transmission,
    height: float | None,
    mass: float | None,
    strength: float,
) -> Body:
    """Return the shipped human; its muscles are its own and obey virtual work."""
    from musclegym.human import load_human

    if muscles is not None or transmission != "consistent":
        raise ValueError(
            f"the shipped 'human' has its own muscles and consistent transmission, but muscles={muscles!r} "
            f"and transmission={transmission!r} were given; leave them out or load a skeleton file"
        )
    given = {key: value for key, value in (("height", height), ("mass", mass)) if value is not None}
    return Body("human", *load_human(**given, strength=strength))


def stable_pd(
    body: Body,
    q: npt.ArrayLike,
    qd: npt.ArrayLike,
    q_target: npt.ArrayLike,
    *,
    kp: float | npt.ArrayLike,
    kd: float | npt.ArrayLike,
    dt: float,
    qd_target: npt.ArrayLike | None = None,
    contact: npt.ArrayLike | None = None,
) -> Array:
    """Return the stable PD torque (dof,) [N m] that pulls the joints to `q_target`; its root rows are zero.

    Stable PD (Tan, Liu & Turk 2011, IEEE CG&A 31:34-44) looks one physics step ahead, so that stiff gains
    stay stable. Rotations are composed exactly; adding to rotation vectors, as MASS does, differs from it by
    less than 0.3 N m there.

    Args:
        body: the body.
        q: present pose, shape (dof,).
        qd: present velocity, shape (dof,).
        q_target: wanted pose, shape (dof,).
        kp: stiffness, one number for all DoFs or one per DoF [N m/rad]. Gains on the root make no torque
            there, but the prediction then assumes that the root is held, as MASS does; give zeros for the
            first six DoFs to let it fall.
        kd: damping, likewise [N m s/rad].
        dt: physics step [s].
        qd_target: velocity that the damping is relative to, shape (dof,); zero if left out.
        contact: generalised force of contacts and of all else that acts from outside, shape (dof,); none if
            left out [N m, N]. A foot that stands on the ground but is taken to be free gets a fraction of the
            torque, since it is so light.

    Raises:
        ValueError: if an array has the wrong size or is not finite, or a gain or `dt` is negative.
    """
    velocity = body._check(qd, "qd")
    kp_of, kd_of = body._gains(kp, "kp"), body._gains(kd, "kd")
    if not 0.0 < dt < np.inf:
        raise ValueError(f"dt must be positive and finite, but is {dt}; give the physics step, e.g. 1/600 s")
    pose, target = body._check(q, "q"), body._check(q_target, "q_target")
    wanted = np.zeros(body.n_dofs) if qd_target is None else body._check(qd_target, "qd_target")
    outside = np.zeros(body.n_dofs) if contact is None else body._check(contact, "contact")
    work, tree = body._dynamics(pose, velocity), body.skeleton.tree
    spring, torque = np.zeros((2, body.n_dofs))
    stable_pd_spring(tree, velocity, pose[3:6], target, wanted, kp_of, kd_of, dt, work, spring)
    implicit_torque(tree, velocity, spring, kd_of, outside, dt, work, torque)
    torque[:6] = 0.0
    return torque
