"""Training aids: what makes learning easier while it lasts.

None of them is an option of the environment. A trainer switches them on by the environment's methods, so an
environment that has just been made has none, and what is measured in it is done without help.
"""

import numpy as np
import numpy.typing as npt

from musclegym.body import Body, Kinematics
from musclegym.rotation import Array
from musclegym.simulation import Simulation
from musclegym.state import BodyState

HELD = "Torso"
"""Body that assistance holds beside the root, so that it keeps the trunk upright as well."""
STIFFNESS = 2000.0
"""Of the springs of full assistance [N/m]."""
DAMPING = 300.0
"""Of these springs, against the motion's velocity [N s/m]."""
LARGEST = 400.0
"""Largest force of each spring of full assistance [N]."""
LATEST_START = 0.9
"""Latest phase at which an episode starts in a motion that does not repeat, unless it is asked for [-]."""


class Aids:
    """What a trainer has switched on in one environment."""

    def __init__(self, body: Body, fall_drop: float, lost_distance: float) -> None:
        """Switch nothing on; `fall_drop` and `lost_distance` are the environment's options."""
        self._options = self.fall_drop, self.lost_distance = fall_drop, lost_distance
        self._held = [0, *(index for index, name in enumerate(body.body_names) if name == HELD)]
        self.assistance = 0.0
        self.start_phases: Array | None = None

    def set_assistance(self, share: float) -> None:
        """Hold pelvis and torso by springs to where the motion has them, with a share of their full strength.

        Raises:
            ValueError: if the share does not lie in [0, 1].
        """
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"the share of assistance must lie in [0, 1], but is {share!r}; 0 is none")
        self.assistance = share

    def set_start_phases(self, weights: npt.ArrayLike | None) -> None:
        """Draw start phases from equal bins of the motion with these weights; None draws them evenly.

        Raises:
            ValueError: if a weight is negative or not finite, or all are zero.
        """
        if weights is None:
            self.start_phases = None
            return
        given = np.asarray(weights, dtype=np.float64)
        if given.ndim != 1 or not np.isfinite(given).all() or (given < 0.0).any() or not given.sum() > 0.0:
            raise ValueError(
                f"weights of start phases must be a list of finite numbers, none negative and one positive, "
                f"but are {weights!r}; None draws phases evenly"
            )
        self.start_phases = given / given.sum()

    def set_limits(self, fall_drop: float | None = None, lost_distance: float | None = None) -> None:
        """End episodes earlier or later than the options say; None returns to the option.

        Raises:
            ValueError: if a limit is not positive.
        """
        for name, value in (("fall_drop", fall_drop), ("lost_distance", lost_distance)):
            if value is not None and not value > 0.0:
                raise ValueError(f"{name} must be positive, but is {value!r}; None is the option's own value")
        self.fall_drop = self._options[0] if fall_drop is None else fall_drop
        self.lost_distance = self._options[1] if lost_distance is None else lost_distance

    def is_lost(self, state: BodyState, followed: Array | None) -> bool:
        """Whether the body has fallen, or strayed from the pose (dof,) that it follows, if it follows any."""
        rest = state.body.skeleton.joint_position[0]
        drop = self.fall_drop * float(rest[1])
        if followed is None:
            return state.root_height < float(rest[1]) - drop
        away = state.joint_position[0] - rest - followed[3:6]
        return bool(away[1] < -drop or np.hypot(away[0], away[2]) > self.lost_distance)

    def draw_phase(self, random: np.random.Generator, cyclic: bool) -> float:
        """Return a start phase of a motion, which repeats or not."""
        end = 1.0 if cyclic else LATEST_START
        if self.start_phases is None:
            return float(random.uniform(0.0, end))
        index = random.choice(len(self.start_phases), p=self.start_phases)
        return end * (float(index) + float(random.uniform())) / len(self.start_phases)

    def support(self, simulation: Simulation, state: BodyState, wanted: Kinematics) -> None:
        """Let assistance act during the next control step, towards where the motion will be at its end."""
        held = self._held
        force = STIFFNESS * (wanted.com[held] - state.com[held])
        force += DAMPING * (wanted.com_velocity[held] - state.com_velocity[held])
        size = np.linalg.norm(force, axis=1, keepdims=True)
        force *= np.minimum(1.0, LARGEST / np.maximum(size, 1e-9))
        simulation.support(held, self.assistance * force)
