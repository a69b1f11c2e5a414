"""The training loop: learning, logs, interruption and resumption."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from musclegym.body import load_body
from musclegym.cli import COMMANDS
from musclegym.manifest import start_run
from musclegym.motion import load_motion
from musclegym.policies.adapter import AdaptedVecEnv
from musclegym.policies.environment import DiscountedMean, EnvironmentConfig
from musclegym.policies.learner import Learner
from musclegym.policies.policy_file import weights_of
from musclegym.policies.ppo import WARM_UP_STEPS, check_rate, learn, train
from musclegym.policies.prior_policy import VALUE_RATE, load_encoder, random_encoder
from musclegym.policies.schedule import AidsConfig
from musclegym.policies.train_config import PPOConfig, TrainConfig, resumed
from musclegym.policies.training_run import TrainingRun, read_checkpoint
from musclegym.pretrain.trainer import interruption
from tests.toys import Aim, Together

QUICK = PPOConfig(samples=64, minibatch=32, epochs=2)
FITS = {"body_hash": "none"}


def aim_run(folder: Path, config: TrainConfig, interrupt_at: int = 0) -> TrainingRun:
    folder.mkdir(parents=True, exist_ok=True)
    envs = Together(lambda: Aim(interrupt_at), config.workers)
    workers = DiscountedMean(AdaptedVecEnv(envs, every_info=False), config.ppo.discount)
    return TrainingRun(Learner(workers, config), folder, FITS, {"environment_options": {}})


def test_ppo_learns_to_aim_from_badly_scaled_observations(tmp_path):
    rates: dict[str, Any] = {"learning_rate": 3e-3, "exploration": 0.18, "discount": 0.0}
    ppo = PPOConfig(**rates, samples=256, minibatch=64, target_kl=1.0, hidden=(32,))
    run = aim_run(tmp_path, config := TrainConfig(steps=6144, workers=8, ppo=ppo))
    learn(run, config)
    first, last = run.curve[0], run.curve[-1]
    # Not aiming at all earns 1 - 0.8^2 / 3 - 0.18^2 = 0.75 on average.
    assert first["reward_per_step"] == pytest.approx(0.75, abs=0.08)
    assert last["reward_per_step"] > 0.93
    assert last["reward/constant"] == 1.0
    assert last["reward/constant"] + last["reward/miss"] == pytest.approx(last["reward_per_step"])
    assert last["episode_steps"] == 1.0
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_rewards_are_scaled_so_that_a_value_is_a_mean_reward():
    workers = DiscountedMean(AdaptedVecEnv(Together(Aim)), discount=0.95)
    workers.reset()
    _, rewards, _, infos = workers.step(np.zeros((1, 1)))
    assert rewards[0] == pytest.approx(0.05 * sum(infos[0]["reward_terms"].values()), rel=1e-5)


def test_a_resumed_run_is_where_it_was_and_goes_on(tmp_path):
    first = aim_run(tmp_path, config := TrainConfig(steps=256, ppo=QUICK))
    learn(first, config)
    second = aim_run(tmp_path, config := TrainConfig(steps=512, ppo=QUICK))
    second.resume()
    assert second.steps == first.steps == 256
    assert second.curve == first.curve
    for name, value in weights_of(first.policy).items():
        assert torch.equal(weights_of(second.policy)[name], value), name
    wanted = first.policy.optimizer.state_dict()["state"]
    for index, state in second.policy.optimizer.state_dict()["state"].items():
        assert torch.equal(state["exp_avg"], wanted[index]["exp_avg"])
        assert torch.equal(state["step"], wanted[index]["step"])
    learn(second, config)
    assert second.steps == 512
    assert second.curve[: len(first.curve)] == first.curve
    assert len(second.curve) == 2 * len(first.curve)
    assert second.seconds > first.seconds


@pytest.mark.parametrize("stopped_at", [128, 256])
def test_a_run_that_was_stopped_ends_bit_by_bit_as_one_that_was_not(tmp_path, stopped_at):
    config = TrainConfig(steps=512, checkpoint_steps=128, schedule_steps=512, ppo=QUICK)
    whole = aim_run(tmp_path / "whole", config)
    learn(whole, config)
    learn(aim_run(tmp_path / "parts", config), replace(config, steps=stopped_at))
    parts = aim_run(tmp_path / "parts", config)
    parts.resume()
    assert parts.steps == stopped_at
    learn(parts, config)
    assert_same_checkpoints(tmp_path / "whole", tmp_path / "parts")


def assert_same_checkpoints(first: Path, second: Path) -> None:
    """Check that two runs are in the same state, bit by bit, but for the time that they took."""
    (mine, my_progress), (theirs, their_progress) = read_checkpoint(first), read_checkpoint(second)
    assert mine.keys() == theirs.keys()
    assert [name for name, value in mine.items() if not torch.equal(value, theirs[name])] == []
    for name in my_progress.keys() - {"seconds", "curve", "best"}:
        assert my_progress[name] == their_progress[name], name
    for point, other in zip(my_progress["curve"], their_progress["curve"], strict=True):
        assert point["reward_per_step"] == other["reward_per_step"]


@pytest.mark.parametrize("actuation", ["torque", pytest.param("muscle", marks=pytest.mark.slow)])
def test_a_run_with_every_aid_in_the_real_environment_goes_on_bit_by_bit(tmp_path, actuation):
    config = TrainConfig(
        run=tmp_path / "whole",
        steps=192,
        schedule_steps=192,
        checkpoint_steps=64,
        workers=1,
        members=4,
        evaluate_minutes=0.0,
        refine_steps=64 if actuation == "muscle" else 0,
        environment=EnvironmentConfig(actuation=actuation, env=("pushes.impulse=10", "start_noise=0.02")),
        ppo=replace(QUICK, wanted_kl=0.05),
        aids=AidsConfig(assistance=0.5, assistance_coverage=(0.01, 0.02), start_bins=10, fall_drop=0.1),
    )
    train(config)
    train(replace(config, run=tmp_path / "parts", steps=64))
    train(TrainConfig(resume=tmp_path / "parts", steps=192))
    assert_same_checkpoints(tmp_path / "whole", tmp_path / "parts")


def test_a_run_that_died_before_its_first_update_can_be_resumed(tmp_path):
    config = TrainConfig(steps=64, ppo=QUICK)
    aim_run(tmp_path, config).save()
    run = aim_run(tmp_path, config)
    run.resume()
    learn(run, config)
    assert run.steps == 64


def test_policy_and_value_learn_at_their_own_rates(tmp_path):
    run = aim_run(tmp_path, config := TrainConfig(steps=64, ppo=QUICK))
    learn(run, config)
    rates = [group["lr"] for group in run.policy.optimizer.param_groups]
    assert rates == pytest.approx([QUICK.learning_rate, VALUE_RATE * QUICK.learning_rate])


def test_a_run_in_another_environment_is_not_resumed(tmp_path):
    run = aim_run(tmp_path, config := TrainConfig(steps=64, ppo=QUICK))
    learn(run, config)
    run.fits = {"body_hash": "other"}
    with pytest.raises(ValueError, match=r"none.*other"):
        run.resume()


def test_ctrl_c_saves_and_names_the_command_that_goes_on(tmp_path):
    run = aim_run(
        tmp_path, config := TrainConfig(steps=10_000, workers=1, ppo=QUICK), interrupt_at=WARM_UP_STEPS + 100
    )
    with pytest.raises(KeyboardInterrupt, match="musclegym train --resume"):
        learn(run, config)
    assert run.steps == 100
    _, progress = read_checkpoint(tmp_path)
    assert progress["steps"] == run.steps


def test_a_time_budget_ends_the_training(tmp_path):
    run = aim_run(tmp_path, config := TrainConfig(minutes=0.01, ppo=QUICK))
    learn(run, config)
    assert 0.6 <= run.seconds < 3.0


def test_statistics_stand_still_between_a_rollout_and_its_update(tmp_path):
    run = aim_run(tmp_path, config := TrainConfig(steps=256, ppo=QUICK))
    normaliser, counts = run.policy.features_extractor.normaliser, []
    update = run.learner.train

    def counted() -> None:
        counts.append(float(normaliser.count))
        update()
        counts.append(float(normaliser.count))

    run.learner.train = counted  # type: ignore[method-assign]
    learn(run, config)
    assert counts[0::2] == counts[1::2]
    assert np.diff(counts[0::2]).tolist() == [64.0, 64.0, 64.0]


def test_a_resumed_run_keeps_its_settings_and_takes_a_new_budget(tmp_path):
    config = TrainConfig(
        run=tmp_path,
        seed=7,
        environment=EnvironmentConfig(motion="run"),
        ppo=PPOConfig(hidden=(8, 8)),
        steps=5,
    )

    start_run(tmp_path, config, 7)
    again = resumed(TrainConfig(resume=tmp_path, minutes=2.0, seed=1))
    assert (again.seed, again.environment, again.ppo) == (7, config.environment, config.ppo)
    assert (again.steps, again.minutes) == (None, 2.0)
    assert resumed(TrainConfig(resume=tmp_path)).steps == 5


def test_resuming_a_folder_without_a_run_says_what_to_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="name a folder made by musclegym train"):
        train(TrainConfig(resume=tmp_path))


@pytest.mark.parametrize("settings", [{"steps": 0}, {"minutes": -1.0}, {"workers": 3}, {"workers": 0}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match=r"use e\.g\."):
        TrainConfig(**settings)


def test_a_prior_of_another_rate_is_refused():
    body = load_body("human")
    encoder = random_encoder(body, load_motion("walk", body, 60.0), seed=0)
    with pytest.raises(ValueError, match="pretrain one with --fps 30"):
        check_rate(encoder, 30)


def test_training_with_a_frozen_prior_changes_the_heads_and_not_the_encoder(tmp_path):
    ppo = PPOConfig(samples=64, minibatch=32, epochs=1)
    config = TrainConfig(
        run=tmp_path, steps=128, prior="random", ppo=ppo, environment=EnvironmentConfig(actuation="torque")
    )
    result = train(config)
    assert result["steps"] == 128
    bare: Any = gym.make("MuscleHumanoid-v0", actuation="torque").unwrapped
    encoder = load_encoder("random", bare.body, bare.motion, config.seed)
    assert encoder is not None
    tensors, _ = read_checkpoint(tmp_path)
    for name, value in encoder.state_dict().items():
        assert torch.equal(tensors[f"policy.features_extractor.encoder.{name}"], value), name
    assert tensors["policy.action_net.bias"].abs().max() > 0.0
    manifest = json.loads((tmp_path / "policy.json").read_text())
    assert manifest["environment_options"] == {"actuation": "torque", "history": encoder.window}
    assert manifest["steps"] == 128
    curve = json.loads((tmp_path / "result.json").read_text())["curve"]
    assert {"reward/pose", "reward/root", "info/phase", "steps_per_second"} <= set(curve[-1])


def test_interruption_is_an_event_only_once():
    with interruption() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(1.0)


def test_every_command_of_this_room_is_in_the_table():
    modules = {module for module, _ in COMMANDS.values()}
    wanted = {"quickstart", "ppo", "evaluate", "replay", "bench"}
    assert {f"musclegym.policies.{name}" for name in wanted} <= modules
