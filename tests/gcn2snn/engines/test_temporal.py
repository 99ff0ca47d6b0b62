"""Both engines give the same spikes; the neuron in time is Algorithm 1."""

from __future__ import annotations

import weakref

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from network_kinds import GRAPH_KINDS, IMAGE_KINDS
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines.bucketed import run_bucketed
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.membrane import Recording
from gcn2snn.engines.temporal import run_temporal
from gcn2snn.kernels import PhaseCode, Spikes, decode, reference

thresholds = st.sampled_from([{"shift": True}, {"shift": False}, {"last": "half"}])
configs = st.builds(
    lambda chosen, **options: ConvertConfig(**chosen, **options),
    thresholds,
    base=st.sampled_from([1.2, 1.3, 1.5, 2.0]),
    timesteps=st.integers(1, 12),
    group=st.sampled_from([1, 1, 2, 3]),
    message=st.sampled_from(["signed", "rectified", "fused"]),
    per=st.sampled_from(["layer", "channel"]),
    input=st.sampled_from(["binary", "single", "analog"]),
    one_hot=st.sampled_from(["unit", "binary"]),
    batch_norm=st.sampled_from(["weights", "threshold"]),
    avg_pool=st.sampled_from(["merge", "spike"]),
)
seeds = st.integers(0, 2**31 - 1)


def closed_spikes(network: ir.Network, data: dict[str, object]) -> tuple[Tensor, dict[str, Spikes]]:
    found: dict[str, Spikes] = {}

    def observe(node: ir.Node, args: tuple[object, ...], value: object) -> None:
        if isinstance(node, ir.Neuron):
            found[node.name] = value

    return run_closed(network, data, observe), found


def assert_same(network: ir.Network, data: dict[str, object], wait: int | None) -> None:
    output, closed = closed_spikes(network, data)
    emitted: dict[str, Spikes] = {}
    timed = run_temporal(network, data, wait, emitted=emitted)
    assert list(closed) == list(emitted)
    for name, spikes in closed.items():
        assert torch.equal(spikes.code, emitted[name].code), name
        assert spikes.code.numel() >= int(spikes.fired.sum())
    # Summation order only: sums of at most a few hundred terms in double precision.
    assert torch.allclose(output, timed, rtol=1e-9, atol=1e-9)


@given(kinds=st.lists(st.sampled_from(IMAGE_KINDS), max_size=5), config=configs, seed=seeds, mixed=st.none() | seeds)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_engines_agree_on_images(make_images, make_spiking, kinds, config, seed, mixed):
    case = make_images(seed, kinds, torch.float64)
    assert_same(make_spiking(case, config, mixed), case[1], None)


@given(
    kinds=st.lists(st.sampled_from(GRAPH_KINDS), max_size=5),
    config=configs,
    seed=seeds,
    mixed=st.none() | seeds,
    one_hot=st.booleans(),
)
@settings(max_examples=35, deadline=None, suppress_health_check=list(HealthCheck))
def test_engines_agree_on_graphs(make_graphs, make_spiking, kinds, config, seed, mixed, one_hot):
    case = make_graphs(seed, kinds, torch.float64, one_hot)
    assert_same(make_spiking(case, config, mixed), case[1], None)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_engines_agree_on_long_networks(make_images, make_graphs, make_spiking, seed):
    random = torch.Generator().manual_seed(seed)
    for make, kinds in ((make_images, IMAGE_KINDS), (make_graphs, GRAPH_KINDS)):
        chosen = [kinds[int(i)] for i in torch.randint(0, len(kinds), (9,), generator=random)]
        case = make(seed, chosen, torch.float64)
        assert_same(make_spiking(case, ConvertConfig(per="channel", batch_norm="threshold"), seed), case[1], None)


def one_layer(
    code_in: PhaseCode, code: PhaseCode, weight: Tensor, bias: Tensor | None, scale: Tensor, scale_in: float = 1.0
) -> ir.Network:
    """Input values that are phases of ``code_in`` already, a dense synapse, one population."""
    one = torch.tensor(scale_in, dtype=weight.dtype)
    return ir.Network(
        (
            ir.Input(name="x", size=(None, weight.shape[1])),
            ir.Neuron(name="in", inputs=("x",), coding=code_in, scale=one),
            ir.Dense(name="synapse", inputs=("in",), weight=weight, bias=bias),
            ir.Neuron(name="out", inputs=("synapse",), coding=code, scale=scale),
            ir.Output(name="output", inputs=("out",)),
        )
    )


