"""Name maps: skeletons are known by their names, whatever axes their joints have; users write TOML maps."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from musclegym.body import load_body
from musclegym.motion import load_motion, read_motion, retarget
from musclegym.motion.data import main
from musclegym.motion.families import (
    BANDAI_NAMCO,
    BODIES,
    CMU_MOTION_BUILDER,
    DEEPMIMIC,
    FAMILIES,
    LAFAN1,
    MIXAMO,
    MOTION_BUILDERS,
    SMPL,
    SMPL_X,
    XSENS,
    XSENS_SEGMENTS,
)
from musclegym.motion.frames import place
from musclegym.motion.load import embedded_files
from musclegym.motion.name_maps import find_family
from musclegym.motion.quality import measure
from musclegym.motion.retarget import follow
from tests.sources import (
    a_pose,
    bones_along_x,
    bones_along_y,
    facing_x,
    n_pose,
    source,
    standing_along_z,
    t_pose,
)

NAMED_BY = {  # names as they are found in files -> the family they must be taken for
    "mixamorig:{}": MIXAMO,
    "mixamorig1:{}": MIXAMO,
    "Armature|mixamorig_{}": MOTION_BUILDERS[2],
    "actor_01:{}": MOTION_BUILDERS[2],
    "{}": MOTION_BUILDERS[2],
}


@pytest.fixture(scope="module")
def body():
    return load_body("human")


@pytest.fixture(scope="module")
def walk(body):
    return load_motion("walk", body)


def test_bodies_are_those_of_the_human(body):
    assert set(BODIES) == set(body.body_names)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_is_told_by_its_names_in_any_spelling(body, walk, family):
    clip = source(family, body, walk.q[:2], 30.0, t_pose, lambda name: family.prefix + name)
    for spelled in (str, str.upper, lambda name: "studio:" + name, lambda name: name.replace("_", " ")):
        told = find_family(replace(clip, names=tuple(map(spelled, clip.names))), None)
        assert (told.name, set(told.joints)) == (family.name, set(family.joints))


@pytest.mark.parametrize("form", NAMED_BY)
def test_namespaces_do_not_count(body, walk, form):
    family = NAMED_BY[form]
    clip = source(family, body, walk.q[:2], 30.0, t_pose, form.format)
    assert find_family(clip, None).joints["TibiaR"] == form.format("RightLeg")


def test_a_skeleton_without_neck_and_clavicles_is_still_told(body, walk):
    joints = {name: joint for name, joint in SMPL.joints.items() if "Shoulder" not in name and name != "Neck"}
    clip = source(replace(SMPL, joints=joints), body, walk.q[:2], 30.0, t_pose)
    assert find_family(clip, None).joints == joints


@pytest.mark.parametrize(
    ("family", "layout"),
    [
        (MIXAMO, t_pose),
        (MOTION_BUILDERS[0], standing_along_z),
        (MOTION_BUILDERS[1], a_pose),
        (CMU_MOTION_BUILDER, facing_x),
        (XSENS, n_pose),
        (XSENS_SEGMENTS, t_pose),
        (SMPL_X, a_pose),
        (LAFAN1, a_pose),  # as another program may write it: the table's axes do not fit
        (LAFAN1, lambda name: LAFAN1.t_pose[name]),
        (BANDAI_NAMCO, lambda name: BANDAI_NAMCO.t_pose[name]),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", "")),
)
def test_a_zero_pose_that_stands_or_is_known_gives_back_the_very_motion(body, walk, family, layout):
    clip = source(family, body, walk.q, walk.fps, layout, lambda name: family.prefix + name)
    q, _ = follow(clip, find_family(clip, None), body.skeleton)
    position = place(body.skeleton, q).position
    assert position == pytest.approx(place(body.skeleton, walk.q).position, abs=1e-6)
    assert q[:, :6] == pytest.approx(walk.q[:, :6], abs=1e-6)


@pytest.mark.parametrize("layout", [bones_along_x, bones_along_y])
@pytest.mark.parametrize("name", ["walk", "jump"])
def test_a_zero_pose_that_is_a_heap_of_bones_is_made_up_for_by_the_motion(body, layout, name):
    motion = load_motion(name, body)
    clip = source(MOTION_BUILDERS[2], body, motion.q, motion.fps, layout)
    result = retarget(clip, body, cyclic=False, keep_place=True)
    quality = measure(clip, result)
    assert quality.limb_error < 15.0
    assert quality.clipped < 0.05
    off = np.abs(result.q - motion.q)[:, [0, 1, 2, *range(6, result.q.shape[1])]]
    assert np.median(off) < np.radians(3.0)
    assert np.median(off, axis=0).max() < np.radians(15.0)


def test_a_source_of_twice_the_size_gives_the_same_motion(body):
    clip = read_motion(embedded_files()["walk"])
    large = replace(clip, offset=2.0 * clip.offset, root=2.0 * clip.root)
    assert retarget(large, body).q == pytest.approx(retarget(clip, body).q, abs=1e-9)


@pytest.mark.parametrize("height", [1.5, 2.0])
def test_small_and_tall_humans_follow_as_well(height):
    body = load_body("human", height=height)
    for name in ("walk", "run"):
        clip = read_motion(embedded_files()[name])
        quality = measure(clip, retarget(clip, body, cyclic=False, keep_place=True))
        assert quality.limb_error < 15.0
        assert quality.deepest < 5.0
        assert quality.sliding < 0.05


def written(folder, text):
    """A TOML file."""
    path = folder / "map.toml"
    path.write_text(text)
    return path


def joints_table(family, rename: Callable[[str], str] = str):
    """The table [joints] of a family."""
    return "[joints]\n" + "".join(f'{body} = "{rename(name)}"\n' for body, name in family.joints.items())


def test_a_toml_file_maps_names_that_are_not_known(body, walk, tmp_path):
    clip = source(SMPL, body, walk.q, walk.fps, a_pose, "bone {}".format)
    strange = replace(clip, names=tuple(f"b{index}" for index in range(len(clip.names))))
    rename = dict(zip(clip.names, strange.names, strict=True))
    path = written(tmp_path, 'name = "ours"\n' + joints_table(SMPL, lambda name: rename["bone " + name]))
    with pytest.raises(ValueError, match="known family"):
        retarget(strange, body)
    assert retarget(strange, body, mapping=path).q == pytest.approx(retarget(clip, body).q, abs=1e-9)
    assert find_family(strange, path).name == "ours"


def test_a_toml_file_may_state_the_t_pose(body, walk, tmp_path):
    words = {name: axes_of(bones_along_x(name)) for name in LAFAN1.joints}
    table = "[t_pose]\n" + "".join(f"{name} = {pair}\n" for name, pair in words.items())
    path = written(tmp_path, joints_table(LAFAN1) + table)
    clip = source(LAFAN1, body, walk.q, walk.fps, bones_along_x)
    q, _ = follow(clip, find_family(clip, path), body.skeleton)
    assert place(body.skeleton, q).position == pytest.approx(place(body.skeleton, walk.q).position, abs=1e-6)


def axes_of(turn):
    """The words, such as ["-y", "+x"], for the first two columns of a turn by right angles."""
    return [f"{'+' if column.sum() > 0 else '-'}{'xyz'[np.abs(column).argmax()]}" for column in turn.T[:2]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("FemurL =", "FemurLeft ="), "'FemurLeft' (did you mean 'FemurL'?)"),
        (('TibiaR = "R_Knee"\n', ""), "lacks TibiaR; add"),
        (("L_Elbow", "L_Elbo"), "no joint is called 'L_Elbo' (did you mean 'L_Elbow'?)"),
        (("[joints]", "[names]"), "a table [joints]"),
        (("[joints]", "[joints"), "must be TOML"),
        (("[joints]", '[t_pose]\nPelvis = ["up", "+x"]\n[joints]'), "Pelvis = ['up', '+x']"),
        (("[joints]", '[t_pose]\nPelvis = ["+x", "-x"]\n[joints]'), "two different axes"),
    ],
)
def test_a_wrong_map_is_refused_with_the_nearest_names(body, walk, tmp_path, change, message):
    path = written(tmp_path, joints_table(SMPL).replace(*change))
    clip = source(SMPL, body, walk.q[:2], 30.0, t_pose)
    with pytest.raises(ValueError, match=re.escape(message)):
        retarget(clip, body, mapping=path)


def test_a_missing_map_and_a_nearly_known_skeleton_are_named(body, walk, tmp_path):
    clip = source(SMPL, body, walk.q[:2], 30.0, t_pose)
    with pytest.raises(FileNotFoundError, match=r"no-such\.toml"):
        retarget(clip, body, mapping=tmp_path / "no-such.toml")
    with pytest.raises(
        ValueError, match=r"nearest to SMPL, which also needs 'L_Knee' \(did you mean 'L_Kne'"
    ):
        retarget(replace(clip, names=tuple(name.replace("L_Knee", "L_Kne") for name in clip.names)), body)


def test_inspect_takes_a_map(tmp_path, capsys):
    main(["inspect", "walk", "--mapping", str(written(tmp_path, joints_table(DEEPMIMIC)))])
    assert "map.toml" in capsys.readouterr().out
