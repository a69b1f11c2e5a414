"""Which torques muscles cannot make: per DoF and direction, beside what motions ask of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from tqdm import tqdm

from musclegym.body import Body
from musclegym.charts import COLOURS, FAINT, INK, STYLE
from musclegym.motion.motion import Motion
from musclegym.muscle.network import Array32
from musclegym.muscle.oracle import Entries
from musclegym.policies.muscle_moments import Gains
from musclegym.policies.muscle_scores import (
    held_out_states,
    oracle_activation,
    torque_error,
    wanted_torque,
)
from musclegym.policies.muscle_settings import Setting
from musclegym.rotation import Array
from musclegym.strength import balanced_dofs, isometric_strength

ASKED = (1.0, 99.0)
"""Percentiles of the wanted torque that count as asked."""
MISSED = 1.0
"""A torque that the oracle misses by more is out of reach together with the other DoFs' [N m]."""
POSES = 3
"""Poses of each motion in which torques are balanced."""
WORST = 10
"""How many DoFs the table names."""


def reach_map(body: Body, motions: Sequence[Motion], *, states: int = 300, seed: int = 0) -> dict[str, Any]:
    """Compare the torques that muscles can make with those that motions ask.

    States are those that MuscleNN is judged on, with the default physiology; torques are active ones, those
    of passive forces being taken off. In each state a DoF's muscles alone, free of all other DoFs, make
    between the sum of the pulls one way and that of the other way. Balanced, the torques about the joint's
    other axes and distal joints add up to zero, as in `musclegym.strength`.

    Args:
        body: whose muscles.
        motions: of that body.
        states: how many are drawn per motion and condition.
        seed: of the draws.

    Returns:
        By DoF, each [N m] as negative and positive direction: `asked`, the 1st and 99th percentile of the
        wanted torque; `free`, the median of what the muscles make over the states, and `balanced`, over poses
        of the motions. `beyond_alone` is the share of states whose wanted torque is more than the DoF's
        muscles make at all, `beyond_together` that of those in which the oracle misses it by more than 1 N m.
    """
    sets = [held_out_states(body, motion, Setting(), 0.2, Gains(), states, seed) for motion in motions]
    entries = sets[0].entries
    features = np.concatenate([rows for one in sets for rows in one.features.values()])
    wanted = wanted_torque(features, entries)
    free = free_reach(features, entries)
    error = torque_error(features, entries, oracle_activation(features, entries))
    asked, middle = np.percentile(wanted, ASKED, axis=0), np.median(free, axis=1)
    balanced = balanced_reach(body, motions)
    alone = ((wanted < free[0]) | (wanted > free[1])).mean(axis=0)
    together = (np.abs(error) > MISSED).mean(axis=0)
    return {
        name: {
            "asked": asked[:, dof].tolist(),
            "free": middle[:, dof].tolist(),
            "balanced": balanced[:, dof].tolist(),
            "beyond_alone": float(alone[dof]),
            "beyond_together": float(together[dof]),
        }
        for dof, name in enumerate(body.dof_names[6:])
    }


def free_reach(features: Array32, entries: Entries) -> Array:
    """Return the least and the greatest torque about each DoF alone, shape (2, state, dof - 6) [N m]."""
    columns = features[:, : entries.dof.size].astype(np.float64)
    dofs = wanted_torque(features[:1], entries).shape[1]
    return np.array(
        [
            [pulls[:, entries.dof == dof].sum(axis=1) for dof in range(dofs)]
            for pulls in (np.minimum(columns, 0.0), np.maximum(columns, 0.0))
        ]
    ).transpose(0, 2, 1)


def balanced_reach(body: Body, motions: Sequence[Motion]) -> Array:
    """Return the median over poses of the balanced strength both ways, shape (2, dof - 6) [N m]."""
    times = [motion.duration * (number + 0.5) / POSES for motion in motions for number in range(POSES)]
    poses = [
        motion.at(time)[0] for motion, time in zip(np.repeat(np.array(motions), POSES), times, strict=True)
    ]
    out = np.empty((2, body.n_dofs - 6))
    for dof, name in enumerate(tqdm(body.dof_names[6:], desc="reach", unit="DoF", leave=False)):
        others = balanced_dofs(body, name, distal=True)
        for way, sign in enumerate((-1, 1)):
            strengths = [isometric_strength(body, pose, name, sign, others) for pose in poses]
            out[way, dof] = sign * np.median(strengths)
    return out


def reach_table(reach: Mapping[str, Any]) -> str:
    """Return the DoFs whose wanted torques are out of reach most often, as text."""
    worst = sorted(reach.items(), key=lambda item: -item[1]["beyond_together"])[:WORST]
    head = ("asked", "alone", "balanced")
    return "\n".join(
        [
            "Torques out of reach, share of states; torques each way [N m]: asked, muscles alone, balanced",
            f"{'worst DoFs':<16}{'alone':>8}{'together':>10}" + "".join(f"{name:>16}" for name in head),
            *(
                f"{name:<16}{dof['beyond_alone']:>8.1%}{dof['beyond_together']:>10.1%}"
                + "".join("{:>9.0f} {:>+6.0f}".format(*dof[key]) for key in ("asked", "free", "balanced"))
                for name, dof in worst
            ),
        ]
    )


def draw_reach(reach: Mapping[str, Any], path: Path) -> None:
    """Write the map as a picture, PNG or SVG by the file's name: a row per DoF, both directions."""
    rows = np.arange(len(reach))
    with rc_context({**STYLE, "axes.grid.axis": "x"}):
        figure = Figure(figsize=(8.0, 1.2 + 0.2 * len(reach)), layout="constrained", dpi=110)
        axes = figure.subplots()
        for key, height, colour, label in (
            ("free", 0.8, FAINT, "muscles alone"),
            ("balanced", 0.45, COLOURS[1], "balanced"),
        ):
            low, high = np.array([dof[key] for dof in reach.values()]).T
            axes.barh(rows, high - low, left=low, height=height, color=colour, label=label)
        asked = np.array([dof["asked"] for dof in reach.values()])
        axes.hlines(rows, *asked.T, color=COLOURS[0], linewidth=1.6, label="asked, 98 % of the states")
        axes.set_xscale("symlog", linthresh=10.0)
        axes.axvline(0.0, color=INK, linewidth=0.8)
        labels = [f"{name}  {dof['beyond_together']:.0%}" for name, dof in reach.items()]
        axes.set_yticks(rows, labels, fontsize=7.5)
        axes.set_ylim(len(reach) - 0.4, -0.6)
        axes.set_xlabel("active torque [N m]; beside each DoF the share of states out of its reach")
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(path)
