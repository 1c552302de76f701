from itertools import count

import pytest
import torch
from torch.nn import functional

from attune.embeddings.products import Product, can_prepack, fastest_product, prepacking_speedup

needs_onednn = pytest.mark.skipif(not can_prepack(), reason="this build of torch has no oneDNN")


@pytest.fixture(params=[False, pytest.param(True, marks=needs_onednn)], ids=["plain", "prepacked"])
def product(request) -> Product:
    torch.manual_seed(0)
    made = Product(16, 48)
    torch.nn.init.normal_(made.weight)
    torch.nn.init.normal_(made.bias)
    made.requires_grad_(requires_grad=False)
    made.expected_weight = made.weight.clone()
    if request.param:
        made.prepack()
    return made


@pytest.mark.parametrize("rows", [1, 8, 33, 512])
def test_a_product_its_gelu_and_its_sum_are_those_of_the_formulas(product, rows):
    inputs, residual = torch.randn(rows, 16), torch.randn(rows, 48)
    linear = functional.linear(inputs, product.expected_weight, product.bias)
    torch.testing.assert_close(product(inputs), linear)
    torch.testing.assert_close(product.gelu(inputs), functional.gelu(linear))
    torch.testing.assert_close(product.plus(inputs, residual), linear + residual)


def test_the_residual_is_not_written_to(product):
    residual = torch.randn(4, 48)
    before = residual.clone()
    product.plus(torch.randn(4, 16), residual)
    assert torch.equal(residual, before)


def test_the_fastest_product_is_the_product():
    weight, bias, inputs = torch.randn(48, 16), torch.randn(48), torch.randn(5, 16)
    torch.testing.assert_close(fastest_product(weight, bias)(inputs), functional.linear(inputs, weight, bias))


@needs_onednn
def test_the_speedup_is_the_ratio_of_times():
    ticks = count()
    assert prepacking_speedup(torch.float32, lambda: float(next(ticks))) == 1.0


def test_without_onednn_there_is_no_speedup(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert prepacking_speedup(torch.float32, lambda: 0.0) == 0.0
