"""How well MuscleNN makes the torques that are wanted, beside the oracle, on states kept from training."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from musclegym.body import Body
from musclegym.motion.motion import Motion
from musclegym.muscle.network import Array32, MuscleNN
from musclegym.muscle.oracle import Entries, least_squares
from musclegym.policies.muscle_moments import Gains, held_out_moments
from musclegym.policies.muscle_settings import Setting
from musclegym.policies.muscle_states import Spread, StateSampler
from musclegym.rotation import Array
from musclegym.scaling import scale_motion

SATURATED = 0.95
"""A muscle counts as saturated above this activation [-]."""
ALLOWED_FACTOR, ALLOWED_ERROR = 1.25, 2.0
"""A network is good enough while its error is at most the oracle's times the first plus the second [N m]."""
WORST = 8
"""How many DoFs the table names."""
CONDITIONS = {
    "as recorded": (Spread(0.0, 0.0, 0.0, 0.0), 1.0),
    "perturbed": (Spread(0.1, 0.5, 0.1, 0.0), 0.0),
}
"""Where states are judged: how far they lie from the motion; share that wants inverse dynamics' torque."""


class HeldOut(NamedTuple):
    """States of one motion that training leaves out."""

    entries: Entries
    features: dict[str, Array32]  # (state, feature) by condition


def held_out_states(
    body: Body, motion: Motion, setting: Setting, held_out: float, gains: Gains, states: int, seed: int
) -> HeldOut:
    """Draw states around the end of a motion under a setting; see `muscle_scores`."""
    built = setting.applied(body)
    moved = motion if built is body else scale_motion(motion, built.skeleton)
    moments = held_out_moments(built, moved, held_out, gains)
    sampler = StateSampler(built, moments, gains, setting.muscles)
    features = {
        name: sampler.draw(states, np.random.default_rng(seed), spread, varied=False, followed=followed)
        for name, (spread, followed) in CONDITIONS.items()
    }
    return HeldOut(sampler.entries, features)


