"""What is said while kernels are compiled."""

import os
import subprocess
import sys
from pathlib import Path

TURN = """
import numpy as np
from musclegym.rotation import quaternion_from_matrix, rotation_from_vector
r, q = np.empty((3, 3)), np.empty(4)
rotation_from_vector(0.1, 0.2, 0.3, r)
quaternion_from_matrix(r, q)
"""
FOREIGN = """
import musclegym.rotation
from numba import njit
njit(lambda x: 2.0 * x)(1.0)
"""


def said(code: str, cache: Path) -> str:
    """Return what a process writes to its error output that finds its kernels in `cache`."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True, check=True
    )
    return done.stderr


def test_compiling_is_said_once_and_reading_the_cache_is_not(tmp_path: Path):
    assert said(TURN, tmp_path).count("musclegym compiles its kernels") == 1
    assert said(TURN, tmp_path) == ""


def test_what_others_compile_is_not_said(tmp_path: Path):
    assert said(FOREIGN, tmp_path) == ""
