"""Damaged motion files are read right or refused: never a crash, a hang, or other numbers than the file's.

Read right means equal to the undamaged file. Refused means a ValueError that names the file, the rule, what
the file has instead, and the cure.
"""

import io
import re
import signal
import tracemalloc
import zipfile
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from musclegym.motion import read_motion
from musclegym.motion.captions import read_annotations
from musclegym.motion.clip import Clip
from musclegym.motion.name_maps import read_map
from musclegym.motion.npy import read_floats
from tests import motion_fuzz

SECONDS = 5.0  # a file of some kilobytes is read or refused within
SEEDS = motion_fuzz.sound_files()
MOTIONS = {"bvh": "clip.bvh", "amc": "07_01.amc", "asf": "07_01.amc", "json": "clip.txt"}


@contextmanager
def in_time(seconds=SECONDS):
    """Fail when the block takes longer."""

    def out_of_time(number, frame):
        raise TimeoutError(f"not read or refused within {seconds} s")

    before = signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def outcome(path: Path) -> Clip | str:
    """Return the clip, or the message that refuses it, checked to say all that it must."""
    try:
        with in_time():
            return read_motion(path)
    except ValueError as error:
        message = str(error)
    assert re.search(re.escape(str(path.parent)) + r"/[\w.-]+(:\d+|: frame \d+|: )", message), message
    assert re.search(r"(?s): .+, but .+(; .+)?", message), message
    assert ";" in message, message
    return message


def same(one: Clip, other: Clip) -> bool:
    """Whether two clips hold the same numbers."""
    pairs = ((one.rotation, other.rotation), (one.root, other.root), (one.offset, other.offset))
    equal = all(np.array_equal(first, second) for first, second in pairs)
    return equal and one.names == other.names and one.fps == other.fps and one.unit == other.unit


def write(folder: Path, seed: str, mutation, number: int) -> Path:
    """Write a seed's files, the first one changed, and return the path of the motion."""
    folder.mkdir()
    rng = np.random.default_rng(number)
    for index, (name, data) in enumerate(SEEDS[seed].items()):
        (folder / name).write_bytes(mutation(data, rng) if index == 0 else data)
    return folder / MOTIONS[seed]


def read_seed(folder: Path, seed: str) -> Clip:
    return read_motion(write(folder, seed, lambda data, rng: data, 0))


@pytest.mark.parametrize("seed", SEEDS)
def test_changes_of_spelling_change_nothing(tmp_path, seed):
    whole = read_seed(tmp_path / "whole", seed)
    for name, mutation in motion_fuzz.harmless():
        clip = outcome(write(tmp_path / name, seed, mutation, 0))
        assert isinstance(clip, Clip), f"{name}: {clip}"
        assert same(clip, whole), name


@pytest.mark.parametrize("seed", SEEDS)
def test_damage_is_refused_or_hits_what_has_no_meaning(tmp_path, seed):
    whole = read_seed(tmp_path / "whole", seed)
    numbers, refused = count(), 0
    for name, mutation in motion_fuzz.damaging():
        path = write(tmp_path / str(next(numbers)), seed, mutation, next(numbers))
        result = outcome(path)
        if isinstance(result, Clip):
            kept = whole.part(0, len(result.root)) if seed == "amc" and name.startswith("cut") else whole
            assert same(result, kept), name
        else:
            refused += 1
    assert refused > 60


@pytest.mark.parametrize("seed", SEEDS)
def test_any_change_gives_finite_numbers_or_a_refusal(tmp_path, seed):
    for number, (_, mutation) in enumerate(motion_fuzz.arbitrary()):
        result = outcome(write(tmp_path / str(number), seed, mutation, number))
        if isinstance(result, Clip):
            assert np.isfinite(result.pose[1]).all()


