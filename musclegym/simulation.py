"""The physics world: one body on the ground, in PyBullet. The only file that imports it.

What is done here and why: inertias come from the file, since the engine would recompute them from collision
shapes; link frames are the principal axes of inertia, since the engine states ball joints in them; the
default motors are off, since they hold the joints and cost most of a step; the engine's damping is off, since
ours is implicit in the joint torque; joint limits are ours too, for the engine has none on ball joints. A new
body is a new world: the engine keeps some memory of every body that is removed from one, and of every file
that it reads while it caches files.
"""

import tempfile
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pybullet

from musclegym.body import Body
from musclegym.ground import FLAT, GroundShape
from musclegym.link_frames import ROOT_NUMBERS, link_frames, to_links
from musclegym.rotation import Array
from musclegym.skeleton import HINGE, as_floats
from musclegym.urdf import urdf

GROUND_HALF_EXTENTS = (500.0, 0.5, 500.0)
"""An even ground is a box, whose contacts with the feet's boxes have up to four points at once [m]."""
FIELD_CELLS = 24
"""An uneven ground is a patch of this many cells to either side, which follows the body."""
FIELD_STRAY = 8
"""Cells that the root may be away from the middle of the patch."""
FARTHEST = 1e6
"""Cells that the patch follows the root, as far as the engine's single precision tells cells apart."""
FIELD_LIMIT = 40.0
"""More than any height in a patch, over its middle; less than `FAR_AWAY` [m]."""
FIELD_TURN = [-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]
"""The engine's height fields stand along z; this orientation (xyzw) puts them upright."""
SOLVER_ITERATIONS = 10
"""Iterations of the contact solver; 20 and 50 change no episode of the walk and cost 30 and 90 % more [-]."""
FAR_AWAY = 50.0
"""Height to which a reset lifts the body first, so that no contact outlives an episode [m]."""


