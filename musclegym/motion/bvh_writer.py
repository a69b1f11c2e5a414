"""BVH files of clips and motions, for Blender and other programs."""

from pathlib import Path

import numpy as np

from musclegym.motion.body_clip import clip_of
from musclegym.motion.clip import Clip
from musclegym.motion.motion import Motion
from musclegym.rotation import Array

DECIMALS = 6  # of angles [degrees] and lengths [file units]: 2e-8 rad, and 1e-8 m in centimetres
GIMBAL = 1e-7  # cosine of the middle angle below which the outer two turn about one axis


def write_bvh(path: str | Path, motion: Clip | Motion, *, unit: float = 0.01) -> None:
    """Write a BVH file.

    A `Motion` gets its body's names, with every frame turned as the world in the T-pose; `read_motion` and
    `retarget` on the same body give its poses back to 1e-6 rad. For poses alone, `clip_of` makes a clip. That
    a motion is cyclic is not written.

    Args:
        path: the file, ending in .bvh; an existing one is replaced.
        motion: what to write.
        unit: metres per unit of length in the file; centimetres by default, the unit of most BVH files.

    Raises:
        ValueError: if the name does not end in .bvh, the unit is not positive, or a joint's name has blanks,
            braces or `#`.
    """
    path = Path(path)
    clip = motion if isinstance(motion, Clip) else clip_of(motion.skeleton, motion.q, motion.fps, motion.name)
    strange = [name for name in clip.names if not name or set(name) & set("{}#") or len(name.split()) != 1]
    if path.suffix.lower() != ".bvh" or not 0.0 < unit < np.inf or strange:
        raise ValueError(
            f"a BVH file's name ends in .bvh, its unit is positive, and its joints are words without braces "
            f"and #, but here are {path.name!r}, {unit} and {strange or 'good names'}; change them"
        )
    order, lines = hierarchy(clip, unit)
    angles = np.degrees(np.unwrap(euler_zyx(clip.rotation[:, order]), axis=0)).reshape(len(clip.root), -1)
    rows = np.concatenate([clip.root / unit, angles], axis=1)
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("\n".join(["HIERARCHY", *lines, "MOTION", f"Frames: {len(rows)}", ""]))
        stream.write(f"Frame Time: {1.0 / float(clip.fps)!r}\n")
        np.savetxt(stream, rows, fmt=f"%.{DECIMALS}f")


def hierarchy(clip: Clip, unit: float) -> tuple[list[int], list[str]]:
    """Return the joints depth first, as a BVH file lists them, and the lines of the skeleton.

    A joint without children ends half a bone further on.
    """
    children: dict[int, list[int]] = {}
    for joint, parent in enumerate(clip.parent):
        children.setdefault(int(parent), []).append(joint)
    order: list[int] = []
    lines: list[str] = []
    pending = [(0, 0)]
    while pending:
        joint, depth = pending.pop()
        indent = "  " * depth
        if joint < 0:
            lines.append(indent + "}")
            continue
        order.append(joint)
        channels = "3 Zrotation Yrotation Xrotation"
        lines += [
            f"{indent}{'JOINT' if depth else 'ROOT'} {clip.names[joint]}",
            indent + "{",
            f"{indent}  OFFSET {numbers(clip.offset[joint] / unit)}",
            f"{indent}  CHANNELS {channels if depth else f'6 Xposition Yposition Zposition {channels[2:]}'}",
        ]
        if joint not in children:
            end = numbers(0.5 * clip.offset[joint] / unit)
            lines += [f"{indent}  {line}" for line in ("End Site", "{", f"  OFFSET {end}", "}")]
        pending.append((-1, depth))
        pending += [(child, depth + 1) for child in reversed(children.get(joint, []))]
    return order, lines


def numbers(values: Array) -> str:
    """Return numbers as text."""
    return " ".join(f"{value:.{DECIMALS}f}" for value in values)


def euler_zyx(rotation: Array) -> Array:
    """Return the angles z, y, x [rad] of rotations (..., 3, 3) = Rz Ry Rx, shape (..., 3).

    Where y is a right angle only z - x or z + x is defined; x is 0 there.
    """
    sine = np.clip(-rotation[..., 2, 0], -1.0, 1.0)
    locked = np.hypot(rotation[..., 0, 0], rotation[..., 1, 0]) < GIMBAL
    z = np.where(
        locked,
        np.arctan2(-rotation[..., 0, 1], rotation[..., 1, 1]),
        np.arctan2(rotation[..., 1, 0], rotation[..., 0, 0]),
    )
    x = np.where(locked, 0.0, np.arctan2(rotation[..., 2, 1], rotation[..., 2, 2]))
    y = np.arctan2(sine, np.hypot(rotation[..., 0, 0], rotation[..., 1, 0]))
    return np.stack([z, y, x], axis=-1)