def test_the_corpus_is_large():
    files = sum(
        1 for kinds in (motion_fuzz.harmless, motion_fuzz.damaging, motion_fuzz.arbitrary) for _ in kinds()
    )
    assert files * len(SEEDS) >= 400


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("frames.bvh", motion_fuzz.BVH.replace("Frames: 6", "Frames: 999999999999") + "1 " * 13),
        ("count.bvh", motion_fuzz.BVH.replace("CHANNELS 1", "CHANNELS 999999999") + "1 " * 13),
        ("digits.bvh", motion_fuzz.BVH.replace("Frames: 6", "Frames: " + "9" * 5000) + "1 " * 13),
        ("slow.bvh", motion_fuzz.BVH.replace("0.033333", "1e300") + ("1 " * 13 + "\n") * 6),
        ("fast.bvh", motion_fuzz.BVH.replace("0.033333", "1e-300") + ("1 " * 13 + "\n") * 6),
        ("wide.bvh", motion_fuzz.BVH + "1 " * 1_000_000),
        ("name.bvh", motion_fuzz.BVH.replace("spine", "spine " * 300_000)),
        (
            "joints.bvh",
            motion_fuzz.BVH.replace("{", "{\nJOINT x\n{\nOFFSET 0 0 0\nCHANNELS 0\n}\n" * 2000, 1),
        ),
        (
            "deep.bvh",
            "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 0\n"
            + "".join(f"JOINT j{i}\n{{\nOFFSET 0 0 0\nCHANNELS 0\n" for i in range(50_000))
            + "}\n" * 50_001
            + "MOTION\nFrames: 0\nFrame Time: 1\n",
        ),
        ("braces.bvh", "HIERARCHY\n" + "{" * 3_000_000 + "\nMOTION\nFrames: 0\nFrame Time: 1\n"),
        ("deep.json", '{"Loop": "none", "Frames": ' + "[" * 200_000 + "]" * 200_000 + "}"),
        ("objects.json", '{"a":' * 100_000),
        ("digits.json", '{"Frames": [[' + "9" * 1_000_000 + "]]}"),
        (
            "times.txt",
            '{"Frames": [' + ", ".join(["[1e-9" + ", 0.5" * 43 + "]", "[9" + ", 0.5" * 43 + "]"] * 2) + "]}",
        ),
    ],
)
def test_bombs_cost_no_more_than_their_size(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    tracemalloc.start()
    try:
        assert isinstance(outcome(path), str)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 150 * len(text) + 10e6


def features() -> bytes:
    """Return a .npy file of features."""
    stream = io.BytesIO()
    np.save(stream, np.random.default_rng(0).normal(size=(4, 251)).astype(np.float32))
    return stream.getvalue()


def array_damage():
    """Yield damages of an array's file: cuts, bytes added, and every kind of wrong header."""
    data = features()
    for size in (0, 1, 5, 6, 8, 9, 10, 60, 127, 128, 129, len(data) // 2, len(data) - 4, len(data) - 1):
        yield f"cut at {size}", data[:size]
    for more in (b"\0", b"PK\x03\x04", data):
        yield f"{len(more)} more", data + more
    for old, new in (
        (b"(4, 251)", b"(4000000000, 251)"),
        (b"(4, 251)", b"(1000000000000,)"),
        (b"(4, 251)", b"(5, 251)"),
        (b"(4, 251)", b"(-4, 251)"),
        (b"(4, 251)", b"((((4)))"),
        (b"(4, 251)", b"(4e9, 1)"),
        (b"(4, 251)", b"(9" * 20),
        (b"<f4", b"<f8"),
        (b"<f4", b"|O"),
        (b"<f4", b"<i4"),
        (b"<f4", b"<c8"),
        (b"<f4", b"<M8"),
        (b"'<f4'", b"[('x', '<f4')]"),
        (b"False", b"__import__('os')"),
        (b"\x93NUMPY\x01", b"\x93NUMPY\x09"),
        (b"\x93NUMPY", b"\x93BUMPY"),
        (b"{", b"["),
        (b"\x01\x00v\x00", b"\x01\x00\xff\xff"),
        (b"\x01\x00v\x00", b"\x02\x00\xff\xff"),
    ):
        assert old in data
        yield f"{old!r} for {new!r}", data.replace(old, new, 1)
    for bad in (np.nan, np.inf, -np.inf, 1e30):
        number = np.float32(bad).tobytes()
        yield f"number {bad}", data[:200] + number + data[204:]
    yield "a compressed bomb", zipped(10**8)


def zipped(size: int) -> bytes:
    """Return a ZIP file of zeros, as numpy.savez_compressed would write it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("features.npy", bytes(size))
    return stream.getvalue()


def test_damaged_arrays_are_refused(tmp_path):
    path = tmp_path / "features.npy"
    path.write_bytes(features())
    assert read_floats(path).shape == (4, 251)
    for name, data in array_damage():
        path.write_bytes(data)
        tracemalloc.start()
        with in_time(), pytest.raises(ValueError, match=re.escape(str(path)) + ".*but .*; "):
            pytest.fail(f"{name}: read {read_floats(path).shape}")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20 * len(data) + 1e6, name


def test_rings_of_bones_are_refused(tmp_path):
    def ring(data, rng):
        return data.replace(b"root trunk thigh", b"root trunk").replace(b"shin foot", b"shin foot thigh")

    message = outcome(write(tmp_path / "ring", "asf", ring, 0))
    assert isinstance(message, str)
    assert "07.asf:15: every bone hangs, through its parents, from the root" in message


def test_deep_brackets_in_other_files_are_refused_too(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"deep\.json:1: .*nested too deeply"):
        read_annotations(path)
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(ValueError, match="must be TOML, but"):
        read_map(path)


def test_folders_and_missing_files_are_refused(tmp_path):
    (tmp_path / "folder.bvh").mkdir()
    for name in ("folder.bvh", "none.bvh"):
        with pytest.raises(FileNotFoundError, match=r"must be a file, but .*; check the path"):
            read_motion(tmp_path / name)


REAL = {
    "mass": ("data/motion/kick.bvh",),
    "cmu-actions": ("running/running_1.bvh",),
    "bandai-namco-2": ("data/dataset-2_walk_normal_001.bvh",),
    "cmu-asfamc": ("02/02_03.amc",),
    "deepmimic": ("humanoid3d_kick.txt", "humanoid3d_walk.txt"),
}


@pytest.mark.parametrize("source", REAL)
def test_damaged_real_files_are_read_right_or_refused(tmp_path, motion_data, source):
    for name in REAL[source]:
        file = next(motion_data(source).rglob(name))
        data = file.read_bytes()
        whole = read_motion(file)
        for number, (kind, mutation) in enumerate(motion_fuzz.damaging()):
            if source == "deepmimic" and kind.startswith("line lost"):
                continue  # a line is a whole frame here, and the format counts none
            folder = tmp_path / f"{file.stem}{number}"
            folder.mkdir()
            for skeleton in file.parent.glob("*.asf"):
                (folder / skeleton.name).write_bytes(skeleton.read_bytes())
            path = folder / file.name
            path.write_bytes(mutation(data, np.random.default_rng(number)))
            result = outcome(path)
            if isinstance(result, Clip):
                assert (
                    same_but_for_the_end(result, whole) if kind.startswith("cut") else same(result, whole)
                ), kind


def same_but_for_the_end(one: Clip, whole: Clip) -> bool:
    """Whether a clip is the beginning of another, all but its last frame, whose last number may be cut."""
    last = len(one.root) - 1
    return last > 0 and same(one.part(0, last), whole.part(0, last))
