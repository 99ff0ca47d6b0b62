"""Numbers, graphs and codes at the ends of what is possible; `tests/battery/extremes.py` tries many more of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from extreme_kinds import CODES, GRAPHS, NUMBERS, matrix_of, numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import gcn2snn
from gcn2snn import CSR, ConvertConfig, PhaseCode, SpikingNetwork, TextGCN, convert
from gcn2snn.kernels import decode, encode, phase_spmm, reference

DOUBLE = 1e-9
"""Of the largest number: sums of some hundred terms in double precision, in another order."""


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(NUMBERS), code=st.sampled_from(CODES), per_channel=st.booleans(), seed=st.integers(0, 999))
def test_codes_are_the_references_for_any_number_of_threads(
    kind: str, code: tuple[float, int], per_channel: bool, seed: int
) -> None:
    x = numbers(kind, 7, 5, seeded(seed))
    coding = PhaseCode(*code, signed=True)
    largest = x.abs().amax(0) if per_channel else x.abs().max()
    scale = largest.clamp(min=torch.finfo(torch.float32).tiny)
    spikes = encode(x, scale, coding)
    assert int(spikes.code.abs().max()) <= coding.timesteps
    assert torch.equal(spikes.code, reference.encode(x, scale, coding).code)
    assert bool((spikes.code.sign() * x.sign() >= 0).all())
    values = decode(spikes)
    assert bool(torch.isfinite(values).all())
    with threads(3):
        assert torch.equal(encode(x, scale, coding).code, spikes.code)
        assert torch.equal(decode(spikes), values)
    # From the first to the last threshold a value lies between two phases, so it is within one ratio of what is sent.
    thresholds = coding.thresholds()
    z = (x.double() / scale.double()).abs()
    inside = (z <= 1 / coding.base) & (z >= thresholds[-1])
    ratio = (x.double() / values.double())[inside & (values != 0)]
    assert bool(((ratio <= coding.base * (1 + 1e-5)) & (ratio >= (1 - 1e-5) / coding.base)).all())


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(NUMBERS), graph=st.sampled_from(GRAPHS), code=st.sampled_from(CODES), seed=st.integers(0, 999)
)
def test_sums_over_neighbours_are_the_references_in_any_order_of_the_nodes(
    kind: str, graph: str, code: tuple[float, int], seed: int
) -> None:
    matrix = matrix_of(graph, 11, seeded(seed))
    nodes = matrix.shape[0]
    x = numbers(kind, nodes, 5, seeded(seed))
    spikes = encode(x, x.abs().max().clamp(min=1e-30), PhaseCode(*code, signed=True))
    result = phase_spmm(matrix, spikes)
    assert torch.equal(result, reference.phase_spmm(matrix, spikes))
    order = torch.randperm(nodes, generator=seeded(seed))
    assert torch.equal(phase_spmm(matrix.rows(order), spikes), result[order])
    with threads(3):
        assert torch.equal(phase_spmm(matrix, spikes), result)


def perceptron(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    with torch.no_grad():
        model[0].weight[1] = 0.0
        model[0].bias[1] = 0.0  # a channel that is always silent
    return model


def phases(snn: SpikingNetwork, *data: object) -> dict[str, Tensor]:
    return {name: spikes.code for name, spikes in snn.spikes(*data).items()}


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert bool(torch.isfinite(found).all())
    size = float(expected.abs().max()) if expected.numel() else 0.0
    assert expected.numel() == 0 or float((found - expected).abs().max()) <= DOUBLE * size


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(NUMBERS), code=st.sampled_from(CODES), scale=st.sampled_from(["max", "mse"]),
    per=st.sampled_from(["layer", "channel"]), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_network_gives_the_same_in_time_in_parts_and_on_several_threads(
    kind: str, code: tuple[float, int], scale: str, per: str, seed: int
) -> None:
    x = numbers(kind, 8, 6, seeded(seed)).double()
    options = {"base": code[0], "timesteps": code[1], "input": "analog", "scale": scale, "per": per}
    snn = convert(perceptron(seed).double(), x, ConvertConfig.paper(**options))
    whole, sent = snn(x), phases(snn, x)
    assert_close(snn.simulate(x, engine="temporal"), whole)
    parts = x.split(3)
    assert_close(torch.cat([snn(part) for part in parts]), whole)
    split = [phases(snn, part) for part in parts]
    for name, codes in sent.items():
        assert torch.equal(torch.cat([part[name] for part in split]), codes), name
    with threads(3):
        assert torch.equal(snn(x), whole)
        assert all(torch.equal(codes, sent[name]) for name, codes in phases(snn, x).items())


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(NUMBERS), graph=st.sampled_from(GRAPHS), code=st.sampled_from(CODES), seed=st.integers(0, 99)
)
def test_permuted_nodes_permute_phases_and_results(kind: str, graph: str, code: tuple[float, int], seed: int) -> None:
    matrix = matrix_of(graph, 11, seeded(seed))
    nodes = matrix.shape[0]
    torch.manual_seed(seed)
    model = TextGCN(7, [4], 3, 0.5, identity=False).eval().double()
    x = numbers(kind, nodes, 7, seeded(seed)).double()
    matrix = CSR(matrix.rowptr, matrix.col, matrix.value.double(), matrix.num_cols)
    options = {"base": code[0], "timesteps": code[1], "input": "analog"}
    snn = convert(model, (matrix, x), ConvertConfig.paper(**options))
    order = torch.randperm(nodes, generator=seeded(seed))
    place = order.argsort()
    moved = CSR.from_coo(place[matrix.row], place[matrix.col.long()], matrix.value, matrix.shape)
    sent = phases(snn, matrix, x)
    for name, codes in phases(snn, moved, x[order]).items():
        assert torch.equal(codes, sent[name][order]), name
    assert_close(snn(moved, x[order]), snn(matrix, x)[order])


HUB = 1_000_000


@pytest.mark.parametrize("count", [1, 3])
def test_a_hub_of_a_million_nodes_is_summed_exactly(count: int) -> None:
    """Values 1/2 to 1/16 a million times: every partial sum is a multiple of 1/16 below 2^20, which single precision holds."""
    coding = PhaseCode(2.0, 4, signed=True)
    generator = torch.Generator().manual_seed(0)
    code = torch.randint(-4, 5, (HUB, 2), generator=generator, dtype=torch.int8)
    spikes = gcn2snn.kernels.Spikes(code, torch.tensor(1.0), coding)
    index = torch.arange(HUB)
    ones = torch.ones(HUB)
    inwards = CSR.from_coo(torch.zeros_like(index), index, ones, (1, HUB))
    exact = torch.tensor([0.0, 0.5, 0.25, 0.125, 0.0625], dtype=torch.float64)[code.abs().long()] * code.sign()
    with threads(count):
        total = phase_spmm(inwards, spikes)
        assert torch.equal(total.double(), exact.sum(0, keepdim=True))
        order = torch.randperm(HUB, generator=generator)
        assert torch.equal(phase_spmm(inwards, spikes.with_code(code[order])), total)
        outwards = CSR.from_coo(index, torch.zeros_like(index), ones, (HUB, 1))
        one = spikes.with_code(code[:1])
        assert torch.equal(phase_spmm(outwards, one), decode(one).expand(HUB, 2))
