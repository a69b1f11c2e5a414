"""Small vector environments with short episodes, and actions that end them."""

from typing import Any

import gymnasium
import numpy as np

ID = "MuscleHumanoid-v0"
MEMBERS = 3
LIMIT = 8  # control steps of an episode: members are reset by falls and by this


def make(mode: str | None = "vector_entry_point", **options: Any) -> Any:
    """Return a small vector environment with short episodes."""
    chosen = {"num_envs": MEMBERS, "actuation": "torque", "max_episode_steps": LIMIT, **options}
    return gymnasium.make_vec(ID, vectorization_mode=mode, **chosen)


def make_single(**options: Any) -> gymnasium.Env:
    return gymnasium.make(ID, **{"actuation": "torque", "max_episode_steps": LIMIT, **options})


def random_actions(envs: Any, steps: int, seed: int = 0) -> list[np.ndarray]:
    """Return actions that make members fall at different times: the larger the index, the wilder."""
    rng = np.random.default_rng(seed)
    scale = np.linspace(0.1, 1.0, envs.num_envs)[:, None]
    shape = envs.action_space.shape
    return [(scale * rng.uniform(-1.0, 1.0, shape)).astype(np.float32) for _ in range(steps)]
