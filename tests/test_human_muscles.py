"""The default human's muscles: moment arms, fibre lengths, strength, symmetry, virtual work."""

import csv
from pathlib import Path

import numpy as np
import pytest

from musclegym.body import Body, load_body
from musclegym.human import neutral_pose, read_table
from musclegym.muscle.fitting import RANDOM_POSES, sample_poses
from musclegym.rotation import Array
from musclegym.strength import StrengthMeasurement, human_strength

MOVEMENTS = {row["movement"]: (row["dof"], int(row["sign"])) for row in read_table("movements")}

# Names in the shared table of published actions -> ours, and its groups -> our movements.
PUBLISHED_NAMES = {
    "glut_med1": "gluteus_medius_anterior",
    "glut_med2": "gluteus_medius_middle",
    "glut_med3": "gluteus_medius_posterior",
    "glut_min1": "gluteus_minimus_anterior",
    "glut_min2": "gluteus_minimus_middle",
    "glut_min3": "gluteus_minimus_posterior",
    "glut_max1": "gluteus_maximus_upper",
    "glut_max2": "gluteus_maximus_middle",
    "glut_max3": "gluteus_maximus_lower",
    "semimem": "semimembranosus",
    "semiten": "semitendinosus",
    "bifemlh": "biceps_femoris_long_head",
    "bifemsh": "biceps_femoris_short_head",
    "sar": "sartorius",
    "add_long": "adductor_longus",
    "add_brev": "adductor_brevis",
    "add_mag1": "adductor_magnus_middle",
    "add_mag2": "adductor_magnus_distal",
    "add_mag3": "adductor_magnus_ischial",
    "tfl": "tensor_fasciae_latae",
    "pect": "pectineus",
    "grac": "gracilis",
    "iliacus": "iliacus",
    "psoas": "psoas_upper",
    "quad_fem": "quadratus_femoris",
    "gem": "gemelli_obturator_internus",
    "peri": "piriformis",
    "rect_fem": "rectus_femoris",
    "vas_med": "vastus_medialis",
    "vas_int": "vastus_intermedius",
    "vas_lat": "vastus_lateralis",
    "med_gas": "gastrocnemius_medial",
    "lat_gas": "gastrocnemius_lateral",
    "soleus": "soleus",
    "tib_post": "tibialis_posterior",
    "tib_ant": "tibialis_anterior",
    "flex_dig": "flexor_digitorum_longus",
    "flex_hal": "flexor_hallucis_longus",
    "ext_dig": "extensor_digitorum_longus",
    "ext_hal": "extensor_hallucis_longus",
    "per_brev": "peroneus_brevis",
    "per_long": "peroneus_longus",
    "per_tert": "peroneus_tertius",
    "ercspn": "iliocostalis_lumborum",
    "intobl": "internal_oblique_anterior",
    "extobl": "external_oblique_anterior",
}
PUBLISHED_GROUPS = {
    "R_hip_abd": "hip_abduction",
    "R_hip_flex": "hip_flexion",
    "R_hip_inrot": "hip_internal_rotation",
    "R_hip_exrot": "hip_external_rotation",
    "R_hip_ext": "hip_extension",
    "R_hip_add": "hip_adduction",
    "R_knee_bend": "knee_flexion",
    "R_knee_ext": "knee_extension",
    "R_ankle_pf": "ankle_plantarflexion",
    "R_inverter": "foot_inversion",
    "R_ankle_df": "ankle_dorsiflexion",
    "R_everter": "foot_eversion",
    "back_ext": "lumbar_extension",
    "back_flex": "lumbar_flexion",
}


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


@pytest.fixture(scope="module")
def strengths(human: Body) -> list[StrengthMeasurement]:
    return human_strength(human)


def moment_arms(human: Body, pose: Array) -> Array:
    """Moment arms (dof, muscle) [m] at a pose (dof,)."""
    state = human.muscles(pose)
    return state.torque_matrix / state.active_force


def posed(human: Body, **degrees: float) -> Array:
    """Hanging arms, with some DoFs of the right side at other angles [deg]."""
    pose = neutral_pose(human.skeleton)
    for name, angle in degrees.items():
        pose[human.dof_names.index(name)] = np.radians(angle)
    return pose


def mirrored_pose(human: Body, pose: Array) -> Array:
    """Mirror image of a pose with the root at rest: sides exchanged, rotations about y and z turned round."""
    image = np.zeros_like(pose)
    for index, name in enumerate(human.dof_names[6:], start=6):
        owner, _, axis = name.partition("_")
        other = owner[:-1] + {"R": "L", "L": "R"}.get(owner[-1], owner[-1])
        sign = -1.0 if axis in ("y", "z") or owner.startswith("ForeArm") else 1.0
        image[human.dof_names.index(other + ("_" + axis if axis else ""))] = sign * pose[index]
    return image


