"""Finding one recording under two names: clips that share a second of motion, or its mirror image.

A second is shared when all joint angles go the same way through it; where the body stands, faces and how high
it is does not count. Moments of each clip are compared with their nearest neighbours in a few principal
directions among the moments of all clips, and what is near is looked at frame by frame. Clips of less than a
second are not compared.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.spatial import KDTree

from musclegym.motion.augment import mirror_maps
from musclegym.motion.library_files import Array32, SavedClips
from musclegym.skeleton import Skeleton

SPAN = 1.0  # length of what is compared [s]
# Root mean square difference over the joint angles, in no frame more [rad]. Of 1129 clips from six sources,
# the known twins differ by 0.014 and less, all other pairs by 0.024 and more.
SAME = 0.02
MOVING = 0.05  # standard deviation of some joint in that time: standing still is no recording [rad]
EVERY = 0.1  # spacing of the moments that can be found [s]
ASKED = 0.5  # spacing of the moments that are looked for [s]
DIRECTIONS = 8  # principal directions in which neighbours are looked for
NEIGHBOURS = 12  # how many of a moment are looked at
REACH = 0.05  # root mean square difference of a moment to a neighbour, at most: SAME, and half of EVERY [rad]


def find_twins(saved: SavedClips, skeleton: Skeleton, fps: float) -> list[tuple[int, int]]:
    """Return the pairs of clips, by their numbers, that hold the same recording or its mirror image.

    Args:
        saved: the clips.
        skeleton: whose motion they are.
        fps: their rate [1/s].
    """
    half, grid = round(0.5 * SPAN * fps), max(1, round(EVERY * fps))
    joints = slice(6, skeleton.n_dofs)
    angles = [np.array(saved.states(record)[:, joints]) for record in saved.records]
    frames = [np.arange(half, len(clip) - half, grid) for clip in angles]
    clip = np.repeat(np.arange(len(angles)), [len(moments) for moments in frames])
    frame = np.concatenate(frames)
    if len(np.unique(clip)) < 2:
        return []
    poses = np.concatenate([own[moments] for own, moments in zip(angles, frames, strict=True)])
    asked = np.flatnonzero((frame - half) % (grid * max(1, round(ASKED / EVERY))) == 0)
    mirror = mirror_maps(skeleton)[0][joints, joints].astype(np.float32)
    pairs: set[tuple[int, int]] = set()
    for image in (np.eye(len(mirror), dtype=np.float32), mirror):
        for moment, other in neighbours(poses, poses[asked] @ image.T, clip, asked):
            pair = min(clip[moment], clip[other]), max(clip[moment], clip[other])
            if pair not in pairs:
                span = angles[clip[moment]][frame[moment] - half : frame[moment] + half] @ image.T
                if shared(span, angles[clip[other]], int(frame[other]) - half, grid):
                    pairs.add(pair)
    return sorted((int(first), int(second)) for first, second in pairs)


def neighbours(
    poses: Array32, wanted: Array32, clip: npt.NDArray[np.intp], asked: npt.NDArray[np.intp]
) -> Iterator[tuple[int, int]]:
    """Yield pairs of moments of different clips whose poses are near to each other.

    Args:
        poses: joint angles at all moments, shape (moment, angle) [rad].
        wanted: joint angles that are looked for, shape (asked, angle) [rad].
        clip: number of the clip of each moment.
        asked: number of the moment that each row of `wanted` belongs to.
    """
    directions = np.linalg.eigh(np.cov(poses.T))[1][:, -DIRECTIONS:].astype(np.float32)
    reach = REACH * np.sqrt(poses.shape[1])
    count = min(NEIGHBOURS, len(poses))
    found = KDTree(poses @ directions).query(wanted @ directions, count, distance_upper_bound=reach)[1]
    found = np.asarray(found).reshape(len(asked), count)
    rows, columns = np.nonzero(found < len(poses))
    others = found[rows, columns]
    near = (clip[asked[rows]] != clip[others]) & (
        np.abs(wanted[rows] - poses[others]).max(axis=1) < 4.0 * REACH
    )
    yield from zip(asked[rows[near]].tolist(), others[near].tolist(), strict=True)


@njit(cache=True)
def shared(span: Array32, clip: Array32, start: int, shift: int) -> bool:
    """Whether a clip (frame, angle) has a span (frame, angle) of moving joints, near its frame `start`."""
    for begin in range(max(0, start - shift), min(clip.shape[0] - span.shape[0], start + shift) + 1):
        frame = 0
        while frame < span.shape[0]:
            square = 0.0
            for angle in range(span.shape[1]):
                square += (span[frame, angle] - clip[begin + frame, angle]) ** 2
            if square > SAME**2 * span.shape[1]:
                break
            frame += 1
        if frame == span.shape[0]:
            return moves(span)
    return False


@njit(cache=True)
def moves(span: Array32) -> bool:
    """Whether some joint angle of a span (frame, angle) varies by more than `MOVING`."""
    largest = 0.0
    for angle in range(span.shape[1]):
        largest = max(largest, span[:, angle].std())
    return largest > MOVING
