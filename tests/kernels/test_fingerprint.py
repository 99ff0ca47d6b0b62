from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gcn2snn.kernels import fingerprint
from gcn2snn.kernels.fingerprint import content_sum, mix

DTYPES = (torch.float32, torch.float64, torch.float16, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)
HASHES: dict[str, Callable[[Tensor], int]] = {"cpu": fingerprint, "device": lambda x: content_sum(x.flatten())}


@pytest.fixture(params=sorted(HASHES))
def hashed(request: pytest.FixtureRequest) -> Callable[[Tensor], int]:
    """The hash of the CPU, and the one made on devices (here of CPU tensors)."""
    return HASHES[request.param]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_element_and_its_place_enter(hashed: Callable[[Tensor], int], dtype: torch.dtype) -> None:
    x = torch.arange(9).to(dtype)
    before = x.clone()
    seen = {hashed(x)}
    assert hashed(x.clone()) in seen
    for index in range(9):
        changed = x.clone()
        changed[index] = not changed[index] if dtype == torch.bool else changed[index] + 1
        seen.add(hashed(changed))
    seen.add(hashed(x.flip(0)))
    assert len(seen) == 11
    assert torch.equal(x, before)  # no hash writes to what it reads


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=8), st.integers(0, 7), st.integers(0, 7))
@pytest.mark.parametrize("name", sorted(HASHES))
def test_swapped_elements_differ(name: str, numbers: list[int], one: int, other: int) -> None:
    one, other = one % len(numbers), other % len(numbers)
    swapped = list(numbers)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    first, second = HASHES[name](torch.tensor(numbers)), HASHES[name](torch.tensor(swapped))
    assert (first == second) == (numbers == swapped)


def test_dtype_and_shape_enter() -> None:
    zeros = [torch.zeros(4, dtype=dtype) for dtype in DTYPES]
    shapes = [torch.zeros(shape) for shape in ((2, 2), (4, 1), (1, 4), ())]
    assert len({fingerprint(x) for x in (*zeros, *shapes)}) == len(zeros) + len(shapes)


def test_nothing_and_strided_tensors() -> None:
    assert fingerprint(torch.zeros(0)) != fingerprint(torch.zeros(0, 3))
    assert content_sum(torch.zeros(0)) == 0
    x = torch.randn(6, 4)
    assert fingerprint(x.t()) == fingerprint(x.t().contiguous()) != fingerprint(x)
    assert fingerprint(x[::2, 1:]) == fingerprint(x[::2, 1:].clone())


@pytest.mark.parametrize("write", ["in place", "data", "numpy"])
def test_any_write_is_seen(write: str) -> None:
    x = torch.randn(5)
    before, version = fingerprint(x), x._version
    if write == "in place":
        x[3] += 1
    elif write == "data":
        x.data[3] += 1
    else:
        x.numpy()[3] += 1
    assert (x._version == version) == (write != "in place")
    assert fingerprint(x) != before


def test_parameters_and_inference_tensors() -> None:
    with torch.inference_mode():
        made = torch.arange(3.0)
    assert fingerprint(made) == fingerprint(torch.nn.Parameter(torch.arange(3.0)))


def test_mix_is_the_finaliser_of_splitmix64() -> None:
    def exact(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    numbers = [0, 1, -1, 2**63 - 1, -(2**63), 123456789]
    assert [int(x) % 2**64 for x in mix(torch.tensor(numbers))] == [exact(x % 2**64) for x in numbers]


@pytest.mark.gpu
def test_on_a_device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x = torch.randn(1000, device="cuda")
    before = fingerprint(x)
    assert fingerprint(x.clone()) == before
    x.data[500] += 1
    assert fingerprint(x) != before


def test_one_element_may_have_any_stride() -> None:
    one = torch.tensor([7])
    assert fingerprint(one.as_strided((1,), (0,))) == fingerprint(one) == fingerprint(one.as_strided((1,), (5,)))
    assert fingerprint(torch.zeros(0).as_strided((0,), (3,))) == fingerprint(torch.zeros(0))
