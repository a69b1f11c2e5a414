"""Bones to draw: solids fixed to a skeleton's bodies, shaped from its joints and boxes.

Bodies of the 23-body human get bones that can be recognised; any other body gets shafts from its joint to its
children's joints, or an ellipsoid in its box. They are pictures, not the boxes that touch the ground.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from musclegym.body import Kinematics
from musclegym.rotation import Array, IntArray
from musclegym.skeleton import Skeleton

UP, FORWARD = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
SHAFT = 0.10
"""Radius of a long bone over the mean thickness of its box, which holds the flesh too [-]."""
KNOB = 0.19
"""Likewise of its ends [-]."""
VERTEBRAE = {"Spine": 5, "Torso": 12, "Neck": 7}
RIBS = 9


@dataclass(frozen=True, eq=False)
class Bones:
    """Solids in the joint frames of the bodies that carry them."""

    cone_body: IntArray
    """Body that carries each cone, shape (cone,)."""
    cone_ends: Array
    """Centres of the cones' two spheres, shape (cone, 2, 3) [m]."""
    cone_radii: Array
    """Their radii, shape (cone, 2) [m]."""
    ellipsoid_body: IntArray
    """Body that carries each ellipsoid, shape (ellipsoid,)."""
    ellipsoid_centre: Array
    """Centres, shape (ellipsoid, 3) [m]."""
    ellipsoid_axes: Array
    """Rows are the axes divided by the semi-axes, shape (ellipsoid, 3, 3) [1/m]."""
    ellipsoid_shade: Array
    """Factor on the colour, shape (ellipsoid,) [-]."""

    @cached_property
    def ellipsoid_reach(self) -> Array:
        """Largest semi-axis of each ellipsoid, shape (ellipsoid,) [m]."""
        return 1.0 / np.linalg.norm(self.ellipsoid_axes, axis=2).min(axis=1)

    def place(self, kinematics: Kinematics) -> tuple[Array, Array, Array]:
        """Return in the world: cone ends (cone, 2, 3), ellipsoid centres (ellipsoid, 3) and axes."""
        rotation, position = kinematics.joint_rotation, kinematics.joint_position
        turned = np.einsum("nij,nkj->nki", rotation[self.cone_body], self.cone_ends)
        of = rotation[self.ellipsoid_body]
        centre = np.einsum("nij,nj->ni", of, self.ellipsoid_centre) + position[self.ellipsoid_body]
        axes = np.einsum("nkj,nij->nki", self.ellipsoid_axes, of)
        return turned + position[self.cone_body][:, None], centre, axes


