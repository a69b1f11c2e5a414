"""Weights come back as they were saved, or are refused with both sides named; records say what made them."""

import json
import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import musclegym
from musclegym.manifest import (
    environment_record,
    git_commit,
    load_weights,
    save_weights,
    start_run,
    write_json,
)

TENSORS = {
    "layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T,  # not contiguous in memory
    "layer.bias": np.array([0.5, -1.5], dtype=np.float16),
    "count": np.array(7, dtype=np.int64),
}
MANIFEST = {"body_hash": "abc", "layers": (3, 2), "kp": 300.0}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "new folder" / "muscle.safetensors"
    save_weights(path, TENSORS, MANIFEST)
    return path


def test_weights_come_back_with_values_shapes_and_types(weights: Path):
    tensors, manifest = load_weights(weights, MANIFEST)
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(tensors[name], array, strict=True)
    assert manifest["layers"] == [3, 2]
    assert manifest["environment"]["musclegym"] == musclegym.__version__


def test_only_the_two_files_are_left(weights: Path):
    assert sorted(path.name for path in weights.parent.iterdir()) == ["muscle.json", "muscle.safetensors"]


def test_weights_of_another_body_are_refused_with_both_sides(weights: Path):
    with pytest.raises(ValueError, match="made for something else") as error:
        load_weights(weights, {**MANIFEST, "body_hash": "xyz", "dofs": 56}, made_by="musclegym train-muscle")
    assert "body_hash: expected 'xyz', found 'abc'" in str(error.value)
    assert "dofs: expected 56, found 'nothing'" in str(error.value)
    assert "kp" not in str(error.value)
    assert "make new weights with musclegym train-muscle" in str(error.value)


def test_one_changed_bit_is_refused(weights: Path):
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ValueError, match=r"SHA-256 expected [0-9a-f]{64}, found [0-9a-f]{64}; copy both"):
        load_weights(weights, {})


def test_a_pickle_is_refused_unread(weights: Path):
    weights.write_bytes(pickle.dumps(TENSORS))
    with pytest.raises(ValueError, match="SHA-256"):
        load_weights(weights, {})


def test_missing_weights_name_the_command_that_makes_them(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"check the path, or make them with musclegym pretrain$"):
        load_weights(tmp_path / "prior.safetensors", {}, made_by="musclegym pretrain")


def test_weights_without_manifest_are_refused(weights: Path):
    weights.with_suffix(".json").unlink()
    with pytest.raises(FileNotFoundError, match=re.escape("muscle.json is missing; copy it")):
        load_weights(weights, {})


@pytest.mark.parametrize("content", ["{", "[1, 2]"])
def test_a_broken_manifest_is_named(weights: Path, content: str):
    weights.with_suffix(".json").write_text(content)
    with pytest.raises(ValueError, match=r"muscle\.json .*copy it again"):
        load_weights(weights, {})


def test_another_file_ending_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=re.escape("ends in '.pt'; use e.g.")):
        save_weights(tmp_path / "policy.pt", TENSORS, MANIFEST)


def test_a_failed_write_leaves_the_old_file(weights: Path):
    before = weights.with_suffix(".json").read_text()
    with pytest.raises(TypeError):
        write_json(weights.with_suffix(".json"), {"not JSON": object()})
    assert weights.with_suffix(".json").read_text() == before


def test_json_holds_arrays_paths_and_null_for_what_is_not_finite(tmp_path: Path):
    record = {"mean": np.float32(0.5), "all": np.array([1.0, np.nan]), "file": Path("a/b"), "inf": -np.inf}
    write_json(tmp_path / "result.json", record)
    read = json.loads((tmp_path / "result.json").read_text())
    assert read == {"mean": 0.5, "all": [1.0, None], "file": "a/b", "inf": None}


@dataclass(frozen=True)
class Config:
    steps: int = 10
    motion: Path = Path("walk.bvh")


def test_run_folder_records_settings_seed_and_environment(tmp_path: Path):
    folder = start_run(tmp_path / "runs" / "first", Config(), seed=3)
    assert json.loads((folder / "config.json").read_text()) == {"steps": 10, "motion": "walk.bvh", "seed": 3}
    assert json.loads((folder / "environment.json").read_text()) == environment_record()


def test_a_new_run_leaves_the_weights_of_another_one(tmp_path: Path):
    start_run(tmp_path, Config(), seed=3)
    start_run(tmp_path, Config(), seed=4)  # nothing was learned yet
    (tmp_path / "policy.safetensors").write_bytes(b"learned")
    before = sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir())
    with pytest.raises(FileExistsError, match=rf"holds policy\.safetensors.*--resume {tmp_path}"):
        start_run(tmp_path, Config(), seed=5)
    assert before == sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir())
    start_run(tmp_path, Config(steps=20), seed=4, goes_on=True)
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 20


def test_environment_holds_versions_and_no_path():
    record = environment_record()
    assert record["versions"]["numpy"] == np.__version__
    assert record["machine"]["cores"] >= 1
    assert str(Path.home()) not in json.dumps(record)


def test_commit_outside_a_checkout_is_none(tmp_path: Path):
    assert git_commit(tmp_path) is None


def test_commit_without_git_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) is None
