"""gcn2snn export: files, the check, JSON, and refusals in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command_line import failed, parsed
from command_line import gcn2snn as run

from gcn2snn import load_graph


def test_spikes_of_the_data_that_the_network_comes_from(karate: Path, tmp_path: Path) -> None:
    out = tmp_path / "spikes.csv"
    result = run("export", karate, "--format", "spikes", "--out", out, "--check")
    assert result.returncode == 0, result.stderr
    assert f"written to {out}: populations 3" in result.stdout
    assert "0 neurons differ" in result.stdout
    assert out.exists()


def test_json_holds_files_facts_and_the_check(karate: Path, tmp_path: Path) -> None:
    told = parsed("export", karate, "--format", "npz", "--out", tmp_path / "net.npz", "--check")
    assert told["files"] == [str(tmp_path / "net.npz"), str(tmp_path / "net.json")]
    assert told["check"]["passed"] is True
    assert told["facts"]["populations"] == 3


def test_rows_choose_documents_for_brian2(karate: Path, tmp_path: Path) -> None:
    one = parsed("export", karate, "--format", "brian2", "--rows", "11", "--out", tmp_path / "one.py")
    some = parsed("export", karate, "--format", "brian2", "--rows", "0,3-5", "--out", tmp_path / "some.py")
    assert one["facts"]["synapses"] < some["facts"]["synapses"]


def test_other_inputs_come_from_a_file(karate: Path, tmp_path: Path) -> None:
    graph = load_graph("karate")
    torch.save({"adjacency": graph.adjacency.to_dense(), "y": graph.labels}, tmp_path / "other.pt")
    words = ("--format", "spikes", "--inputs", tmp_path / "other.pt", "--out", tmp_path / "spikes.npz")
    assert "gcn2snn.CSR" in failed("export", karate, *words)  # a Text GCN takes its own matrix


def test_refusals(karate: Path, tmp_path: Path) -> None:
    out = tmp_path / "net.npz"
    assert "allowed are brian2" in failed("export", karate, "--format", "hdf5", "--out", out)
    assert "--rows 'a' is no list of numbers" in failed(
        "export", karate, "--format", "brian2", "--rows", "a", "--out", out
    )
    assert "--python has no meaning here" in failed(
        "export", karate, "--format", "npz", "--out", out, "--python", "python3"
    )
    assert "--rows has no meaning here" in failed("export", karate, "--format", "npz", "--out", out, "--rows", "1")
    assert "--inputs" in failed("export", karate, "--format", "npz", "--out", out, "--inputs", "cora")
    assert "rows [99] were asked for" in failed(
        "export", karate, "--format", "brian2", "--rows", "99", "--out", tmp_path / "net.py"
    )
    assert "does not exist" in failed("export", tmp_path / "no", "--format", "npz", "--out", out)
    assert not list(tmp_path.iterdir())
    out.write_text("mine")
    assert "exists; it is not overwritten without --force" in failed("export", karate, "--format", "npz", "--out", out)


def test_a_check_that_cannot_run_writes_nothing(karate: Path, tmp_path: Path) -> None:
    words = ("--format", "brian2", "--check", "--python", "/no/python", "--out", tmp_path / "net.py")
    assert "cannot start /no/python" in failed("export", karate, *words)
    words = ("--format", "npz", "--check", "--python", "/no/python", "--out", tmp_path / "net.npz")
    assert "is for the checks of brian2 and nir" in failed("export", karate, *words)
    assert not list(tmp_path.iterdir())


def test_a_check_that_fails_ends_with_one(karate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gcn2snn.formats import Checked, registry

    found = Checked(False, "two arrays differ", {"differ": 2})
    monkeypatch.setattr(registry, "FORMATS", registry.FORMATS | {"npz": _failing(registry.FORMATS["npz"], found)})
    result = run("export", karate, "--format", "npz", "--out", tmp_path / "net.npz", "--check")
    assert result.returncode == 1
    assert "NOT EQUAL: two arrays differ" in result.stdout


def _failing(format: object, found: object) -> object:
    from dataclasses import replace

    return replace(format, check=lambda job, python: found)  # type: ignore[type-var]
