"""MuscleNN"""
import numpy as np
import numpy.typing as npt
from numba import njit

from musclegym.body import Body
from musclegym.muscle.oracle import Entries
from musclegym.rotation import Array

Array32 = npt.NDArray[np.float32]


def muscle_entries(body: Body) -> Entries:
    dof, muscle = body.muscle_set.turned_dofs(body.skeleton)
    actuated = dof >= 6
    start = np.searchsorted(muscle[actuated], np.arange(body.n_muscles + 1))
    return Entries(start=start, dof=dof[actuated] - 6)


@njit(cache=True, nogil=True)
def muscle_features(
    torque_columns: Array, entries: Entries, passive_torque: Array, wanted: Array, out: Array32
) -> None:
    muscles, count = entries.start.size - 1, entries.dof.size
    dofs = wanted.size - 6
    for muscle in range(muscles):
        along, square = 0.0, 1e-2
        for entry in range(entries.start[muscle], entries.start[muscle + 1]):
            dof = 6 + entries.dof[entry]
            value = torque_columns[muscle, dof]
            out[entry] = value
            along += value * (wanted[dof] - passive_torque[dof])
            square += value * value
        out[count + dofs + muscle] = along / square
    for dof in range(dofs):
        out[count + dof] = wanted[6 + dof] - passive_torque[6 + dof]


def feature_count(body: Body) -> int:
    return muscle_entries(body).dof.size + body.n_dofs - 6 + body.n_muscles
