"""DeepMimic's motion files: JSON with 44 numbers a frame on a humanoid of 13 joints.

A frame holds its duration [s], the root's position [m] and quaternion (wxyz), then the joints: quaternions
(wxyz) of ball joints and angles [rad] of hinges about their z axis. The humanoid faces +x, its arms hang down
in the zero pose.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from musclegym.motion.clip import Clip
from musclegym.motion.text import LARGEST, RATES, check_rate, read_json
from musclegym.rotation import Array

# name, parent, numbers in a frame, offset from the parent [m] (the skeleton of humanoid3d.txt in the
# DeepMimic release; pybullet_data's humanoid.urdf states the same four times as large)
HUMANOID = (
    ("root", -1, 4, (0.0, 0.0, 0.0)),
    ("chest", 0, 4, (0.0, 0.236151, 0.0)),
    ("neck", 1, 4, (0.0, 0.223894, 0.0)),
    ("right_hip", 0, 4, (0.0, 0.0, 0.084887)),
    ("right_knee", 3, 1, (0.0, -0.421546, 0.0)),
    ("right_ankle", 4, 4, (0.0, -0.409870, 0.0)),
    ("right_shoulder", 1, 4, (-0.02405, 0.243500, 0.183110)),
    ("right_elbow", 6, 1, (0.0, -0.274788, 0.0)),
    ("right_wrist", 7, 0, (0.0, -0.258947, 0.0)),
    ("left_hip", 0, 4, (0.0, 0.0, -0.084887)),
    ("left_knee", 9, 1, (0.0, -0.421546, 0.0)),
    ("left_ankle", 10, 4, (0.0, -0.409870, 0.0)),
    ("left_shoulder", 1, 4, (-0.02405, 0.243500, -0.183110)),
    ("left_elbow", 12, 1, (0.0, -0.274788, 0.0)),
    ("left_wrist", 13, 0, (0.0, -0.258947, 0.0)),
)
WIDTH = 44
SPREAD = 100.0
NORM_TOLERANCE = (
    0.5  # the released files were edited by hand: norms lie between 0.58 (kick) and 1.12; they are normalised
)


def read_deepmimic(path: Path, *, fps: float | None = None) -> Clip:
    """Read a DeepMimic file and sample it evenly.

    Frames may last differently long; the last one's duration has no meaning. `"Loop": "wrap"` makes the clip
    cyclic.

    Args:
        path: the file.
        fps: frame rate to sample at [1/s]; by default that of the shortest frame.

    Raises:
        ValueError: if the file is no DeepMimic motion or breaks the limits of `musclegym.motion.text`; the
            message names file, line or frame, rule and cure.
    """
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("Frames"), list):
        raise ValueError(
            f'{path}:1: a DeepMimic motion is a JSON object with a list "Frames", but this is not; choose '
            "another file"
        )
    loop = record.get("Loop", "none")
    if loop not in ("wrap", "none"):
        raise ValueError(f'{path}:1: "Loop" must be "wrap" or "none", but is {loop!r}; correct it')
    frames = read_frames(path, record["Frames"])
    durations = frames[:-1, 0]
    rate = 1.0 / durations.min() if fps is None else fps
    check_rate(f"{path}:1", rate)
    own_times = np.concatenate([[0.0], np.cumsum(durations)])
    unevenly = build_clip(path, frames, rate, loop == "wrap")
    count = max(round(own_times[-1] * rate), 1)
    times = np.linspace(0.0, own_times[-1], count + 1) if loop == "wrap" else np.arange(count + 1) / rate
    return unevenly.sampled(own_times, times, rate)


def read_frames(path: Path, rows: list[object]) -> Array:
    """Return the frames as an array, shape (frame, 44).

    Raises:
        ValueError: if there are fewer than two; or a frame is short, holds anything but numbers up to
            `LARGEST`, lasts no time or longer than frames may, or has a quaternion far from unit length.
    """
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != WIDTH:
            length = len(row) if isinstance(row, list) else 0
            raise ValueError(
                f"{path}: frame {index}: a frame has {WIDTH} numbers (duration, root, 13 joints), but this "
                f"one has {length}; only motions of the DeepMimic humanoid can be read"
            )
        if not {type(number) for number in row} <= {int, float} or not max(map(abs, row)) <= LARGEST:
            raise ValueError(
                f"{path}: frame {index}: frames hold numbers up to {LARGEST:,.0f} only, but this one has "
                "something else; the file is damaged: get it again"
            )
    frames = np.array(rows, dtype=np.float64).reshape(-1, WIDTH)
    norms = np.stack([np.linalg.norm(frames[:, at : at + 4], axis=1) for at in quaternion_columns()], axis=1)
    sound = np.isfinite(frames).all(axis=1) & (np.abs(norms - 1.0) < NORM_TOLERANCE).all(axis=1)
    sound &= np.append(frames[:-1, 0] >= 1.0 / RATES[1], True)
    if len(frames) < 2 or not sound.all():
        bad = int(np.argmin(sound)) if len(frames) else 0
        raise ValueError(
            f"{path}: frame {bad}: a motion has at least two frames of finite numbers, positive durations "
            "(but for the last) and unit quaternions, but this one breaks that; delete the frame or get the "
            "file again"
        )
    check_durations(path, frames[:-1, 0])
    return frames


def check_durations(path: Path, durations: Array) -> None:
    """Refuse frames that last `SPREAD` times as long as others: sampled evenly, they would fill the memory.

    Raises:
        ValueError: naming the longest.
    """
    if durations.max() > SPREAD * durations.min():
        raise ValueError(
            f"{path}: frame {int(durations.argmax())}: no frame lasts more than {SPREAD:.0f} times as long "
            f"as another, but this one has {durations.max():.4g} s and the shortest {durations.min():.4g} s; "
            "correct the durations"
        )


def quaternion_columns() -> list[int]:
    """First column of each quaternion in a frame."""
    columns, at = [], 4
    for _, _, width, _ in HUMANOID:
        if width == 4:
            columns.append(at)
        at += width
    return columns


def build_clip(path: Path, frames: Array, fps: float, cyclic: bool) -> Clip:
    """Return the frames as a clip, one frame per row."""
    rotation = np.broadcast_to(np.eye(3), (len(frames), len(HUMANOID), 3, 3)).copy()
    at = 4
    for joint, (_, _, width, _) in enumerate(HUMANOID):
        if width == 4:
            rotation[:, joint] = Rotation.from_quat(frames[:, [at + 1, at + 2, at + 3, at]]).as_matrix()
        elif width == 1:
            rotation[:, joint] = Rotation.from_euler("z", frames[:, at : at + 1]).as_matrix()
        at += width
    names, parents, _, offsets = zip(*HUMANOID, strict=True)
    name = path.stem.removeprefix("humanoid3d_").lstrip("0")
    root = frames[:, 1:4].copy()
    return Clip(
        name, str(path), names, np.array(parents), np.array(offsets), rotation, root, fps, 1.0, cyclic
    )
