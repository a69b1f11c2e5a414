"""Building motion libraries: only what changed, whatever interrupts it, and what is written."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest

from musclegym import MotionLibrary
from musclegym.body import load_body
from musclegym.motion import load_motion, write_bvh
from musclegym.motion.data import main
from musclegym.motion.labels import Labels
from musclegym.motion.library_build import Build, LibraryConfig, build_library
from musclegym.motion.library_parts import WORTH_IT
from musclegym.motion.library_write import own_folder, save_library
from musclegym.motion.load import embedded_files
from musclegym.motion.sources import find_sources
from tests.libraries import clip_of, library_of, swinging

BODY = load_body("human")
NAMES = ("walk", "run", "jump", "kick", "punch", "spin", "roll", "crawl")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of eight motions in two subfolders."""
    for number, name in enumerate(NAMES):
        copy = tmp_path / "motions" / f"part{number % 2}" / embedded_files()[name].name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(embedded_files()[name].read_bytes())
    return tmp_path / "motions"


def contents(cache: Path) -> dict[str, bytes]:
    """Every file of a cache."""
    return {
        path.relative_to(cache).as_posix(): path.read_bytes() for path in cache.rglob("*") if path.is_file()
    }


def test_library_holds_what_loading_each_file_gives(folder, tmp_path):
    library = MotionLibrary.build([folder], tmp_path / "cache")
    assert [clip.source for clip in library.clips] == sorted(clip.source for clip in library.clips)
    assert len(library.clips) == len(NAMES)
    assert library.fps == 30.0
    for number, clip in enumerate(library.clips):
        motion = load_motion(folder.parent / clip.source, BODY)
        own = library.motion(number)
        assert own.name == motion.name
        assert own.cyclic == motion.cyclic
        np.testing.assert_array_equal(own.q, motion.q.astype(np.float32))
        np.testing.assert_array_equal(own.qd, motion.qd.astype(np.float32))
        np.testing.assert_array_equal(own.contact, motion.contact)
        np.testing.assert_allclose(own.cycle_displacement, motion.cycle_displacement)
    states = np.concatenate([library.states(clip) for clip in range(len(NAMES))]).astype(np.float64)
    assert library.statistics["frames"] == len(states)
    np.testing.assert_allclose(library.statistics["mean"], states.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(library.statistics["deviation"], states.std(axis=0), atol=1e-6)
    np.testing.assert_array_equal(library.statistics["highest"], states.max(axis=0))


def test_a_low_pass_leaves_alone_what_holds_nothing_faster(folder, tmp_path):
    plain, beyond, below = (
        MotionLibrary.build([folder], tmp_path / name, config=LibraryConfig(low_pass=cutoff))
        for name, cutoff in (("plain", None), ("beyond", 16.0), ("below", 8.0))
    )
    clips = range(len(NAMES))
    slow = [clip for clip in clips if plain.clips[clip].source_fps < 2.0 * 16.0]
    assert len(slow) > 2
    for clip in slow:
        np.testing.assert_array_equal(beyond.states(clip), plain.states(clip))

    def unrest(library):
        velocities = [library.states(clip)[:, BODY.n_dofs :] for clip in clips]
        return sum(float((np.diff(velocity, axis=0) ** 2).sum()) for velocity in velocities)

    assert unrest(below) < 0.9 * unrest(plain)


def test_nothing_changed_makes_nothing(folder, tmp_path):
    first = build_library([folder], tmp_path / "cache", BODY)
    before = contents(tmp_path / "cache")
    again = build_library([folder], tmp_path / "cache", BODY)
    assert (first.made, again.made, again.removed) == (len(NAMES), 0, 0)
    assert contents(tmp_path / "cache") == before


def test_only_changed_new_and_removed_files_change(folder, tmp_path):
    cache = tmp_path / "cache"
    build_library([folder], cache, BODY)
    before = MotionLibrary(cache)
    changed = folder / "part0" / "humanoid3d_walk.txt"
    changed.write_bytes(embedded_files()["backflip"].read_bytes())
    (folder / "part1" / "humanoid3d_run.txt").unlink()
    (folder / "part1" / "new.txt").write_bytes(embedded_files()["cartwheel"].read_bytes())
    report = build_library([folder], cache, BODY)
    assert (report.clips, report.made, report.removed) == (len(NAMES), 2, 2)
    after = MotionLibrary(cache)
    sources = [clip.source for clip in after.clips]
    assert "motions/part1/humanoid3d_run.txt" not in sources
    for number, clip in enumerate(before.clips):
        if clip.source in sources:
            same = np.array_equal(before.states(number), after.states(sources.index(clip.source)))
            assert same == (clip.source != "motions/part0/humanoid3d_walk.txt")
    build_library([folder], tmp_path / "fresh", BODY)
    assert contents(cache) == contents(tmp_path / "fresh")


def test_library_opened_before_a_change_can_still_be_read(folder, tmp_path):
    library = MotionLibrary.build([folder], tmp_path / "cache")
    before = np.array(library.states(0))
    (folder / "part0" / "humanoid3d_walk.txt").unlink()
    build_library([folder], tmp_path / "cache", BODY)
    np.testing.assert_array_equal(library.states(0), before)


@pytest.fixture
def many(tmp_path) -> Path:
    """A folder of as many motions as two processes are worth starting for."""
    kick = embedded_files()["kick"].read_bytes()
    (tmp_path / "many").mkdir()
    for number in range(2 * WORTH_IT):
        (tmp_path / "many" / f"kick{number}.txt").write_bytes(kick)
    return tmp_path / "many"


def test_number_of_workers_does_not_change_a_byte(many, tmp_path):
    build_library([many], tmp_path / "one", BODY)
    build_library([many], tmp_path / "two", BODY, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.slow
def test_command_killed_at_ten_moments_ends_byte_for_byte_as_one_that_was_not(many, tmp_path):
    words = [sys.executable, "-c", "from musclegym.cli import main; main()"]
    words += ["data", "build", str(many), "--workers", "2", "--cache"]
    begin = time.perf_counter()
    subprocess.run([*words, str(tmp_path / "whole")], check=True, capture_output=True)
    duration = time.perf_counter() - begin
    for moment in np.random.default_rng(0).uniform(0.2 * duration, duration, 10):
        command = subprocess.Popen([*words, str(tmp_path / "cache")], stdout=PIPE, stderr=PIPE)
        time.sleep(moment)
        command.kill()
        command.communicate()
    subprocess.run([*words, str(tmp_path / "cache")], check=True, capture_output=True)
    assert contents(tmp_path / "cache") == contents(tmp_path / "whole")


def build_and_die(folder: Path, cache: Path, seconds: float) -> bool:
    """Build in a process of its own and kill it; return whether that came before its end."""
    child = multiprocessing.get_context("fork").Process(target=build_library, args=([folder], cache, BODY))
    child.start()
    assert child.pid is not None
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    return child.exitcode == -signal.SIGKILL


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_build_killed_at_ten_moments_ends_byte_for_byte_as_one_that_was_not(folder, tmp_path):
    begin = time.perf_counter()
    build_library([folder], tmp_path / "whole", BODY)
    duration = time.perf_counter() - begin
    moments = np.random.default_rng(0).uniform(0.0, duration, 10)
    killed = [build_and_die(folder, tmp_path / "cache", moment) for moment in moments]
    assert any(killed)
    build_library([folder], tmp_path / "cache", BODY)
    assert contents(tmp_path / "cache") == contents(tmp_path / "whole")


def test_interrupted_build_does_not_make_again_what_it_had_made(folder, tmp_path):
    cache = tmp_path / "cache"
    sources = dict(sorted(find_sources([folder]).items()))
    build = Build(own_folder(cache), sources, BODY, LibraryConfig())
    made = list(sources)[:5]
    build.make_parts(made, workers=1, progress=False)
    assert len(list((cache / "parts").iterdir())) == len(made)
    report = build_library([folder], cache, BODY)
    assert report.made == len(NAMES) - len(made)
    build_library([folder], tmp_path / "whole", BODY)
    assert contents(cache) == contents(tmp_path / "whole")


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_two_builds_at_once_make_one_library(folder, tmp_path):
    cache = tmp_path / "cache"
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=build_library, args=([folder], cache, BODY)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    build_library([folder], tmp_path / "alone", BODY)
    assert contents(cache) == contents(tmp_path / "alone")


def test_file_that_cannot_be_read_is_listed_and_tried_again_only_when_it_changes(folder, tmp_path, capsys):
    (folder / "broken.bvh").write_text("HIERARCHY\n")
    out, words = tmp_path / "out.json", ["build", str(folder), "--cache", str(tmp_path / "cache")]
    record = {}
    for _ in range(2):
        with pytest.raises(ValueError, match="1 of these files could not be read"):
            main([*words, "--workers", "1", "--json", str(out)])
        record = json.loads(out.read_text())
        assert list(record["refused"]) == ["motions/broken.bvh"]
        assert str(tmp_path) not in record["refused"]["motions/broken.bvh"]
        assert record["clips"] == len(NAMES)
        assert "refused: motions/broken.bvh" in capsys.readouterr().out
    assert record["made"] == 0
    assert MotionLibrary(tmp_path / "cache").errors == record["refused"]
    (folder / "broken.bvh").unlink()
    main([*words, "--json", str(out)])
    assert json.loads(out.read_text())["refused"] == {}
    assert json.loads(out.read_text())["leaks"] == []


def test_nothing_but_broken_files_is_refused(tmp_path):
    (tmp_path / "motions").mkdir()
    (tmp_path / "motions" / "broken.bvh").write_text("HIERARCHY\n")
    with pytest.raises(ValueError, match=r"none of 1 files could be read; of motions/broken\.bvh"):
        build_library([tmp_path / "motions"], tmp_path / "cache", BODY)


def test_folder_of_something_else_is_refused_and_left_alone(folder, tmp_path):
    with pytest.raises(ValueError, match=f"a folder of its own, but {tmp_path} holds motions"):
        build_library([folder], tmp_path, BODY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["motions"]


def test_two_folders_of_one_name_are_refused_only_where_their_files_collide(folder, tmp_path):
    other = tmp_path / "elsewhere" / "motions" / "part0" / "humanoid3d_walk.txt"
    other.parent.mkdir(parents=True)
    other.write_bytes(b'{"Frames": []}')
    with pytest.raises(ValueError, match=r"are both called 'motions/part0/humanoid3d_walk\.txt'"):
        build_library([folder, tmp_path / "elsewhere" / "motions"], tmp_path / "cache", BODY)


def test_library_of_another_body_or_none_is_refused(folder, tmp_path):
    MotionLibrary.build([folder], tmp_path / "cache")
    with pytest.raises(ValueError, match="open it with the body it was built for"):
        MotionLibrary(tmp_path / "cache", load_body("human", height=2.0))
    with pytest.raises(FileNotFoundError, match="make one with musclegym data build"):
        MotionLibrary(tmp_path / "nothing")


def test_table_of_labels_changes_how_files_are_read(folder, tmp_path):
    write_bvh(folder / "swing.bvh", load_motion("kick", BODY))
    build_library([folder], tmp_path / "cache", BODY)
    table = tmp_path / "labels.csv"
    table.write_text("pattern,fps,activity\n*/swing.bvh,20,gesture\n")
    report = build_library([folder], tmp_path / "cache", BODY, LibraryConfig(labels=table))
    assert report.made == 1
    clip = next(
        clip for clip in MotionLibrary(tmp_path / "cache").clips if clip.source == "motions/swing.bvh"
    )
    assert (clip.source_fps, clip.labels.activity) == (20.0, "gesture")
    table.write_text("pattern,fps,activity\n*/swing.bvh,20,sport\n")
    assert build_library([folder], tmp_path / "cache", BODY, LibraryConfig(labels=table)).made == 0


def test_cut_off_frames_are_refused(tmp_path):
    library = library_of(tmp_path / "cache", BODY, [clip_of(swinging(BODY, 31))])
    frames = library.saved.folder / "frames.npy"
    frames.write_bytes(frames.read_bytes()[:-4])
    with pytest.raises(ValueError, match="delete the folder of the library and build it again"):
        MotionLibrary(tmp_path / "cache")


def test_another_rate_makes_every_clip_anew(folder, tmp_path):
    build_library([folder], tmp_path / "cache", BODY)
    report = build_library([folder], tmp_path / "cache", BODY, LibraryConfig(fps=60.0))
    assert report.made == len(NAMES)
    assert MotionLibrary(tmp_path / "cache").fps == 60.0
    with pytest.raises(ValueError, match="fps must lie between 0 and 1000"):
        LibraryConfig(fps=0.0)


def test_memory_of_a_reader_does_not_grow_with_the_library(tmp_path):
    """Of 134 MB all is read, but less than half stays resident."""
    states = np.tile(swinging(BODY, 1000), (30, 1))
    clips = {f"clip{i}": (Labels("", "walk", f"clip{i}"), clip_of(states)) for i in range(10)}
    save_library(tmp_path / "cache", clips, BODY, 30.0)
    sampler = MotionLibrary(tmp_path / "cache").windows(61, 64, split=None)
    sampler.draw(0)
    before = resident_file_pages()
    for step in range(1, 90):
        sampler.draw(step)
    assert resident_file_pages() - before < 60e6


def resident_file_pages() -> float:
    """Bytes of files that this process has mapped and resident."""
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("needs /proc to measure memory")
    line = next(line for line in status.read_text().splitlines() if line.startswith("RssFile"))
    return 1024.0 * int(line.split()[1])


def test_clip_that_repeats_is_stored_once(tmp_path):
    library = library_of(tmp_path / "cache", BODY, [clip_of(swinging(BODY, 31), cyclic=True)])
    assert library.clips[0].frames == 31
    motion = library.motion(0)
    assert motion.cyclic
    np.testing.assert_allclose(motion.cycle_displacement, [0.0, 0.0, 1.2], atol=1e-6)
