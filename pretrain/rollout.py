"""Rollouts: a prior fed with its own predictions, which is how it is used and therefore how it is judged."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from musclegym.body import Body
from musclegym.motion.features import StateLayout
from musclegym.motion.frames import place
from musclegym.motion.motion import Motion
from musclegym.pretrain.baselines import ConstantVelocity, ZeroVelocity
from musclegym.pretrain.metrics import (
    bootstrapped,
    diverged,
    explained,
    frozen,
    growth_exponent,
    joint_error,
    physics,
    skill,
)
from musclegym.pretrain.next_state import MotionModel, Prior
from musclegym.pretrain.windows import states_of
from musclegym.rotation import Array, IntArray

HORIZONS = (1, 10, 30, 60, 300)
"""Frames ahead at which a rollout is compared with the truth."""
ROOM = 60  # frames of truth that starts in clips shorter than the last horizon leave, where they can


def rollout_stability(
    models: Mapping[str, MotionModel],
    motions: Sequence[Motion],
    body: Body,
    horizons: Sequence[int] = HORIZONS,
    n_starts: int = 64,
    seed: int = 0,
    long: int = 0,
    long_starts: int = 100,
) -> dict[str, Any]:
    """Measure how rollouts depart from the motions they begin in, beside doing nothing and going on straight.

    Rollouts begin at random frames of each clip in turn. Cyclic clips go on as long as needed; at a horizon
    beyond the end of its clip a rollout has no truth and is left out there.

    Args:
        models: what is judged, by name, all of one frame rate and body.
        motions: clips to begin in, at the models' frame rate.
        body: places the joints.
        horizons: frames ahead at which the error is measured (not a mean up to there).
        n_starts: rollouts.
        seed: of the beginnings.
        long: length of further rollouts that are only looked at for whether they stay alive; 0 looks at those
            up to the last horizon instead.
        long_starts: how many of these there are.

    Returns:
        `fps`, `context` (frames that every rollout begins with), `clips`, `starts`, `seed`; `horizons`, one
        record for each horizon with truth: `horizon`, `starts`, and for each model and the baselines
        `zero_velocity` and `constant_velocity` what `compare` measures; and by name of the model `growth` and
        `alive`; `data`, the physics of the motions themselves.

    Raises:
        ValueError: if no clip is longer than the context, or a clip or model has another frame rate.
    """
    first = next(iter(models.values()))
    for model in models.values():
        check_rate(motions, model, first)
    context, last = max(model.window for model in models.values()), max(horizons)
    truth = [states_of(motion, context + max(last, long) + len(motion.q)) for motion in motions]
    clips, starts = draw_starts([len(states) for states in truth], context, last, n_starts, seed)
    given = contexts(truth, clips, starts, context)
    rivals: dict[str, Prior] = {
        **models,
        "zero_velocity": ZeroVelocity(),
        "constant_velocity": ConstantVelocity(first.layout, first.fps),
    }
    rollouts = {name: rolled_out(rival, given, last) for name, rival in rivals.items()}
    records = []
    for horizon in sorted(horizons):
        known = [i for i in range(n_starts) if starts[i] + context + horizon <= len(truth[clips[i]])]
        if known:
            true = np.stack([truth[clips[i]][starts[i] + context + horizon - 1] for i in known])
            measured = {name: states[known, horizon - 1] for name, states in rollouts.items()}
            record = compare(
                first.layout, body, given[known, -1].double().numpy(), true, measured, np.array(clips)[known]
            )
            records.append({"horizon": horizon, "starts": len(known), **record})
    if long:
        clips, starts = draw_starts([len(states) for states in truth], context, last, long_starts, seed + 1)
        given = contexts(truth, clips, starts, context)
        rollouts = {name: rolled_out(model, given, long) for name, model in models.items()}
    return {
        "fps": first.fps,
        "context": context,
        "clips": [motion.name for motion in motions],
        "starts": n_starts,
        "seed": seed,
        "horizons": records,
        "growth": {name: growth(records, name) for name in rivals},
        "alive": {
            name: alive(first.layout, body, rollouts[name], truth, clips, first.fps) for name in models
        },
        "data": mean_of([physics(body.skeleton, motion.q, motion.fps) for motion in motions]),
    }


def check_rate(motions: Sequence[Motion], model: MotionModel, first: MotionModel) -> None:
    """Refuse motions or a model of another frame rate."""
    for name, fps in [*((repr(motion.name), motion.fps) for motion in motions), (first.kind, first.fps)]:
        if fps != model.fps:
            raise ValueError(
                f"rollouts need motions and models at one frame rate, but {model.kind} has {model.fps} "
                f"frames/s and {name} has {fps}; load motions with fps={model.fps}"
            )


def contexts(truth: Sequence[Array], clips: Sequence[int], starts: Sequence[int], frames: int) -> Tensor:
    """Return the true states that rollouts begin with, shape (rollout, frame, 2 dof)."""
    rows = [truth[clip][start : start + frames] for clip, start in zip(clips, starts, strict=True)]
    return torch.as_tensor(np.stack(rows), dtype=torch.float32)


def rolled_out(model: Prior, context: Tensor, steps: int) -> Array:
    """Return the states (rollout, steps, 2 dof) that a model predicts."""
    with torch.no_grad():
        return model.roll_out(context, steps).double().numpy()


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
    room = [length - window - (last if length >= window + last else ROOM) + 1 for length in lengths]
    return clips, [int(random.integers(max(1, room[clip]))) for clip in clips]


def compare(
    layout: StateLayout,
    body: Body,
    start: Array,
    true: Array,
    predicted: Mapping[str, Array],
    clips: IntArray,
) -> dict[str, dict[str, Any]]:
    """Measure predictions of one frame.

    Args:
        layout: order of the numbers of a state.
        body: places the joints.
        start: the last true states seen, shape (sample, 2 dof).
        true: the states to be predicted, shape (sample, 2 dof).
        predicted: by name, states, shape (sample, 2 dof); `zero_velocity` is the reference of the skill.
        clips: clip of each sample, shape (sample,).

    Returns:
        By name: mean distance of joints from the truth in the world and relative to the root [mm], and the
        skill in both, each with its 95 % interval over clips; mean squared error of positions (tangent
        numbers), of velocities, and root mean square of both together; R^2 of the change of both since
        `start`, also block by block.
    """
    n = layout.n_dofs
    true_pose, true_joints = layout.pose(true), place(body.skeleton, true[:, :n]).position
    change = layout.difference(layout.pose(start), true_pose)
    record: dict[str, dict[str, Any]] = {}
    distances = {}
    for name, states in predicted.items():
        error = layout.difference(layout.pose(states), true_pose)
        joints = place(body.skeleton, states[:, :n]).position
        distances[name] = [
            joint_error(joints, true_joints, root_relative=relative) for relative in (False, True)
        ]
        record[name] = {
            "position_mse": float((error[:, :n] ** 2).mean()),
            "velocity_mse": float((error[:, n:] ** 2).mean()),
            "state_rmse": float(np.sqrt((error**2).mean())),
            "position_change_r2": explained(error[:, :n], change[:, :n]),
            "velocity_change_r2": explained(error[:, n:], change[:, n:]),
            "block_change_r2": {
                f"{block}_{what}": explained(error[:, columns + shift], change[:, columns + shift])
                for what, shift in (("position", 0), ("velocity", n))
                for block, columns in layout.dof_blocks.items()
                if columns.size
            },
        }
    for name, pair in distances.items():
        for kind, distance, rest in zip(
            ("", "root_relative_"), pair, distances["zero_velocity"], strict=True
        ):
            error_name = f"{kind or 'joint_'}error_mm"
            record[name][error_name] = 1000.0 * float(distance.mean())
            record[name][f"{error_name}_interval"] = [1000.0 * end for end in bootstrapped(distance, clips)]
            record[name][f"{kind}skill"] = skill(distance, rest)
            record[name][f"{kind}skill_interval"] = bootstrapped(distance, clips, rest)
    return record


def growth(records: Sequence[Mapping[str, Any]], name: str) -> dict[str, float]:
    """Return how an error grows: factors from 1 to 60 frames, exponent of the joint error from 10 to 60.

    The factors are of the mean distance of joints [mm] and of the root mean square of the 112 numbers.
    """
    found = {record["horizon"]: record[name] for record in records}
    out = {}
    if 1 in found and 60 in found:
        for key, measure in (("factor_1_to_60", "joint_error_mm"), ("state_factor_1_to_60", "state_rmse")):
            once = found[1][measure]
            out[key] = found[60][measure] / once if once > 0.0 else float("nan")
    if 10 in found and 60 in found:
        out["exponent_10_to_60"] = growth_exponent(
            found[10]["joint_error_mm"], found[60]["joint_error_mm"], 6.0
        )
    return out


def alive(
    layout: StateLayout,
    body: Body,
    rollouts: Array,
    truth: Sequence[Array],
    clips: Sequence[int],
    fps: float,
) -> dict[str, float]:
    """Return the shares of rollouts (rollout, frame, 2 dof) that diverge or freeze, physics of the others."""
    n, everything = layout.n_dofs, np.concatenate(truth)
    joint_speed = np.array([np.abs(moved(truth[clip][:, 6:n], fps)).mean() for clip in clips])

    def height(states: Array) -> Array:
        return layout.rest_height + states[..., 4]

    def speed(states: Array) -> Array:
        return np.linalg.norm(states[..., n + 3 : n + 6], axis=-1)

    lost = diverged(
        body.skeleton,
        height(rollouts),
        speed(rollouts),
        rollouts[..., 6:n],
        height(everything),
        speed(everything),
    )
    stopped = frozen(moved(rollouts[..., 6:n], fps), joint_speed) & ~lost
    sound = [physics(body.skeleton, states[:, :n], fps) for states in rollouts[~lost]]
    return {
        "frames": rollouts.shape[1],
        "rollouts": len(rollouts),
        "diverged": float(lost.mean()),
        "frozen": float(stopped.mean()),
        "moving": float((~lost & ~stopped).mean()),
        **(mean_of(sound) if sound else {}),
    }


def moved(joints: Array, fps: float) -> Array:
    """Return how fast joint coordinates (..., frame, joint dof) change, whatever velocity a state claims."""
    return np.diff(joints, axis=-2) * fps


def mean_of(records: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each number over those records in which it is known; NaN where it is in none."""
    columns = {name: np.array([record[name] for record in records]) for name in records[0]}
    known = {name: values[np.isfinite(values)] for name, values in columns.items()}
    return {name: float(values.mean()) if values.size else float("nan") for name, values in known.items()}


