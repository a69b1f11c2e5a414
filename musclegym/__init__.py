"""A muscle-driven humanoid for Gymnasium.

`import musclegym` registers the environments and stays light: the names below are loaded from their modules
when first used, and PyBullet, PyTorch and stable-baselines3 only by what needs them.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium

if TYPE_CHECKING:
    from musclegym.body import Body, load_body, stable_pd
    from musclegym.mass_xml_writer import write_body
    from musclegym.motion import Clip, Motion, load_motion, read_motion, retarget, write_bvh
    from musclegym.motion.library import MotionLibrary
    from musclegym.muscle.oracle import solve_activation

__version__ = "0.1.0"

__all__ = [
    "Body",
    "Clip",
    "Motion",
    "MotionLibrary",
    "load_body",
    "load_motion",
    "read_motion",
    "retarget",
    "solve_activation",
    "stable_pd",
    "write_body",
    "write_bvh",
]

_MODULE_OF = {
    "Body": "musclegym.body",
    "load_body": "musclegym.body",
    "stable_pd": "musclegym.body",
    "Clip": "musclegym.motion",
    "Motion": "musclegym.motion",
    "MotionLibrary": "musclegym.motion.library",
    "load_motion": "musclegym.motion",
    "read_motion": "musclegym.motion",
    "retarget": "musclegym.motion",
    "write_bvh": "musclegym.motion",
    "solve_activation": "musclegym.muscle.oracle",
    "write_body": "musclegym.mass_xml_writer",
}

# In a checkout the folders envs/, pretrain/ and policies/ lie beside this one; a wheel has them inside.
if not (Path(__file__).parent / "envs").is_dir():
    __path__.append(str(Path(__file__).resolve().parent.parent))

gymnasium.register(
    id="MuscleHumanoid-v0",
    entry_point="musclegym.envs.humanoid:MuscleHumanoidEnv",
    vector_entry_point="musclegym.envs.vector:MuscleHumanoidVectorEnv",
    max_episode_steps=300,
)


def __getattr__(name: str) -> Any:
    """Load a public name from its module when it is first used."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'musclegym' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    """Names that tab completion offers."""
    return sorted([*globals(), *__all__])
