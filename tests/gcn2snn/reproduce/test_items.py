"""Names of figures and tables, and the command that makes them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gcn2snn.cli.reproduce import reproduce as command
from gcn2snn.errors import ConfigError, DataError
from gcn2snn.reproduce import items as module
from gcn2snn.reproduce.items import ITEMS, Item, item_named
from gcn2snn.reproduce.options import ReproduceOptions


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(command)
    return app


def test_items_are_the_papers_figures_and_tables():
    assert {f"fig{n}" for n in range(1, 11)} | {f"table{n}" for n in range(1, 9)} | {
        "last",
        "motifs",
        "planetoid",
        "rivals",
        "tcurve",
        "codings",
        "inductive",
        "inductive_choice",
        "opponents",
        "coverage",
        "defaults",
        "recipes",
        "residual",
        "scale",
    } == set(ITEMS)


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_every_item_has_a_function(item: Item) -> None:
    assert callable(getattr(import_module(item.function.partition(":")[0]), item.name))


@pytest.mark.parametrize("name", ["fig6", "FIG6", "Fig. 6", "figure 6"])
def test_item_named_is_forgiving(name):
    assert item_named(name).function == "gcn2snn.reproduce.figures:fig6"


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

    monkeypatch.setitem(
        ITEMS, "fig1", Item("fake:item", "a fake", "seconds", tuple(field.name for field in fields(ReproduceOptions)))
    )
    monkeypatch.setattr(module, "import_module", lambda name: type("fake", (), {"item": staticmethod(item)}))
    monkeypatch.setattr(module, "refuse_wrong_weights", lambda weights: None)
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
    assert plain.stdout.splitlines() == ["item: item", "answer: 42", f"wrote {tmp_path / 'a.csv'}"]


def test_command_lists_and_refuses(app):
    listed = CliRunner().invoke(app, ["list"]).stdout.splitlines()
    assert [line.partition(":")[0] for line in listed if not line.startswith(" ")] == sorted(ITEMS)
    assert listed[listed.index(f"fig10: {ITEMS['fig10'].what} (seconds)") + 1] == "  options: --limit"
    as_json = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    assert (as_json["fig1"]["options"], as_json["motifs"]["options"]) == ([], ["--seeds", "--modes"])
    assert isinstance(CliRunner().invoke(app, ["fig99"]).exception, ConfigError)
    wrong = CliRunner().invoke(app, ["table1", "--weights", "vgg16"])
    assert "is not NAME=FILE" in str(wrong.exception)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fig1", "--trials", "5"], "fig1 does not take --trials; it takes only --out and --json. Leave it out"),
        (["Fig. 10", "--seeds", "3", "--rows", ""], "fig10 does not take --rows, --seeds; it takes --limit, and like"),
        (["table5", "--weights", "x"], "table5 does not take --weights; it takes --datasets, --seeds, --modes,"),
        (["list", "--keep-going"], "--keep-going has no meaning here: list only shows"),
        (["list", "--out", "x"], "--out has no meaning here: list only shows"),
        (["table5", "--modes", "paper", "--trials", "5"], "the modes paper make no search, so --trials has no meaning"),
    ],
)
def test_options_that_an_item_does_not_take_are_refused(app, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, words).exception
    assert isinstance(error, ConfigError)
    assert message in str(error)
    assert list(tmp_path.iterdir()) == []


def test_reproduce_refuses_them_too(tmp_path):
    with pytest.raises(ConfigError, match="motifs does not take --limit; it takes --seeds, --modes, and like every"):
        module.reproduce("motifs", tmp_path / "new", ReproduceOptions(limit=3))
    assert not (tmp_path / "new").exists()


def test_items_exist_and_take_what_there_is():
    known = {field.name for field in fields(ReproduceOptions)}
    for name, item in ITEMS.items():
        assert item.name == name
        assert callable(getattr(import_module(item.function.partition(":")[0]), name))
        assert set(item.options) <= known
    assert {option for item in ITEMS.values() for option in item.options} == known


def test_command_loads_nothing_heavy():
    code = "import sys, gcn2snn.cli.reproduce, gcn2snn.reproduce.items; print({'torch', 'matplotlib', 'scipy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_a_refused_item_leaves_no_folder(tmp_path):
    with pytest.raises(ConfigError, match="there is no row Nope here"):
        module.reproduce("table1", tmp_path / "new", ReproduceOptions(rows=("Nope",)))
    assert not (tmp_path / "new").exists()


def test_a_data_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data_dir \(--data-dir\) is .*nosuch, which is no folder"):
        ReproduceOptions(data_dir=tmp_path / "nosuch")
