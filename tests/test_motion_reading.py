"""Motion files are read in their own conventions; broken ones are refused with file, line and cure."""

import json
import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.motion import embedded_motion_names, read_motion
from musclegym.motion.bvh import read_bvh
from musclegym.motion.load import embedded_files

BVH = """HIERARCHY
ROOT hips
{
  OFFSET 1 2 3
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT left leg
  {
    OFFSET 0 -1 0
    CHANNELS 3 Yrotation Zrotation Xrotation
    End Site
    {
      OFFSET 0 -500 0
    }
  }
  JOINT spine
  {
    OFFSET 0 1 0
    CHANNELS 1 Xrotation
    End Site
    {
      OFFSET 0 0 0
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.5
0 1 0 0 0 0 0 0 0 0
4 5 6 90 30 20 10 20 30 40
7 8 9 0 0 0 0 0 0 -50
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="clip.bvh", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_bvh_rotations_are_composed_in_each_joints_own_channel_order(write):
    clip = read_motion(write(BVH), unit=1.0)
    about = {axis: lambda angle, axis=axis: Rotation.from_euler(axis, angle, degrees=True) for axis in "xyz"}
    hips = about["z"](90) * about["x"](30) * about["y"](20)
    leg = about["y"](10) * about["z"](20) * about["x"](30)
    assert clip.rotation[1, 0] == pytest.approx(hips.as_matrix())
    assert clip.rotation[1, 1] == pytest.approx(leg.as_matrix())
    assert clip.rotation[1, 2] == pytest.approx(about["x"](40).as_matrix())
    assert clip.root[1] == pytest.approx([4, 5, 6])
    assert clip.fps == 2.0
    assert clip.duration == 1.0


def test_bvh_places_a_joint_at_its_offset_turned_with_its_parent(write):
    clip = read_motion(write(BVH), unit=0.01)
    _, position = clip.pose
    assert position[0, 1] == pytest.approx([0.0, 0.0, 0.0])  # one below the root at (0, 1, 0)
    down = Rotation.from_euler("ZXY", [90, 30, 20], degrees=True).apply([0, -1, 0])
    assert position[1, 1] == pytest.approx(0.01 * (np.array([4, 5, 6]) + down))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("Frame Time: ", "Frame Time:"),
        lambda text: text.replace("  ", "\t"),
        lambda text: text.replace("\n  ", "\n" + " " * 100_000),
        lambda text: text.replace("ROOT hips\n{", "ROOT hips {"),
        lambda text: text.replace("MOTION", "# written by hand\nMOTION  \n"),
        lambda text: text.replace("OFFSET 1 2 3", "OFFSET 1 2 3 # ignored"),
        lambda text: text + "\n\n",
        lambda text: text.replace("Zrotation", "ZROTATION").replace("End Site", "end site"),
    ],
)
def test_bvh_spelling_does_not_matter(write, change):
    plain, spelled = read_motion(write(BVH), unit=1.0), read_motion(write(change(BVH), "other.bvh"), unit=1.0)
    assert spelled.names == plain.names == ("hips", "left_leg", "spine")
    assert np.array_equal(spelled.rotation, plain.rotation)
    assert np.array_equal(spelled.root, plain.root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text[: text.index("JOINT spine")],
            r":14: .* MOTION between skeleton and numbers, but this has none",
        ),
        (lambda text: text[: text.index("    CHANNELS 1")] + "MOTION\n", r":17: every brace .* 2 are open"),
        (
            lambda text: text[: text.rindex("0 0 -50")],
            r":30: every row has one number per channel, 10 here, but .* has 7",
        ),
        (
            lambda text: text.replace("spine", "spine " * 90_000),
            r"in 500000 letters, but this .* 5 in 540",
        ),
        (lambda text: text[: text.index("7 8 9")], r"promises 3 frames, but 2 rows follow.*trust_rows=True"),
        (
            lambda text: text.replace("20 30 40", "20 nan 40"),
            r":29: rows hold .* but here is 'nan'",
        ),
        (
            lambda text: text.replace("20 30 40", "20 x 40"),
            r":29: rows hold .* but here is 'x'",
        ),
        (
            lambda text: text.replace("0.5", "0"),
            r":27: expected 'Frame Time: SECONDS' with a positive number",
        ),
        (lambda text: text.replace("Frames: 3\n", ""), r":26: expected 'Frames: COUNT'"),
        (
            lambda text: text.replace("JOINT spine", "JOINT hips"),
            r":15: .*'hips' also stands in line 2",
        ),
        (lambda text: text.replace("OFFSET 0 1 0", "OFFSET 0 1"), "'spine' needs one OFFSET of 3 numbers"),
        (lambda text: text.replace("CHANNELS 1", "CHANNELS 2"), "'spine' needs .* CHANNELS"),
        (lambda text: text.replace("OFFSET 0 1 0", "OFSET 0 1 0"), r":17: a hierarchy is made of"),
        (lambda text: "\0\1\2", ":1: a motion file is text, but here is a zero byte"),
        (lambda text: "", ":1: a motion file holds text, but this one is empty"),
    ],
)
def test_broken_bvh_is_refused_with_line_rule_and_cure(write, change, message):
    with pytest.raises(ValueError, match=r"(?s)clip\.bvh.*" + message):
        read_motion(write(change(BVH)), unit=1.0)


def test_bvh_with_a_wrong_count_can_be_read_on_request(write):
    path = write(BVH.replace("Frames: 3", "Frames: 300"))
    assert len(read_motion(path, unit=1.0, trust_rows=True).root) == 3


def test_bvh_root_that_does_not_move_is_folded_into_its_child(write):
    text = BVH.replace("ROOT hips", "JOINT hips").replace(
        "HIERARCHY\n", f"HIERARCHY\nROOT pin\n{{\nOFFSET 0 0 0\n{BVH.splitlines()[4]}\n"
    )
    text = text.replace("}\nMOTION", "}\n}\nMOTION")
    text = re.sub(r"^(\d.*)$", r"1 0 0 0 0 90 \1", text, flags=re.MULTILINE)
    clip = read_motion(write(text), unit=1.0)
    assert clip.names[0] == "hips"
    assert clip.root[1] == pytest.approx(
        [1 + 6, 5, -4]
    )  # a quarter turn about y takes (4, 5, 6) to (6, 5, -4)


@pytest.mark.parametrize(
    ("frame_time", "fps"),
    [
        ("0.0083333", 120.0),
        (".00833333", 120.0),
        ("8.3333e-3", 120.0),
        ("0.0333", 30.0),
        ("0.0416667", 24.0),
        ("0.08", 12.5),
        ("0.0333667", 1 / 0.0333667),
        ("0.0334", 1 / 0.0334),
        ("0.01", 100.0),
    ],
)
def test_a_rounded_frame_time_means_the_whole_rate_it_is_the_rounding_of(write, frame_time, fps):
    assert read_motion(write(BVH.replace("0.5", frame_time)), unit=1.0).fps == fps


def test_utf_16_is_read_and_other_encodings_are_refused_by_line(write):
    text = BVH.replace("spine", "wirbels\u00e4ule")
    plain, wide = read_motion(write(text), unit=1.0), read_motion(write(text, "wide.bvh", "utf-16"), unit=1.0)
    assert plain.names == wide.names == ("hips", "left_leg", "wirbels\u00e4ule")
    assert np.array_equal(plain.rotation, wide.rotation)
    with pytest.raises(ValueError, match=r"clip\.bvh:15: .*byte 0xe4; .*save it as UTF-8"):
        read_motion(write(text, encoding="latin-1"), unit=1.0)


def test_a_hash_inside_a_name_is_no_comment(write):
    assert read_motion(write(BVH.replace("spine", "spine#1")), unit=1.0).names[2] == "spine#1"


@pytest.mark.parametrize("count", [0, 2])
def test_joints_may_have_none_or_some_channels(write, count):
    channels = " ".join(["CHANNELS", str(count), *["Zrotation", "Xrotation"][:count]])
    text = BVH.replace("CHANNELS 1 Xrotation", channels)
    rows = "\n".join(f"0 1 0 0 0 0 0 0 0{' 90' * count}" for _ in range(3))
    clip = read_motion(write(text[: text.index("0 1 0 0 0 0 0")] + rows), unit=1.0)
    turned = Rotation.from_euler("ZX", [90, 90], degrees=True).as_matrix() if count else np.eye(3)
    assert clip.rotation[1, 2] == pytest.approx(turned)


def test_joints_without_a_root_and_channels_of_ends_are_refused(write):
    orphan = BVH.replace("  JOINT spine", "  End Site\n  {\n  JOINT spine").replace(
        "}\nMOTION", "}\n}\nMOTION"
    )
    with pytest.raises(ValueError, match=r"End Site has an OFFSET and nothing else"):
        read_motion(write(orphan), unit=1.0)
    ends = BVH.replace("OFFSET 0 -500 0", "OFFSET 0 -500 0\n CHANNELS 1 Xrotation")
    with pytest.raises(ValueError, match=r":6: an End Site has an OFFSET and nothing else"):
        read_motion(write(ends), unit=1.0)


def test_files_whose_joints_cost_more_than_they_hold_are_refused(write):
    twigs = "\n".join(f"JOINT j{i}\n{{\nOFFSET 0 0 0\nCHANNELS 0\n}}" for i in range(500))
    text = BVH.replace("CHANNELS 1 Xrotation", f"CHANNELS 1 Xrotation\n{twigs}")
    rows = "0 1 0 0 0 0 0 0 0 0\n" * 2000
    text = text[: text.index("0 1 0 0 0 0 0")].replace("Frames: 3", "Frames: 2000") + rows
    with pytest.raises(ValueError, match=r"503 joints and 2000 frames .*without them"):
        read_motion(write(text), unit=1.0)


def test_bones_that_stretch_are_refused(write):
    text = BVH.replace("CHANNELS 1 Xrotation", "CHANNELS 1 Yposition")
    with pytest.raises(ValueError, match=r"'spine' moves by .* mm"):
        read_motion(write(text), unit=1.0)


@pytest.mark.parametrize("unit", [0.001, 0.01, 0.0254, 0.0254 / 0.45, 1.0])
def test_unit_is_inferred_from_the_size_of_a_person(write, unit):
    text = re.sub(r"OFFSET 0 (-?)1 0", rf"OFFSET 0 \g<1>{1.0 / unit} 0", BVH)
    clip = read_motion(write(text))
    assert clip.unit == pytest.approx(unit)
    assert np.linalg.norm(clip.bone("hips", "spine")) == pytest.approx(1.0)


def test_a_size_of_nobody_is_refused(write):
    with pytest.raises(ValueError, match="give unit=METRES_PER_UNIT"):
        read_motion(write(BVH.replace("OFFSET 0 1 0", "OFFSET 0 100000 0")))


def test_resampling_takes_frames_as_they_are_where_it_can_and_turns_evenly_between_them(write):
    clip = read_bvh(write(BVH), unit=1.0)
    finer = clip.resample(4.0)
    assert finer.fps == 4.0
    assert len(finer.root) == 5
    assert np.array_equal(finer.resample(2.0).rotation, finer.rotation[::2])
    angle = Rotation.from_matrix(finer.rotation[:, 2]).as_rotvec(degrees=True)[:, 0]
    assert angle == pytest.approx([0, 20, 40, -5, -50])


def deepmimic_frame(duration=0.25, **joints):
    """A frame with all joints at rest but those given: root position, quaternions wxyz or hinge angles."""
    layout = [
        "root",
        "chest",
        "neck",
        "right_hip",
        "right_knee",
        "right_ankle",
        "right_shoulder",
        "right_elbow",
    ]
    layout += ["left_hip", "left_knee", "left_ankle", "left_shoulder", "left_elbow"]
    numbers = [duration, *joints.get("position", (0.0, 0.9, 0.0))]
    for name in layout:
        hinge = name.endswith(("knee", "elbow"))
        numbers += [joints.get(name, 0.0)] if hinge else list(joints.get(name, (1.0, 0.0, 0.0, 0.0)))
    return numbers


def test_deepmimic_frames_of_different_durations_are_sampled_evenly(write):
    frames = [
        deepmimic_frame(0.25, right_knee=0.0),
        deepmimic_frame(0.5, right_knee=-0.4),
        deepmimic_frame(0.0, right_knee=-1.0),
    ]
    clip = read_motion(write(json.dumps({"Loop": "none", "Frames": frames}), "humanoid3d_bend.txt"))
    assert clip.name == "bend"
    assert clip.fps == 4.0
    assert clip.cyclic is False
    knee = Rotation.from_matrix(clip.rotation[:, clip.joint("right_knee")]).as_rotvec()
    assert knee[:, 2] == pytest.approx([0.0, -0.4, -0.7, -1.0])


def test_deepmimic_quaternions_put_the_scalar_first(write):
    half = np.sqrt(0.5)
    frames = [deepmimic_frame(root=(half, 0.0, half, 0.0))] * 2
    clip = read_motion(write(json.dumps({"Loop": "wrap", "Frames": frames}), "clip.json"))
    assert clip.rotation[0, 0] @ [1.0, 0.0, 0.0] == pytest.approx([0.0, 0.0, -1.0])
    assert clip.cyclic is True


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"Loop": "wrap", "Frames": [[0.1] * 20] * 2}, "frame 0: a frame has 44 numbers .* this one has 20"),
        (
            {"Loop": "wrap", "Frames": [deepmimic_frame(), deepmimic_frame(0.0), deepmimic_frame()]},
            "frame 1: .* durations",
        ),
        (
            {"Loop": "wrap", "Frames": [deepmimic_frame(), deepmimic_frame(neck=(9, 0, 0, 0))]},
            "frame 1: .* unit quaternions",
        ),
        ({"Loop": "wrap", "Frames": [deepmimic_frame()]}, "at least two frames"),
        ({"Loop": "wrap", "Frames": [["x"] * 44] * 2}, "frames hold numbers up to"),
        ({"Loop": "wrap", "Frames": [["1"] * 44] * 2}, "frames hold numbers up to"),
        ({"Loop": "wrap", "Frames": [[True] * 44] * 2}, "frames hold numbers up to"),
        ({"Loop": "wrap", "Frames": [[10**400] * 44] * 2}, "frames hold numbers up to"),
        (
            {"Loop": "wrap", "Frames": [deepmimic_frame(0.01), deepmimic_frame(2.0), deepmimic_frame()]},
            "frame 1: no frame lasts more than 100 times as long",
        ),
        (
            {"Loop": "wrap", "Frames": [deepmimic_frame(), deepmimic_frame(1e-9), deepmimic_frame()]},
            "frame 1: .* durations",
        ),
        ({"Loop": "round", "Frames": [deepmimic_frame()] * 2}, '"Loop" must be'),
        ({"content": "walk", "style": "old"}, 'with a list "Frames"'),
    ],
)
def test_broken_deepmimic_file_is_refused(write, record, message):
    with pytest.raises(ValueError, match=message):
        read_motion(write(json.dumps(record), "clip.txt"))


def test_text_that_is_no_json_is_refused(write):
    with pytest.raises(ValueError, match="must be JSON, but"):
        read_motion(write('{"Loop": "wrap", "Frames": [[0.1,', "clip.txt"))
    with pytest.raises(ValueError, match=r"clip\.txt:1: .*nested too deeply"):
        read_motion(write("[" * 100_000, "clip.txt"))
    with pytest.raises(ValueError, match=r"clip\.txt:1: .*a key twice"):
        read_motion(write('{"Loop": "wrap", "Loop": "none", "Frames": []}', "clip.txt"))


def test_missing_file_and_unknown_format_name_the_way_out(write, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"embedded motion: .*walk"):
        read_motion(tmp_path / "none.bvh")
    with pytest.raises(ValueError, match="convert it to BVH"):
        read_motion(write("", "clip.fbx"))


def test_all_embedded_motions_can_be_read():
    assert len(embedded_motion_names()) == 20
    assert {"walk", "run", "jump", "turn_left0"} <= set(embedded_motion_names())
    assert sum(read_motion(file).duration for file in embedded_files().values()) == pytest.approx(
        39.7, abs=0.1
    )