def stability_table(result: Mapping[str, Any]) -> str:
    """Return what `rollout_stability` measured as lines of text."""
    names = [name for name in result["horizons"][0] if name not in ("horizon", "starts")]
    width = max(len(name) for name in names)
    lines = [
        f"rollouts from {result['starts']} starts in {len(result['clips'])} clips, {result['context']} "
        f"frames of context at {result['fps']:g} frames/s; skill over zero velocity, 95 % over clips",
        f"{'frames':>6} {'starts':>6}  {'':{width}}  joint error [mm]        root-relative  skill"
        f"                change R^2: position  velocity",
    ]
    for record in result["horizons"]:
        for name in names:
            row = record[name]
            low, high = row["joint_error_mm_interval"]
            worst, best = row["skill_interval"]
            lines.append(
                f"{record['horizon']:6d} {record['starts']:6d}  {name:{width}}  {row['joint_error_mm']:7.1f} "
                f"({low:6.1f} {high:6.1f})  {row['root_relative_error_mm']:11.1f}  {row['skill']:5.2f} "
                f"({worst:5.2f} {best:5.2f})  {row['position_change_r2']:20.3f} "
                f"{row['velocity_change_r2']:9.3f}"
            )
    for name, state in result["alive"].items():
        lines.append(
            f"{name} after {state['frames']} frames: diverged {state['diverged']:.0%}, frozen "
            f"{state['frozen']:.0%}, moving {state['moving']:.0%} of {state['rollouts']} rollouts"
        )
    for label, row in [*result["alive"].items(), ("data", result["data"])]:
        if "jerk" in row:
            lines.append(
                f"{label}: skating {row['skating']:.1%} of frames, penetration {row['penetration_mm']:.1f} "
                f"mm, floating {row['floating_mm']:.1f} mm, jerk {row['jerk']:.0f} m/s^3"
            )
    lines += [
        f"growth of {name}: " + ", ".join(f"{key} {value:.2f}" for key, value in found.items())
        for name, found in result["growth"].items()
        if found
    ]
    return "\n".join(lines)
