"""The oracle: hand-worked answers, optimality, and agreement with SciPy."""

from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from musclegym.body import Body, MuscleState, load_body
from musclegym.muscle.oracle import EFFORT_WEIGHT, solve_activation
from musclegym.rotation import Array
from tests.synthetic import random_body, random_state, write_two_bodies


def muscles_of(matrix: list[list[float]], passive: list[float] | None = None) -> MuscleState:
    """Muscles with this torque matrix and passive torque on the actuated DoFs."""
    rows = np.array(matrix, dtype=np.float64)
    none = np.zeros(rows.shape[1])
    return MuscleState(
        waypoints=np.zeros((0, 3)),
        path_length=none,
        path_velocity=none,
        length=none,
        fibre_length=none,
        fibre_velocity=none,
        active_force=none,
        passive_force=none,
        moment_arm=np.zeros((0, 0)),
        torque_matrix=np.vstack([np.zeros((6, rows.shape[1])), rows]),
        passive_torque=np.r_[np.zeros(6), passive or np.zeros(len(rows))],
    )


def wanted(*torque: float) -> Array:
    return np.r_[np.zeros(6), torque]


def wide_reaching_cases(body: Body, count: int) -> list[tuple[MuscleState, Array]]:
    """Random poses with torques from far inside to far outside what the muscles can do."""
    scales = np.geomspace(0.1, 1000.0, count)
    rng = np.random.default_rng(0)
    cases = []
    for seed, scale in enumerate(scales):
        pose, _ = random_state(body, seed, 0.2)
        cases.append((body.muscles(pose), scale * rng.normal(size=body.n_dofs)))
    return cases


@pytest.fixture(scope="module")
def human() -> Body:
    return load_body("human")


@pytest.mark.parametrize(("torque", "activation"), [(5.0, 0.5), (-3.0, 0.0), (25.0, 1.0), (0.0, 0.0)])
def test_one_muscle_gives_what_it_can(torque: float, activation: float):
    assert solve_activation(muscles_of([[10.0]]), wanted(torque)) == pytest.approx([activation], abs=1e-5)


@pytest.mark.parametrize(
    ("torque", "activation"), [(4.0, (0.4, 0.0)), (-2.0, (0.0, 0.4)), (-9.0, (0.0, 1.0))]
)
def test_antagonists_do_not_work_against_each_other(torque: float, activation: tuple[float, float]):
    found = solve_activation(muscles_of([[10.0, -5.0]]), wanted(torque))
    assert found == pytest.approx(activation, abs=1e-5)


def test_synergists_share_in_proportion_to_their_arms():
    found = solve_activation(muscles_of([[3.0, 4.0]]), wanted(5.0))
    assert found == pytest.approx([0.6, 0.8], abs=1e-5)


def test_weak_synergist_helps_when_the_strong_one_is_at_its_limit():
    found = solve_activation(muscles_of([[1.0, 4.0]]), wanted(4.5))
    assert found == pytest.approx([0.5, 1.0], abs=1e-3)


def test_effort_bends_the_answer_as_its_weight_says():
    found = solve_activation(muscles_of([[0.01]]), wanted(0.01))
    assert found == pytest.approx([1e-4 / (1e-4 + EFFORT_WEIGHT)], abs=1e-6)


def test_passive_torque_is_taken_off_and_the_root_is_ignored():
    torque = np.r_[np.full(6, 1e3), 5.0]
    assert solve_activation(muscles_of([[10.0]], passive=[2.0]), torque) == pytest.approx([0.3], abs=1e-5)


def test_muscle_that_turns_nothing_rests():
    assert solve_activation(muscles_of([[10.0, 0.0]]), wanted(5.0)) == pytest.approx([0.5, 0.0], abs=1e-3)


def test_no_muscles_have_no_activation(tmp_path: Path):
    body = load_body(write_two_bodies(tmp_path)[0])
    assert solve_activation(body.muscles(np.zeros(7)), np.ones(7)).shape == (0,)


@pytest.mark.parametrize("torque", [1e6, 1e9, 1e12])
def test_torque_far_out_of_reach_saturates(torque: float):
    assert solve_activation(muscles_of([[3.0, -2.0]]), wanted(torque)).tolist() == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("seed", range(5))
def test_answer_meets_the_optimality_conditions(seed: int, tmp_path: Path):
    """At an inner activation the gradient is zero, at a bound it points outwards (Karush-Kuhn-Tucker)."""
    for muscles, torque in wide_reaching_cases(random_body(tmp_path, seed), 8):
        check_optimality(muscles, torque)


def test_answer_meets_the_optimality_conditions_on_the_human(human: Body):
    for muscles, torque in wide_reaching_cases(human, 12):
        check_optimality(muscles, torque)


def check_optimality(muscles: MuscleState, torque: Array) -> None:
    matrix, right = muscles.torque_matrix[6:], (torque - muscles.passive_torque)[6:]
    activation = solve_activation(muscles, torque)
    assert activation.min(initial=0.0) >= 0.0
    assert activation.max(initial=1.0) <= 1.0
    gradient = matrix.T @ (matrix @ activation - right) + EFFORT_WEIGHT * activation
    tolerance = 1e-6 * (1.0 + np.abs(matrix.T @ right).max())
    assert (gradient[activation < 1.0 - 1e-3] >= -tolerance).all()
    assert (gradient[activation > 1e-3] <= tolerance).all()


def test_answer_equals_scipys(human: Body):
    """With effort the answer is unique and SciPy's; without it SciPy's residual is no better."""
    effort = np.sqrt(EFFORT_WEIGHT) * np.eye(human.n_muscles)
    for muscles, torque in wide_reaching_cases(human, 3):
        matrix, right = muscles.torque_matrix[6:], (torque - muscles.passive_torque)[6:]
        activation = solve_activation(muscles, torque)
        augmented = np.vstack([matrix, effort]), np.r_[right, np.zeros(human.n_muscles)]
        exact = lsq_linear(*augmented, bounds=(0.0, 1.0), method="bvls", tol=1e-14, max_iter=1000).x
        np.testing.assert_allclose(activation, exact, atol=5e-3)
        residual, least = (np.linalg.norm(augmented[0] @ x - augmented[1]) for x in (activation, exact))
        assert residual <= least + 1e-6
        plain = lsq_linear(matrix, right, bounds=(0.0, 1.0), method="bvls", max_iter=1000).x
        assert np.linalg.norm(matrix @ activation - right) <= np.linalg.norm(matrix @ plain - right) + 1e-3


def test_solve_takes_a_millisecond_or_two(human: Body):
    muscles, torque = wide_reaching_cases(human, 3)[1]

    def seconds() -> float:
        start = perf_counter()
        solve_activation(muscles, torque)
        return perf_counter() - start

    assert any(seconds() < 2e-3 for _ in range(5000))  # one at least is free of other work on the machine


@pytest.mark.parametrize(
    ("torque", "message"),
    [
        (np.zeros(3), r"torque must be 7 finite numbers, one per DoF, but has shape \(3,\) and 0 non-finite"),
        (np.full(7, np.nan), "and 7 non-finite entries; give one number per body.dof_names, root first"),
    ],
)
def test_torque_of_another_body_is_refused(torque: Array, message: str):
    with pytest.raises(ValueError, match=message):
        solve_activation(muscles_of([[10.0]]), torque)
