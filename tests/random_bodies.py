"""Random bodies of the MASS family, drawn as XML, and a plain NumPy twin that reads the same files by itself.

The twin shares no code with the package: it parses the files with ElementTree, turns with scipy's rotations,
and works in the world frame, body by body and waypoint by waypoint.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from musclegym.rotation import Array
from tests.synthetic import text, transformation

FORMS = ("chain", "star", "tree")


@dataclass(frozen=True)
class Recipe:
    """What a random body is made of; small numbers make small bodies."""

    form: str
    bodies: int
    muscles: int
    seed: int

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the body's two files."""
        rng = np.random.default_rng(self.seed)
        parents = [-1, *(self.parent(rng, index) for index in range(1, self.bodies))]
        joints = np.array([[0.0, 1.0, 0.0]] * self.bodies)
        nodes = []
        for index, parent in enumerate(parents):
            joints[index] = joints[parent] + rng.normal(0.0, 0.2, 3)
            nodes.append(node(rng, index, parent, joints[index]))
        units = [unit(rng, index, joints) for index in range(self.muscles)]
        paths = folder / "body.xml", folder / "muscles.xml"
        paths[0].write_text(f"<Skeleton>{''.join(nodes)}</Skeleton>")
        paths[1].write_text(f"<Muscle>{''.join(units)}</Muscle>")
        return paths

    def parent(self, rng: np.random.Generator, index: int) -> int:
        """Return the parent of a body."""
        return {"chain": index - 1, "star": 0, "tree": int(rng.integers(index))}[self.form]


recipes = st.builds(
    Recipe,
    form=st.sampled_from(FORMS),
    bodies=st.integers(2, 25),
    muscles=st.integers(1, 60),
    seed=st.integers(0, 10_000),
)


def node(rng: np.random.Generator, index: int, parent: int, joint: Array) -> str:
    """Return the XML of one body and its joint, with or without limits."""
    kind = rng.choice(["Ball", "Revolute"]) if index else "Free"
    shapes = [
        f'type="Box" size="{text(rng.uniform(0.1, 0.4, 3))}"',
        f'type="Sphere" radius="{rng.uniform(0.05, 0.2)}"',
        f'type="Capsule" radius="{rng.uniform(0.05, 0.1)}" height="{rng.uniform(0.1, 0.3)}"',
    ]
    limits = np.sort(rng.uniform(-2.0, 2.0, (2, 3 if kind == "Ball" else 1)), axis=0)
    bounds = f'lower="{text(limits[0])}" upper="{text(limits[1])}"' if index and rng.random() < 0.5 else ""
    return (
        f'<Node name="Body{index}" parent="{"None" if parent < 0 else f"Body{parent}"}" '
        f'endeffector="{rng.choice(["True", "False"])}">'
        f'<Body mass="{rng.uniform(0.5, 8.0)}" {rng.choice(shapes)} contact="{rng.choice(["On", "Off"])}">'
        f"{transformation(rng, joint + rng.normal(0.0, 0.15, 3))}</Body>"
        f'<Joint type="{kind}" axis="{text(rng.normal(size=3))}" {bounds} bvh="Joint{index}">'
        f"{transformation(rng, joint)}</Joint></Node>"
    )


def unit(rng: np.random.Generator, index: int, joints: Array) -> str:
    """Return the XML of one muscle; about half of its inner waypoints lie near a joint and are blended."""
    count = int(rng.integers(2, 7))
    bodies = rng.integers(len(joints), size=count)
    near = rng.random(count) < 0.5
    places = joints[bodies] + np.where(near[:, None], 0.02, 0.15) * rng.normal(size=(count, 3))
    waypoints = "".join(
        f'<Waypoint body="Body{body}" p="{text(place)}"/>' for body, place in zip(bodies, places, strict=True)
    )
    figures = f'f0="{rng.uniform(100, 1000)}" lm="{rng.uniform(0.4, 1.2)}" lt="{rng.uniform(0.0, 0.5)}"'
    return f'<Unit name="muscle{index}" {figures}>{waypoints}</Unit>'


