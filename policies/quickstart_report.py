"""What the quickstart's report says: its record turned into figures, charts, tables and commands."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import musclegym
from musclegym.charts import line_chart
from musclegym.manifest import environment_record
from musclegym.policies.bench import number, rollout_rows
from musclegym.report import Film, Report, Table, page

Record = Mapping[str, Any]


def write_report(folder: Path, record: Record, settings: Record) -> Path:
    """Write FOLDER/report.html.

    Args:
        folder: run folder of a quickstart, which holds its films.
        record: seconds and result of each stage.
        settings: of the quickstart.
    """
    before, after = record["before"]["result"], record["after"]["result"]
    curve = record["policy"]["result"]["curve"]
    report = Report(
        title="musclegym quickstart",
        lead=lead(record, settings),
        facts=facts(record),
        films=films(folder, record, settings),
        films_note="Both start at the same phase. Muscles run from blue, at rest, to red, fully active.",
        charts=charts(record, curve, before),
        charts_note="Trained on joint torques. A few minutes are the beginning of learning, not its end.",
        tables=[
            comparison(before, after),
            rollouts(record),
            muscles(record),
            speeds(record),
            files(folder),
        ],
        commands=commands(folder),
        footer=footer(settings),
    )
    path = folder / "report.html"
    path.write_text(page(report), encoding="utf-8")
    return path


def mean(result: Record, actuation: str, measure: str) -> float:
    """Return a mean from the table of an evaluation; NaN where there was nothing to measure."""
    value = result[actuation]["table"][measure]["mean"]
    return float("nan") if value is None else value


def lead(record: Record, settings: Record) -> str:
    """Say what was done."""
    body = musclegym.load_body("human")
    minutes = sum(stage["seconds"] for stage in record.values()) / 60.0
    return (
        f"A human of {body.skeleton.n_bodies} bodies, {body.n_dofs} degrees of freedom and {body.n_muscles} "
        f"muscles began to learn the motion “{settings['motion']}”: a motion prior was pretrained on "
        f"{len(record['motions']['result']['clips'])} clips, and a policy with its frozen encoder was "
        f"trained by PPO, all in {minutes:.1f} minutes."
    )


def facts(record: Record) -> dict[str, str]:
    """Return the headline figures."""
    before, after = (mean(record[name]["result"], "torque", "episode_steps") for name in ("before", "after"))
    policy = record["policy"]["result"]
    seen = [r for r in record["stability"]["result"]["prior"]["horizons"] if r["horizon"] <= 30][-1]
    return {
        "mean episode, control steps, before and after PPO": f"{before:.1f} → {after:.1f}",
        "control steps of experience": f"{policy['steps']:,}",
        "control steps per second, learning included": f"{policy['steps'] / policy['seconds']:,.0f}",
        f"skill of MotionNN {seen['horizon']} frames ahead, 1 is perfect": f"{seen['prior']['skill']:.2f}",
    }


def films(folder: Path, record: Record, settings: Record) -> list[Film]:
    """Return the animations of zero action and of the policy."""
    titles = {"before": "Before: zero action, which only follows the reference", "after": "After PPO"}
    lengths = record["films"]["result"]["steps"]
    return [
        Film(
            webp=(folder / f"{name}.webp").read_bytes(),
            name=f"The body following the motion {settings['motion']}. {title}",
            caption=f"{title}: {lengths[name]} control steps through the muscles",
        )
        for name, title in titles.items()
    ]


def charts(record: Record, curve: Sequence[Record], before: Record) -> list[str]:
    """Return the learning curves."""
    losses = record["prior"]["result"]["curve"]
    loss_names = {"pose": "after true frames", "chain_pose": "in its own rollouts"}
    lengths = [(point["steps"], point["episode_steps"]) for point in curve if "episode_steps" in point]
    steps = [point["steps"] for point in curve]
    terms = sorted({name for point in curve for name in point if name.startswith("reward/")})
    return [
        line_chart(
            {"policy, exploring": ([step for step, _ in lengths], [length for _, length in lengths])},
            "control steps of experience",
            "Mean episode [control steps]",
            levels={"zero action": mean(before, "torque", "episode_steps")},
        ),
        line_chart(
            {
                name.removeprefix("reward/").replace("_", " "): (steps, [p[name] for p in curve])
                for name in terms
            },
            "control steps of experience",
            "Reward terms per control step",
        ),
        line_chart(
            {
                name: (
                    [point["step"] for point in losses if key in point],
                    running_mean([point[key] for point in losses if key in point], 20),
                )
                for key, name in loss_names.items()
            },
            "optimiser steps",
            "Error of the next pose, MotionNN",
            logarithmic="y",
        ),
    ]


def running_mean(values: Sequence[float], width: int) -> list[float]:
    """Return the mean of each value and up to `width - 1` before it."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - width, 0)
    return ((total[last] - total[first]) / (last - first)).tolist()


