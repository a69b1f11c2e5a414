"""Write the README's tables from the files in benchmarks/results.

    python benchmarks/readme_tables.py [--check]

A table stands between `<!-- table NAME -->` and `<!-- end -->`. With --check nothing is written, and a README
that differs from what the results say is an error.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, the first column left-aligned and the others right."""
    rule = "|---|" + "---:|" * (len(head) - 1)
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])


def throughput(result: dict[str, Any]) -> str:
    """Return control steps per second of the environment beside the bare engine's."""
    rows = [
        [
            body,
            case,
            f"{row['steps_per_second']:.0f}",
            f"{row['ratio_to_raw']:.2f}",
            f"{row['times_real_time']:.1f}",
        ]
        for body, cases in result["results"].items()
        for case, row in cases.items()
    ]
    return markdown(["body", "actuation", "control steps/s", "ratio to raw physics", "x real time"], rows)


def processes(result: dict[str, Any]) -> str:
    """Return how much faster members step in several processes than in one."""
    members, count = result["settings"]["members"], result["settings"]["processes"]
    rows = [
        [
            body,
            case,
            f"{row['one_steps_per_second']:.0f}",
            f"{row['several_steps_per_second']:.0f}",
            f"{row['speed_up']:.2f}",
            f"{row['caller_share']:.1%}",
        ]
        for body, cases in result["processes"].items()
        for case, row in cases.items()
    ]
    share = "caller's share of the work"
    head = ["body", f"actuation, {members} members", "one process", f"{count} processes", "speed-up", share]
    return markdown(head, rows)


def rates(result: dict[str, Any]) -> str:
    """Return what the physics rate and the rate of muscle updates change."""
    names = {
        "physics_hz": "physics",
        "physics_hz_without_contacts": "physics, contact forces left out of stable PD",
        "muscle_hz": "muscle updates (oracle)",
    }
    rows = [
        [
            f"{names[name]}, {hz} Hz",
            f"{row['distance_rad']:.3f}",
            f"{row['pose_error_rad2']:.2f}",
            f"{row['episode_steps']:.1f}",
        ]
        for name, study in result["results"].items()
        for hz, row in study.items()
    ]
    head = ["rate", "distance from the highest rate [rad]", "pose error [rad²]", "control steps to the fall"]
    return markdown(head, rows)


def strength(result: dict[str, Any]) -> str:
    """Return the human's isometric strength beside published ranges."""
    rows = [
        [
            row["movement"].replace("_", " "),
            f"{row['torque']:.0f}",
            "{:.0f} to {:.0f}".format(*row["published"]),
        ]
        for row in result["strength"]
    ]
    return markdown(["movement", "human [N m]", "published [N m]"], rows)


def inverse_dynamics(result: dict[str, Any]) -> str:
    """Return how nearly muscles make the torques of recorded motions."""
    rows = [
        [
            row["motion"],
            f"{row['torque_rms_Nm']:.1f}",
            f"{row['residual_percent']:.2f} %",
            f"{row['mean_activation']:.3f}",
            f"{row['saturated_percent']:.1f} %",
        ]
        for row in result["inverse_dynamics"]
    ]
    head = ["motion", "joint torque, RMS [N m]", "residual of the oracle", "mean activation", "saturated"]
    return markdown(head, rows)


def retargeting(result: dict[str, Any]) -> str:
    """Return how well the human follows the motions of each source."""
    rows = [
        [
            " and ".join(row["families"])
            + (" (embedded)" if name == "embedded" else ", AMC" if row["formats"] == ["amc"] else ""),
            str(row["clips"]),
            f"{row['limb_error']:.1f} ({row['worst_limb_error']:.1f})",
            f"{row['walk_skating']:.3f} ({row['walk_source_skating']:.3f})" if row["walks"] else "no walks",
            f"{row['sliding']:.3f}",
            f"{row['deepest']:.1f}",
            f"{row['floating']:.1f}",
            f"{row['clipped']:.1%}",
        ]
        for name, row in result["results"].items()
    ]
    limbs, skating = "limb error, mean (worst clip) [mm]", "walks: skating (the source's) [share]"
    sliding, under, above = (
        "soles sliding [share]",
        "deepest under ground [mm]",
        "standing soles above it [mm]",
    )
    return markdown(["source", "clips", limbs, skating, sliding, under, above, "clipped angles"], rows)


