"""A clip's skeleton and figures as text, for `musclegym data inspect` of one file."""

from typing import Any

import numpy as np

from musclegym.motion.clip import Clip
from musclegym.motion.families import Family


def skeleton_lines(clip: Clip, family: Family) -> list[str]:
    """Return a line per joint: its name, indented below its parent's, bone length, and body it moves."""
    bodies = {joint: body for body, joint in family.joints.items()}
    depth: list[int] = []
    for parent in clip.parent:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    width = max(2 * level + len(name) for level, name in zip(depth, clip.names, strict=True))
    lengths = np.linalg.norm(clip.offset, axis=1)
    return [
        f"{'  ' * level + name:<{width}}  {length:6.3f} m  {bodies.get(name, '')}".rstrip()
        for level, name, length in zip(depth, clip.names, lengths, strict=True)
    ]


def one_clip(figures: dict[str, Any]) -> list[str]:
    """Return the lines about one clip: its skeleton, and the person and the gait that it shows."""
    size = f"legs {figures['leg']:.2f} m, head joint {figures['height']:.2f} m above the lower ankle"
    gait = "no regular steps"
    if figures["step_time"]:
        rate = 60.0 / figures["step_time"]
        gait = f"steps of {figures['step_length']:.2f} m, {rate:.0f} a minute"
    return [
        f"{figures['source']}: {figures['family']}, {figures['joints']} joints, "
        f"1 unit = {figures['unit']:.4g} m",
        *figures["skeleton"],
        f"size: {size}",
        f"gait: pelvis at {figures['speed']:.2f} m/s, {gait}, "
        f"standing foot at {figures['stance_speed']:.2f} m/s",
        f"motion: falls with {figures['fall']:.2f} g, limbs turn at {figures['turning']:.1f} rad/s, "
        f"off the ground in {100.0 * figures['airborne']:.0f} % of the frames",
        "",
    ]
