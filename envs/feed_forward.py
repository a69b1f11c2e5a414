"""Feed-forward: the joint torques of the motion itself, which a policy then need not find."""

import hashlib

import numpy as np

from musclegym.body import Body
from musclegym.inverse_dynamics import inverse_dynamics
from musclegym.motion import Motion
from musclegym.rotation import Array

_KNOWN: dict[str, tuple[Array, Array]] = {}
"""Times [s] and torques of the motions of this process, which its environments share."""


class FeedForward:
    """Joint torques of a body that moves as in a motion, from inverse dynamics with the ground's reaction."""

    def __init__(self, body: Body, motion: Motion) -> None:
        """Find the torques of `motion`, which is one of `body`; takes most of a second, once in a process."""
        self.motion = motion
        key = hashlib.sha256(motion.q.tobytes() + f"{body.hash} {motion.fps} {motion.cyclic}".encode())
        if key.hexdigest() not in _KNOWN:
            found = inverse_dynamics(body, motion)
            _KNOWN[key.hexdigest()] = found.time, found.torque[:, 6:]
        self._time, self._torque = _KNOWN[key.hexdigest()]

    def at(self, time: float) -> Array:
        """Return the torques (dof - 6,) [N m] at a time since the motion's first frame [s].

        Before its start and after its end a motion that is not cyclic has those of its first or last frame.
        """
        duration = self.motion.duration
        moment = time % duration if self.motion.cyclic else time
        place = np.clip(np.interp(moment, self._time, np.arange(self._time.size)), 0, self._time.size - 1)
        index = min(int(place), self._time.size - 2)
        part = place - index
        return (1.0 - part) * self._torque[index] + part * self._torque[index + 1]
