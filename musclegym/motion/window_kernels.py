"""Kernels behind windows: shuffled order without a list of it, and windows read from the frames of a library.

Times are in frames of the clip, and may lie between two of them.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from musclegym.motion.augment import SWING, Change
from musclegym.rotation import Array, IntArray, multiply, rotation_from_vector, vector_from_rotation
from musclegym.skeleton import Tree, difference, differences, integrate

Array32 = npt.NDArray[np.float32]
ROUNDS = 4  # of the Feistel network; four make it a strong permutation (Luby and Rackoff 1988, from memory)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # step of splitmix64 (Steele et al. 2014, OOPSLA; from memory)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # its multipliers
UNIFORMS = 6  # random numbers that belong to a sample


class ClipArrays(NamedTuple):
    """Where the clips of a library are, for the kernels."""

    start: IntArray  # (clip,) first frame
    frames: IntArray  # (clip,)
    cyclic: IntArray  # (clip,) 1 where the clip repeats, its last frame being the first one, carried on
    heading: Array  # (clip,) turn to the left per cycle [rad]
    displacement: Array  # (clip, 3) path of the root per cycle [m]


class Symmetry(NamedTuple):
    """What the kernels know of the body's symmetry: the mirror map of a state, and where up is."""

    row: IntArray  # (entry,) of the mirrored state
    column: IntArray  # (entry,) of the state
    value: Array  # (entry,)
    up: Array  # (3,) the vertical in the root's rest frame


@njit(cache=True)
def mixed(value: np.uint64) -> np.uint64:
    """Return 64 bits that depend on all bits of `value`: the output function of splitmix64."""
    value = (value ^ (value >> np.uint64(30))) * FIRST
    value = (value ^ (value >> np.uint64(27))) * SECOND
    return value ^ (value >> np.uint64(31))


@njit(cache=True)
def shuffled(index: int, count: int, key: np.uint64) -> int:
    """Return the place of `index` in a random order of 0 ... count - 1 that `key` stands for.

    A Feistel network permutes the numbers below the next power of four; those beyond `count` are sent through
    it again. So no order is ever stored.
    """
    half = np.uint64(1)
    while np.uint64(1) << (half + half) < np.uint64(count):
        half += np.uint64(1)
    mask = (np.uint64(1) << half) - np.uint64(1)
    value = np.uint64(index)
    while True:
        left, right = value >> half, value & mask
        for turn in range(ROUNDS):
            left, right = right, left ^ (mixed(right + key + np.uint64(turn) * GOLDEN) & mask)
        value = (left << half) | right
        if value < np.uint64(count):
            return int(value)


