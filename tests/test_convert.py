"""`musclegym data convert`: any motion to BVH, resumable, in parallel, one bad file beside many good ones."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from musclegym.body import load_body
from musclegym.motion import read_motion, retarget
from musclegym.motion.bvh_writer import write_bvh
from musclegym.motion.convert import JOURNAL, ConvertConfig, convert
from musclegym.motion.data import main
from musclegym.motion.families import SMPL
from musclegym.motion.load import embedded_files
from musclegym.motion.low_pass import low_pass
from musclegym.motion.parallel import in_processes
from tests.sources import a_pose, source


@pytest.fixture(scope="module")
def body():
    return load_body("human")


def folder_of_motions(folder: Path, names=("walk", "kick")) -> Path:
    """A folder with some of the embedded motions, one of them deeper."""
    (folder / "deep").mkdir(parents=True)
    for index, name in enumerate(names):
        file = embedded_files()[name]
        (folder / ("deep" if index else "") / f"{name}.txt").write_bytes(file.read_bytes())
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    """Relative path -> bytes of all that a conversion left."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def times(folder: Path) -> dict[str, int]:
    """Relative path -> time of the last change, of the BVH files."""
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.bvh")}


def test_a_folder_becomes_bvh_files_that_hold_the_same_motion(tmp_path, capsys):
    motions = folder_of_motions(tmp_path / "motions")
    main(["convert", str(motions), "walk", str(tmp_path / "out"), "--processes", "1"])
    assert "3 files converted, 0 already there, 0 refused" in capsys.readouterr().out
    assert [name for name in outputs(tmp_path / "out") if name.endswith(".bvh")] == [
        "embedded/humanoid3d_walk.bvh",
        "motions/deep/kick.bvh",
        "motions/walk.bvh",
    ]
    clip, again = read_motion(motions / "walk.txt"), read_motion(tmp_path / "out" / "motions" / "walk.bvh")
    assert again.fps == pytest.approx(clip.fps)
    for name in clip.names:
        one, other = clip.pose[1][:, clip.joint(name)], again.pose[1][:, again.joint(name)]
        assert one == pytest.approx(other, abs=1e-5)


def test_on_a_body_at_another_rate_with_a_filter(tmp_path, body):
    out = tmp_path / "out"
    args = ["--body", "human", "--fps", "60", "--low-pass", "6", "--processes", "1"]
    main(["convert", "kick", str(out), *args, "--json", str(tmp_path / "report.json")])
    clip = low_pass(read_motion(embedded_files()["kick"]), 6.0)
    expected = retarget(clip, body, 60.0, cyclic=False, keep_place=True)
    made = retarget(read_motion(out / "embedded" / "humanoid3d_kick.bvh"), body, 60.0, keep_place=True)
    assert made.q == pytest.approx(expected.q, abs=1e-5)
    (record,) = json.loads((tmp_path / "report.json").read_text())["files"]
    assert record["frames"] == len(expected.q)
    assert record["limb_error"] < 20.0
    assert record["deepest"] < 1.0


def test_a_map_is_used_and_needs_a_body(tmp_path, body):
    motion = retarget(read_motion(embedded_files()["walk"]), body)
    clip = source(SMPL, body, motion.q[:10], 30.0, a_pose, lambda name: "b" + str(hash(name) % 10**9))
    rename = {body_name: "b" + str(hash(name) % 10**9) for body_name, name in SMPL.joints.items()}
    write_bvh(tmp_path / "strange.bvh", clip)
    toml = tmp_path / "map.toml"
    toml.write_text("[joints]\n" + "".join(f'{body} = "{name}"\n' for body, name in rename.items()))
    args = ["convert", str(tmp_path / "strange.bvh"), str(tmp_path / "out"), "--processes", "1"]
    with pytest.raises(ValueError, match="1 of these files"):
        main([*args, "--body", "human"])
    main([*args, "--body", "human", "--mapping", str(toml)])
    assert list((tmp_path / "out").rglob("*.bvh"))
    with pytest.raises(ValueError, match="add --body human"):
        ConvertConfig(paths=(tmp_path, tmp_path / "out"), mapping=toml)


