"""The kernels of a physics step as they are called from Python: with model and stage behind one pointer.

A call from Python unpacks every array of its arguments. Model and stage have a hundred of them, which takes
as long as the torque of a physics step; a `Bundle` is unpacked in one go.
"""

from typing import Any

from numba import njit, types
from numba.experimental import structref

from musclegym import actuation
from musclegym.actuation import Model, Stage
from musclegym.rotation import Array


@structref.register
class BundleType(types.StructRef):
    """What numba knows a `Bundle` by."""

    def preprocess_fields(self, fields: Any) -> Any:
        """Forget values that numba knows at compile time: a kernel serves all bodies."""
        return tuple((name, types.unliteral(kind)) for name, kind in fields)


class Bundle(structref.StructRefProxy):
    """A model and the stage that its steps fill; make one by `bundle`. Its fields are for kernels only."""

    model: Model
    stage: Stage

    def __new__(cls, model: Model, stage: Stage) -> "Bundle":
        """Return the pointer to both."""
        return structref.StructRefProxy.__new__(cls, model, stage)


structref.define_proxy(Bundle, BundleType, ["model", "stage"])


@njit(cache=True)
def bundle(model: Model, stage: Stage) -> Bundle:
    """Return model and stage as one; their arrays are shared, not copied."""
    return Bundle(model, stage)


@njit(cache=True)
def read_pose(body: Bundle, links: Array) -> None:
    """See `actuation.read_pose`."""
    actuation.read_pose(body.model, links, body.stage)


@njit(cache=True)
def torque_step(body: Bundle, links: Array, target: Array, qd_target: Array) -> None:
    """See `actuation.torque_step`."""
    actuation.torque_step(body.model, links, target, qd_target, body.stage)


@njit(cache=True)
def demand_step(body: Bundle, links: Array, target: Array, qd_target: Array) -> None:
    """See `actuation.demand_step`."""
    actuation.demand_step(body.model, links, target, qd_target, body.stage)


@njit(cache=True)
def chosen_step(body: Bundle) -> None:
    """See `actuation.chosen_step`."""
    actuation.chosen_step(body.model, body.stage)


@njit(cache=True)
def muscle_step(body: Bundle, links: Array) -> None:
    """See `actuation.muscle_step`."""
    actuation.muscle_step(body.model, links, body.stage)


@njit(cache=True)
def length_step(
    body: Bundle, links: Array, length: Array, velocity: Array, gains: tuple[float, float]
) -> None:
    """See `actuation.length_step`."""
    actuation.length_step(body.model, links, length, velocity, gains, body.stage)