def test_there_are_at_least_150_muscles_with_names_of_their_own(human: Body):
    assert human.n_muscles >= 150
    assert len(set(human.muscle_names)) == human.n_muscles
    assert {name[-2:] for name in human.muscle_names} == {"_r", "_l"}


@pytest.mark.parametrize("pose", ["T-pose", "hanging arms"])
def test_muscles_do_what_their_table_lists(human: Body, pose: str):
    q = np.zeros(56) if pose == "T-pose" else neutral_pose(human.skeleton)
    arms = moment_arms(human, q)
    for row in read_table("muscles"):
        muscle = human.muscle_names.index(row["muscle"] + "_r")
        for action in row["actions"].split():
            dof, sign = MOVEMENTS[action]
            arm = sign * arms[human.dof_names.index(dof), muscle]
            assert arm > 0.0005, f"{row['muscle']} {action}: {1000 * arm:.1f} mm"


def test_muscles_do_what_the_published_model_lists(human: Body, shared: Path):
    # Some hip muscles change their action with flexion and are listed under both: a sign must hold somewhere
    # from 0 to 90 degrees of flexion.
    poses = [posed(human, FemurR_x=-angle, TibiaR=angle / 3) for angle in (0, 30, 60, 90)]
    arms = [moment_arms(human, pose) for pose in poses]
    rows = csv.DictReader((shared / "anatomy" / "muscle_actions.csv").read_text().splitlines())
    checked = 0
    for row in rows:
        if row["model"] != "gait2392" or row["action"] not in PUBLISHED_GROUPS:
            continue
        dof, sign = MOVEMENTS[PUBLISHED_GROUPS[row["action"]]]
        for published in (name for name in row["muscles"].split() if name.endswith("_r")):
            muscle = human.muscle_names.index(PUBLISHED_NAMES[published[:-2]] + "_r")
            best = max(sign * arm[human.dof_names.index(dof), muscle] for arm in arms)
            assert best > 0.0, f"{published} {row['action']}: {1000 * best:.1f} mm"
            checked += 1
    assert checked > 70


@pytest.mark.parametrize(
    ("dof", "sign", "muscles"),
    [
        ("TibiaR", -1, ["rectus_femoris", "vastus_medialis", "vastus_intermedius", "vastus_lateralis"]),
        (
            "TibiaR",
            1,
            ["semimembranosus", "semitendinosus", "biceps_femoris_long_head", "gracilis", "sartorius"],
        ),
        ("TibiaR", 1, ["biceps_femoris_short_head", "gastrocnemius_medial", "gastrocnemius_lateral"]),
        ("TalusR_x", 1, ["soleus", "gastrocnemius_medial", "tibialis_posterior", "peroneus_longus"]),
        ("TalusR_x", -1, ["tibialis_anterior", "extensor_digitorum_longus", "extensor_hallucis_longus"]),
        ("ForeArmR", 1, ["biceps_long_head", "biceps_short_head", "brachialis", "brachioradialis"]),
        ("ForeArmR", -1, ["triceps_long_head", "triceps_lateral_head", "triceps_medial_head", "anconeus"]),
        ("FootThumbR", 1, ["flexor_hallucis_longus", "flexor_hallucis_brevis", "abductor_hallucis"]),
        ("FootThumbR", -1, ["extensor_hallucis_longus", "extensor_hallucis_brevis"]),
        ("FootPinkyR", 1, ["flexor_digitorum_longus", "flexor_digitorum_brevis"]),
        ("FootPinkyR", -1, ["extensor_digitorum_longus", "extensor_digitorum_brevis"]),
        ("FemurR_x", 1, ["gluteus_maximus_upper", "gluteus_maximus_middle", "gluteus_maximus_lower"]),
        ("FemurR_x", 1, ["semimembranosus", "semitendinosus", "biceps_femoris_long_head"]),
        ("FemurR_x", -1, ["iliacus", "psoas_upper", "psoas_lower", "rectus_femoris", "tensor_fasciae_latae"]),
        ("Spine_x", -1, ["iliocostalis_lumborum", "longissimus_thoracis", "multifidus_lumborum"]),
        ("Spine_x", 1, ["rectus_abdominis"]),
    ],
)
def test_prime_movers_keep_their_sign_over_the_whole_range(
    human: Body, dof: str, sign: int, muscles: list[str]
):
    index = human.dof_names.index(dof)
    columns = [human.muscle_names.index(name + "_r") for name in muscles]
    for angle in np.linspace(human.skeleton.lower[index], human.skeleton.upper[index], 15):
        arms = sign * moment_arms(human, posed(human, **{dof: np.degrees(angle)}))[index, columns]
        assert (arms > 0.001).all(), dict(zip(muscles, 1000 * arms.round(4), strict=True))


