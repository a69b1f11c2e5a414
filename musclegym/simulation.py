"""The physics world: one body on the ground, in PyBullet. The only file that imports it.

What is done here and why: inertias come from the file, since the engine would recompute them from collision
shapes; link frames are the principal axes of inertia, since the engine states ball joints in them; the
default motors are off, since they hold the joints and cost most of a step; the engine's damping is off, since
ours is implicit in the joint torque; joint limits are ours too, for the engine has none on ball joints.
"""

import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pybullet
from scipy.spatial.transform import Rotation

from musclegym.body import Body
from musclegym.link_frames import ROOT_NUMBERS, link_frames, to_links
from musclegym.rotation import Array
from musclegym.skeleton import HINGE, as_floats

GROUND_HALF_EXTENTS = (500.0, 0.5, 500.0)
"""The ground is a box, whose contacts with the feet's boxes have up to four points at once [m]."""
FRICTION = 1.0
"""Coefficient of friction between feet and ground, as in MASS [-]."""
SOLVER_ITERATIONS = 10
"""Iterations of the contact solver; 20 and 50 change no episode of the walk and cost 30 and 90 % more [-]."""
FAR_AWAY = 50.0
"""Height to which a reset lifts the body first, so that no contact outlives an episode [m]."""


class Simulation:
    """One body in a physics world of its own.

    The state is read into `links`, an array laid out as `musclegym.link_frames` says.
    """

    def __init__(self, body: Body, physics_hz: int) -> None:
        """Build the world.

        Args:
            body: the body.
            physics_hz: physics steps per second [1/s].
        """
        self.body = body
        self.frames = link_frames(body.skeleton)
        self.links = np.zeros(self.frames.size)
        self._client = pybullet.connect(pybullet.DIRECT)
        self._build(physics_hz)

    def _build(self, physics_hz: int) -> None:
        client = self._client
        pybullet.resetSimulation(physicsClientId=client)
        pybullet.setGravity(0.0, -self.body.gravity, 0.0, physicsClientId=client)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=1.0 / physics_hz,
            numSubSteps=1,
            numSolverIterations=SOLVER_ITERATIONS,
            deterministicOverlappingPairs=1,
            physicsClientId=client,
        )
        shape = pybullet.createCollisionShape(
            pybullet.GEOM_BOX, halfExtents=GROUND_HALF_EXTENTS, physicsClientId=client
        )
        self._ground = pybullet.createMultiBody(
            0.0, shape, basePosition=[0.0, -GROUND_HALF_EXTENTS[1], 0.0], physicsClientId=client
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "body.urdf"
            path.write_text(urdf(self.body))
            flags = pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_MAINTAIN_LINK_ORDER
            self._body = pybullet.loadURDF(str(path), flags=flags, physicsClientId=client)
        self._joints = list(range(self.body.skeleton.n_bodies - 1))
        hinge = self.body.skeleton.joint_kind[1:] == HINGE
        stops = np.cumsum(np.where(hinge, 1, 3)).tolist()
        self._torque_of_joint = [slice(a, b) for a, b in zip([0, *stops[:-1]], stops, strict=True)]
        stops = (ROOT_NUMBERS + np.cumsum(np.where(hinge, 1, 4))).tolist()
        self._position_of_joint = [
            slice(a, b) for a, b in zip([ROOT_NUMBERS, *stops[:-1]], stops, strict=True)
        ]
        self._velocity_start = stops[-1]
        self._quiet(hinge)

    def _quiet(self, hinge: npt.NDArray[np.bool_]) -> None:
        """Switch off motors, damping and sleep, and set the friction."""
        client, body = self._client, self._body
        for joint in self._joints:
            if hinge[joint]:
                pybullet.setJointMotorControl2(
                    body, joint, pybullet.VELOCITY_CONTROL, force=0.0, physicsClientId=client
                )
            else:
                pybullet.setJointMotorControlMultiDof(
                    body,
                    joint,
                    pybullet.POSITION_CONTROL,
                    targetPosition=[0.0, 0.0, 0.0, 1.0],
                    positionGain=0.0,
                    velocityGain=1.0,
                    force=[0.0, 0.0, 0.0],
                    physicsClientId=client,
                )
        for link in (-1, *self._joints):
            pybullet.changeDynamics(
                body,
                link,
                linearDamping=0.0,
                angularDamping=0.0,
                jointDamping=0.0,
                lateralFriction=FRICTION,
                restitution=0.0,
                activationState=pybullet.ACTIVATION_STATE_DISABLE_SLEEPING,
                physicsClientId=client,
            )
        pybullet.changeDynamics(
            self._ground, -1, lateralFriction=FRICTION, restitution=0.0, physicsClientId=client
        )

    def reset(self, q: npt.ArrayLike, qd: npt.ArrayLike) -> None:
        """Put the body into the pose `q` (dof,) with velocity `qd` (dof,) and read it back."""
        pose, velocity, state = as_floats(q).copy(), as_floats(qd), np.zeros(self.frames.size)
        height = pose[4]
        for lift in (FAR_AWAY, 0.0):
            pose[4] = height + lift
            to_links(self.body.skeleton.tree, self.frames, pose, velocity, state)
            self._place(state.tolist())
            if lift:
                pybullet.performCollisionDetection(physicsClientId=self._client)
        self.read()

    def _place(self, state: list[float]) -> None:
        client, body = self._client, self._body
        pybullet.resetBasePositionAndOrientation(body, state[0:3], state[3:7], physicsClientId=client)
        pybullet.resetBaseVelocity(body, state[7:10], state[10:13], physicsClientId=client)
        velocities = state[self._velocity_start :]
        pybullet.resetJointStatesMultiDof(
            body,
            self._joints,
            [state[place] for place in self._position_of_joint],
            [velocities[place] for place in self._torque_of_joint],
            physicsClientId=client,
        )
        pybullet.getLinkStates(body, self._joints, computeForwardKinematics=1, physicsClientId=client)

    def read(self) -> Array:
        """Read the state of the body into `links`, and return it."""
        client, body = self._client, self._body
        position, orientation = pybullet.getBasePositionAndOrientation(body, physicsClientId=client)
        linear, angular = pybullet.getBaseVelocity(body, physicsClientId=client)
        joints = pybullet.getJointStatesMultiDof(body, self._joints, physicsClientId=client)
        flat = [*position, *orientation, *linear, *angular]
        flat += chain.from_iterable([joint[0] for joint in joints])
        flat += chain.from_iterable([joint[1] for joint in joints])
        self.links[:] = flat
        return self.links

    def step(self, torque: Array | None) -> None:
        """Advance by one physics step under joint torques (dof - 6,) [N m] in link frames, or under none."""
        if torque is not None:
            flat = torque.tolist()
            pybullet.setJointMotorControlMultiDofArray(
                self._body,
                self._joints,
                pybullet.TORQUE_CONTROL,
                forces=[flat[place] for place in self._torque_of_joint],
                physicsClientId=self._client,
            )
        pybullet.stepSimulation(physicsClientId=self._client)

    def ground_forces(self) -> Array:
        """Return the normal force of the ground on each body, summed over its contacts, shape (body,) [N]."""
        forces = np.zeros(self.body.skeleton.n_bodies)
        points = pybullet.getContactPoints(self._body, self._ground, physicsClientId=self._client)
        for point in points:
            forces[point[3] + 1] += point[9]
        return forces

    def close(self) -> None:
        """Free the world; may be called twice."""
        if self._client >= 0:
            pybullet.disconnect(self._client)
            self._client = -1


def urdf(body: Body) -> str:
    """Return the body as URDF text, link frames at the joints along the principal axes of inertia."""
    skeleton, frames = body.skeleton, link_frames(body.skeleton)
    in_world = skeleton.joint_rotation @ frames.to_joint
    robot = ElementTree.Element("robot", name=body.name)
    for index, name in enumerate(skeleton.body_names):
        link = ElementTree.SubElement(robot, "link", name=name)
        centre = in_world[index].T @ (skeleton.com[index] - skeleton.joint_position[index])
        inertial = ElementTree.SubElement(link, "inertial")
        ElementTree.SubElement(inertial, "origin", xyz=text(centre), rpy="0 0 0")
        ElementTree.SubElement(inertial, "mass", value=text([skeleton.mass[index]]))
        xx, yy, zz = (text([value]) for value in frames.principal_inertia[index])
        ElementTree.SubElement(inertial, "inertia", ixx=xx, iyy=yy, izz=zz, ixy="0", ixz="0", iyz="0")
        if skeleton.contact[index]:
            collision = ElementTree.SubElement(link, "collision")
            turn = in_world[index].T @ skeleton.body_rotation[index]
            ElementTree.SubElement(collision, "origin", xyz=text(centre), rpy=angles(turn))
            geometry = ElementTree.SubElement(collision, "geometry")
            ElementTree.SubElement(geometry, "box", size=text(skeleton.size[index]))
    for index in range(1, skeleton.n_bodies):
        parent, hinge = skeleton.parent[index], skeleton.joint_kind[index] == HINGE
        name = skeleton.body_names[index]
        joint = ElementTree.SubElement(robot, "joint", name=name, type="continuous" if hinge else "spherical")
        ElementTree.SubElement(joint, "parent", link=skeleton.body_names[parent])
        ElementTree.SubElement(joint, "child", link=name)
        offset = in_world[parent].T @ (skeleton.joint_position[index] - skeleton.joint_position[parent])
        ElementTree.SubElement(
            joint, "origin", xyz=text(offset), rpy=angles(in_world[parent].T @ in_world[index])
        )
        axis = frames.to_joint[index].T @ skeleton.joint_axis[index] if hinge else [1.0, 0.0, 0.0]
        ElementTree.SubElement(joint, "axis", xyz=text(axis))
    ElementTree.indent(robot)  # the engine breaks words in lines of more than 1024 characters
    return ElementTree.tostring(robot, encoding="unicode")


def text(numbers: Sequence[float] | Array) -> str:
    """Return numbers as URDF text."""
    return " ".join(f"{float(number):.17g}" for number in numbers)


def angles(rotation: Array) -> str:
    """Return the roll, pitch and yaw [rad] of a rotation matrix as URDF text."""
    return text(Rotation.from_matrix(rotation).as_euler("xyz"))