def test_what_is_there_is_left_alone_until_source_or_settings_change(tmp_path):
    motions, out = folder_of_motions(tmp_path / "motions"), tmp_path / "out"
    config = ConvertConfig(paths=(motions, out), processes=1)
    assert (convert(config)["made"], convert(config)["kept"]) == (2, 2)
    before = times(out)
    (motions / "walk.txt").write_bytes(embedded_files()["run"].read_bytes())
    report = convert(config)
    assert (report["made"], report["kept"]) == (1, 1)
    assert times(out)["kick.bvh"] == before["kick.bvh"]
    assert len(report["files"]) == 2
    (out / "motions" / "walk.bvh").write_text("damaged")
    assert convert(config)["made"] == 1
    assert convert(ConvertConfig(paths=(motions, out), processes=1, fps=20.0))["made"] == 2


def test_one_bad_file_is_named_and_the_others_are_done(tmp_path, capsys):
    motions = folder_of_motions(tmp_path / "motions")
    (motions / "broken.bvh").write_text("HIERARCHY\n")
    with pytest.raises(ValueError, match="1 of these files could not be read"):
        main(["convert", str(motions), str(tmp_path / "out"), "--processes", "1"])
    printed = capsys.readouterr().out
    assert "broken.bvh" in printed
    assert "2 files converted, 0 already there, 1 refused" in printed
    assert len(list((tmp_path / "out").rglob("*.bvh"))) == 2


def test_folders_that_cannot_be_written_to_are_refused(tmp_path):
    motions = folder_of_motions(tmp_path / "motions")
    with pytest.raises(ValueError, match="lies in"):
        convert(ConvertConfig(paths=(motions, motions / "out"), processes=1))
    with pytest.raises(ValueError, match="name at least one motion and then the folder"):
        ConvertConfig(paths=(motions / "walk.txt",))
    (motions / "walk.json").write_bytes((motions / "walk.txt").read_bytes())
    with pytest.raises(ValueError, match=r"walk\.txt would both become motions/walk\.bvh"):
        convert(ConvertConfig(paths=(motions, tmp_path / "out"), processes=1))
    with pytest.raises(ValueError, match="must be positive"):
        ConvertConfig(paths=(motions, tmp_path / "out"), fps=0.0)


def test_two_processes_write_what_one_does(tmp_path):
    motions = folder_of_motions(tmp_path / "motions")
    for processes in (1, 2):
        convert(ConvertConfig(paths=(motions, tmp_path / str(processes)), processes=processes, body="human"))
    assert outputs(tmp_path / "1") == outputs(tmp_path / "2")


def half(number: int) -> float:
    """Work for other processes."""
    return number / 2


def test_all_items_come_back_with_their_results_and_errors_are_raised():
    assert dict(in_processes(half, range(20), 2)) == {number: number / 2 for number in range(20)}
    with pytest.raises(TypeError):
        list(in_processes(half, ["no number"], 1))  # pyright: ignore[reportArgumentType]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_conversion_goes_on_to_the_same_files(tmp_path):
    names = ("walk", "kick", "run", "jump")
    motions = folder_of_motions(tmp_path / "motions", names)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    convert(ConvertConfig(paths=(motions, whole), processes=1, body="human"))
    code = "from musclegym.motion.data import main; import sys; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "convert", str(motions), str(killed)]
    process = subprocess.Popen([*command, "--processes", "1", "--body", "human"], stderr=subprocess.DEVNULL)
    while not (killed / JOURNAL).is_file() or not (killed / JOURNAL).read_bytes():
        assert process.poll() is None
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with (killed / JOURNAL).open("a") as journal:
        journal.write('{"output": "motions/wa')  # as if the kill had cut a line short
    report = convert(ConvertConfig(paths=(motions, killed), processes=1, body="human"))
    assert report["kept"] >= 1
    assert report["made"] + report["kept"] == len(names)
    assert outputs(killed) == outputs(whole)
    assert np.isfinite([record["limb_error"] for record in report["files"]]).all()