def muscle_scores(
    body: Body,
    network: MuscleNN,
    motions: Sequence[Motion],
    *,
    held_out: float = 0.2,
    setting: Setting | None = None,
    gains: Gains | None = None,
    states: int = 300,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure a network on the ends of motions, which training leaves out.

    Args:
        body: whose muscles.
        network: ready to `activate`.
        motions: of that body.
        held_out: share of each motion, at its end, that is judged.
        setting: physiology and build, relative to the body's own; by default the body as it is.
        gains: stable PD and rates; by default the environment's.
        states: how many are drawn per motion and condition.
        seed: of the draws.

    Returns:
        `rows`, one per motion and condition, root mean squares over states and actuated DoFs [N m];
        `dofs`, the errors per DoF over all rows [N m]; `microseconds` per state; `passes`.
    """
    rows, errors, features = [], [], np.zeros((0, network.n_features), dtype=np.float32)
    for motion in motions:
        held = held_out_states(body, motion, setting or Setting(), held_out, gains or Gains(), states, seed)
        for name, features in held.features.items():
            row, error = score(network, held.entries, features)
            rows.append({"motion": motion.name, "states": name, **row})
            errors.append(error)
    per_dof = np.sqrt((np.concatenate(errors, axis=1) ** 2).mean(axis=1))
    names = body.dof_names[6:]
    return {
        "rows": rows,
        "dofs": {
            name: {"wanted": w, "oracle": o, "network": n}
            for name, w, o, n in zip(names, *per_dof, strict=True)
        },
        "microseconds": timing(network, features),
        "passes": all(row["network"] <= row["allowed"] for row in rows),
    }


def score(network: MuscleNN, entries: Entries, features: Array32) -> tuple[dict[str, float], Array]:
    """Return a row of scores; wanted torque, oracle's and network's error (3, state, dof - 6) [N m]."""
    wanted = wanted_torque(features, entries)
    by_oracle, by_network = oracle_activation(features, entries), network.activate(features)
    errors = np.array([wanted, *(torque_error(features, entries, a) for a in (by_oracle, by_network))])
    rms_wanted, rms_oracle, rms_network = np.sqrt((errors**2).mean(axis=(1, 2))).tolist()
    row = {
        "wanted": rms_wanted,
        "oracle": rms_oracle,
        "network": rms_network,
        "allowed": ALLOWED_FACTOR * rms_oracle + ALLOWED_ERROR,
        "oracle_activation": float(by_oracle.mean()),
        "network_activation": float(by_network.mean()),
        "oracle_saturated": float((by_oracle > SATURATED).mean()),
        "network_saturated": float((by_network > SATURATED).mean()),
    }
    return row, errors


def wanted_torque(features: Array32, entries: Entries) -> Array:
    """Return the torque (state, dof - 6) [N m] that active forces shall make."""
    muscles = entries.start.size - 1
    return features[:, entries.dof.size : features.shape[1] - muscles].astype(np.float64)


def torque_error(features: Array32, entries: Entries, activation: Array | Array32) -> Array:
    """Return active minus wanted torque (state, dof - 6) [N m] at activations (state, muscle)."""
    each = features[:, : entries.dof.size] * np.repeat(activation, np.diff(entries.start), axis=1)
    wanted = wanted_torque(features, entries)
    active = [each[:, entries.dof == dof].sum(axis=1) for dof in range(wanted.shape[1])]
    return np.stack(active, axis=1) - wanted


def oracle_activation(features: Array32, entries: Entries) -> Array:
    """Return the oracle's activations (state, muscle)."""
    wanted = wanted_torque(features, entries)
    muscles = entries.start.size - 1
    activation = np.empty((len(features), muscles))
    columns, muscle = (
        np.zeros((muscles, 6 + wanted.shape[1])),
        np.repeat(np.arange(muscles), np.diff(entries.start)),
    )
    for row, state in enumerate(features):
        columns[muscle, 6 + entries.dof] = state[: entries.dof.size]
        least_squares(columns, entries, wanted[row], activation[row])
    return activation


def timing(network: MuscleNN, features: Array32) -> dict[str, float]:
    """Return the time per state of the oracle, and of the network for one state and for 16 at once [us]."""
    tasks = {
        "oracle": (lambda: oracle_activation(features[:16], network.entries), 16),
        "network": (lambda: network.activate(features[:1]), 1),
        "network_16": (lambda: network.activate(features[:16]), 16),
    }
    fastest = {}
    for name, (task, states) in tasks.items():
        spans = []
        for _ in range(20):
            begin = time.perf_counter()
            task()
            spans.append(time.perf_counter() - begin)
        fastest[name] = 1e6 * min(spans) / states
    return fastest


def muscle_table(scores: Mapping[str, Any]) -> str:
    """Return the scores of `muscle_scores` as text: a line per motion and condition, then the worst DoFs."""
    lines = [
        "Torque error, RMS over actuated DoFs [N m]; activation and saturated muscles, oracle / network",
        f"{'held-out states':<22}{'wanted':>8}{'oracle':>8}{'network':>9}{'allowed':>9}"
        f"{'activation':>15}{'saturated':>16}",
        *map(row_text, scores["rows"]),
        f"{'worst DoFs':<22}{'wanted':>8}{'oracle':>8}{'network':>9}",
    ]
    worst = sorted(scores["dofs"].items(), key=lambda item: -item[1]["network"])[:WORST]
    lines += [
        f"{name:<22}{dof['wanted']:>8.2f}{dof['oracle']:>8.2f}{dof['network']:>9.2f}" for name, dof in worst
    ]
    spans, verdict = scores["microseconds"], "within" if scores["passes"] else "NOT within"
    lines.append(
        f"{spans['network']:.0f} us a state alone, {spans['network_16']:.0f} us each of 16, oracle "
        f"{spans['oracle']:.0f} us; {verdict} {ALLOWED_FACTOR} x oracle + {ALLOWED_ERROR} N m"
    )
    return "\n".join(lines)


def row_text(row: Mapping[str, Any]) -> str:
    """Return one row of the table."""
    activation = f"{row['oracle_activation']:.3f} / {row['network_activation']:.3f}"
    saturated = f"{row['oracle_saturated']:.1%} / {row['network_saturated']:.1%}"
    return (
        f"{row['motion'] + ', ' + row['states']:<22}{row['wanted']:>8.2f}{row['oracle']:>8.2f}"
        f"{row['network']:>9.2f}{row['allowed']:>9.2f}{activation:>15}{saturated:>16}"
    )
