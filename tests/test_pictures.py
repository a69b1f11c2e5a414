"""The pictures of README and documentation."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from musclegym.body import load_body

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def script():
    return SimpleNamespace(**runpy.run_path(str(DOCS / "make_pictures.py")))


@pytest.fixture(scope="module")
def human():
    return load_body("human")


def test_every_picture_is_there_and_small(script):
    sizes = {name: (DOCS / f"{name}.png").stat().st_size for name in script.PICTURES}
    assert all(size < 150_000 for name, size in sizes.items() if name.startswith("pictures/")), sizes
    shipped = [*DOCS.glob("*.png"), *(DOCS / "pictures").glob("*.png")]  # and not what is built from them
    assert sum(file.stat().st_size for file in shipped) < 1_000_000


def test_poses_stand_on_the_ground_within_the_joints_limits(script, human):
    for name, angles in script.POSES.items():
        q = script.posed(human, angles)
        assert human.sole_points(q)[:, 1].min() == pytest.approx(0.0, abs=1e-9), name
        skeleton = human.skeleton
        beyond = np.maximum(q - skeleton.upper, skeleton.lower - q)[6:]
        worst = int(np.argmax(beyond))
        assert beyond[worst] < 1e-6, f"{name}: {human.dof_names[6 + worst]}"


def test_a_squat_takes_the_knee_extensors_and_standing_does_not(script, human):
    vasti = [index for index, name in enumerate(human.muscle_names) if name.startswith("vastus")]
    stand, squat = (script.posed(human, script.POSES[name]) for name in ("standing", "squat"))
    assert script.held(human, squat)[vasti].mean() > 0.1
    assert script.held(human, stand)[vasti].mean() < 0.05


def test_an_unknown_picture_is_refused(script):
    with pytest.raises(ValueError, match="'pictures/posse' was asked for"):
        script.main(script.Config(only=("pictures/posse",)))