def library(result: dict[str, Any]) -> str:
    """Return what it takes to build a library of motions and to read windows of it."""
    figures = result["results"]
    build, windows, memory = figures["build"], figures["windows_per_second"], figures["memory"]
    rows = [
        ["motions", f"{figures['clips']:,} clips, {figures['seconds_of_motion'] / 3600:.1f} h"],
        ["first build, one process", f"{build['single_seconds']:.0f} s"],
        [f"first build, {build['workers']} processes", f"{build['parallel_seconds']:.0f} s"],
        ["build with nothing changed", f"{build['unchanged_seconds']:.1f} s"],
        *(
            [f"windows of {figures['window_frames']} frames, {name}", f"{rate:,.0f} a second"]
            for name, rate in windows.items()
        ),
        *(
            [f"peak memory of a reader, {row['clips']:,} clips", f"{row['peak_megabytes']:.0f} MB"]
            for row in memory
        ),
    ]
    return markdown(["motion library", "measured"], rows)


def muscle_network(result: dict[str, Any]) -> str:
    """Return MuscleNN's torque error beside the oracle's."""
    rows = [
        [
            f"{row['motion']}, {row['states']}",
            *(f"{row[name]:.2f}" for name in ("wanted", "oracle", "network", "allowed")),
            f"{row['oracle_saturated']:.1%} / {row['network_saturated']:.1%}",
        ]
        for row in result["settings"]["default"]["rows"]
    ]
    bar, saturated = "bar: 1.25 x oracle + 2", "saturated: oracle / MuscleNN"
    head = ["held-out states [N m]", "wanted", "oracle", "MuscleNN", bar, saturated]
    return markdown(head, rows)


def muscle_settings(result: dict[str, Any]) -> str:
    """Return MuscleNN's torque error beside the oracle's under each physiology and build."""
    rows = [
        [name, *(f"{row['oracle']:.2f} / {row['network']:.2f}" for row in setting["rows"])]
        for name, setting in result["settings"].items()
    ]
    columns = [f"{row['motion']}, {row['states']}" for row in result["settings"]["default"]["rows"]]
    return markdown(["oracle / MuscleNN [N m]", *columns], rows)


def priors(result: dict[str, Any]) -> str:
    """Return the errors of priors and baselines in rollouts, by horizon."""
    names = [name for name in result["rollouts"]["horizons"][0] if name not in ("horizon", "starts")]
    rows = []
    for row in result["rollouts"]["horizons"]:
        errors = [f"{row[name]['joint_error_mm']:.0f} / {row[name]['skill']:.2f}" for name in names]
        rows.append([str(row["horizon"]), *errors])
    return markdown(["frames ahead", *(name.replace("_", " ") for name in names)], rows)


def prior_bars(shipped: dict[str, Any], everything: dict[str, Any]) -> str:
    """Return the bars that priors are held against: the shipped one, and one trained on all motions."""
    rows = []
    for pair in zip(shipped["bars"], everything["bars"], strict=True):
        cells = [f"{row['value']:.3g} {'holds' if row['holds'] else '**fails**'}" for row in pair]
        rows.append([pair[0]["name"], pair[0]["bar"], *cells])
    return markdown(["MotionNN on unseen people", "bar", "shipped", "trained on everything"], rows)


def prior_ablation(result: dict[str, Any]) -> str:
    """Return what changes of the recipe come to, means over the seeds with half their range."""
    columns = {f"skill_{horizon}": f"skill at {horizon}" for horizon in (1, 10, 30, 60)}
    columns |= {"diverged": "diverged", "moving": "still moving"}
    rows = [
        [name, *(f"{row[key]['mean']:.2f} ± {row[key]['range'] / 2:.2f}" for key in columns)]
        for name, row in result["summary"].items()
    ]
    return markdown(["recipe with", *columns.values()], rows)


def quickstart(result: dict[str, Any]) -> str:
    """Return what a quickstart's policy did before and after training."""
    rows = []
    for name in ("torque", "muscle"):
        before, after = (result[stage]["result"][name]["table"] for stage in ("before", "after"))
        for title, table in (("zero action", before), ("after PPO", after)):
            rows.append(
                [
                    f"{name}, {title}",
                    *(f"{table[key]['mean']:.{digits}f}" for key, digits in QUICKSTART_COLUMNS.values()),
                ]
            )
    return markdown(["actuation", *QUICKSTART_COLUMNS], rows)


def policies(*results: dict[str, Any]) -> str:
    """Return a table of the policies' measures, and one of the pushes that they survive."""
    tables = [policy_table(results, POLICY_COLUMNS)]
    pushed = [result for result in results if result.get("pushes")]
    if pushed:
        tables.append(policy_table(pushed, PUSH_COLUMNS))
    return "\n\n".join(tables)


