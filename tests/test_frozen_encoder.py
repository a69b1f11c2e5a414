"""The frozen encoder of a policy: the features of the prior, in less time, once for each sample."""

import copy
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger
from tqdm import tqdm

from musclegym.body import load_body
from musclegym.motion import load_motion
from musclegym.motion.features import StateLayout
from musclegym.policies.callbacks import TrainingCallback
from musclegym.policies.environment import EnvironmentConfig, make_workers
from musclegym.policies.frozen_encoder import FrozenMotionNN, frozen, product
from musclegym.policies.learner import Learner
from musclegym.policies.ppo import begin, prepare
from musclegym.policies.prior_policy import FRAMES, load_encoder, shortened
from musclegym.policies.train_config import PPOConfig, TrainConfig
from musclegym.pretrain.checkpoint import load_prior
from musclegym.pretrain.mlp import MotionMLP, MotionMLPConfig
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig
from musclegym.pretrain.next_state import NextStateModel
from musclegym.pretrain.trainer import interruption
from musclegym.pretrain.windows import states_of
from tests.libraries import clip_of, library_of, swinging

BODY = load_body("human")
LAYOUT = StateLayout.of(BODY.skeleton)
WALK = load_motion("walk", BODY, 30.0)
SIZES = {
    "shallow": MotionNNConfig(width=32, depth=1, heads=2, window=4),
    "one head": MotionNNConfig(width=16, depth=2, heads=1, window=6),
    "default": MotionNNConfig(),
}


def disturbed(model: NextStateModel, seed: int = 0) -> NextStateModel:
    """Return the model with random weights everywhere, those of norms and biases included."""
    torch.manual_seed(seed)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.2)
    return model.requires_grad_(False)


def windows(frames: int, count: int) -> torch.Tensor:
    """Return pieces of the walk, (count, frame, 2 dof)."""
    states = torch.as_tensor(states_of(WALK), dtype=torch.float32)
    return torch.stack([states[start : start + frames] for start in range(count)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 5])
def test_frozen_features_are_those_of_the_network(size: str, count: int):
    network = disturbed(MotionNN(LAYOUT, SIZES[size], 30.0))
    encode = frozen(network)
    assert isinstance(encode, FrozenMotionNN)
    for frames in (1, 2, network.window):
        wanted = network.encode(windows(frames, count))
        torch.testing.assert_close(encode(windows(frames, count)), wanted, atol=2e-5, rtol=1e-5)


