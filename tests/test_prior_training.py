import dataclasses
import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from musclegym.body import load_body
from musclegym.motion import load_motion
from musclegym.motion.features import Pose
from musclegym.motion.library import MotionLibrary
from musclegym.pretrain.checkpoint import load_model, load_prior
from musclegym.pretrain.corpus import open_corpus
from musclegym.pretrain.kinds import KINDS
from musclegym.pretrain.losses import ObjectiveConfig
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig
from musclegym.pretrain.next_state import Memory
from musclegym.pretrain.pretrain_config import ModelConfig, PretrainConfig
from musclegym.pretrain.rollout import rollout_stability
from musclegym.pretrain.train import main, pretrain
from musclegym.pretrain.trainer_config import TrainerConfig
from musclegym.pretrain.training_file import FILE
from musclegym.pretrain.validation import RolloutScore
from musclegym.pretrain.windows import Windows
from tests.libraries import clip_of, library_of, swinging

BODY = load_body("human")
ROOT = Path(__file__).resolve().parent.parent
TINY = ["--width", "16", "--depth", "1", "--heads", "2", "--window", "4", "--batch", "8", "--pool", "8"]
TINY += ["--starts", "4", "--no-mirror", "--threads", "1"]


def test_command_trains_on_embedded_clips_and_can_be_resumed(tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "out.json"
    words = ["--run", str(run), "--json", str(out), "--data", "walk", "run", "--steps", "6", *TINY]
    main(words)
    assert "skill over" in capsys.readouterr().out
    result = json.loads(out.read_text())
    assert result["data"]["training_clips"] == ["run", "walk"]
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


def test_a_run_that_was_stopped_leaves_its_prior_for_others_to_begin_with(tmp_path):
    run = tmp_path / "stopped"
    words = ["--data", "walk", "--run", str(run), "--steps", "1000000", "--checkpoint-minutes", "1e-9", *TINY]
    process = subprocess.Popen([sys.executable, "-m", "musclegym", "pretrain", *words], cwd=ROOT)
    deadline = time.monotonic() + 120.0
    while not (run / FILE).is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120.0) != 0
    steps = json.loads((run / "prior.json").read_text())["steps"]
    assert 0 < steps < 1000000
    stopped, begun = load_prior(run, BODY), tmp_path / "begun"
    words = ["--data", "walk", "--run", str(begun), "--init", str(run), "--steps", "1"]
    main([*words, "--learning-rate", "0", *TINY])
    weights = load_prior(begun, BODY).state_dict()
    assert all(torch.equal(weights[name], value) for name, value in stopped.state_dict().items())


def test_clips_are_held_out_whole_and_by_seed(tmp_path):
    names = ("walk", "run", "jump", "kick", "punch", "spinkick")
    config = PretrainConfig(run=tmp_path, data=names, held_out=0.3)
    corpus = open_corpus(config)
    held_out, training = corpus.record["held_out_clips"], corpus.record["training_clips"]
    assert sorted(held_out + training) == sorted(names)
    assert len(held_out) >= 1
    assert len(list(corpus.windows(config).clips())) == 2 * len(training)  # and their mirror images
    assert open_corpus(config).record == corpus.record


def test_a_cache_is_trained_on_by_its_own_splits(tmp_path):
    library = MotionLibrary.build((), tmp_path / "cache")
    config = PretrainConfig(run=tmp_path / "run", data=(str(tmp_path / "cache"),))
    corpus = open_corpus(config)
    assert corpus.training.tolist() == library.select("train").tolist()
    assert corpus.kept["validation"].tolist() == library.select("val").tolist()
    assert corpus.kept["held_out"].tolist() == library.select("test").tolist()
    everything = open_corpus(dataclasses.replace(config, held_out=0.0))
    assert len(everything.training) == len(library.clips)
    assert everything.kept == {}
    assert not (tmp_path / "run").exists()


