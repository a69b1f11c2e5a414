import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from musclegym.pretrain.draws import Draw
from musclegym.pretrain.optimizers import hidden_matrices, optimizers_of, repeated_layers
from musclegym.pretrain.stopping import BestSoFar
from musclegym.pretrain.trainer import Trainer, interruption
from musclegym.pretrain.trainer_config import TrainerConfig
from musclegym.pretrain.training_file import FILE, curve_of, curve_table
from tests.training_process import Layered, Remembering, trainer_in

ROOT = Path(__file__).resolve().parent.parent
EVERY_OPTION = {"optimizer": "muon", "accumulate": 2, "precision": "bfloat16", "validate_every": 10}


def command(folder: Path, *launcher: str, **settings: object) -> subprocess.Popen[bytes]:
    """Start the small training in a process of its own, or in several by a launcher."""
    words = [sys.executable, "-m", *launcher, "tests.training_process", str(folder), json.dumps(settings)]
    return subprocess.Popen(words, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"})


def assert_same_end(first: Trainer, second: Trainer) -> None:
    """Check that two trainings have the same losses and averaged weights, bit by bit."""
    assert first.curve == second.curve
    ours, theirs = first.averaged_model.state_dict(), second.averaged_model.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


# --- Draws


def test_parts_of_a_batch_are_the_batch():
    whole = torch.rand(12, generator=Draw(step=5, seed=1).generator())
    for parts in (1, 2, 3, 4, 6, 12):
        dealt = torch.empty(12)
        for part in range(parts):
            draw = Draw(step=5, seed=1, part=part, parts=parts)
            dealt[draw.rows(12)] = torch.rand(12, generator=draw.generator())[draw.rows(12)]
        assert torch.equal(dealt, whole)


def test_numbers_differ_between_steps_and_seeds():
    draws = [Draw(step=0), Draw(step=1), Draw(step=0, seed=1), Draw(step=1, seed=1)]
    assert len({float(torch.rand((), generator=draw.generator())) for draw in draws}) == 4


def test_a_batch_that_cannot_be_dealt_out_evenly_is_refused():
    with pytest.raises(ValueError, match=re.escape("10 rows % 4 = 2; use e.g. 12 rows")):
        Draw(parts=4).rows(10)


# --- Optimisers


def test_muon_takes_the_hidden_matrices_and_adamw_the_rest():
    model = Layered()
    muon, adamw = optimizers_of(model, "muon", 1e-3, 0.01)
    taken = [p for group in muon.param_groups for p in group["params"]]
    assert {id(p) for p in taken} == {id(block.mix.weight) for block in model.layers}
    rest = [p for group in adamw.param_groups for p in group["params"]]
    assert {id(p) for p in taken} | {id(p) for p in rest} == {id(p) for p in model.parameters()}
    assert len(taken) + len(rest) == len(list(model.parameters()))
    decay = {id(p): group["weight_decay"] for group in adamw.param_groups for p in group["params"]}
    assert decay[id(model.embed.weight)] == 0.01
    assert decay[id(model.layers[0].mix.bias)] == 0.0


def test_first_and_last_of_a_list_of_linear_layers_are_no_hidden_ones():
    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    model = Chain()
    assert [id(matrix) for matrix in hidden_matrices(model)] == [id(model.layers[1].weight)]


def test_a_step_of_muon_is_nearly_orthogonal():
    torch.manual_seed(0)
    model = Layered()
    before = model.layers[0].mix.weight.detach().clone()
    muon, _ = optimizers_of(model, "muon", 1e-3, 0.0)
    model(torch.randn(32, 6)).square().mean().backward()
    muon.step()
    values = torch.linalg.svdvals(model.layers[0].mix.weight.detach() - before)
    size = 1e-3 * 0.2 * 16**0.5  # Liu et al. 2025: 0.2 sqrt(larger side), as large as a step of AdamW
    assert values.max() < 1.3 * size
    assert values[:8].min() > 0.5 * size  # of the gradient, at most half vanishes behind the rectifiers


def test_muon_without_hidden_matrices_is_refused():
    with pytest.raises(ValueError, match="Linear has none; use --optimizer adamw"):
        optimizers_of(nn.Linear(3, 3), "muon", 1e-3, 0.0)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_both_optimizers_learn(tmp_path, optimizer):
    trainer = trainer_in(tmp_path, steps=300, optimizer=optimizer, learning_rate=1e-2)
    trainer.fit()
    losses = [record["fit"] for record in trainer.curve]
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])


# --- Parts


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path):
    whole, parts = trainer_in(tmp_path / "whole"), trainer_in(tmp_path / "parts", accumulate=4)
    whole.fit()
    parts.fit()
    for one, other in zip(whole.curve, parts.curve, strict=True):
        assert one == pytest.approx(other, rel=1e-5)


