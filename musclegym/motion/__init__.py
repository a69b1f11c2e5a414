"""Motion data: readers, clips, and motions of a body made from them."""

from musclegym.motion.clip import Clip
from musclegym.motion.load import embedded_motion_names, load_motion, read_motion
from musclegym.motion.motion import Motion
from musclegym.motion.retarget import retarget

__all__ = ["Clip", "Motion", "embedded_motion_names", "load_motion", "read_motion", "retarget"]
