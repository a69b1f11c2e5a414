"""Rollouts: a prior fed with its own predictions, which is how it is used and therefore how it is judged."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from musclegym.body import Body
from musclegym.motion.features import StateLayout
from musclegym.motion.motion import Motion
from musclegym.pretrain.baselines import ConstantVelocity, ZeroVelocity
from musclegym.pretrain.metrics import (
    diverged,
    explained,
    frozen,
    growth_exponent,
    joint_error,
    skating_ratio,
    skill,
)
from musclegym.pretrain.next_state import NextStateModel, Prior
from musclegym.pretrain.windows import states_of
from musclegym.rotation import Array

HORIZONS = (1, 10, 30, 60, 300)
"""Frames ahead at which a rollout is compared with the truth."""


def rollout_stability(
    prior: NextStateModel,
    motions: Sequence[Motion],
    body: Body,
    horizons: Sequence[int] = HORIZONS,
    n_starts: int = 64,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure how rollouts depart from the motions they begin in, beside doing nothing and going on straight.

    Rollouts begin at random frames of each clip in turn. Cyclic clips go on as long as needed; at a horizon
    beyond the end of its clip a rollout has no truth and is left out there.

    Args:
        prior: the network to judge.
        motions: clips to begin in, at the prior's frame rate.
        body: places the joints.
        horizons: frames ahead at which the error is measured (not a mean up to there).
        n_starts: rollouts.
        seed: of the beginnings.

    Returns:
        `fps`, `window`, `clips`, `starts`; `horizons`, one record for each horizon with truth: `horizon`,
        `starts`, and for `prior`, `zero_velocity` and `constant_velocity` what `compare` measures; `growth`;
        and `alive`, which looks at all rollouts up to the last horizon.

    Raises:
        ValueError: if no clip is longer than the window, or a clip has another frame rate.
    """
    window, last = prior.window, max(horizons)
    truth = [states_of(motion, window + last + len(motion.q)) for motion in checked(motions, prior)]
    clips, starts = draw_starts([len(states) for states in truth], window, last, n_starts, seed)
    context = np.stack(
        [truth[clip][start : start + window] for clip, start in zip(clips, starts, strict=True)]
    )
    rivals: dict[str, Prior] = {
        "prior": prior,
        "zero_velocity": ZeroVelocity(),
        "constant_velocity": ConstantVelocity(prior.layout, prior.fps),
    }
    given = torch.as_tensor(context, dtype=torch.float32)
    rollouts = {name: rival.roll_out(given, last).double().numpy() for name, rival in rivals.items()}
    records = []
    for horizon in sorted(horizons):
        known = [i for i in range(n_starts) if starts[i] + window + horizon <= len(truth[clips[i]])]
        if known:
            true = np.stack([truth[clips[i]][starts[i] + window + horizon - 1] for i in known])
            measured = {name: states[known, horizon - 1] for name, states in rollouts.items()}
            record = compare(prior.layout, body, context[known, -1], true, measured)
            records.append({"horizon": horizon, "starts": len(known), **record})
    return {
        "fps": prior.fps,
        "window": window,
        "clips": [motion.name for motion in motions],
        "starts": n_starts,
        "seed": seed,
        "horizons": records,
        "growth": growth(records),
        "alive": alive(prior, body, rollouts["prior"], truth, clips),
    }


def checked(motions: Sequence[Motion], prior: NextStateModel) -> Sequence[Motion]:
    """Return `motions`, which must have the prior's frame rate."""
    for motion in motions:
        if motion.fps != prior.fps:
            raise ValueError(
                f"rollouts need motions at the prior's {prior.fps} frames/s, but {motion.name!r} has "
                f"{motion.fps}; load it with fps={prior.fps}"
            )
    return motions


def draw_starts(
    lengths: Sequence[int], window: int, last: int, count: int, seed: int
) -> tuple[list[int], list[int]]:
    """Draw clip and first frame of `count` contexts, with `last` frames of truth after where a clip has them.

    In shorter clips they begin so that 60 frames follow, or at the first frame.
    """
    usable = [clip for clip, length in enumerate(lengths) if length > window]
    if not usable:
        raise ValueError(
            f"rollouts begin with {window} true frames and need one more, but the longest of {len(lengths)} "
            f"clips has {max(lengths, default=0)} frames; give longer motions or a prior with a shorter "
            f"window"
        )
    random = np.random.default_rng(seed)
    clips = [usable[i % len(usable)] for i in range(count)]
    room = [length - window - (last if length >= window + last else 60) + 1 for length in lengths]
    return clips, [int(random.integers(max(1, room[clip]))) for clip in clips]


