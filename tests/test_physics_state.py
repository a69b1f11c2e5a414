import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from musclegym.body import load_body
from musclegym.motion import Motion, load_motion
from musclegym.motion.frames import lowest_sole, place
from musclegym.motion.physics_state import (
    N_PHYSICS,
    PHYSICS_LAYOUT,
    centre_of_mass_motion,
    physics_states,
    physics_states_of,
    second_differences,
)
from musclegym.skeleton import FREE, Skeleton
from tests.mirror_image import mirrored_poses
from tests.synthetic import random_body, random_state

BODY = load_body("human")
SKELETON = BODY.skeleton


def block(states: np.ndarray, name: str) -> np.ndarray:
    part = next(part for part in PHYSICS_LAYOUT if part.name == name)
    return states[:, part.start : part.stop]


def box(mass: float = 12.0, edges: tuple[float, float, float] = (1.0, 2.0, 3.0)) -> Skeleton:
    """One free box whose centre of mass is its joint, one metre above the ground."""
    x, y, z = edges
    inertia = mass / 12.0 * np.diag([y * y + z * z, x * x + z * z, x * x + y * y])
    return Skeleton(
        body_names=("Box",),
        parent=np.array([-1]),
        joint_kind=np.array([FREE]),
        joint_position=np.array([[0.0, 1.0, 0.0]]),
        joint_rotation=np.eye(3)[None],
        joint_axis=np.zeros((1, 3)),
        com=np.array([[0.0, 1.0, 0.0]]),
        body_rotation=np.eye(3)[None],
        mass=np.array([mass]),
        inertia=inertia[None],
        size=np.array([edges]),
        contact=np.array([False]),
        lower=np.full(6, -np.inf),
        upper=np.full(6, np.inf),
        motion_names=(None,),
        end_effector=np.array([True]),
    )


