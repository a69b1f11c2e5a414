"""Pictures: what is drawn where, in which colour, and what hides what."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musclegym.body import Body, load_body
from musclegym.envs.bones import Carver
from musclegym.envs.camera import Camera
from musclegym.envs.palette import ACTIVATION_COLOURS, activation_ramp, encoding, linear
from musclegym.envs.raster import CONE_WIDTH, ELLIPSOID_WIDTH, draw_cones, draw_ellipsoids, make_spindles
from musclegym.envs.render import Renderer
from musclegym.muscle.path import MuscleSet
from musclegym.rotation import Array
from musclegym.skeleton import BALL, FREE, Skeleton

FOCAL = 200.0


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


@pytest.fixture(scope="module")
def renderer(human: Body) -> Renderer:
    return Renderer(human, 320, 240)


def dummy(n_bodies: int, muscle: bool) -> Body:
    """A chain of boxes 0.4 m long, one above the other, with a muscle beside the first joint or none."""
    identity = np.tile(np.eye(3), (n_bodies, 1, 1))
    joint = np.array([[0.0, 0.1 + 0.5 * i, 0.0] for i in range(n_bodies)])
    skeleton = Skeleton(
        body_names=tuple(f"Box{i}" for i in range(n_bodies)),
        parent=np.arange(n_bodies) - 1,
        joint_kind=np.array([FREE, *[BALL] * (n_bodies - 1)]),
        joint_position=joint,
        joint_rotation=identity,
        joint_axis=np.tile([1.0, 0.0, 0.0], (n_bodies, 1)),
        com=joint + np.array([0.0, 0.25, 0.0]),
        body_rotation=identity,
        mass=np.ones(n_bodies),
        inertia=0.01 * identity,
        size=np.tile([0.1, 0.4, 0.1], (n_bodies, 1)),
        contact=np.zeros(n_bodies, dtype=np.bool_),
        lower=np.full(3 * n_bodies + 3, -np.inf),
        upper=np.full(3 * n_bodies + 3, np.inf),
        motion_names=(None,) * n_bodies,
        end_effector=np.zeros(n_bodies, dtype=np.bool_),
    )
    count = int(muscle)
    return Body(
        "boxes",
        skeleton,
        MuscleSet.from_rest(
            skeleton,
            ["side"] * count,
            np.array([0, 2][: count + 1]),
            np.array([[0, -1], [1, -1]])[: 2 * count],
            np.array([[1.0, 0.0]] * 2 * count).reshape(-1, 2),
            np.array([[0.15, 0.2, 0.1], [0.15, 0.9, 0.1]])[: 2 * count],
            max_isometric_force=np.full(count, 3000.0),
            optimal_fibre_length=np.full(count, 0.5),
            tendon_slack_length=np.full(count, 0.2),
            pennation_angle=np.zeros(count),
        ),
    )


def sphere(x: float, y: float, z: float, radius: float, red: float) -> Array:
    return np.array([x, y, z, radius, x, y, z, radius, red, 0, 0, red, 0, 0, 0, 1, 1, 0, 0], dtype=float)


def canvas(size: int = 200) -> tuple[np.ndarray, np.ndarray]:
    return np.full((size, size), np.inf, np.float32), np.zeros((size, size, 3), np.float32)


def draw(cones: list[Array]) -> tuple[np.ndarray, np.ndarray]:
    depth, colour = canvas()
    draw_cones(np.array(cones), np.arange(len(cones)), FOCAL, depth, colour)
    return depth, colour


def redness(picture: np.ndarray) -> np.ndarray:
    """Red beyond the other channels, which bones and passive muscles have none of."""
    return picture[..., 0].astype(int) - picture[..., 1:].max(axis=-1).astype(int)


def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return abs(first.astype(int) - second).max(axis=-1)


def test_picture_has_the_size_and_type_asked_for(renderer: Renderer, human: Body):
    picture = renderer.draw(np.zeros(human.n_dofs))
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.uint8


def test_equal_arguments_give_equal_pictures(renderer: Renderer, human: Body):
    rng = np.random.default_rng(0)
    q, activation = 0.2 * rng.standard_normal(human.n_dofs), rng.random(human.n_muscles)
    first = renderer.draw(q, activation, ghost=-q)
    kept = first.copy()
    renderer.draw(-q, focus=(0.0, 0.0, 1.0))
    assert np.array_equal(renderer.draw(q, activation, ghost=-q), kept)
    assert np.array_equal(first, kept)
    assert np.array_equal(Renderer(human, 320, 240).draw(q, activation, ghost=-q), kept)


def test_point_in_focus_is_in_the_middle():
    view = Camera(azimuth=0.4, elevation=0.3).look_at(np.array([1.0, 2.0, 3.0]), 320, 240)
    assert view.to_pixel(np.array([1.0, 2.0, 3.0])) == pytest.approx([160.0, 120.0])


def test_camera_in_front_sees_up_above_and_the_left_side_to_the_right():
    view = Camera(azimuth=0.0, elevation=0.0).look_at(np.zeros(3), 320, 240)
    column, row = view.to_pixel(np.array([0.5, 0.2, 0.0]))
    assert column > 160.0
    assert row < 120.0
    assert np.linalg.det(view.axes) == pytest.approx(-1.0)  # right, up, forwards is left-handed


def test_body_is_in_the_middle_wherever_it_walks(human: Body):
    bare = Renderer(Body("bones", human.skeleton, dummy(2, False).muscle_set), 320, 240, Camera(azimuth=0.0))
    q = np.zeros(human.n_dofs)
    empty = bare.draw(50.0 * np.eye(human.n_dofs)[3], focus=(0.0, 0.9, 0.0))
    for place in ((0.0, 0.0), (3.0, -2.0)):
        q[3], q[5] = place
        drawn = difference(bare.draw(q), empty) > 60
        rows, columns = np.nonzero(drawn)
        assert abs(np.median(columns) - 160) < 12
        assert abs(0.5 * (rows.min() + rows.max()) - 120) < 24


def test_camera_does_not_bob_but_follows_a_leap(renderer: Renderer, human: Body):
    q = np.zeros(human.n_dofs)
    rest = renderer._target(human.kinematics(q), None)
    q[4] = 0.05
    assert renderer._target(human.kinematics(q), None) == pytest.approx(rest)
    q[4] = 0.56
    assert renderer._target(human.kinematics(q), None)[1] == pytest.approx(rest[1] + 0.5)


def test_sphere_covers_the_disc_of_its_projection():
    depth, _ = draw([sphere(0.0, 0.0, 2.0, 0.3, 1.0)])
    seen = np.isfinite(depth)
    assert seen.sum() == pytest.approx(np.pi * (FOCAL * 0.3 / 2.0) ** 2, rel=0.01)
    assert depth.min() == pytest.approx(1.7, abs=1e-3)


def test_cone_covers_trapezium_and_caps():
    cone = sphere(-0.4, 0.1, 2.0, 0.1, 1.0)
    cone[4:8] = 0.4, 0.1, 2.0, 0.2
    depth, _ = draw([cone])
    scale = FOCAL / 2.0
    rounded = 0.8 * 0.3 + 0.5 * np.pi * (0.1**2 + 0.2**2)
    assert np.isfinite(depth).sum() == pytest.approx(rounded * scale**2, rel=0.02)
    cone[15:17] = 0.0
    assert np.isfinite(draw([cone])[0]).sum() == pytest.approx(0.8 * 0.3 * scale**2, rel=0.02)


def test_nearer_hides_farther_in_any_order():
    near, far = sphere(0.0, 0.0, 2.0, 0.2, 1.0), sphere(0.0, 0.0, 3.0, 0.2, 0.1)
    for cones in ([near, far], [far, near]):
        depth, colour = draw(cones)
        assert depth[100, 100] == pytest.approx(1.8, abs=1e-3)
        assert colour[100, 100, 0] > 0.5


def test_what_is_behind_the_camera_is_not_drawn():
    assert not np.isfinite(draw([sphere(0.0, 0.0, -2.0, 0.2, 1.0), sphere(0.0, 0.0, 0.1, 0.2, 1.0)])[0]).any()


def test_round_ellipsoid_equals_sphere_in_size_and_depth():
    row = np.zeros(ELLIPSOID_WIDTH)
    row[2], row[3:12], row[12] = 2.0, (np.eye(3) / 0.3).ravel(), 1.0
    depth, colour = canvas()
    draw_ellipsoids(row[None], np.array([0.3]), FOCAL, depth, colour)
    # The outline of a sphere is the cone of tangents, a little wider than the disc of its radius.
    outline = FOCAL * 0.3 / np.sqrt(2.0**2 - 0.3**2)
    assert np.isfinite(depth).sum() == pytest.approx(np.pi * outline**2, rel=0.01)
    assert depth[100, 100] == pytest.approx(1.7, abs=1e-3)


def test_spindle_is_thick_in_its_belly_and_follows_its_path():
    waypoints = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    one = np.ones(1)
    cones = np.zeros((32, CONE_WIDTH))
    count = make_spindles(
        waypoints, np.array([0, 3]), 0.5 * one, 1.5 * one, 0.1 * one, 0.01 * one, np.ones((1, 3)),
        np.zeros(3), 0.0, cones,
    )  # fmt: skip
    drawn = cones[:count]
    assert drawn[1:, :4] == pytest.approx(drawn[:-1, 4:8])  # without gaps
    length = np.linalg.norm(drawn[:, 4:7] - drawn[:, :3], axis=1).sum()
    assert length == pytest.approx(2.0)
    assert drawn[0, [3, 8]] == pytest.approx([0.01, 0.0])  # tendon
    middle = np.argmin(np.linalg.norm(drawn[:, :3] - waypoints[1], axis=1))
    assert drawn[middle, [3, 8]] == pytest.approx([0.1, 1.0])  # belly


def test_active_muscle_is_red_and_passive_muscle_is_not():
    body = dummy(2, muscle=True)
    boxes = Renderer(body, 160, 120, Camera(azimuth=0.0, distance=2.5))
    boxes.legend = None
    q = np.zeros(body.n_dofs)
    assert (redness(boxes.draw(q, [1.0])) > 80).sum() > 50
    assert (redness(boxes.draw(q, [0.0])) > 20).sum() == 0
    assert np.array_equal(boxes.draw(q), boxes.draw(q, [0.0]))
    assert np.array_equal(boxes.draw(q, []), boxes.draw(q, [0.0]))


def test_bones_in_front_hide_a_muscle():
    body = dummy(2, muscle=True)
    seen = []
    for turn in (0.0, np.pi):  # from where the muscle is in front of the upper box, and from behind it
        camera = Camera(azimuth=np.arctan2(0.15, 0.1) + turn, elevation=0.0, distance=2.5)
        boxes = Renderer(body, 160, 120, camera)
        boxes.legend = None
        seen.append((redness(boxes.draw(np.zeros(body.n_dofs), [1.0])) > 80).sum())
    assert 0 < seen[1] < 0.8 * seen[0]


def test_shortening_muscle_swells():
    body = dummy(2, muscle=True)
    boxes = Renderer(body, camera=Camera(azimuth=0.0, distance=1.5))
    boxes.legend = None
    q = np.zeros(body.n_dofs)
    long = (redness(boxes.draw(q, [1.0])) > 80).sum(axis=1).max()
    q[6 + 2] = -0.5  # bends towards the muscle's side
    assert body.muscles(q).length[0] < 0.9
    assert (redness(boxes.draw(q, [1.0])) > 80).sum(axis=1).max() > 1.05 * long


def test_ghost_adds_a_translucent_body_beside_and_nothing_behind(renderer: Renderer, human: Body):
    q = np.zeros(human.n_dofs)
    alone, aside, inside = renderer.draw(q), q.copy(), renderer.draw(q, ghost=q)
    aside[3] = 0.5
    changed = difference(alone, renderer.draw(q, ghost=aside)) > 15
    assert changed.sum() > 500
    assert (difference(alone, inside) > 15).sum() < 0.2 * changed.sum()


def test_body_without_muscles_has_no_legend(human: Body):
    bare = Renderer(dummy(3, muscle=False), 160, 120)
    assert bare.legend is None
    picture = bare.draw(np.zeros(12))
    assert (redness(picture) > 40).sum() == 0
    assert difference(picture, picture[:, :1]).max() > 60


def test_legend_shows_the_colours_and_leaves_the_rest_alone(renderer: Renderer, human: Body):
    q = np.zeros(human.n_dofs)
    whole = renderer.draw(q).astype(int)
    assert renderer.legend is not None
    rows, columns = renderer.legend.shape[:2]
    bar = redness(whole[-rows:, :columns]).max(axis=0)
    assert bar[: columns // 6].max() < 30 < 100 < bar[columns // 2 :].max()
    bare = Renderer(human, 320, 240)
    bare.legend = None
    changed = difference(bare.draw(q), whole)
    changed[-rows:, :columns] = 0
    assert not changed.any()


def test_known_names_in_another_tree_get_plain_bones():
    plain = dummy(3, muscle=False)
    body = replace(plain, skeleton=replace(plain.skeleton, body_names=("Torso", "Talus", "Spine")))
    q = np.zeros(body.n_dofs)
    assert np.array_equal(Renderer(body, 64, 48).draw(q), Renderer(plain, 64, 48).draw(q))


def test_smallest_picture_is_drawn(human: Body):
    assert Renderer(human, 16, 16).draw(np.zeros(human.n_dofs)).shape == (16, 16, 3)


def test_bones_move_with_their_bodies(human: Body):
    bones = Carver(human.skeleton).bones()
    q = 0.3 * np.random.default_rng(1).standard_normal(human.n_dofs)
    rest, moved = (human.kinematics(pose) for pose in (np.zeros(human.n_dofs), q))
    before, after = (bones.place(kinematics)[0] for kinematics in (rest, moved))
    carrier = bones.cone_body
    local = [
        np.einsum("nji,nkj->nki", k.rotation[carrier], ends - k.com[carrier][:, None])
        for k, ends in ((rest, before), (moved, after))
    ]
    assert local[0] == pytest.approx(local[1], abs=1e-12)


def test_bones_of_the_human_are_mirrored(human: Body):
    bones = Carver(human.skeleton).bones()
    ends, _, _ = bones.place(human.kinematics(np.zeros(human.n_dofs)))
    points = ends.reshape(-1, 3)
    twins = points * [-1.0, 1.0, 1.0]
    assert np.linalg.norm(points[:, None] - twins[None], axis=2).min(axis=1).max() < 1e-6


def test_bones_of_the_human_keep_above_the_ground(human: Body):
    bones = Carver(human.skeleton).bones()
    ends, _, _ = bones.place(human.kinematics(np.zeros(human.n_dofs)))
    assert (ends[..., 1] - bones.cone_radii).min() > -0.005


def test_activation_colours_darken_evenly():
    ramp = activation_ramp(301)
    lightness = ramp @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(lightness) < 0.0)
    assert ramp[[0, 100, 200, 300]] == pytest.approx(
        np.array([linear(c) for c in ACTIVATION_COLOURS]), abs=1e-6
    )


def test_srgb_goes_there_and_back():
    code = encoding(4096)
    for byte in (0, 1, 40, 128, 254, 255):
        value = linear(f"#{byte:02x}0000")[0]
        assert code[round(value * 4095)] == pytest.approx(byte, abs=1)


def test_mass_body_is_drawn(motion_data):
    folder: Path = motion_data("mass")
    body = load_body(folder / "data/human.xml", muscles=folder / "data/muscle284.xml")
    renderer = Renderer(body, 320, 240)
    q = np.zeros(body.n_dofs)
    renderer.legend = None
    picture = renderer.draw(q, np.ones(body.n_muscles))
    assert (redness(picture) > 80).sum() > 1000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"activation": [0.5]}, "activation must have shape (270,)"),
        ({"activation": "high"}, "activations must be in [0, 1]"),
        ({"activation": "nan"}, "activations must be in [0, 1]"),
        ({"focus": (0.0, 1.0)}, "focus must be a point of the world"),
        ({"focus": (0.0, np.nan, 0.0)}, "focus must be a point of the world"),
        ({"q": np.zeros(3)}, "q"),
        ({"ghost": np.zeros(3)}, "q"),
    ],
)
def test_wrong_argument_is_refused(renderer: Renderer, human: Body, given: dict, message: str):
    arguments = {"q": np.zeros(human.n_dofs), **given}
    message = message.replace("270", str(human.n_muscles))
    if isinstance(given.get("activation"), str):
        arguments["activation"] = np.zeros(human.n_muscles)
        arguments["activation"][3] = 1.2 if given["activation"] == "high" else np.nan
        message = f"{message}, but {human.muscle_names[3]!r} has"
    with pytest.raises(ValueError, match=re.escape(message)):
        renderer.draw(**arguments)


@pytest.mark.parametrize("size", [{"width": 0}, {"height": 10_000}, {"width": 100.5}])
def test_wrong_picture_size_is_refused(human: Body, size: dict):
    with pytest.raises(ValueError, match=r"whole number of pixels from 16 to 4096, but is .*640 x 480"):
        Renderer(human, **size)


@pytest.mark.parametrize(
    "given", [{"distance": 0.0}, {"elevation": 2.0}, {"azimuth": np.inf}, {"field_of_view": 0.0}]
)
def test_camera_that_sees_nothing_is_refused(given: dict):
    with pytest.raises(ValueError, match=f"{next(iter(given))} must be .* but is .* default"):
        Camera(**given)
