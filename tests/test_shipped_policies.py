"""Policies that come with the package: found by name, as good as their cards, refused when changed."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musclegym.policies.environment import EnvironmentConfig, made_for, make_environment
from musclegym.policies.episodes import Start, open_policy, run_episode
from musclegym.policies.plain import load_plain
from musclegym.policies.policy_file import load_policy, policy_options, save_policy
from musclegym.policies.prior_policy import FRAMES, SimulationNNWithPrior, load_encoder
from musclegym.policies.shipped import FOLDER, card, card_text, listing, main, shipped_names
from musclegym.policies.shipped_scores import Scores, write_scores


@pytest.fixture(scope="module", params=["without encoder", "with encoder"])
def made(request, tmp_path_factory):
    """An environment, a policy that acts in it, and the policy's file."""
    prior = request.param == "with encoder"
    environment = make_environment({"actuation": "torque", "history": FRAMES if prior else 0})
    bare: Any = environment.unwrapped
    torch.manual_seed(0)
    policy = SimulationNNWithPrior(
        environment.observation_space,
        environment.action_space,
        lambda _: 1e-3,
        encoder=load_encoder("random" if prior else "none", bare.body, bare.motion, seed=1),
    )
    for parameter in policy.parameters():
        if not prior:
            torch.nn.init.normal_(parameter, std=0.05)
    path = tmp_path_factory.mktemp("policy") / "policy.safetensors"
    save_policy(path, policy, made_for(environment), {"environment_options": {"actuation": "torque"}})
    yield environment, policy, path
    environment.close()


def observations(environment) -> np.ndarray:
    return np.stack([environment.reset(options={"phase": phase})[0] for phase in np.linspace(0.0, 0.9, 5)])


def test_plain_loader_acts_as_the_policy_does(made):
    environment, policy, path = made
    seen = observations(environment)
    wanted = policy.predict(seen, deterministic=True)[0]
    act = load_plain(path)
    np.testing.assert_allclose(act(seen), wanted, atol=2e-6)
    np.testing.assert_allclose(act(seen[0]), wanted[0], atol=2e-6)
    np.testing.assert_array_equal(load_plain(path.parent)(seen), act(seen))


@pytest.mark.parametrize("load", [load_plain, policy_options])
def test_a_name_that_no_policy_has_is_refused_with_those_that_are(load):
    with pytest.raises(FileNotFoundError, match=r"one of .*\bwalk_muscle\b.*, but walk_muscel is none"):
        load("walk_muscel")


def test_matrices_of_half_precision_change_actions_little(made, tmp_path):
    environment, policy, _ = made
    path = tmp_path / "half.safetensors"
    save_policy(path, policy, made_for(environment), {}, half=True)
    seen = observations(environment)
    halved = load_policy(path, environment).predict(seen, deterministic=True)[0]
    np.testing.assert_allclose(halved, policy.predict(seen, deterministic=True)[0], atol=5e-3)


def test_a_changed_file_is_refused(made, tmp_path):
    _, _, path = made
    changed = tmp_path / "policy.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    changed.write_bytes(data)
    changed.with_suffix(".json").write_bytes(path.with_suffix(".json").read_bytes())
    with pytest.raises(ValueError, match="SHA-256 expected"):
        load_plain(changed)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "executed")


@pytest.mark.parametrize("name", ["policy.safetensors", "policy.pkl", "policy.zip"])
def test_a_pickle_is_refused_without_being_executed(made, tmp_path, name: str):
    environment, _, path = made
    file, mark = tmp_path / name, tmp_path / "mark"
    file.write_bytes(pickle.dumps(Trap(mark)))
    file.with_suffix(".json").write_bytes(path.with_suffix(".json").read_bytes())
    for load in (load_plain, lambda given: load_policy(given, environment)):
        with pytest.raises(ValueError, match=r"SHA-256 expected|safetensors"):
            load(file)
    assert not mark.exists()
    pickle.loads(file.read_bytes())  # the trap does work
    assert mark.exists()


def test_a_policy_of_another_body_layout_or_format_is_refused_with_both_sides(made):
    environment, _, path = made
    other = make_environment({"actuation": "torque", "body": {"name": "human", "height": 1.6}, "history": 3})
    with pytest.raises(ValueError, match="expected") as refusal:
        load_policy(path, other)
    for key in ("body_hash", "observation_layout"):
        assert key in str(refusal.value)
    assert made_for(environment)["body_hash"] in str(refusal.value)
    assert made_for(other)["body_hash"] in str(refusal.value)
    other.close()


def test_names_are_listed_with_what_they_do(capsys):
    main([])
    out = capsys.readouterr().out
    for name in shipped_names():
        assert name in out
        assert card(name)["scores"]["command"] in card_text(name)
    with pytest.raises(ValueError, match="a shipped policy is one of"):
        card("moonwalk")


def test_new_scores_change_nothing_else_of_a_card(made, tmp_path):
    _, _, path = made
    for file in (path, path.with_suffix(".json")):
        (tmp_path / f"walk{file.suffix}").write_bytes(file.read_bytes())
    before = card("walk", tmp_path)
    table = {"success": {"mean": 0.9, "interval": [0.8, 1.0]}}
    scores = Scores("walk", "musclegym evaluate walk", {"table": table, "episodes": []}, {"cycles": 7})
    write_scores([scores], results=tmp_path, folder=tmp_path)
    assert card("walk", tmp_path) == {
        **before,
        "scores": {"command": "musclegym evaluate walk", "table": table},
    }
    assert json.loads((tmp_path / "policy_walk.json").read_text())["episodes"] == []
    assert json.loads((tmp_path / "gait_walk.json").read_text()) == {"cycles": 7}


def test_shipped_policies_are_small():
    assert sum(path.stat().st_size for path in FOLDER.glob("*")) < 8e6


def test_an_empty_folder_lists_nothing(tmp_path):
    assert shipped_names(tmp_path) == []
    assert "policy" in listing(tmp_path)


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_policy_does_what_its_card_says(name: str):
    table = json.loads((FOLDER / f"{name}.json").read_text())["scores"]["table"]
    environment, actor = open_policy(name, EnvironmentConfig())
    episode = run_episode(environment, actor, Start(0.25, seed=0))
    environment.close()
    assert episode.survived or table["success"]["mean"] < 1.0
    assert 1000.0 * episode.joint_error < 1.5 * table["joint_error_mm"]["mean"]
