"""Fit tendons to paths: where straight paths differ from a published model's, its slack lengths do not fit.

The rule is deterministic. Over sampled poses within the joint limits each path has a range of lengths.

1. Fibres keep their published length if they can follow that range within `FIBRE_WINDOW`, being no longer
   than `NEUTRAL_LIMIT` in the neutral pose (standing, arms hanging); else they are lengthened until they can.
2. The tendon gets the length at which the fibres have their stated length in the neutral pose, moved by as
   little as brings the whole range into the window.
3. Where that leaves no tendon at all, fibres fill the whole path, as short as the window's upper end allows.
"""

from dataclasses import replace

import numpy as np
from numba import njit

from musclegym.dynamics import Workspace, make_workspace
from musclegym.muscle.path import MuscleSet, Paths
from musclegym.muscle.transmission import MuscleBuffers, make_muscle_buffers, place_waypoints
from musclegym.rotation import Array
from musclegym.skeleton import Skeleton, Tree, forward_kinematics, local_rotations

FIBRE_WINDOW = (0.57, 1.56)
"""Normalised fibre lengths over the sampled poses, so that other poses stay within [0.5, 1.6]."""
NEUTRAL_LIMIT = 1.10
"""Largest normalised fibre length in the neutral pose; there the passive force is 2 % of the maximum."""
RANDOM_POSES = 6000  # of each kind: within the limits, near them, at them
SWEEP_POSES = 9


def sample_poses(skeleton: Skeleton, seed: int = 0) -> Array:
    """Return poses (pose, dof) within the joint limits: sweeps of each DoF, and three kinds of random poses.

    Their joint coordinates lie anywhere between the limits, mostly near one of them, or at one of them.

    The first pose is the rest pose; the root stays at rest.
    """
    generator = np.random.default_rng(seed)
    lower, upper = np.nan_to_num(skeleton.lower, neginf=0.0), np.nan_to_num(skeleton.upper, posinf=0.0)
    sweeps = np.zeros((skeleton.n_dofs, SWEEP_POSES, skeleton.n_dofs))
    for dof in range(skeleton.n_dofs):
        sweeps[dof, :, dof] = np.linspace(lower[dof], upper[dof], SWEEP_POSES)
    size = (RANDOM_POSES, skeleton.n_dofs)
    shares = generator.random(size), generator.beta(0.3, 0.3, size), np.round(generator.random(size))
    random = lower + (upper - lower) * np.concatenate(shares)
    return np.concatenate([np.zeros((1, skeleton.n_dofs)), sweeps.reshape(-1, skeleton.n_dofs), random])


def path_lengths(skeleton: Skeleton, muscles: MuscleSet, poses: Array) -> Array:
    """Return the path lengths (pose, muscle) [m] at poses (pose, dof)."""
    paths, work = muscles.paths(skeleton), make_workspace(skeleton)
    buffers = make_muscle_buffers(paths, skeleton.n_dofs)
    lengths = np.empty((len(poses), muscles.n_muscles))
    measure_paths(skeleton.tree, paths, poses, work, buffers, lengths)
    return lengths


@njit(cache=True)
def measure_paths(
    tree: Tree, paths: Paths, poses: Array, work: Workspace, buffers: MuscleBuffers, lengths: Array
) -> None:
    """Write the path lengths at poses (pose, dof) into `lengths` (pose, muscle) [m]."""
    for index in range(poses.shape[0]):
        local_rotations(tree, poses[index], work.local)
        forward_kinematics(tree, work.local, poses[index, 3:6], work.rotation, work.position, work.com)
        place_waypoints(paths, work.rotation, work.position, buffers)
        lengths[index] = buffers.path_length


def fit_tendons(
    skeleton: Skeleton, muscles: MuscleSet, neutral_pose: Array, neutral_fibre_length: Array
) -> MuscleSet:
    """Return the muscles with tendon slack lengths, and where needed fibre lengths, that fit their paths.

    Args:
        skeleton: the bodies, with their joint limits.
        muscles: muscles with published fibre lengths; their tendon slack lengths are not read.
        neutral_pose: standing with hanging arms, shape (dof,).
        neutral_fibre_length: wanted normalised fibre length in that pose, shape (muscle,) [-].
    """
    lengths = path_lengths(skeleton, muscles, np.concatenate([neutral_pose[None], sample_poses(skeleton)]))
    neutral, shortest, longest = lengths[0], lengths.min(axis=0), lengths.max(axis=0)
    angle = muscles.pennation_angle
    least, most, limit = (along_tendon(bound, angle) for bound in (*FIBRE_WINDOW, NEUTRAL_LIMIT))
    needed = np.maximum((longest - shortest) / (most - least), (neutral - shortest) / (limit - least))
    fibre = np.maximum(muscles.optimal_fibre_length, needed)
    wanted = neutral - fibre * along_tendon(neutral_fibre_length, angle)
    slack = np.clip(wanted, longest - fibre * most, shortest - fibre * least)
    fibre = np.where(slack < 0.0, longest / most, fibre)
    slack = np.maximum(slack, 0.0)
    return replace(muscles, optimal_fibre_length=fibre, tendon_slack_length=slack)


def along_tendon(fibre_length: float | Array, pennation: Array) -> Array:
    """Return normalised fibre lengths along the tendon [-], the muscle's thickness constant (Zajac 1989)."""
    return np.sqrt(np.square(fibre_length) - np.sin(pennation) ** 2)
