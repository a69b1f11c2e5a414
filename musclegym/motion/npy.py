"""Arrays of floats in .npy files from anywhere: nothing is unpickled, no header is believed.

Format: numpy.lib.format, versions 1.0 and 2.0, with the header as NumPy writes it. An array's size must be
that of its file, so a header that promises more costs nothing.
"""

import math
import re
from pathlib import Path

import numpy as np

from musclegym.motion.text import LARGEST, MAX_BYTES
from musclegym.rotation import Array

MAGIC = b"\x93NUMPY"
LENGTHS = {b"\x01\x00": 2, b"\x02\x00": 4}  # version -> bytes of the header's length
HEADER = re.compile(
    rb"\{'descr': '([<>]f[248])', 'fortran_order': (True|False), 'shape': \(([0-9, ]{1,60})\), \}[ \n]*"
)
MAX_HEADER = 10_000


def read_floats(path: Path) -> Array:
    """Return the array of a .npy file of floats in 2, 4 or 8 bytes.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no such array, too large, shorter or longer than its header says, or holds
            numbers that are not finite or beyond `LARGEST`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"an array must be a file, but {str(path)!r} is none; check the path")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{path}: an array's file has at most {MAX_BYTES} bytes, but this one has {size}; cut it "
            "into clips"
        )
    data = path.read_bytes()
    kind, fortran, shape, start = read_header(path, data)
    count = math.prod(shape)
    if len(data) - start != count * kind.itemsize:
        raise ValueError(
            f"{path}: {shape} numbers of {kind.itemsize} bytes must follow the header, but "
            f"{len(data) - start} bytes do; the file is truncated or damaged: get it again"
        )
    values = np.frombuffer(data, kind, count, start).astype(np.float64)
    if not max(values.max(initial=0.0), -values.min(initial=0.0)) <= LARGEST:
        worst = int(np.argmin(np.abs(values) <= LARGEST))
        raise ValueError(
            f"{path}: numbers are finite and up to {LARGEST:,.0f}, but number {worst} is {values[worst]}; "
            "leave this file out or make it again"
        )
    return values.reshape(shape, order="F" if fortran else "C")


def read_header(path: Path, data: bytes) -> tuple[np.dtype[np.floating], bool, tuple[int, ...], int]:
    """Return the numbers' type, whether the first index runs fastest, the shape, and where the numbers start.

    Raises:
        ValueError: if it is no header of an array of floats.
    """
    width = LENGTHS.get(data[6:8])
    if not data.startswith(MAGIC) or width is None:
        raise ValueError(
            f"{path}: an array's file starts with NumPy's mark and version 1.0 or 2.0, but this one with "
            f"{data[:8]!r}; it is no .npy file or damaged: save the array with numpy.save"
        )
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    match = HEADER.fullmatch(data, start, start + min(length, MAX_HEADER))
    shape = () if match is None else tuple(int(word) for word in match[3].replace(b",", b" ").split())
    if match is None or len(data) < start + length or not 1 <= len(shape) <= 3:
        raise ValueError(
            f"{path}: the header must tell an array of floats with one to three dimensions, but is "
            f"{data[start : start + min(length, 120)]!r}; save it with numpy.save as float32 (objects and "
            "pickles are never read)"
        )
    return np.dtype(match[1].decode()), match[2] == b"True", shape, start + length
