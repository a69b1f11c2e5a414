"""BVH files: the `bvh` package reads the hierarchy, NumPy the numbers."""

import re
from pathlib import Path

import numpy as np
from bvh import Bvh, BvhNode
from scipy.spatial.transform import Rotation

from musclegym.motion.clip import Clip, infer_unit
from musclegym.rotation import Array

MOVING = 0.02  # a bone whose length changes by more than this is no rigid bone [m]


def read_bvh(
    path: Path, *, fps: float | None = None, unit: float | None = None, trust_rows: bool = False
) -> Clip:
    """Read a BVH file.

    Each joint's rotation is composed in the order of its own channels. Position channels replace the joint's
    OFFSET. Joints above the one that moves are folded into it: some files pin the root and move its only
    child.

    Args:
        path: the file.
        fps: frame rate to use instead of the file's [1/s].
        unit: metres per unit of length; by default inferred from the skeleton's size (see `infer_unit`).
        trust_rows: take the rows there are when the header promises another number of them.

    Raises:
        ValueError: if the file breaks the format; the message names file, line, rule and cure.
    """
    lines = path.read_bytes().decode("utf-8-sig", errors="replace").splitlines()
    lines = [re.sub(r"#.*", "", line) if "#" in line else line for line in lines]
    start = next((i for i, line in enumerate(lines) if line.strip().upper() == "MOTION"), None)
    if start is None:
        raise ValueError(
            f"{path}:{len(lines)}: a BVH file has a line MOTION between skeleton and numbers, but this has "
            f"none; the file is truncated or no BVH: export it again"
        )
    joints = read_hierarchy(path, lines[:start])
    frames, frame_time, first = read_header(path, lines, start)
    width = sum(len(joint.channels) for joint in joints)
    rows = read_rows(path, lines, first, width)
    if len(rows) != frames and not trust_rows:
        raise ValueError(
            f"{path}:{start + 2}: the header promises {frames} frames, but {len(rows)} rows follow; the file "
            "is truncated or its header wrong: export it again, or read the rows there are with "
            "trust_rows=True"
        )
    return build_clip(path, joints, rows, 1.0 / frame_time if fps is None else fps, unit)


class Joint:
    """A joint as the file states it."""

    def __init__(self, name: str, parent: int, offset: list[float], channels: list[str]):
        """Hold name, index of the parent (-1 for the root), OFFSET [file units] and channel names."""
        self.name = name
        self.parent = parent
        self.offset = offset
        self.channels = channels


def normalise(path: Path, lines: list[str]) -> str:
    """Return the hierarchy with one statement per line and no blanks in names, as the `bvh` package needs it.

    Raises:
        ValueError: if braces do not balance or a line is no statement of a hierarchy.
    """
    depth = 0
    out = []
    for number, line in enumerate(lines, start=1):
        for statement in re.split(r"([{}])", line):
            words = statement.split()
            if not words:
                continue
            key = words[0].upper()
            depth += (key == "{") - (key == "}")
            if key not in ("HIERARCHY", "ROOT", "JOINT", "END", "{", "}", "OFFSET", "CHANNELS") or depth < 0:
                raise ValueError(
                    f"{path}:{number}: a hierarchy is made of ROOT, JOINT, End Site, OFFSET, CHANNELS and "
                    f"matching braces, but here is {statement.strip()!r}; repair this line or export the "
                    "file again"
                )
            if key in ("ROOT", "JOINT"):
                words = [key, "_".join(words[1:]) or f"joint_{number}"]
            out.append("End Site" if key == "END" else " ".join([key, *words[1:]]))
    if depth:
        raise ValueError(
            f"{path}:{len(lines)}: every brace of the hierarchy must be closed, but {depth} are open at its "
            "end; the file is truncated: export it again"
        )
    return "\n".join(out) + "\n"


