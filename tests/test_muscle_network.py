"""MuscleNN: features, inference, sweeps, weights, states, training; the shipped network and the oracle."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from musclegym.body import Body, load_body
from musclegym.builds import BuildRange, shape_hash
from musclegym.motion import load_motion
from musclegym.muscle.network import (
    SWEEP_EFFORT,
    WEIGHTS,
    Array32,
    MuscleNN,
    build_network,
    load_muscle_network,
    muscle_features,
    save_muscle_network,
    settle,
    shipped_weights,
)
from musclegym.muscle.oracle import Entries, muscle_entries, solve_activation
from musclegym.policies.muscle_moments import Gains, chosen, held_out_moments, moments_of
from musclegym.policies.muscle_scores import muscle_scores, muscle_table, oracle_activation, torque_error
from musclegym.policies.muscle_states import Spread, StateSampler
from musclegym.policies.muscle_training import (
    LossWeights,
    MuscleTrainingConfig,
    TorqueObjective,
    main,
    train_muscle,
)
from musclegym.pretrain.trainer import Trainer, TrainerConfig
from musclegym.rotation import Array
from tests.synthetic import random_body, random_state, write_two_bodies

ANTAGONISTS = """
<Muscle>
  <Unit name="flexor" f0="100" lm="0.5" lt="0.5">
    <Waypoint body="Trunk" p="0.3 0.5 1.5"/><Waypoint body="Arm" p="0.3 1.4 1.5"/>
  </Unit>
  <Unit name="extensor" f0="60" lm="0.5" lt="0.5">
    <Waypoint body="Trunk" p="-0.3 0.5 1.5"/><Waypoint body="Arm" p="-0.3 1.4 1.5"/>
  </Unit>
