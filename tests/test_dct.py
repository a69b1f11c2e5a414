"""A linear prediction between cosine coefficients, against cases that can be worked out."""

import numpy as np
import pytest
import torch

from musclegym.body import load_body
from musclegym.motion.features import StateLayout
from musclegym.pretrain.baselines import ConstantVelocity
from musclegym.pretrain.checkpoint import load_model, load_prior, save_prior
from musclegym.pretrain.dct import MotionDCT, MotionDCTConfig, cosines
from musclegym.pretrain.next_state import statistics_of
from tests.libraries import swinging as swinging_body

FPS = 30.0
BODY = load_body("human")
LAYOUT = StateLayout.of(BODY.skeleton)
N = LAYOUT.n_dofs
SIZES = MotionDCTConfig(window=10, horizon=8, coefficients=6, ridge=1e-4)


def fitted(motions: list[np.ndarray], sizes: MotionDCTConfig = SIZES) -> MotionDCT:
    model = MotionDCT(LAYOUT, sizes, FPS)
    model.set_statistics(statistics_of(LAYOUT, motions, FPS))
    model.fit(motions)
    return model


def windows(states: np.ndarray, length: int) -> torch.Tensor:
    view = np.lib.stride_tricks.sliding_window_view(states, length, axis=0).swapaxes(1, 2)
    return torch.from_numpy(view.astype(np.float32))


def error(model, states: np.ndarray, steps: int) -> float:
    given = windows(states, 10 + steps)
    rollout = model.roll_out(given[:, :10], steps)
    missed = LAYOUT.difference(LAYOUT.pose(rollout), LAYOUT.pose(given[:, 10:]))
    return float(missed[..., :N].square().mean())


def test_cosine_waves_are_orthonormal_and_a_constant_is_the_first_of_them():
    waves = cosines(12, 12)
    torch.testing.assert_close(waves.T @ waves, torch.eye(12))
    torch.testing.assert_close(waves[:, 0], torch.full((12,), 12**-0.5))


def test_an_unfitted_map_predicts_no_change():
    context = windows(swinging_body(BODY, 20, 0), 10)
    rollout = MotionDCT(LAYOUT, SIZES, FPS).roll_out(context, 3)
    for frame in range(3):
        torch.testing.assert_close(rollout[:, frame], context[:, -1], rtol=1e-4, atol=1e-5)


def test_linear_motion_in_the_features_is_continued_far_better_than_at_constant_velocity():
    states = swinging_body(BODY, 150, 0)
    model = fitted([states[:120]])
    assert error(model, states[100:], 8) < 0.02 * error(ConstantVelocity(LAYOUT, FPS), states[100:], 8)
    assert error(model, states[100:], 20) < 0.2 * error(ConstantVelocity(LAYOUT, FPS), states[100:], 20)


def test_fit_of_pieces_is_the_fit_of_all():
    whole, other = swinging_body(BODY, 90, 0), swinging_body(BODY, 90, 1)
    one = fitted([whole, other])
    again = MotionDCT(LAYOUT, SIZES, FPS)
    again.load_state_dict({**one.state_dict(), "weight": torch.zeros_like(one.weight)})
    again.fit(iter([other, whole]))
    torch.testing.assert_close(again.weight, one.weight, rtol=1e-3, atol=1e-5)


def test_weights_are_those_of_least_squares_with_a_row_of_penalty_for_each_of_them():
    states = [swinging_body(BODY, 60, seed) for seed in range(3)]
    sizes = MotionDCTConfig(window=3, horizon=2, coefficients=1, ridge=0.01)
    model = fitted(states, sizes)
    given = torch.cat([windows(clip, 5) for clip in states])
    inputs = model.inputs(given[:, :3]).double().numpy()
    targets = model.targets(given[:, 2], given[:, 3:]).double().numpy()
    size = inputs.shape[1]
    penalised = np.concatenate([inputs, np.sqrt(0.01 * len(inputs)) * np.eye(size)])
    weight = np.linalg.lstsq(penalised, np.concatenate([targets, np.zeros((size, targets.shape[1]))]))[0]
    np.testing.assert_allclose(model.weight.numpy(), weight, atol=1e-4 * np.abs(weight).max())


def test_short_contexts_are_continued_into_the_past():
    context = windows(swinging_body(BODY, 20, 0), 4)[:2]
    model = fitted([swinging_body(BODY, 60, 0)])
    longer = torch.cat([context[:, :1].expand(-1, 6, -1), context], dim=1)
    torch.testing.assert_close(model.roll_out(context, 5), model.roll_out(longer, 5))


def test_saved_map_is_read_again_and_is_no_encoder(tmp_path):
    model = fitted([swinging_body(BODY, 60, 0)])
    save_prior(tmp_path / "prior.safetensors", model, BODY, {})
    context = windows(swinging_body(BODY, 20, 1), 10)
    assert torch.equal(load_model(tmp_path, BODY).roll_out(context, 12), model.roll_out(context, 12))
    with pytest.raises(ValueError, match="is a MotionDCT, which only predicts"):
        load_prior(tmp_path, BODY)


def test_motions_that_are_too_short_and_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="at least window \\+ horizon = 18 frames"):
        fitted([swinging_body(BODY, 17, 0)])
    with pytest.raises(ValueError, match="coefficients must be from 1 to the window"):
        MotionDCTConfig(window=4, coefficients=5)
