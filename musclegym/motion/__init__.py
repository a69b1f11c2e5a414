"""Motion data: readers, clips, and motions of a body made from them."""

from musclegym.motion.body_clip import clip_of
from musclegym.motion.bvh_writer import write_bvh
from musclegym.motion.clip import Clip
from musclegym.motion.load import embedded_motion_names, load_motion, read_motion
from musclegym.motion.motion import Motion
from musclegym.motion.retarget import retarget

__all__ = [
    "Clip",
    "Motion",
    "clip_of",
    "embedded_motion_names",
    "load_motion",
    "read_motion",
    "retarget",
    "write_bvh",
]
