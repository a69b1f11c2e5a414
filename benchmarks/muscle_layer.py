"""Time the mechanics of one physics step on one core: kinematics, dynamics, muscles and the oracle.

    python benchmarks/muscle_layer.py [--skeleton human.xml --muscles muscle284.xml] [--json OUT]

Each figure is the fastest of several rounds, all taken in one run. Kernels are timed on arrays as the
simulation calls them, without Python's checks; public calls as a user makes them. Twins do the same in NumPy
or SciPy, so that ratios carry over to other machines.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import tyro
from numba import njit
from scipy.optimize import lsq_linear

from musclegym.body import Body, load_body
from musclegym.dynamics import Workspace, bias_and_mass_matrix, joint_axes, make_workspace, solve_tree
from musclegym.manifest import environment_record, write_json
from musclegym.muscle.oracle import EFFORT_WEIGHT, Entries, least_squares, solve_activation
from musclegym.muscle.path import Paths
from musclegym.muscle.transmission import MuscleBuffers, make_muscle_buffers, muscle_torques
from musclegym.rotation import Array
from musclegym.skeleton import Tree, forward_kinematics, local_rotations

RESULTS = Path(__file__).parent / "results" / "muscle_layer.json"


@dataclass(frozen=True)
class Config:
    """Settings of the benchmark."""

    skeleton: Path | None = None
    """MASS skeleton file of a body to measure beside the shipped human."""
    muscles: Path | None = None
    """MASS muscle file of that skeleton."""
    rounds: int = 7
    """Rounds, of which the fastest counts."""
    poses: int = 20
    """Random poses and torques that the oracle solves in a round."""
    json: Path = RESULTS
    """File for the figures."""


@njit
def repeat_kinematics(count: int, tree: Tree, q: Array, work: Workspace) -> None:
    """Place the bodies `count` times."""
    for _ in range(count):
        local_rotations(tree, q, work.local)
        forward_kinematics(tree, work.local, q[3:6], work.rotation, work.position, work.com)


@njit
def repeat_dynamics(count: int, tree: Tree, qd: Array, work: Workspace) -> None:
    """Compute mass matrix and bias `count` times."""
    for _ in range(count):
        bias_and_mass_matrix(tree, qd, 9.81, work)


@njit
def repeat_solve(count: int, tree: Tree, work: Workspace) -> None:
    """Solve with the mass matrix `count` times."""
    for _ in range(count):
        work.factor[:] = work.mass_matrix
        work.predicted[:] = work.bias
        solve_tree(tree.dof_parent, work.factor, work.predicted)


@njit
def repeat_muscles(
    count: int, tree: Tree, paths: Paths, qd: Array, work: Workspace, out: MuscleBuffers
) -> None:
    """Compute the torque matrix `count` times."""
    for _ in range(count):
        muscle_torques(tree, paths, work.rotation, work.position, work.axis, qd, out)


def microseconds(call: Callable[[int], object], count: int, rounds: int) -> float:
    """Return the time of one of the `count` repetitions that `call` makes, in the fastest round [us]."""
    call(1)
    times = []
    for _ in range(rounds):
        start = perf_counter()
        call(count)
        times.append(perf_counter() - start)
    return 1e6 * min(times) / count


def repeated(call: Callable[[], object]) -> Callable[[int], None]:
    """Return a function that makes the call a given number of times."""

    def repeat(count: int) -> None:
        for _ in range(count):
            call()

    return repeat


def kernel_times(body: Body, rounds: int) -> dict[str, float]:
    """Return the time of each kernel and of the dense twin of the solve [us]."""
    rng = np.random.default_rng(0)
    q, qd = rng.normal(0.0, 0.2, body.n_dofs), rng.normal(size=body.n_dofs)
    tree, work = body.skeleton.tree, make_workspace(body.skeleton)
    out = make_muscle_buffers(body.paths, body.n_dofs)
    repeat_kinematics(1, tree, q, work)
    joint_axes(tree, work.rotation, work.position, work.axis)
    times = {
        "kinematics": microseconds(lambda n: repeat_kinematics(n, tree, q, work), 2000, rounds),
        "mass matrix and bias": microseconds(lambda n: repeat_dynamics(n, tree, qd, work), 2000, rounds),
        "tree solve": microseconds(lambda n: repeat_solve(n, tree, work), 2000, rounds),
        "torque matrix": microseconds(
            lambda n: repeat_muscles(n, tree, body.paths, qd, work, out), 500, rounds
        ),
    }
    dense = repeated(lambda: np.linalg.solve(work.mass_matrix, work.bias))
    return {**times, "dense solve (NumPy)": microseconds(dense, 500, rounds)}


def call_times(body: Body, rounds: int) -> dict[str, float]:
    """Return the time of each public call [us]."""
    rng = np.random.default_rng(0)
    q, qd = rng.normal(0.0, 0.2, body.n_dofs), rng.normal(size=body.n_dofs)
    calls: dict[str, Callable[[], object]] = {
        "Body.kinematics": lambda: body.kinematics(q, qd),
        "Body.mass_matrix": lambda: body.mass_matrix(q),
        "Body.muscles": lambda: body.muscles(q),
    }
    return {name: microseconds(repeated(call), 200, rounds) for name, call in calls.items()}


def oracle_times(body: Body, config: Config) -> dict[str, float]:
    """Return the times of the oracle and of SciPy's solver [us], and how far apart their answers are."""
    rng = np.random.default_rng(0)
    states = [body.muscles(pose) for pose in rng.normal(0.0, 0.2, (config.poses, body.n_dofs))]
    torques = rng.normal(0.0, 30.0, (config.poses, body.n_dofs))
    dofs, muscles = body.muscle_set.turned_dofs(body.skeleton)
    entries = Entries(np.searchsorted(muscles, np.arange(body.n_muscles + 1)), dofs - 6)
    columns = [np.ascontiguousarray(state.torque_matrix.T) for state in states]
    wanted = [(torque - state.passive_torque)[6:] for state, torque in zip(states, torques, strict=True)]
    activation = np.empty(body.n_muscles)

    def kernel(problem: int) -> int:
        return least_squares(columns[problem], entries, wanted[problem], activation)

    def public(problem: int) -> Array:
        return solve_activation(states[problem], torques[problem])

    def scipy(problem: int) -> Array:
        effort = EFFORT_WEIGHT**0.5 * np.eye(body.n_muscles)
        matrix = np.vstack([states[problem].torque_matrix[6:], effort])
        target = np.r_[wanted[problem], np.zeros(body.n_muscles)]
        return lsq_linear(matrix, target, (0.0, 1.0), method="bvls", tol=1e-14, max_iter=1000).x

    def mean_time(solve: Callable[[int], object], problems: int, rounds: int) -> float:
        return float(np.mean([microseconds(repeated(partial(solve, i)), 1, rounds) for i in range(problems)]))

    few = min(3, config.poses)
    return {
        "oracle": mean_time(kernel, config.poses, config.rounds),
        "solve_activation": mean_time(public, config.poses, config.rounds),
        "lsq_linear (SciPy)": mean_time(scipy, few, 1),
        "iterations of the oracle [-]": float(np.mean([kernel(i) for i in range(config.poses)])),
        "largest difference from SciPy [-]": max(
            float(np.abs(public(i) - scipy(i)).max()) for i in range(few)
        ),
    }


