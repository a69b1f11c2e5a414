"""Anatomical groups of muscles."""

from dataclasses import replace

import numpy as np
import pytest

from musclegym.body import Body, load_body
from musclegym.human import read_table
from musclegym.muscle.groups import fits, group_activation, muscle_groups, muscles_like, split_side


@pytest.fixture(scope="module")
def human():
    return load_body("human")


@pytest.fixture(scope="module")
def mass(motion_data):
    folder = motion_data("mass") / "data"
    return load_body(folder / "human.xml", muscles=folder / "muscle284.xml")


def renamed(body: Body, names: dict[int, str]) -> Body:
    """Return the body with other names for some muscles."""
    muscles = tuple(names.get(index, name) for index, name in enumerate(body.muscle_names))
    return replace(body, muscle_set=replace(body.muscle_set, names=muscles))


def names_of(body: Body, group: str) -> list[str]:
    return [body.muscle_names[index] for index in muscle_groups(body)[group]]


def assert_partition(body: Body) -> None:
    """Every muscle has one group, no pattern of another group fits it, and none is left over."""
    groups = muscle_groups(body)
    assert sorted(np.concatenate(list(groups.values()))) == list(range(body.n_muscles))
    assert not any(name.startswith("other") for name in groups)
    for name in body.muscle_names:
        plain = split_side(name)[0]
        fitting = [row["group"] for row in read_table("groups") if fits(plain, row["muscles"].split())]
        assert len(fitting) == 1, (name, fitting)


def test_every_muscle_of_the_human_is_in_exactly_one_group(human):
    assert_partition(human)


def test_every_muscle_of_the_mass_body_is_in_exactly_one_group(mass):
    assert_partition(mass)


def test_every_group_of_the_table_has_muscles_of_the_human_on_both_sides(human):
    groups = muscle_groups(human)
    assert list(groups) == [
        f"{row['group']}_{side}" for row in read_table("groups") for side in ("left", "right")
    ]


def test_left_groups_mirror_right_ones(human):
    for name in muscle_groups(human):
        if name.endswith("_left"):
            mirrored = [muscle[:-2] + "_r" for muscle in names_of(human, name)]
            assert mirrored == names_of(human, name[:-5] + "_right")


def test_hamstrings_and_quadriceps_of_the_human_are_those_of_the_textbook(human):
    assert names_of(human, "hamstrings_left") == [
        "semitendinosus_l", "semimembranosus_l", "biceps_femoris_long_head_l", "biceps_femoris_short_head_l",
    ]  # fmt: skip
    assert names_of(human, "quadriceps_right") == [
        "rectus_femoris_r", "vastus_medialis_r", "vastus_intermedius_r", "vastus_lateralis_r",
    ]  # fmt: skip
    assert names_of(human, "biceps_left") == ["biceps_long_head_l", "biceps_short_head_l"]
    assert "adductor_longus_l" in names_of(human, "adductors_left")
    assert "adductor_hallucis_l" in names_of(human, "foot_left")


def test_hamstrings_of_the_mass_body_are_those_of_the_textbook(mass):
    assert names_of(mass, "hamstrings_left") == [
        "L_Bicep_Femoris_Longus", "L_Bicep_Femoris_Short", "L_Bicep_Femoris_Short1", "L_Semimembranosus",
        "L_Semimembranosus1", "L_Semitendinosus",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "plain", "side"),
    [
        ("soleus_r", "soleus", "right"),
        ("L_Soleus1", "soleus", "left"),
        ("R_iliacus", "iliacus", "right"),
        ("diaphragm", "diaphragm", ""),
        ("vastus_lateralis", "vastus_lateralis", ""),
    ],
)
def test_side_and_running_number_are_split_from_the_name(name, plain, side):
    assert split_side(name) == (plain, side)


def test_names_that_no_pattern_fits_are_grouped_as_other(human):
    groups = muscle_groups(renamed(human, {0: "L_Tail", 1: "diaphragm"}))
    assert list(groups["other_left"]) == [0]
    assert list(groups["other"]) == [1]
    assert list(groups)[-2:] == ["other", "other_left"]


def test_a_body_without_muscles_has_no_groups(motion_data):
    assert muscle_groups(load_body(motion_data("mass") / "data" / "human.xml")) == {}


def test_muscles_are_found_by_pattern_and_side(human):
    found = [human.muscle_names[index] for index in muscles_like(human, ["vastus_*", "soleus"], "left")]
    assert found == ["vastus_medialis_l", "vastus_intermedius_l", "vastus_lateralis_l", "soleus_l"]
    assert len(muscles_like(human, ["soleus"], "")) == 0


def test_activation_of_a_group_is_weighted_by_force(human):
    muscles = muscle_groups(human)["gastrocnemius_left"]
    activation = np.zeros((2, human.n_muscles))
    activation[0, muscles[0]] = 1.0
    activation[1] = 0.3
    medial, lateral = human.muscle_set.max_isometric_force[muscles]
    assert group_activation(human, activation, muscles) == pytest.approx([medial / (medial + lateral), 0.3])
