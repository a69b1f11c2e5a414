"""From a name, a path, a clip or a motion to a motion of a body."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from musclegym.motion.amc import read_amc
from musclegym.motion.bvh import read_bvh
from musclegym.motion.clip import Clip
from musclegym.motion.deepmimic import read_deepmimic
from musclegym.motion.motion import Motion
from musclegym.motion.retarget import retarget

if TYPE_CHECKING:
    from musclegym.body import Body


def read_motion(
    path: str | Path,
    *,
    fps: float | None = None,
    unit: float | None = None,
    trust_rows: bool = False,
    skeleton: str | Path | None = None,
) -> Clip:
    """Read a motion file: BVH, AMC with its ASF skeleton, or DeepMimic's JSON (.txt, .json).

    Args:
        path: the file.
        fps: frame rate to use instead of the one a BVH or AMC file states (AMC: 120 where it states none), or
            to sample a DeepMimic motion at [1/s].
        unit: metres per unit of length of a BVH or AMC file; by default inferred from the skeleton's size.
        trust_rows: take the rows that a BVH file has when its header promises another number.
        skeleton: the ASF file of an AMC file; by default the one beside it of the same subject.

    Raises:
        FileNotFoundError: if there is no such file, or no skeleton.
        ValueError: if the format is none of these, the file breaks it, or its motion is not of at least two
            frames of finite numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"a motion must be a file, but {str(path)!r} is none; check the path, or use an embedded motion: "
            f"{', '.join(embedded_motion_names())}"
        )
    suffix = path.suffix.lower()
    if suffix == ".bvh":
        return read_bvh(path, fps=fps, unit=unit, trust_rows=trust_rows)
    if suffix == ".amc":
        return read_amc(path, skeleton=None if skeleton is None else Path(skeleton), fps=fps, unit=unit)
    if suffix in (".txt", ".json"):
        return read_deepmimic(path, fps=fps)
    raise ValueError(
        f"a motion file ends in .bvh, .amc, .txt or .json, but {str(path)!r} does not; convert it to BVH"
    )


def embedded_files() -> dict[str, Path]:
    """Return name -> file of the motions inside the installed pybullet_data package.

    These are its DeepMimic humanoid clips and the walker's; `laikago_walk.txt` is a quadruped's.

    Raises:
        FileNotFoundError: if the package is not installed.
    """
    spec = find_spec("pybullet_data")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "the embedded motions lie in the package pybullet_data, which is missing; pip install pybullet"
        )
    folder = Path(spec.origin).parent / "data" / "motions"
    files = [*sorted(folder.glob("humanoid3d_*.txt")), *sorted(folder.glob("walker/*.txt"))]
    return {file.stem.removeprefix("humanoid3d_").lstrip("0"): file for file in files}


def embedded_motion_names() -> tuple[str, ...]:
    """Return the names of the motions that come with pybullet: "walk", "run", "jump", "turn_left0", ..."""
    return tuple(embedded_files())


def load_motion(
    motion: "str | Path | Clip | Motion", body: "Body", fps: float = 30.0, *, cyclic: bool | None = None
) -> Motion:
    """Return a motion of `body`.

    Args:
        motion: the name of an embedded motion, the path of a motion file, a clip, or a motion of this very
            body.
        body: who shall move.
        fps: frames per second [1/s].
        cyclic: whether it repeats, its end closed with its start; by default as the clip says, and of files
            only DeepMimic's do.

    Raises:
        FileNotFoundError: if it is neither an embedded name nor a file.
        ValueError: if the file cannot be read or retargeted, or a motion is of another body or frame rate, or
            does not repeat though it should.
    """
    if isinstance(motion, Motion):
        return checked(motion, body, fps, cyclic)
    return retarget(motion if isinstance(motion, Clip) else load_clip(motion), body, fps, cyclic=cyclic)


def load_clip(
    motion: str | Path, *, fps: float | None = None, unit: float | None = None, trust_rows: bool = False
) -> Clip:
    """Return the embedded clip of that name, or the clip in that file; options as in `read_motion`.

    Raises:
        FileNotFoundError: if it is neither.
        ValueError: if the file cannot be read.
    """
    file = embedded_files().get(str(motion), motion)
    return read_motion(file, fps=fps, unit=unit, trust_rows=trust_rows)


def checked(motion: Motion, body: "Body", fps: float, cyclic: bool | None) -> Motion:
    """Return the motion if it is one of `body` at `fps` that repeats or not as is wanted.

    Raises:
        ValueError: if it is not.
    """
    own = motion.skeleton
    same = own is body.skeleton or (
        own.body_names == body.skeleton.body_names
        and abs(own.joint_position - body.skeleton.joint_position).max() < 1e-9
    )
    if not same or abs(motion.fps - fps) > 1e-9:
        raise ValueError(
            f"motion {motion.name!r} must be made for this body at {fps} frames/s, but is for "
            f"{len(own.body_names)} bodies of {own.total_mass:.1f} kg at {motion.fps} "
            f"frames/s{'' if same else ' and of other proportions'}; retarget its clip again"
        )
    if cyclic is not None and motion.cyclic != cyclic:
        raise ValueError(
            f"a retargeted motion repeats or not as it was made, but {motion.name!r} has "
            f"cyclic={motion.cyclic} and cyclic={cyclic} is asked for; leave that out or retarget its clip"
        )
    return motion
