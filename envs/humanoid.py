"""`MuscleHumanoid-v0`: a muscle-driven human that follows a motion, or does a task."""

import inspect
from collections import deque
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from musclegym.body import Body
from musclegym.envs import rewards
from musclegym.envs.actuator import Actuator, advance
from musclegym.envs.aids import Aids
from musclegym.envs.config import HumanoidConfig, RewardWeights, choose, make_config
from musclegym.envs.feed_forward import FeedForward
from musclegym.envs.measures import INFO, step_measures, step_way, tracking_measures
from musclegym.envs.observations import BOUND, View, layout_of, observe
from musclegym.envs.page import environment_page
from musclegym.envs.reading import read_state
from musclegym.envs.reference import Reference, start_phase
from musclegym.envs.tracking import tracking_terms
from musclegym.envs.world import Pushes, World, make_option
from musclegym.human import neutral_pose
from musclegym.motion import Clip, Motion, load_motion
from musclegym.rotation import Array
from musclegym.simulation import Simulation
from musclegym.state import BodyState

Array32 = npt.NDArray[np.float32]
Info = dict[str, Any]


class MuscleHumanoidEnv(gymnasium.Env[Array32, Array32]):
    """A human body, driven by muscles or joint torques, that follows a motion or does a task.

    One control step goes from the action to a target pose, from there by a stable PD to joint torques, and
    through MuscleNN to muscles that pull on the skeleton along their anatomical paths.

    ## Start and end

    `reset` draws a phase of the motion (reference state initialisation), or takes `options={"phase": 0.25}`,
    and starts in the motion's pose and velocity; without a motion the body stands still with hanging arms.
    The episode terminates when the root has fallen by `fall_drop` of its rest height, or is `lost_distance`
    away from the motion that it follows, or the task says so, or a number is no longer finite
    (`info["diverged"]`). It is truncated at the end of a motion that does not repeat, and by `TimeLimit`
    after 300 steps (10 s).

    ## Training aids

    `set_assistance`, `set_reserve`, `set_start_phases`, `set_limits` and `set_motion` make learning easier.
    They are methods, no options, so an environment that has just been made has none of them.

    ## Frames

    World: y up; the body faces +z at the start, its left is +x. Heading: the world turned about the vertical
    to where the root faces. Joint: the frame of the child body at its joint.
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
        self.task = self.config.chosen_task
        self.render_mode = render_mode
        self.body: Body = self.config.load_body()
        self.simulation = Simulation(self.body, self.config.physics_hz)
        self.actuator = Actuator(self.body, self.config, self.simulation)
        self.aids = Aids(self.body, self.config.fall_drop, self.config.lost_distance)
        motion = self.config.chosen_motion
        self.motion = None if motion is None else self.loaded(motion)
        self.world = World(
            self.body, self.motion, self.simulation, self.config.control_hz, **self.config.surroundings()
        )
        self.reference = None if self.motion is None else Reference(self.motion, self._place)
        self._own_body, self.feed_forward = self.body, self._feed_forward_of(self.body, self.motion)
        self.metadata = {**self.metadata, "render_fps": self.config.control_hz}
        self.observation_layout = layout_of(self.body, self.config)
        size = self.observation_layout[-1].stop
        self.observation_space = spaces.Box(-BOUND, BOUND, (size,), np.float32)
        actions = self.body.n_muscles if self.config.acts_on_muscles else self.body.n_dofs - 6
        self.action_space = spaces.Box(-1.0, 1.0, (actions,), np.float32)
        remembered = max(self.config.history, self.config.prior.window if self.config.prior else 1)
        self._past: deque[Array] = deque(maxlen=remembered)
        self._neutral, self._stillness = neutral_pose(self.body.skeleton), np.zeros(self.body.n_dofs)
        self._renderer: Any = None
        self._start_time = 0.0
        self._steps = 0
        self._work, self._way = np.zeros(2), 0.0  # since the start: joints', muscles' [J]; root's [m]
        self.state: BodyState

    @property
    def time(self) -> float:
        """Time since the motion's first frame, or since the start where there is no motion [s]."""
        return self.time_after(0)

    def time_after(self, steps: int) -> float:
        """Return `time` as it is `steps` control steps later [s]."""
        return self._start_time + (self._steps + steps) / self.config.control_hz

    def set_reward_weights(self, **weights: float) -> None:
        """Change factors on the reward terms of tracking, task, prior or reach from now on; the others stay.

        Raises:
            ValueError: if a group is unknown, a factor is not finite or there is nothing that it would weigh.
        """
        for name in weights:
            choose("reward weight", name, tuple(item.name for item in fields(RewardWeights)))
        self.config = replace(self.config, reward_weights=replace(self.config.reward_weights, **weights))

    def set_assistance(self, share: float) -> None:
        """Training aid: hold pelvis and torso near the motion by springs of a share in [0, 1] of their force.

        Raises:
            ValueError: if the share is out of range, or the task follows no motion.
        """
        self._check_follows("assistance")
        self.aids.set_assistance(share)
        self.simulation.support([], np.zeros((0, 3)))

    def set_reserve(self, limit: float) -> None:
        """Training aid: reserve actuators make at each joint coordinate what its muscles miss, up to a limit.

        With a high limit joints move nearly as under stable PD's own torques; `torque_residual` stays that of
        the muscles. Musculoskeletal simulations know reserve actuators (Hicks et al. 2015, J. Biomech. Eng.
        137:020905). A limit in N m, not a share, leaves a policy nothing to gain by asking for too much.

        Args:
            limit: largest torque of each; 0 for none [N m].

        Raises:
            ValueError: if the limit is negative or not finite, or no torque is wanted of muscles.
        """
        self.actuator.set_reserve(limit)

    def set_start_phases(self, weights: npt.ArrayLike | None) -> None:
        """Training aid: draw start phases from equal bins of the motion with these weights, None for evenly.

        Raises:
            ValueError: if they are no weights, or there is no motion.
        """
        self._check_follows("drawing start phases")
        self.aids.set_start_phases(weights)

    def set_limits(self, fall_drop: float | None = None, lost_distance: float | None = None) -> None:
        """Training aid: end episodes at other limits than the options'; None is the option's own.

        Raises:
            ValueError: if a limit is not positive.
        """
        self.aids.set_limits(fall_drop, lost_distance)

    def set_motion(self, motion: str | Path | Clip | Motion) -> None:
        """Training aid: follow another motion from the next reset on, for a curriculum over clips.

        Raises:
            ValueError: if the task follows no motion, or it does not fit the body.
            FileNotFoundError: if there is no such file.
        """
        self._check_follows("another motion")
        self.world.motion = self.loaded(motion)

    def loaded(self, motion: str | Path | Clip | Motion) -> Motion:
        """Return a motion of this body at the control rate, which repeats as the option says.

        Raises:
            ValueError: if it does not fit the body.
            FileNotFoundError: if there is no such file.
        """
        return load_motion(motion, self.body, self.config.control_hz, cyclic=self.config.cyclic)

    def set_pushes(self, pushes: Pushes | Mapping[str, Any] | None) -> None:
        """Push as given from the next reset on, None for never, whatever the option `pushes` says.

        Raises:
            ValueError: if a figure breaks its rule, or a body to be pushed does not exist.
        """
        self.world.set_pushes(make_option(Pushes, pushes))

    def keep_muscle_states(self, count: int) -> None:
        """Keep the last `count` states that MuscleNN sees from now on; see `Actuator.keep_states`."""
        self.actuator.keep_states(count)

    def muscle_states(self) -> Array32:
        """Return the states that were kept; see `Actuator.kept_states`."""
        return self.actuator.kept_states()

    def set_muscle_weights(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Give MuscleNN other weights, also for the other members of the process, which share it."""
        self.actuator.set_network_weights(tensors)

    def _check_follows(self, aid: str) -> None:
        if not self.task.follows_motion:
            raise ValueError(
                f"{aid} aids tasks that follow a motion, but task {self.config.task!r} does not; leave it out"
            )

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array32, Info]:
        """Start an episode.

        Where there is a motion, it starts in the motion's pose and velocity at a random phase, or at
        `options["phase"]` in [0, 1); else standing still with hanging arms.

        Raises:
            ValueError: if an option is unknown, or the phase is out of range or without a motion.
        """
        super().reset(seed=seed)
        phase, motion = start_phase(options or {}, self.motion), self.world.motion
        if phase is None and motion is not None:
            phase = self.aids.draw_phase(self.np_random, motion.cyclic)
        if self.feed_forward is not None and self.feed_forward.motion is not motion:
            self.feed_forward = self._feed_forward_of(self._own_body, motion)
        self._embody(*self.world.reset(self.np_random))
        q, qd = self._start(phase)
        if self.config.start_noise > 0.0:
            q[6:] += self.np_random.normal(0.0, self.config.start_noise, len(q) - 6)
        self.actuator.reset(self.np_random)
        self.simulation.reset(q, qd)
        self._work[:], self._way = 0.0, 0.0
        self.state = self._read_state()
        self.goal = self.task.first_goal(self.state, self.np_random)
        self._remember_start()
        self._look_ahead()
        return self._observe(), {"diverged": False, **self._phase()}

    def step(self, action: Array32) -> tuple[Array32, float, bool, bool, Info]:
        """Follow a target pose, or hold muscle excitations, for a control period; then judge where it led."""
        self.begin(action)
        advance([self.actuator])
        return self.finish()

    def begin(self, action: Array32) -> None:
        """Hand an action to the actuator; the first of the three parts of `step`."""
        command = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        self.world.step(self.np_random, self.state.facing)
        if self.aids.assistance > 0.0:
            self.aids.support(self.simulation, self.state, self._wanted_place)
        base, velocity = self._wanted if self.task.follows_motion else (self._neutral, self._stillness)
        if self.config.actuation == "excitation":
            self.actuator.excite(0.5 * (command + 1.0))
        elif self.config.actuation == "muscle_length":
            self.actuator.aim(base, velocity, self.config.length_range * command)
        else:
            target = base.copy()
            target[6:] += self.config.target_range * command
            if self.feed_forward is not None:
                target[6:] += (
                    self.feed_forward.at(self.time_after(1) - 0.5 / self.config.control_hz) / self.config.kp
                )
            self.actuator.follow(target, velocity)

    def finish(self) -> tuple[Array32, float, bool, bool, Info]:
        """Judge where a control step has led; the last of the three parts of `step`."""
        self._steps += 1
        after = self._read_state()
        diverged = not after.is_finite
        if not diverged:
            self._way += step_way(self.state, after)
            self.state = after
        self._work += (self.state.effort.joint_work, self.state.effort.muscle_work)
        self._past.append(np.concatenate([self.state.q, self.state.qd]))
        terms = self._reward_terms()
        followed = self._wanted[0] if self.task.follows_motion else None
        lost = self.aids.is_lost(self.state, followed)
        terminated = diverged or lost or self.task.is_over(self.state, self.goal)
        self.goal = self.task.next_goal(self.goal, self.state, self.np_random)
        ended = self.reference is not None and self.reference.has_ended(self.time)
        info = {"reward_terms": terms, "diverged": diverged, **self._phase(), **self.world.info()}
        if self.reference is not None:
            info |= tracking_measures(self.state, self._wanted[1], self._wanted_place)
        info |= step_measures(self.state, self._work, self._way)
        self._look_ahead()
        return self._observe(), sum(terms.values()), terminated, ended, info

    def render(self) -> npt.NDArray[np.uint8] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return a picture (height, width, 3) of the body and its muscles, or None without a render mode."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            from musclegym.envs.render import Renderer

            self._renderer = Renderer(self.body)
        simulation, pushed = self.simulation, self.simulation.push_force.any()
        return self._renderer.draw(
            self.state.q,
            self.state.activation,
            ghost=self.reference.at(self.time)[0] if self.config.ghost and self.reference else None,
            ground=simulation.ground.height if self.config.ground is not None else None,
            push=np.array([simulation.push_point(), simulation.push_force]) if pushed else None,
        )

    def close(self) -> None:
        """Free the physics world."""
        self.simulation.close()

    def _embody(self, body: Body, motion: Motion | None) -> None:
        """Go on with another body of the same names, and its motion."""
        if motion is not None and motion is not self.motion:
            self.motion, self.reference = motion, Reference(motion, self._place)
        if body is self.body:
            return
        self.body = body
        self.actuator.set_body(body)
        self._neutral = neutral_pose(body.skeleton)
        self._renderer = None

    def _feed_forward_of(self, body: Body, motion: Motion | None) -> FeedForward | None:
        return FeedForward(body, motion) if self.config.feed_forward and motion is not None else None

    def _start(self, phase: float | None) -> tuple[Array, Array]:
        """Return the pose and velocity (dof,) in which an episode starts, and set the clock."""
        self._steps, self._start_time = 0, 0.0
        if self.reference is None or phase is None:
            return self._place(self._neutral.copy()), np.zeros(self.body.n_dofs)
        self._start_time = phase * self.reference.motion.duration
        self.reference.start()
        return self.reference.at(self.time)

    def _place(self, q: Array) -> Array:
        """Return a pose (dof,) of flat ground as it stands on the ground of this episode."""
        return q if self.config.ground is None else self.world.lift(q)

    def _remember_start(self) -> None:
        """Fill the history with the states before the start, or with the start where there is no motion."""
        now = np.concatenate([self.state.q, self.state.qd])
        self._past.clear()
        for past in range(self._past.maxlen or 1, 1, -1):
            before = None if self.reference is None else self.reference.at(self.time_after(1 - past))
            self._past.append(now if before is None else np.concatenate(before))
        self._past.append(now)

    def _look_ahead(self) -> None:
        """Carry the motion along with the body, and find where it will be after the next control step."""
        if self.reference is not None:
            self.reference.resynchronise(self.time, self.state.rotation[0], self.state.joint_position[0])
            self._wanted = self.reference.at(self.time_after(1))
            self._wanted_place = self.body.kinematics(*self._wanted)

    def _read_state(self) -> BodyState:
        rate = self.config.control_hz
        return read_state(self.actuator, self.world, self._steps / rate, 1.0 / rate)

    def _observe(self) -> Array32:
        error = np.zeros(0)
        if self.task.follows_motion:
            error = self.body.skeleton.difference(self.state.q, self._wanted[0])
        history = self.config.history
        view = View(
            state=self.state,
            target_error=error,
            phase=self.reference.phase(self.time) if self.reference else 0.0,
            goal=self.task.observe(self.state, self.goal),
            past=np.array(self._past)[len(self._past) - history :] if history else np.zeros(0),
        )
        return observe(self.observation_layout, view)

    def _reward_terms(self) -> dict[str, float]:
        """Return every weighted term of the reward of the last control step."""
        weights, terms = self.config.reward_weights, {}
        if self.reference is not None:
            tracking = tracking_terms(self.state, *self._wanted, self._wanted_place, self.config.weights)
            terms |= {name: weights.tracking * value for name, value in tracking.items()}
        if self.config.prior is not None:
            states = np.array(self._past)[-self.config.prior.window :]
            terms["prior"] = weights.prior * self.config.prior(states)
        if weights.reach != 0.0:
            terms["reach"] = weights.reach * rewards.reach_match(self.actuator.effort.torque_residual)
        own = self.task.rewards(self.state, self.goal)
        if twice := sorted(terms.keys() & own.keys()):
            raise ValueError(
                f"reward terms need names of their own, but the task's {twice[0]!r} is one of the motion's "
                f"or prior's terms, or 'reach'; rename it in {type(self.task).__name__}.rewards"
            )
        return terms | {name: weights.task * value for name, value in own.items()}

    def _phase(self) -> Info:
        if self.reference is None:
            return {}
        return {
            "phase": self.reference.phase(self.time),
            "start_phase": self.reference.phase(self._start_time),
        }


MuscleHumanoidEnv.__doc__ = f"{inspect.cleandoc(MuscleHumanoidEnv.__doc__ or '')}\n\n{environment_page(INFO)}"
