"""What all formats refuse alike."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gcn2snn
from gcn2snn import SpikingNetwork, convert
from gcn2snn.errors import ArtefactError, ConfigError, InputError, InputTypeError, MissingPackageError
from gcn2snn.formats import FORMATS, check, check_ready, export


def test_an_unknown_format_lists_the_known_ones(cnn, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"format is 'hdf5'; allowed are brian2, spikes, npz, onnx, onnx-documents, nir"
    ):
        export(cnn[0], "hdf5", out=tmp_path / "net")


def test_what_is_no_converted_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputTypeError, match="a converted network is exported, got Linear"):
        export(torch.nn.Linear(2, 2), "npz", out=tmp_path / "net.npz")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if each.needs_inputs])
def test_missing_inputs_are_refused(cnn, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"the format {name} runs the network: give the inputs"):
        export(cnn[0], name, out=tmp_path / "net")


def test_rows_belong_to_brian2(cnn, tmp_path: Path) -> None:
    snn, args = cnn
    with pytest.raises(ConfigError, match="rows has no meaning for the format spikes; formats that take rows: brian2"):
        export(snn, "spikes", args, out=tmp_path / "net.csv", rows=[0])


def test_wrong_inputs_are_refused_before_anything_is_written(cnn, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has shape \[2, 3\]"):
        export(cnn[0], "spikes", torch.rand(2, 3), out=tmp_path / "net.csv")
    assert list(tmp_path.iterdir()) == []


def test_each_file_that_exists_is_kept_unless_forced(cnn, tmp_path: Path) -> None:
    snn, _ = cnn
    (tmp_path / "net.json").write_text("mine")  # the file beside the one asked for
    with pytest.raises(ArtefactError, match=r"net.json exists; it is not overwritten without --force"):
        export(snn, "npz", out=tmp_path / "net.npz")
    assert (tmp_path / "net.json").read_text() == "mine"
    assert not (tmp_path / "net.npz").exists()
    gcn2snn.export(snn, "npz", out=tmp_path / "net.npz", force=True)
    assert check(snn, "npz", out=tmp_path / "net.npz").passed


@pytest.mark.parametrize(("name", "missing", "ending"), [("onnx", "onnx", "onnx"), ("nir", "nir", "nir")])
def test_a_missing_library_comes_with_the_install_line(
    cnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, missing: str, ending: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    snn, args = cnn
    with pytest.raises(MissingPackageError, match=rf"needs the package {missing} .*pip install 'gcn2snn\[export\]'"):
        export(snn, name, args, out=tmp_path / f"net.{ending}")
    assert list(tmp_path.iterdir()) == []


def two_layers() -> tuple[SpikingNetwork, torch.Tensor]:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    x = torch.rand(5, 3)
    return convert(model, x), x


def test_inputs_may_be_keywords_as_in_convert(tmp_path: Path) -> None:
    snn, x = two_layers()
    export(snn, "spikes", {"input": x}, out=tmp_path / "named.csv")
    export(snn, "spikes", x, out=tmp_path / "plain.csv")
    assert (tmp_path / "named.csv").read_text() == (tmp_path / "plain.csv").read_text()
    with pytest.raises(InputError, match=r"'x' is unknown, 'input' is missing; the network takes \['input'\]"):
        export(snn, "spikes", {"x": x}, out=tmp_path / "other.csv")


@pytest.mark.parametrize("rows", [1, "0", [1.7], [True, False], [[0, 1]]])
def test_rows_are_whole_numbers(tmp_path: Path, rows: object) -> None:
    snn, x = two_layers()
    with pytest.raises(InputTypeError, match="a list of whole numbers is needed"):
        export(snn, "brian2", x, out=tmp_path / "net.py", rows=rows)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_no_file_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="out is '', which names no file"):
        export(two_layers()[0], "npz", out="")


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04garbage"])
@pytest.mark.parametrize("name", ["spikes", "npz"])
def test_a_damaged_archive_is_no_traceback(tmp_path: Path, name: str, content: bytes) -> None:
    snn, x = two_layers()
    (tmp_path / "net.npz").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"net.npz cannot be read: .*Export the network again"):
        check(snn, name, x, out=tmp_path / "net.npz")


def test_an_archive_or_table_of_something_else_is_no_traceback(tmp_path: Path) -> None:
    snn, x = two_layers()
    np.savez(tmp_path / "net.npz", other=np.zeros(3))
    with pytest.raises(ArtefactError, match=r"net.npz holds no description"):
        check(snn, "npz", out=tmp_path / "net.npz")
    assert not check(snn, "spikes", x, out=tmp_path / "net.npz").passed
    (tmp_path / "net.csv").write_text("population,time,neuron,sign,phase\nx,1\n")
    with pytest.raises(ArtefactError, match=r"net.csv cannot be read"):
        check(snn, "spikes", x, out=tmp_path / "net.csv")


def test_what_a_check_needs_is_asked_for_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GCN2SNN_BRIAN2_PYTHON", raising=False)
    monkeypatch.delenv("GCN2SNN_NIR_PYTHON", raising=False)
    for name in ("brian2", "nir"):
        with pytest.raises(MissingPackageError, match="the check runs in an environment of its own"):
            check_ready(name)
        with pytest.raises(MissingPackageError, match="cannot start /no/python"):
            check_ready(name, "/no/python")
    with pytest.raises(MissingPackageError, match=f"{sys.executable} has no module brian2"):
        check_ready("brian2", sys.executable)
    check_ready("npz")
    with pytest.raises(ConfigError, match=r"an interpreter \(--python\) is for the checks of brian2 and nir"):
        check_ready("npz", sys.executable)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError, match=r"needs the package onnxruntime"):
        check_ready("onnx")
