"""A clip: one recorded motion on the skeleton of its source, in metres."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from musclegym.rotation import Array, IntArray

UNITS = {
    "millimetre": 0.001,
    "centimetre": 0.01,
    "inch": 0.0254,
    "CMU unit": 0.0254 / 0.45,  # mocap.cs.cmu.edu/faqs.php: lengths are inches scaled by 0.45
    "metre": 1.0,
}
TYPICAL_REACH = (
    1.1  # longest chain of joints from the pelvis outwards, 0.9 to 1.3 m in five adult skeletons [m]
)


@dataclass(frozen=True, eq=False)
class Clip:
    """Rotations of a tree of joints and the path of its root, sampled evenly in time.

    World axes are those of the file: y up; the heading is whatever it was recorded with.

    Raises:
        ValueError: if the shapes do not fit each other, or a number is not finite.
    """

    name: str
    """What to call the motion, from the file name."""
    source: str
    """The file it was read from."""
    names: tuple[str, ...]
    """Joint names, parents before children; the first is the root."""
    parent: IntArray
    """Index of each joint's parent, -1 for the root, shape (joint,)."""
    offset: Array
    """Position of each joint in its parent's frame, zero for the root, shape (joint, 3) [m]."""
    rotation: Array
    """Orientation of each joint in its parent, of the root in the world, shape (frame, joint, 3, 3)."""
    root: Array
    """Position of the root in the world, shape (frame, 3) [m]."""
    fps: float
    """Frames per second."""
    unit: float = 1.0
    """Metres that one unit of length in the file stands for."""
    cyclic: bool = False
    """Whether the last frame repeats the first one's pose, further along the path."""

    def __post_init__(self) -> None:
        """Check shapes and numbers."""
        joints, frames = len(self.names), len(self.root)
        if self.rotation.shape != (frames, joints, 3, 3) or self.offset.shape != (joints, 3):
            raise ValueError(
                f"{self.source}: {joints} names and {frames} root positions need rotation ({frames}, "
                f"{joints}, 3, 3) and offset ({joints}, 3), but they are {self.rotation.shape} and "
                f"{self.offset.shape}"
            )
        if frames < 2 or not self.fps > 0:
            raise ValueError(
                f"{self.source}: a motion needs at least 2 frames and a positive frame rate, but has "
                f"{frames} at {self.fps} frames/s; use a longer clip, or give fps="
            )
        if not all(np.isfinite(values).all() for values in (self.rotation, self.root, self.offset)):
            raise ValueError(
                f"{self.source}: all numbers must be finite, but some are not; export the file again"
            )

    @property
    def duration(self) -> float:
        """Time from the first frame to the last [s]."""
        return (len(self.root) - 1) / self.fps

    @cached_property
    def pose(self) -> tuple[Array, Array]:
        """World orientations (frame, joint, 3, 3) and positions (frame, joint, 3) [m] of all joints."""
        rotation = np.empty_like(self.rotation)
        position = np.empty(self.rotation.shape[:3])
        rotation[:, 0], position[:, 0] = self.rotation[:, 0], self.root
        for joint, parent in enumerate(self.parent[1:], start=1):
            rotation[:, joint] = rotation[:, parent] @ self.rotation[:, joint]
            position[:, joint] = position[:, parent] + rotation[:, parent] @ self.offset[joint]
        return rotation, position

    def joint(self, name: str) -> int:
        """Return the index of the joint called `name`.

        Raises:
            ValueError: if there is none.
        """
        if name not in self.names:
            raise ValueError(
                f"{self.source}: no joint is called {name!r}; the joints are {', '.join(self.names)}"
            )
        return self.names.index(name)

    def chain(self, first: str, last: str) -> list[int]:
        """Return the joints below `first`, down to `last`.

        Raises:
            ValueError: if `last` does not hang from `first`.
        """
        start, joint = self.joint(first), self.joint(last)
        joints = []
        while joint not in (start, -1):
            joints.append(joint)
            joint = int(self.parent[joint])
        if joint < 0:
            raise ValueError(
                f"{self.source}: {last!r} must hang from {first!r} in the tree, but does not; fix the mapping"
            )
        return joints[::-1]

    def bone(self, first: str, last: str) -> Array:
        """Return the vector between two joints, seen from the first, joints between at zero, (3,) [m]."""
        return self.offset[self.chain(first, last)].sum(axis=0)

    def part(self, start: int, stop: int | None = None) -> "Clip":
        """Return the frames from `start` to before `stop`."""
        return replace(self, rotation=self.rotation[start:stop], root=self.root[start:stop])

    def resample(self, fps: float) -> "Clip":
        """Return the clip at another frame rate, by slerp and linear interpolation of the root.

        A cyclic clip keeps a whole number of frames per cycle: its speed changes by at most half a frame per
        cycle.

        Raises:
            ValueError: if `fps` is not positive or leaves fewer than two frames.
        """
        if not fps > 0 or self.duration * fps < 0.5:
            raise ValueError(
                f"{self.source}: {self.duration:.3g} s at {fps} frames/s leave nothing; raise fps"
            )
        frames = round(self.duration * fps) if self.cyclic else int(self.duration * fps + 1e-6)
        end = self.duration if self.cyclic else frames / fps
        times = np.linspace(0.0, end, frames + 1)
        return self.sampled(np.arange(len(self.root)) / self.fps, times, fps)

    def sampled(self, own_times: Array, times: Array, fps: float) -> "Clip":
        """Return the clip at `times` when its frames lie at `own_times`; `fps` is the new rate."""
        times = np.clip(times, own_times[0], own_times[-1])
        nearest = np.searchsorted(own_times, times - 1e-6 / fps)
        if np.allclose(own_times[nearest], times, atol=1e-6 / fps, rtol=0.0):
            return replace(self, rotation=self.rotation[nearest], root=self.root[nearest], fps=fps)
        rotation = np.empty((len(times), *self.rotation.shape[1:]))
        for joint in range(len(self.names)):
            keys = Rotation.from_matrix(self.rotation[:, joint])
            rotation[:, joint] = Slerp(own_times, keys)(times).as_matrix()
        root = np.stack([np.interp(times, own_times, axis) for axis in self.root.T], axis=1)
        return replace(self, rotation=rotation, root=root, fps=fps)


