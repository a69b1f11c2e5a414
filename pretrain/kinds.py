"""The kinds of learned priors, in one table."""

from typing import Any, Literal

from musclegym.motion.features import StateLayout
from musclegym.pretrain.dct import MotionDCT, MotionDCTConfig
from musclegym.pretrain.mlp import MotionMLP, MotionMLPConfig
from musclegym.pretrain.motion_nn import MotionNN, MotionNNConfig
from musclegym.pretrain.next_state import MotionModel

Kind = Literal["transformer", "mlp", "dct"]
KINDS: dict[str, tuple[type[MotionModel], type[Any]]] = {
    "transformer": (MotionNN, MotionNNConfig),
    "mlp": (MotionMLP, MotionMLPConfig),
    "dct": (MotionDCT, MotionDCTConfig),
}
"""Name on the command line -> model and settings of its size."""


def model_of_kind(kind: str, layout: StateLayout, sizes: dict[str, Any], fps: float) -> MotionModel:
    """Build an untrained model.

    Args:
        kind: as manifests name it, such as "MotionNN".
        layout: order of the numbers of a state.
        sizes: fields of its settings.
        fps: frames per second of the motions.

    Raises:
        ValueError: if there is no such kind.
    """
    for model, settings in KINDS.values():
        if model.kind == kind:
            return model(layout, settings(**sizes), fps)
    raise ValueError(
        f"a prior is one of {', '.join(model.kind for model, _ in KINDS.values())}, but is of kind {kind!r}; "
        f"train one with: musclegym pretrain"
    )
