"""The shape of the ground, and what stands on it in the engine."""

import re
from typing import Any

import numpy as np
import pybullet
import pytest
from scipy.spatial.transform import Rotation

from musclegym.body import Body
from musclegym.ground import FLAT, GroundShape
from musclegym.muscle.path import MuscleSet
from musclegym.rotation import Array
from musclegym.simulation import Simulation
from musclegym.skeleton import FREE, HINGE, Skeleton

HZ = 480
EDGES = np.array([0.2, 0.1, 0.3])
ALMOST_EVEN = 1e-6
"""Roughness that makes the engine use triangles, but is no hindrance [m]."""
HILLS = GroundShape(slope=0.1, direction=0.7, roughness=0.03, wavelength=0.8, flat_radius=0.0, seed=5)


def block() -> Body:
    """Return a box of 10 kg with a tiny body at its mass centre, since the engine wants a joint."""
    mass, centre = np.array([10.0, 0.01]), np.tile([0.0, 0.5 * EDGES[1], 0.0], (2, 1))
    squares = EDGES**2 / 12.0
    inertia = np.diag(squares.sum() - squares)
    unturned, limits = np.tile(np.eye(3), (2, 1, 1)), np.full(7, np.inf)
    skeleton = Skeleton(
        body_names=("Block", "Core"),
        parent=np.array([-1, 0]),
        joint_kind=np.array([FREE, HINGE]),
        joint_position=centre,
        joint_rotation=unturned,
        joint_axis=np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        com=centre,
        body_rotation=unturned,
        mass=mass,
        inertia=mass[:, None, None] * inertia,
        size=np.array([EDGES, 0.01 * EDGES]),
        contact=np.array([True, False]),
        lower=-limits,
        upper=limits,
        motion_names=(None, None),
        end_effector=np.array([False, False]),
    )
    return Body("block", skeleton, MuscleSet.none())


def place(simulation: Simulation, x: float = 0.0, z: float = 0.0, gap: float = 2e-4) -> None:
    """Put the block at rest on the mean slope, turned by 0.3 rad, `gap` above it [m]."""
    ground = simulation.ground
    turn = Rotation.align_vectors([ground.normal], [[0.0, 1.0, 0.0]])[0]
    q = np.zeros(7)
    q[:3] = (turn * Rotation.from_rotvec([0.0, 0.3, 0.0])).as_rotvec()
    q[3:6] = [x, float(ground.height(x, z)) - 0.5 * EDGES[1], z]
    q[3:6] += (0.5 * EDGES[1] + gap) * ground.normal
    simulation.reset(q, np.zeros(7))


def gaps(simulation: Simulation) -> Array:
    """Return how high each corner of the block is above the ground (8,) [m]."""
    signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    turn = Rotation.from_quat(simulation.links[3:7]).as_matrix()
    corners = (signs * EDGES) @ turn.T + simulation.links[:3]
    return corners[:, 1] - simulation.ground.height(corners[:, 0], corners[:, 2])


def run(simulation: Simulation, seconds: float) -> tuple[Array, Array, float]:
    """Return velocities (step, 3) of the block, normal forces (step,) on it and its least gap."""
    velocity, force, gap = [], [], []
    for _ in range(round(seconds * HZ)):
        simulation.step(None)
        simulation.read()
        velocity.append(simulation.links[7:10].copy())
        force.append(simulation.ground_forces().sum())
        gap.append(gaps(simulation).min())
    return np.array(velocity), np.array(force), min(gap)


def test_a_flat_ground_is_the_plane_zero():
    x, z = np.random.default_rng(0).normal(0.0, 50.0, (2, 100))
    assert not FLAT.height(x, z).any()
    assert FLAT.normal == pytest.approx([0.0, 1.0, 0.0])


def test_a_slope_rises_by_its_tangent_in_its_direction_and_not_across():
    ground = GroundShape(slope=0.3, direction=0.5)
    ahead, across = np.array([np.sin(0.5), np.cos(0.5)]), np.array([np.cos(0.5), -np.sin(0.5)])
    assert ground.height(*(2.0 * ahead)) == pytest.approx(2.0 * np.tan(0.3))
    assert ground.height(*(2.0 * across)) == pytest.approx(0.0, abs=1e-12)
    assert ground.normal @ [ahead[0], np.tan(0.3), ahead[1]] == pytest.approx(0.0, abs=1e-12)
    assert np.linalg.norm(ground.normal) == pytest.approx(1.0)


