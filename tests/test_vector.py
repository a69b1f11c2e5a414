"""Members of a vector environment: the same as single ones, in one process and in several."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, get_args

import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import NormalizeObservation, RecordEpisodeStatistics

from musclegym.envs.config import Actuation
from musclegym.envs.infos import join, leaves, nested, stack
from musclegym.envs.vector import MuscleHumanoidVectorEnv
from tests.vectors import ID, LIMIT, MEMBERS, make, make_single, random_actions

MODES = [mode.value for mode in AutoresetMode]


@pytest.fixture(scope="module")
def two_processes() -> Iterator[Any]:
    """A vector environment in two processes, whose start takes seconds."""
    envs = make(processes=2, copy=False)
    yield envs
    envs.close()


def assert_same(results: Any, wanted: Any) -> None:
    """Check what reset or step returned, infos included, bit by bit."""
    assert len(results) == len(wanted)
    for result, other in zip(results[:-1], wanted[:-1], strict=True):
        assert result.dtype == other.dtype
        assert np.array_equal(result, other)
    assert_same_infos(results[-1], wanted[-1])


def assert_same_infos(infos: Any, wanted: Any) -> None:
    mine, theirs = dict(leaves(infos)), dict(leaves(wanted))
    assert set(mine) == set(theirs)
    for path, array in theirs.items():
        assert mine[path].dtype == array.dtype, path
        same = map(np.array_equal, mine[path], array)
        assert all(same), path


CASES = [
    *(({"actuation": name}, MODES[index % len(MODES)]) for index, name in enumerate(get_args(Actuation))),
    (
        {
            "task": "speed",
            "variation": {"height": (0.9, 1.1), "mass": (0.8, 1.3)},
            "ground": {"slope": (0.0, 0.1)},
            "pushes": {"interval": (0.05, 0.2)},
        },
        "NextStep",
    ),
]
"""Options with an autoreset mode, so that each actuation and each mode occurs."""


@pytest.mark.parametrize(("options", "mode"), CASES, ids=[*get_args(Actuation), "world"])
def test_members_move_as_single_environments_do_in_one_process_and_in_two(options: dict[str, Any], mode: str):
    ours = [make(autoreset_mode=mode, processes=processes, **options) for processes in (1, 2)]
    singles: Any = SyncVectorEnv([partial(make_single, **options)] * MEMBERS, autoreset_mode=mode)
    assert {envs.metadata["autoreset_mode"] for envs in ours} == {singles.metadata["autoreset_mode"]}
    ends, many = np.zeros(MEMBERS, dtype=bool), 0
    for seed in (3, [9, 4, 7]):
        wanted = singles.reset(seed=seed)
        for envs in ours:
            assert_same(envs.reset(seed=seed), wanted)
        for actions in random_actions(singles, 15):
            if mode == "Disabled" and ends.any():
                wanted = singles.reset(options={"reset_mask": ends, "phase": 0.25})
                for envs in ours:
                    assert_same(envs.reset(options={"reset_mask": ends, "phase": 0.25}), wanted)
            wanted = singles.step(actions)
            for envs in ours:
                assert_same(envs.step(actions), wanted)
            ends = wanted[2] | wanted[3]
            many += ends.sum()
    assert many > MEMBERS
    for envs in (*ours, singles):
        envs.close()


def test_every_way_to_make_one_gives_its_kind():
    assert isinstance(make(None), MuscleHumanoidVectorEnv)
    for mode, kind in (("sync", "SyncVectorEnv"), ("async", "AsyncVectorEnv")):
        envs = make(mode)
        assert type(envs).__name__ == kind
        envs.reset(seed=0)
        envs.step(envs.action_space.sample())
        envs.close()


def test_spaces_are_batched():
    envs = make()
    assert envs.observation_space.shape == (MEMBERS, *envs.single_observation_space.shape)
    assert envs.action_space.shape == (MEMBERS, 50)
    observations, _ = envs.reset(seed=0)
    assert observations in envs.observation_space
    assert envs.metadata["render_fps"] == 30
    assert envs.spec is not None
    assert envs.spec.id == ID


def test_members_differ_and_a_run_repeats():
    envs = make()
    first, _ = envs.reset(seed=3)
    actions = random_actions(envs, 15)
    before = [envs.step(action)[0] for action in actions]
    assert not np.array_equal(first[0], first[1])
    assert np.array_equal(envs.reset(seed=3)[0], first)
    for action, wanted in zip(actions, before, strict=True):
        assert np.array_equal(envs.step(action)[0], wanted)
    assert envs.np_random_seed == (3, 4, 5)
    assert len({generator.random() for generator in envs.np_random}) == MEMBERS


def test_members_share_what_is_loaded_from_files():
    envs = make(actuation="muscle")
    assert len({id(body) for body in envs.get_attr("body")}) == 1
    assert len({id(motion) for motion in envs.get_attr("motion")}) == 1
    assert len({id(actuator.network) for actuator in envs.get_attr("actuator")}) == 1


def test_copies_stay_and_buffers_last_until_the_step_after_the_next(two_processes: Any):
    copied, lent = make(), two_processes
    kept, _ = copied.reset(seed=0)
    first, _ = lent.reset(seed=0)
    wanted = kept.copy()
    actions = random_actions(copied, 2)
    copied.step(actions[0])
    second = lent.step(actions[0])[0]
    assert np.array_equal(first, wanted)
    assert not np.shares_memory(first, second)
    copied.step(actions[1])
    assert np.array_equal(kept, wanted)
    third = lent.step(actions[1])[0]
    assert np.shares_memory(first, third)


def test_a_masked_reset_leaves_the_other_members_alone():
    envs = make(autoreset_mode="Disabled", copy=False)
    envs.reset(seed=0)
    before = envs.step(envs.action_space.sample())[0].copy()
    mask = np.array([False, True, False])
    options = {"reset_mask": mask, "phase": 0.5}
    after, infos = envs.reset(seed=8, options=options)
    assert np.array_equal(after[~mask], before[~mask])
    assert not np.array_equal(after[mask], before[mask])
    assert infos["phase"].tolist() == [0.0, 0.5, 0.0]
    assert infos["_phase"].tolist() == mask.tolist()
    assert set(options) == {"reset_mask", "phase"}


def test_attributes_are_read_and_set_in_each_member(two_processes: Any):
    for envs in (make(), two_processes):
        assert envs.get_attr("render_mode") == (None,) * MEMBERS
        envs.set_attr("mark", [1, 2, 3])
        assert envs.get_attr("mark") == (1, 2, 3)
        envs.set_attr("mark", "all")
        assert envs.call("mark") == ("all",) * MEMBERS
        assert envs.call_some([2, 0], "get_wrapper_attr", "mark") == ("all", "all")
        with pytest.raises(ValueError, match="must have one for each of 3 members"):
            envs.set_attr("mark", [1, 2])


def test_pictures_come_from_each_member():
    envs = make(render_mode="rgb_array", num_envs=2)
    envs.reset(seed=0)
    pictures = envs.render()
    assert len(pictures) == 2
    assert pictures[0].dtype == np.uint8
    assert not np.array_equal(pictures[0], pictures[1])


def test_wrappers_of_gymnasium_work(two_processes: Any):
    envs = NormalizeObservation(RecordEpisodeStatistics(two_processes))
    envs.reset(seed=0)
    lengths: list[float] = []
    for actions in random_actions(envs, 30):
        observations, *_, infos = envs.step(actions)
        assert np.isfinite(observations).all()
        if "episode" in infos:
            lengths += infos["episode"]["l"][infos["_episode"]].tolist()
    assert len(lengths) >= MEMBERS
    assert max(lengths) == LIMIT


def test_no_limit_and_another_limit():
    still = {"fall_drop": 10.0, "lost_distance": 100.0, "num_envs": 1}
    for limit, ends in ((5, [4, 10]), (-1, []), (None, [])):
        envs = MuscleHumanoidVectorEnv(max_episode_steps=limit, actuation="torque", **still)
        envs.reset(seed=0)
        steps = [envs.step(np.zeros((1, 50)))[3][0] for _ in range(16)]
        assert np.flatnonzero(steps).tolist() == [*ends, 16][:-1]
        envs.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"acutation": "torque"}, "did you mean 'actuation'?"),
        ({"processes": 4}, "processes between 1 and num_envs"),
        ({"processes": 0}, "processes between 1 and num_envs"),
        ({"num_envs": 0}, "num_envs must be at least 1"),
        ({"autoreset_mode": "sometimes"}, "autoreset_mode must be one of 'NextStep', 'SameStep', 'Disabled'"),
        ({"max_episode_steps": 0}, "max_episode_steps must be positive"),
        ({"physics_hz": 500}, "use e.g. physics_hz=510"),
        ({"render_mode": "human"}, "render_mode must be None or 'rgb_array'"),
    ],
)
def test_bad_options_are_refused_by_name(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        make(**options)


def test_bad_calls_are_refused_alike_in_one_process_and_in_two(two_processes: Any):
    for envs in (make(), two_processes):
        envs.reset(seed=0)
        with pytest.raises(ValueError, match=r"shape \(3, 50\), but have \(2, 50\)"):
            envs.step(np.zeros((2, 50)))
        with pytest.raises(ValueError, match="there must be a seed for each of 3 members"):
            envs.reset(seed=[1, 2])
        with pytest.raises(ValueError, match="only option of reset is 'phase'"):
            envs.reset(options={"phas": 0.5})
        for mask in ([True], np.zeros(3, dtype=bool), np.ones(3)):
            with pytest.raises(ValueError, match="reset_mask must be a boolean array"):
                envs.reset(options={"reset_mask": mask})
        with pytest.raises(AttributeError, match="no_such_thing"):
            envs.call("no_such_thing")
        envs.step(np.zeros((3, 50)))  # an error leaves the environment usable


def test_members_must_be_reset_before_they_step():
    envs = make(autoreset_mode="Disabled", max_episode_steps=1)
    with pytest.raises(ResetNeeded, match=re.escape("members [0, 1, 2] are not")):
        envs.step(np.zeros((3, 50)))
    envs.reset(seed=0)
    envs.step(np.zeros((3, 50)))
    envs.reset(options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(ResetNeeded, match=re.escape("members [1] are not")):
        envs.step(np.zeros((3, 50)))


def test_an_error_in_a_worker_comes_with_the_workers_traceback(two_processes: Any):
    with pytest.raises(ValueError, match="phase must lie in") as caught:
        two_processes.reset(options={"phase": 2.0})
    cause = str(caught.value.__cause__)
    assert "in a worker process" in cause
    assert "start_phase" in cause


def test_a_closed_environment_cannot_be_used():
    envs = make()
    envs.close()
    envs.close()
    for use in (envs.reset, lambda: envs.step(np.zeros((3, 50))), lambda: envs.call("time")):
        with pytest.raises(ClosedEnvironmentError, match="make it anew"):
            use()


def test_an_interrupted_wait_leaves_no_stale_answer(two_processes: Any):
    one = make()
    for envs in (one, two_processes):
        envs.reset(seed=0)
    for worker in two_processes.unwrapped._group._workers:
        worker.ask("step", 0)  # and Ctrl-C comes before the answer
    assert_same(two_processes.reset(seed=1), one.reset(seed=1))
    for actions in random_actions(one, 3):
        assert_same(two_processes.step(actions), one.step(actions))


def test_infos_of_groups_join_to_those_of_all():
    infos = {
        0: {"a": 1.5, "in": {"b": 1, "d": np.arange(2)}},
        2: {"a": 2, "c": "word", "final_obs": np.zeros(3)},
        3: {"in": {"b": 2.9}, "flag": np.bool_(True)},
    }
    whole = stack(infos, 5)
    assert whole["a"].tolist() == [1.5, 0.0, 2.0, 0.0, 0.0]
    assert whole["_a"].tolist() == [True, False, True, False, False]
    assert whole["in"]["b"].tolist() == [1, 0, 0, 2, 0]  # whole numbers, as the first member's is one
    assert whole["in"]["d"].shape == (5, 2)
    assert whole["c"].tolist() == [None, None, "word", None, None]
    assert whole["flag"].dtype == bool
    parts = [
        stack({index - first: infos[index] for index in range(first, stop) if index in infos}, stop - first)
        for first, stop in ((0, 1), (1, 4), (4, 5))
    ]
    assert_same_infos(join(parts, [1, 3, 1]), whole)
    assert_same_infos(nested(dict(leaves(whole))), whole)
