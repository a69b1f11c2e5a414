"""`MuscleHumanoid-v0` many times over: members step in lockstep, in one process or spread over several."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.spaces import flatdim
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.envs.infos import Infos
from musclegym.envs.members import Array32, BatchShape, Flags, Members, shared_options
from musclegym.envs.processes import Workers
from musclegym.rotation import Array

RESET_MASK = "reset_mask"


class MuscleHumanoidVectorEnv(VectorEnv[Array32, Array32, npt.NDArray[Any]]):
    """Members of `MuscleHumanoid-v0` behind Gymnasium's vector interface.

        envs = gymnasium.make_vec("MuscleHumanoid-v0", num_envs=16, processes=2, actuation="torque")

    A member moves bit by bit as a single environment does under the same seed and actions. Members share
    body, motion and the weights of MuscleNN, and MuscleNN is evaluated once for all members of a process.
    Seed `s` gives member `i` the seed `s + i`; a sequence gives each its own.

    ## Options
    Those of `MuscleHumanoidEnv`, and:

    - `processes` (1): worker processes, one thread each, among which the members are divided. They are
      spawned, so a script that asks for more than one must guard its start by `if __name__ == "__main__":`.
    - `autoreset_mode` (`"NextStep"`): when a member whose episode has ended starts anew: in the next step,
      whose action it ignores; in the same step (`"SameStep"`), with the end in `infos["final_obs"]` and
      `infos["final_info"]`; or not by itself (`"Disabled"`), but by `reset(options={"reset_mask": mask})`.
    - `max_episode_steps`: control steps after which an episode is truncated; `make_vec` gives the registered
      300, and -1 means no limit.
    - `copy` (True): whether observations are copies. Without, two buffers take turns: an array is valid until
      the step after the next.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        processes: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        copy: bool = True,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        """Build the members.

        Raises:
            ValueError: if an option is unknown, breaks its rule or does not fit the body.
            FileNotFoundError: if a file of the body, the motion or the weights is missing.
            RuntimeError: if a worker process dies.
        """
        mode, limit = checked(num_envs, processes, autoreset_mode, max_episode_steps)
        first = MuscleHumanoidEnv(render_mode, **options)
        options = shared_options(first, {**options, "render_mode": render_mode})
        self.num_envs, self.copy, self.render_mode = num_envs, copy, render_mode
        self.metadata = {**first.metadata, "autoreset_mode": mode}
        self.single_observation_space, self.single_action_space = first.observation_space, first.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._mode = mode
        self._turn = 0
        self._started = np.zeros(num_envs, dtype=np.bool_)
        shape = BatchShape(num_envs, flatdim(first.action_space), flatdim(first.observation_space))
        if processes > 1:
            first.close()
            self._group = Workers(shape, processes, options, mode, limit)
            self._batch = self._group.batch
        else:
            self._batch = shape.over(np.zeros(shape.size(), dtype=np.uint8))
            envs = [first, *(MuscleHumanoidEnv(**options) for _ in range(num_envs - 1))]
            self._group = Members(envs, self._batch, mode, limit)

    def reset(  # pyright: ignore[reportIncompatibleMethodOverride] (Gymnasium's own take sequences, too)
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array32, Infos]:
        """Start episodes of all members, or of those in `options["reset_mask"]`.

        Args:
            seed: member `i` gets `seed + i`, or its own of a sequence; None leaves the generators alone.
            options: of each member's `reset`, and `reset_mask`, a boolean array (member,).

        Raises:
            ValueError: if there are too few or too many seeds, the mask is not one, or an option is refused.
            ClosedEnvironmentError: after `close`.
            RuntimeError: if a worker process has died.
        """
        self._refuse_closed()
        seeds = spread(seed, self.num_envs)
        chosen, rest = split_mask(options, self.num_envs)
        turn = 1 - self._turn
        infos = self._group.reset(turn, seeds, rest, chosen)
        self._started |= chosen
        return self._observations(turn), infos

    def step(self, actions: npt.ArrayLike) -> tuple[Array32, Array, Flags, Flags, Infos]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Make a control step with one action per member, shape (member, action).

        Raises:
            ResetNeeded: if a member has not been reset, or not since its end where that is left to the user.
            ValueError: if the actions have another shape.
            ClosedEnvironmentError: after `close`.
            RuntimeError: if a worker process has died.
        """
        self._refuse_closed()
        if not self._started.all():
            waiting = np.flatnonzero(~self._started).tolist()
            raise ResetNeeded(
                f"a member is reset before it steps, but members {waiting} are not; call reset(), or "
                f"reset(options={{{RESET_MASK!r}: mask}}) with the mask of these"
            )
        given = np.asarray(actions, dtype=np.float64)
        if given.shape != self._batch.actions.shape:
            raise ValueError(
                f"actions must have a row per member, shape {self._batch.actions.shape}, but have "
                f"{given.shape}; draw some with action_space.sample()"
            )
        self._batch.actions[:] = given
        turn = 1 - self._turn
        infos = self._group.step(turn)
        batch = self._batch
        if self._mode is AutoresetMode.DISABLED:
            self._started &= ~(batch.terminated | batch.truncated)
        ends = batch.terminated.copy(), batch.truncated.copy()
        return self._observations(turn), batch.rewards.copy(), *ends, infos

    def _refuse_closed(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError(
                "an environment that has been closed cannot be used any more; make it anew"
            )

    def _observations(self, turn: int) -> Array32:
        """Return the observations that buffer `turn` has received."""
        self._turn = turn
        observations = self._batch.observations[turn]
        return observations.copy() if self.copy else observations

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the attribute `name` of each member, or what it returns where it can be called."""
        return self.call_some(range(self.num_envs), name, *args, **kwargs)

    def call_some(self, members: Sequence[int], name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Do as `call`, for members of these indices only."""
        self._refuse_closed()
        return tuple(self._group.call(members, name, *args, **kwargs))

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of each member; from other processes they come as copies."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of each member to a value for all of them, or to its own of a list or tuple.

        Raises:
            ValueError: if a list or tuple has not one value for each member.
        """
        each = list(values) if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise ValueError(
                f"a list of values must have one for each of {self.num_envs} members, but has {len(each)}; "
                f"give a single value for all of them"
            )
        for index, value in enumerate(each):
            self.call_some([index], "set_wrapper_attr", name, value)

    def render(self) -> tuple[Any, ...]:
        """Return a picture of each member, or None for each without a render mode."""
        return self.call("render")

    def close_extras(self, **kwargs: Any) -> None:
        """Free the physics worlds and end the worker processes."""
        self._group.close()

    @property
    def np_random(self) -> tuple[np.random.Generator, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The members' random generators; from other processes they come as copies."""
        return self.get_attr("np_random")

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The seeds of the members' random generators."""
        return self.get_attr("np_random_seed")


def checked(
    num_envs: int, processes: int, autoreset_mode: str | AutoresetMode, max_episode_steps: int | None
) -> tuple[AutoresetMode, int | None]:
    """Check the options of a vector environment; return the autoreset mode and the limit of an episode."""
    if num_envs < 1 or not 1 <= processes <= num_envs:
        raise ValueError(
            f"num_envs must be at least 1 and processes between 1 and num_envs, but they are {num_envs!r} "
            f"and {processes!r}; use e.g. num_envs=16, processes=2"
        )
    if max_episode_steps is not None and max_episode_steps != -1 and max_episode_steps < 1:
        raise ValueError(
            f"max_episode_steps must be positive, but is {max_episode_steps!r}; -1 means no limit"
        )
    modes = [mode.value for mode in AutoresetMode]
    if autoreset_mode not in (*modes, *AutoresetMode):
        raise ValueError(
            f"autoreset_mode must be one of {', '.join(map(repr, modes))}, but is {autoreset_mode!r}; choose "
            f"one of these"
        )
    return AutoresetMode(autoreset_mode), None if max_episode_steps == -1 else max_episode_steps


def spread(seed: int | Sequence[int | None] | None, count: int) -> list[int | None]:
    """Return a seed for each of `count` members."""
    if seed is None:
        return [None] * count
    if isinstance(seed, int | np.integer):
        return [int(seed) + index for index in range(count)]
    if len(seed) != count:
        raise ValueError(
            f"there must be a seed for each of {count} members, but there are {len(seed)}; one whole number "
            f"gives each its own"
        )
    return list(seed)


def split_mask(options: dict[str, Any] | None, count: int) -> tuple[Flags, dict[str, Any] | None]:
    """Return which of `count` members to reset, and the other options of `reset`."""
    if options is None or RESET_MASK not in options:
        return np.ones(count, dtype=np.bool_), options
    mask = np.asarray(options[RESET_MASK])
    if mask.dtype != np.bool_ or mask.shape != (count,) or not mask.any():
        raise ValueError(
            f"{RESET_MASK} must be a boolean array of shape ({count},) with at least one True, but is "
            f"{options[RESET_MASK]!r}; use e.g. terminations | truncations after a step with ends"
        )
    return mask, {name: value for name, value in options.items() if name != RESET_MASK} or None
