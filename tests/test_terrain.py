"""Pictures of sloping and uneven ground, and of pushes."""

import re

import numpy as np
import pytest

from musclegym.body import Body, load_body
from musclegym.envs.arrow import GAP, LONGEST, SCALE, arrow_cones
from musclegym.envs.camera import Camera
from musclegym.envs.raster import SUBSAMPLES, Pixels
from musclegym.envs.render import Renderer
from musclegym.envs.terrain import REACH, SLACK, Terrain
from musclegym.rotation import Array

VIEW = Camera(azimuth=0.5, elevation=0.3, distance=4.0).look_at(np.array([0.0, 1.0, 0.0]), 64, 48)
LEVEL = (0.0, 1.0, 0.0)


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


def plane(along_x: float = 0.0, along_z: float = 0.0, level: float = 0.0):
    def height(x: Array, z: Array) -> Array:
        return level + along_x * x + along_z * z

    return height


def drawn(height) -> tuple[np.ndarray, np.ndarray]:
    """Return picture and depth of the ground alone, without any shadow."""
    terrain = Terrain(height)
    terrain.around(0.0, 0.0)
    out = np.zeros((VIEW.height, VIEW.width, 3), np.float32)
    depth = np.zeros((VIEW.height * SUBSAMPLES, VIEW.width * SUBSAMPLES), np.float32)
    colours = np.array([[0.9] * 3, [0.1, 0.2, 0.9], [0.5] * 3, [0.2] * 3])
    terrain.draw(VIEW, np.zeros((4, 4), np.float32), 0.1, np.zeros(2), colours, out, depth)
    return out, depth[::SUBSAMPLES, ::SUBSAMPLES] - SLACK


def rays() -> Array:
    """Return the way of each pixel's ray per unit of depth, shape (height, width, 3)."""
    row, column = np.mgrid[: VIEW.height, : VIEW.width] + 0.5
    local = np.stack(
        [
            (column - 0.5 * VIEW.width) / VIEW.focal,
            (0.5 * VIEW.height - row) / VIEW.focal,
            np.ones(row.shape),
        ],
        axis=-1,
    )
    return local @ VIEW.axes


@pytest.mark.parametrize(("along_x", "along_z", "level"), [(0, 0, 0), (0.2, -0.1, 0.1), (0.0, 0.3, -0.2)])
def test_depth_of_a_plane_is_where_rays_meet_it(along_x, along_z, level):
    _, depth = drawn(plane(along_x, along_z, level))
    normal = np.array([-along_x, 1.0, -along_z])
    wanted = (level - VIEW.eye @ normal) / (rays() @ normal)
    met = np.isfinite(depth)
    assert depth[met] == pytest.approx(wanted[met], rel=1e-3)
    near = (wanted > 0.0) & (wanted < 0.9 * REACH)
    assert met[near].all()
    assert not met[wanted <= 0.0].any()


def test_depth_of_bumps_puts_every_pixel_on_the_ground():
    def height(x, z):
        return 0.1 * np.sin(2.0 * x) * np.cos(1.5 * z)

    _, depth = drawn(height)
    near = depth < 8.0
    assert near.sum() > 1000
    places = VIEW.eye + depth[near][:, None] * rays()[near]
    assert places[:, 1] == pytest.approx(height(places[:, 0], places[:, 2]), abs=0.01)


def test_a_hill_hides_what_is_behind_it():
    def hill(x, z):
        return np.maximum(0.0, 1.8 - np.hypot(x - VIEW.eye[0] / 2, z - VIEW.eye[2] / 2))

    _, flat = drawn(plane())
    _, depth = drawn(hill)
    middle = (VIEW.height // 2, VIEW.width // 2)
    assert depth[middle] < flat[middle] - 1.0


def test_ground_turned_from_the_light_is_darker():
    towards, away = (drawn(plane(sign * 0.2, sign * 0.2))[0][-1].mean() for sign in (-1.0, 1.0))
    assert away < 0.95 * towards


def test_flat_terrain_looks_like_the_flat_ground(human):
    renderer = Renderer(human, 160, 120)
    q = np.zeros(human.n_dofs)
    flat = renderer.draw(q).astype(int)
    assert np.abs(renderer.draw(q, ground=plane()) - flat).max() <= 12
    assert np.array_equal(renderer.draw(q), flat)  # nothing of the terrain stays


def test_camera_and_shadow_follow_raised_ground(human):
    renderer = Renderer(human, 160, 120)
    q = np.zeros(human.n_dofs)
    low = renderer.draw(q, ground=plane()).astype(int)
    q[4] = 3.0
    high = renderer.draw(q, ground=plane(level=3.0))
    assert np.abs(high - low).max() <= 3


def test_ground_hides_what_is_below_it(human):
    renderer = Renderer(human, 160, 120, Camera(elevation=0.0, distance=4.0))
    renderer.legend = None
    q = np.zeros(human.n_dofs)
    whole = renderer.draw(q, np.ones(human.n_muscles), focus=LEVEL, ground=plane(level=-1.0))
    sunk = renderer.draw(q, np.ones(human.n_muscles), focus=LEVEL, ground=plane(level=0.8))
    assert redness(sunk) < 0.8 * redness(whole)


def redness(picture: Pixels) -> int:
    return int((picture[..., 0].astype(int) - picture[..., 2] > 60).sum())


def test_ground_is_sampled_anew_only_after_some_way():
    asked = []

    def height(x, z):
        asked.append(x.size)
        return 0.0 * x

    terrain = Terrain(height)
    for z in (0.0, 0.5, 1.0, 5.0, 5.5):
        terrain.around(0.0, z)
    assert len(asked) == 2


def test_arrow_ends_short_of_the_place_and_is_as_long_as_the_force_says():
    place, force = np.array([0.1, 1.2, 0.3]), np.array([0.0, 0.0, 150.0])
    cones = arrow_cones(np.stack([place, force]), VIEW)
    ends = VIEW.to_view(np.stack([place - [0.0, 0.0, GAP + 150.0 * SCALE], place - [0.0, 0.0, GAP]]))
    assert cones[0, :3] == pytest.approx(ends[0])
    assert cones[-1, 4:7] == pytest.approx(ends[1])
    assert cones[1:, :4] == pytest.approx(cones[:-1, 4:8])  # without gaps
    long = arrow_cones(np.stack([place, 1e6 * force]), VIEW)
    assert np.linalg.norm(long[-1, 4:7] - long[0, :3]) == pytest.approx(LONGEST)
    assert len(arrow_cones(np.stack([place, 0.0 * force]), VIEW)) == 0


def test_push_is_seen_beside_the_body(human):
    renderer = Renderer(human, 160, 120, Camera(azimuth=np.pi / 2, distance=4.0))
    q = np.zeros(human.n_dofs)
    alone = renderer.draw(q).astype(int)
    pushed = renderer.draw(q, push=[[0.0, 1.2, 0.0], [0.0, 0.0, 300.0]])
    changed = np.abs(pushed - alone).max(axis=2) > 40
    assert changed.sum() > 60
    assert np.flatnonzero(changed.any(axis=0)).min() > 75  # from behind a body that faces to the left
    colour = pushed[changed].mean(axis=0)
    assert colour[0] > colour[2] + 40


@pytest.mark.parametrize("push", [[0.0, 1.0], np.full((2, 3), np.nan), np.zeros((3, 3))])
def test_wrong_push_is_refused(human, push):
    with pytest.raises(ValueError, match=re.escape("push must be a place [m] and a force [N]")):
        Renderer(human, 64, 48).draw(np.zeros(human.n_dofs), push=push)
