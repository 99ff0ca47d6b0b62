"""Names of figures and tables, and the command that makes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gcn2snn import reproduce as module
from gcn2snn.cli.reproduce import reproduce as command
from gcn2snn.errors import ConfigError
from gcn2snn.reproduce import ITEMS, ReproduceOptions, item_named


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(command)
    return app


def test_items_are_the_papers_figures_and_tables():
    assert {f"fig{n}" for n in range(1, 11)} | {f"table{n}" for n in range(1, 9)} | {
        "motifs",
        "planetoid",
        "tcurve",
        "codings",
    } == set(ITEMS)


@pytest.mark.parametrize("name", ["fig6", "FIG6", "Fig. 6", "figure 6"])
def test_item_named_is_forgiving(name):
    assert item_named(name) == "gcn2snn.figures:fig6"


def test_unknown_items_name_their_neighbours():
    with pytest.raises(ConfigError, match=r"nothing called 'table55'.*nearest are table5"):
        item_named("table55")
    with pytest.raises(ConfigError, match="none is near"):
        item_named("qqq")


@pytest.mark.parametrize("options", [{"seeds": 0}, {"limit": -1}])
def test_options_refuse(options):
    with pytest.raises(ConfigError, match=rf"{next(iter(options))} \(--{next(iter(options))}\) is"):
        ReproduceOptions(**options)


def test_command_passes_its_options(app, monkeypatch, tmp_path):
    seen = {}

    def item(out: Path, options: ReproduceOptions) -> dict[str, object]:
        seen.update(out=out, options=options)
        return {"answer": 42, "files": [str(out / "a.csv")]}

    monkeypatch.setitem(ITEMS, "fig1", "fake:item")
    monkeypatch.setattr(module, "import_module", lambda name: type("fake", (), {"item": staticmethod(item)}))
    arguments = [
        "fig1", "--out", str(tmp_path), "--rows", "a,b", "--rows", "c", "--datasets", "mr", "--seeds", "3", "--modes",
        "signed", "--limit", "7", "--weights", "vgg16=w.safetensors", "--data-dir", str(tmp_path), "--json",
    ]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == {"item": "item", "answer": 42, "files": [str(tmp_path / "a.csv")]}
    expected = ReproduceOptions(tmp_path, ("a", "b", "c"), ("mr",), 3, ("signed",), 7, {"vgg16": Path("w.safetensors")})
    assert seen == {"out": tmp_path, "options": expected}
    plain = CliRunner().invoke(app, ["fig1", "--out", str(tmp_path)])
    assert plain.output.splitlines() == ["item: item", "answer: 42", f"wrote {tmp_path / 'a.csv'}"]


def test_command_lists_and_refuses(app):
    assert CliRunner().invoke(app, ["list"]).output.split() == sorted(ITEMS)
    assert isinstance(CliRunner().invoke(app, ["fig99"]).exception, ConfigError)
    wrong = CliRunner().invoke(app, ["fig1", "--weights", "vgg16"])
    assert "is not NAME=FILE" in str(wrong.exception)


def test_command_loads_nothing_heavy():
    code = "import sys, gcn2snn.cli.reproduce, gcn2snn.reproduce; print({'torch', 'matplotlib', 'scipy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_a_refused_item_leaves_no_folder(tmp_path):
    with pytest.raises(ConfigError, match="table1 has no rows"):
        module.reproduce("table1", tmp_path / "new", ReproduceOptions(rows=("Nope",)))
    assert not (tmp_path / "new").exists()