def comparison(before: Record, after: Record) -> Table:
    """Return the measures of zero action and of the policy, on torques and through muscles."""
    measures = {
        "mean episode [control steps]": ("episode_steps", 1.0, 1),
        "reached 10 s [%]": ("success", 100.0, 0),
        "coverage of 10 s [%]": ("coverage", 100.0, 1),
        "reward per step": ("reward", 1.0, 3),
        "joint error, root-relative [mm]": ("joint_error_mm", 1.0, 1),
        "mean activation": ("activation", 1.0, 3),
    }
    columns = [(before, "torque"), (after, "torque"), (before, "muscle"), (after, "muscle")]
    rows = [
        [name, *(number(factor * mean(result, actuation, key), digits) for result, actuation in columns)]
        for name, (key, factor, digits) in measures.items()
    ]
    head = ["", "torque: zero action", "policy", "muscles: zero action", "policy"]
    note = (
        f"Deterministic policy, {len(before['torque']['episodes'])} episodes with evenly spread start "
        "phases, limit 10 s. Under “muscles” MuscleNN finds activations for the torques that the policy "
        "asks for."
    )
    return Table("Before and after", note, head, rows)


def rollouts(record: Record) -> Table:
    """Return the stability of rollouts of prior and policy."""
    head, rows = rollout_rows(record["stability"]["result"])
    note = (
        "MotionNN predicts from its own predictions, beside baselines that need no learning. Policies move "
        "the simulated body. Joint errors are relative to the root."
    )
    return Table("Stability of rollouts", note, head, rows)


def muscles(record: Record) -> Table:
    """Return how near MuscleNN comes to the wanted torques."""
    result = record["muscle"]["result"]
    rows = [
        [
            f"{row['motion']}, {row['states']}",
            *(number(row[key], 2) for key in ("wanted", "oracle", "network")),
            number(row["network_activation"], 3),
            number(100.0 * row["network_saturated"], 1),
        ]
        for row in result["scores"]["rows"]
    ]
    microseconds = result["scores"]["microseconds"]
    note = (
        f"{'The shipped network' if result['shipped'] else 'The network trained here'} on states that its "
        "training left out: root mean square over actuated degrees of freedom. It takes "
        f"{microseconds['network']:.0f} µs per state, the oracle, a bounded least-squares solver, "
        f"{microseconds['oracle']:.0f} µs."
    )
    head = [
        "states",
        "wanted torque [N m]",
        "error, oracle",
        "error, MuscleNN",
        "mean activation",
        "saturated [%]",
    ]
    return Table("MuscleNN beside the oracle", note, head, rows)


def speeds(record: Record) -> Table:
    """Return what each stage took, and the speed of its work."""
    policy, prior = record["policy"]["result"], record["prior"]["result"]
    before = record["before"]["result"]
    speed = {
        "prior": f"{prior['steps'] / prior['seconds']:.1f} optimiser steps/s",
        "policy": f"{policy['steps'] / policy['seconds']:.0f} control steps/s, learning included",
        "before": f"{mean(before, 'torque', 'steps_per_second'):.0f} control steps/s on torques, "
        f"{mean(before, 'muscle', 'steps_per_second'):.0f} through muscles, one core",
    }
    names = {
        "motions": "prepare motions",
        "prior": "pretrain MotionNN",
        "muscle": "prepare MuscleNN",
        "before": "measure zero action",
        "policy": "train the policy",
        "after": "measure the policy",
        "stability": "measure rollouts",
        "films": "make pictures",
    }
    rows = [[title, f"{record[name]['seconds']:.0f} s", speed.get(name, "")] for name, title in names.items()]
    return Table("Time and speed", "", ["stage", "time", "speed"], rows, texts=True)


def files(folder: Path) -> Table:
    """Return where everything was saved."""
    rows = [
        [f"{folder}/policy/policy.safetensors", "the policy, with its manifest policy.json"],
        [f"{folder}/prior/prior.safetensors", "MotionNN, with its manifest prior.json"],
        [f"{folder}/policy, {folder}/prior", "settings, checkpoints, TensorBoard logs and learning curves"],
        [f"{folder}/stages", "result of each stage as JSON"],
        [f"{folder}/before.webp, after.webp", "the pictures above"],
    ]
    return Table("Where everything is", "", ["file", "what it is"], rows, texts=True)


def commands(folder: Path) -> dict[str, str]:
    """Return what to run next."""
    return {
        f"musclegym train --resume {folder}/policy --minutes 60": "go on training, to an hour in all",
        f"musclegym evaluate {folder}/policy --seeds 3": "measure the policy again",
        f"musclegym replay {folder}/policy --actuation muscle --out walk.mp4": "make a film of it",
        f"musclegym bench rollout --prior {folder}/prior --policy {folder}/policy": "measure rollouts",
        "musclegym train --motion run --actuation muscle --minutes 60": "train another motion, by muscles",
        f"tensorboard --logdir {folder}": "look at every curve",
    }


def footer(settings: Record) -> str:
    """Say what this was made with."""
    made_with = environment_record()
    machine = made_with["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in made_with["versions"].items() if version)
    return (
        f"musclegym {made_with['musclegym']}, Python {made_with['python']}, {versions}; {machine['cpu']}, "
        f"{machine['cores']} cores; seed {settings['seed']}."
    )