def test_clips_are_drawn_by_a_power_of_their_length(tmp_path):
    config = PretrainConfig(run=tmp_path / "run", data=(str(tmp_path / "cache"),), held_out=0.0)
    length = config.objective.span * config.model.sizes().window  # of windows, less one
    clips = [clip_of(swinging(BODY, length + windows)) for windows in (100, 400)]
    library_of(tmp_path / "cache", BODY, clips)
    for power, share in ((1.0, 0.8), (0.5, 2 / 3), (0.0, 0.5)):
        windows = open_corpus(config).windows(dataclasses.replace(config, by_length=power))
        drawn = torch.cat([windows.draw(step)[:, 0] for step in range(40)])
        assert float(drawn.mean()) == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda: PretrainConfig(held_out=1.0), "held_out must lie in [0, 1), but is 1.0"),
        (lambda: PretrainConfig(curriculum=True, trainer=TrainerConfig(minutes=1.0)), "give --steps instead"),
        (lambda: PretrainConfig(by_length=-0.5), "by_length must lie in [0, 1], but is -0.5; use e.g. 0.5"),
        (lambda: PretrainConfig(processes=0), "processes must be at least 1"),
        (lambda: ModelConfig(kind="mlp", heads=4), "kind mlp has the sizes width, depth, window, but heads"),
        (lambda: ModelConfig(width=30), "for heads=4 use e.g. width=32"),
        (lambda: ObjectiveConfig(batch=2000), "use e.g. pool=8000"),
        (lambda: ObjectiveConfig(chain_share=2.0), "chain_share in [0, 1]"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        settings()


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("mlp", {"width": 16, "depth": 1, "window": 4}),
        ("dct", {"coefficients": 2, "horizon": 4, "window": 4}),
    ],
)
def test_every_kind_is_trained_and_saved_by_the_same_command(tmp_path, kind, sizes):
    words = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    words += ["--run", str(tmp_path), "--kind", kind, "--data", "walk", "run", "--steps", "3"]
    main([*words, "--batch", "8", "--pool", "8", "--starts", "4", "--no-mirror", "--threads", "1"])
    model = load_model(tmp_path, load_body("human"))
    assert isinstance(model, KINDS[kind][0])
    assert {name: getattr(model.config, name) for name in sizes} == sizes


def test_training_begins_with_the_weights_of_another_run(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    words = ["--data", "walk", "--steps", "1", "--seed", "3", *TINY]
    main(["--run", str(first), *words])
    main(["--run", str(second), *words, "--init", str(first), "--learning-rate", "1e-12"])
    before, after = load_prior(first).state_dict(), load_prior(second).state_dict()
    for name, value in before.items():
        assert torch.allclose(value, after[name], atol=1e-9), name
    with pytest.raises(ValueError, match="a model begins with weights of its own size"):
        pretrain(PretrainConfig(run=tmp_path / "third", data=("walk",), init=first))


def test_training_with_patience_stops_by_the_validation_split(tmp_path):
    MotionLibrary.build((), tmp_path / "cache")
    words = ["--run", str(tmp_path / "run"), "--data", str(tmp_path / "cache"), *TINY, "--steps", "40"]
    words += ["--longest", "4", "--validate-every", "2", "--patience", "3"]
    main([*words, "--learning-rate", "1.0", "--warmup-steps", "0", "--ema-decay", "0.0"])  # only gets worse
    assert json.loads((tmp_path / "run" / "result.json").read_text())["steps"] < 40
    with pytest.raises(ValueError, match="needs motion that is kept for validation"):
        main(["--run", str(tmp_path / "none"), "--data", "walk", *TINY, "--validate-every", "2"])


class Oracle(MotionNN):
    """Follows a clip that it knows, from the places where rollouts begin; or stands still."""

    def follow(self, states: np.ndarray | None, first: torch.Tensor) -> "Oracle":
        """Take the clip's states (frame, 2 dof), or None, and the first frame of each window."""
        self.clip, self.first = states, first
        return self

    def changes(self, poses: Pose, memory: Memory | None = None) -> torch.Tensor:
        """Return the true changes at every frame, or none."""
        assert memory is not None
        if self.clip is None:
            return torch.zeros(*poses.velocity.shape[:-1], self.layout.n_state)
        frames = poses.velocity.shape[1]
        now = memory.get("now", self.first) + torch.arange(frames)
        memory["now"] = now[:, -1:] + 1
        clip = torch.from_numpy(self.clip.astype(np.float32))
        now, after = (frame.clamp_max(len(clip) - 1) for frame in (now, now + 1))
        return self.layout.difference(self.layout.pose(clip[now]), self.layout.pose(clip[after]))


def test_score_of_validation_is_0_for_the_truth_and_1_for_standing_still(tmp_path):
    body = load_body("human")
    states = swinging(body, 60)
    windows = Windows(library_of(tmp_path, body, [clip_of(states)]).windows(5, 8, split=None))
    score = RolloutScore(windows, frames=8)
    model = Oracle(windows.layout, MotionNNConfig(width=16, depth=1, heads=2, window=4), windows.fps)
    first = score.places[:, 1:2].long()
    assert score(model.follow(None, first)) == pytest.approx(1.0, abs=0.1)
    assert score(model.follow(states, first)) < 1e-3


def test_processes_that_nobody_started_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"processes=2 are started by the command musclegym pretrain"):
        pretrain(PretrainConfig(run=tmp_path, data=("walk",), processes=2))


