"""Whatever autograd follows reaches weights, bias and the second input, also where a kernel without a backward pass would do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn import kernels
from gcn2snn.errors import InputError
from gcn2snn.kernels import CSR, Fire, PhaseCode, Spikes, decode, encode

CODE = PhaseCode(1.3, 8)
NAMES = ("weight", "bias", "add")


def _spikes(*shape: int) -> Spikes:
    return encode(torch.rand(shape), torch.tensor(1.0), CODE)


def _parts(*shapes: tuple[int, ...], followed: tuple[str, ...]) -> list[Tensor]:
    return [torch.rand(shape).requires_grad_(name in followed) for name, shape in zip(NAMES, shapes, strict=True)]


Case = tuple[list[Tensor], Callable[..., Tensor], Callable[..., Tensor], Callable[..., Spikes]]
"""Weight, bias and second input; the product of floats, the one of spikes, and the one that fires, each called with them."""


def _gemm(followed: tuple[str, ...]) -> Case:
    rows = 300_000  # more than one block of the kernel holds
    spikes = _spikes(rows, 5)
    fire = Fire(torch.tensor(1.0), CODE)
    return (
        _parts((4, 5), (4,), (rows, 4), followed=followed),
        lambda w, b, a: functional.linear(decode(spikes), w, b) + a,
        lambda w, b, a: kernels.phase_gemm(spikes, w, b, add=a),
        lambda w, b, a: kernels.phase_gemm_fire(spikes, w, fire, b, add=a),
    )


def _conv2d(followed: tuple[str, ...]) -> Case:
    spikes, sides = _spikes(2, 16, 16, 16), (1, 1, 1, 1)
    fire = Fire(torch.tensor(1.0), CODE)
    return (
        _parts((16, 16, 3, 3), (16,), (2, 16, 16, 16), followed=followed),
        lambda w, b, a: functional.conv2d(decode(spikes), w, b, padding=1) + a,
        lambda w, b, a: kernels.phase_conv2d(spikes, w, b, padding=sides, add=a),
        lambda w, b, a: kernels.phase_conv2d_fire(spikes, w, fire, b, padding=sides, add=a),
    )


def _spmm(followed: tuple[str, ...]) -> Case:
    spikes, matrix = _spikes(40, 5), CSR.from_dense((torch.rand(7, 40) < 0.3).float())
    fire = Fire(torch.tensor(1.0), CODE)
    return (
        _parts((), (5,), (7, 5), followed=followed),
        lambda _, b, a: matrix.to_dense() @ decode(spikes) + b + a,
        lambda _, b, a: kernels.phase_spmm(matrix, spikes, bias=b, add=a),
        lambda _, b, a: kernels.phase_spmm_fire(matrix, spikes, fire, bias=b, add=a),
    )


MAKE = {"gemm": _gemm, "conv2d": _conv2d, "spmm": _spmm}


@pytest.mark.parametrize("followed", [("weight",), ("bias",), ("add",), NAMES])
@pytest.mark.parametrize("product", MAKE)
def test_gradients_are_those_of_the_same_product_of_floats(product: str, followed: tuple[str, ...]) -> None:
    if product == "spmm" and followed == ("weight",):
        pytest.skip("an aggregation has no weight")
    torch.manual_seed(0)
    parts, floats, spiking, _ = MAKE[product](followed)
    wanted = [part for part, name in zip(parts, NAMES, strict=True) if name in followed and part.dim()]
    result = spiking(*parts)
    assert torch.allclose(result, floats(*parts), rtol=1e-5, atol=1e-5)
    factor = torch.rand_like(result)
    found = torch.autograd.grad((result * factor).sum(), wanted)
    expected = torch.autograd.grad((floats(*parts) * factor).sum(), wanted)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("product", MAKE)
def test_spikes_of_parameters_are_those_of_their_values(product: str) -> None:
    torch.manual_seed(0)
    parts, _, _, firing = MAKE[product](NAMES)
    with torch.no_grad():
        expected = firing(*parts)
    assert torch.equal(firing(*parts).code, expected.code)


def test_a_gradient_that_no_product_gives_is_refused() -> None:
    matrix = CSR.from_coo(
        torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([1.0, 2.0], requires_grad=True), (2, 2)
    )
    for product in (
        lambda: kernels.spmm(matrix, torch.rand(2, 2)),
        lambda: kernels.spmm_features(matrix, matrix),
        lambda: kernels.phase_spmm(matrix, _spikes(2, 3)),
    ):
        with pytest.raises(InputError, match="the values of the matrix require a gradient"):
            product()
        with torch.no_grad():
            assert product().shape[0] == 2


@pytest.mark.parametrize("product", ["decode", "gemm", "conv2d", "spmm"])
def test_gradients_of_the_scale(product: str) -> None:
    torch.manual_seed(0)
    shape = (2, 16, 8, 8) if product == "conv2d" else (6, 5)
    code = _spikes(*shape).code

    def made(scale: Tensor, floats: bool) -> Tensor:
        spikes = Spikes(code, scale, CODE)
        x = kernels.reference.decode(spikes) if floats else None
        torch.manual_seed(1)
        weight = torch.rand((16, 16, 3, 3) if product == "conv2d" else (4, 5))
        matrix = CSR.from_dense(torch.rand(3, 6))
        if product == "decode":
            return decode(spikes) if x is None else x
        if product == "gemm":
            return kernels.phase_gemm(spikes, weight) if x is None else functional.linear(x, weight)
        if product == "conv2d":
            return kernels.phase_conv2d(spikes, weight) if x is None else functional.conv2d(x, weight)
        return kernels.phase_spmm(matrix, spikes) if x is None else matrix.to_dense() @ x

    found, expected = (torch.tensor(1.5, requires_grad=True) for _ in range(2))
    made(found, False).square().sum().backward()
    made(expected, True).square().sum().backward()
    assert found.grad is not None
    assert expected.grad is not None
    assert torch.allclose(found.grad, expected.grad, rtol=1e-4)


@pytest.mark.parametrize("product", MAKE)
def test_spikes_whose_scale_wants_a_gradient_fire_the_same(product: str) -> None:
    code, scale = PhaseCode(2.0, 4), torch.tensor(1.0, requires_grad=True)
    image = product == "conv2d"
    spikes = Spikes(torch.ones((1, 2, 3, 3) if image else (3, 4), dtype=torch.int8), scale, code)
    fire = Fire(torch.tensor(1.0), code)
    calls: dict[str, Callable[[Spikes], Spikes]] = {
        "gemm": lambda s: kernels.phase_gemm_fire(s, torch.ones(2, 4) / 8, fire),
        "conv2d": lambda s: kernels.phase_conv2d_fire(s, torch.ones(2, 2, 2, 2) / 16, fire),
        "spmm": lambda s: kernels.phase_spmm_fire(CSR.from_dense(torch.ones(2, 3) / 4), s, fire),
    }
    plain = Spikes(spikes.code, scale.detach(), code)
    assert torch.equal(calls[product](spikes).code, calls[product](plain).code)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own, when it makes the first dual number
@pytest.mark.parametrize("product", MAKE)
def test_derivatives_go_forward_too(product: str) -> None:
    torch.manual_seed(0)
    parts, floats, spiking, _ = MAKE[product](())
    directions = [torch.rand_like(part) for part in parts]
    with torch.autograd.forward_ad.dual_level():
        duals = [torch.autograd.forward_ad.make_dual(*pair) for pair in zip(parts, directions, strict=True)]
        found = torch.autograd.forward_ad.unpack_dual(spiking(*duals)).tangent
        expected = torch.autograd.forward_ad.unpack_dual(floats(*duals)).tangent
    assert found is not None
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
