"""Bodies of other height, mass and strength, made from a loaded body in a millisecond.

The rules are those of `musclegym.human`: lengths go with stature, masses with body mass, inertias with mass x
stature^2, fibres and tendons with stature, maximum isometric forces with muscle volume over fibre length
(`force_scale`) times strength. So a scaled human equals `load_body("human", height=, mass=, strength=)` to
rounding; bodies of the MASS family scale alike.
"""

from dataclasses import replace
from functools import cache

from musclegym.body import Body
from musclegym.human import force_scale, read_table
from musclegym.motion.motion import Motion
from musclegym.skeleton import Skeleton


@cache
def root_height() -> float:
    """Return the height of the human's root over the ground in the rest pose, as a share of stature [-]."""
    return float(read_table("segments")[0]["joint_y"])


def stature(skeleton: Skeleton) -> float:
    """Return the stature of a body [m]: exact for the human, an estimate by the root's height for others.

    Raises:
        ValueError: if the root is not over the ground in the rest pose.
    """
    height = float(skeleton.joint_position[0, 1])
    if not height > 0.0:
        raise ValueError(
            f"a body that is scaled must stand on the ground y = 0 in its rest pose, but its root is at "
            f"y = {height} m; move the body in its file"
        )
    return height / root_height()


def scale_body(body: Body, height: float = 1.0, mass: float = 1.0, strength: float = 1.0) -> Body:
    """Return a body of other proportions.

    Args:
        body: the body.
        height: stature relative to the body's [-].
        mass: body mass relative to the body's [-].
        strength: factor on all maximum isometric forces, beyond what they change with height and mass [-].

    Raises:
        ValueError: if a factor is not positive and finite, or the body does not stand on the ground.
    """
    for name, factor in (("height", height), ("mass", mass), ("strength", strength)):
        if not 0.0 < factor < float("inf"):
            raise ValueError(
                f"the factor on {name} must be positive and finite, but is {factor}; 1.0 changes nothing"
            )
    old, muscles = body.skeleton, body.muscle_set
    skeleton = replace(
        old,
        joint_position=old.joint_position * height,
        com=old.com * height,
        size=old.size * height,
        mass=old.mass * mass,
        inertia=old.inertia * (mass * height**2),
    )
    tall, heavy = stature(old), old.total_mass
    force = strength * force_scale(tall * height, heavy * mass) / force_scale(tall, heavy)
    scaled = replace(
        body,
        skeleton=skeleton,
        muscle_set=replace(
            muscles,
            max_isometric_force=muscles.max_isometric_force * force,
            optimal_fibre_length=muscles.optimal_fibre_length * height,
            tendon_slack_length=muscles.tendon_slack_length * height,
            waypoint_position=muscles.waypoint_position * height,
        ),
    )
    # Which bodies a muscle turns stays as it is and is slow to find out.
    own = scaled.muscle_set
    vars(scaled)["paths"] = body.paths._replace(
        waypoint_position=own.waypoint_position,
        max_force=own.max_isometric_force,
        passive_force=own.max_isometric_force,
        optimal_length=own.optimal_fibre_length,
        slack_length=own.tendon_slack_length,
    )
    return scaled


def scale_motion(motion: Motion, skeleton: Skeleton) -> Motion:
    """Return the motion of a skeleton that is the motion's own at another size.

    Joint angles and times stay; the root's displacements and linear velocities go with stature.

    Args:
        motion: the motion of the original body.
        skeleton: the scaled one.
    """
    ratio = skeleton.joint_position[0, 1] / motion.skeleton.joint_position[0, 1]
    q, qd, step = motion.q.copy(), motion.qd.copy(), motion.step.copy()
    for numbers in (q, qd, step):
        numbers[:, 3:6] *= ratio
    moved = replace(
        motion, skeleton=skeleton, q=q, qd=qd, cycle_displacement=motion.cycle_displacement * ratio
    )
    vars(moved)["step"] = step  # differences of the joints, which take long for a long motion
    return moved
