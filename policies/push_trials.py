"""The largest push that a policy survives, by bisection over impulses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np

from musclegym.policies.episodes import Actor, Start
from musclegym.policies.intervals import wilson
from musclegym.policies.many_episodes import run_episodes

DIRECTIONS = {"front": 0.0, "back": np.pi, "left": 0.5 * np.pi, "right": -0.5 * np.pi}
"""Where to, from where the body faces towards its left [rad]."""
DURATION, DELAY, WATCHED = 0.3, 1.0, 3.0
"""Length of a push, time before it, and time after it in which the body must not fall [s]."""
GRID, PROBES = 2.0, 6
"""Impulses are multiples of the first [N s], and the second says how many are tried in each direction."""


def push_trials(
    envs: Any, actor: Actor, starts: Sequence[Start], control_hz: float, body: str
) -> dict[str, dict[str, Any]]:
    """Find the largest impulse that at least half the episodes survive, in each direction.

    In each episode one push acts on the mass centre of a body, at a constant force. An episode is survived if
    the body does not fall within 3 s after it; how far it then is from the motion does not matter. All
    directions and impulses have the same starts. Bisection takes it that who survives a push survives weaker
    ones. Afterwards the members push no more.

    Args:
        envs: of `musclegym.policies.environment.make_members`.
        actor: what acts.
        starts: of the episodes.
        control_hz: control steps per second [1/s].
        body: that is pushed.

    Returns:
        By direction `impulse` [N s], 0 where not even the weakest one tried was survived; its `interval`, see
        `interval_of`; and `tested`: `impulse`, and how many of how many episodes `survived`.
    """
    envs.call("set_limits", lost_distance=np.inf)
    tested: dict[str, dict[int, int]] = {name: {} for name in DIRECTIONS}
    limit = round((DELAY + DURATION + WATCHED) * control_hz)
    for _ in range(PROBES):
        probes = {name: next_probe(counts, len(starts)) for name, counts in tested.items()}
        pushed = [
            replace(start, pushes=push(GRID * probe, DIRECTIONS[name], body))
            for name, probe in probes.items()
            for start in starts
        ]
        survived = np.array([episode.survived for episode in run_episodes(envs, actor, pushed, limit)])
        for (name, probe), alive in zip(probes.items(), survived.reshape(len(probes), -1), strict=True):
            tested[name][probe] = int(alive.sum())
    envs.call("set_limits")
    envs.call("set_pushes", None)
    return {name: record(counts, len(starts)) for name, counts in tested.items()}


def push(impulse: float, direction: float, body: str) -> dict[str, Any]:
    """Return the environment's option for one push of an episode."""
    return {
        "impulse": impulse,
        "duration": DURATION,
        "interval": DELAY,
        "bodies": (body,),
        "direction": direction,
        "frame": "heading",
        "most": 1,
    }


def next_probe(counts: Mapping[int, int], of: int) -> int:
    """Return the impulse to try next, in the middle between what was survived and what was not [grid].

    Args:
        counts: how many survived, by impulse [grid].
        of: episodes for each.
    """
    low, high = bracket(counts, of)
    return (low + high) // 2


def bracket(counts: Mapping[int, int], of: int) -> tuple[int, int]:
    """Return the largest impulse that half survived, 0 for none, and the least tried above it [grid].

    The end of the grid counts as not survived.
    """
    low = max((probe for probe, count in counts.items() if 2 * count >= of), default=0)
    return low, min((probe for probe in counts if probe > low), default=2**PROBES)


def record(counts: Mapping[int, int], of: int) -> dict[str, Any]:
    """Return what trials in one direction came to."""
    return {
        "impulse": GRID * bracket(counts, of)[0],
        "interval": interval_of(counts, of),
        "tested": [
            {"impulse": GRID * probe, "survived": count, "episodes": of}
            for probe, count in sorted(counts.items())
        ],
    }


def interval_of(counts: Mapping[int, int], of: int) -> list[float]:
    """Return tested impulses [low, high] between which half survive, with 95 % confidence each [N s].

    Low is the largest whose share of survivors is above a half by its whole interval (Wilson), 0 if there is
    none; high is the least whose share is below, or the end of the grid.
    """
    above = [probe for probe, count in counts.items() if wilson(count, of)[0] > 0.5]
    below = [probe for probe, count in counts.items() if wilson(count, of)[1] < 0.5]
    return [GRID * max(above, default=0), GRID * min(below, default=2**PROBES)]


def check_pushable(environment: gym.Env) -> None:
    """Refuse an environment in which trials of pushes would not say what they are to say.

    Raises:
        ValueError: if its motion ends, or it pushes already.
    """
    bare: Any = environment.unwrapped
    if bare.motion is not None and not bare.motion.cyclic:
        raise ValueError(
            f"a trial of pushes lasts {DELAY + DURATION + WATCHED:.1f} s from any phase, but the motion "
            f"{bare.motion.name!r} does not repeat and ends after {bare.motion.duration:.1f} s; leave out "
            f"--pushes, or use a motion that repeats"
        )
    if bare.config.pushes is not None:
        raise ValueError(
            f"trials of pushes need an environment without other pushes, but it has {bare.config.pushes}; "
            f"leave out --pushes, or the environment's own"
        )
