"""`MuscleHumanoid-v0`: a muscle-driven human that follows a motion."""

from collections import deque
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from musclegym.body import Body
from musclegym.envs import rewards
from musclegym.envs.actuator import Actuator, advance
from musclegym.envs.config import HumanoidConfig, make_config
from musclegym.envs.observations import BOUND, heading_rotation, layout_of, observe
from musclegym.envs.reference import Reference
from musclegym.motion import load_motion
from musclegym.rotation import Array
from musclegym.simulation import Simulation
from musclegym.skeleton import body_velocities
from musclegym.state import BodyState

Array32 = npt.NDArray[np.float32]


class MuscleHumanoidEnv(gymnasium.Env[Array32, Array32]):
    """A human body, driven by muscles or joint torques, that is rewarded for following a motion.

    ## Action
    A `Box(-1, 1, (dof - 6,), float32)`: offset of the target pose from the reference at the end of the step,
    joint coordinate by joint coordinate, in units of `action_range` [rad]; zero follows the reference. A
    stable PD pulls the body there; its torque acts as it is (`actuation="torque"`), or through the muscles
    that MuscleNN (`"muscle"`) or bounded least squares (`"oracle"`) activate. With `actuation="excitation"`
    the action is the excitation of each muscle, `Box(-1, 1, (muscle,), float32)`, -1 for none and 1 for all
    of it.

    ## Observation
    A `Box(float32)` whose blocks are listed in `observation_layout` with unit and frame: height, orientation
    and velocities of the root, positions and velocities of the bodies in the heading frame, joint rotations
    and velocities, way to the next reference pose, phase, then activations under `"excitation"`, and the last
    `history` states [q, qd].

    ## Reward
    The sum of `info["reward_terms"]`: `pose`, `velocity`, `end_effector`, `root` and `com`, each a match in
    [0, 1] with the reference (see `musclegym.envs.rewards`) times its weight, so that perfect tracking gives
    1 per step.

    ## Start and end
    `reset` draws a phase of the motion (reference state initialisation), or takes `options={"phase": 0.25}`,
    and starts in the reference's pose and velocity. The episode terminates when the root is `fall_drop` of
    its rest height below the reference's, or `lost_distance` away from it, or a number is no longer finite
    (`info["diverged"]`). It is truncated at the end of a motion that does not repeat, and by `TimeLimit`
    after 300 steps (10 s).

    ## Options
    The fields of `musclegym.envs.config.HumanoidConfig`, by name, and `render_mode` (None or `"rgb_array"`).
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 (as Gymnasium has it)

    def __init__(self, render_mode: str | None = None, **options: Any) -> None:
        """Build body, world and reference.

        Raises:
            ValueError: if an option is unknown, breaks its rule or does not fit the body.
            FileNotFoundError: if a file of the body, the motion or the weights is missing.
        """
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(
                f"render_mode must be None or 'rgb_array', but is {render_mode!r}; use one of these"
            )
        self.config: HumanoidConfig = make_config(options)
        self.render_mode = render_mode
        self.body: Body = self.config.load_body()
        self.motion = load_motion(self.config.motion, self.body, self.config.control_hz)
        self.reference = Reference(self.motion)
        self.simulation = Simulation(self.body, self.config.physics_hz)
        self.actuator = Actuator(self.body, self.config, self.simulation)
        self.metadata = {**self.metadata, "render_fps": self.config.control_hz}
        excitation = self.config.actuation in ("excitation", "muscle_length")
        self.observation_layout = layout_of(self.body, excitation, self.config.history)
        size = self.observation_layout[-1].stop
        self.observation_space = spaces.Box(-BOUND, BOUND, (size,), np.float32)
        actions = self.body.n_muscles if excitation else self.body.n_dofs - 6
        self.action_space = spaces.Box(-1.0, 1.0, (actions,), np.float32)
        self._past: deque[Array] = deque(maxlen=max(self.config.history, 1))
        self._renderer: Any = None
        self._start_time = 0.0
        self._steps = 0
        self.state: BodyState

    @property
    def time(self) -> float:
        """Time since the motion's first frame [s]."""
        return self._start_time + self._steps / self.config.control_hz

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array32, dict[str, Any]]:
        """Start an episode in the reference's pose at a random phase, or at `options["phase"]` in [0, 1).

        Raises:
            ValueError: if an option is unknown or the phase is out of range.
        """
        super().reset(seed=seed)
        phase = start_phase(options or {})
        if phase is None:
            phase = float(self.np_random.uniform(0.0, 1.0 if self.motion.cyclic else 0.9))
        self._start_time, self._steps = phase * self.motion.duration, 0
        self.reference.start()
        self.actuator.reset(self.np_random)
        q, qd = self.reference.at(self.time)
        if self.config.start_noise > 0.0:
            q[6:] += self.np_random.normal(0.0, self.config.start_noise, len(q) - 6)
        self.simulation.reset(q, qd)
        self.state = self._read_state()
        self._past.clear()
        for past in range(self.config.history - 1, 0, -1):
            self._past.append(np.concatenate(self.reference.at(self.time - past / self.config.control_hz)))
        self._past.append(np.concatenate([self.state.q, self.state.qd]))
        return self._observe(), {"phase": self.reference.phase(self.time), "diverged": False}

    def step(self, action: Array32) -> tuple[Array32, float, bool, bool, dict[str, Any]]:
        """Follow a target pose, or hold muscle excitations, for a control period; then judge where it led."""
        self.begin(action)
        advance([self.actuator])
        return self.finish()

    def begin(self, action: Array32) -> None:
        """Hand an action to the actuator; the first of the three parts of `step`."""
        command = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        if self.config.actuation == "excitation":
            self.actuator.excite(0.5 * (command + 1.0))
        else:
            target, qd_target = self.reference.at(self.time + 1.0 / self.config.control_hz)
            if self.config.actuation == "muscle_length":
                self.actuator.aim(target, qd_target, self.config.length_range * command)
                return
            target[6:] += self.config.action_range * command
            self.actuator.follow(target, qd_target)

    def finish(self) -> tuple[Array32, float, bool, bool, dict[str, Any]]:
        """Judge where a control step has led; the last of the three parts of `step`."""
        before = self.state
        self._steps += 1
        after = self._read_state()
        diverged = not after.is_finite
        self.state = before if diverged else after
        wanted, wanted_velocity = self.reference.at(self.time)
        terms = self._reward_terms(wanted, wanted_velocity)
        terminated = diverged or self._is_lost(wanted)
        self.reference.resynchronise(self.time, self.state.rotation[0], self.state.joint_position[0])
        self._past.append(np.concatenate([self.state.q, self.state.qd]))
        info = {
            "reward_terms": terms,
            "diverged": diverged,
            "phase": self.reference.phase(self.time),
            "mean_activation": float(self.state.activation.mean()) if len(self.state.activation) else 0.0,
        }
        return self._observe(), sum(terms.values()), terminated, self.reference.has_ended(self.time), info

    def render(self) -> npt.NDArray[np.uint8] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return a picture (height, width, 3) of the body and its muscles, or None without a render mode."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            from musclegym.envs.render import Renderer

            self._renderer = Renderer(self.body)
        return self._renderer.draw(self.state.q, self.state.activation)

    def close(self) -> None:
        """Free the physics world."""
        self.simulation.close()

    def _read_state(self) -> BodyState:
        self.actuator.read()
        stage, work = self.actuator.stage, self.actuator.stage.work
        angular, linear = np.empty_like(work.position), np.empty_like(work.position)
        body_velocities(self.body.skeleton.tree, work.rotation, work.position, stage.qd, angular, linear)
        return BodyState(
            time=self._steps / self.config.control_hz,
            q=stage.q.copy(),
            qd=stage.qd.copy(),
            rotation=work.rotation.copy(),
            joint_position=work.position.copy(),
            com=work.com.copy(),
            com_velocity=linear + np.cross(angular, work.com - work.position),
            angular_velocity=angular,
            activation=self.actuator.activation.copy(),
            torque=self.actuator.effort.torque,
            ground_force=self.simulation.ground_forces(),
        )

    def _observe(self) -> Array32:
        target, _ = self.reference.at(self.time + 1.0 / self.config.control_hz)
        error = self.body.skeleton.difference(self.state.q, target)
        excitation = self.config.actuation in ("excitation", "muscle_length")
        past = list(self._past) if self.config.history else []
        return observe(self.state, error, self.reference.phase(self.time), excitation, past)

    def _reward_terms(self, q: Array, qd: Array) -> dict[str, float]:
        """Return the weighted terms of tracking the reference pose and velocity (dof,)."""
        state, weights, skeleton = self.state, self.config.weights, self.body.skeleton
        wanted = self.body.kinematics(q, qd)
        error = skeleton.difference(state.q, q)
        ends = skeleton.end_effector
        mine, other = heading_rotation(state.rotation[0]), heading_rotation(wanted.joint_rotation[0])
        mass = skeleton.mass[:, None] / skeleton.total_mass
        return {
            "pose": weights.pose * rewards.pose_match(error[6:]),
            "velocity": weights.velocity * rewards.velocity_match(state.qd[6:] - qd[6:]),
            "end_effector": weights.end_effector
            * rewards.end_effector_match(
                (state.com[ends] - state.joint_position[0]) @ mine
                - (wanted.com[ends] - wanted.joint_position[0]) @ other
            ),
            "root": weights.root
            * rewards.root_match(
                state.joint_position[0] - wanted.joint_position[0],
                error[:3],
                state.rotation[0] @ state.qd[3:6] - wanted.joint_rotation[0] @ qd[3:6],
                state.qd[:3] - qd[:3],
            ),
            "com": weights.com
            * rewards.com_match((mass * (state.com_velocity - wanted.com_velocity)).sum(axis=0)),
        }

    def _is_lost(self, q: Array) -> bool:
        """Whether the body has fallen or strayed from the reference pose (dof,)."""
        rest = self.body.skeleton.joint_position[0]
        away = self.state.joint_position[0] - (rest + q[3:6])
        return bool(
            away[1] < -self.config.fall_drop * rest[1]
            or np.hypot(away[0], away[2]) > self.config.lost_distance
        )


def start_phase(options: dict[str, Any]) -> float | None:
    """Return the phase asked for by the options of `reset`, or None."""
    unknown = sorted(set(options) - {"phase"})
    if unknown:
        raise ValueError(f"the only option of reset is 'phase', but {unknown[0]!r} was given; leave it out")
    phase = options.get("phase")
    if phase is not None and not 0.0 <= phase < 1.0:
        raise ValueError(f"phase must lie in [0, 1), but is {phase!r}; 0 starts at the motion's first frame")
    return phase