def read_hierarchy(path: Path, lines: list[str]) -> list[Joint]:
    """Return the joints of the hierarchy, parents first.

    Raises:
        ValueError: if there is not one root, or a joint's OFFSET or CHANNELS are missing or wrong.
    """
    tree = Bvh(normalise(path, lines))
    top = next(tree.root.filter("HIERARCHY"), tree.root)
    roots = [*top.filter("ROOT"), *(tree.root.filter("ROOT") if top is not tree.root else ())]
    if len(roots) != 1:
        raise ValueError(
            f"{path}: a BVH file has one ROOT, but this has {len(roots)}; split it, one skeleton a file"
        )
    joints: list[Joint] = []
    pending = [(roots[0], -1)]
    while pending:
        node, parent = pending.pop()
        joints.append(read_joint(path, node, parent))
        pending += [(child, len(joints) - 1) for child in reversed(list(node.filter("JOINT")))]
    names = [joint.name for joint in joints]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(
            f"{path}: joint names must be unique, but {', '.join(twice)} occur twice; rename them"
        )
    return joints


def read_joint(path: Path, node: BvhNode, parent: int) -> Joint:
    """Return one joint.

    Raises:
        ValueError: if its OFFSET or CHANNELS are missing or wrong.
    """
    offsets, channels = list(node.filter("OFFSET")), list(node.filter("CHANNELS"))
    try:
        (offset,), (channel,) = offsets, channels
        numbers = [float(word) for word in offset.value[1:]]
        count, names = int(channel.value[1]), [word.capitalize() for word in channel.value[2:]]
        known = {f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}
        sound = (
            len(numbers) == 3
            and np.isfinite(numbers).all()
            and count == len(names) == len(set(names) & known)
        )
    except (ValueError, IndexError):
        sound, numbers, names = False, [], []
    if not sound:
        given = [" ".join(item.value) for item in [*offsets, *channels]]
        raise ValueError(
            f"{path}: joint {node.value[1]!r} needs one OFFSET of 3 numbers and one CHANNELS with as many "
            f"different names (Xposition ... Zrotation) as it says, but has {given or 'neither'}; repair it "
            "or export the file again"
        )
    return Joint(node.value[1], parent, numbers, names)


def read_header(path: Path, lines: list[str], start: int) -> tuple[int, float, int]:
    """Return the number of frames, the frame time [s] and the index of the first row of numbers.

    Raises:
        ValueError: if `Frames:` or `Frame Time:` is missing or not positive.
    """
    text = [(i, lines[i].strip()) for i in range(start + 1, len(lines)) if lines[i].strip()][:2]
    rules = ((r"Frames\s*:\s*(\d+)$", "Frames: COUNT"), (r"Frame\s*Time\s*:\s*(\S+)$", "Frame Time: SECONDS"))
    values = []
    for (pattern, rule), (index, line) in zip(
        rules, [*text, *[(len(lines) - 1, "")] * (2 - len(text))], strict=True
    ):
        match = re.match(pattern, line, re.IGNORECASE)
        try:
            value = float(match[1]) if match else 0.0
        except ValueError:
            value = 0.0
        if not 0.0 < value < np.inf:
            raise ValueError(
                f"{path}:{index + 1}: expected '{rule}' with a positive number, but found {line!r}; repair "
                "this line or export the file again"
            )
        values.append(value)
    return int(values[0]), values[1], text[1][0] + 1


def read_rows(path: Path, lines: list[str], first: int, width: int) -> Array:
    """Return the numbers of the motion, shape (frame, channel).

    Raises:
        ValueError: if a row is short or long, or a word of it is no finite number.
    """
    rows = [line for line in lines[first:] if line.strip()]
    try:
        values = np.loadtxt(rows, ndmin=2, comments=None) if rows else np.empty((0, width))
        if values.shape[1] == width and np.isfinite(values).all():
            return values
    except ValueError:
        pass
    raise ValueError(first_fault(path, lines, first, width))


