"""Worker processes of a vector environment: errors, deaths and bad starts."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError

from musclegym.envs.processes import Reporting
from tests.vectors import make


def test_what_a_worker_cannot_send_is_told():
    class Odd(Exception):  # noqa: N818 (a name for a test)
        pass

    mine, theirs = Pipe()
    for what, kind in ((lambda: None, AttributeError), (Odd("strange"), RuntimeError)):
        with Reporting(theirs):
            if isinstance(what, Exception):
                raise what
            theirs.send(what)
        failure = mine.recv()
        assert type(failure.error) is kind
        assert "Traceback" in failure.text


def test_a_worker_that_dies_is_told_and_nothing_hangs():
    envs: Any = make(processes=2)
    envs.reset(seed=0)
    survivor, victim = [worker.process.pid for worker in envs.unwrapped._group._workers]
    os.kill(victim, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="members 2 to 2 has died with exit code -9"):
            envs.step(np.zeros((3, 50)))
    envs.close()
    with pytest.raises(ClosedEnvironmentError):
        envs.step(np.zeros((3, 50)))
    assert not Path(f"/proc/{survivor}").exists()


STARTING = """
import os, sys
import numpy as np
from musclegym.envs.processes import Reporting
from musclegym.envs.vector import MuscleHumanoidVectorEnv
from musclegym.policies.adapter import AdaptedVecEnv

def start():
    envs = MuscleHumanoidVectorEnv(2, processes=2, actuation="torque")
    envs.reset(seed=0)
    print(*[worker.process.pid for worker in envs._group._workers], flush=True)
    return envs

if GUARD:
    envs = start()
    os.kill(os.getpid(), 9)
"""


def test_workers_end_when_their_parent_is_killed(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(STARTING.replace("GUARD", "__name__ == '__main__'"))
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert ran.returncode == -signal.SIGKILL
    pids = [int(word) for word in ran.stdout.split()[-2:]]
    deadline = time.monotonic() + 10.0
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, pids))


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_what_it_lacks(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(STARTING.replace("GUARD", "True"))
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 1
    assert "has died with exit code 1" in ran.stderr
    assert "__main__" in ran.stderr.rsplit("RuntimeError", 1)[1]
