"""Every program of docs/examples runs as it stands, and the notebooks are what their programs make."""

from __future__ import annotations

import importlib.util
import json
import runpy
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "examples"
PROGRAMS = {
    "text_gcn_from_own_texts": (),
    "pyg_gcn_on_cora": ("torch_geometric",),
    "graphsage_mini_batches": ("torch_geometric",),
    "gin_graph_classification": ("torch_geometric",),
    "dgl_graphconv": ("dgl",),
    "cnn_from_a_checkpoint": (),
    "spike_trains": (),
    "serving": ("fastapi", "uvicorn"),
}
"""Program -> packages without which it cannot run."""

SAYS = {
    "text_gcn_from_own_texts": "shares fell: ",
    "pyg_gcn_on_cora": "agreement",
    "graphsage_mini_batches": "40 nodes of a batch never seen",
    "gin_graph_classification": "one graph: [1, 2]",
    "dgl_graphconv": "of 30 nodes are classified as by the source",
    "cnn_from_a_checkpoint": "1 population",
    "spike_trains": "potentials of 12 neurons over",
    "serving": "finance",
}
"""Program -> part of what it prints."""


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_notebooks", FOLDER / "make_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_runs(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [package for package in PROGRAMS[name] if find_spec(package) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    if name == "pyg_gcn_on_cora":
        from gcn2snn.datasets import find, located

        if located(find("cora")) is None:
            pytest.skip("needs Cora in GCN2SNN_DATA or the cache folder")
    monkeypatch.setenv("MPLBACKEND", "agg")
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert SAYS[name] in capsys.readouterr().out


def test_every_program_is_listed() -> None:
    programs = {file.stem for file in FOLDER.glob("*.py")} - {"make_notebooks"}
    assert programs == set(PROGRAMS) == set(SAYS)
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"[{name}.py]({name}.py)" in readme for name in programs)


def test_notebooks_are_made_from_their_programs() -> None:
    made = maker()
    assert {file.stem for file in FOLDER.glob("*.ipynb")} == set(made.PROGRAMS)
    for name in made.PROGRAMS:
        text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
        assert text == made.notebook(FOLDER / f"{name}.py"), "run python docs/examples/make_notebooks.py"
        cells = json.loads(text)["cells"]
        assert [cell["cell_type"] for cell in cells] == ["markdown"] + ["code"] * (len(cells) - 1)


@pytest.mark.parametrize("name", ["text_gcn_from_own_texts"])
def test_the_cells_of_a_notebook_run_one_after_the_other(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    values: dict[str, object] = {"__name__": "__main__"}
    for cell in json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), name, "exec"), values)
    assert SAYS[name] in capsys.readouterr().out
