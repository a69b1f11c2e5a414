import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musclegym.body import load_body
from musclegym.cli import main
from musclegym.motion.captions import Caption, mirrored_text, read_captions
from musclegym.motion.joint_sets import HUMANML3D, KIT, JointSet
from musclegym.motion.kit import open_kit
from musclegym.motion.kit_export import LabelledClip, Statistics, export_clips
from musclegym.motion.kit_extraction import features_from_joints
from musclegym.motion.kit_features import JointFeatures


def clip(rows: int, seed: int, joint_set: JointSet = KIT, text: str = "A person turns left.") -> LabelledClip:
    """A clip of random numbers."""
    values = np.random.default_rng(seed).normal(3.0, 2.0, (rows, joint_set.n_features))
    return LabelledClip(
        f"file{seed}", JointFeatures(joint_set, values, joint_set.fps, joint_set.unit), (Caption(text),)
    )


def test_statistics_of_parts_are_those_of_the_whole():
    parts = [clip(rows, seed).features.values + 1e4 for seed, rows in enumerate((5, 40, 1, 17))]
    statistics = Statistics()
    for part in parts:
        statistics.add(part)
    whole = np.concatenate(parts)
    np.testing.assert_allclose(statistics.mean, whole.mean(axis=0), rtol=1e-12)
    expected = whole.std(axis=0)
    std = statistics.std(KIT)
    for name, start, stop in KIT.blocks:
        np.testing.assert_allclose(std[start:stop], expected[start:stop].mean(), rtol=1e-9, err_msg=name)


def test_std_of_a_block_that_never_changes_can_be_divided_by():
    statistics = Statistics()
    statistics.add(np.zeros((3, HUMANML3D.n_features)))
    assert (statistics.std(HUMANML3D) > 0.0).all()


def test_data_set_is_laid_out_as_its_readers_expect(tmp_path):
    clips = [clip(4, 0), clip(9, 1, text="Someone jumps.")]
    assert export_clips(tmp_path, clips) == 4
    names = (tmp_path / "all.txt").read_text().split()
    assert names == ["00000", "M00000", "00001", "M00001"]
    stored = {name: np.load(tmp_path / "new_joint_vecs" / f"{name}.npy") for name in names}
    assert all(values.dtype == np.float32 for values in stored.values())
    np.testing.assert_allclose(stored["00001"], clips[1].features.values, rtol=1e-6)
    np.testing.assert_allclose(stored["M00000"], clips[0].features.mirrored().values, rtol=1e-6)
    whole = np.concatenate(list(stored.values()))
    np.testing.assert_allclose(np.load(tmp_path / "Mean.npy"), whole.mean(axis=0), atol=1e-5)
    assert np.load(tmp_path / "Std.npy").shape == (251,)
    about = json.loads((tmp_path / "features.json").read_text())
    assert (about["joint_set"], about["fps"], about["unit"]) == ("KIT-ML", 12.5, 1.75e-3)
    assert about["sources"]["M00001"] == "file1"


def test_captions_are_written_with_words_and_mirrored_with_the_clip(tmp_path):
    export_clips(tmp_path, [clip(4, 0)])
    own, image = (read_captions(tmp_path / "texts" / f"{name}.txt")[0] for name in ("00000", "M00000"))
    assert own.text == "A person turns left."
    assert own.words == (("a", "OTHER"), ("person", "OTHER"), ("turns", "OTHER"), ("left", "OTHER"))
    assert image == own.mirrored()


def test_mirror_images_can_be_left_out(tmp_path):
    assert export_clips(tmp_path, [clip(4, 0), clip(4, 1)], mirror=False) == 2
    assert (tmp_path / "all.txt").read_text() == "00000\n00001\n"