@pytest.mark.slow
def test_command_in_two_processes_trains_as_in_one(tmp_path):
    words = ["--data", "walk", "run", "--steps", "50", *TINY]
    curves = []
    for processes in ("1", "2"):
        run = tmp_path / processes
        command = [sys.executable, "-m", "musclegym", "pretrain", "--run", str(run), *words]
        subprocess.run([*command, "--processes", processes], check=True, cwd=ROOT)
        curves.append(json.loads((run / "result.json").read_text())["curve"])
    assert len(curves[0]) == 50
    for one, two in zip(*curves, strict=True):
        assert two == pytest.approx(one, abs=1e-5)


@pytest.mark.slow
def test_command_that_was_killed_goes_on_to_the_same_curve(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = ["--data", "walk", "run", "--steps", "150", "--checkpoint-minutes", "1e-9", *TINY]
    command = [sys.executable, "-m", "musclegym", "pretrain"]
    process = subprocess.Popen([*command, "--run", str(killed), *words], cwd=ROOT)
    deadline = time.monotonic() + 120.0
    while not (killed / FILE).is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(random.uniform(0.0, 0.5))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "result.json").exists()
    subprocess.run([*command, "--resume", str(killed)], check=True, cwd=ROOT)
    main(["--run", str(whole), *words])
    curves = [json.loads((run / "result.json").read_text())["curve"] for run in (whole, killed)]
    assert len(curves[0]) == 150
    assert curves[0] == curves[1]


def test_folder_without_motions_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="must hold motion files"):
        open_corpus(PretrainConfig(run=tmp_path / "run", data=(str(tmp_path / "empty"),)))


def test_file_that_cannot_be_read_stops_training(tmp_path):
    (tmp_path / "broken.bvh").write_text("HIERARCHY")
    with pytest.raises(ValueError, match="1 of the motions could not be read"):
        open_corpus(PretrainConfig(run=tmp_path / "run", data=("walk", str(tmp_path / "broken.bvh"))))


def test_resuming_a_folder_without_settings_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="name a folder made by musclegym pretrain"):
        pretrain(PretrainConfig(resume=tmp_path))


def test_shipped_prior_follows_the_embedded_walk_better_than_the_baselines():
    body = load_body("human")
    prior = load_prior(body=body)
    walk = load_motion("walk", body, prior.fps)
    result = rollout_stability({"prior": prior}, [walk], body, horizons=(10, 30, 60), n_starts=16)
    for record in result["horizons"]:
        assert record["prior"]["skill"] > 0.5
        assert record["prior"]["joint_error_mm"] < 0.7 * record["constant_velocity"]["joint_error_mm"]
    assert result["alive"]["prior"]["diverged"] == 0.0
    assert result["alive"]["prior"]["frozen"] == 0.0