class Carver:
    """Collects the bones of a skeleton in its rest pose."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.cones: list[tuple[int, Array, Array, float, float]] = []
        self.ellipsoids: list[tuple[int, Array, Array, float]] = []
        for index, name in enumerate(skeleton.body_names):
            children, shape = SHAPES.get(name) or SHAPES.get(name[:-1]) or (0, Carver.limb)
            if len(self.children(index)) != children:
                shape = Carver.limb
            shape(self, index)

    def bones(self) -> Bones:
        """Return what was collected, moved into the joint frames."""
        turn, origin = self.skeleton.joint_rotation, self.skeleton.joint_position
        body = np.array([cone[0] for cone in self.cones], dtype=np.int64)
        ends = np.array([cone[1:3] for cone in self.cones]).reshape(-1, 2, 3)
        carrier = np.array([solid[0] for solid in self.ellipsoids], dtype=np.int64)
        centre = np.array([solid[1] for solid in self.ellipsoids]).reshape(-1, 3)
        axes = np.array([solid[2] for solid in self.ellipsoids]).reshape(-1, 3, 3)
        return Bones(
            cone_body=body,
            cone_ends=np.einsum("nji,nkj->nki", turn[body], ends - origin[body][:, None]),
            cone_radii=np.array([cone[3:] for cone in self.cones]).reshape(-1, 2),
            ellipsoid_body=carrier,
            ellipsoid_centre=np.einsum("nji,nj->ni", turn[carrier], centre - origin[carrier]),
            ellipsoid_axes=np.einsum("nkj,nji->nki", axes, turn[carrier]),
            ellipsoid_shade=np.array([solid[3] for solid in self.ellipsoids]),
        )

    def cone(
        self, body: int, start: Array, end: Array, radius: float, end_radius: float | None = None
    ) -> None:
        """Add the hull of two spheres."""
        self.cones.append((body, start, end, radius, radius if end_radius is None else end_radius))

    def ellipsoid(
        self, body: int, centre: Array, semi_axes: Array, axes: Array | None = None, shade: float = 1.0
    ) -> None:
        """Add an ellipsoid; `axes` has its unit axes as columns, the world's if left out."""
        columns = np.eye(3) if axes is None else axes
        self.ellipsoids.append((body, centre, columns.T / np.asarray(semi_axes)[:, None], shade))

    def children(self, body: int) -> list[int]:
        """Return the bodies that hang on `body`."""
        return [int(child) for child in np.flatnonzero(self.skeleton.parent == body)]

    def box(self, body: int) -> tuple[Array, Array]:
        """Return edges [m] and unit axes (columns) of the body's box, longest first, away from the joint."""
        size, axes = self.skeleton.size[body], self.skeleton.body_rotation[body]
        order = np.argsort(-size)
        out = axes[:, order].copy()
        if out[:, 0] @ (self.skeleton.com[body] - self.skeleton.joint_position[body]) < 0.0:
            out[:, 0] *= -1.0
        return size[order], out

    def limb(self, body: int) -> None:
        """Add shafts to the children's joints, or an ellipsoid in the box of a body without children."""
        start = self.skeleton.joint_position[body]
        (length, wide, thick), axes = self.box(body)
        for child in self.children(body):
            end = self.skeleton.joint_position[child]
            self.long_bone(body, start, end, np.sqrt(wide * thick))
        if not self.children(body):
            self.ellipsoid(body, self.skeleton.com[body], 0.5 * np.array([length, wide, thick]), axes)

    def long_bone(self, body: int, start: Array, end: Array, thickness: float) -> None:
        """Add a shaft that flares to knobs at its ends."""
        shaft, knob = SHAFT * thickness, KNOB * thickness
        near, far = start + 0.16 * (end - start), start + 0.84 * (end - start)
        self.cone(body, start, near, knob, shaft)
        self.cone(body, near, far, shaft)
        self.cone(body, far, end, shaft, knob)

    def shank(self, body: int) -> None:
        """Add tibia and, to its outer side, fibula."""
        self.limb(body)
        start, end = self.skeleton.joint_position[body], self.skeleton.joint_position[self.children(body)[0]]
        (_, wide, thick), _ = self.box(body)
        size = np.sqrt(wide * thick)
        outward = np.array([np.sign(start[0]), 0.0, -0.5]) * 0.28 * size
        self.cone(body, start + 0.1 * (end - start) + outward, end + 0.8 * outward, 0.5 * SHAFT * size)

    def forearm(self, body: int) -> None:
        """Add ulna and radius side by side."""
        start, end = self.skeleton.joint_position[body], self.skeleton.joint_position[self.children(body)[0]]
        (_, wide, thick), _ = self.box(body)
        size = np.sqrt(wide * thick)
        aside = 0.17 * size * FORWARD
        self.cone(body, start - aside, end - aside, 0.20 * size, 0.10 * size)
        self.cone(body, start + 0.04 * (end - start) + aside, end + aside, 0.12 * size, 0.19 * size)

    def thigh(self, body: int) -> None:
        """Add a femur: head in the hip, neck outwards, shaft down to two condyles."""
        start, end = self.skeleton.joint_position[body], self.skeleton.joint_position[self.children(body)[0]]
        (_, wide, thick), _ = self.box(body)
        size = np.sqrt(wide * thick)
        outward = np.array([np.sign(start[0]), 0.0, 0.0])
        trochanter = start + 0.07 * (end - start) + 0.28 * size * outward
        self.cone(body, start, start, 0.16 * size)
        self.cone(body, start, trochanter, 0.10 * size, 0.13 * size)
        far = start + 0.86 * (end - start)
        self.cone(body, trochanter, far, 0.13 * size, 0.105 * size)
        for side in (-0.13, 0.13):
            self.cone(body, far, end + side * size * outward, 0.10 * size, 0.15 * size)

    def pelvis(self, body: int) -> None:
        """Add two hip bones, the pubis between them and the sacrum."""
        joints = self.skeleton.joint_position
        *legs, trunk = sorted(self.children(body), key=lambda child: joints[child, 1])
        hips, top = joints[legs], joints[trunk]
        width = abs(hips[0, 0] - hips[1, 0])
        middle = hips.mean(axis=0)
        for hip in hips:
            out = np.sign(hip[0] - middle[0])
            wing = hip + width * np.array([0.02 * out, 0.42, -0.12])
            normal = np.array([0.78 * out, -0.35, -0.45])
            axes = plate_axes(normal)
            self.ellipsoid(body, wing, width * np.array([0.48, 0.36, 0.05]), axes)
            socket = hip + width * np.array([0.02 * out, 0.05, -0.02])
            self.ellipsoid(body, socket, width * np.array([0.16, 0.20, 0.19]))
            pubis = middle + width * np.array([0.05 * out, -0.22, 0.30])
            sitting = hip + width * np.array([-0.14 * out, -0.42, -0.22])
            self.cone(body, socket, pubis, 0.075 * width)
            self.cone(body, socket, sitting, 0.09 * width, 0.08 * width)
            self.cone(body, sitting, pubis, 0.06 * width)
        tail = middle + width * np.array([0.0, 0.02, -0.42])
        self.cone(body, top - 0.02 * UP, tail, 0.20 * width, 0.05 * width)

    def column(self, body: int) -> None:
        """Add the vertebrae from the body's joint to that of the next one up."""
        start, end = self.skeleton.joint_position[body], self.trunk_end(body)
        count = VERTEBRAE[self.skeleton.body_names[body]]
        pitch = float(np.linalg.norm(end - start)) / count
        radius = min(max(0.55 * pitch, 0.014), 0.024)
        for index in range(count):
            centre = start + (index + 0.5) / count * (end - start)
            self.ellipsoid(body, centre, np.array([radius, 0.44 * pitch, 0.8 * radius]))
            self.cone(body, centre, centre - np.array([0.0, 0.4 * pitch, 1.7 * radius]), 0.22 * radius)

    def trunk_end(self, body: int) -> Array:
        """Return the highest of the children's joints, where the trunk goes on."""
        ends = self.skeleton.joint_position[self.children(body)]
        return ends[np.argmax(ends[:, 1])]

    def chest(self, body: int) -> None:
        """Add thoracic vertebrae, ribs and breastbone."""
        self.column(body)
        start, end = self.skeleton.joint_position[body], self.trunk_end(body)
        arms = [self.skeleton.joint_position[arm, 0] for arm in self.grandchildren(body)]
        half = 0.74 * max(np.abs(arms).max(initial=0.0), 0.5 * self.skeleton.size[body, 0])
        deep = 0.70 * half
        height = end[1] - start[1]
        breastbone = []
        for rib in range(RIBS):
            up = rib / (RIBS - 1.0)
            back = start + (0.10 + 0.86 * up) * (end - start)
            grow = np.sin(np.pi * (0.30 + 0.58 * (1.0 - up))) ** 0.6 if up > 0.0 else 0.86
            sweep = 1.0 if rib >= 2 else 0.62 + 0.15 * rib
            drop = (0.26 - 0.12 * up) * height
            for side in (-1.0, 1.0):
                turn = np.linspace(0.0, sweep * np.pi, 11)
                x = side * half * grow * np.sin(turn) * (1.0 - 0.04 * np.cos(turn))
                z = back[2] + deep * grow * (1.0 - np.cos(turn)) - 0.02
                y = back[1] - drop * np.sin(0.5 * turn) ** 1.5
                points = np.stack([x, y, z], axis=1)
                for a, b in pairwise(points):
                    self.cone(body, a, b, 0.0058)
                if rib in (2, RIBS - 1):
                    breastbone.append(points[-1])
        self.cone(body, np.mean(breastbone[2:], axis=0), np.mean(breastbone[:2], axis=0), 0.016, 0.012)

    def grandchildren(self, body: int) -> list[int]:
        """Return the bodies that hang on those that hang on `body`."""
        return [grandchild for child in self.children(body) for grandchild in self.children(child)]

    def shoulder(self, body: int) -> None:
        """Add collar bone and shoulder blade."""
        start, end = self.skeleton.joint_position[body], self.skeleton.joint_position[self.children(body)[0]]
        length = float(np.linalg.norm(end - start))
        out = np.sign(end[0] - start[0])
        tip = end + length * np.array([0.02 * out, 0.16, 0.0])
        self.cone(body, start, 0.5 * (start + tip) + 0.1 * length * FORWARD, 0.055 * length, 0.042 * length)
        self.cone(body, 0.5 * (start + tip) + 0.1 * length * FORWARD, tip, 0.042 * length, 0.055 * length)
        blade = end + length * np.array([-0.36 * out, -0.32, -0.36])
        axes = plate_axes(np.array([0.35 * out, 0.1, -0.93]))
        self.ellipsoid(body, blade, length * np.array([0.28, 0.50, 0.045]), axes)
        self.cone(
            body, blade + length * np.array([-0.22 * out, 0.20, -0.06]), tip, 0.05 * length, 0.06 * length
        )
        self.cone(body, blade, end, 0.07 * length, 0.11 * length)

    def skull(self, body: int) -> None:
        """Add cranium, face, sockets of the eyes and jaw."""
        size = self.skeleton.size[body]
        edge = max(size[1], 0.17)

        def at(x: float, y: float, z: float) -> Array:
            return self.skeleton.com[body] + edge * np.array([x, y, z])

        self.ellipsoid(body, at(0.0, 0.13, -0.05), edge * np.array([0.37, 0.38, 0.47]))
        self.ellipsoid(body, at(0.0, -0.10, 0.14), edge * np.array([0.295, 0.37, 0.28]))
        self.ellipsoid(body, at(0.0, -0.17, 0.40), edge * np.array([0.045, 0.075, 0.03]), shade=0.25)
        for side in (-1.0, 1.0):
            self.ellipsoid(
                body, at(0.125 * side, 0.0, 0.345), edge * np.array([0.085, 0.075, 0.05]), shade=0.25
            )
            self.cone(
                body, at(0.15 * side, -0.11, 0.32), at(0.33 * side, -0.09, 0.0), 0.05 * edge, 0.035 * edge
            )
            self.cone(body, at(0.29 * side, -0.14, -0.02), at(0.27 * side, -0.36, 0.04), 0.05 * edge)
            self.cone(
                body, at(0.27 * side, -0.36, 0.04), at(0.07 * side, -0.47, 0.30), 0.055 * edge, 0.075 * edge
            )

    def foot(self, body: int) -> None:
        """Add heel, ankle and a ray to the root of every toe."""
        skeleton = self.skeleton
        ankle, size = skeleton.joint_position[body], skeleton.size[body]
        toes = skeleton.joint_position[self.children(body)]
        low = skeleton.com[body] - 0.5 * np.abs(skeleton.body_rotation[body]) @ size
        heel = np.array([ankle[0], low[1] + 0.019, min(low[2] + 0.022, ankle[2] - 0.02)])
        self.cone(body, ankle - 0.012 * UP, heel, 0.020, 0.019)
        for share in np.linspace(0.0, 1.0, 5):
            root = toes[0] + share * (toes[1] - toes[0])
            middle = ankle + 0.34 * (root - ankle) - 0.008 * UP
            self.cone(body, ankle - 0.012 * UP, middle, 0.019, 0.011)
            self.cone(body, middle, root, 0.009, 0.0095)

    def toes(self, body: int, count: int = 1) -> None:
        """Add `count` toes side by side in the box."""
        skeleton = self.skeleton
        start, centre, size = skeleton.joint_position[body], skeleton.com[body], skeleton.size[body]
        ahead = max(0.5 * size[2] + centre[2] - start[2], 0.5 * size[2])
        for index in range(count):
            aside = ((index + 0.5) / count - 0.5) * 0.95 * size[0]
            root = np.array([centre[0] + aside, start[1], start[2]])
            tip = np.array([centre[0] + aside, centre[1] - 0.1 * size[1], start[2] + 0.88 * ahead])
            self.cone(body, root, tip, 0.0105 if count == 1 else 0.0085, 0.009 if count == 1 else 0.006)

    def small_toes(self, body: int) -> None:
        """Add the toes of the outer foot."""
        self.toes(body, 4)

    def hand(self, body: int) -> None:
        """Add a wrist, four fingers in the plane of the box and a thumb."""
        start = self.skeleton.joint_position[body]
        (length, wide, _), axes = self.box(body)
        along, across = axes[:, 0], axes[:, 1] * np.sign(axes[2, 1] or 1.0)
        self.cone(body, start, start + 0.12 * length * along, 0.20 * wide, 0.22 * wide)
        for share, reach in ((-0.40, 0.80), (-0.13, 0.94), (0.14, 1.0), (0.40, 0.93)):
            palm = start + 0.12 * length * along + 0.5 * share * wide * across
            knuckle = start + 0.50 * length * along + share * wide * across
            tip = start + reach * length * along + 1.1 * share * wide * across
            self.cone(body, palm, knuckle, 0.10 * wide)
            self.cone(body, knuckle, tip, 0.09 * wide, 0.065 * wide)
        root = start + 0.10 * length * along + 0.22 * wide * across
        tip = start + 0.52 * length * along + 0.85 * wide * across
        self.cone(body, root, tip, 0.11 * wide, 0.085 * wide)


def plate_axes(normal: Array) -> Array:
    """Return axes (columns) of a plate: level, along its slope, and its normal."""
    thin = normal / np.linalg.norm(normal)
    level = np.cross(UP, thin)
    level /= np.linalg.norm(level)
    return np.stack([level, np.cross(thin, level), thin], axis=1)


SHAPES = {  # by name, without the R or L at its end: number of children that the shape is made for, shape
    "Pelvis": (3, Carver.pelvis),
    "Femur": (1, Carver.thigh),
    "Tibia": (1, Carver.shank),
    "Talus": (2, Carver.foot),
    "FootThumb": (0, Carver.toes),
    "FootPinky": (0, Carver.small_toes),
    "Spine": (1, Carver.column),
    "Torso": (3, Carver.chest),
    "Neck": (1, Carver.column),
    "Head": (0, Carver.skull),
    "Shoulder": (1, Carver.shoulder),
    "ForeArm": (1, Carver.forearm),
    "Hand": (0, Carver.hand),
}
