"""The ablation of the prior's training: that its variants are what they say."""

import dataclasses
import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from musclegym.body import load_body
from musclegym.motion.features import StateLayout
from musclegym.pretrain.chains import moved_along
from musclegym.pretrain.losses import LossWeights
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig
from tests.libraries import clip_of, library_of, swinging

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "prior_ablation.py"
BODY = load_body("human")
LAYOUT = StateLayout.of(BODY.skeleton)
SMALL = MotionNNConfig(width=32, depth=1, heads=2, window=4)


@pytest.fixture(scope="module")
def study() -> Any:
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def untrained(kind: type[MotionNN]) -> MotionNN:
    """A network whose outputs are not zero, as if it had learned something."""
    torch.manual_seed(0)
    model = kind(LAYOUT, SMALL, 30.0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.double()


def test_every_variant_differs_from_the_recipe_in_one_thing(study: Any):
    recipe = study.VARIANTS["recipe"]
    for name, variant in study.VARIANTS.items():
        differing = [
            field.name
            for field in dataclasses.fields(variant)
            if getattr(variant, field.name) != getattr(recipe, field.name)
        ]
        assert len(differing) == (name != "recipe"), name
    assert set(dataclasses.asdict(study.VARIANTS["equal weights"].weights).values()) == {1.0}
    assert study.VARIANTS["no foot loss"].weights == LossWeights(foot=0.0)


def test_turning_the_world_changes_only_the_prediction_without_a_heading_frame(study: Any):
    pose = LAYOUT.pose(torch.as_tensor(swinging(BODY, 4))[None])
    reference, target = (pose.at((slice(None), frame)) for frame in (-1, 0))
    turned = target._replace(rotation=target.rotation.roll(1, dims=-1))  # x, y, z become another triple
    frames = [moved_along(pose.at((slice(None), frame)), reference, turned) for frame in range(4)]
    moved = type(pose)(*(torch.stack(parts, dim=1) for parts in zip(*frames, strict=True)))

    def difference(kind: type[MotionNN]) -> float:
        model = untrained(kind).requires_grad_(False)
        return float((model.changes(pose) - model.changes(moved)).abs().max())

    assert difference(MotionNN) < 1e-5
    assert difference(study.WorldMotionNN) > 1e-2


def test_network_without_delta_predicts_the_mean_pose_before_it_has_learned(study: Any):
    model = study.DirectMotionNN(LAYOUT, SMALL, 30.0)
    states = torch.as_tensor(swinging(BODY, 4), dtype=torch.float32)[None]
    mean = LAYOUT.features(LAYOUT.pose(states[:, :1]))[0, 0]
    model.feature_mean.copy_(mean)
    reached = model(LAYOUT.pose(states))
    torch.testing.assert_close(LAYOUT.features(reached)[0, 0], mean, atol=1e-4, rtol=0.0)


def test_a_short_ablation_fills_its_table(
    study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    clips = [clip_of(swinging(BODY, 90, seed)) for seed in range(10)]
    library_of(tmp_path / "library", BODY, clips)
    out = tmp_path / "out.json"
    words = f"x {tmp_path / 'library'} --steps 2 --seeds 2 --starts 2 --long 8 --only recipe --json {out}"
    monkeypatch.setattr("sys.argv", words.split())
    study.main()
    assert "skill at 60" in capsys.readouterr().out
    assert np.isfinite(json.loads(out.read_text())["summary"]["recipe"]["skill_10"]["mean"])
