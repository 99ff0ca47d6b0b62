"""spikes: events of all three endings hold what the network sends, at the clock steps of the paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcn2snn import ir
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.formats import check, export
from gcn2snn.formats.spike_events import ENDINGS, events_of, read_events, write_spikes
from gcn2snn.kernels import PhaseCode, Spikes


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), images=st.booleans(), wait=st.sampled_from([None, 0, 2]))
def test_events_decode_to_the_values_that_neurons_send(draw, seed: int, images: bool, wait: int | None) -> None:
    snn, args = draw(seed, images, torch.float64, wait)
    events = events_of(snn, args)
    sent = snn.spikes(*args)
    assert set(sent) <= set(events)
    for name, spikes in sent.items():
        each = events[name]
        code = np.zeros(int(np.prod(each.shape)), dtype=int)
        code[each.neuron] = each.sign * each.phase
        assert np.array_equal(code, spikes.code.numpy().ravel())
        assert np.unique(each.neuron).size == each.neuron.size  # at most one spike a neuron
        assert (np.diff(each.time) >= 0).all()


def test_times_are_those_of_the_paper_clock(karate) -> None:
    snn, graph = karate
    events = events_of(snn, (graph.adjacency,))
    first, second, *_ = (events[node.name] for node in snn.network.of(ir.Neuron))
    assert first.time.min() == 1 + 1  # a one-hot input lasts one step, so w = 1 waits for all of it
    assert second.time.min() > 16


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_ending_is_read_back_and_a_lost_spike_is_seen(cnn, tmp_path: Path, ending: str) -> None:
    if ending == ".nir":
        pytest.importorskip("nir")
    snn, args = cnn
    out = tmp_path / f"spikes{ending}"
    told = export(snn, "spikes", args, out=out)
    found = check(snn, "spikes", args, out=out)
    assert found.passed, found.sentence
    assert found.facts["spikes"] == told.facts["spikes"] > 0
    write_spikes(snn, (args[0] * 0.5,), out)  # the events of other inputs
    assert not check(snn, "spikes", args, out=out).passed


def test_csv_has_one_line_a_spike(cnn, tmp_path: Path) -> None:
    snn, args = cnn
    told = write_spikes(snn, args, tmp_path / "spikes.csv")
    lines = (tmp_path / "spikes.csv").read_text().splitlines()
    assert lines[0] == "population,time,neuron,sign,phase"
    assert len(lines) - 1 == told["spikes"]


def test_wrong_endings_and_broken_files_are_refused(cnn, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"spikes are written as .npz, .csv, .nir, got spikes.txt"):
        write_spikes(*cnn, tmp_path / "spikes.txt")
    (tmp_path / "spikes.csv").write_text("population,time\na,1\n")
    with pytest.raises(ArtefactError, match=r"spikes.csv cannot be read"):
        read_events(tmp_path / "spikes.csv")


def test_to_dense_has_each_spike_at_its_phase() -> None:
    coding = PhaseCode(1.3, 5, signed=True)
    spikes = Spikes(torch.randint(-5, 6, (4, 3), dtype=torch.int8), torch.tensor(1.0), coding)
    dense = spikes.to_dense()
    assert dense.shape == (5, 4, 3)
    assert dense.dtype == torch.int8
    phases = torch.arange(1, 6).view(5, 1, 1)
    assert torch.equal((dense * phases).sum(0), spikes.code.long())
    assert int(dense.abs().sum(0).max()) == 1