class Twin:
    """The mechanics of a body's files, written down plainly."""

    def __init__(self, skeleton: Path, muscles: Path) -> None:
        nodes = ElementTree.parse(skeleton).getroot().findall("Node")
        names = [node.attrib["name"] for node in nodes]
        self.parent = [
            names.index(node.attrib["parent"]) if index else -1 for index, node in enumerate(nodes)
        ]
        parts = [(node[0], node[1]) for node in nodes]
        self.kind = [joint.attrib["type"] for _, joint in parts]
        self.axis = [unit_vector(floats(joint, "axis")) for _, joint in parts]
        self.mass = np.array([float(body.attrib["mass"]) for body, _ in parts])
        self.body, self.com = (
            list(column) for column in zip(*(frame(body) for body, _ in parts), strict=True)
        )
        self.joint, self.place = (list(column) for column in zip(*(frame(j) for _, j in parts), strict=True))
        self.inertia = [solid_inertia(body) for body, _ in parts]
        counts = [{"Free": 6, "Ball": 3, "Revolute": 1}[kind] for kind in self.kind]
        self.start = np.cumsum([0, *counts])
        self.units = ElementTree.parse(muscles).getroot().findall("Unit")
        self.names = names
        self.last: tuple[Array, tuple[list[Rotation], list[Array]]] | None = None

    @property
    def dofs(self) -> int:
        """Number of degrees of freedom."""
        return int(self.start[-1])

    def own_turn(self, body: int, q: Array) -> Rotation:
        """Rotation of a joint away from rest."""
        angles = q[self.start[body] :]
        revolute = self.kind[body] == "Revolute"
        return Rotation.from_rotvec(self.axis[body] * angles[0] if revolute else angles[:3])

    def pose(self, q: Array) -> tuple[list[Rotation], list[Array]]:
        """Joint frames and joint positions in the world; the last pose is kept."""
        if self.last is not None and np.array_equal(self.last[0], q):
            return self.last[1]
        frames: list[Rotation] = []
        places: list[Array] = []
        for body, parent in enumerate(self.parent):
            if parent < 0:
                frames.append(self.joint[body] * self.own_turn(body, q))
                places.append(self.place[body] + q[3:6])
                continue
            back = self.joint[parent].inv()
            frames.append(frames[parent] * back * self.joint[body] * self.own_turn(body, q))
            offset = back.apply(self.place[body] - self.place[parent])
            places.append(places[parent] + frames[parent].apply(offset))
        self.last = q.copy(), (frames, places)
        return frames, places

    def image(self, q: Array, body: int, point: Array) -> Array:
        """Where a point that lies at `point` in the rest pose is, if `body` carries it."""
        frames, places = self.pose(q)
        return places[body] + frames[body].apply(self.joint[body].inv().apply(point - self.place[body]))

    def coms(self, q: Array) -> Array:
        """Centres of mass in the world."""
        return np.array([self.image(q, body, com) for body, com in enumerate(self.com)])

    def rotations(self, q: Array) -> Array:
        """Body frames in the world."""
        frames = self.pose(q)[0]
        turned = [f * j.inv() * b for f, j, b in zip(frames, self.joint, self.body, strict=True)]
        return np.array([rotation.as_matrix() for rotation in turned])

    def jacobian(self, q: Array, body: int, point: Array) -> tuple[Array, Array]:
        """Velocity of a point of a body, given in the world, and angular velocity, per DoF, both (3, dof)."""
        frames, places = self.pose(q)
        linear, angular = np.zeros((2, 3, self.dofs))
        while body >= 0:
            start, turn = self.start[body], frames[body].as_matrix()
            axes = turn @ self.axis[body][:, None] if self.kind[body] == "Revolute" else turn
            dofs = slice(start, start + axes.shape[1])
            angular[:, dofs] = axes
            linear[:, dofs] = np.cross(axes.T, point - places[body]).T
            if self.kind[body] == "Free":
                linear[:, start + 3 : start + 6] = turn
            body = self.parent[body]
        return linear, angular

    def mass_matrix(self, q: Array) -> Array:
        """Sum over the bodies of J^T M J."""
        matrix = np.zeros((self.dofs, self.dofs))
        for body, (com, turn) in enumerate(zip(self.coms(q), self.rotations(q), strict=True)):
            linear, angular = self.jacobian(q, body, com)
            inertia = turn @ (self.mass[body] * self.inertia[body]) @ turn.T
            matrix += self.mass[body] * linear.T @ linear + angular.T @ inertia @ angular
        return matrix

    def bias(self, q: Array, qd: Array, gravity: float, step: float = 1e-5) -> Array:
        """Newton's and Euler's laws of each body at zero qdd, its momenta derived numerically."""
        ends = [self.momenta(self.moved(q, qd, sign * step), qd) for sign in (1.0, -1.0)]
        rate = (ends[0] - ends[1]) / (2.0 * step)
        torque = np.zeros(self.dofs)
        for body, com in enumerate(self.coms(q)):
            linear, angular = self.jacobian(q, body, com)
            weight = np.array([0.0, -gravity * self.mass[body], 0.0])
            torque += linear.T @ (rate[body, 0] - weight) + angular.T @ rate[body, 1]
        return torque

    def momenta(self, q: Array, qd: Array) -> Array:
        """Linear momentum of each body, and its angular momentum about its own centre, (body, 2, 3)."""
        momenta = []
        for body, (com, turn) in enumerate(zip(self.coms(q), self.rotations(q), strict=True)):
            linear, angular = self.jacobian(q, body, com)
            inertia = turn @ (self.mass[body] * self.inertia[body]) @ turn.T
            momenta.append([self.mass[body] * linear @ qd, inertia @ angular @ qd])
        return np.array(momenta)

    def moved(self, q: Array, qd: Array, time: float) -> Array:
        """The pose after `time` of constant velocity."""
        after = q + time * qd
        for body, kind in enumerate(self.kind):
            at = slice(self.start[body], self.start[body] + 3)
            if kind != "Revolute":
                turn = self.own_turn(body, q) * Rotation.from_rotvec(time * qd[at])
                after[at] = turn.as_rotvec()
        after[3:6] = q[3:6] + time * (self.joint[0] * self.own_turn(0, q)).apply(qd[3:6])
        return after

    @cached_property
    def waypoints(self) -> list[list[tuple[Array, list[tuple[int, float]]]]]:
        """Of each muscle, its waypoints in the rest pose and who carries them with which share."""
        return [
            [
                (floats(way, "p"), self.shares(way, 0 < index < len(unit) - 1))
                for index, way in enumerate(unit)
            ]
            for unit in self.units
        ]

    def shares(self, way: ElementTree.Element, inner: bool) -> list[tuple[int, float]]:
        """Bodies of a waypoint; within 8 cm of a joint, of both of its bodies by inverse root distance."""
        distance = [float(np.linalg.norm(floats(way, "p") - place)) for place in self.place]
        near = int(np.argmin(distance))
        if not inner or distance[near] >= 0.08:
            return [(self.names.index(way.attrib["body"]), 1.0)]
        pair = [body for body in (near, self.parent[near]) if body >= 0]
        inverse = [1.0 / np.sqrt(distance[body]) for body in pair]
        return [(body, share / sum(inverse)) for body, share in zip(pair, inverse, strict=True)]

    def path(self, q: Array, muscle: int) -> Array:
        """Waypoints of a muscle in the world."""
        return np.array(
            [
                sum((share * self.image(q, body, point) for body, share in shares), np.zeros(3))
                for point, shares in self.waypoints[muscle]
            ]
        )

    def lengths(self, q: Array) -> Array:
        """Path lengths."""
        return np.array([path_length(self.path(q, muscle)) for muscle in range(len(self.units))])

    def forces(self, q: Array) -> tuple[Array, Array]:
        """Active force per unit activation and passive force of each muscle."""
        figures = np.array([[float(unit.attrib[key]) for key in ("f0", "lm", "lt")] for unit in self.units]).T
        length = (self.lengths(q) / self.lengths(np.zeros(self.dofs)) - figures[2]) / figures[1]
        strain = np.maximum(length - 1.0, 0.0)
        active = np.exp(-((length - 1.0) ** 2) / 0.5)
        return figures[0] * active, figures[0] * np.expm1(4.0 * strain / 0.6) / np.expm1(4.0)

    def pull(self, q: Array, muscle: int) -> tuple[Array, Array, Array]:
        """Joint torque (dof,), force (3,) and moment about the origin (3,) of unit tension in one muscle."""
        path = self.path(q, muscle)
        ways = [unit_vector(way) for way in np.diff(path, axis=0)]
        tensions = np.array([*ways, np.zeros(3)]) - np.array([np.zeros(3), *ways])
        torque, force, moment = np.zeros(self.dofs), np.zeros(3), np.zeros(3)
        for (point, shares), tension in zip(self.waypoints[muscle], tensions, strict=True):
            for body, share in shares:
                at = self.image(q, body, point)
                torque += share * tension @ self.jacobian(q, body, at)[0]
                force += share * tension
                moment += share * skew(at) @ tension
        return torque, force, moment