def infer_unit(source: str, parent: IntArray, offset: Array) -> float:
    """Return the metres per unit of a file, from the size of its skeleton.

    The pelvis is taken to be the first joint with two children or more. The longest chain of joints from
    there (end sites do not count: files fill them with anything) is 0.9 to 1.3 m long in adults, so the unit
    whose reading comes nearest to 1.1 m, in ratio, is the file's.

    Args:
        source: the file, for the error message.
        parent: index of each joint's parent, shape (joint,).
        offset: position of each joint in its parent's frame, shape (joint, 3) [file units].

    Raises:
        ValueError: if no unit gives a person's size.
    """
    children = np.bincount(parent[1:], minlength=len(parent))
    pelvis = int(np.argmax(children >= 2))
    length = np.zeros(len(parent))
    for joint in range(pelvis + 1, len(parent)):
        if parent[joint] >= pelvis:
            length[joint] = length[parent[joint]] + np.linalg.norm(offset[joint])
    reach = float(length.max())
    unit = min(UNITS.values(), key=lambda scale: abs(np.log(max(reach * scale, 1e-9) / TYPICAL_REACH)))
    if not 0.5 < reach * unit / TYPICAL_REACH < 2.0:
        raise ValueError(
            f"{source}: the longest chain of joints measures {reach:.4g} units, which is a person's size in "
            f"none of {', '.join(UNITS)}; give unit=METRES_PER_UNIT"
        )
    return unit
