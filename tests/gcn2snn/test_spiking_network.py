"""The spiking network as users hold it."""

from __future__ import annotations

import os

import pytest
import torch

import gcn2snn
from gcn2snn import ir, spiking_network
from gcn2snn.config import ConvertConfig
from gcn2snn.engines import bind
from gcn2snn.engines.bucketed import run_bucketed
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.interpreter import run_float
from gcn2snn.engines.temporal import Recording, run_temporal
from gcn2snn.errors import ArtefactError, ConfigError, InputError
from gcn2snn.kernels import CSR
from gcn2snn.spiking_network import SpikingNetwork


@pytest.fixture
def case(make_graphs, make_spiking):
    source, data = make_graphs(6, ["dense", "aggregate", "residual"], torch.float32)
    config = ConvertConfig(timesteps=10)
    return SpikingNetwork(make_spiking((source, data), config), config), data


def test_call_is_the_engine_that_is_exact(case):
    snn, data = case
    assert torch.equal(snn(*data.values()), run_closed(snn.network, data))
    assert torch.equal(snn.source(*data.values()), run_float(snn.network, data))
    short = SpikingNetwork(snn.network, ConvertConfig(timesteps=10, wait=3))
    assert torch.equal(short(*data.values()), run_bucketed(snn.network, data, 3))
    assert torch.equal(snn.simulate(*data.values(), wait=3), short(*data.values()))
    stepped = short.simulate(*data.values(), engine="temporal")
    assert torch.equal(stepped, run_temporal(snn.network, data, 3))
    # Both sum at most 9 x 6 products in single precision, each in its own order.
    torch.testing.assert_close(stepped, short(*data.values()), rtol=1e-5, atol=1e-5)


def test_spikes_of_both_engines_by_population(case):
    snn, data = case
    spikes = snn.spikes(*data.values())
    assert list(spikes) == [node.name for node in snn.network.of(ir.Neuron)]
    short = SpikingNetwork(snn.network, ConvertConfig(timesteps=10, wait=1)).spikes(*data.values())
    assert list(short) == list(spikes)
    assert any(not torch.equal(short[name].code, spikes[name].code) for name in spikes)


def test_recordings_need_the_temporal_engine_and_get_it(case):
    snn, data = case
    name = snn.network.of(ir.Neuron)[0].name
    recordings = {name: Recording()}
    snn.simulate(*data.values(), recordings=recordings)
    assert len(recordings[name].potential) == 20
    with pytest.raises(ConfigError, match="engine is 'bucketed'; only the temporal engine has a step to record"):
        snn.simulate(*data.values(), engine="bucketed", recordings=recordings)


def test_simulate_refuses(case):
    snn, data = case
    with pytest.raises(ConfigError, match="closed form holds for a wait of 9 or more, got 2"):
        snn.simulate(*data.values(), engine="closed", wait=2)
    with pytest.raises(ConfigError, match="wait is -3"):
        snn.simulate(*data.values(), wait=-3)
    with pytest.raises(ConfigError, match="energy preset 'fp8'"):
        snn.energy(*data.values(), preset="fp8")


def test_arguments_are_bound_by_name_and_checked(case):
    snn, data = case
    graph, features = data.values()
    names = list(data)
    assert torch.equal(snn(**data), snn(graph, features))
    with pytest.raises(InputError, match=r"argument .* is missing; the network takes"):
        snn(graph)
    with pytest.raises(InputError, match="3 arguments"):
        snn(graph, features, features)
    with pytest.raises(InputError, match="'other' is unknown"):
        snn(graph, features, other=1)
    with pytest.raises(InputError, match="is given twice"):
        snn(graph, features, **{names[0]: graph})
    with pytest.raises(InputError, match=r"has shape \[8, 6\]; the network needs \[9, 6\]"):
        snn(graph, features[:8])


def test_non_finite_inputs_are_refused(case):
    snn, data = case
    graph, features = data.values()
    with pytest.raises(InputError, match="NaN or infinite"):
        snn(graph, features * float("nan"))
    broken = CSR(graph.rowptr, graph.col, graph.value * float("inf"), graph.num_cols)
    with pytest.raises(InputError, match="NaN or infinite"):
        snn(broken, features)


def test_double_moves_every_tensor(case):
    snn, data = case
    graph, features = data.values()
    moved = snn.double()
    out = moved(graph.to(torch.float64), features.double())
    assert out.dtype == torch.float64
    assert all(t.dtype == torch.float64 for n in moved.network for t in n.tensors().values() if t.is_floating_point())


def test_energy_of_both_engines_has_one_table(case):
    snn, data = case
    full = snn.energy(*data.values())
    short = SpikingNetwork(snn.network, ConvertConfig(timesteps=10, wait=1)).energy(*data.values())
    assert [layer.name for layer in full.layers] == [layer.name for layer in short.layers]
    assert short.updates < full.updates
    assert [layer.operations for layer in full.layers] == [layer.operations for layer in short.layers]