def test_noise_has_the_stated_roughness_and_wavelength():
    squares, gradients, number = [], [], np.arange(200)
    for seed in range(8):
        ground = GroundShape(roughness=0.05, wavelength=2.0, seed=seed, flat_radius=0.0)
        height = ground.corner_height(number[:, None], number[None, :])
        squares.append(np.mean(height**2))
        gradients.append(np.mean(sum(rise**2 for rise in np.gradient(height, ground.cell))))
    assert np.sqrt(np.mean(squares)) == pytest.approx(0.05, rel=0.05)
    # A wave of length w has 2 pi / w times its height as gradient, of which differences over two eighths of
    # w see the share sin(x) / x, x = pi / 4. Lengths span one octave.
    seen = np.sin(np.pi / 4) / (np.pi / 4)
    assert np.sqrt(np.mean(gradients)) == pytest.approx(seen * 0.05 * 2.0 * np.pi / 2.0, rel=0.1)


def test_noise_leaves_the_start_flat_and_seeds_differ():
    ground = GroundShape(roughness=0.05, flat_radius=1.0, seed=1)
    angle = np.linspace(0.0, 6.0, 50)
    assert not ground.height(0.6 * np.sin(angle), 0.6 * np.cos(angle)).any()
    assert np.abs(ground.height(3.0 * np.sin(angle), 3.0 * np.cos(angle))).max() > 0.03
    other = GroundShape(roughness=0.05, flat_radius=1.0, seed=2)
    assert abs(ground.height(3.0, 1.0) - other.height(3.0, 1.0)) > 1e-3


@pytest.mark.parametrize("ground", [FLAT, GroundShape(slope=0.3, direction=2.0), HILLS], ids=str)
@pytest.mark.parametrize("place_at", [(0.0, 0.0), (31.7, -12.3)])
def test_the_engine_has_the_same_ground(ground: GroundShape, place_at: tuple[float, float]):
    simulation = Simulation(block(), HZ, ground)
    place(simulation, *place_at, gap=5.0)
    rng = np.random.default_rng(0)
    x, z = np.array(place_at)[:, None] + rng.uniform(-1.0, 1.0, (2, 40))
    top, bottom = ground.height(x, z) + 3.0, ground.height(x, z) - 3.0
    rays = pybullet.rayTestBatch(
        np.stack([x, top, z], -1).tolist(),
        np.stack([x, bottom, z], -1).tolist(),
        physicsClientId=simulation._client,
    )
    assert [ray[3][1] for ray in rays] == pytest.approx(list(ground.height(x, z)), abs=2e-5)


@pytest.mark.parametrize("ground", [GroundShape(slope=0.3), HILLS], ids=str)
def test_the_mesh_is_the_ground_and_faces_up(ground: GroundShape):
    corners, triangles = ground.mesh(3.0, -2.0, reach=1.5)
    assert corners[:, 1] == pytest.approx(ground.height(corners[:, 0], corners[:, 2]), abs=1e-12)
    middle = corners[triangles].mean(axis=1)
    assert middle[:, 1] == pytest.approx(ground.height(middle[:, 0], middle[:, 2]), abs=1e-9)
    a, b, c = corners[triangles].transpose(1, 0, 2)
    assert (np.cross(b - a, c - a)[:, 1] > 0.0).all()
    for axis, centre in ((0, 3.0), (2, -2.0)):
        assert corners[:, axis].min() <= centre - 1.5
        assert corners[:, axis].max() >= centre + 1.5


def slide(ground: GroundShape) -> tuple[float, float, float]:
    """Return acceleration downhill [m/s^2], share of the weight on the ground and gap [m] of a block."""
    simulation = Simulation(block(), HZ, ground)
    along_x, along_z = ground.gradient
    downhill = np.array([-along_x, -(np.tan(ground.slope) ** 2), -along_z])
    place(simulation)
    velocity, force, gap = run(simulation, 0.5)
    speed = velocity[60:] @ (downhill / np.linalg.norm(downhill))
    weight = simulation.body.skeleton.total_mass * simulation.body.gravity
    acceleration = (speed[-1] - speed[0]) * HZ / (len(speed) - 1)
    return float(acceleration), float(np.mean(force[60:])) / weight, gap


