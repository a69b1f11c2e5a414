"""How exactly HumanML3D's and KIT-ML's features are made, turned back and mirrored.

    python benchmarks/kit_features.py FOLDER [--json OUT]

FOLDER holds the genuine HumanML3D clip 012314: `humanml3d_012314_features.npy` and `..._joints.npy`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from musclegym.body import load_body
from musclegym.manifest import environment_record, write_json
from musclegym.motion import Motion, embedded_motion_names, load_motion
from musclegym.motion.joint_sets import HUMANML3D, KIT, JointSet
from musclegym.motion.kit_extraction import features_from_joints, features_from_motion, mirrored_joints
from musclegym.motion.kit_features import JointFeatures


@dataclass(frozen=True)
class FeaturesConfig:
    """What to measure."""

    folder: tyro.conf.Positional[Path]
    """Folder of the genuine clip."""
    json: Path | None = None
    """Where to write the result."""


def genuine(folder: Path) -> dict[str, float]:
    """Return the largest differences between the genuine clip's features and joints and ours."""
    values, joints = (
        np.load(folder / f"humanml3d_012314_{what}.npy").astype(np.float64) for what in ("features", "joints")
    )
    features = JointFeatures(HUMANML3D, values, HUMANML3D.fps, HUMANML3D.unit)
    lengths = np.linalg.norm(joints[0] - joints[0, HUMANML3D.parent], axis=1)
    # The joints as published lack the frame that the last velocities lead to.
    own = features_from_joints(np.concatenate([joints, features.joints()[-1:]]), HUMANML3D)
    return {
        **{name: largest(own.block(name), features.block(name)) for name, _, _ in HUMANML3D.blocks},
        "joints from positions [m]": largest(features.joints()[:-1], joints),
        "joints from rotations [m]": largest(features.joints_from_rotations(lengths), joints),
    }


def largest(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest absolute difference."""
    return float(np.abs(a - b).max())


def round_trips(motions: list[Motion], joint_set: JointSet) -> dict[str, float]:
    """Return, over motions, the largest errors of coming back and of mirroring before and after."""
    back, mirror = [], []
    for motion in motions:
        joints = features_from_motion(motion, joint_set).joints()
        features = features_from_joints(joints, joint_set)
        back.append(largest(features.joints(), joints) * joint_set.unit)
        image = features_from_joints(mirrored_joints(joints, joint_set), joint_set)
        mirror.append(largest(image.values, features.mirrored().values))
    return {"joints back [m]": max(back), "mirror before and after": max(mirror)}


def main() -> None:
    """Measure and print."""
    config = tyro.cli(FeaturesConfig)
    body = load_body("human")
    motions = [load_motion(name, body) for name in embedded_motion_names()]
    results: dict[str, Any] = {
        "genuine clip, largest differences": genuine(config.folder),
        "embedded motions": len(motions),
        **{joint_set.name: round_trips(motions, joint_set) for joint_set in (HUMANML3D, KIT)},
    }
    for name, figures in results.items():
        rows = figures.items() if isinstance(figures, dict) else [("", figures)]
        print(name, *(f"  {row} {figure:.3g}" for row, figure in rows), sep="\n")
    if config.json is not None:
        write_json(config.json, {"results": results, "environment": environment_record()})


if __name__ == "__main__":
    main()