def test_features_may_stay_sparse_only_where_the_closed_form_runs_unwatched(case, monkeypatch):
    """An observer and an engine in time see dense values."""
    snn, data = case
    short = SpikingNetwork(snn.network, ConvertConfig(timesteps=10, wait=3))
    population, sparse = snn.network.of(ir.Neuron)[0].name, []

    def noted(*args, **options):
        sparse.append(options["sparse"])
        return bind(*args, **options)

    monkeypatch.setattr(spiking_network, "bind", noted)
    for run, network, options in (
        ("forward", snn, {}),
        ("simulate", snn, {}),
        ("source", snn, {}),
        ("forward", short, {}),
        ("simulate", snn, {"observe": lambda node, args, value: None}),
        ("simulate", snn, {"recordings": {population: Recording()}}),
        ("simulate", snn, {"engine": "bucketed"}),
        ("source", snn, {"observe": lambda node, args, value: None}),
    ):
        getattr(network, run)(*data.values(), **options)
    assert sparse == [True, True, True, False, False, False, False, False]


@pytest.mark.parametrize(("run", "engine"), [("simulate", "run_chosen"), ("source", "run_float")])
def test_errors_of_an_observer_are_its_own_and_others_are_told(case, monkeypatch, run, engine):
    def fail(*args):
        raise ValueError("of the observer's")

    snn, data = case
    with pytest.raises(ValueError, match="of the observer's") as caught:
        getattr(snn, run)(*data.values(), observe=fail)
    assert not isinstance(caught.value, InputError)
    monkeypatch.setattr(spiking_network, engine, fail)
    with pytest.raises(InputError, match=r"the network cannot work with .*of the observer's"):
        getattr(snn, run)(*data.values())


def test_spikes_that_no_input_changes_are_coded_once(case, monkeypatch):
    snn, data = case
    coded = []
    monkeypatch.setattr(spiking_network, "input_free", lambda network: coded.append(network) or {})
    snn.simulate(*data.values(), engine="bucketed")
    assert not coded
    for _ in range(3):
        snn(*data.values())
    assert len(coded) == 1
    snn.replace_network(snn.network)
    snn(*data.values())
    assert len(coded) == 2


def test_threads_are_given_up_once_in_another_process_and_never_in_the_first(case, monkeypatch):
    snn, data = case
    chosen = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.setattr(spiking_network, "_PROCESS", [os.getpid()])
    snn(*data.values())
    assert not chosen
    monkeypatch.setattr(spiking_network, "_PROCESS", [os.getpid() + 1])  # as a child finds it
    snn(*data.values())
    snn(*data.values())
    assert chosen == [1]


def test_a_picture_has_at_most_sixty_neurons_of_a_population_unless_told(case, monkeypatch):
    drawn = []
    monkeypatch.setattr("gcn2snn.pictures.draw", lambda *args, limit, **options: drawn.append((args[2], limit)) or {})
    snn, data = case
    snn.plot(*data.values())
    snn.plot(*data.values(), limit=7)
    snn.plot(*data.values(), wait=2)
    assert drawn == [(snn.config.wait, 60), (snn.config.wait, 7), (2, 60)]


def test_texts_are_classified_by_what_a_network_keeps_for_it(case):
    snn, _ = case
    with pytest.raises(ConfigError, match="this network cannot classify texts"):
        snn.documents_of()
    snn.documents = object()
    assert snn.documents_of() is snn.documents


def test_a_folder_of_a_network_is_replaced_only_by_force(case, tmp_path):
    snn, _ = case
    snn.save_pretrained(tmp_path / "out")
    with pytest.raises(ArtefactError, match="force"):
        snn.save_pretrained(tmp_path / "out")
    snn.save_pretrained(tmp_path / "out", force=True)


def test_an_error_of_an_observer_of_a_count_is_the_callers_own(case):
    def observe(*values: object) -> None:
        raise RuntimeError("mine")

    snn, data = case
    with pytest.raises(RuntimeError, match=r"^mine$"):
        snn.count(snn.counter(), *data.values(), observe=observe)


def test_a_network_that_was_not_compared_with_a_source_has_a_text(case):
    snn, _ = case
    assert snn.checked is None
    assert repr(snn).startswith("SpikingNetwork(")
    assert "compared with its source" not in repr(snn) + snn.summary()


def test_a_negated_view_is_read_with_its_sign() -> None:
    """What lies in memory has the other sign."""
    model, x = (
        torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3)).eval(),
        torch.rand(6, 6),
    )
    snn = gcn2snn.convert(model, x)
    assert torch.equal(snn(torch._neg_view(-x)), snn(x))
