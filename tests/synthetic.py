"""Small random bodies, written as files of the MASS family and read back, for the tests of the mechanics."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.body import Body, load_body
from musclegym.mass_xml import Transmission
from musclegym.rotation import Array

TWO_BODIES = """
<Skeleton name="pendulum">
  <Node name="Trunk" parent="None">
    <Body type="Box" mass="12.0" size="1.0 2.0 3.0" contact="Off">
      <Transformation linear="1 0 0 0 1 0 0 0 1" translation="0 1 0"/>
    </Body>
    <Joint type="Free" bvh="Hips"><Transformation linear="1 0 0 0 1 0 0 0 1" translation="0 1 0"/></Joint>
  </Node>
  <Node name="Arm" parent="Trunk" endeffector="True">
    <Body type="Sphere" mass="5.0" radius="0.5" contact="On">
      <Transformation linear="0 -1 0 1 0 0 0 0 1" translation="0 1 2"/>
    </Body>
    <Joint type="Revolute" axis="0 0 2" lower="-1" upper="2">
      <Transformation linear="1 0 0 0 1 0 0 0 1" translation="0 1 1.5"/>
    </Joint>
  </Node>
</Skeleton>
"""
"""A box and a sphere on one axle along z, through both centres of mass."""

TWO_MUSCLES = """
<Muscle>
  <Unit name="straight" f0="100" lm="0.5" lt="0.5" pen_angle="0.2" lmax="-0.1">
    <Waypoint body="Trunk" p="0.3 1 1"/>
    <Waypoint body="Arm" p="0.3 1.4 1"/>
  </Unit>
  <Unit name="blended" f0="50" lm="0.6" lt="0.2" pen_angle="0" lmax="-0.1">
    <Waypoint body="Trunk" p="0 1.5 1"/>
    <Waypoint body="Trunk" p="0.03 1.04 1.5"/>
    <Waypoint body="Arm" p="0.5 1 2"/>
  </Unit>
</Muscle>
"""
"""Muscles of `TWO_BODIES`; the middle waypoint of the second lies 5 cm from the hinge."""


def write_two_bodies(
    folder: Path, skeleton: str = TWO_BODIES, muscles: str = TWO_MUSCLES
) -> tuple[Path, Path]:
    """Write the hand-made body, or variants of its two files, into `folder`; return both paths."""
    paths = folder / "two.xml", folder / "muscles.xml"
    for path, text in zip(paths, (skeleton, muscles), strict=True):
        path.write_text(text)
    return paths


def random_body(
    folder: Path, seed: int, bodies: int = 6, muscles: int = 12, transmission: Transmission = "consistent"
) -> Body:
    """Return a random tree with turned joint frames and boxes, spheres and capsules, and random muscles."""
    rng = np.random.default_rng(seed)
    nodes, joints = [], np.zeros((bodies, 3))
    for index in range(bodies):
        parent = int(rng.integers(index)) if index else -1
        joints[index] = (joints[parent] if index else [0.0, 1.0, 0.0]) + rng.normal(0.0, 0.2, 3)
        nodes.append(random_node(rng, index, parent, joints[index]))
    skeleton, units = folder / f"body{seed}.xml", folder / f"muscles{seed}.xml"
    skeleton.write_text(f"<Skeleton>{''.join(nodes)}</Skeleton>")
    units.write_text(f"<Muscle>{''.join(random_unit(rng, i, joints) for i in range(muscles))}</Muscle>")
    return load_body(skeleton, muscles=units, transmission=transmission)


def random_node(rng: np.random.Generator, index: int, parent: int, joint: Array) -> str:
    """Return the XML of one body and its joint."""
    kind = rng.choice(["Ball", "Revolute"]) if index else "Free"
    figures = {
        "Box": f'size="{text(rng.uniform(0.1, 0.4, 3))}"',
        "Sphere": f'radius="{rng.uniform(0.05, 0.2)}"',
        "Capsule": f'radius="{rng.uniform(0.05, 0.1)}" height="{rng.uniform(0.1, 0.3)}"',
    }
    shape = str(rng.choice(list(figures)))
    return (
        f'<Node name="Body{index}" parent="{"None" if parent < 0 else f"Body{parent}"}">'
        f'<Body type="{shape}" mass="{rng.uniform(0.5, 8.0)}" {figures[shape]} contact="Off">'
        f"{transformation(rng, joint + rng.normal(0.0, 0.15, 3))}</Body>"
        f'<Joint type="{kind}" axis="{text(rng.normal(size=3))}">{transformation(rng, joint)}</Joint></Node>'
    )


def random_unit(rng: np.random.Generator, index: int, joints: Array) -> str:
    """Return the XML of one muscle; about half of its inner waypoints lie near a joint and are blended."""
    count = int(rng.integers(2, 6))
    bodies = rng.integers(len(joints), size=count)
    near = rng.random(count) < 0.5
    places = joints[bodies] + np.where(near[:, None], 0.02, 0.15) * rng.normal(size=(count, 3))
    waypoints = "".join(
        f'<Waypoint body="Body{body}" p="{text(place)}"/>' for body, place in zip(bodies, places, strict=True)
    )
    return f'<Unit name="muscle{index}" f0="{rng.uniform(100, 1000)}" lm="0.7" lt="0.3">{waypoints}</Unit>'


def transformation(rng: np.random.Generator, place: Array) -> str:
    """Return the XML of a placement with a random rotation."""
    rotation = Rotation.random(None, rng).as_matrix()
    return f'<Transformation linear="{text(rotation.ravel())}" translation="{text(place)}"/>'


def text(numbers: Array) -> str:
    """Return numbers as XML text."""
    return " ".join(f"{number:.9g}" for number in numbers)


def random_state(body: Body, seed: int, spread: float = 0.6) -> tuple[Array, Array]:
    """Return a random pose and velocity, both (dof,)."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, spread, body.n_dofs), rng.normal(0.0, 1.0, body.n_dofs)
