"""Small environments whose best behaviour is known."""

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv


class Aim(gym.Env):
    """Tells a target in odd units; an action on target earns 1, and less by the square of the miss."""

    observation_space = gym.spaces.Box(-1000.0, 1000.0, (2,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, interrupt_at: int = 0) -> None:
        self.steps, self.interrupt_at = 0, interrupt_at

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return self.look(), {}

    def look(self) -> np.ndarray:
        self.target = self.np_random.uniform(-0.8, 0.8)
        return np.array([500.0 + 0.1 * self.target, 7.0], dtype=np.float32)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        if self.steps == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        miss = float((action[0] - self.target) ** 2)
        terms = {"constant": 1.0, "miss": -miss}
        return self.look(), 1.0 - miss, True, False, {"reward_terms": terms, "diverged": False}


class Constant(gym.Env):
    """Every step earns 1; every fifth ends the episode, as `end` says."""

    observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, end: str = "truncated") -> None:
        self.end, self.steps = end, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.steps = 0
        return np.ones(1, dtype=np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        over = self.steps == 5
        ends = over and self.end == "terminated", over and self.end == "truncated"
        return np.ones(1, dtype=np.float32), 1.0, *ends, {"reward_terms": {"constant": 1.0}}


class Together(SyncVectorEnv):
    """Members in lockstep that start anew at once, some of which can be called."""

    def __init__(self, make: Callable[[], gym.Env], count: int = 1) -> None:
        super().__init__([make] * count, autoreset_mode=AutoresetMode.SAME_STEP)

    def call_some(self, members: Sequence[int], name: str, *arguments: Any, **keywords: Any) -> list[Any]:
        return [getattr(self.envs[member], name)(*arguments, **keywords) for member in members]
