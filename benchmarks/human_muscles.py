"""Print the default human's muscles beside published figures, and what they can do.

Run `python benchmarks/human_muscles.py`; it writes benchmarks/results/human_muscles.json. Columns of the
first table: force; fibre length and how many times the stated one it is; tendon slack length beside the
published one (where there is one); normalised fibre length in the neutral pose and over the joint ranges;
moment arms of the listed actions in the neutral pose.
"""

from pathlib import Path

import numpy as np

from musclegym.body import Body, load_body
from musclegym.human import neutral_pose, read_table
from musclegym.inverse_dynamics import inverse_dynamics
from musclegym.manifest import environment_record, write_json
from musclegym.motion import load_motion
from musclegym.muscle.fitting import sample_poses
from musclegym.muscle.oracle import solve_activation
from musclegym.strength import human_strength

RESULT = Path(__file__).parent / "results" / "human_muscles.json"


def muscle_rows(body: Body) -> list[dict]:
    """Return one record per muscle of the right side."""
    movements = {row["movement"]: (row["dof"], int(row["sign"])) for row in read_table("movements")}
    state = body.muscles(neutral_pose(body.skeleton))
    lengths = np.array([body.muscles(pose).fibre_length for pose in sample_poses(body.skeleton, seed=1)])
    arms = 1000.0 * state.torque_matrix / state.active_force
    rows = []
    for row in read_table("muscles"):
        muscle = body.muscle_names.index(row["muscle"] + "_r")
        actions = {}
        for action in row["actions"].split():
            dof, sign = movements[action]
            actions[action] = round(sign * arms[body.dof_names.index(dof), muscle], 1)
        slack = row["published_tendon_slack_length_m"]
        rows.append(
            {
                "muscle": row["muscle"],
                "max_isometric_force_N": float(row["max_isometric_force_N"]),
                "optimal_fibre_length_m": round(float(body.muscle_set.optimal_fibre_length[muscle]), 4),
                "published_fibre_length_m": float(row["optimal_fibre_length_m"]),
                "tendon_slack_length_m": round(float(body.muscle_set.tendon_slack_length[muscle]), 4),
                "published_tendon_slack_length_m": float(slack) if slack else None,
                "neutral_fibre_length": round(float(state.fibre_length[muscle]), 3),
                "shortest_fibre_length": lengths[:, muscle : muscle + 2].min().round(3).item(),
                "longest_fibre_length": lengths[:, muscle : muscle + 2].max().round(3).item(),
                "moment_arms_mm": actions,
            }
        )
    return rows


def locomotion(body: Body, name: str) -> dict:
    """Return how well the oracle makes the joint torques of an embedded motion."""
    result = inverse_dynamics(body, load_motion(name, body))
    missing, activations = [], []
    for q, torque in zip(result.q, result.torque, strict=True):
        state = body.muscles(q)
        activation = solve_activation(state, torque)
        activations.append(activation)
        missing.append((state.torque_matrix @ activation + state.passive_torque - torque)[6:])
    error = np.sqrt(np.mean(np.square(missing), axis=0))
    torque = float(np.sqrt(np.mean(np.square(result.torque[:, 6:]))))
    worst = np.argsort(-error)[:5]
    return {
        "motion": name,
        "torque_rms_Nm": torque,
        "residual_rms_Nm": float(np.sqrt(np.mean(np.square(missing)))),
        "residual_percent": 100.0 * float(np.sqrt(np.mean(np.square(missing)))) / torque,
        "worst_dofs_Nm": {body.dof_names[6 + dof]: round(float(error[dof]), 3) for dof in worst},
        "mean_activation": float(np.mean(activations)),
        "saturated_percent": 100.0 * float(np.mean(np.array(activations) > 0.999)),
        "unexplained_root_force_rms_N": float(np.sqrt((result.root_residual[:, 3:] ** 2).sum(axis=1).mean())),
        "unexplained_root_moment_rms_Nm": float(
            np.sqrt((result.root_residual[:, :3] ** 2).sum(axis=1).mean())
        ),
    }


def print_muscles(rows: list[dict]) -> None:
    """Print the table of muscles."""
    columns = ("force", "fibre", "times", "slack", "publ.", "neutr.")
    print(f"{'muscle':34} " + " ".join(f"{name:>6}" for name in columns) + "  range        moment arms [mm]")
    for row in rows:
        times = row["optimal_fibre_length_m"] / row["published_fibre_length_m"]
        published = row["published_tendon_slack_length_m"]
        slack = "" if published is None else f"{published:.3f}"
        arms = " ".join(f"{action} {arm:.0f}" for action, arm in row["moment_arms_mm"].items())
        lengths = f"{row['max_isometric_force_N']:6.0f} {row['optimal_fibre_length_m']:6.3f} {times:6.2f}"
        tendon = f"{row['tendon_slack_length_m']:6.3f} {slack:>6} {row['neutral_fibre_length']:6.2f}"
        span = f"{row['shortest_fibre_length']:.2f} - {row['longest_fibre_length']:.2f}"
        print(f"{row['muscle']:34} {lengths} {tendon}  {span}  {arms}")


def main() -> None:
    """Measure, print and write everything."""
    body = load_body("human")
    muscles = muscle_rows(body)
    strength = human_strength(body)
    motions = [locomotion(body, name) for name in ("walk", "run")]
    print_muscles(muscles)
    print(f"\n{'isometric strength':28} {'N m':>6}  published")
    for measured in strength:
        low, high = measured.published
        print(f"{measured.movement:28} {measured.torque:6.1f}  {low:g} - {high:g}  {measured.source}")
    for record in motions:
        share, torque = record["residual_percent"], record["torque_rms_Nm"]
        print(f"\n{record['motion']}: residual {share:.2f} % of {torque:.1f} N m RMS")
        print("  " + ", ".join(f"{key} {value}" for key, value in record.items() if key != "motion"))
    write_json(
        RESULT,
        {
            "environment": environment_record(),
            "body_hash": body.hash,
            "muscles": muscles,
            "strength": [vars(measured) for measured in strength],
            "inverse_dynamics": motions,
        },
    )
    print(f"\nwritten to {RESULT}")


if __name__ == "__main__":
    main()