@pytest.mark.parametrize("roughness", [0.0, ALMOST_EVEN])
@pytest.mark.parametrize(
    ("slope", "direction", "friction", "lost"),
    [(0.2, 0.0, 0.1, 0.0), (0.3, np.pi / 2, 0.2, 0.0), (0.2, 0.8, 0.1, 0.05), (0.4, 0.8, 0.3, 0.05)],
)
def test_a_block_slides_down_a_slope_that_is_steeper_than_its_friction(
    slope: float, direction: float, friction: float, lost: float, roughness: float
):
    """The acceleration is g (sin a - mu cos a); between its own directions the engine loses some friction."""
    ground = GroundShape(slope=slope, direction=direction, friction=friction, roughness=roughness)
    acceleration, carried, gap = slide(ground)
    least, most = (9.81 * (np.sin(slope) - mu * np.cos(slope)) for mu in (friction, (1.0 - lost) * friction))
    assert 0.98 * least < acceleration < 1.02 * most
    assert carried == pytest.approx(np.cos(slope), rel=0.02)
    assert gap > -1e-3


@pytest.mark.parametrize("roughness", [0.0, ALMOST_EVEN])
@pytest.mark.parametrize(("slope", "friction"), [(0.0, 0.0), (0.2, 0.3), (0.5, 0.7)])
def test_a_block_stands_on_a_slope_that_is_flatter_than_its_friction(
    slope: float, friction: float, roughness: float
):
    simulation = Simulation(block(), HZ, GroundShape(slope=slope, friction=friction, roughness=roughness))
    place(simulation)
    start = simulation.links[:3].copy()
    velocity, force, gap = run(simulation, 0.5)
    assert np.linalg.norm(velocity[60:], axis=1).max() < 0.01
    assert np.linalg.norm(simulation.links[:3] - start) < 2e-3
    weight = simulation.body.skeleton.total_mass * simulation.body.gravity
    assert np.mean(force[60:]) == pytest.approx(weight * np.cos(slope), rel=0.02)
    assert gap > -1e-3


@pytest.mark.parametrize("seed", range(3))
def test_a_block_comes_to_rest_on_uneven_ground_and_does_not_sink(seed: int):
    ground = GroundShape(roughness=0.03, seed=seed, flat_radius=0.0)
    simulation = Simulation(block(), HZ, ground)
    place(simulation, 33.3, -12.2, gap=0.05)
    velocity, force, gap = run(simulation, 2.0)
    assert np.linalg.norm(velocity[-1]) < 0.02
    assert gap > -0.01
    assert gaps(simulation).min() > -2e-3
    weight = simulation.body.skeleton.total_mass * simulation.body.gravity
    assert 0.95 * weight < np.mean(force[-HZ:]) < 1.15 * weight  # normal forces, not all of them upright


def test_a_block_that_slides_far_stays_on_uneven_ground():
    ground = GroundShape(slope=0.6, direction=0.4, friction=0.05, roughness=ALMOST_EVEN, wavelength=0.5)
    simulation = Simulation(block(), HZ, ground)
    place(simulation)
    _, _, gap = run(simulation, 2.0)
    assert np.hypot(simulation.links[0], simulation.links[2]) > 4.0  # the patch reaches 1.5 m
    assert gap > -2e-3
    assert gaps(simulation).min() < 5e-3


def test_changed_grounds_leave_no_trace():
    """After other grounds and episodes, a ground behaves as in a new world, bit by bit."""

    def path(simulation: Simulation) -> Array:
        place(simulation, 0.4, 0.3, gap=0.02)
        return run(simulation, 0.3)[0]

    simulation = Simulation(block(), HZ)
    for ground in (HILLS, FLAT, GroundShape(slope=0.2, friction=0.4), HILLS, FLAT):
        simulation.set_ground(ground)
        first = path(simulation)
        assert np.array_equal(path(simulation), first)
        assert np.array_equal(path(Simulation(block(), HZ, ground)), first)


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"slope": 0.8}, "slope of the ground must be in [0, 0.785) rad, but is 0.8"),
        ({"slope": -0.1}, "slope of the ground must be in [0, 0.785) rad, but is -0.1"),
        ({"slope": np.nan}, "slope of the ground must be in"),
        ({"direction": np.inf}, "direction of the ground must be finite [rad], but is inf"),
        ({"roughness": 0.2}, "in [0, 0.1] m at a wavelength of 1.0 m, but is 0.2; lower it or lengthen"),
        ({"wavelength": 0.1}, "wavelength of the ground must be in [0.5, 4.0] m, but is 0.1"),
        ({"flat_radius": -1.0}, "flat_radius of the ground must be 0 m or more, but is -1.0"),
        ({"seed": -1}, "seed of the ground must be 0 or more"),
        ({"friction": -0.5}, "friction of the ground must be 0 or more and finite, but is -0.5"),
    ],
)
def test_impossible_grounds_are_refused(figures: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        GroundShape(**figures)
