"""A report about several networks: they stand side by side where their test data are the same, and are refused otherwise."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gcn2snn import artefact
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ConfigError, DataError
from gcn2snn.graph import Graph
from gcn2snn.report import subject_of, write_report
from gcn2snn.textgcn import TextGCN


@pytest.fixture(scope="module")
def karate() -> Graph:
    return load_graph("karate")


@pytest.fixture(scope="module")
def several(karate: Graph, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three networks of one source, in files and folders whose names are partly the same."""
    folder = tmp_path_factory.mktemp("several")
    torch.manual_seed(0)
    model = TextGCN(34, [8], 4).eval()
    paper = ConvertConfig.paper()
    made = {"a": paper, "b": replace(paper, timesteps=8), "c": replace(paper, base=1.5)}
    origin = {"dataset": karate.source}
    return [
        artefact.save(convert(model, karate, config), folder / name / "snn.safetensors", origin)
        for name, config in made.items()
    ]


def test_several_networks_side_by_side(several: list[Path], karate: Graph, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    content = write_report([several[0], several[1].parent, several[2]], out, lambda *_: subject_of(karate))
    names = ["a/snn.safetensors", "b/snn.safetensors", "c/snn.safetensors"]
    assert [network["name"] for network in content["networks"]] == names
    source = out.read_text(encoding="utf-8")
    assert "<title>karate: one-spike networks side by side</title>" in source
    assert source.index(">question</th>") < source.index(">Source network</span>")  # the table, then the headlines
    code = source[source.index('rowheader">Code</th>') :].split("</tr>")[0]
    assert code.count("<mark>") == 2  # eight steps, and base 1.5
    assert source.count(">Source model</h2>") == 1  # the same for all
    assert all(f">Details of {name}</h2>" in source for name in names)
    ids = re.findall(r' id="([^"]+)"', source)
    assert len(ids) == len(set(ids))


def test_networks_of_other_data_are_not_compared(several: list[Path], karate: Graph, tmp_path: Path) -> None:
    def no_run(*_: object) -> None:
        raise AssertionError("refused before anything is measured")

    fewer = replace(karate, test_mask=karate.test_mask & (torch.arange(34) > 5))
    graphs = {several[0]: karate, several[1]: fewer, several[2]: replace(karate, labels=karate.labels.flip(0))}
    out = tmp_path / "out.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gcn2snn.report.write.measure", no_run)
        with pytest.raises(
            DataError,
            match=r"a/snn.safetensors goes with karate \(26 test nodes of 4 classes\), but b/snn.safetensors with karate "
            r"\(\d+ test nodes of 4 classes\), c/snn.safetensors with karate \(26 test nodes of 4 classes\) of other content",
        ):
            write_report(several, out, lambda file, *_: subject_of(graphs[file]))
    with pytest.raises(ConfigError, match=r"a/snn\.safetensors was given twice"):
        write_report([several[0], several[0].parent], out, lambda *_: subject_of(karate))
    (tmp_path / "table5.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"holds a table5\.json, which has a report of its own"):
        write_report([several[0], tmp_path], out, lambda *_: subject_of(karate))
    assert not out.exists()