def compare(
    layout: StateLayout, body: Body, start: Array, true: Array, predicted: Mapping[str, Array]
) -> dict[str, dict[str, float]]:
    """Measure predictions of one frame.

    Args:
        layout: order of the numbers of a state.
        body: places the joints.
        start: the last true states seen, shape (sample, 2 dof).
        true: the states to be predicted, shape (sample, 2 dof).
        predicted: by name, states, shape (sample, 2 dof); `zero_velocity` is the reference of the skill.

    Returns:
        By name: mean distance of joints from the truth in the world and relative to the root [mm]; mean
        squared error of positions (tangent numbers) and velocities; R^2 of the change of both since `start`;
        skill in both distances.
    """
    n = layout.n_dofs
    true_pose, true_joints = layout.pose(true), body.joint_positions(true[:, :n])
    change = layout.difference(layout.pose(start), true_pose)
    record, distances = {}, {}
    for name, states in predicted.items():
        error = layout.difference(layout.pose(states), true_pose)
        joints = body.joint_positions(states[:, :n])
        distances[name] = [
            joint_error(joints, true_joints, root_relative=relative) for relative in (False, True)
        ]
        record[name] = {
            "joint_error_mm": 1000.0 * float(distances[name][0].mean()),
            "root_relative_error_mm": 1000.0 * float(distances[name][1].mean()),
            "position_mse": float((error[:, :n] ** 2).mean()),
            "velocity_mse": float((error[:, n:] ** 2).mean()),
            "position_change_r2": explained(error[:, :n], change[:, :n]),
            "velocity_change_r2": explained(error[:, n:], change[:, n:]),
        }
    for name, (world, relative) in distances.items():
        record[name]["skill"] = skill(world, distances["zero_velocity"][0])
        record[name]["root_relative_skill"] = skill(relative, distances["zero_velocity"][1])
    return record


def growth(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the growth of the joint error: from 1 to 60 frames as a factor, from 10 to 60 as an exponent."""
    errors = {record["horizon"]: record["prior"]["joint_error_mm"] for record in records}
    out = {}
    if 1 in errors and 60 in errors:
        out["factor_1_to_60"] = errors[60] / errors[1]
    if 10 in errors and 60 in errors:
        out["exponent_10_to_60"] = growth_exponent(errors[10], errors[60], 6.0)
    return out


def alive(
    prior: NextStateModel, body: Body, rollouts: Array, truth: Sequence[Array], clips: Sequence[int]
) -> dict[str, float]:
    """Return the shares of rollouts (rollout, frame, 2 dof) that diverge or freeze and of skating frames."""
    layout, n = prior.layout, prior.layout.n_dofs
    everything = np.concatenate(truth)
    joint_speed = np.array([np.abs(truth[clip][:, n + 6 :]).mean() for clip in clips])

    def height(states: Array) -> Array:
        return layout.rest_height + states[..., 4]

    def speed(states: Array) -> Array:
        return np.linalg.norm(states[..., n + 3 : n + 6], axis=-1)

    lost = diverged(height(rollouts), speed(rollouts), height(everything), speed(everything))
    feet = np.flatnonzero(body.skeleton.contact)
    skating = [
        skating_ratio(body.joint_positions(states[:, :n])[:, feet], prior.fps) for states in rollouts[~lost]
    ]
    true_skating = [
        skating_ratio(body.joint_positions(states[:, :n])[:, feet], prior.fps) for states in truth
    ]
    return {
        "frames": rollouts.shape[1],
        "diverged": float(lost.mean()),
        "frozen": float((frozen(rollouts[..., n + 6 :], joint_speed) & ~lost).mean()),
        "skating": float(np.mean(skating)) if skating else float("nan"),
        "data_skating": float(np.mean(true_skating)),
    }


def stability_table(result: Mapping[str, Any]) -> str:
    """Return what `rollout_stability` measured as lines of text."""
    names = ("prior", "zero_velocity", "constant_velocity")
    lines = [
        f"rollouts from {result['starts']} starts in {len(result['clips'])} clips, {result['window']} frames "
        f"of context "
        f"at {result['fps']:g} frames/s",
        f"{'':16}  joint error [mm]           root-relative [mm]        skill over   change R^2",
        f"{'frames':>7} {'starts':>7}  {'prior':>7} {'zero v':>8} {'const v':>8}  {'prior':>7} {'zero v':>8} "
        f"{'const v':>8}  "
        f"{'zero v':>7}  {'position':>9} {'velocity':>9}",
    ]
    for record in result["horizons"]:
        world = [record[name]["joint_error_mm"] for name in names]
        relative = [record[name]["root_relative_error_mm"] for name in names]
        prior = record["prior"]
        lines.append(
            f"{record['horizon']:7d} {record['starts']:7d}  {world[0]:7.1f} {world[1]:8.1f} {world[2]:8.1f}  "
            f"{relative[0]:7.1f} {relative[1]:8.1f} {relative[2]:8.1f}  {prior['skill']:7.2f}  "
            f"{prior['position_change_r2']:9.3f} {prior['velocity_change_r2']:9.3f}"
        )
    state = result["alive"]
    lines.append(
        f"after {state['frames']} frames: diverged {state['diverged']:.0%}, frozen {state['frozen']:.0%}, "
        f"skating {state['skating']:.1%} of frames (data {state['data_skating']:.1%})"
    )
    lines += [f"growth {name}: {value:.2f}" for name, value in result["growth"].items()]
    return "\n".join(lines)