def floats(element: ElementTree.Element, key: str) -> Array:
    """Return numbers of an attribute, in single precision as the format wants it."""
    return np.array(element.attrib[key].split(), dtype=np.float32).astype(np.float64)


def frame(element: ElementTree.Element) -> tuple[Rotation, Array]:
    """Return the placement of a Body or Joint."""
    matrix = floats(element[0], "linear").reshape(3, 3)
    first = unit_vector(matrix[:, 0])
    second = unit_vector(matrix[:, 1] - first * (first @ matrix[:, 1]))
    columns = np.array([first, second, np.cross(first, second)]).T
    return Rotation.from_matrix(columns), floats(element[0], "translation")


def solid_inertia(body: ElementTree.Element) -> Array:
    """Return the inertia of a uniform solid of unit mass about its centre."""
    if body.attrib["type"] == "Box":
        edges = floats(body, "size") ** 2
        return np.diag([edges[1] + edges[2], edges[0] + edges[2], edges[0] + edges[1]]) / 12.0
    radius = float(body.attrib["radius"])
    if body.attrib["type"] == "Sphere":
        return 0.4 * radius**2 * np.eye(3)
    half = 0.5 * float(body.attrib["height"])  # of a capsule: integrate discs along z
    nodes, weights = np.polynomial.legendre.leggauss(20)
    z = np.concatenate([half * nodes, half + 0.5 * radius * (nodes + 1.0)])
    square = np.where(z <= half, radius**2, radius**2 - np.maximum(z - half, 0.0) ** 2)
    volume = np.concatenate([half * weights, 2.0 * 0.5 * radius * weights]) * square
    volume /= volume.sum()
    across = volume @ (square / 4.0 + z**2)
    return np.diag([across, across, volume @ square / 2.0])


def path_length(points: Array) -> float:
    """Return the length of a path."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def skew(vector: Array) -> Array:
    """Return the matrix that crosses a vector with another one."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def unit_vector(vector: Array) -> Array:
    """Return a vector of length one, or zero for zero."""
    return vector / (np.linalg.norm(vector) or 1.0)
