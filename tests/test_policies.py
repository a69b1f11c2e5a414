"""The policy network, its file, and what is measured of it."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from musclegym.body import load_body
from musclegym.manifest import save_weights
from musclegym.policies.environment import EnvironmentConfig, made_for, make_environment
from musclegym.policies.episodes import (
    Episode,
    Start,
    actor_of,
    load_actor,
    play,
    run_episode,
    spread_phases,
    spread_starts,
)
from musclegym.policies.evaluate import EvaluateConfig, evaluate, table_of
from musclegym.policies.intervals import bootstrap, wilson
from musclegym.policies.normaliser import CLIP, RunningNormaliser
from musclegym.policies.policy_file import (
    load_policy,
    network_record,
    policy_options,
    save_policy,
    weights_of,
)
from musclegym.policies.prior_policy import FRAMES, SimulationNNWithPrior, load_encoder
from musclegym.pretrain.motion_nn import MotionNN

WINDOW = FRAMES


@pytest.fixture(scope="module")
def environment():
    made = make_environment({"actuation": "torque", "history": WINDOW})
    yield made
    made.close()


def make_policy(environment: gym.Env, finetune: bool = False, encoder: bool = True) -> SimulationNNWithPrior:
    bare = environment.unwrapped
    prior = load_encoder("random" if encoder else "none", bare.body, bare.motion, seed=1)  # type: ignore[attr-defined]
    spaces = environment.observation_space, environment.action_space
    return SimulationNNWithPrior(*spaces, lambda _: 1e-3, encoder=prior, finetune=finetune)


def observations(environment: gym.Env, count: int) -> torch.Tensor:
    starts = [environment.reset(options={"phase": phase})[0] for phase in np.linspace(0.0, 0.9, count)]
    return torch.as_tensor(np.stack(starts))


def test_normaliser_knows_mean_and_variance_of_everything_seen():
    samples = np.random.default_rng(0).normal([5.0, -300.0], [0.1, 40.0], (1000, 2))
    normaliser = RunningNormaliser(2)
    for part in np.split(samples, [10, 500]):
        normaliser.update(torch.as_tensor(part))
    np.testing.assert_allclose(normaliser.mean, samples.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(normaliser.variance, samples.var(axis=0), rtol=1e-12)
    wanted = (samples - samples.mean(axis=0)) / samples.std(axis=0)
    got = normaliser(torch.as_tensor(samples, dtype=torch.float32))
    np.testing.assert_allclose(got, wanted, atol=1e-3)


def test_normaliser_clips_spikes_and_survives_a_number_that_never_changes():
    normaliser = RunningNormaliser(2)
    normaliser.update(torch.tensor([[1.0, 7.0], [3.0, 7.0]]))
    assert normaliser(torch.tensor([[1e6, 7.0]])).tolist() == [[CLIP, 0.0]]


def test_looking_does_not_change_the_statistics(environment):
    policy = make_policy(environment)
    before = policy.features_extractor.normaliser.mean.clone()
    policy(observations(environment, 2))
    assert torch.equal(policy.features_extractor.normaliser.mean, before)


def test_building_a_policy_leaves_the_encoder_as_it_was(environment):
    bare = environment.unwrapped
    given = load_encoder("random", bare.body, bare.motion, seed=1)
    assert given is not None
    wanted = given.state_dict()
    policy = make_policy(environment)
    assert policy.features_extractor.encoder is not None
    for name, value in policy.features_extractor.encoder.state_dict().items():
        assert torch.equal(value, wanted[name]), name


def test_features_are_the_encoding_of_the_history_beside_the_rest(environment):
    policy = make_policy(environment)
    extractor = policy.features_extractor
    seen = observations(environment, 3)
    block = environment.unwrapped.observation_layout[-1]
    assert block.name == "history"
    assert extractor.encoder is not None
    wanted = extractor.encoder.encode(seen[:, block.start :].reshape(3, WINDOW, -1))
    encoded = extractor.encoded(seen)
    torch.testing.assert_close(encoded[:, : block.start], seen[:, : block.start])
    torch.testing.assert_close(encoded[:, block.start :], wanted)


def test_observations_encoded_before_give_the_same_action(environment):
    policy = make_policy(environment)
    seen = observations(environment, 3)
    encoded = policy.features_extractor.encoded(seen)
    for first, second in zip(policy(seen, True), policy(encoded, True), strict=True):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("finetune", [False, True])
def test_encoder_gets_gradients_only_when_it_is_finetuned(environment, finetune):
    policy = make_policy(environment, finetune)
    values, log_probability, _ = policy.evaluate_actions(observations(environment, 2), torch.zeros(2, 50))
    (values.sum() + log_probability.sum()).backward()
    assert isinstance(policy.features_extractor.encoder, MotionNN)
    gradients = [parameter.grad for parameter in policy.features_extractor.encoder.blocks.parameters()]
    assert all((gradient is not None) == finetune for gradient in gradients)
    learned = {id(parameter) for group in policy.optimizer.param_groups for parameter in group["params"]}
    assert finetune == all(id(p) in learned for p in policy.features_extractor.encoder.parameters())
    assert all(id(parameter) in learned for parameter in policy.action_net.parameters())


def test_the_encoder_is_evaluated_once_for_action_and_value(environment):
    policy = make_policy(environment)
    calls, extractor = [], policy.features_extractor
    encode = extractor.encoded
    extractor.encoded = lambda seen: (calls.append(1), encode(seen))[1]  # type: ignore[method-assign]
    policy(observations(environment, 2))
    assert len(calls) == 1


def test_a_short_observation_is_refused_with_the_history_to_ask_for():
    environment = make_environment({"actuation": "torque"})
    with pytest.raises(ValueError, match=f"make the environment with history={WINDOW}"):
        make_policy(environment)
    environment.close()


def save(path, policy, environment) -> None:
    record = {"environment_options": {"actuation": "torque", "history": WINDOW}}
    save_policy(path, policy, made_for(environment), record)


def test_a_policy_acts_the_same_after_a_trip_through_its_file(environment, tmp_path):
    policy = make_policy(environment)
    policy.features_extractor.normaliser.update(
        policy.features_extractor.encoded(observations(environment, 9))
    )
    save(tmp_path / "policy.safetensors", policy, environment)
    loaded = load_policy(tmp_path, environment)
    for name, value in weights_of(policy).items():
        assert torch.equal(weights_of(loaded)[name], value), name
    seen = observations(environment, 4).numpy()
    first, second = (network.predict(seen, deterministic=True)[0] for network in (policy, loaded))
    np.testing.assert_array_equal(first, second)
    assert network_record(loaded) == network_record(policy)
    assert policy_options(tmp_path) == {"actuation": "torque", "history": WINDOW}


def test_a_policy_of_another_body_is_refused_with_both_hashes(environment, tmp_path):
    save(tmp_path / "policy.safetensors", make_policy(environment), environment)
    short = make_environment(
        {"actuation": "torque", "history": WINDOW, "body": load_body("human", height=1.5)}
    )
    with pytest.raises(ValueError, match="body_hash") as refusal:
        load_policy(tmp_path, short)
    for body in (short.unwrapped.body, environment.unwrapped.body):  # type: ignore[attr-defined]
        assert body.hash in str(refusal.value)
    short.close()


def test_a_policy_of_another_layout_is_refused_with_both_layouts(environment, tmp_path):
    save(tmp_path / "policy.safetensors", make_policy(environment), environment)
    plain = make_environment({"actuation": "torque"})
    with pytest.raises(ValueError, match="observation_layout") as refusal:
        load_policy(tmp_path, plain)
    assert "['history', 303" in str(refusal.value)
    plain.close()


def test_a_policy_of_another_format_is_refused(environment, tmp_path):
    policy = make_policy(environment)
    tensors = {name: value.numpy(force=True) for name, value in weights_of(policy).items()}
    manifest = {"kind": "SimulationNNWithPrior", "format": 999, **made_for(environment)}
    save_weights(tmp_path / "policy.safetensors", tensors, manifest)
    with pytest.raises(ValueError, match="format: expected 1, found 999"):
        load_policy(tmp_path, environment)


def test_a_tampered_policy_is_refused(environment, tmp_path):
    path = tmp_path / "policy.safetensors"
    save(path, make_policy(environment), environment)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="SHA-256"):
        load_policy(path, environment)


def test_a_missing_policy_names_the_command_that_makes_one(environment, tmp_path):
    with pytest.raises(FileNotFoundError, match="musclegym train"):
        load_policy(tmp_path / "policy.safetensors", environment)


@pytest.mark.parametrize("count", [1, 7, 20])
def test_start_phases_are_evenly_spread_and_shift_with_the_seed(count):
    phases = spread_phases(count, seed=3)
    assert all(0.0 <= phase < 1.0 for phase in phases)
    np.testing.assert_allclose(np.diff(phases), 1.0 / count)
    assert phases[0] != spread_phases(count, seed=4)[0]


def test_an_episode_is_the_same_twice_and_starts_on_the_reference(environment):
    actor = load_actor("zero", environment)
    first, second = (run_episode(environment, actor, Start(0.3, seed=0)) for _ in range(2))
    assert (first.steps, first.reward, first.joint_error) == (second.steps, second.reward, second.joint_error)
    assert not first.diverged
    assert 0.0 < first.reward <= 1.0
    assert np.isnan(first.activation)


def episode(steps: int, survived: bool, error: float) -> Episode:
    nothing = float("nan")
    return Episode(
        0,
        0.0,
        steps,
        survived,
        False,
        0.5,
        joint_error=error,
        global_joint_error=2.0 * error,
        speed_error=-0.1,
        cost_of_transport=0.3,
        activation=nothing,
        residual=nothing,
    )


def test_the_table_weighs_episodes_for_counts_and_steps_for_means_over_time():
    table = table_of([episode(300, True, 0.010), episode(100, False, 0.050)], limit=300)
    assert table["success"]["mean"] == pytest.approx(0.5)
    assert table["fall_rate"]["mean"] == pytest.approx(0.5)
    assert table["coverage"]["mean"] == pytest.approx((1.0 + 1.0 / 3.0) / 2.0)
    assert table["episode_steps"]["mean"] == pytest.approx(200.0)
    assert table["joint_error_mm"]["mean"] == pytest.approx(0.75 * 10.0 + 0.25 * 50.0)
    assert table["global_joint_error_mm"]["mean"] == pytest.approx(2.0 * (0.75 * 10.0 + 0.25 * 50.0))
    assert table["speed_error"]["mean"] == pytest.approx(0.1)
    assert np.isnan(table["activation"]["mean"])


def test_the_interval_of_many_values_is_that_of_their_mean():
    values = np.random.default_rng(3).normal(5.0, 2.0, 400)
    half = 1.96 * np.std(values) / np.sqrt(400)
    wanted = [np.mean(values) - half, np.mean(values) + half]
    assert bootstrap(values, np.ones(400)) == pytest.approx(wanted, abs=0.05 * half)


def test_the_interval_of_two_values_holds_both():
    """A quarter of the draws has one of them twice."""
    assert bootstrap(np.array([0.2, 1.0]), np.ones(2)) == [0.2, 1.0]
    assert bootstrap(np.array([0.2, 1.0]), np.array([1.0, 3.0])) == [0.2, 1.0]
    assert bootstrap(np.array([0.7]), np.ones(1)) == [0.7, 0.7]


def test_coverage_and_its_interval_never_leave_the_possible():
    falls = [episode(300, True, 0.01)] * 19 + [episode(30, False, 0.01)]
    mean, interval = (table_of(falls, limit=300)["coverage"][name] for name in ("mean", "interval"))
    assert mean == pytest.approx(1.0 - 0.9 / 20.0)
    assert 0.8 < interval[0] < mean < interval[1] == 1.0
    assert table_of(falls[:19], limit=300)["coverage"]["interval"] == [1.0, 1.0]


def test_an_episode_that_outlives_its_motion_covers_all_of_it():
    assert table_of([episode(60, True, 0.01)], limit=300)["coverage"]["mean"] == 1.0


def test_the_interval_of_a_share_is_that_of_wilson_and_never_leaves_the_possible():
    assert wilson(8, 10) == pytest.approx([0.490, 0.943], abs=5e-4)
    assert wilson(60, 60) == pytest.approx([60.0 / (60.0 + 1.96**2), 1.0])
    assert wilson(0, 60)[0] == pytest.approx(0.0, abs=1e-12)


def test_starts_without_a_motion_differ_by_their_seeds():
    starts = spread_starts(None, count=2, seeds=2)
    assert [(start.phase, start.seed) for start in starts] == [(None, seed) for seed in range(4)]


def test_errors_of_a_step_are_those_of_body_and_motion_at_its_end(environment):
    bare = environment.unwrapped
    step = next(play(environment, load_actor("zero", environment), Start(0.4, seed=0)))
    q, qd = bare.reference.at(bare.time)
    wanted = bare.body.kinematics(q, qd)
    away = bare.state.joint_position - wanted.joint_position
    assert step["global_joint_error"] == pytest.approx(np.linalg.norm(away, axis=1).mean())
    assert step["joint_error"] == pytest.approx(np.linalg.norm(away - away[0], axis=1).mean())
    assert 0.0 < step["joint_error"] < 0.05
    pelvis = (wanted.com_velocity - np.cross(wanted.angular_velocity, wanted.com - wanted.joint_position))[0]
    own = (bare.state.rotation[0] @ bare.state.qd[3:6])[[0, 2]]
    assert step["speed_error"] == pytest.approx(np.hypot(*own) - np.hypot(*pelvis[[0, 2]]))


def test_a_network_acts_alike_whatever_it_sees_beside(environment):
    torch.manual_seed(0)
    policy = make_policy(environment, encoder=False)
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    act, seen = actor_of(policy), observations(environment, 21).numpy()
    together = act(seen)
    assert together.shape == (21, 50)
    alone = np.stack([act(one) for one in seen])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_allclose(alone, policy.predict(seen, deterministic=True)[0], atol=1e-5)


@pytest.mark.parametrize("given", [{"episodes": 0}, {"seeds": 0}, {"workers": 0}, {"push_episodes": 0}])
def test_an_evaluation_of_nothing_is_refused(given):
    with pytest.raises(ValueError, match=r"at least 1, but they are .* use e\.g\. 20, 3, 20 and 2"):
        EvaluateConfig("zero", **given)


@pytest.mark.parametrize("given", [{"push_episodes": 5}, {"push_body": "Pelvis"}])
def test_settings_of_pushes_without_pushes_are_refused(given):
    with pytest.raises(ValueError, match="add --pushes, or leave them out"):
        EvaluateConfig("zero", **given)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (EnvironmentConfig(actuation="torque", motion="getup_facedown"), "motion 'getup_facedown' does not"),
        (EnvironmentConfig(actuation="torque", env=("pushes.impulse=3.0",)), "without other pushes"),
    ],
)
def test_pushes_where_they_would_not_say_what_is_survived_are_refused(environment, message: str):
    with pytest.raises(ValueError, match=message):
        evaluate(EvaluateConfig("zero", environment=environment, pushes=True, workers=1))


def test_any_option_of_the_environment_can_be_given_by_name():
    words = ("pushes.impulse=(10, 30)", "pushes.duration=0.2", "start_noise=0.02", "task=stand", "ghost=True")
    assert EnvironmentConfig(actuation="torque", env=words).options() == {
        "actuation": "torque",
        "pushes": {"impulse": (10, 30), "duration": 0.2},
        "start_noise": 0.02,
        "task": "stand",
        "ghost": True,
    }


@pytest.mark.parametrize("word", ["pushes", "=3", "actuation=muscle", "actuation.torque=1", "a.=2"])
def test_options_that_are_no_pairs_or_given_twice_are_refused(word: str):
    with pytest.raises(ValueError, match=r"NAME=VALUE or NAME\.FIELD=VALUE and given once"):
        EnvironmentConfig(actuation="torque", env=(word,)).options()
