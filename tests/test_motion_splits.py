"""What is known of motions, which of them are the same, and how they are divided."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from musclegym.body import load_body
from musclegym.motion.augment import mirrored
from musclegym.motion.labels import (
    Labels,
    activity_of,
    label_all,
    read_label_table,
    reading_of,
    skeleton_mark,
)
from musclegym.motion.library import MotionLibrary
from musclegym.motion.sources import find_sources
from musclegym.motion.splits import SPLITS, SplitConfig, assign
from tests.libraries import clip_of, library_of, swinging

BODY = load_body("human")


def labels_of(name: str, mark: str = "", others: tuple[str, ...] = ()) -> Labels:
    """Labels of one file in a folder that also has files with other skeletons."""
    marks = {name: mark} | {f"{name.split('/')[0]}/other{i}.bvh": other for i, other in enumerate(others)}
    return label_all(marks, [])[name]


@pytest.mark.parametrize(
    ("name", "subject", "activity", "recording"),
    [
        ("bandai/data/dataset-2_walk-turn-left_elderly_012.bvh", "bandai/skeleton-ab", "walk", None),
        ("cmu-actions/walking_extra/walking_13.bvh", "", "walk", None),
        ("cmu-actions/directing_traffic/directing_traffic_1.bvh", "", "gesture", None),
        ("cmu-asfamc/02/02_03.amc", "cmu-02", "other", "cmu-02_03"),
        ("cmu-dance/salsa/04.bvh", "cmu-dance/salsa", "dance", None),
        ("deepmimic/long/humanoid3d_long_walk2_mirror.txt", "", "walk", "deepmimic/walk"),
        ("embedded/humanoid3d_walk.txt", "", "walk", "deepmimic/walk"),
        ("deepmimic/long/humanoid3d_stealthy_walk1.txt", "", "walk", "deepmimic/stealthy_walk"),
        ("lafan1/sprint1_subject4.bvh", "lafan1/subject4", "run", None),
        ("mass/data/motion/cart.bvh", "", "acrobatics", None),
        ("somewhere/thing.bvh", "", "other", None),
    ],
)
def test_labels_follow_from_names(name, subject, activity, recording):
    labels = labels_of(name, mark="ab")
    assert (labels.subject, labels.activity, labels.recording) == (subject, activity, recording or name)


def test_skeletons_tell_subjects_where_a_folder_has_several():
    assert labels_of("takes/a.bvh", "ab", others=("cd",)).subject == "takes/skeleton-ab"
    assert labels_of("takes/a.bvh", "ab", others=("ab", "")).subject == ""


def test_content_and_style_are_those_of_the_source():
    labels = labels_of("b/dataset-2_walk-turn-left_elderly_012.bvh", "ab")
    assert (labels.content, labels.style) == ("walk-turn-left", "elderly")
    assert activity_of("salsa/07.bvh") == "dance"
    assert activity_of("poses/HandStand.bvh") == "other"


def test_mark_of_a_skeleton_is_that_of_its_offsets():
    hierarchy = b"HIERARCHY\nROOT a\n{\nOFFSET 0 %s 0\n}\nMOTION\nFrames: %s\n"
    first, same, other = (hierarchy % numbers for numbers in ((b"1", b"2"), (b" 1", b"9"), (b"2", b"2")))
    assert skeleton_mark(first) == skeleton_mark(same) != skeleton_mark(other)
    assert skeleton_mark(b'{"Frames": []}') == ""


def test_table_overrides_labels(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("pattern,subject,activity\ntakes/*,ann,\ntakes/b*,,jump\n")
    labels = label_all({"takes/a.bvh": "", "takes/b.bvh": ""}, read_label_table(table))
    assert [(label.subject, label.activity) for label in labels.values()] == [
        ("ann", "other"),
        ("ann", "jump"),
    ]
    table.write_text("pattern,fps,unit\n*/salsa/*,60,\n*,,0.01\n")
    assert reading_of("dance/salsa/01.bvh", read_label_table(table)) == {"fps": 60.0, "unit": 0.01}
    table.write_text("pattern,fps\n*,60\n*,-1\n")
    with pytest.raises(ValueError, match=r"labels\.csv:3: fps must be a positive number, but is '-1'"):
        read_label_table(table)
    for text in ("pattern,who\n", "subject\n", "pattern,subject\nx,y,z\n"):
        table.write_text(text)
        with pytest.raises(ValueError, match="a table of labels has the column pattern"):
            read_label_table(table)
    with pytest.raises(FileNotFoundError, match="must be a file"):
        read_label_table(tmp_path / "none.csv")


def test_embedded_motions_are_called_the_same_wherever_they_lie():
    assert list(find_sources(["walk"])) == ["embedded/humanoid3d_walk.txt"]
    assert len(find_sources([])) == 20
    with pytest.raises(FileNotFoundError, match="is a folder, a file or an embedded motion"):
        find_sources(["wallk"])


def test_a_folder_that_happens_to_have_an_embedded_name_hides_it_only_if_it_holds_motions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()  # such as the folder of a training
    (tmp_path / "run" / "config.json").write_text("{}")
    assert list(find_sources(["run"])) == ["embedded/humanoid3d_run.txt"]
    (tmp_path / "run" / "mine.bvh").write_text("HIERARCHY")
    with pytest.raises(ValueError, match=r"'run' is both here; name the folder by its whole path, .*run"):
        find_sources(["run"])
    assert list(find_sources([tmp_path / "run"])) == ["run/mine.bvh"]


# --- Dividing


def divided(tmp_path, labels: list[Labels], lengths: list[int], config: SplitConfig) -> MotionLibrary:
    """A library of clips that do not resemble each other."""
    clips = [clip_of(swinging(BODY, length, seed)) for seed, length in enumerate(lengths)]
    return library_of(tmp_path / config.by, BODY, clips, dict(enumerate(labels)), config)


def test_splits_are_disjoint_complete_and_stratified(tmp_path):
    activities = [("walk", "run", "jump")[i % 3] for i in range(60)]
    labels = [Labels(f"subject{i // 2}", activity, f"r{i}") for i, activity in enumerate(activities)]
    lengths = np.random.default_rng(0).integers(20, 60, 60).tolist()
    library = divided(tmp_path, labels, lengths, SplitConfig())
    parts = [set(library.select(split).tolist()) for split in SPLITS]
    assert set.union(*parts) == set(range(60))
    assert not any(a & b for a, b in itertools.combinations(parts, 2))
    seconds = library.splits["seconds"]
    for activity in ("walk", "run", "jump"):
        total = sum(seconds[split][activity] for split in SPLITS)
        for split, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
            assert seconds[split][activity] / total == pytest.approx(share, abs=0.06)
    assert library.leaks() == []
    assert library.splits["groups"] == 30
    with pytest.raises(ValueError, match="a split is one of train, val, test"):
        library.select("validation")


def test_subject_is_in_one_split_unless_clips_are_divided(tmp_path):
    labels = [Labels(f"subject{i % 4}", "walk", f"r{i}") for i in range(20)]
    by_subject = divided(tmp_path, labels, [30] * 20, SplitConfig())
    split_of = {source: name for name, sources in by_subject.splits["splits"].items() for source in sources}
    splits = [{split_of[f"clip{i}"] for i in range(subject, 20, 4)} for subject in range(4)]
    assert all(len(names) == 1 for names in splits)
    by_clip = divided(tmp_path, labels, [30] * 20, SplitConfig(by="clip"))
    assert [len(by_clip.select(split)) for split in SPLITS] == [16, 2, 2]


def test_clips_of_one_recording_are_found_and_stay_together(tmp_path):
    """A part of a clip, and its mirror image, under names that do not tell."""
    whole = swinging(BODY, 120)
    clips = [
        whole,
        whole[30:90],
        mirrored(BODY.skeleton, whole)[50:],
        *(swinging(BODY, 60, i) for i in range(1, 9)),
    ]
    library = library_of(tmp_path / "cache", BODY, [clip_of(states) for states in clips])
    groups = [["clip0", "clip1"], ["clip0", "clip2"], ["clip1", "clip2"]]
    assert {tuple(sorted(pair)) for pair in library.splits["twins"]} <= {tuple(pair) for pair in groups}
    split_of = {source: name for name, sources in library.splits["splits"].items() for source in sources}
    assert split_of["clip0"] == split_of["clip1"] == split_of["clip2"]
    assert library.splits["groups"] == 9
    assert library.leaks() == []


def test_leaks_are_found(tmp_path):
    whole = swinging(BODY, 120)
    clips = [whole, whole[30:90], *(swinging(BODY, 60, i) for i in range(1, 4))]
    labels = {2: Labels("ann", "walk", "r2"), 3: Labels("ann", "walk", "r3"), 4: Labels("", "walk", "r2")}
    library = library_of(tmp_path / "cache", BODY, [clip_of(states) for states in clips], labels)
    torn = {"train": ["clip0", "clip2", "clip3"], "val": ["clip4"], "test": ["clip1"]}
    library.__dict__["splits"] = library.splits | {"splits": torn}
    assert library.leaks() == [
        "recording r2 is in train and in val",
        "clip0 in train and clip1 in test are of one recording",
    ]
    library.__dict__["splits"] = library.splits | {
        "splits": torn | {"train": ["clip0", "clip2"], "val": ["clip3", "clip4"]}
    }
    assert "subject ann is in train and in val" in library.leaks()


def test_whole_groups_come_as_near_to_the_shares_as_they_can():
    split = assign(np.array([[5.0], [3.0], [1.0], [1.0]]), np.array([0.8, 0.1, 0.1]), seed=0)
    assert split[:2].tolist() == [0, 0]
    assert sorted(split[2:].tolist()) == [1, 2]
    assert assign(np.ones((4, 1)), np.array([1.0, 0.0, 0.0]), seed=0).tolist() == [0, 0, 0, 0]
    with pytest.raises(ValueError, match=re.escape("use e.g. 0.8, 0.1 and 0.1")):
        SplitConfig(train=0.8, val=0.1, test=0.2)


def test_corpus_has_no_leak_between_deepmimic_and_embedded_clips(motion_data, tmp_path):
    library = MotionLibrary.build([motion_data("deepmimic"), "walk", "run", "backflip"], tmp_path / "cache")
    pairs = {tuple(sorted(pair)) for pair in library.splits["twins"]}
    assert ("deepmimic/humanoid3d_walk.txt", "embedded/humanoid3d_walk.txt") in pairs
    assert library.errors == {}
    assert library.leaks() == []
