"""Folders of KIT-ML and HumanML3D are read clip by clip; arrays that are not what they say are refused."""

import io
import pickle
import re
import zipfile

import numpy as np
import pytest

from musclegym.motion.joint_sets import HUMANML3D, KIT
from musclegym.motion.kit import open_kit
from musclegym.motion.npy import read_floats

TEXT = """a person walks.#a/DET person/NOUN walk/VERB#0.0#0.0
someone stops#someone/PRON stop/VERB#1.0#2.0
"""


@pytest.fixture
def folder(tmp_path):
    """A folder of two small KIT-ML clips and the mirror image of one."""
    rng = np.random.default_rng(0)
    for name in ("new_joint_vecs", "texts"):
        (tmp_path / name).mkdir()
    for name in ("00001", "M00001", "00002"):
        np.save(tmp_path / "new_joint_vecs" / f"{name}.npy", rng.normal(size=(9, 251)).astype(np.float32))
        (tmp_path / "texts" / f"{name}.txt").write_text(TEXT)
    np.save(tmp_path / "Mean.npy", np.linspace(-1.0, 1.0, 251))
    np.save(tmp_path / "Std.npy", np.full(251, 2.0))
    (tmp_path / "train.txt").write_text("00001\nM00001\n")
    (tmp_path / "test.txt").write_text("00002\r\n\r\n")
    return tmp_path


def test_clips_carry_rate_and_unit_of_their_data_set(folder):
    kit = open_kit(folder)
    assert kit.joint_set is KIT
    assert kit.names == ("00001", "00002", "M00001")
    assert kit.splits == {"train": ("00001", "M00001"), "test": ("00002",)}
    features = kit.features("00002")
    assert (features.fps, features.unit, features.values.shape) == (12.5, KIT.unit, (9, 251))
    assert np.array_equal(features.values, np.load(folder / "new_joint_vecs" / "00002.npy"))
    assert kit.normalised(features)[0, 0] == pytest.approx((features.values[0, 0] + 1.0) / 2.0)


def test_captions_belong_to_their_clip(folder):
    whole, part = open_kit(folder).captions("00001")
    assert whole.text == "a person walks."
    assert (part.start, part.end) == (1.0, 2.0)


def test_a_folder_of_263_numbers_is_humanml3d(folder):
    np.save(folder / "Mean.npy", np.zeros(263))
    np.save(folder / "Std.npy", np.ones(263))
    kit = open_kit(folder)
    assert kit.joint_set is HUMANML3D
    with pytest.raises(ValueError, match=r"00001\.npy: HumanML3D features have shape \(frame, 263\)"):
        kit.features("00001")


def test_missing_parts_are_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds new_joint_vecs"):
        open_kit(folder / "texts")
    with pytest.raises(FileNotFoundError, match=r"99\.npy"):
        open_kit(folder).features("99")
    with pytest.raises(FileNotFoundError):
        open_kit(folder).captions("99")
    (folder / "Std.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"Std\.npy"):
        open_kit(folder)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("test.txt", "00002\nM00001\n", r"'M00001' is in test\.txt and train\.txt"),
        ("test.txt", "00001\n", r"'00001' is in test\.txt and train\.txt"),
        ("test.txt", "00002\n00002\n", r"test\.txt:2: .*once.* line 1"),
        ("test.txt", "00002\n77777\n", r"test\.txt:2: .*'77777\.npy' does not; .*partial=True"),
        ("test.txt", "", r"test\.txt:1: .*empty"),
    ],
)
def test_splits_that_leak_or_lack_clips_are_refused(folder, file, text, message):
    (folder / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        open_kit(folder)


def test_a_partial_folder_is_opened_on_request(folder):
    (folder / "new_joint_vecs" / "M00001.npy").unlink()
    assert open_kit(folder, partial=True).splits["train"] == ("00001",)


@pytest.mark.parametrize("value", [np.zeros(250), np.zeros((251, 1))])
def test_statistics_of_another_length_are_refused(folder, value):
    np.save(folder / "Mean.npy", value)
    with pytest.raises(ValueError, match=r"251 .* or 263"):
        open_kit(folder)


def test_deviations_of_zero_are_refused(folder):
    np.save(folder / "Std.npy", np.zeros(251))
    with pytest.raises(ValueError, match="deviations above 0"):
        open_kit(folder)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 4), (0, 3)])
