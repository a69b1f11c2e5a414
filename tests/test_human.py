"""The default human's skeleton: layout, published proportions, scaling, symmetry."""

import re
from itertools import pairwise

import numpy as np
import pytest

from musclegym.body import Body, load_body
from musclegym.human import force_scale, load_human, read_table
from musclegym.skeleton import BALL, FREE, HINGE

LEG = ["Femur", "Tibia", "Talus", "FootThumb", "FootPinky"]
ARM = ["Shoulder", "Arm", "ForeArm", "Hand"]
BODIES = [
    "Pelvis",
    *[name + side for side in "RL" for name in LEG],
    *["Spine", "Torso", "Neck", "Head"],
    *[name + side for side in "RL" for name in ARM],
]


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


def test_bodies_and_joints_are_those_of_the_mass_family(human: Body):
    skeleton = human.skeleton
    assert list(human.body_names) == BODIES
    assert human.n_dofs == 56
    kinds = dict(zip(human.body_names, skeleton.joint_kind, strict=True))
    hinges = {name + side for name in ("Tibia", "FootThumb", "FootPinky", "ForeArm") for side in "RL"}
    assert {name for name, kind in kinds.items() if kind == HINGE} == hinges
    assert [name for name, kind in kinds.items() if kind == FREE] == ["Pelvis"]
    assert sum(kind == BALL for kind in kinds.values()) == 14
    for name in hinges:
        axis = [0, 1, 0] if name.startswith("ForeArm") else [1, 0, 0]
        np.testing.assert_array_equal(skeleton.joint_axis[skeleton.body(name)], axis)


def test_parents_are_those_of_the_mass_family(human: Body):
    names, parent = human.body_names, human.skeleton.parent
    chains = [["Pelvis", "Spine", "Torso", "Neck", "Head"]]
    chains += [["Pelvis", f"Femur{s}", f"Tibia{s}", f"Talus{s}"] for s in "RL"]
    chains += [["Torso", f"Shoulder{s}", f"Arm{s}", f"ForeArm{s}", f"Hand{s}"] for s in "RL"]
    chains += [[f"Talus{s}", toes + s] for s in "RL" for toes in ("FootThumb", "FootPinky")]
    expected = {child: before for chain in chains for before, child in pairwise(chain)}
    assert {name: names[p] for name, p in zip(names, parent, strict=True) if p >= 0} == expected


def test_knee_and_elbow_bend_as_in_the_mass_family(human: Body):
    def range_of(dof: str) -> list[float]:
        index = human.dof_names.index(dof)
        return [float(human.skeleton.lower[index]), float(human.skeleton.upper[index])]

    assert (
        range_of("TibiaR")
        == range_of("TibiaL")
        == range_of("ForeArmR")
        == pytest.approx([0.0, 2.3], abs=0.01)
    )
    assert range_of("ForeArmL") == pytest.approx([-2.3, 0.0], abs=0.01)


@pytest.mark.parametrize("height", [1.50, 1.75, 2.00])
@pytest.mark.parametrize("mass", [50.0, 73.0, 100.0])
def test_lengths_scale_with_height_and_masses_with_mass(human: Body, height: float, mass: float):
    skeleton, muscles = load_human(height, mass)
    factor = height / 1.75
    assert skeleton.total_mass == pytest.approx(mass, rel=1e-14)
    for part in ("joint_position", "com", "size"):
        np.testing.assert_allclose(
            getattr(skeleton, part), factor * getattr(human.skeleton, part), rtol=1e-12
        )
    np.testing.assert_allclose(
        skeleton.inertia, factor**2 * mass / 73.0 * human.skeleton.inertia, rtol=1e-12, atol=1e-15
    )
    for part in ("waypoint_position", "optimal_fibre_length", "tendon_slack_length"):
        ours = getattr(human.muscle_set, part)
        np.testing.assert_allclose(getattr(muscles, part), factor * ours, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("below", "above", "fraction"),
    [
        ("FemurR", "TibiaR", 0.245),  # Winter 2009, Fig. 4.1
        ("TibiaR", "TalusR", 0.246),  # Winter 2009, Fig. 4.1
        ("ArmR", "ForeArmR", 0.2817 / 1.741),  # de Leva 1996, Table 4
        ("ForeArmR", "HandR", 0.2689 / 1.741),  # de Leva 1996, Table 4
    ],
)
def test_segments_are_as_long_as_published(human: Body, below: str, above: str, fraction: float):
    position = human.skeleton.joint_position
    length = np.linalg.norm(position[human.skeleton.body(above)] - position[human.skeleton.body(below)])
    assert length == pytest.approx(fraction * 1.75, rel=1e-3)