def test_two_processes_end_where_one_does(tmp_path):
    """The union of their batches is the batch of one, in each of 50 steps and after a checkpoint."""
    alone = trainer_in(tmp_path / "alone", steps=50)
    alone.fit()
    launch = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
    assert command(tmp_path / "team", *launch, steps=50).wait() == 0
    curve = json.loads((tmp_path / "team" / "curve.json").read_text())
    assert len(curve) == 50
    for one, other in zip(alone.curve, curve, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    again = trainer_in(tmp_path / "team", steps=50)
    again.resume()
    assert isinstance(again.objective, Remembering)
    assert isinstance(alone.objective, Remembering)
    assert torch.allclose(again.objective.memory, alone.objective.memory, atol=1e-6)  # gathered from both
    for name, value in alone.model.state_dict().items():
        assert torch.allclose(again.model.state_dict()[name], value, atol=1e-5), name


# --- Interruption


@pytest.mark.parametrize("settings", [{}, EVERY_OPTION], ids=["default", "every option"])
def test_run_goes_on_from_a_checkpoint_to_the_same_bits(tmp_path, settings):
    whole = trainer_in(tmp_path / "whole", **settings)
    whole.fit()
    first = trainer_in(tmp_path / "parts", **settings)
    for _ in range(23):
        first.train_step()
        if settings and first.step % 10 == 0:
            first.best.note(0.1 * first.step, first.step, first.average.module)
    first.save()
    second = trainer_in(tmp_path / "parts", **settings)
    second.resume()
    assert second.step == 23
    assert second.best.record() == first.best.record()
    second.best.restore(whole.best.record(), whole.best.weights)
    second.fit()
    assert_same_end(whole, second)


def test_run_killed_at_a_random_moment_ends_in_the_same_bits(tmp_path):
    steps = 1500
    process = command(tmp_path / "killed", steps=steps, checkpoint_minutes=1e-9)
    deadline = time.monotonic() + 120.0
    while not (tmp_path / "killed" / FILE).is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(random.uniform(0.0, 0.5))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL  # it was still at work
    resumed = trainer_in(tmp_path / "killed", steps=steps)
    resumed.resume()
    assert 0 < resumed.step < steps
    resumed.fit()
    whole = trainer_in(tmp_path / "whole", steps=steps)
    whole.fit()
    assert_same_end(whole, resumed)


def test_termination_ends_a_run_after_its_step_and_a_second_one_at_once():
    before = signal.getsignal(signal.SIGTERM)
    with interruption() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.is_set()
        assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGTERM) == before


def test_curve_survives_the_trip_through_a_table():
    curve = [{"step": 0, "loss": 0.1, "fit": 1.0 / 3.0}, {"step": 1, "loss": 1e-30}]
    assert curve_of(curve_table(curve, ["loss", "fit"]), ["loss", "fit"]) == curve
    assert curve_of(curve_table([], ["loss"]), ["loss"]) == []


# --- Stopping


def test_training_stops_when_scores_no_longer_improve_and_keeps_the_best_weights(tmp_path):
    scores = iter([3.0, 1.0, 2.0, 1.5, 1.2, 0.0])
    seen = []

    def score(model: nn.Module) -> float:
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return next(scores)

    trainer = trainer_in(tmp_path, steps=60, validate_every=5, patience=3)
    trainer.validation = score
    trainer.fit()
    assert trainer.step == 25  # the best of step 10, then three that are not better
    assert (trainer.best.score, trainer.best.step) == (1.0, 10)
    for name, value in trainer.averaged_model.state_dict().items():
        assert torch.equal(value, seen[1][name])


def test_waiting_without_patience_never_ends():
    best = BestSoFar(0)
    for score in (1.0, float("nan"), *[2.0] * 100):
        best.note(score, 0, nn.Linear(1, 1))
    assert not best.over
    assert best.score == 1.0


# --- Logs and settings


def test_every_named_term_is_logged(tmp_path):
    trainer_in(tmp_path, steps=20, validate_every=10).fit()
    log = EventAccumulator(str(tmp_path))
    log.Reload()
    names = {"loss/loss", "loss/fit", "loss/size", "validation", "learning_rate", "gradient_norm"}
    assert names | {"steps_per_second"} == set(log.Tags()["scalars"])
    assert [event.step for event in log.Scalars("loss/size")] == [5, 10, 15, 20]


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch's own, while it compiles
def test_compiled_layers_compute_the_same(tmp_path):
    plain, compiled = trainer_in(tmp_path / "plain"), trainer_in(tmp_path / "compiled")
    for layer in repeated_layers(compiled.model):  # as `compile` does, without the C++ compiler
        layer.compile(backend="eager")
    for trainer in (plain, compiled):
        for _ in range(3):
            trainer.train_step()
    for one, other in zip(plain.curve, compiled.curve, strict=True):
        assert one == pytest.approx(other)
    assert list(compiled.model.state_dict()) == list(plain.model.state_dict())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accumulate": 0}, "accumulate=1"),
        ({"patience": 3}, "use e.g. validate_every=500"),
        ({"seed": -1}, "seed must not be negative, but is -1"),
        ({"ema_decay": 1.0}, "ema_decay must lie in [0, 1)"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        TrainerConfig(**settings)


def test_what_a_model_or_machine_does_not_have_is_refused(tmp_path):
    config = TrainerConfig(validate_every=10)
    with pytest.raises(ValueError, match="needs motion that is kept for validation"):
        Trainer(Layered(), Remembering(), {}, config, tmp_path)
    with pytest.raises(ValueError, match="Linear has none; use --no-compile"):
        Trainer(nn.Linear(2, 2), Remembering(), {}, TrainerConfig(compile=True), tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="use --device auto"):
            Trainer(nn.Linear(2, 2), Remembering(), {}, TrainerConfig(device="cuda"), tmp_path)