def test_frozen_features_of_the_shipped_prior_are_its_own():
    prior = load_prior("shipped", BODY)
    seen = windows(prior.window, 3)
    torch.testing.assert_close(frozen(prior)(seen), prior.encode(seen), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("then", ["none", "gelu"])
def test_products_are_the_same_without_onednn(then: str, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    linear, rows = torch.nn.Linear(12, 7), torch.randn(3, 5, 12)
    fast = product(linear, then)(rows)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    torch.testing.assert_close(product(linear, then)(rows), fast)


def test_a_perceptron_is_frozen_as_it_is():
    network = disturbed(MotionMLP(LAYOUT, MotionMLPConfig(), 30.0))
    seen = windows(network.window, 3)
    assert torch.equal(frozen(network)(seen), network.encode(seen))


def test_a_shortened_encoder_is_the_same_function_of_fewer_states():
    network = disturbed(MotionNN(LAYOUT, MotionNNConfig(width=32, depth=2, heads=2, window=8), 30.0))
    seen = windows(8, 3)
    short = shortened(network, 3)
    assert short.window == 3
    torch.testing.assert_close(short.encode(seen[:, -3:]), network.encode(seen[:, -3:]))
    assert shortened(network, None).window == FRAMES
    assert shortened(network, 8) is network
    assert (short.encode(seen[:, -3:]) - network.encode(seen)).abs().max() > 1e-3


def test_a_perceptron_reads_its_whole_window():
    network = MotionMLP(LAYOUT, MotionMLPConfig(), 30.0)
    assert shortened(network, None) is network
    with pytest.raises(ValueError, match=f"must be {network.window}, its window"):
        shortened(network, 2)


@pytest.mark.parametrize("frames", [0, 9])
def test_more_states_than_the_window_are_refused(frames: int):
    network = MotionNN(LAYOUT, MotionNNConfig(window=8), 30.0)
    with pytest.raises(ValueError, match=f"from 1 to 8 .* but is {frames}"):
        shortened(network, frames)


def test_states_for_no_prior_are_refused():
    with pytest.raises(ValueError, match="name a prior"):
        load_encoder("none", BODY, WALK, seed=0, frames=4)


def test_the_random_encoder_has_the_size_of_the_shipped_one():
    shipped, control = (load_encoder(name, BODY, WALK, seed=0) for name in ("shipped", "random"))
    assert shipped is not None
    assert control is not None
    assert control.config == shipped.config
    sizes = {name: value.shape for name, value in shipped.state_dict().items()}
    assert {name: value.shape for name, value in control.state_dict().items()} == sizes
    assert (control.encode(windows(4, 2)) - shipped.encode(windows(4, 2))).abs().max() > 0.1


@pytest.fixture
def run(tmp_path, request):
    """A run with a random encoder that is ready to learn, its settings, and the rows that were encoded."""
    config = TrainConfig(
        run=tmp_path,
        prior="random",
        finetune=request.param,
        environment=EnvironmentConfig(actuation="torque", physics_hz=240),
        ppo=PPOConfig(samples=32, minibatch=16, epochs=3, target_kl=1e6),
        workers=1,
        members=4,
        evaluate_minutes=0.0,
    )
    prepared = prepare(config)
    workers = make_workers(prepared.options, config.workers, config.members, config.ppo.discount)
    learner = Learner(workers, config, prepared.encoder, prepared.exploration)
    learner.set_logger(Logger(None, []))
    run = begin(config, prepared, learner, tmp_path)
    rows: list[int] = []
    encoder = run.policy.features_extractor.encoder
    assert isinstance(encoder, MotionNN)
    look = encoder.inputs
    encoder.inputs = lambda poses, memory: (rows.append(len(poses.hinge)), look(poses, memory))[1]  # type: ignore[method-assign]
    yield run, config, rows
    workers.close()


def learn(run: Any, config: TrainConfig) -> None:
    with interruption() as stop:
        callback = TrainingCallback(run, config, stop=stop, bar=tqdm(disable=True))
        run.learner.learn(config.ppo.samples, callback, reset_num_timesteps=False)


@pytest.mark.parametrize("run", [False], indirect=True)
def test_a_frozen_encoder_sees_each_sample_once_however_often_the_update_does(run):
    training, config, rows = run
    learn(training, config)
    assert sum(rows) == 32 + 4  # and where the rollout ends, for the value of what follows
    buffer = training.learner.rollout_buffer
    width = training.policy.features_extractor.encoder.config.width
    assert buffer.observations.shape[-1] == training.policy.features_extractor.plain_size + width


@pytest.mark.parametrize("run", [True], indirect=True)
def test_an_encoder_that_learns_sees_the_samples_anew_in_every_epoch(run):
    training, config, rows = run
    before = copy.deepcopy(training.policy.features_extractor.encoder.state_dict())
    learn(training, config)
    assert sum(rows) == 32 + 4 + (3 + 2) * 32  # and before and after the update, for its size
    after = training.policy.features_extractor.encoder.state_dict()
    assert any((value != before[name]).any() for name, value in after.items())


@pytest.mark.parametrize("run", [False], indirect=True)
def test_other_weights_give_other_features_from_then_on(run):
    policy = run[0].policy
    size = policy.features_extractor.observation_size
    seen = torch.as_tensor(np.random.default_rng(0).normal(0.0, 0.1, (2, size)), dtype=torch.float32)
    first = policy.features_extractor.encoded(seen)
    weights = policy.state_dict()
    others = {
        name: 0.5 * value if "encoder.embed.weight" in name else value for name, value in weights.items()
    }
    policy.load_state_dict(others)
    second = policy.features_extractor.encoded(seen)
    assert (first - second).abs().max() > 1e-3
    encoder = policy.features_extractor.encoder
    plain = policy.features_extractor.plain_size
    wanted = encoder.encode(seen[:, plain:].reshape(2, encoder.window, -1))
    torch.testing.assert_close(second[:, plain:], wanted, atol=2e-5, rtol=1e-5)


def test_fewer_states_are_compared_with_the_whole_window(tmp_path):
    script = Path(__file__).parent.parent / "benchmarks" / "prior_frames.py"
    study = SimpleNamespace(**runpy.run_path(str(script)))
    library_of(tmp_path / "library", BODY, [clip_of(swinging(BODY, 50))])
    rows = study.measure(study.FramesConfig(str(tmp_path / "library"), split=None, windows=4))
    assert [row["frames"] for row in rows[:4]] == [1, 2, 3, 4]
    assert rows[-1]["frames"] == load_prior("shipped").window
    assert rows[-1]["feature_change"] == 0.0
    assert all(row["feature_change"] > 0.0 and row["error_1"] > 0.0 for row in rows[:-1])
