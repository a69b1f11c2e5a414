import numpy as np
import pytest
import torch

from musclegym.motion.rotation_arrays import rotation_from_vector, vector_from_rotation

ANGLES = [0.0, 1e-8, 1e-4, 1e-3, 0.1, 1.0, 2.0, 3.0, 3.14, np.pi - 1e-3]


def turns(angle: float) -> np.ndarray:
    """Rotation vectors of an angle about axes in all directions, shape (2, 50, 3)."""
    axes = np.random.default_rng(0).normal(size=(2, 50, 3))
    return angle * axes / np.linalg.norm(axes, axis=-1, keepdims=True)


@pytest.mark.parametrize("angle", ANGLES)
def test_loops_do_what_array_code_does(angle):
    vector = turns(angle)
    rotation = rotation_from_vector(torch.from_numpy(vector.astype(np.float32)))
    np.testing.assert_allclose(rotation, rotation_from_vector(vector), atol=3e-7)
    back = vector_from_rotation(rotation)
    np.testing.assert_allclose(back, vector, atol=1e-6 + 3e-7 / max(np.pi - angle, 1e-4))
    assert back.shape == (2, 50, 3)


def test_gradients_go_through_array_code_to_the_same_values():
    vector = torch.from_numpy(turns(0.7).astype(np.float32))
    followed = rotation_from_vector(vector.clone().requires_grad_())
    assert followed.requires_grad
    np.testing.assert_allclose(followed.detach(), rotation_from_vector(vector), atol=3e-7)
    np.testing.assert_allclose(
        vector_from_rotation(followed).detach(), vector_from_rotation(followed.detach()), atol=1e-6
    )


def test_strided_and_empty_arrays_are_served_too():
    vector = torch.from_numpy(turns(0.7).astype(np.float32))
    wide = torch.cat([vector, vector], dim=-1)[..., ::2]
    np.testing.assert_array_equal(rotation_from_vector(wide), rotation_from_vector(wide.contiguous()))
    rotation = rotation_from_vector(vector).transpose(-1, -2)
    np.testing.assert_allclose(vector_from_rotation(rotation), -vector, atol=1e-6)
    assert rotation_from_vector(torch.zeros(0, 4, 3)).shape == (0, 4, 3, 3)
    assert vector_from_rotation(torch.zeros(0, 4, 3, 3)).shape == (0, 4, 3)