def test_moment_arms_are_of_published_size(human: Body):
    def arm(dof: str, muscle: str, **pose: float) -> float:
        index = human.dof_names.index(dof)
        return 100 * abs(
            moment_arms(human, posed(human, **pose))[index, human.muscle_names.index(muscle + "_r")]
        )

    assert 3.5 < arm("TibiaR", "vastus_intermedius", TibiaR=30) < 5.5  # Buford et al. 1997: 4 to 5 cm
    assert 3.5 < arm("TalusR_x", "soleus") < 5.5  # Maganaris et al. 1998: 4 to 5 cm
    assert 3.5 < arm("ForeArmR", "biceps_long_head", ForeArmR=90) < 5.5  # Murray et al. 1995: 4 to 5 cm
    assert 5.0 < arm("FemurR_x", "gluteus_maximus_middle") < 8.5  # Nemeth & Ohlsen 1985: 6 to 8 cm
    assert 4.5 < arm("Spine_x", "longissimus_thoracis") < 7.5  # Christophy et al. 2012: 5 to 7 cm


def test_fibres_stay_between_half_and_eight_fifths_of_their_optimal_length(human: Body):
    # Other random poses than those that the tendons were fitted to; sweeps of every DoF are among them. The
    # last two thirds of the random ones have most joint coordinates near or at a limit at once.
    lengths = np.array([human.muscles(pose).fibre_length for pose in sample_poses(human.skeleton, seed=7)])
    inside = lengths[: -2 * RANDOM_POSES]
    assert inside.min() >= 0.5
    assert lengths.max() <= 1.6
    assert lengths.min() >= 0.45
    assert np.mean(lengths < 0.5) < 1e-4


def test_tendons_are_no_shorter_than_nothing_and_fibres_no_shorter_than_half_their_published_length(
    human: Body,
):
    published = np.repeat([float(row["optimal_fibre_length_m"]) for row in read_table("muscles")], 2)
    assert (human.muscle_set.tendon_slack_length >= 0.0).all()
    assert (human.muscle_set.optimal_fibre_length > 0.5 * published).all()


def test_standing_needs_no_effort_against_passive_muscles(human: Body):
    state = human.muscles(neutral_pose(human.skeleton))
    assert (np.abs(state.passive_torque) < 12.0).all()
    assert (state.passive_force < 0.12 * human.muscle_set.max_isometric_force).all()


def test_every_joint_can_be_turned_both_ways(human: Body):
    lower, upper = human.skeleton.lower, human.skeleton.upper
    for start in (np.zeros(56), neutral_pose(human.skeleton)):
        for dof in range(6, 56):
            for angle in np.linspace(0.9 * lower[dof], 0.9 * upper[dof], 5):
                pose = start.copy()
                pose[dof] = angle
                row = human.muscles(pose).torque_matrix[dof]
                assert row[row > 0].sum() > 1.0, (human.dof_names[dof], angle)
                assert row[row < 0].sum() < -1.0, (human.dof_names[dof], angle)


def test_isometric_strength_lies_in_published_ranges(strengths: list[StrengthMeasurement]):
    outside = [m for m in strengths if not m.published[0] <= m.torque <= m.published[1]]
    assert not outside
    assert len(strengths) >= 20


def test_left_muscles_are_the_mirror_image_of_the_right(human: Body):
    for pose in sample_poses(human.skeleton, seed=3)[-5:]:
        right, left = human.muscles(pose), human.muscles(mirrored_pose(human, pose))
        np.testing.assert_allclose(left.path_length[1::2], right.path_length[0::2], rtol=1e-12)
        np.testing.assert_allclose(left.path_length[0::2], right.path_length[1::2], rtol=1e-12)
        # The tendons of both sides are fitted to the same random poses, which are not mirror images.
        np.testing.assert_allclose(left.fibre_length[1::2], right.fibre_length[0::2], atol=0.03)


def test_torque_is_the_work_of_the_muscles_force(human: Body):
    # Virtual work: torque column = -force times the gradient of the path length, here by central differences.
    step = 1e-6
    for pose in sample_poses(human.skeleton, seed=4)[-2:]:
        state = human.muscles(pose)
        for dof in range(56):
            velocity = np.zeros(56)
            velocity[dof] = 1.0
            after = human.muscles(human.skeleton.integrate(pose, velocity, step)).path_length
            before = human.muscles(human.skeleton.integrate(pose, velocity, -step)).path_length
            expected = -state.active_force * (after - before) / (2.0 * step)
            scale = np.abs(state.torque_matrix).max()
            np.testing.assert_allclose(state.torque_matrix[dof], expected, atol=1e-6 * scale)


def test_muscles_neither_push_nor_turn_the_root(human: Body):
    for pose in sample_poses(human.skeleton, seed=5)[-5:]:
        state = human.muscles(pose)
        np.testing.assert_allclose(state.torque_matrix[:6], 0.0, atol=1e-9)
        np.testing.assert_allclose(state.passive_torque[:6], 0.0, atol=1e-9)