def swinging(fps: float, seconds: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Poses and exact velocities of smooth swinging of one hip, elbow and knee while the root glides."""
    time = np.arange(round(seconds * fps) + 1) / fps
    q, qd = np.zeros((len(time), SKELETON.n_dofs)), np.zeros((len(time), SKELETON.n_dofs))
    for name, size, rate in (("FemurL_x", 0.5, 4.0), ("TibiaR", 0.4, 3.0), ("ForeArmL", 0.6, 5.0)):
        column = SKELETON.dof_names.index(name)
        q[:, column] = size * np.sin(rate * time)
        qd[:, column] = size * rate * np.cos(rate * time)
    q[:, 4] = 0.1 * np.sin(6.0 * time)
    qd[:, 4] = 0.6 * np.cos(6.0 * time)
    q[:, 5], qd[:, 5] = 1.1 * time, 1.1
    return q, qd


def test_blocks_fill_64_numbers_in_order_and_state_units_and_frames():
    assert [part.start for part in PHYSICS_LAYOUT] == [0, *(part.stop for part in PHYSICS_LAYOUT[:-1])]
    assert PHYSICS_LAYOUT[-1].stop == N_PHYSICS == 64
    assert all(part.unit and part.frame for part in PHYSICS_LAYOUT)
    assert len({part.name for part in PHYSICS_LAYOUT}) == len(PHYSICS_LAYOUT)


def test_standing_still_has_contacts_gravity_and_otherwise_nothing():
    q = np.zeros((20, SKELETON.n_dofs))
    q[:, 4] = -lowest_sole(SKELETON, place(SKELETON, q)).min()
    states = physics_states(SKELETON, q, np.zeros_like(q), fps=30.0)
    np.testing.assert_array_equal(block(states, "contact"), 1.0)
    np.testing.assert_allclose(block(states, "gravity"), np.tile([0.0, -9.81, 0.0], (20, 1)), atol=1e-12)
    height = SKELETON.joint_position[0, 1] + q[0, 4]
    np.testing.assert_allclose(block(states, "pelvis_height"), height)
    at_rest = {"contact", "gravity", "pelvis_height", "root_position"}
    for part in PHYSICS_LAYOUT:
        if part.name not in at_rest:
            np.testing.assert_allclose(block(states, part.name), 0.0, atol=1e-9, err_msg=part.name)


def test_thrown_stiff_body_falls_at_g_and_does_not_turn():
    fps, gravity = 60.0, 9.81
    time = np.arange(40) / fps
    q = np.tile(random_state(BODY, 0)[0], (len(time), 1))
    turn = Rotation.from_rotvec(q[0, :3]).as_matrix()
    velocity = np.stack([0.7 + 0 * time, 3.0 - gravity * time, -1.2 + 0 * time], axis=1)
    q[:, 3:6] = np.stack([0.7 * time, 2.0 + 3.0 * time - 0.5 * gravity * time**2, -1.2 * time], axis=1)
    qd = np.zeros_like(q)
    qd[:, 3:6] = velocity @ turn
    states = physics_states(SKELETON, q, qd, fps)
    fall = np.tile([0.0, -gravity, 0.0], (len(time), 1))
    np.testing.assert_allclose(block(states, "com_acceleration"), fall, atol=1e-9)
    np.testing.assert_allclose(block(states, "pelvis_acceleration"), fall, atol=1e-9)
    np.testing.assert_allclose(block(states, "angular_momentum"), 0.0, atol=1e-12)
    np.testing.assert_array_equal(block(states, "contact"), 0.0)


def test_limp_body_in_free_fall_keeps_its_angular_momentum_while_its_limbs_flail():
    step, every = 1.0 / 4800.0, 40
    q, qd = random_state(BODY, 1, spread=0.3)
    q[4] = 5.0
    poses, velocities = [], []
    for index in range(1600):
        if index % every == 0:
            poses.append(q)
            velocities.append(qd)
        # Midpoint rule without any joint torque.
        half = qd + 0.5 * step * np.linalg.solve(BODY.mass_matrix(q), -BODY.bias_torque(q, qd))
        middle = SKELETON.integrate(q, half, 0.5 * step)
        qd = qd + step * np.linalg.solve(BODY.mass_matrix(middle), -BODY.bias_torque(middle, half))
        q = SKELETON.integrate(q, half, step)
    fps = 1.0 / (every * step)
    states = physics_states(SKELETON, np.array(poses), np.array(velocities), fps)
    acceleration = block(states, "com_acceleration")
    np.testing.assert_allclose(acceleration, np.tile([0.0, -9.81, 0.0], (len(poses), 1)), atol=0.05)
    _, _, spin = centre_of_mass_motion(SKELETON, np.array(poses), np.array(velocities))
    assert np.linalg.norm(spin[0]) > 0.5
    np.testing.assert_allclose(
        spin, np.tile(spin[0], (len(spin), 1)), atol=0.01 * float(np.linalg.norm(spin[0]))
    )


def test_spinning_box_has_the_angular_momentum_worked_out_by_hand():
    skeleton, rate, fps = box(), 2.0, 50.0
    time = np.arange(30) / fps
    q, qd = np.zeros((30, 6)), np.zeros((30, 6))
    q[:, 1] = rate * time  # about the vertical, while it moves along x at 3 m/s
    q[:, 3] = 3.0 * time
    qd[:, 1] = rate
    qd[:, 3], qd[:, 5] = 3.0 * np.cos(rate * time), 3.0 * np.sin(rate * time)
    com, velocity, spin = centre_of_mass_motion(skeleton, q, qd)
    np.testing.assert_allclose(com[:, 0], 3.0 * time)
    np.testing.assert_allclose(velocity, np.tile([3.0, 0.0, 0.0], (30, 1)), atol=1e-12)
    # I_yy = m (x^2 + z^2) / 12 = 12 x 10 / 12 = 10 kg m^2, times 2 rad/s
    np.testing.assert_allclose(spin, np.tile([0.0, 20.0, 0.0], (30, 1)), atol=1e-12)


def test_box_on_a_circle_has_spin_only_about_its_own_centre_and_centripetal_acceleration():
    skeleton, rate, fps, radius = box(), 1.5, 200.0, 2.0
    angle = rate * np.arange(400) / fps
    q, qd = np.zeros((400, 6)), np.zeros((400, 6))
    q[:, 1] = angle
    q[:, 3], q[:, 5] = -radius * np.cos(angle), radius * np.sin(angle)  # it faces along its path
    qd[:, 1], qd[:, 5] = rate, radius * rate
    com, velocity, spin = centre_of_mass_motion(skeleton, q, qd)
    acceleration = np.linalg.norm(second_differences(com, fps), axis=1)
    np.testing.assert_allclose(acceleration, radius * rate**2, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(velocity, axis=1), radius * rate)
    np.testing.assert_allclose(spin[:, 1], 10.0 * rate)


@pytest.mark.parametrize("seed", range(5))
def test_momenta_agree_with_the_mass_matrix(tmp_path, seed):
    body = random_body(tmp_path, seed)
    q, qd = random_state(body, seed)
    com, velocity, spin = (part[0] for part in centre_of_mass_motion(body.skeleton, q[None], qd[None]))
    frame = body.kinematics(q).joint_rotation[0]
    about_root, momentum = (frame @ part for part in np.split((body.mass_matrix(q) @ qd)[:6], 2))
    np.testing.assert_allclose(momentum, body.skeleton.total_mass * velocity, atol=1e-9)
    arm = com - body.kinematics(q).joint_position[0]
    np.testing.assert_allclose(spin, about_root - np.cross(arm, momentum), atol=1e-9)


def test_velocity_of_the_centre_of_mass_is_the_rate_of_its_place():
    q, qd = swinging(fps=240.0)
    com, velocity, _ = centre_of_mass_motion(SKELETON, q, qd)
    np.testing.assert_allclose(np.gradient(com, 1.0 / 240.0, axis=0)[1:-1], velocity[1:-1], atol=2e-3)


def test_states_do_not_depend_on_the_frame_rate():
    slow, fast = (physics_states(SKELETON, *swinging(fps), fps) for fps in (30.0, 120.0))
    inner = slice(1, -1)
    for part in PHYSICS_LAYOUT:
        first, second = block(slow, part.name)[inner], block(fast[::4], part.name)[inner]
        # A second difference of a wave of 6 rad/s misses (6 / 30)^2 / 12 = 0.33 % of its 3.6 m/s^2.
        within = 0.015 if "acceleration" in part.name else 1e-9
        if part.name != "contact":
            np.testing.assert_allclose(first, second, atol=within, err_msg=part.name)
    assert np.abs(block(fast, "com_acceleration")).max() > 3.0


def test_all_but_the_root_position_is_the_same_wherever_the_body_stands_and_faces():
    q, _ = swinging(fps=60.0)
    turn = Rotation.from_rotvec([0.0, 2.2, 0.0])
    moved = q.copy()
    moved[:, :3] = (turn * Rotation.from_rotvec(q[:, :3])).as_rotvec()
    moved[:, 3:6] = turn.apply(q[:, 3:6]) + np.array([4.0, 0.0, -3.0])
    first, second = (physics_states(SKELETON, p, SKELETON.velocities(p, 60.0), 60.0) for p in (q, moved))
    for part in PHYSICS_LAYOUT:
        if part.name != "root_position":
            np.testing.assert_allclose(
                block(second, part.name), block(first, part.name), atol=1e-7, err_msg=part.name
            )
    assert np.abs(block(second, "root_position") - block(first, "root_position")).max() > 1.0


def test_mirror_image_reflects_vectors_reverses_spins_and_exchanges_feet():
    motion = load_motion("kick", BODY)
    image = mirrored_poses(SKELETON, motion.q)
    own, other = (
        physics_states(SKELETON, q, SKELETON.velocities(q, motion.fps), motion.fps) for q in (motion.q, image)
    )
    reflected, reversed_ = np.array([-1.0, 1.0, 1.0]), np.array([1.0, -1.0, -1.0])
    signs = {"pelvis_height": 1.0, "root_angular_velocity": reversed_, "angular_momentum": reversed_}
    for part in PHYSICS_LAYOUT[:-1]:
        expected = block(own, part.name)
        expected = expected[:, ::-1] if part.name == "contact" else expected * signs.get(part.name, reflected)
        np.testing.assert_allclose(block(other, part.name), expected, atol=1e-7, err_msg=part.name)
    assert np.abs(block(own, "angular_momentum")).max() > 1.0


def test_heavier_body_of_the_same_size_has_momentum_in_proportion():
    heavy = load_body("human", mass=2.0 * SKELETON.total_mass).skeleton
    q, qd = swinging(fps=60.0)
    light, twice = (physics_states(skeleton, q, qd, 60.0) for skeleton in (SKELETON, heavy))
    np.testing.assert_allclose(
        block(twice, "angular_momentum"), 2.0 * block(light, "angular_momentum"), rtol=1e-9
    )
    np.testing.assert_allclose(block(twice, "com_acceleration"), block(light, "com_acceleration"), atol=1e-9)


def test_gravity_is_the_downward_direction_in_the_roots_frame():
    q = np.zeros((3, SKELETON.n_dofs))
    q[:, 0] = np.pi / 2  # the pelvis faces the ground: down is its forward direction
    states = physics_states(SKELETON, q, np.zeros_like(q), 30.0, gravity=1.62)
    np.testing.assert_allclose(block(states, "gravity"), np.tile([0.0, 0.0, 1.62], (3, 1)), atol=1e-12)


def test_walk_stands_on_either_foot_in_turn_and_is_carried_by_the_ground_on_average():
    motion = load_motion("walk", BODY)
    assert isinstance(motion, Motion)
    states = physics_states_of(motion)
    contact = block(states, "contact")
    assert 0.3 < contact.mean() < 0.9
    assert contact.any(axis=1).mean() > 0.8
    assert block(states, "pelvis_velocity")[:, 2].mean() == pytest.approx(1.0, abs=0.5)
    assert abs(block(states, "com_acceleration")[:, 1].mean()) < 1.0
    assert np.abs(block(states, "reserved")).max() == 0.0
    assert np.isfinite(states).all()


def test_too_short_or_foreign_motions_are_refused():
    with pytest.raises(ValueError, match=re.escape("at least 3 frames of 56 positions and velocities")):
        physics_states(SKELETON, np.zeros((2, 56)), np.zeros((2, 56)), 30.0)
    with pytest.raises(ValueError, match=re.escape("shapes (5, 56) and (5, 55)")):
        physics_states(SKELETON, np.zeros((5, 56)), np.zeros((5, 55)), 30.0)
