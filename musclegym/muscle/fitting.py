"""Fit tendons to paths: where straight paths differ from a published model's, its tendon slack lengths do not fit.

The rule is deterministic. Over sampled poses within the joint limits each muscle's path has a range of lengths. If the range is
longer than the fibres can follow within `FIBRE_WINDOW`, the fibres are lengthened until they can. The tendon then gets the length at
which the fibres have their published length in the neutral pose (standing, arms hanging), moved by as little as brings the
whole range into the window.
"""

from dataclasses import replace

import numpy as np

from musclegym.muscle.path import MuscleSet
from musclegym.muscle.transmission import make_muscle_buffers, place_waypoints
from musclegym.rotation import Array
from musclegym.skeleton import Skeleton, forward_kinematics, local_rotations

FIBRE_WINDOW = (0.55, 1.52)
"""Normalised fibre lengths kept over the sampled poses; inside [0.5, 1.6] so that poses between the samples stay within that."""
RANDOM_POSES = 1500
CORNER_POSES = 1500
SWEEP_POSES = 9


def sample_poses(skeleton: Skeleton, seed: int = 0) -> Array:
    """Return poses (pose, dof) within the joint limits: sweeps of each DoF, random poses and random corners of the range.

    The first pose is the rest pose; the root stays at rest.
    """
    generator = np.random.default_rng(seed)
    lower, upper = np.nan_to_num(skeleton.lower, neginf=0.0), np.nan_to_num(skeleton.upper, posinf=0.0)
    sweeps = np.zeros((skeleton.n_dofs, SWEEP_POSES, skeleton.n_dofs))
    for dof in range(skeleton.n_dofs):
        sweeps[dof, :, dof] = np.linspace(lower[dof], upper[dof], SWEEP_POSES)
    random = generator.uniform(size=(RANDOM_POSES, skeleton.n_dofs))
    corners = generator.integers(0, 2, size=(CORNER_POSES, skeleton.n_dofs))
    spread = lower + np.concatenate([random, corners]) * (upper - lower)
    return np.concatenate([np.zeros((1, skeleton.n_dofs)), sweeps.reshape(-1, skeleton.n_dofs), spread])


def path_lengths(skeleton: Skeleton, muscles: MuscleSet, poses: Array) -> Array:
    """Return the path lengths (pose, muscle) [m] at poses (pose, dof)."""
    paths, tree, bodies = muscles.paths(skeleton), skeleton.tree, skeleton.n_bodies
    buffers = make_muscle_buffers(paths, skeleton.n_dofs)
    local, rotation = np.zeros((bodies, 3, 3)), np.zeros((bodies, 3, 3))
    position, com = np.zeros((bodies, 3)), np.zeros((bodies, 3))
    lengths = np.empty((len(poses), muscles.n_muscles))
    for index, pose in enumerate(poses):
        local_rotations(tree, pose, local)
        forward_kinematics(tree, local, pose[3:6], rotation, position, com)
        for muscle in range(muscles.n_muscles):
            place_waypoints(paths, muscle, rotation, position, buffers)
        lengths[index] = buffers.path_length
    return lengths


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
    shortest, longest = lengths.min(axis=0), lengths.max(axis=0)
    least, most = (along_tendon(bound, muscles.pennation_angle) for bound in FIBRE_WINDOW)
    fibre = np.maximum(muscles.optimal_fibre_length, (longest - shortest) / (most - least))
    wanted = lengths[0] - fibre * along_tendon(neutral_fibre_length, muscles.pennation_angle)
    slack = np.clip(wanted, longest - fibre * most, shortest - fibre * least)
    return replace(muscles, optimal_fibre_length=fibre, tendon_slack_length=slack)


def along_tendon(fibre_length: float | Array, pennation: Array) -> Array:
    """Return the length of normalised fibres along the tendon [-], at constant muscle thickness (Zajac 1989)."""
    return np.sqrt(np.square(fibre_length) - np.sin(pennation) ** 2)