@njit(cache=True)
def draw_slots(first: int, slots: IntArray, uniform: Array, count: int, seed: int) -> None:
    """Draw samples number `first` and following: each a slot of `count`, and random numbers of its own.

    Every `count` samples all slots have been drawn once, in an order of their own.

    Args:
        first: number of the first sample since the beginning of training.
        slots: receives the slots, shape (sample,).
        uniform: receives random numbers in [0, 1), shape (sample, UNIFORMS).
        count: number of slots.
        seed: of orders and numbers.
    """
    key = mixed(np.uint64(seed) * GOLDEN + GOLDEN)
    for sample in range(slots.size):
        number = first + sample
        epoch = number // count
        slots[sample] = shuffled(number - epoch * count, count, mixed(key + np.uint64(epoch)))
        own = mixed(key ^ mixed(np.uint64(number) + GOLDEN))
        for i in range(uniform.shape[1]):
            own += GOLDEN
            uniform[sample, i] = np.float64(mixed(own) >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def turn_root(vector: Array, up: Array, angle: float, a: Array, b: Array, c: Array) -> None:
    """Turn the root's rotation vector (3,) about the vertical; a, b and c are (3, 3) scratch."""
    rotation_from_vector(angle * up[0], angle * up[1], angle * up[2], a)
    rotation_from_vector(vector[0], vector[1], vector[2], b)
    multiply(a, b, c)
    vector_from_rotation(c, vector)


@njit(cache=True)
def turn_path(place: Array, angle: float) -> None:
    """Turn the root's displacement (3,) about the vertical through its rest position."""
    sine, cosine = np.sin(angle), np.cos(angle)
    x, z = place[0], place[2]
    place[0] = cosine * x + sine * z
    place[2] = cosine * z - sine * x


@njit(cache=True)
def read_state(
    frames: Array32, clips: ClipArrays, clip: int, frame: int, up: Array, scratch: Array, out: Array
) -> None:
    """Write a state of a clip into `out` (2 dof,); a clip that repeats goes on before and after its frames.

    Args:
        frames: all frames, shape (frame, 2 dof).
        clips: where the clips are.
        clip: which one.
        frame: which of its frames; beyond the ends of a clip that does not repeat, its first or last one.
        up: the vertical in the root's rest frame, shape (3,).
        scratch: shape (3, 3, 3).
        out: receives the state.
    """
    last = clips.frames[clip] - 1
    cycle = 0
    if clips.cyclic[clip] and last > 0:
        cycle = frame // last
        frame -= cycle * last
    row = clips.start[clip] + min(max(frame, 0), last)
    for i in range(out.size):
        out[i] = frames[row, i]
    turn = clips.heading[clip]
    for _ in range(abs(cycle)):
        if cycle > 0:
            turn_path(out[3:6], turn)
            for i in range(3):
                out[3 + i] += clips.displacement[clip, i]
        else:
            for i in range(3):
                out[3 + i] -= clips.displacement[clip, i]
            turn_path(out[3:6], -turn)
    if cycle != 0 and turn != 0.0:
        turn_root(out[0:3], up, cycle * turn, scratch[0], scratch[1], scratch[2])


@njit(cache=True)
def clip_time(start: Any, speed: Any, stretch: Any, phase: Any, frame: Any, period: float) -> Any:
    """Return the time in the clip [frames] at which a frame of an augmented motion was recorded.

    For numbers or arrays of them. The rate is `speed` + `stretch` sin(2 pi frame / period + phase); this is
    its integral.
    """
    rate = 2.0 * np.pi / period
    return start + speed * frame + stretch / rate * (np.cos(phase) - np.cos(rate * frame + phase))


@njit(cache=True)
def copy_window(
    frames: Array32,
    clips: ClipArrays,
    clip: int,
    frame: int,
    up: Array,
    scratch: Array,
    row: Array,
    out: Array32,
) -> None:
    """Write recorded frames from `frame` on into `out` (frame, 2 dof)."""
    length = out.shape[0]
    if frame >= 0 and frame + length <= clips.frames[clip]:
        begin = clips.start[clip] + frame
        out[:] = frames[begin : begin + length]
        return
    for i in range(length):
        read_state(frames, clips, clip, frame + i, up, scratch, row)
        out[i] = row


@njit(cache=True)
def warp_window(
    frames: Array32,
    clips: ClipArrays,
    clip: int,
    times: Array,
    fps: float,
    tree: Tree,
    up: Array,
    scratch: Array,
    out: Array32,
) -> None:
    """Write poses between recorded ones, and velocities by central differences, into `out` (frame, 2 dof).

    Args:
        frames: all frames, shape (frame, 2 dof).
        clips: where the clips are.
        clip: which one.
        times: of the frames, one before the first and one after the last included, shape (frame + 2,).
        fps: of the window [1/s].
        tree: the skeleton.
        up: the vertical in the root's rest frame, shape (3,).
        scratch: shape (3, 3, 3).
        out: receives the window.
    """
    length, n = out.shape[0], out.shape[1] // 2
    poses = np.empty((length + 2, n))
    first, second, step = np.empty(2 * n), np.empty(2 * n), np.empty(n)
    span = np.full(length, 2.0 / fps)
    end = clips.frames[clip] - 1.0
    for i in range(length + 2):
        time = times[i] if clips.cyclic[clip] else min(max(times[i], 0.0), end)
        frame = int(np.floor(time))
        read_state(frames, clips, clip, frame, up, scratch, first)
        read_state(frames, clips, clip, frame + 1, up, scratch, second)
        difference(tree, first[:n], second[:n], step)
        integrate(tree, first[:n], step, time - frame, poses[i])
    if not clips.cyclic[clip]:
        if times[0] < 0.0:
            poses[0] = poses[1]
            span[0] -= 1.0 / fps
        if times[length + 1] > end:
            poses[length + 1] = poses[length]
            span[length - 1] -= 1.0 / fps
    velocities = np.empty((length, n))
    differences(tree, poses[:length], poses[1 : length + 1], poses[2:], span, velocities)
    out[:, :n] = poses[1 : length + 1]
    out[:, n:] = velocities


@njit(cache=True)
def change_window(
    window: Array32, mirror: int, scale: float, heading: float, symmetry: Symmetry, row: Array, scratch: Array
) -> None:
    """Mirror, scale and turn a window (frame, 2 dof) in place."""
    n = window.shape[1] // 2
    for i in range(window.shape[0]):
        for j in range(2 * n):
            row[j] = 0.0 if mirror else window[i, j]
        if mirror:
            for entry in range(symmetry.row.size):
                row[symmetry.row[entry]] += symmetry.value[entry] * window[i, symmetry.column[entry]]
        for j in range(3, 6):
            row[j] *= scale
            row[n + j] *= scale
        if heading != 0.0:
            turn_root(row[0:3], symmetry.up, heading, scratch[0], scratch[1], scratch[2])
            turn_path(row[3:6], heading)
        for j in range(2 * n):
            window[i, j] = row[j]


@njit(cache=True, nogil=True)
def gather(
    frames: Array32,
    clips: ClipArrays,
    clip: IntArray,
    time: Array,
    change: Change,
    first: IntArray,
    fps: float,
    tree: Tree,
    symmetry: Symmetry,
    out: Array32,
) -> None:
    """Write windows into `out` (sample, frame, 2 dof).

    Args:
        frames: all frames of the library, shape (frame, 2 dof).
        clips: where its clips are.
        clip: of each sample, shape (sample,).
        time: where in its clip each sample begins, shape (sample,) [frames].
        change: what is done to each sample.
        first: number, from that beginning, of the first frame wanted of each sample, shape (sample,).
        fps: of library and windows [1/s].
        tree: the skeleton.
        symmetry: mirror map and vertical.
        out: receives the windows.
    """
    length = out.shape[1]
    period = SWING * fps
    row, scratch, times = np.empty(out.shape[2]), np.empty((3, 3, 3)), np.empty(length + 2)
    for sample in range(out.shape[0]):
        speed, stretch = change.speed[sample], change.stretch[sample]
        whole = int(np.floor(time[sample]))
        if speed == 1.0 and stretch == 0.0 and whole == time[sample]:
            begin = whole + first[sample]
            copy_window(frames, clips, clip[sample], begin, symmetry.up, scratch, row, out[sample])
        else:
            for i in range(length + 2):
                frame = first[sample] + i - 1.0
                times[i] = clip_time(time[sample], speed, stretch, change.phase[sample], frame, period)
            warp_window(frames, clips, clip[sample], times, fps, tree, symmetry.up, scratch, out[sample])
        mirror, scale, heading = change.mirror[sample], change.scale[sample], change.heading[sample]
        if mirror or scale != 1.0 or heading != 0.0:
            change_window(out[sample], mirror, scale, heading, symmetry, row, scratch)