def test_clips_of_different_kinds_and_no_clips_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one clip, but there is none"):
        export_clips(tmp_path, [])
    with pytest.raises(
        ValueError, match=re.escape("file1 has ('HumanML3D', 20.0, 1.0) and the first clip ('KIT")
    ):
        export_clips(tmp_path, [clip(4, 0), clip(4, 1, HUMANML3D)])
    other = clip(4, 1)
    faster = replace(other, features=replace(other.features, fps=25.0))
    with pytest.raises(ValueError, match="must share joint set, rate and unit"):
        export_clips(tmp_path, [clip(4, 0), faster])


@pytest.mark.parametrize(("name", "numbers", "fps"), [("kit", 251, 12.5), ("humanml3d", 263, 20.0)])
def test_command_exports_an_embedded_walk(tmp_path, capsys, name, numbers, fps):
    out = tmp_path / "set"
    main(["data", "features", "walk", "--out", str(out), "--joint-set", name, "--captions", "2"])
    assert "wrote 2 clips" in capsys.readouterr().out
    about = json.loads((out / "features.json").read_text())
    assert about["fps"] == fps
    assert about["sources"] == {"00000": "walk", "M00000": "walk"}
    values = np.load(out / "new_joint_vecs" / "00000.npy")
    assert values.shape[1] == numbers
    speed = values[:, 2].mean() * fps * about["unit"]
    assert speed == pytest.approx(1.0, abs=0.4)
    captions = read_captions(out / "texts" / "00000.txt")
    assert len(set(captions)) == 2
    assert all("walk" in caption.text or "steps" in caption.text for caption in captions)


def test_exported_folders_open_as_those_of_the_data_sets_with_their_own_rate_and_unit(tmp_path):
    main(["data", "features", "walk", "run", "--out", str(tmp_path), "--fps", "25"])
    folder = open_kit(tmp_path)
    assert folder.joint_set is HUMANML3D
    assert folder.names == ("00000", "00001", "M00000", "M00001")
    features = folder.features("00001")
    assert features.fps == 25.0
    assert features.unit == HUMANML3D.unit_of(load_body("human").skeleton)
    again = features_from_joints(features.joints(), HUMANML3D, features.fps, features.unit)
    np.testing.assert_allclose(again.values, features.values, atol=1e-4)  # they were stored as float32
    rows = np.concatenate([folder.normalised(folder.features(name)) for name in folder.names])
    np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=1e-4)
    for text in ("{", "[]", '{"fps": 25}', '{"fps": 25, "unit": 0}'):
        (tmp_path / "features.json").write_text(text)
        with pytest.raises(ValueError, match=r"features\.json: "):
            open_kit(tmp_path)


def test_command_tells_what_it_refused_and_what_has_no_caption(tmp_path, capsys):
    (tmp_path / "walk.bvh").write_text("HIERARCHY\nnonsense\n")
    main(["data", "features", str(tmp_path / "walk.bvh"), "run", "--out", str(tmp_path / "set")])
    printed = capsys.readouterr().out
    assert "wrote 2 clips" in printed
    assert "refused: " in printed
    assert "walk.bvh" in printed
    with pytest.raises(SystemExit):
        main(["data", "features", "walk", "--out", str(tmp_path / "set"), "--captions", "-1"])
    assert "captions must be 0 or more" in capsys.readouterr().err


def test_command_labels_turning_walks_and_their_mirror_images(motion_data, tmp_path):
    files = sorted((motion_data("bandai-namco-2") / "data").glob("dataset-2_walk-turn-left_elderly_00*.bvh"))[
        :2
    ]
    main(["data", "features", *map(str, files), "--out", str(tmp_path)])
    for index in range(2):
        own, image = (
            read_captions(Path(tmp_path) / "texts" / f"{mark}{index:05d}.txt") for mark in ("", "M")
        )
        assert all("left" in caption.text for caption in own)
        assert [mirrored_text(caption.text) for caption in own] == [caption.text for caption in image]
        turn = -2.0 * np.load(tmp_path / "new_joint_vecs" / f"{index:05d}.npy")[:, 0].sum()
        assert turn > 0.5  # to the left