def first_fault(path: Path, lines: list[str], first: int, width: int) -> str:
    """Say what is wrong with the first bad row of numbers."""
    for number, line in enumerate(lines[first:], start=first + 1):
        words = line.split()
        if words and len(words) != width:
            return (
                f"{path}:{number}: every row has one number per channel, {width} here, but this one has "
                f"{len(words)}; the file is truncated or damaged: export it again, or delete the row and "
                "correct 'Frames:'"
            )
        for word in words:
            try:
                finite = np.isfinite(float(word))
            except ValueError:
                finite = False
            if not finite:
                return (
                    f"{path}:{number}: rows hold finite numbers, but here is {word!r}; export the file again"
                )
    return f"{path}: the rows of numbers cannot be read; export the file again"


def build_clip(path: Path, joints: list[Joint], rows: Array, fps: float, unit: float | None) -> Clip:
    """Compose the joints' rotations and positions, fold a pinned root, and convert to metres."""
    names = [joint.name for joint in joints]
    parent = np.array([joint.parent for joint in joints])
    position, rotation = apply_channels(joints, rows)
    while (
        len(names) > 2 and np.count_nonzero(parent == 0) == 1 and np.ptp(position[:, 1], axis=0).max() > 0.0
    ):
        position[:, 1] = position[:, 0] + np.einsum("fij,fj->fi", rotation[:, 0], position[:, 1])
        rotation[:, 1] = rotation[:, 0] @ rotation[:, 1]
        names, parent = names[1:], parent[1:] - 1
        position, rotation = position[:, 1:], rotation[:, 1:]
    parent[0] = -1
    offset = np.median(position, axis=0)
    offset[0] = 0.0
    scale = infer_unit(str(path), parent, offset) if unit is None else unit
    check_rigid(path, names, position * scale, offset * scale)
    root = position[:, 0] * scale
    return Clip(path.stem, str(path), tuple(names), parent, offset * scale, rotation, root, fps, scale)


def apply_channels(joints: list[Joint], rows: Array) -> tuple[Array, Array]:
    """Return each joint's position (frame, joint, 3) [file units] and rotation (frame, joint, 3, 3)."""
    position = np.broadcast_to(
        np.array([joint.offset for joint in joints]), (len(rows), len(joints), 3)
    ).copy()
    quaternion = np.zeros((len(joints), 4, len(rows)))
    quaternion[:, 3] = 1.0
    column = 0
    for index, joint in enumerate(joints):
        for channel in joint.channels:
            axis = "XYZ".index(channel[0])
            if channel.endswith("position"):
                position[:, index, axis] = rows[:, column]
            else:
                turn_about(quaternion[index], axis, rows[:, column])
            column += 1
    rotation = Rotation.from_quat(quaternion.transpose(2, 0, 1).reshape(-1, 4)).as_matrix()
    return position, rotation.reshape(len(rows), len(joints), 3, 3)


def turn_about(quaternion: Array, axis: int, degrees: Array) -> None:
    """Multiply quaternions xyzw (4, frame) in place, from the right, by turns about an axis (0, 1 or 2).

    Ten times as fast as a scipy Rotation per joint; the product is q (cos + sin e) with e the axis's unit.
    """
    half = np.radians(0.5 * degrees)
    cosine, sine = np.cos(half), np.sin(half)
    a, b, c, w = quaternion[[axis, (axis + 1) % 3, (axis + 2) % 3, 3]]
    quaternion[axis] = a * cosine + w * sine
    quaternion[(axis + 1) % 3] = b * cosine + c * sine
    quaternion[(axis + 2) % 3] = c * cosine - b * sine
    quaternion[3] = w * cosine - a * sine


def check_rigid(path: Path, names: list[str], position: Array, offset: Array) -> None:
    """Refuse bones that change their length.

    Raises:
        ValueError: if a joint below the root moves in its parent's frame.
    """
    stray = np.linalg.norm(position[:, 1:] - offset[1:], axis=2).max(axis=0)
    if (stray > MOVING).any():
        worst = int(stray.argmax())
        raise ValueError(
            f"{path}: bones must keep their length, but {names[worst + 1]!r} moves by "
            f"{1000 * stray[worst]:.0f} mm in its parent's frame; export the motion with fixed bones"
        )