def random_layer(seed: int, fan_in: int, outputs: int, batch: int, dtype: torch.dtype = torch.float64):
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(outputs, fan_in, generator=random, dtype=dtype) / fan_in**0.5
    bias = 0.1 * torch.randn(outputs, generator=random, dtype=dtype)
    phases = torch.randint(0, 17, (batch, fan_in), generator=random).to(torch.int8)
    return weight, bias, phases


@pytest.mark.parametrize(("base_in", "base_out"), [(2.0, 1.3), (1.3, 1.3), (1.5, 1.2)])
@pytest.mark.parametrize("wait", [0, 3, 8, 20])
def test_algorithm_1_to_the_letter(base_in, base_out, wait):
    """Potential times Q_in and threshold times Q_in / Q_out at each step, as printed: the same spikes."""
    weight, bias, phases = random_layer(0, 24, 30, 40)
    code_in, code = PhaseCode(base_in, 16), PhaseCode(base_out, 12)
    one = torch.tensor(1.0, dtype=torch.float64)
    x = decode(Spikes(phases, one, code_in), torch.float64)
    scale = (x @ weight.t() + bias).max()
    network = one_layer(code_in, code, weight, bias, scale)
    emitted: dict[str, Spikes] = {}
    run_temporal(network, {"x": x}, wait, emitted=emitted)
    assert torch.equal(emitted["in"].code, phases)

    potential = bias.expand(40, 30)  # line 5
    threshold = scale * (base_out + 1) / (2 * base_out) * base_in**wait  # line 4; Q^w as the layer waits
    fired = torch.zeros(40, 30, dtype=torch.int8)
    for step in range(1, wait + 13):
        potential = potential * base_in + (phases == step).double() @ weight.t()  # lines 8 and 9
        if step <= wait:
            continue
        threshold = threshold * base_in / base_out  # line 12
        fired = torch.where((potential >= threshold) & (fired == 0), step - wait, fired).to(torch.int8)
    assert torch.equal(emitted["out"].code, fired)
    assert int((fired != 0).sum()) > 300


@given(seed=seeds, base=st.sampled_from([1.2, 1.3, 2.0]), extra=st.integers(0, 5), shift=st.booleans())
@settings(max_examples=30, deadline=None)
def test_long_wait_is_the_encoding_of_the_exact_sum(seed, base, extra, shift):
    weight, bias, phases = random_layer(seed, 12, 9, 6)
    code_in, code = PhaseCode(1.3, 16), PhaseCode(base, 16, shift=shift)
    x = decode(Spikes(phases, torch.tensor(1.0, dtype=torch.float64), code_in), torch.float64)
    total = x @ weight.t() + bias
    scale = total.max().clamp(min=1e-3)
    emitted: dict[str, Spikes] = {}
    run_temporal(one_layer(code_in, code, weight, bias, scale), {"x": x}, 15 + extra, emitted=emitted)
    assert torch.equal(emitted["out"].code, reference.encode(total, scale, code).code)


def test_mismatch_falls_with_the_wait():
    """Random layers at Q = 1.3, T = 16 (docs/method.md): about 13 % at w = 4, 1 % at 10, 0.1 % at 12, none from 15."""
    wrong = dict.fromkeys((4, 6, 8, 10, 12, 15, 18), 0.0)
    for seed in range(3):
        weight, _, phases = random_layer(seed, 256, 128, 64)
        code = PhaseCode(1.3, 16)
        x = decode(Spikes(phases, torch.tensor(1.0, dtype=torch.float64), code), torch.float64)
        scale = (x @ weight.t()).max()
        network = one_layer(code, code, weight, None, scale)
        exact = reference.encode(x @ weight.t(), scale, code).code
        for wait in wrong:
            emitted: dict[str, Spikes] = {}
            run_temporal(network, {"x": x}, wait, emitted=emitted)
            wrong[wait] += 100 * float((emitted["out"].code != exact).double().mean()) / 3
    shares = list(wrong.values())
    assert shares == sorted(shares, reverse=True)
    assert 9 < wrong[4] < 18
    assert 0.3 < wrong[10] < 2.5
    assert 0.02 < wrong[12] < 0.6
    assert wrong[15] == wrong[18] == 0


