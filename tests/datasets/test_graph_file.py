from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gcn2snn.datasets.graph_file import load_labelled
from gcn2snn.errors import DataError

X, EDGES = torch.rand(4, 3), torch.tensor([[0, 1, 2], [1, 2, 3]])
MASK = torch.tensor([False, True, True, False])
WHOLE = {"x": X, "edge_index": EDGES, "y": torch.tensor([0, 1, 2, -1]), "test_mask": MASK}


def saved(folder: Path, content: Any) -> str:
    torch.save(content, folder / "data.pt")
    return str(folder / "data.pt")


def test_load_labelled_gives_labels_rows_and_arguments(tmp_path: Path) -> None:
    found = load_labelled(saved(tmp_path, WHOLE | {"train_mask": ~MASK}))
    assert found.labels.tolist() == [0, 1, 2, -1]
    assert torch.equal(found.rows, MASK)
    assert found.class_names == ("class 0", "class 1", "class 2")
    x, edges = found.arguments({"x": "dense", "edge_index": "graph"})
    assert torch.equal(x, X)
    assert torch.equal(edges, EDGES)


def test_rows_without_a_mask_are_those_with_a_class(tmp_path: Path) -> None:
    content = {key: value for key, value in WHOLE.items() if key != "test_mask"}
    assert load_labelled(saved(tmp_path, content)).rows.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("inputs", "keys"),
    [
        ({"features": "dense", "edges": "graph"}, ("x", "edge_index")),
        ({"nodes": "dense", "links": "graph"}, ("x", "edge_index")),  # names of no alias: by their role
        ({"edge_index": "graph", "weight": "graph", "h": "dense"}, ("edge_index", "edge_attr", "x")),
    ],
)
def test_arguments_go_by_alias_and_role(tmp_path: Path, inputs: dict[str, str], keys: tuple[str, ...]) -> None:
    content = WHOLE | {"edge_attr": torch.rand(3)}
    found = load_labelled(saved(tmp_path, content)).arguments(inputs)
    assert all(torch.equal(got, content[key]) for got, key in zip(found, keys, strict=True))


def test_arguments_that_are_objects_or_unused(tmp_path: Path) -> None:
    found = load_labelled(saved(tmp_path, WHOLE))
    data, nothing = found.arguments({"data": "graph", "size": "unused"})
    assert isinstance(data, SimpleNamespace)
    assert torch.equal(data.x, X)
    assert nothing is None
    with pytest.raises(DataError, match=r"takes 'edge_weight', and .*data.pt holds x, edge_index. Add 'edge_weight'"):
        found.arguments({"x": "dense", "edge_index": "graph", "edge_weight": "graph"})


def test_for_classes_names_the_others(tmp_path: Path) -> None:
    found = load_labelled(saved(tmp_path, WHOLE))
    assert found.for_classes(5).class_names[3:] == ("class 3", "class 4")
    with pytest.raises(DataError, match=r"labels of 3 classes; the network has 2"):
        found.for_classes(2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyG's own imports
def test_pyg_data_is_read_without_running_its_code(tmp_path: Path) -> None:
    data = pytest.importorskip("torch_geometric.data").Data(**WHOLE)
    assert torch.equal(load_labelled(saved(tmp_path, data)).values["x"], X)


def test_published_graphs_have_edges_and_adjacency() -> None:
    found = load_labelled("karate")
    assert found.values["edge_index"].shape == (2, 156)
    assert int(found.rows.sum()) == 26
    assert found.class_names[0] == "community 0"
    assert sorted(found.values) == ["adjacency", "edge_index", "edge_weight"]  # karate has no features


def test_classes_are_numbers_below_a_million(tmp_path: Path) -> None:
    """A name is made for each, so a number that is no class must not become a million names."""
    assert len(load_labelled(saved(tmp_path, WHOLE | {"y": torch.tensor([0, 100, 2, -1])})).class_names) == 101
    with pytest.raises(DataError, match=r"a label in .* is 1000000; classes are numbered from 0 and below 1,000,000"):
        load_labelled(saved(tmp_path, WHOLE | {"y": torch.tensor([0, 10**6, 2, -1])}))


@pytest.mark.filterwarnings("ignore")  # of DGL's own imports
@pytest.mark.parametrize("name", ["g", "graph"])
def test_a_graph_of_dgl_is_made_of_edges(tmp_path: Path, name: str) -> None:
    pytest.importorskip("dgl", reason="needs DGL")
    weight = torch.rand(3)
    graph, x = load_labelled(saved(tmp_path, WHOLE | {"edge_weight": weight})).arguments({name: "graph", "x": "dense"})
    assert graph.num_nodes() == 4
    assert torch.equal(torch.stack(graph.edges()), EDGES)
    assert torch.equal(graph.ndata["feat"], x)
    assert torch.equal(graph.edata["weight"], weight)
    bare = load_labelled(saved(tmp_path, {"edge_index": EDGES, "y": torch.tensor([0, 1, 2, 0])}))
    (graph,) = bare.arguments({name: "graph"})
    assert (graph.num_nodes(), len(graph.ndata), len(graph.edata)) == (4, 0, 0)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code was run",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([X], r"holds a list; a dict of tensors by name is needed"),
        ({1: X}, r"holds a dict; a dict of tensors by name is needed"),
        ({"x": X}, r"has no labels: none of y, labels is among x"),
        (WHOLE | {"y": torch.rand(4)}, r"the labels in .* are torch.float32 \[4\]; one whole number"),
        (WHOLE | {"y": torch.zeros(4, 3, dtype=torch.int64)}, r"are torch.int64 \[4, 3\]; one whole number"),
        (WHOLE | {"test_mask": torch.ones(3, dtype=torch.bool)}, r"the mask in .* is torch.bool \[3\]; .* mask \[4\]"),
        (WHOLE | {"test_mask": ~torch.zeros(4, dtype=torch.bool)}, r"row 3 of .* is in the mask but has no class"),
        (WHOLE | {"test_mask": torch.zeros(4, dtype=torch.bool)}, r"has no row to look at"),
        (Harmful(), r"holds more than tensors, which is not loaded for safety"),
    ],
)
def test_files_that_do_not_fit_are_named(
    tmp_path: Path, content: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match=message):
        load_labelled(saved(tmp_path, content))
    assert "code was run" not in capsys.readouterr().out


def test_files_that_are_missing_or_cut_short(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file and no dataset is called 'nowhere.pt'. Give a .pt file"):
        load_labelled("nowhere.pt")
    path = Path(saved(tmp_path, WHOLE))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"data.pt cannot be read"):
        load_labelled(str(path))
    with pytest.raises(DataError, match=r"is a folder; a file is needed"):
        load_labelled(str(tmp_path))
