"""The terms of tracking a motion: how near a state is to the motion's pose and velocity."""

from musclegym.body import Kinematics
from musclegym.envs import rewards
from musclegym.envs.config import TrackWeights
from musclegym.rotation import Array
from musclegym.state import BodyState, heading_rotation


def tracking_terms(
    state: BodyState, q: Array, qd: Array, wanted: Kinematics, weights: TrackWeights
) -> dict[str, float]:
    """Return the weighted terms of `TrackWeights`.

    Args:
        state: where the body is.
        q: the motion's pose at the same time, shape (dof,).
        qd: the motion's velocity, shape (dof,).
        wanted: where the bodies are then.
        weights: of the terms.
    """
    skeleton = state.body.skeleton
    error = skeleton.difference(state.q, q)
    ends = skeleton.end_effector
    facing = heading_rotation(wanted.joint_rotation[0])
    return {
        "pose": weights.pose * rewards.pose_match(error[6:]),
        "velocity": weights.velocity * rewards.velocity_match(state.qd[6:] - qd[6:]),
        "end_effector": weights.end_effector
        * rewards.end_effector_match(
            (state.com[ends] - state.joint_position[0]) @ state.heading
            - (wanted.com[ends] - wanted.joint_position[0]) @ facing
        ),
        "root": weights.root
        * rewards.root_match(
            state.joint_position[0] - wanted.joint_position[0],
            error[:3],
            state.rotation[0] @ state.qd[3:6] - wanted.joint_rotation[0] @ qd[3:6],
            state.qd[:3] - qd[:3],
        ),
        "com": weights.com * rewards.com_match(state.mass_share @ (state.com_velocity - wanted.com_velocity)),
    }