@pytest.mark.parametrize("seed", range(4))
def test_single_precision_differs_only_next_to_a_threshold(seed):
    """|U_closed - U_timed| <= 2 (n + T + 4) eps sum |w x|: elsewhere the phases are equal.

    n products and n - 1 sums of one engine, and T partial sums of the other, each lose at most eps / 2 of the sum of
    magnitudes; 4 covers decoding, bias and the division by the scale.
    """
    weight, bias, phases = random_layer(seed, 300, 200, 100, torch.float32)
    code = PhaseCode(1.3, 16)
    x = decode(Spikes(phases, torch.tensor(1.0), code), torch.float32)
    scale = (x @ weight.t() + bias).max()
    network = one_layer(code, code, weight, bias, scale)
    _, closed = closed_spikes(network, {"x": x})
    emitted: dict[str, Spikes] = {}
    run_temporal(network, {"x": x}, 15, emitted=emitted)
    exact = x.double() @ weight.double().t() + bias.double()
    size = x.double() @ weight.double().abs().t() + bias.double().abs()
    bound = 2 * (300 + 16 + 4) * torch.finfo(torch.float32).eps * size
    distance = (exact[..., None] - scale.double() * code.thresholds(torch.float32).double()).abs().amin(-1)
    differ = closed["out"].code != emitted["out"].code
    assert not bool((differ & (distance > bound)).any())
    assert float((distance <= bound).double().mean()) < 0.05  # the bound must not excuse a large number of differences


@pytest.mark.slow
def test_a_million_neurons():
    """float64: equal in every one; float32: within the rounding bound, which at this size is a handful."""
    weight, bias, phases = random_layer(0, 64, 1000, 1000)
    code = PhaseCode(1.3, 16)
    for dtype, allowed in ((torch.float64, 0), (torch.float32, 200)):
        x = decode(Spikes(phases, torch.tensor(1.0, dtype=dtype), code), dtype)
        w, b = weight.to(dtype), bias.to(dtype)
        network = one_layer(code, code, w, b, (x @ w.t() + b).max())
        _, closed = closed_spikes(network, {"x": x})
        emitted: dict[str, Spikes] = {}
        run_temporal(network, {"x": x}, 15, emitted=emitted)
        assert closed["out"].code.numel() == 1_000_000
        assert int((closed["out"].code != emitted["out"].code).sum()) <= allowed


def test_a_neuron_fires_at_most_once_and_its_recording_says_when():
    weight, bias, phases = random_layer(5, 20, 10, 8)
    code = PhaseCode(1.3, 16)
    x = decode(Spikes(phases, torch.tensor(1.0, dtype=torch.float64), code), torch.float64)
    network = one_layer(code, code, weight, bias, torch.tensor(0.7, dtype=torch.float64))
    recordings, emitted = {"out": Recording()}, {}
    run_temporal(network, {"x": x}, 6, recordings, emitted)
    recording = recordings["out"]
    assert len(recording.potential) == len(recording.fired) == len(recording.threshold) == 6 + 16
    assert recording.threshold[:6] == [None] * 6
    assert recording.threshold[6:] == pytest.approx(code.thresholds().tolist(), rel=1e-15)
    fired = torch.stack(recording.fired)
    assert int(fired.sum(0).max()) == 1
    when = torch.where(fired.any(0), fired.argmax(0) + 1 - 6, 0)
    assert torch.equal(when.to(torch.int8), emitted["out"].code)
    assert torch.allclose(recording.potential[-1] * 0.7, x @ weight.t() + bias, rtol=1e-12, atol=1e-12)


