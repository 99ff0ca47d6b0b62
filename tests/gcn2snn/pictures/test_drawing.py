"""Figures and their files."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest
import torch
from torch import nn

from gcn2snn import convert, load_graph
from gcn2snn.errors import ArtefactError, ConfigError, MissingPackageError
from gcn2snn.pictures import KINDS, picture_files, save_figures
from gcn2snn.textgcn import TextGCN, call

pytest.importorskip("matplotlib")


def test_figures_of_images_say_what_is_left_out(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = torch.rand(3, 1, 8, 8)
    layers: list[nn.Module] = [
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 5),
        nn.Linear(5, 2),
    ]
    snn = convert(nn.Sequential(*layers).eval(), x)
    figures = snn.plot(x, rows=[1], limit=20)
    assert tuple(figures) == KINDS
    title = figures["raster"].axes[0].get_title(loc="left")
    assert title.startswith("1: 20 of 432 neurons drawn")
    for kind, end in (("raster", "png"), ("phases", "svg")):
        files = picture_files([kind], tmp_path / f"one.{end}")
        save_figures({kind: figures[kind]}, files)
        content = (tmp_path / f"one.{end}").read_bytes()
        assert content.startswith(b"\x89PNG") if end == "png" else b"<svg" in content


def test_documents_of_a_graph() -> None:
    graph = load_graph("karate")
    torch.manual_seed(0)
    snn = convert(TextGCN(graph.num_nodes, [8], graph.num_classes).eval(), *call(graph))
    figures = snn.plot(*call(graph), rows=[0, 33])
    assert len(figures["potentials"].axes) == len(snn.spikes(*call(graph)))


def test_files_are_named_and_refused_before_anything_runs(tmp_path: Path) -> None:
    files = picture_files(KINDS, tmp_path / "all.png")
    assert [file.name for file in files.values()] == ["all-raster.png", "all-potentials.png", "all-phases.png"]
    (tmp_path / "all-phases.png").touch()
    with pytest.raises(ArtefactError, match=r"all-phases\.png"):
        picture_files(KINDS, tmp_path / "all.png")
    assert picture_files(KINDS, tmp_path / "all.png", force=True) == files
    with pytest.raises(ConfigError, match=r"does not end in \.png or \.svg"):
        picture_files(KINDS, tmp_path / "all.jpg")
    with pytest.raises(ConfigError, match="there is no picture 'movie'; allowed are raster, potentials, phases"):
        picture_files(["movie"], tmp_path / "all.png")


def test_without_matplotlib_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    snn = convert(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval(), torch.rand(4, 4))
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r"pip install 'gcn2snn\[plot\]'"):
        snn.plot(torch.rand(2, 4))
