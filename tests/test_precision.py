import pytest
import torch
from torch import nn

from musclegym.pretrain.precision import Bfloat16Linear, chosen_precision, lower_precision


def test_products_of_numbers_that_bfloat16_holds_are_exact_and_so_are_their_gradients():
    linear = nn.Linear(3, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, -0.5, 2.0], [0.25, 3.0, -1.0]]))
        linear.bias.copy_(torch.tensor([0.1, -0.2]))
    rows = torch.tensor([[[1.0, 2.0, -4.0], [0.5, 0.0, 1.0]]], requires_grad=True)
    result = Bfloat16Linear(linear)(rows)
    expected = torch.tensor([[[-8.0, 10.25], [2.5, -0.875]]]) + torch.tensor([0.1, -0.2])
    assert torch.equal(result, expected)
    result.backward(torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]))
    for tensor, expected in [
        (rows, [[[1.0, -0.5, 2.0], [0.5, 6.0, -2.0]]]),
        (linear.weight, [[1.0, 2.0, -4.0], [1.0, 0.0, 2.0]]),
        (linear.bias, [1.0, 2.0]),
    ]:
        assert tensor.grad is not None
        assert torch.equal(tensor.grad, torch.tensor(expected))


def test_lower_precision_keeps_parameters_and_names_and_rounds_to_eight_bits():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Sequential(nn.Linear(32, 4)))
    rows, parameters, names = torch.randn(8, 16), list(model.parameters()), list(model.state_dict())
    exact = model(rows)
    lower_precision(model)
    assert list(model.state_dict()) == names
    assert all(new is old for new, old in zip(model.parameters(), parameters, strict=True))
    error = (model(rows) - exact).abs().max() / exact.abs().max()
    assert 1e-5 < error < 2**-6


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_named_precision_is_taken_as_it_is(precision):
    assert chosen_precision(precision, torch.device("cpu")) == precision


def test_auto_asks_the_processor():
    has_units = any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
    assert (chosen_precision("auto", torch.device("cpu")) == "bfloat16") == has_units