def measure(body: Body, config: Config) -> dict[str, Any]:
    """Return the figures of one body."""
    kernels, oracle = kernel_times(body, config.rounds), oracle_times(body, config)
    return {
        "body": {
            "degrees of freedom": body.n_dofs,
            "muscles": body.n_muscles,
            "waypoints": len(body.muscle_set.waypoint_body),
        },
        "kernels [us]": kernels,
        "calls [us]": call_times(body, config.rounds),
        "oracle [us]": oracle,
        "ratios": {
            "dense solve : tree solve": kernels["dense solve (NumPy)"] / kernels["tree solve"],
            "SciPy : oracle": oracle["lsq_linear (SciPy)"] / oracle["oracle"],
        },
    }


def main() -> None:
    """Measure, print and write the figures."""
    config = tyro.cli(Config)
    bodies = {"human": load_body("human")}
    if config.skeleton is not None:
        bodies["MASS"] = load_body(config.skeleton, muscles=config.muscles)
    record = {name: measure(body, config) for name, body in bodies.items()}
    for name, groups in record.items():
        print(name)
        for group, figures in groups.items():
            print(f"  {group}")
            for figure, value in figures.items():
                print(f"    {figure:36s}{value:12.4g}")
    write_json(config.json, {**record, "environment": environment_record()})
    print(f"written to {config.json}")


if __name__ == "__main__":
    main()
