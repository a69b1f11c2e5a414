"""The MASS body equals the released C++ code, number by number, over its 24 poses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from musclegym.body import Body, load_body, stable_pd
from musclegym.rotation import Array

POSES = range(24)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Array]:
    file = shared / "golden" / "mass_reference.npz"
    if not file.is_file():
        pytest.skip("needs golden/mass_reference.npz in the reference data")
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.fixture(scope="module")
def body(motion_data: Callable[[str], Path]) -> Body:
    folder = motion_data("mass")
    skeleton, muscles = (next(folder.rglob(name)) for name in ("human.xml", "muscle284.xml"))
    return load_body(skeleton, muscles=muscles, transmission="mass")


def test_names_are_those_of_the_released_code(body: Body, golden: dict[str, Array]):
    assert body.body_names == tuple(golden["names_bodies"])
    assert body.dof_names == tuple(golden["names_dofs"])
    assert body.muscle_names == tuple(golden["names_muscles"])


def test_path_lengths_at_rest(body: Body, golden: dict[str, Array]):
    np.testing.assert_allclose(body.rest_path_length, golden["l_mt0"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("pose", POSES)
def test_body_transforms(body: Body, golden: dict[str, Array], pose: int):
    now = body.kinematics(golden["q"][pose], golden["qd"][pose])
    place, motion = golden["body_transform"][pose], golden["body_com_linvel"][pose]
    np.testing.assert_allclose(now.rotation.reshape(-1, 9), place[:, :9], rtol=0, atol=1e-9)
    np.testing.assert_allclose(now.com, place[:, 9:], rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.hstack([now.com, now.com_velocity]), motion, rtol=0, atol=1e-9)


@pytest.mark.parametrize("pose", POSES)
def test_mass_matrix_and_bias(body: Body, golden: dict[str, Array], pose: int):
    q, qd = golden["q"][pose], golden["qd"][pose]
    np.testing.assert_allclose(body.mass_matrix(q), golden["mass_matrix"][pose], rtol=0, atol=1e-9)
    np.testing.assert_allclose(body.bias_torque(q, qd), golden["coriolis_gravity"][pose], rtol=0, atol=1e-9)


@pytest.mark.parametrize("pose", POSES)
def test_muscle_paths_and_forces(body: Body, golden: dict[str, Array], pose: int):
    now = body.muscles(golden["q"][pose])
    np.testing.assert_allclose(now.waypoints, golden["anchors"][pose], rtol=0, atol=1e-9)
    np.testing.assert_allclose(now.length, golden["l_mt"][pose], rtol=0, atol=1e-9)
    np.testing.assert_allclose(now.active_force, golden["f_active"][pose], rtol=0, atol=1e-6)
    np.testing.assert_allclose(now.passive_force, golden["f_passive"][pose], rtol=0, atol=1e-6)


@pytest.mark.parametrize("pose", POSES)
def test_muscle_torques(body: Body, golden: dict[str, Array], pose: int):
    now = body.muscles(golden["q"][pose])
    for ours, theirs in ((now.torque_matrix, golden["JtA"]), (now.passive_torque, golden["Jtp"])):
        np.testing.assert_allclose(ours, theirs[pose], rtol=0, atol=1e-9 * (1 + np.abs(theirs[pose]).max()))


@pytest.mark.parametrize("pose", POSES)
def test_stable_pd_torque(body: Body, golden: dict[str, Array], pose: int):
    """MASS adds dt qd to rotation vectors; exact composition differs by up to 0.27 N m."""
    torque = stable_pd(
        body,
        golden["q"][pose],
        golden["qd"][pose],
        golden["p_des"][pose],
        kp=300.0,
        kd=np.sqrt(600.0),
        dt=1 / 600,
    )
    np.testing.assert_allclose(torque, golden["spd_tau"][pose], rtol=0, atol=0.3)


def test_muscles_that_can_turn_a_joint_are_among_those_listed(body: Body, golden: dict[str, Array]):
    dofs, muscles = body.muscle_set.turned_dofs(body.skeleton)
    possible = np.zeros((body.n_dofs, body.n_muscles), dtype=bool)
    possible[dofs, muscles] = True
    listed = np.abs(golden["JtA"]).max(axis=0) > 1e-6
    assert not (listed & ~possible).any()