def policy_table(results: Sequence[dict[str, Any]], columns: dict[str, tuple[str, int, float]]) -> str:
    """Return a row for each policy with these columns."""
    rows = []
    for result in results:
        cells = []
        for key, (_, digits, factor) in columns.items():
            mean = result["table"][key]["mean"]
            ends = result["table"][key]["interval"]
            low, high = (factor * (math.nan if end is None else end) for end in ends)
            known = f"{factor * (mean or 0.0):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
            cells.append("-" if mean is None else known)
        rows.append([f"`{Path(result['policy']).name}`", *cells])
    return markdown(["policy", *(title for title, _, _ in columns.values())], rows)


def comparison(result: dict[str, Any]) -> str:
    """Return coverages along trainings of several variants, and the last error, with 95 % intervals."""
    parts = 5
    ends = [result["settings"]["samples"] * (part + 1) // parts for part in range(parts)]
    rows = []
    for name, points in result["means"].items():
        at = {point["samples"]: point for point in points}
        cells = [around(at[end]["coverage"], 2) if end in at else "-" for end in ends]
        last = at.get(ends[-1])
        error = "-" if last is None else around(last["joint_error_mm"], 0)
        rows.append([name, *cells, error, str(last["seeds"] if last else 0)])
    head = [f"coverage after {end // 1000:,}k" for end in ends]
    return markdown(["variant", *head, "MPJPE at the end [mm]", "trainings"], rows)


def around(known: dict[str, Any], digits: int) -> str:
    """Return a mean, and half the width of its interval if it has one."""
    mean, interval = known["mean"], known["interval"]
    return f"{mean:.{digits}f}" + ("" if interval is None else f" ± {interval[1] - mean:.{digits}f}")


POLICY_COLUMNS = {  # measure -> title, digits, factor
    "success": ("success [%]", 0, 100.0),
    "coverage": ("coverage", 3, 1.0),
    "joint_error_mm": ("MPJPE, root-relative [mm]", 1, 1.0),
    "global_joint_error_mm": ("MPJPE, world [mm]", 0, 1.0),
    "speed_error": ("speed error [m/s]", 3, 1.0),
    "cost_of_transport": ("cost of transport", 2, 1.0),
    "activation": ("mean activation", 3, 1.0),
    "residual": ("residual [% of torque]", 1, 100.0),
}
PUSH_COLUMNS = {
    f"push_{name}": (f"push survived, to the {name} [N s]", 0, 1.0)
    for name in ("front", "back", "left", "right")
}
QUICKSTART_COLUMNS = {"mean episode [control steps]": ("episode_steps", 1)}

TABLES: dict[str, tuple[str, Callable[..., str]]] = {
    "throughput": ("env_throughput.json", throughput),
    "processes": ("env_throughput.json", processes),
    "rates": ("physics_rate.json", rates),
    "strength": ("human_muscles.json", strength),
    "inverse_dynamics": ("human_muscles.json", inverse_dynamics),
    "retargeting": ("retargeting.json", retargeting),
    "library": ("motion_library.json", library),
    "muscle_network": ("muscle_nn.json", muscle_network),
    "muscle_settings": ("muscle_nn.json", muscle_settings),
    "priors": ("prior_evaluation.json", priors),
    "prior_bars": ("prior_evaluation*.json", prior_bars),
    "prior_ablation": ("prior_ablation.json", prior_ablation),
    "policies": ("policy_*.json", policies),
    "comparison_prior": ("comparison_prior.json", comparison),
    "quickstart": ("quickstart.json", quickstart),
}
"""Name of a table -> its results, of which a pattern gives several, and what makes it of them."""


def filled(text: str) -> str:
    """Return the README with every table made anew."""

    def fill(match: re.Match[str]) -> str:
        pattern, make = TABLES[match[1]]
        results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob(pattern))]
        return f"<!-- table {match[1]} -->\n{make(*results)}\n<!-- end -->"

    return re.sub(r"<!-- table (\w+) -->.*?<!-- end -->", fill, text, flags=re.DOTALL)


def main() -> None:
    """Rewrite the README, or check it."""
    path = ROOT / "README.md"
    before = path.read_text()
    after = filled(before)
    if "--check" in sys.argv[1:]:
        if after != before:
            raise SystemExit("README.md differs from the results; run: python benchmarks/readme_tables.py")
        return
    path.write_text(after)


if __name__ == "__main__":
    main()
