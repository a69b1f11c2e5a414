"""The command `musclegym data`: figures of motion files, and contact sheets."""

import json
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import pytest

from musclegym.motion import read_motion, write_bvh
from musclegym.motion.data import main
from musclegym.motion.load import embedded_files


def test_inspect_prints_a_table_and_writes_the_figures(tmp_path, capsys):
    out = tmp_path / "figures.json"
    main(["inspect", "walk", str(embedded_files()["run"]), "--json", str(out)])
    table = capsys.readouterr().out
    assert "limb mm" in table
    record = json.loads(out.read_text())
    walk, run = record["clips"]
    assert (walk["name"], walk["family"], walk["frames"]) == ("walk", "DeepMimic", 39)
    assert walk["speed"] == pytest.approx(1.0, abs=0.1)
    assert run["speed"] > 3.0
    assert walk["limb_error"] < 10.0
    assert record["families"][0]["clips"] == 2
    assert record["refused"] == walk["warnings"] == []


def test_inspect_of_a_folder_reports_files_it_refuses_and_fails(tmp_path, capsys):
    (tmp_path / "walk.txt").write_bytes(embedded_files()["walk"].read_bytes())
    (tmp_path / "readme.txt").write_text("no motion")
    (tmp_path / "broken.bvh").write_text("HIERARCHY\n")
    with pytest.raises(ValueError, match="1 of these files could not be read"):
        main(["inspect", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "refused: " in printed
    assert "broken.bvh" in printed
    assert "readme" not in printed


def test_nothing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="name at least one motion"):
        main(["inspect"])
    with pytest.raises(FileNotFoundError, match="must hold motion files"):
        main(["inspect", str(tmp_path)])


def test_unknown_option_ends_the_command(capsys):
    with pytest.raises(SystemExit):
        main(["inspect", "walk", "--color", "red"])
    assert "--color" in capsys.readouterr().err


def test_sheet_draws_source_and_body_from_two_sides(tmp_path):
    out = tmp_path / "sheet.png"
    main(["sheet", "walk", "kick", "--out", str(out)])
    picture = matplotlib.image.imread(out)
    rows, columns = picture.shape[:2]
    assert columns > rows > 500
    for half in (picture[:, : columns // 2], picture[:, columns // 2 :]):
        red = (half[..., 0] > 0.7) & (half[..., 1] < 0.4)
        blue = (half[..., 2] > 0.5) & (half[..., 0] < 0.4)
        assert red.sum() > 500  # right limbs
        assert blue.sum() > 500  # left limbs
    with pytest.raises(ValueError, match=r"must be a PNG file, but --out is .*use .*sheet\.png"):
        main(["sheet", "walk", "--out", str(Path(tmp_path) / "sheet.gif")])


def test_one_file_is_shown_with_its_skeleton(capsys):
    main(["inspect", "walk"])
    printed = capsys.readouterr().out
    assert "DeepMimic, 15 joints, 1 unit = 1 m" in printed
    assert "  right_hip           0.085 m  FemurR" in printed
    assert "legs 0.83 m" in printed


def test_options_cure_what_inspect_warns_of(tmp_path, capsys):
    file = tmp_path / "walk.bvh"
    write_bvh(file, replace(read_motion(embedded_files()["walk"]).part(0), fps=80.0, cyclic=False))
    text = file.read_text().replace("Frames: 39", "Frames: 40")
    file.write_text(text)
    with pytest.raises(ValueError, match="could not be read"):
        main(["inspect", str(file)])
    assert "trust_rows" in capsys.readouterr().out
    out = tmp_path / "figures.json"
    arguments = ["inspect", str(file), "--trust-rows", "--unit", "0.025", "--json", str(out)]
    main(arguments)
    assert "legs are 2.08 m long" in json.loads(out.read_text())["clips"][0]["warnings"][0]
    main(["inspect", str(file), "--trust-rows", "--source-fps", "30", "--json", str(out)])
    (clip,) = json.loads(out.read_text())["clips"]
    assert clip["warnings"] == []
    assert clip["fps"] == 30.0
