"""What all formats refuse alike."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import gcn2snn
from gcn2snn.errors import ArtefactError, ConfigError, InputError, InputTypeError, MissingPackageError
from gcn2snn.formats import FORMATS, check, export


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