</Muscle>
"""
"""Muscles on both sides of the hinge of `TWO_BODIES`."""
TINY = ("--states", "300", "--rollout-steps", "3", "--steps", "4", "--hidden", "8", "--batch", "16")


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


@pytest.fixture
def pendulum(tmp_path: Path) -> Body:
    skeleton, muscles = write_two_bodies(tmp_path, muscles=ANTAGONISTS)
    return load_body(skeleton, muscles=muscles)


def features_of(body: Body, q: Array, torque: Array) -> Array32:
    """Return the features of one pose as one row."""
    muscles, entries = body.muscles(q), muscle_entries(body)
    out = np.empty((1, entries.dof.size + body.n_dofs - 6 + body.n_muscles), dtype=np.float32)
    columns = np.ascontiguousarray(muscles.torque_matrix.T)
    muscle_features(columns, entries, muscles.passive_torque, torque, out[0])
    return out


def random_features(body: Body, count: int, seed: int, spread: float) -> Array32:
    """Return features of random poses with random wanted torques of standard deviation `spread` [N m]."""
    rng = np.random.default_rng(seed)
    poses = [random_state(body, int(rng.integers(2**31)), 0.3)[0] for _ in range(count)]
    return np.concatenate([features_of(body, q, rng.normal(0.0, spread, body.n_dofs)) for q in poses])


def untrained(body: Body, sweeps: int, seed: int = 0) -> MuscleNN:
    """Return a random network with plausible statistics."""
    torch.manual_seed(seed)
    network = build_network(body, (16, 12), sweeps)
    network.set_statistics(random_features(body, 50, seed, 10.0))
    return network.eval()


@pytest.mark.parametrize("seed", range(3))
def test_features_are_entries_active_torque_and_alignment(seed: int, tmp_path: Path):
    body = random_body(tmp_path, seed)
    q, torque = random_state(body, seed)
    muscles, entries = body.muscles(q), muscle_entries(body)
    matrix, active = muscles.torque_matrix[6:], (torque - muscles.passive_torque)[6:]
    muscle = np.repeat(np.arange(body.n_muscles), np.diff(entries.start))
    alignment = np.clip(matrix.T @ active / ((matrix**2).sum(axis=0) + 0.01), -2.0, 2.0)
    expected = np.concatenate([matrix[entries.dof, muscle], active, alignment])
    np.testing.assert_allclose(features_of(body, q, torque)[0], expected, rtol=1e-5, atol=1e-5)


def test_one_muscle_settles_where_effort_and_torque_balance():
    # Torque 2 N m per unit activation, 1 N m wanted: the least of (2 a - 1)^2 + a^2 is at a = 2 / (4 + 1).
    entries = Entries(start=np.array([0, 1]), dof=np.array([0]))
    features, activation = np.array([[2.0, 1.0, 0.5]], dtype=np.float32), np.ones((1, 1), dtype=np.float32)
    settle(features, entries, 1, activation)
    assert SWEEP_EFFORT == 1.0
    assert activation[0, 0] == pytest.approx(0.4)


def test_sweeps_never_make_it_worse_and_lead_to_the_oracle(tmp_path: Path):
    body = random_body(tmp_path, 0)
    features, entries = random_features(body, 5, 0, 15.0), muscle_entries(body)
    activation = np.random.default_rng(1).random((5, body.n_muscles)).astype(np.float32)

    def objective(a: Array | Array32) -> Array:
        return (torque_error(features, entries, a) ** 2).sum(axis=1) + SWEEP_EFFORT * (
            a.astype(float) ** 2
        ).sum(axis=1)

    before = objective(activation)
    for _ in range(300):
        settle(features, entries, 2, activation)
        after = objective(activation)
        assert (after <= before * (1.0 + 1e-4)).all()
        before = after
    assert (before <= 1.001 * objective(oracle_activation(features, entries))).all()


def test_sweeps_end_where_all_is_settled_row_by_row(human: Body):
    features, entries = random_features(human, 5, 0, 10.0), muscle_entries(human)
    settled, longer, alone = (np.zeros((5, human.n_muscles), dtype=np.float32) for _ in range(3))
    settle(features, entries, 10_000, settled)
    settle(features, entries, 20_000, longer)
    for row in range(5):
        settle(features[row : row + 1], entries, 10_000, alone[row : row + 1])
    assert (settled == longer).all()
    assert (settled == alone).all()
    best = torque_error(features, entries, oracle_activation(features, entries))
    left = torque_error(features, entries, settled) - best
    assert np.sqrt((left**2).mean()) < 0.05 * 10.0


@pytest.mark.parametrize("sweeps", [0, 4])
def test_activations_lie_between_zero_and_one_whatever_is_asked(human: Body, sweeps: int):
    network = untrained(human, sweeps)
    for spread in (0.0, 10.0, 1e4):
        activation = network.activate(random_features(human, 3, 1, spread))
        assert activation.dtype == np.float32
        assert activation.min() >= 0.0
        assert activation.max() <= 1.0


def test_kernel_equals_the_torch_network(human: Body):
    network, features = untrained(human, 0), random_features(human, 20, 2, 10.0)
    with torch.no_grad():
        expected = torch.relu(torch.tanh(network(torch.from_numpy(features)))).numpy()
    np.testing.assert_allclose(network.activate(features), expected, atol=1e-4)


def test_a_state_alone_gives_the_same_bits_as_among_others(human: Body):
    network, features = untrained(human, 4), random_features(human, 7, 3, 10.0)
    alone = np.concatenate([network.activate(features[i : i + 1].copy()) for i in range(7)])
    assert (network.activate(features) == alone).all()


def test_torque_error_is_active_minus_wanted_torque(human: Body):
    rng = np.random.default_rng(0)
    q, torque = random_state(human, 0, 0.3)
    activation = rng.random(human.n_muscles).astype(np.float32)
    muscles = human.muscles(q)
    expected = (muscles.torque_matrix @ activation + muscles.passive_torque - torque)[6:]
    features = features_of(human, q, torque)
    network = build_network(human, (4,))
    by_torch = network.torque_error(torch.from_numpy(features), torch.from_numpy(activation[None]))
    np.testing.assert_allclose(by_torch[0], expected, atol=1e-2)
    error = torque_error(features, muscle_entries(human), activation[None])
    np.testing.assert_allclose(error[0], expected, atol=1e-3)


def test_oracle_on_features_is_the_oracle_on_the_body(human: Body):
    q, torque = random_state(human, 4, 0.2)
    muscles = human.muscles(q)
    expected = muscles.torque_matrix @ solve_activation(muscles, torque)
    activation = oracle_activation(features_of(human, q, torque), muscle_entries(human))[0]
    np.testing.assert_allclose(muscles.torque_matrix @ activation, expected, atol=0.05)


def test_weights_come_back_in_half_precision(human: Body, tmp_path: Path):
    network, features = untrained(human, 0), random_features(human, 20, 2, 10.0)
    save_muscle_network(tmp_path / WEIGHTS, network, human, {"seed": 0})
    again = load_muscle_network(human, tmp_path)
    assert again.hidden == (16, 12)
    assert again.sweeps == 0
    assert not any(parameter.requires_grad for parameter in again.parameters())
    np.testing.assert_allclose(again.activate(features), network.activate(features), atol=0.02)


def test_weights_of_another_body_are_refused_with_both_hashes(human: Body, tmp_path: Path):
    save_muscle_network(tmp_path / WEIGHTS, untrained(human, 0), human, {})
    muscles = human.muscle_set
    other = replace(
        human, muscle_set=replace(muscles, pennation_angle=np.where(np.arange(270) == 3, 0.1, 0.0))
    )
    with pytest.raises(
        ValueError, match=f"shape_hash: expected '{shape_hash(other)}', found '{shape_hash(human)}'"
    ):
        load_muscle_network(other, tmp_path / WEIGHTS)


def test_weights_serve_the_builds_that_they_were_trained_for(human: Body, tmp_path: Path):
    builds = BuildRange(length=(0.8, 1.2), mass=(0.8, 1.3), force=(0.5, 2.0))
    save_muscle_network(tmp_path / WEIGHTS, untrained(human, 0), human, {}, builds)
    for height, mass, strength in ((1.4, 60.0, 1.0), (2.1, 94.9, 1.0), (1.75, 73.0, 0.5), (1.6, 73.0, 1.2)):
        served = load_body("human", height=height, mass=mass, strength=strength)
        assert load_muscle_network(served, tmp_path).hidden == (16, 12)
    for height, mass, strength, found in (
        (1.41, 73.0 * 1.31, 1.0, "mass 1.31"),
        (1.75, 73.0, 0.4, "force 0.4"),
        (1.75, 58.0, 1.0, "mass 0.7945"),
    ):
        with pytest.raises(
            ValueError, match=rf"mass 0.8 to 1.3, force 0.5 to 2 times.*{found}.*train-muscle"
        ):
            load_muscle_network(load_body("human", height=height, mass=mass, strength=strength), tmp_path)


def test_weights_of_a_file_serve_its_own_build_unless_others_were_trained(pendulum: Body, tmp_path: Path):
    stronger = replace(pendulum, muscle_set=pendulum.muscle_set.with_strength(1.5))
    save_muscle_network(tmp_path / WEIGHTS, untrained(pendulum, 0), pendulum, {})
    assert load_muscle_network(pendulum, tmp_path).n_muscles == 2
    with pytest.raises(ValueError, match=r"force 1 to 1 times .*but this one has .* force 1\.5 times"):
        load_muscle_network(stronger, tmp_path)
    save_muscle_network(
        tmp_path / WEIGHTS, untrained(pendulum, 0), pendulum, {}, BuildRange(force=(0.5, 1.5))
    )
    assert load_muscle_network(stronger, tmp_path).n_muscles == 2


def test_missing_weights_name_the_cure(human: Body, pendulum: Body, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=re.escape("make them with musclegym train-muscle")):
        load_muscle_network(human, tmp_path / WEIGHTS)
    with pytest.raises(
        FileNotFoundError, match=r"no MuscleNN weights are shipped for body 'two'; train some with"
    ):
        load_muscle_network(pendulum)


def test_weights_that_were_tampered_with_are_refused(human: Body, tmp_path: Path):
    path = tmp_path / WEIGHTS
    save_muscle_network(path, untrained(human, 0), human, {})
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="SHA-256 expected"):
        load_muscle_network(human, path)


def test_body_without_muscles_and_impossible_shapes_are_refused(pendulum: Body, tmp_path: Path):
    skeleton, _ = write_two_bodies(tmp_path)
    with pytest.raises(ValueError, match=r"MuscleNN needs muscles, but body 'two' has none"):
        build_network(load_body(skeleton))
    with pytest.raises(ValueError, match=re.escape("but are (0,) and 64; use e.g. (128, 128) and 64")):
        build_network(pendulum, (0,))
    with pytest.raises(ValueError, match="held_out in"):
        MuscleTrainingConfig(held_out=1.0)


def trainer_of(body: Body, features: Array32, folder: Path, steps: int) -> Trainer:
    """Return a trainer of a small network without sweeps and with little weight on effort."""
    torch.manual_seed(0)
    network = build_network(body, (32, 32), 0)
    network.set_statistics(features)
    weights = {"torque": LossWeights.torque, "effort": 1e-3, "bound": LossWeights.bound}
    config = TrainerConfig(steps=steps, learning_rate=1e-2, warmup_steps=10)
    return Trainer(network, TorqueObjective(features, 64), weights, config, folder)


def test_small_network_learns_what_the_oracle_says(pendulum: Body, tmp_path: Path):
    features = random_features(pendulum, 512, 0, 10.0)
    trainer = trainer_of(pendulum, features, tmp_path, 800)
    trainer.fit()
    network = trainer.averaged_model.eval()
    assert isinstance(network, MuscleNN)
    by_oracle = oracle_activation(features, muscle_entries(pendulum))
    assert by_oracle.max() > 0.9  # the torques use the muscles' range
    assert np.abs(network.activate(features) - by_oracle).mean() < 0.02


def test_interrupted_training_ends_in_the_same_bits(pendulum: Body, tmp_path: Path):
    features = random_features(pendulum, 100, 0, 10.0)
    folders = tmp_path / "whole", tmp_path / "halves"
    for folder in folders:
        folder.mkdir()
    whole = trainer_of(pendulum, features, folders[0], 12)
    whole.fit()
    first = trainer_of(pendulum, features, folders[1], 12)
    for _ in range(5):
        first.train_step()
    first.save()
    second = trainer_of(pendulum, features, folders[1], 12)
    second.resume()
    assert second.step == 5
    second.fit()
    for name, value in whole.averaged_model.state_dict().items():
        assert torch.equal(value, second.averaged_model.state_dict()[name]), name


def test_states_want_what_inverse_dynamics_finds(human: Body):
    _, moments = moments_of(human, load_motion("walk", human), 30)
    assert moments.trust.mean() > 0.5
    trusted = chosen(moments, moments.trust > 0.0)
    sampler = StateSampler(human, trusted, Gains())
    nowhere = Spread(0.0, 0.0, 0.0, 0.0)
    features = sampler.draw(4, np.random.default_rng(0), nowhere, varied=False, followed=1.0)
    wanted = trusted.torque[:, 6:] - [human.muscles(q).passive_torque[6:] for q in trusted.q]
    count = sampler.entries.dof.size
    for state in features[:, count : count + human.n_dofs - 6]:
        assert np.abs(state - wanted).max(axis=1).min() < 1e-3


def test_states_are_finite_however_far_they_lie_from_the_motion(human: Body):
    motion = load_motion("walk", human)
    sampler = StateSampler(human, held_out_moments(human, motion, 0.2, Gains()), Gains())
    assert np.isfinite(sampler.draw(50, np.random.default_rng(0), Spread(1.0, 10.0, 1.0, 50.0))).all()
    with pytest.raises(ValueError, match="there are none; give longer motions"):
        StateSampler(human, held_out_moments(human, motion, 0.0, Gains()), Gains())


def test_command_trains_judges_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run, out = tmp_path / "run", tmp_path / "scores.json"
    main(["--run", str(run), "--json", str(out), "--motions", "walk", *TINY])
    assert "x oracle + 2.0 N m" in capsys.readouterr().out
    result = json.loads(out.read_text())
    assert [row["states"] for row in result["scores"]["rows"]] == ["as recorded", "perturbed"]
    assert load_muscle_network(load_body("human"), run).hidden == (8,)
    again = train_muscle(
        MuscleTrainingConfig(resume=run)
    )  # nothing is left to do; the measurement is repeated
    assert again["scores"]["rows"] == result["scores"]["rows"]
    data = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps(data | {"states_hash": "0" * 64}))
    with pytest.raises(ValueError, match="a run goes on with the body and the motions it began with"):
        train_muscle(MuscleTrainingConfig(resume=run))
    with pytest.raises(FileNotFoundError, match="name a folder made by musclegym train-muscle"):
        train_muscle(MuscleTrainingConfig(resume=tmp_path))


def test_shipped_network_is_nearly_as_good_as_the_oracle(human: Body):
    assert shipped_weights(human).stat().st_size < 6e6
    network = load_muscle_network(human)
    scores = muscle_scores(human, network, [load_motion(name, human) for name in ("walk", "run")], states=100)
    assert scores["passes"], muscle_table(scores)
    for row in scores["rows"]:
        assert row["network_saturated"] <= row["oracle_saturated"] + 0.02