def race(values: list[list[float]], signed: bool = True) -> tuple[Tensor, Tensor]:
    """Max over each row of values, in closed form and in time."""
    x = torch.tensor(values, dtype=torch.float64)[:, None, None, :]
    code = PhaseCode(2.0, 6, signed)
    network = ir.Network(
        (
            ir.Input(name="x", size=(None, 1, 1, x.shape[-1])),
            ir.Neuron(name="in", inputs=("x",), coding=code, scale=torch.tensor(1.0, dtype=torch.float64)),
            ir.MaxPool(name="max", inputs=("in",), kernel=(1, x.shape[-1]), stride=(1, 1)),
            ir.Output(name="output", inputs=("max",)),
        )
    )
    return run_closed(network, {"x": x}).flatten(), run_temporal(network, {"x": x}, None).flatten()


def test_the_earliest_spike_wins_and_the_last_negative_one():
    closed, timed = race(
        [[0.5, 0.25, -0.5], [-0.5, -0.125, -0.25], [-0.5, 0.0, -0.25], [0.0, 0.0, 0.0], [-0.5, 0.25, 0.0]]
    )
    assert closed.tolist() == [0.5, -0.125, 0.0, 0.0, 0.25]
    assert torch.equal(closed, timed)


def test_memory_does_not_grow_with_the_timesteps():
    """One byte a neuron for its phase and one potential; a recording of every step would be T times that."""

    def peak(timesteps: int) -> int:
        live = _Live()
        weight = torch.randn(500, 3, dtype=torch.float32)
        code = PhaseCode(1.05, timesteps)
        network = one_layer(PhaseCode(2.0, 4), code, weight, None, torch.tensor(2.0))
        with live:
            run_temporal(network, {"x": torch.rand(200, 3)}, timesteps)
        return live.peak

    short = peak(10)
    assert peak(120) <= short + 32 * 110  # tables of levels and thresholds have T numbers
    assert short < 12 * 200 * 500  # bytes per neuron, the step's temporaries included


class _Live(TorchDispatchMode):
    """Counts the bytes of tensors that are alive."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        changed = any(result is argument for argument in args)  # in place: nothing new
        if isinstance(result, Tensor) and result._base is None and not changed:
            size = result.untyped_storage().nbytes()
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(result, self._free, size)
        return result

    def _free(self, size: int) -> None:
        self.now -= size


def halves_of_thresholds(code: PhaseCode, scale: torch.Tensor) -> ir.Network:
    """Neuron t hears two spikes worth 1/2, with weights that bring half of threshold t times the scale each."""
    weight = (code.thresholds(scale.dtype) * scale)[:, None].expand(-1, 2).contiguous()
    nodes = (
        ir.Input(name="x", size=(None, 2)),
        ir.Neuron(name="in", inputs=("x",), coding=PhaseCode(2.0, 4), scale=torch.ones_like(scale)),
        ir.Dense(name="synapse", inputs=("in",), weight=weight),
        ir.Neuron(name="out", inputs=("synapse",), coding=code, scale=scale),
        ir.Output(name="output", inputs=("out",)),
    )
    return ir.Network(nodes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("base", "scale", "late"), [(2.0, 1.0, 0), (1.3, 4.0, 0), (2.0, 0.7, 1)])
def test_two_halves_of_a_threshold_fire_as_far_as_their_sum_is_exact(base, scale, late, dtype):
    """Powers of two round nothing, so the tie fires. With a scale of 0.7, z is one unit below the threshold in float64."""
    code = PhaseCode(base, 12)
    network = halves_of_thresholds(code, torch.tensor(scale, dtype=dtype))
    data = {"x": torch.full((1, 2), 0.5, dtype=dtype)}
    late = late if dtype == torch.float64 else 0
    phases = torch.arange(1, 13, dtype=torch.int8) + late
    expected = torch.where(phases <= 12, phases, 0)[None]
    spikes: dict[str, Spikes] = {}
    run_closed(network, data, lambda node, args, value: spikes.update({node.name: value}))
    assert torch.equal(spikes["out"].code, expected)
    for run in (run_bucketed, run_temporal):
        emitted: dict[str, Spikes] = {}
        run(network, data, 3, emitted=emitted)
        assert torch.equal(emitted["out"].code, expected)
