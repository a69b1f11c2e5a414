"""Many episodes at once, in members of a vector environment; each is bit by bit what it would be alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from musclegym.policies.episodes import MEASURED, Actor, Array32, Episode, Start, Tally, reset_options

MOST_MEMBERS = 16
"""Environments that a process steps in lockstep."""

Watcher = Callable[[int, int, int], None]
"""Called after each control step with the number of the start, the member that runs it and the steps done."""


def members_for(episodes: int, processes: int) -> int:
    """Return how many members run episodes at once, so that as few as possible idle at the end."""
    rounds = -(-episodes // (MOST_MEMBERS * processes))
    return -(-episodes // rounds)


def run_episodes(
    envs: Any,
    actor: Actor,
    starts: Sequence[Start],
    limit: int | None = None,
    watch: Watcher | None = None,
) -> list[Episode]:
    """Run an episode from each start, as many at once as there are members, and measure them.

    Each is bit by bit what `run_episode` makes of its start.

    Args:
        envs: of `musclegym.policies.environment.make_members`.
        actor: what acts.
        starts: of the episodes.
        limit: control steps after which an episode is over; None for the environment's own limit.
        watch: sees every step.

    Returns:
        The episodes in the order of their starts.
    """
    running = Running(envs, starts, limit)
    running.begin(range(envs.num_envs))
    with tqdm(total=len(starts), desc="evaluate", unit="episode", leave=False) as bar:
        while len(running.done) < len(starts):
            ended = running.step(actor(running.observations), watch)
            if ended:
                running.begin(ended)
                bar.update(len(running.done) - bar.n)
    return [running.done[number] for number in range(len(starts))]


class Running:
    """Episodes that members run, each the next one that waits; members without one repeat the first."""

    def __init__(self, envs: Any, starts: Sequence[Start], limit: int | None) -> None:
        """Take members and the starts of `run_episodes`."""
        self.envs, self.starts, self.limit = envs, starts, limit
        self.observations: Array32 = np.zeros(0, dtype=np.float32)
        self.done: dict[int, Episode] = {}
        self._next = 0
        self._tallies: list[tuple[int, Tally] | None] = [None] * envs.num_envs

    def begin(self, members: Sequence[int]) -> None:
        """Start the next episodes, in some members."""
        for member in members:
            number = self._next if self._next < len(self.starts) else 0
            start = self.starts[number]
            self._tallies[member] = (number, Tally(start)) if self._next < len(self.starts) else None
            self._next += 1
            if start.pushes is not None:
                self.envs.call_some([member], "set_pushes", start.pushes)
            mask = np.arange(self.envs.num_envs) == member
            seeds = [start.seed] * self.envs.num_envs  # of which the mask chooses one
            options = {**reset_options(start), "reset_mask": mask}
            self.observations, _ = self.envs.reset(seed=seeds, options=options)

    def step(self, actions: Array32, watch: Watcher | None) -> list[int]:
        """Make a control step; return the members that have to start anew."""
        self.observations, rewards, terminated, truncated, infos = self.envs.step(actions)
        ended = []
        for member, running in enumerate(self._tallies):
            over = bool(terminated[member] or truncated[member])
            if running is not None:
                number, tally = running
                tally.add(rewards[member], terminated[member], row(infos, member))
                over = over or tally.steps == self.limit
                if watch is not None:
                    watch(number, member, tally.steps)
                if over:
                    self.done[number] = tally.episode()
            if over:
                ended.append(member)
        return ended


def row(infos: Mapping[str, Any], member: int) -> dict[str, Any]:
    """Return what vector infos say of one member, as far as it is measured."""
    names = (*MEASURED, "diverged", "cost_of_transport")
    return {name: infos[name][member] for name in names if name in infos}
