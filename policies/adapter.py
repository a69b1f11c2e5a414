"""The vector environment as stable-baselines3 wants it, without copying observations."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

Info = dict[str, Any]
Flags = npt.NDArray[np.bool_]


class LastStep(NamedTuple):
    """What a step told of all members; an ended episode's last info is in `infos["final_info"]`."""

    infos: Mapping[str, Any]  # arrays and masks (member,) by name, as Gymnasium has them
    terminated: Flags  # (member,)
    truncated: Flags  # (member,)


class AdaptedVecEnv(VecEnv):
    """A vector environment of Gymnasium with the interface of stable-baselines3.

    Observations are handed on as they come. Where the environment was made with `copy=False` they are valid
    until the step after the next, which is what the library's rollouts need; who keeps them longer copies
    them.
    """

    last_step: LastStep

    def __init__(self, envs: Any, *, every_info: bool = True) -> None:
        """Adapt `envs`, whose members start their next episode in the step that ends one.

        Args:
            envs: made by `gymnasium.make_vec("MuscleHumanoid-v0", autoreset_mode="SameStep", ...)`.
            every_info: whether each step returns the infos of each member. Without, only those of ended
                episodes are returned, and only what the library needs of them; `last_step` has all in
                arrays, which is much faster.

        Raises:
            ValueError: if the members start anew at another time.
        """
        mode = envs.metadata["autoreset_mode"]
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                f"stable-baselines3 expects a new episode in the step that ends one, but autoreset_mode is "
                f"{mode.value!r}; make the environment with autoreset_mode='SameStep'"
            )
        self.envs, self.every_info = envs, every_info
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self._actions: npt.NDArray[Any]

    def reset(self) -> npt.NDArray[Any]:
        """Start episodes with the seeds and options that were set, once."""
        if all(options == self._options[0] for options in self._options):
            observations, infos = self.envs.reset(seed=self._seeds, options=self._options[0] or None)
            self.reset_infos = each(infos, self.num_envs)
        else:
            observations = self._reset_one_by_one()
        self._reset_seeds()
        self._reset_options()
        return observations

    def _reset_one_by_one(self) -> npt.NDArray[Any]:
        """Start episodes with other options in each member."""
        observations = np.empty(0)
        for index, options in enumerate(self._options):
            mask = np.arange(self.num_envs) == index
            observations, infos = self.envs.reset(seed=self._seeds, options={**options, "reset_mask": mask})
            self.reset_infos[index] = each(infos, self.num_envs)[index]
        return observations

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Take the actions of the next step."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Make the step; an episode's last observation is its info's `terminal_observation`."""
        observations, rewards, terminated, truncated, infos = self.envs.step(self._actions)
        self.last_step = LastStep(infos, terminated, truncated)
        dones, cut = terminated | truncated, truncated & ~terminated
        steps = self._infos_of_each(infos, dones) if self.every_info else [{} for _ in range(self.num_envs)]
        for index in np.flatnonzero(dones).tolist():
            steps[index]["terminal_observation"] = infos["final_obs"][index]
        for info, is_cut in zip(steps, cut.tolist(), strict=True):
            info["TimeLimit.truncated"] = is_cut
        return observations, rewards.astype(np.float32), dones, steps

    def _infos_of_each(self, infos: Mapping[str, Any], dones: Flags) -> list[Info]:
        """Return the info of each member's step, and keep those of the starts of episodes."""
        steps = each(infos, self.num_envs)
        for index in np.flatnonzero(dones).tolist():
            start = steps[index]
            last = start.pop("final_info")
            del start["final_obs"]
            self.reset_infos[index], steps[index] = start, last
        return steps

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of some members."""
        return list(
            self.envs.unwrapped.call_some(self._members(indices), method_name, *method_args, **method_kwargs)
        )

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of some members."""
        return self.env_method("get_wrapper_attr", attr_name, indices=indices)

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of some members."""
        self.env_method("set_wrapper_attr", attr_name, value, indices=indices)

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """Say for some members that none is wrapped."""
        return [False for _ in self._members(indices)]

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """Return a picture of each member, or None without a render mode."""
        return list(self.envs.render())

    def close(self) -> None:
        """Free the physics worlds and end the worker processes."""
        self.envs.close()

    def _members(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))


def each(infos: Mapping[str, Any], count: int) -> list[Info]:
    """Return the info of each of `count` members from vector infos, numbers as Python's own."""
    result: list[Info] = [{} for _ in range(count)]
    for name, values in infos.items():
        mask = infos.get(f"_{name}")
        if mask is None:
            continue  # it is a mask itself
        rows = each(values, count) if isinstance(values, Mapping) else rows_of(values)
        for info, row, has in zip(result, rows, mask.tolist(), strict=True):
            if has:
                info[name] = row
    return result


def rows_of(values: npt.NDArray[Any]) -> list[Any]:
    """Return the rows of an array: numbers as Python's own, arrays as views."""
    return values.tolist() if values.ndim == 1 else list(values)
