"""The members of a vector environment that live in one process and step in lockstep."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from musclegym.envs.actuator import advance
from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.envs.infos import Infos, stack
from musclegym.rotation import Array

Flags = npt.NDArray[np.bool_]
Array32 = npt.NDArray[np.float32]

ALIGNMENT = 64
"""Where arrays begin in a block of memory, so that two processes never write to one cache line [byte]."""


class Batch(NamedTuple):
    """What goes into a step of several members and what comes out of it."""

    actions: Array  # (member, action)
    observations: Array32  # (2, member, observation); steps use the two in turn
    rewards: Array  # (member,)
    terminated: Flags  # (member,)
    truncated: Flags  # (member,)

    def part(self, members: slice) -> "Batch":
        """Return the rows of some members; they share memory with these."""
        return Batch(
            self.actions[members],
            self.observations[:, members],
            self.rewards[members],
            self.terminated[members],
            self.truncated[members],
        )


class BatchShape(NamedTuple):
    """How large a `Batch` is."""

    members: int
    action: int
    observation: int

    def arrays(self) -> dict[str, tuple[tuple[int, ...], type[np.generic]]]:
        """Return shape and type of each array."""
        return {
            "actions": ((self.members, self.action), np.float64),
            "observations": ((2, self.members, self.observation), np.float32),
            "rewards": ((self.members,), np.float64),
            "terminated": ((self.members,), np.bool_),
            "truncated": ((self.members,), np.bool_),
        }

    def size(self) -> int:
        """Return how much memory the arrays take [byte]."""
        return sum(aligned(shape, kind) for shape, kind in self.arrays().values())

    def over(self, memory: npt.NDArray[np.uint8]) -> Batch:
        """Return the batch that lies at the beginning of a block of memory."""
        result, start = {}, 0
        for name, (shape, kind) in self.arrays().items():
            stop = start + int(np.prod(shape)) * np.dtype(kind).itemsize
            result[name] = memory[start:stop].view(kind).reshape(shape)
            start += aligned(shape, kind)
        return Batch(**result)


def aligned(shape: tuple[int, ...], kind: npt.DTypeLike) -> int:
    """Return how far the next array begins after the beginning of one of this shape and type [byte]."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return -(-size // ALIGNMENT) * ALIGNMENT


def shared_options(env: MuscleHumanoidEnv, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of more such environments, which share what `env` has loaded from files."""
    loaded: dict[str, Any] = {"body": env.body}
    if env.motion is not None:
        loaded["motion"] = env.motion
    if env.config.actuation == "muscle":
        loaded["muscle_weights"] = env.actuator.network
    return {**options, **loaded}


class Members:
    """Environments that step in lockstep; MuscleNN serves all of them at once."""

    def __init__(
        self,
        envs: Sequence[MuscleHumanoidEnv],
        batch: Batch,
        autoreset_mode: AutoresetMode,
        max_episode_steps: int | None,
    ) -> None:
        """Take environments of the same options, which have not been reset.

        Args:
            envs: the environments.
            batch: their rows, from which actions are read and to which results are written.
            autoreset_mode: when an environment whose episode has ended starts anew.
            max_episode_steps: control steps after which an episode is truncated; None for no limit.
        """
        self.envs, self.batch = envs, batch
        self._mode, self._limit = autoreset_mode, max_episode_steps
        self._elapsed = np.zeros(len(envs), dtype=np.int64)

    def reset(
        self, turn: int, seeds: Sequence[int | None], options: dict[str, Any] | None, chosen: Flags
    ) -> Infos:
        """Start episodes of the `chosen` members; the others' observations stay.

        Args:
            turn: which of the two observation buffers to write.
            seeds: one for each member.
            options: of each environment's `reset`.
            chosen: mask (member,).
        """
        batch = self.batch
        batch.observations[turn] = batch.observations[1 - turn]
        infos = {
            index: self._start(index, turn, seeds[index], options)
            for index in np.flatnonzero(chosen).tolist()
        }
        batch.terminated[chosen], batch.truncated[chosen] = False, False
        return stack(infos, len(self.envs))

    def step(self, turn: int) -> Infos:
        """Make a control step with the batch's actions, and write observation buffer `turn`."""
        batch, everyone = self.batch, range(len(self.envs))
        ended = batch.terminated | batch.truncated
        starting = ended if self._mode is AutoresetMode.NEXT_STEP else np.zeros_like(ended)
        acting = [index for index in everyone if not starting[index]]
        for index in acting:
            self.envs[index].begin(batch.actions[index])
        if acting:
            advance([self.envs[index].actuator for index in acting])
        batch.rewards[starting], batch.terminated[starting], batch.truncated[starting] = 0.0, False, False
        infos = {
            index: self._start(index, turn) if starting[index] else self._finish(index, turn)
            for index in everyone
        }
        return stack(infos, len(self.envs))

    def call(self, members: Sequence[int], name: str, *arguments: Any, **keywords: Any) -> list[Any]:
        """Return the attribute `name` of some members, or what it returns where it can be called."""
        attributes = [self.envs[index].get_wrapper_attr(name) for index in members]
        return [value(*arguments, **keywords) if callable(value) else value for value in attributes]

    def close(self) -> None:
        """Free the physics worlds."""
        for env in self.envs:
            env.close()

    def _start(
        self, index: int, turn: int, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Start an episode of one member."""
        self.batch.observations[turn, index], info = self.envs[index].reset(seed=seed, options=options)
        self._elapsed[index] = 0
        return info

    def _finish(self, index: int, turn: int) -> dict[str, Any]:
        """Judge the step of one member, and start its next episode if that is due in the same step."""
        observation, reward, terminated, truncated, info = self.envs[index].finish()
        self._elapsed[index] += 1
        truncated = truncated or (self._limit is not None and self._elapsed[index] >= self._limit)
        batch = self.batch
        batch.rewards[index], batch.terminated[index], batch.truncated[index] = reward, terminated, truncated
        if self._mode is AutoresetMode.SAME_STEP and (terminated or truncated):
            return {"final_obs": observation, "final_info": info, **self._start(index, turn)}
        batch.observations[turn, index] = observation
        return info