@pytest.mark.parametrize(
    ("parts", "percent"),
    [
        (["Head", "Neck"], 6.94),
        (["Pelvis", "Spine", "Torso", "ShoulderR", "ShoulderL"], 43.46),
        (["ArmR"], 2.71),
        (["ForeArmL"], 1.62),
        (["HandR"], 0.61),
        (["FemurL"], 14.16),
        (["TibiaR"], 4.33),
        (["TalusR", "FootThumbR", "FootPinkyR"], 1.37),
    ],
)
def test_segments_weigh_what_de_leva_measured(human: Body, parts: list[str], percent: float):
    mass = human.skeleton.mass[[human.skeleton.body(name) for name in parts]].sum()
    assert 100.0 * mass / 73.0 == pytest.approx(percent, abs=1e-9)


def test_soles_stand_on_the_ground_and_nothing_else_touches_it(human: Body):
    skeleton = human.skeleton
    bottom = skeleton.com[:, 1] - skeleton.size[:, 1] / 2.0
    np.testing.assert_allclose(bottom[skeleton.contact], 0.0, atol=1e-12)
    assert (bottom[~skeleton.contact] > 0.04).all()
    touching = {name for name, touches in zip(human.body_names, skeleton.contact, strict=True) if touches}
    assert touching == {foot + side for foot in ("Talus", "FootThumb", "FootPinky") for side in "RL"}


def test_left_body_is_the_mirror_image_of_the_right(human: Body):
    skeleton = human.skeleton
    image = [
        skeleton.body(name[:-1] + {"R": "L", "L": "R"}[name[-1]] if name[-1] in "RL" else name)
        for name in BODIES
    ]
    mirror = np.array([-1.0, 1.0, 1.0])
    for part in ("joint_position", "com"):
        np.testing.assert_allclose(
            getattr(skeleton, part)[image], getattr(skeleton, part) * mirror, atol=1e-12
        )
    for part in ("mass", "inertia", "size", "contact", "end_effector"):
        np.testing.assert_array_equal(getattr(skeleton, part)[image], getattr(skeleton, part))


def test_force_scale_follows_muscle_volume_over_fibre_length():
    # 47 * 60 * 1.6 + 1285 = 5797 cm^3 over 1.6 m; the reference: 47 * 73 * 1.75 + 1285 = 7289.25 over 1.75 m.
    assert force_scale(1.60, 60.0) == pytest.approx((5797.0 / 1.60) / (7289.25 / 1.75))
    assert force_scale(1.75, 73.0) == 1.0


def test_strength_multiplies_forces_only(human: Body):
    strong = load_body("human", strength=2.0).muscle_set
    np.testing.assert_allclose(strong.max_isometric_force, 2.0 * human.muscle_set.max_isometric_force)
    np.testing.assert_array_equal(strong.optimal_fibre_length, human.muscle_set.optimal_fibre_length)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("height", 0.9, "height of the human must be between 1.4 and 2.1 m, but is 0.9"),
        ("mass", 400.0, "mass of the human must be between 35.0 and 150.0 kg, but is 400.0"),
        ("strength", 9.0, "strength of the human must be between 0.1 and 5.0"),
        ("height", float("nan"), "but is nan; choose one in that range"),
    ],
)
def test_a_figure_out_of_range_is_refused(option: str, value: float, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        load_human(**{option: value})


@pytest.mark.parametrize("table", ["segments", "joints", "muscles", "waypoints", "strength"])
def test_every_row_names_its_source(table: str):
    for row in read_table(table):
        sources = [text for key, text in row.items() if key.endswith("source")]
        assert sources
        assert all(len(text) > 10 for text in sources), row


def test_loading_twice_gives_the_same_body(human: Body):
    assert load_body("human").hash == human.hash
    assert load_body("human", height=1.76).hash != human.hash


def test_a_body_that_is_changed_changes_no_other(human: Body):
    other = load_body("human").muscle_set
    for name, value in vars(other).items():
        if isinstance(value, np.ndarray):
            assert not np.shares_memory(value, vars(human.muscle_set)[name]), name
    other.optimal_fibre_length[:] = 0.0
    assert load_body("human").hash == human.hash
