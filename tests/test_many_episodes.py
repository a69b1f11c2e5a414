"""Episodes run at once, and the largest pushes that are survived in them."""

from typing import Any

import numpy as np
import pytest

from musclegym.policies.environment import EnvironmentConfig, make_environment, make_members
from musclegym.policies.episodes import Start, load_actor, run_episode, spread_starts
from musclegym.policies.evaluate import EvaluateConfig, evaluate, text
from musclegym.policies.many_episodes import members_for, run_episodes
from musclegym.policies.push_trials import DIRECTIONS, bracket, interval_of, next_probe, push, push_trials

OPTIONS: dict[str, Any] = {"actuation": "torque", "physics_hz": 240}


@pytest.fixture(scope="module")
def environment():
    made = make_environment(OPTIONS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def members():
    made = make_members(OPTIONS, members=3, processes=1)
    yield made
    made.close()


def starts_of(environment: Any, count: int) -> list[Start]:
    return spread_starts(environment.unwrapped.motion, count, seeds=1)


def test_episodes_at_once_are_those_one_after_the_other(environment, members):
    """Seven on three members: members start anew, and one idles at the end."""
    starts, actor = starts_of(environment, 7), load_actor("zero", environment)
    together = run_episodes(members, actor, starts)
    alone = [run_episode(environment, actor, start) for start in starts]
    assert [episode.steps for episode in together] == [episode.steps for episode in alone]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_equal(vars(one), vars(other))
    assert len({episode.steps for episode in alone}) > 1


def test_episodes_in_two_processes_are_the_same(environment):
    starts, actor = starts_of(environment, 3), load_actor("zero", environment)
    spread = make_members(OPTIONS, members=3, processes=2)
    together = run_episodes(spread, actor, starts, limit=12)
    spread.close()
    assert [episode.steps for episode in together] == [12, 12, 12]
    one = make_members(OPTIONS, members=1, processes=1)
    for episode, other in zip(together, run_episodes(one, actor, starts, limit=12), strict=True):
        np.testing.assert_equal(vars(episode), vars(other))
    one.close()


def test_who_reaches_the_limit_has_survived_and_every_step_is_watched(environment, members):
    seen = []
    episodes = run_episodes(
        members,
        load_actor("zero", environment),
        starts_of(environment, 4),
        5,
        lambda *what: seen.append(what),
    )
    assert all(episode.survived and episode.steps == 5 for episode in episodes)
    assert sorted({(number, steps) for number, _, steps in seen}) == [
        (number, steps) for number in range(4) for steps in range(1, 6)
    ]


@pytest.mark.parametrize(
    ("episodes", "processes", "members"), [(60, 2, 30), (5, 2, 5), (16, 1, 16), (17, 1, 9), (80, 2, 27)]
)
def test_members_share_the_episodes_evenly(episodes: int, processes: int, members: int):
    assert members_for(episodes, processes) == members


def test_bisection_finds_the_largest_impulse_that_half_survive():
    for largest in (0, 1, 7, 31, 32, 63):
        counts: dict[int, int] = {}
        for _ in range(6):
            probe = next_probe(counts, of=4)
            counts[probe] = 2 if probe <= largest else 1
        assert bracket(counts, of=4) == (largest, largest + 1)


def test_the_interval_of_an_impulse_lies_between_clear_survivals_and_clear_falls():
    counts = {32: 0, 16: 9, 8: 20, 12: 16, 14: 10, 15: 4}
    assert interval_of(counts, of=20) == [2.0 * 12, 2.0 * 15]
    assert interval_of({32: 3, 16: 3, 8: 2, 4: 3, 2: 3, 1: 3}, of=4) == [0.0, 128.0]  # four say little


@pytest.mark.parametrize(("name", "ahead", "left"), [("front", 1, 0), ("left", 0, 1), ("right", 0, -1)])
def test_a_push_trial_pushes_once_after_a_second_with_its_impulse_where_it_says(
    environment, name: str, ahead: int, left: int
):
    bare = environment.unwrapped
    bare.set_pushes(push(6.0, DIRECTIONS[name], "Pelvis"))
    bare.reset(seed=0, options={"phase": 0.0})
    forces, facing = [], 0.0
    for step in range(60):
        facing = bare.state.facing if step == 30 else facing
        *_, info = bare.step(np.zeros(50, np.float32))
        forces.append(info["push_force"])
    bare.set_pushes(None)
    pushed = np.flatnonzero(np.any(forces, axis=1))
    assert pushed.tolist() == list(range(30, 39))
    impulse = np.sum(forces, axis=0) / 30.0
    forwards = np.array([np.sin(facing), 0.0, np.cos(facing)])
    leftwards = np.array([np.cos(facing), 0.0, -np.sin(facing)])
    assert impulse == pytest.approx(6.0 * (ahead * forwards + left * leftwards), abs=1e-9)


def test_who_falls_without_a_push_survives_none_and_is_pushed_no_more(environment, members):
    """Zero action falls before the push comes."""
    found = push_trials(members, load_actor("zero", environment), starts_of(environment, 2), 30.0, "Torso")
    assert set(found) == {"front", "back", "left", "right"}
    for direction in found.values():
        assert direction["impulse"] == 0.0
        assert [row["impulse"] for row in direction["tested"]] == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
        assert all((row["survived"], row["episodes"]) == (0, 2) for row in direction["tested"])
    assert members.call("world")[0].pushes is None


def test_an_evaluation_tells_of_every_measure_and_writes_what_it_tells(tmp_path):
    config = EvaluateConfig(
        "zero",
        episodes=2,
        workers=1,
        environment=EnvironmentConfig(actuation="torque", physics_hz=240),
        json=tmp_path / "scores.json",
    )
    result = evaluate(config)
    assert result["table"]["success"]["mean"] == 0.0
    assert result["table"]["steps_per_second"]["mean"] > 0.0
    assert result["pushes"] is None
    assert "push" not in text(result)
    assert (tmp_path / "scores.json").is_file()


@pytest.mark.slow
def test_a_trained_policy_survives_pushes_and_zero_action_none():
    config = EvaluateConfig("walk_torque", episodes=1, pushes=True, push_episodes=4)
    table, zero = (
        evaluate(config)["table"],
        evaluate(
            EvaluateConfig(
                "zero", episodes=1, pushes=True, push_episodes=4, environment=EnvironmentConfig("torque")
            )
        )["table"],
    )
    for name in DIRECTIONS:
        assert table[f"push_{name}"]["mean"] > zero[f"push_{name}"]["mean"] == 0.0
