import json
import re

import pytest

from musclegym.body import load_body
from musclegym.motion import load_motion
from musclegym.pretrain.checkpoint import load_prior
from musclegym.pretrain.losses import ObjectiveConfig
from musclegym.pretrain.rollout import rollout_stability
from musclegym.pretrain.train import PretrainConfig, expand, load_corpus, main, pretrain

TINY = ["--width", "16", "--depth", "1", "--heads", "2", "--window", "4", "--batch", "8", "--pool", "8"]
TINY += ["--starts", "4", "--no-mirror", "--threads", "1"]


def test_command_trains_on_embedded_clips_and_can_be_resumed(tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "out.json"
    words = ["--run", str(run), "--json", str(out), "--motions", "walk", "run", "--steps", "6", *TINY]
    main(words)
    assert "skill over" in capsys.readouterr().out
    result = json.loads(out.read_text())
    assert result["data"]["training_clips"] == ["walk", "run"]
    assert [record["horizon"] for record in result["scores"]["training"]["horizons"]] == [1, 10, 30, 60, 300]
    assert [record["step"] for record in result["curve"]] == list(range(6))
    assert load_prior(run, load_body("human")).window == 4
    again = pretrain(PretrainConfig(resume=run))  # nothing is left to do; the measurement is repeated
    measured = [scores["scores"]["training"]["horizons"][0]["prior"] for scores in (result, again)]
    assert measured[0] == measured[1]
    data = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps(data | {"data_hash": "0" * 64}))
    with pytest.raises(ValueError, match="a run goes on with the data it began with"):
        pretrain(PretrainConfig(resume=run))


def test_clips_are_held_out_whole_and_by_seed():
    names = ("walk", "run", "jump", "kick", "punch", "spinkick")
    corpus = load_corpus(PretrainConfig(motions=names, held_out=0.3))
    assert len(corpus.held_out) == 2
    assert {m.name for m in corpus.held_out} | {m.name for m in corpus.training} == set(names)
    assert len(corpus.states) == 2 * len(corpus.training)  # and their mirror images
    assert load_corpus(PretrainConfig(motions=names, held_out=0.3)).record == corpus.record


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda: PretrainConfig(held_out=1.0), "held_out must lie in [0, 1), but is 1.0"),
        (lambda: ObjectiveConfig(batch=2000), "use e.g. pool=8000"),
        (lambda: ObjectiveConfig(rollout_share=2.0), "rollout_share in [0, 1]"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        settings()


def test_folder_without_motions_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a folder of motions must hold files ending in"):
        expand(str(tmp_path))


def test_resuming_a_folder_without_settings_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="name a folder made by musclegym pretrain"):
        pretrain(PretrainConfig(resume=tmp_path))


def test_shipped_prior_follows_the_embedded_walk_better_than_the_baselines():
    body = load_body("human")
    prior = load_prior(body=body)
    walk = load_motion("walk", body, prior.fps)
    result = rollout_stability(prior, [walk], body, horizons=(10, 30, 60), n_starts=16)
    for record in result["horizons"]:
        assert record["prior"]["skill"] > 0.5
        assert record["prior"]["joint_error_mm"] < 0.7 * record["constant_velocity"]["joint_error_mm"]
    assert result["alive"]["diverged"] == 0.0
    assert result["alive"]["frozen"] == 0.0