def test_arrays_of_floats_are_read_in_any_order(tmp_path, dtype, shape):
    values = np.random.default_rng(0).normal(size=shape).astype(dtype)
    for name, array in (("c.npy", values), ("f.npy", np.asfortranarray(values))):
        np.save(tmp_path / name, array)
        assert np.array_equal(read_floats(tmp_path / name), values.astype(np.float64))


def saved(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(10**6))
    return stream.getvalue()


class Bomb:
    """Unpickling it would run code."""

    def __reduce__(self):
        """Name the code."""
        return (pytest.fail, ("a file was unpickled",))


GOOD = saved(np.ones((4, 3), dtype=np.float32))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "NumPy's mark"),
        (b"\x93NUMPY", "NumPy's mark"),
        (b"\x93NUMPY\x03\x00" + GOOD[8:], "NumPy's mark"),
        (zipped(), "NumPy's mark"),
        (pickle.dumps(Bomb()), "NumPy's mark"),
        (saved(np.array([Bomb()], dtype=object), allow_pickle=True), "objects and pickles are never read"),
        (saved(np.ones((4, 3), dtype=np.int64)), "array of floats"),
        (saved(np.zeros(3, dtype=[("x", "f4")])), "array of floats"),
        (saved(np.float64(3.0)), "one to three dimensions"),
        (GOOD.replace(b"(4, 3)", b"(4,10**12)"), "array of floats"),
        (
            GOOD.replace(b"(4, 3), }", b"(999999999999, 3), }").replace(b"            \n", b"\n"),
            "must follow|floats",
        ),
        (GOOD.replace(b"(4, 3)", b"(-4,3)"), "array of floats"),
        (GOOD.replace(b"(4, 3)", b"(4, 4)"), "must follow the header"),
        (GOOD[:-1], "must follow the header"),
        (GOOD + b"\0", "must follow the header"),
        (GOOD[:40], "array of floats"),
        (GOOD.replace(b"{", b"(" * 1), "array of floats"),
        (saved(np.array([1.0, np.nan])), "number 1 is nan"),
        (saved(np.array([1.0, 2.0, -np.inf])), "number 2 is -inf"),
        (saved(np.array([1e30])), "number 0 is 1e"),
    ],
)
def test_files_that_are_no_plain_arrays_are_refused(tmp_path, data, message):
    path = tmp_path / "bad.npy"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(str(path)) + f".*({message})"):
        read_floats(path)


def test_the_genuine_statistics_and_splits_open(motion_data, tmp_path):
    kit = motion_data("kit")
    (tmp_path / "new_joint_vecs").mkdir()
    for split in ("train", "val", "test"):
        text = (kit / f"split_{split}.txt").read_text()
        (tmp_path / f"{split}.txt").write_text(text)
        for name in text.split():
            (tmp_path / "new_joint_vecs" / f"{name}.npy").touch()
    for name in ("Mean", "Std"):
        (tmp_path / f"{name}.npy").write_bytes((kit / f"kit_{name}.npy").read_bytes())
    opened = open_kit(tmp_path)
    assert opened.joint_set is KIT
    assert [len(opened.splits[split]) for split in ("train", "val", "test")] == [4888, 300, 830]


def test_the_genuine_humanml3d_clip_is_read_as_its_joints(motion_data, tmp_path):
    kit = motion_data("kit")
    (tmp_path / "new_joint_vecs").mkdir()
    source = (kit / "humanml3d_012314_features.npy").read_bytes()
    (tmp_path / "new_joint_vecs" / "012314.npy").write_bytes(source)
    for name in ("Mean", "Std"):
        (tmp_path / f"{name}.npy").write_bytes((kit / f"humanml3d_{name.lower()}.npy").read_bytes())
    features = open_kit(tmp_path).features("012314")
    assert features.fps == 20.0
    joints = read_floats(kit / "humanml3d_012314_joints.npy")
    assert features.joints()[:-1].shape == joints.shape
    bones = [np.linalg.norm(j[:, 1] - j[:, 0], axis=1) for j in (features.joints()[:-1], joints)]
    assert bones[0] == pytest.approx(bones[1], abs=1e-5)