class Simulation:
    """One body in a physics world of its own.

    The state is read into `links`, an array laid out as `musclegym.link_frames` says. `push` pushes the body:
    `push_force` (3,) [N] and `push_body` say how and where, `push_point` gives the point of application.
    """

    def __init__(self, body: Body, physics_hz: int, ground: GroundShape = FLAT) -> None:
        """Build the world.

        Args:
            body: the body.
            physics_hz: physics steps per second [1/s].
            ground: what it stands on.
        """
        self.physics_hz = physics_hz
        self.ground = ground
        self._client = pybullet.connect(pybullet.DIRECT)
        self._support: list[tuple[int, Array]] = []
        self.release()
        self.set_body(body)

    def set_body(self, body: Body, ground: GroundShape | None = None) -> None:
        """Replace the body, and the ground if one is given; `reset` then places the new body."""
        self.body = body
        self.ground = self.ground if ground is None else ground
        self.frames = link_frames(body.skeleton)
        self.links = np.zeros(self.frames.size)
        self._build()

    def set_ground(self, ground: GroundShape) -> None:
        """Replace the ground; `reset` then places the body."""
        tilted = ground.is_even and self.ground.is_even
        self.ground = ground
        if tilted:
            self._tilt_ground()
        else:
            self._build()

    def _build(self) -> None:
        client = self._client
        pybullet.resetSimulation(physicsClientId=client)
        pybullet.setGravity(0.0, -self.body.gravity, 0.0, physicsClientId=client)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=1.0 / self.physics_hz,
            numSubSteps=1,
            numSolverIterations=SOLVER_ITERATIONS,
            deterministicOverlappingPairs=1,
            enableFileCaching=0,
            physicsClientId=client,
        )
        self._build_ground()
        with tempfile.NamedTemporaryFile("w", suffix=".urdf", delete=False) as file:
            file.write(urdf(self.body))
        try:
            flags = pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_MAINTAIN_LINK_ORDER
            self._body = pybullet.loadURDF(file.name, flags=flags, physicsClientId=client)
        finally:
            Path(file.name).unlink()
        self._joints = list(range(self.body.skeleton.n_bodies - 1))
        hinge = self.body.skeleton.joint_kind[1:] == HINGE
        stops = np.cumsum([0, *np.where(hinge, 1, 3)]).tolist()
        self._torque_of_joint = [slice(first, stop) for first, stop in pairwise(stops)]
        stops = np.cumsum([ROOT_NUMBERS, *np.where(hinge, 1, 4)]).tolist()
        self._position_of_joint = [slice(first, stop) for first, stop in pairwise(stops)]
        self._velocity_start = stops[-1]
        self._quiet(hinge)

    def _build_ground(self) -> None:
        if self.ground.is_even:
            shape = pybullet.createCollisionShape(
                pybullet.GEOM_BOX, halfExtents=GROUND_HALF_EXTENTS, physicsClientId=self._client
            )
            self._ground = pybullet.createMultiBody(0.0, shape, physicsClientId=self._client)
            self._tilt_ground()
        else:
            self._middle = (0, 0)
            self._field = self._make_field()
            self._ground = pybullet.createMultiBody(0.0, self._field, physicsClientId=self._client)
            self._place_ground(self._field_position(), FIELD_TURN)

    def _tilt_ground(self) -> None:
        """Turn the box of an even ground so that its upper face is the slope."""
        half, direction = 0.5 * self.ground.slope, self.ground.direction
        turn = [-np.sin(half) * np.cos(direction), 0.0, np.sin(half) * np.sin(direction), np.cos(half)]
        self._place_ground(-GROUND_HALF_EXTENTS[1] * self.ground.normal, turn)

    def _place_ground(self, position: Sequence[float] | Array, orientation: Sequence[float]) -> None:
        """Put the ground's body somewhere; the engine multiplies its friction and the feet's, which is 1."""
        pybullet.resetBasePositionAndOrientation(
            self._ground, position, orientation, physicsClientId=self._client
        )
        pybullet.changeDynamics(
            self._ground,
            -1,
            lateralFriction=self.ground.friction,
            restitution=0.0,
            physicsClientId=self._client,
        )

    def _make_field(self, replaced: int = -1) -> int:
        """Return the shape of the patch around `_middle`, a new one or the one that it replaces.

        Two far corners hold the limits of its height, for the engine puts the middle of these at the shape's
        origin and keeps them when heights are replaced.
        """
        (i, j), span = self._middle, np.arange(-FIELD_CELLS, FIELD_CELLS + 1)
        height = self.ground.corner_height(i + span[None, :], j + span[::-1, None])
        height -= self._field_position()[1]
        height[0, 0], height[-1, -1] = -FIELD_LIMIT, FIELD_LIMIT
        return pybullet.createCollisionShape(
            pybullet.GEOM_HEIGHTFIELD,
            flags=pybullet.GEOM_CONCAVE_INTERNAL_EDGE,  # else feet catch on the edges between triangles
            meshScale=[self.ground.cell, self.ground.cell, 1.0],
            heightfieldData=height.ravel().tolist(),
            numHeightfieldRows=len(span),
            numHeightfieldColumns=len(span),
            replaceHeightfieldIndex=replaced,
            physicsClientId=self._client,
        )

    def _field_position(self) -> list[float]:
        i, j = self._middle
        cell = self.ground.cell
        return [cell * i, float(self.ground.corner_height(i, j)), cell * j]

    def _follow(self) -> None:
        """Lay the patch of an uneven ground around the body once the root has strayed from its middle."""
        x, z = self.links[0] / self.ground.cell, self.links[2] / self.ground.cell
        away = max(abs(x - self._middle[0]), abs(z - self._middle[1]))
        if FIELD_STRAY < away < FARTHEST:
            self._middle = (round(x), round(z))
            self._make_field(self._field)
            self._place_ground(self._field_position(), FIELD_TURN)

    def _quiet(self, hinge: npt.NDArray[np.bool_]) -> None:
        """Switch off motors, damping and sleep; leave the friction to the ground."""
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
                lateralFriction=1.0,
                restitution=0.0,
                activationState=pybullet.ACTIVATION_STATE_DISABLE_SLEEPING,
                physicsClientId=client,
            )

    def reset(self, q: npt.ArrayLike, qd: npt.ArrayLike) -> None:
        """Put the body into the pose `q` (dof,) with velocity `qd` (dof,), unpushed, and read it back."""
        self.release()
        self._support = []
        if not np.isfinite(self.links).all():
            self._build()  # numbers that are not finite stay in the engine's memory of contacts
        pose, velocity, state = as_floats(q).copy(), as_floats(qd), np.zeros(self.frames.size)
        height = pose[4]
        for lift in (FAR_AWAY, 0.0):
            pose[4] = height + lift
            to_links(self.body.skeleton.tree, self.frames, pose, velocity, state)
            self._place(state.tolist())
            if lift:
                pybullet.performCollisionDetection(physicsClientId=self._client)
        self.read()
        if not self.ground.is_even:
            self._follow()

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
        if self._pushed:
            self._apply(self.push_body, self.push_force)
        for body, force in self._support:
            self._apply(body, force)
        if not self.ground.is_even:
            self._follow()
        pybullet.stepSimulation(physicsClientId=self._client)

    def push(self, body: int, force: npt.ArrayLike) -> None:
        """Push the mass centre of a body with a force (3,) in the world [N], until `release` or `reset`.

        Raises:
            ValueError: if there is no such body, or the force is not three finite numbers.
        """
        force = as_floats(force)
        if not 0 <= body < self.body.skeleton.n_bodies:
            raise ValueError(
                f"a push acts on a body from 0 to {self.body.skeleton.n_bodies - 1}, but is on {body}; "
                f"skeleton.body(name) gives the number of a body"
            )
        if force.shape != (3,) or not np.isfinite(force).all():
            raise ValueError(
                f"the force of a push must be three finite numbers [N], but is {force}; give x, y, z"
            )
        self.push_body, self.push_force, self._pushed = body, force, True

    def support(self, bodies: Sequence[int], forces: Array) -> None:
        """Pull at mass centres of bodies by forces (n, 3) in the world [N] until called again or `reset`."""
        self._support = list(zip(bodies, forces, strict=True))

    def release(self) -> None:
        """End the push."""
        self.push_body, self.push_force, self._pushed = 0, np.zeros(3), False

    def push_point(self) -> Array:
        """Return where the push acts: the mass centre of the pushed body, shape (3,) [m]."""
        return np.array(self._mass_centre(self.push_body))

    def _mass_centre(self, body: int) -> Sequence[float]:
        client = self._client
        if body == 0:
            return pybullet.getBasePositionAndOrientation(self._body, physicsClientId=client)[0]
        return pybullet.getLinkState(self._body, body - 1, physicsClientId=client)[0]

    def _apply(self, body: int, force: Array) -> None:
        """Let a force (3,) in the world [N] act on the mass centre of a body in the next physics step."""
        pybullet.applyExternalForce(
            self._body,
            body - 1,
            force.tolist(),
            self._mass_centre(body),
            pybullet.WORLD_FRAME,
            physicsClientId=self._client,
        )

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
