"""ASF skeletons and AMC motions are read by the rules of the Acclaim format, or refused by name and line."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.motion import read_motion, write_bvh
from musclegym.motion.asf import read_asf

ASF = """# by hand
:version 1.10
:name tiny
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
   two legs and a trunk
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name lthigh
     direction 0 -1 0
     length 8
     axis 0 0 90 XYZ
    dof rx rz
    limits (-160.0 20.0)
           (-inf 70.0)
  end
  begin
     id 2
     name lshin
     direction 0 -1 0
     length 7
     axis 0 0 0 XYZ
    dof rx
  end
  begin
     id 3
     name lfoot
     direction 0 0 1
     length 3
     axis 0 0 0 XYZ
  end
  begin
     id 4
     name trunk
     direction 0 1 0
     length 10
     axis 0 0 0 XYZ
    dof rx ry rz
  end
:hierarchy
  begin
    root trunk lthigh
    lthigh lshin
    lshin lfoot
  end
"""

AMC = """#!OML:ASF
:FULLY-SPECIFIED
:DEGREES
1
root 0 17 0 0 0 0
trunk 10 20 30
lthigh 0 0
lshin 90
2
root 1 17 2 0 90 90
trunk 0 0 0
lthigh 30 0
lshin 0
"""
INCH = 0.0254 / 0.45


@pytest.fixture
def read(tmp_path):
    """Function that writes both files and reads the motion."""

    def read(asf=ASF, amc=AMC, **options):
        (tmp_path / "07.asf").write_bytes(asf.encode())
        (tmp_path / "07_01.amc").write_bytes(amc.encode())
        return read_motion(tmp_path / "07_01.amc", **options)

    return read


def test_bones_start_where_their_parents_end_in_cmu_lengths(read):
    clip = read()
    assert clip.names == ("root", "trunk", "lthigh", "lshin", "lfoot")
    assert clip.fps == 120.0
    assert clip.unit == pytest.approx(INCH)
    assert clip.root[1] == pytest.approx(np.array([1, 17, 2]) * INCH)
    assert clip.bone("root", "lfoot") == pytest.approx([0.0, -15 * INCH, 0.0])
    assert clip.offset[clip.joint("trunk")] == pytest.approx([0.0, 0.0, 0.0])


def test_channels_turn_about_fixed_axes_one_after_the_other(read):
    clip = read()
    about = {axis: lambda angle, axis=axis: Rotation.from_euler(axis, angle, degrees=True) for axis in "xyz"}
    trunk = about["z"](30) * about["y"](20) * about["x"](10)
    assert clip.rotation[0, clip.joint("trunk")] == pytest.approx(trunk.as_matrix())
    root = about["z"](90) * about["y"](90)
    assert clip.rotation[1, 0] == pytest.approx(root.as_matrix())


def test_a_bones_channels_turn_about_its_own_axes(read):
    clip = read()
    # The thigh's axes are the world's turned by 90 degrees about z: its rx turns about the world's y.
    thigh = Rotation.from_euler("y", 30, degrees=True).as_matrix()
    assert clip.rotation[1, clip.joint("lthigh")] == pytest.approx(thigh)
    # A shin turned by 90 degrees about x takes the foot, which points along -y from it, to -z.
    position = clip.pose[1][0]
    ankle = position[clip.joint("lfoot")] - position[clip.joint("lshin")]
    assert ankle == pytest.approx([0.0, 0.0, -7 * INCH])


def test_order_of_the_roots_numbers_and_radians_are_respected(read):
    asf = ASF.replace("order TX TY TZ RX RY RZ", "order RX RY RZ TX TY TZ")
    amc = AMC.replace("root 1 17 2 0 90 90", "root 0 90 90 1 17 2").replace(
        "root 0 17 0 0 0 0", "root 0 0 0 0 17 0"
    )
    plain, other = read(), read(asf, amc)
    assert np.array_equal(other.rotation, plain.rotation)
    assert np.array_equal(other.root, plain.root)
    halves = AMC.replace(":DEGREES", ":RADIANS").replace("lshin 90", f"lshin {np.pi / 2}")
    shin = plain.joint("lshin")
    assert read(amc=halves).rotation[0, shin] == pytest.approx(plain.rotation[0, shin])


def test_limits_are_kept_in_radians(read, tmp_path):
    read()
    thigh = next(bone for bone in read_asf(tmp_path / "07.asf").bones if bone.name == "lthigh")
    assert thigh.channels == ("RX", "RZ")
    assert thigh.limits == pytest.approx(np.radians([[-160.0, 20.0], [-np.inf, 70.0]]))


def test_frame_rate_comes_from_the_file_or_the_caller(read):
    amc = AMC.replace(":DEGREES", ":DEGREES\n:SAMPLES-PER-SECOND 60")
    assert read(amc=amc).fps == 60.0
    assert read(amc=amc, fps=50.0).fps == 50.0


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("  ", "\t") + "\n\n",
        lambda text: "# a comment\n" + text,
    ],
)
def test_spelling_does_not_matter(read, change):
    plain, spelled = read(), read(change(ASF), change(AMC))
    assert np.array_equal(spelled.rotation, plain.rotation)
    assert np.array_equal(spelled.offset, plain.offset)


def test_skeleton_is_found_beside_the_motion_or_given(tmp_path):
    (tmp_path / "07_01.amc").write_text(AMC)
    with pytest.raises(FileNotFoundError, match=r"07\.asf beside it, but the folder has no \.asf.*skeleton="):
        read_motion(tmp_path / "07_01.amc")
    (tmp_path / "actor.ASF").write_text(ASF)
    assert len(read_motion(tmp_path / "07_01.amc").root) == 2
    (tmp_path / "08.asf").write_text(ASF)
    with pytest.raises(FileNotFoundError, match=r"has 08\.asf, actor\.ASF"):
        read_motion(tmp_path / "07_01.amc")
    assert len(read_motion(tmp_path / "07_01.amc", skeleton=tmp_path / "08.asf").root) == 2
    (tmp_path / "07.asf").write_text(ASF.replace("length 8", "length 9"))
    clip = read_motion(tmp_path / "07_01.amc")
    assert clip.bone("root", "lshin")[1] == pytest.approx(-9 * INCH)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(":hierarchy", ":hierarchie"), r":49: sections are"),
        (lambda text: text[: text.index(":hierarchy")], r"section :hierarchy .* truncated"),
        (
            lambda text: text.replace("name lshin", "name lthigh"),
            r":27: names of bones must be unique.*lthigh",
        ),
        (
            lambda text: text.replace("lshin lfoot", "lshin lthigh"),
            r":53: every bone hangs from one parent.*lthigh",
        ),
        (
            lambda text: text.replace("    lshin lfoot\n", ""),
            r":35: every bone hangs, .*from the root.*lfoot",
        ),
        (
            lambda text: text.replace("root trunk lthigh", "root trunk").replace(
                "lshin lfoot", "lshin lfoot lthigh"
            ),
            r":17: every bone hangs, .*from the root.*lthigh",
        ),
        (lambda text: text.replace("lshin lfoot", "lshin hand"), r":53: .*'hand'"),
        (lambda text: text.replace("dof rx rz", "dof rx tx"), r":22: a rigid bone's dof.*'rx tx'"),
        (lambda text: text.replace("dof rx rz", "dof rx rx"), r":22: a rigid bone's dof.*'rx rx'"),
        (lambda text: text.replace("(-160.0 20.0)", "(-160.0)"), r":23: limits are 2 pairs"),
        (lambda text: text.replace("(-160.0 20.0)", "(60.0 20.0)"), r":23: the first limit .* smaller"),
        (lambda text: text.replace("length 8", "length eight"), r":20: this statement needs 1 finite"),
        (lambda text: text.replace("length 8", "length 1e30"), r":20: this statement needs 1 finite"),
        (lambda text: text.replace("direction 0 0 1", "direction 0 0 2"), r":35: a direction has length 1"),
        (lambda text: text.replace("axis 0 0 90 XYZ", "axis 0 0 90 XYX"), r":21: an order of axes"),
        (lambda text: text.replace("length 8", "length 8\n length 9"), r":21: statements here are, once"),
        (lambda text: text.replace("     name lshin\n", ""), r":27: a bone needs the statement name"),
        (lambda text: text.replace("position 0 0 0", "position 0 1 0"), r":13: the root's position is 0 0 0"),
        (lambda text: text.replace("TX TY TZ RX", "TX TY RX"), r":11: the root has order"),
        (lambda text: text.replace("angle deg", "angle grad"), r"angle grad"),
        (lambda text: text.replace("  begin\n     id 2", "     id 2"), r":26: bones, .* stand between begin"),
        (lambda text: text.replace("length 8", "length 80"), r"a person's size in none|means units of"),
        (
            lambda text: text.replace("length 8", "length 30").replace("length 7", "length 40"),
            r"means units of",
        ),
    ],
)
def test_broken_skeleton_is_refused_with_line_rule_and_cure(read, change, message):
    with pytest.raises(ValueError, match=r"(?s)07\.asf.*" + message):
        read(asf=change(ASF))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace("lshin 0", "lshin 0 0"),
            r":13: frame 2 goes on with 'lshin' and 1 numbers",
        ),
        (lambda text: text.replace("lshin 0\n", ""), r":12: every frame has 5 lines, the last one too"),
        (lambda text: text[: text.index("lthigh 30")], r"every frame has 5 lines"),
        (lambda text: text.replace("\n2\n", "\n3\n"), r":9: frame 2 goes on with '2'"),
        (lambda text: text.replace("lthigh 30", "lshin 30"), r":12: frame 2 goes on with 'lthigh'"),
        (lambda text: text.replace("lthigh", "thigh"), r":4: .*each moving bone of 07\.asf.*without lthigh"),
        (lambda text: text.replace("lshin 90", "lshin nan"), r":8: lines hold finite numbers.*'nan'"),
        (lambda text: text.replace("lshin 90", "lshin 1e9"), r":8: lines hold finite numbers.*'1e9'"),
        (lambda text: text.replace(":DEGREES", ":GRADES"), r":3: flags are"),
        (lambda text: text[: text.index("1\n")], r":3: an AMC file has frames"),
        (lambda text: text[: text.index("2\n")], r"at least 2 frames"),
        (lambda text: text.replace(":DEGREES", ":SAMPLES-PER-SECOND 1e6"), r"frames per second"),
        (lambda text: "", r":1: .*empty"),
    ],
)
def test_broken_motion_is_refused_with_line_rule_and_cure(read, change, message):
    with pytest.raises(ValueError, match=r"(?s)07_01\.amc.*" + message):
        read(amc=change(AMC))


def test_amc_turns_the_joints_as_the_bvh_conversion_of_the_same_trial_does(motion_data):
    """The root is left out: that conversion composes it in another order, and its feet slide more for it."""
    own = read_motion(motion_data("cmu-asfamc") / "02" / "02_01.amc")
    other = read_motion(motion_data("cmu-actions") / "walking" / "walking_1.bvh")
    assert own.root - own.root[0] == pytest.approx(other.root - other.root[0], abs=3e-4)
    shared = [name for name in own.names[1:] if name in other.names]
    assert len(shared) == 30
    for name in shared:
        ours, theirs = own.rotation[:, own.joint(name)], other.rotation[:, other.joint(name)]
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_amc_becomes_bvh(read, tmp_path):
    clip = read()
    write_bvh(tmp_path / "out.bvh", clip)
    back = read_motion(tmp_path / "out.bvh", unit=0.01)
    assert back.names == clip.names
    assert back.rotation == pytest.approx(clip.rotation, abs=1e-7)
    assert back.pose[1] == pytest.approx(clip.pose[1], abs=1e-7)
    assert back.fps == clip.fps
