"""Next-state models: networks that predict how a motion goes on, one frame at a time.

They see heading-invariant features (`musclegym.motion.features`) and how the frame before led to each frame,
and predict how velocities change, in the body's own frames; positions follow by the mean of the velocities
at both ends of the frame, with a small correction. So a rollout cannot stand still while its velocities say
that it moves. Turning or shifting the world turns or shifts the prediction, and a network that has learned
nothing predicts constant velocity. Rotations are advanced by rotation vectors within the group of rotations,
so they stay orthonormal without projection; the 6-D form is only how the network sees them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from musclegym.motion.features import Pose, StateLayout
from musclegym.motion.rotation_arrays import (
    Numbers,
    array_module,
    rotation_from_vector,
    vector_from_rotation,
)
from musclegym.pretrain.pose_pool import joined

FEATURE_LIMIT = 8.0
"""Normalised features are clipped here, so that a falling body stays within reach of the data."""
CORRECTION_LIMIT = 4.0
"""Largest correction of a position beyond what velocities say, in root mean squares of it in the data."""
REACH = 4.0
"""Velocities beyond this multiple of their root mean square do not last by themselves, but the root's path's,
or people who run among many who walk would be slowed down."""
VELOCITY_MARGIN = 1.25
"""Each predicted velocity stays below this multiple of the fastest in the training data."""

Memory = dict[Any, Any]
"""What a model keeps of the frames before, so that a further frame costs the same however many there were."""


class Prior(Protocol):
    """Anything that says how a motion goes on: learned models and their baselines."""

    def roll_out(self, context: Tensor, steps: int) -> Tensor:
        """Return the states (batch, steps, 2 dof) that follow true ones (batch, frame, 2 dof)."""
        ...


class MotionModel(nn.Module):
    """Base of priors that are learned from motion: normalisation, and limits that the motions kept."""

    kind: ClassVar[str]
    """Name of the kind of model in manifests."""

    feature_mean: Tensor
    feature_scale: Tensor
    arrival_scale: Tensor
    change_scale: Tensor
    velocity_limit: Tensor
    velocity_reach: Tensor
    joint_lower: Tensor
    joint_upper: Tensor
    height_range: Tensor
    speed_limit: Tensor

    def __init__(self, layout: StateLayout, config: Any, fps: float) -> None:
        """Register a normalisation that changes nothing.

        Args:
            layout: order of the numbers of a state.
            config: dataclass of sizes, with `window`.
            fps: frames per second of the motions.
        """
        super().__init__()
        self.layout, self.config, self.fps = layout, config, fps
        self.register_buffer("feature_mean", torch.zeros(layout.n_features))
        self.register_buffer("feature_scale", torch.ones(layout.n_features))
        self.register_buffer("arrival_scale", torch.ones(layout.n_state))
        self.register_buffer("change_scale", torch.ones(layout.n_state))
        self.register_buffer("velocity_limit", torch.full((layout.n_dofs,), 6e4))
        self.register_buffer("velocity_reach", torch.full((layout.n_dofs,), 6e4))
        self.register_buffer("joint_lower", torch.full((layout.n_dofs - 6,), -6e4))
        self.register_buffer("joint_upper", torch.full((layout.n_dofs - 6,), 6e4))
        self.register_buffer("height_range", torch.tensor([-6e4, 6e4]))
        self.register_buffer("speed_limit", torch.tensor(6e4))

    @property
    def window(self) -> int:
        """Frames that a prediction looks back on at least, the present one included."""
        return self.config.window

    def set_statistics(self, statistics: Mapping[str, Tensor]) -> None:
        """Store what `statistics_of` measured; it is saved with the weights."""
        for name, value in statistics.items():
            getattr(self, name).copy_(value)

    def normal(self, poses: Pose) -> Tensor:
        """Return normalised features (batch, frame, feature) of poses."""
        normal = (self.layout.features(poses) - self.feature_mean) / self.feature_scale
        return normal.clamp(-FEATURE_LIMIT, FEATURE_LIMIT)

    def limited(self, states: Tensor) -> Tensor:
        """Return states (..., 2 dof) with joints, height and velocities in the range of the training data."""
        n = self.layout.n_dofs
        height = states[..., 4:5].clamp(*self.height_range)
        joints = states[..., 6:n].clamp(self.joint_lower, self.joint_upper)
        velocities = self.slowed(states[..., n:])
        return torch.cat([states[..., :4], height, states[..., 5:6], joints, velocities], dim=-1)

    def slowed(self, velocities: Tensor) -> Tensor:
        """Return velocities (..., dof) within the limits of each, and of the speed of the root."""
        each = velocities.clamp(-self.velocity_limit, self.velocity_limit)
        speed = each[..., 3:6].square().sum(dim=-1, keepdim=True).clamp_min(1e-6).sqrt()
        root = each[..., 3:6] * (self.speed_limit / speed).clamp_max(1.0)
        return torch.cat([each[..., :3], root, each[..., 6:]], dim=-1)

    def roll_out(self, context: Tensor, steps: int) -> Tensor:
        """Return the states (batch, steps, 2 dof) that follow true ones (batch, frame, 2 dof)."""
        raise NotImplementedError


class NextStateModel(MotionModel):
    """Base of networks that learn the change from each frame to the next; a subclass has `hidden`."""

    def __init__(self, layout: StateLayout, config: Any, fps: float) -> None:
        """Add the head of an untrained network, which predicts constant velocity.

        Args:
            layout: order of the numbers of a state.
            config: dataclass of sizes, with `width` and `window`.
            fps: frames per second of the motions.
        """
        super().__init__(layout, config, fps)
        self.head = nn.Linear(config.width, layout.n_state)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def n_inputs(self) -> int:
        """Numbers that the network sees of a frame."""
        return self.layout.n_features + self.layout.n_state

    def inputs(self, poses: Pose, memory: Memory | None) -> Tensor:
        """Return normalised features and arrivals (batch, frame, n_inputs) of successive poses.

        Differences of a frame are small beside the spread of what they are differences of, so networks do not
        find them by themselves. The first frame that is known has none, which counts as 0.
        """
        known = poses
        if memory is not None:
            if "pose" in memory:
                known = joined([memory["pose"], poses], dim=1)
            memory["pose"] = Pose(*(part[:, -1:].contiguous() for part in poses))
        before, now = known.at((slice(None), slice(-1))), known.at((slice(None), slice(1, None)))
        arrivals = arrival(self.layout, before, now, self.fps) / self.arrival_scale
        missing = poses.hinge.shape[1] - arrivals.shape[1]
        padded = torch.cat([arrivals.new_zeros(len(arrivals), missing, self.layout.n_state), arrivals], dim=1)
        return torch.cat([self.normal(poses), padded.clamp(-FEATURE_LIMIT, FEATURE_LIMIT)], dim=-1)

    def hidden(self, inputs: Tensor, memory: Memory | None) -> Tensor:
        """Return hidden states (batch, frame, width) of successive frames.

        Args:
            inputs: what `inputs` returns, shape (batch, frame, n_inputs).
            memory: of the frames before; it is brought up to date. None where there are none before and none
                will follow.
        """
        raise NotImplementedError

    def changes(self, poses: Pose, memory: Memory | None = None) -> Tensor:
        """Return the predicted change to the next frame (batch, frame, 2 dof) at every frame of `poses`.

        Layout as in `StateLayout.difference`.

        Args:
            poses: successive frames, leading axes (batch, frame).
            memory: begin with an empty one, `{}`, and hand it on with the frames that follow.
        """
        return self.integrated(poses, self.head(self.hidden(self.inputs(poses, memory), memory)))

    def integrated(self, poses: Pose, outputs: Tensor) -> Tensor:
        """Return the change (..., 2 dof) that outputs of the network mean (..., 2 dof), in `change_scale`.

        Velocities change by the outputs, after those out of `velocity_reach` have fallen back into it, so
        that no error makes a body spin ever faster. Positions change by the trapezoid rule and a bounded
        correction to it.
        """
        n = self.layout.n_dofs
        lasting = poses.velocity.clamp(-self.velocity_reach, self.velocity_reach)
        faster = lasting - poses.velocity + self.change_scale[n:] * outputs[..., n:]
        correction = self.change_scale[:n] * bounded(outputs[..., :n], CORRECTION_LIMIT)
        return torch.cat([(poses.velocity + 0.5 * faster) / self.fps + correction, faster], dim=-1)

    def changed(self, poses: Pose, changes: Tensor) -> Pose:
        """Return `poses` after `changes` (..., 2 dof), kept in the range of the training data.

        A joint coordinate that reaches its limit stops there.
        """
        reached = self.layout.advance(poses, changes)
        balls, hinges = self.layout.dof_blocks["ball"], self.layout.hinge_columns
        turns = vector_from_rotation(reached.rotation[..., 1:, :, :])
        joints = torch.cat([turns.flatten(-2), reached.hinge], dim=-1)
        columns = torch.from_numpy(np.concatenate([balls, hinges]))
        kept = joints.clamp(self.joint_lower[columns - 6], self.joint_upper[columns - 6])
        velocity = self.slowed(reached.velocity)
        outward = (joints - kept) * velocity[..., columns] > 0.0
        stopped = torch.zeros_like(velocity, dtype=torch.bool).index_copy(-1, columns, outward)
        allowed = kept[..., : len(balls)].unflatten(-1, turns.shape[-2:])
        beyond = (allowed != turns).any(dim=-1)[..., None, None]
        rotation = torch.where(beyond, rotation_from_vector(allowed), reached.rotation[..., 1:, :, :])
        x, height, z = reached.displacement.unbind(-1)
        return Pose(
            rotation=torch.cat([reached.rotation[..., :1, :, :], rotation], dim=-3),
            displacement=torch.stack(
                [x, height.clamp(self.height_range[0], self.height_range[1]), z], dim=-1
            ),
            hinge=kept[..., len(balls) :],
            velocity=velocity.masked_fill(stopped, 0.0),
        )

    def forward(self, poses: Pose, memory: Memory | None = None) -> Pose:
        """Return the pose (batch, 1) after the last of `poses` (batch, frame); `memory` as in `changes`."""
        last = (slice(None), slice(-1, None))
        return self.changed(poses.at(last), self.changes(poses, memory)[last])

    def step(self, states: Tensor, memory: Memory | None = None) -> Tensor:
        """Return the states (batch, 2 dof) after the last of `states` (batch, frame, 2 dof).

        Args:
            states: frames that `memory` has not seen, oldest first.
            memory: as in `changes`.
        """
        return self.layout.state(self(self.layout.pose(states), memory))[:, 0]

    @torch.no_grad()
    def roll_out(self, context: Tensor, steps: int) -> Tensor:
        """Return `steps` states that follow true ones, each predicted from those before, true or predicted.

        Args:
            context: true states to begin from, shape (batch, frame, 2 dof).
            steps: frames to predict.

        Returns:
            Predicted states, shape (batch, steps, 2 dof).
        """
        memory: Memory = {}
        states = [self.step(context, memory)]
        for _ in tqdm(range(steps - 1), desc="rollouts", unit="frame", leave=False, disable=None):
            states.append(self.step(states[-1][:, None], memory))
        return torch.stack(states, dim=1)

    def encode(self, window: Tensor) -> Tensor:
        """Return features (batch, width) of windows (batch, frame, 2 dof): the part that policies freeze."""
        return self.hidden(self.inputs(self.layout.pose(window), None), None)[:, -1]


def bounded(values: Tensor, limit: float) -> Tensor:
    """Return values that are as they were near 0 and never beyond a limit."""
    return limit * torch.tanh(values / limit)


def arrival(layout: StateLayout, before: Pose, now: Pose, fps: float) -> Numbers:
    """Return how poses were arrived at from those a frame before, shape (..., 2 dof).

    The mean velocity since then less the velocity now, which tells the acceleration, and the change of
    velocity [1/s of each coordinate].
    """
    n, change = layout.n_dofs, layout.difference(before, now)
    return array_module(change).concatenate([fps * change[..., :n] - now.velocity, change[..., n:]], axis=-1)


def statistics_of(layout: StateLayout, motions: Iterable[np.ndarray], fps: float) -> dict[str, Tensor]:
    """Measure the normalisation of a next-state model on motions.

    Scales have a floor at a tenth of their block's mean, so that a joint which hardly moves does not turn
    noise into signal.

    Args:
        layout: order of the numbers of a state.
        motions: states of each clip, shape (frame, 2 dof); one is in memory at a time.
        fps: frames per second.

    Returns:
        `feature_mean`, `feature_scale` (feature,); `arrival_scale` (2 dof,), the root mean square of what
        `arrival` returns; `change_scale` (2 dof,), that of what the trapezoid rule misses of positions in one
        step, and of the change of velocities; `velocity_limit` and `velocity_reach` (dof,); `joint_lower` and
        `joint_upper` (dof - 6,), the range of the joint coordinates [rad]; `height_range` (2,), that of the
        root's height above its rest position [m]; and `speed_limit`, the root's highest speed [m/s].
    """
    n, frames, steps = layout.n_dofs, 0, 0
    total, squares = np.zeros(layout.n_features), np.zeros(layout.n_features)
    missed, fastest, speed, moving = np.zeros(layout.n_state), np.zeros(n), 0.0, np.zeros(n)
    arrived = np.zeros(layout.n_state)
    lower, upper = np.full(n, np.inf), np.full(n, -np.inf)
    for states in motions:
        pose, velocity = layout.pose(states), states[:, n:]
        features = layout.features(pose)
        before, now = pose.at(slice(-1)), pose.at(slice(1, None))
        change = layout.difference(before, now)
        change[:, :n] -= 0.5 * (velocity[:-1] + velocity[1:]) / fps
        arrived += (arrival(layout, before, now, fps) ** 2).sum(axis=0)
        total += features.sum(axis=0)
        squares += (features**2).sum(axis=0)
        missed += (change**2).sum(axis=0)
        fastest = np.maximum(fastest, np.abs(velocity).max(axis=0))
        moving += (velocity**2).sum(axis=0)
        speed = max(speed, float(np.linalg.norm(velocity[:, 3:6], axis=1).max()))
        lower = np.minimum(lower, states[:, :n].min(axis=0))
        upper = np.maximum(upper, states[:, :n].max(axis=0))
        frames, steps = frames + len(states), steps + len(change)
    mean = total / frames
    deviation = np.sqrt(np.maximum(squares / frames - mean**2, 0.0))
    feature_blocks = [np.arange(start, stop) for _, start, stop in layout.feature_blocks]
    positions = list(layout.dof_blocks.values())
    reach = REACH * _floored(np.sqrt(moving / frames), positions)
    reach[3:6] = speed
    change_blocks = positions + [layout.n_dofs + block for block in positions]
    return {
        "velocity_limit": VELOCITY_MARGIN * _floored(fastest, positions),
        "velocity_reach": reach,
        "joint_lower": torch.as_tensor(lower[6:], dtype=torch.float32),
        "joint_upper": torch.as_tensor(upper[6:], dtype=torch.float32),
        "height_range": torch.as_tensor([lower[4], upper[4]], dtype=torch.float32),
        "speed_limit": torch.tensor(speed, dtype=torch.float32),
        "feature_mean": torch.as_tensor(mean, dtype=torch.float32),
        "feature_scale": _floored(deviation, feature_blocks),
        "arrival_scale": _floored(np.sqrt(arrived / steps), change_blocks),
        "change_scale": _floored(np.sqrt(missed / steps), change_blocks),
    }


def _floored(scale: np.ndarray, blocks: list[np.ndarray]) -> Tensor:
    """Return `scale` raised, block by block, to at least a tenth of the block's root mean square."""
    scale = scale.copy()
    for block in (block for block in blocks if block.size):
        scale[block] = np.maximum(scale[block], max(0.1 * np.sqrt((scale[block] ** 2).mean()), 1e-6))
    return torch.as_tensor(scale, dtype=torch.float32)
