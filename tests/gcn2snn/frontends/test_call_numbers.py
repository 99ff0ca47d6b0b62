"""Numbers of the call: what follows the next input, what is fixed and checked, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gcn2snn.artefact import load, save
from gcn2snn.conversion import convert
from gcn2snn.errors import ConversionError, InputError, InputTypeError

pyg = pytest.importorskip("torch_geometric.nn")
data_of = pytest.importorskip("torch_geometric.data")


class Rows(nn.Module):
    """A small network whose last step computes with sizes."""

    def __init__(self, step: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.step, self.a, self.b = step, nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.step(self.b(self.a(x).relu()), x)
        return result


FOLLOWED: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "view": lambda h, x: h.view(x.size(0), -1),
    "len": lambda h, x: h.view(len(x), h.shape[-1]),
    "all rows": lambda h, x: h[: x.shape[0]],
    "nothing changes": lambda h, x: h.view(x.size(0) * 1 + 0, -1),
    "as many": lambda h, x: h if x.numel() == x.nelement() and x.numel() - torch.numel(x) == 0 else h * 2,
    "column": lambda h, x: h.view(x[:, :1].numel(), -1),
    "same number": lambda h, x: h if h.size(0) == x.size(0) and x.size(0) - x.size(0) == 0 else h * 2,
    "width": lambda h, x: h / h.size(1) if isinstance(h, Tensor) else h,
}

REFUSED: dict[str, tuple[Callable[[Tensor, Tensor], Any], str]] = {
    "mean": (
        lambda h, x: h / x.size(0),
        "truediv: a number of rows as a plain number: computes with the number of rows of x",
    ),
    "power": (lambda h, x: h / x.size(0) ** 2, "a power of a number of rows"),
    "branch": (lambda h, x: h * (x.size(0) > 1), "a comparison of a number of rows"),
    "eye": (lambda h, x: torch.eye(x.shape[0]) @ h, "eye: a number of rows as a plain number"),
    "half": (lambda h, x: h.view(x.size(0) // 2, -1), "a quotient of a number of rows"),
    "arange": (lambda h, x: h + torch.arange(len(x))[:, None], "arange: a number of rows as a plain number"),
    "last": (lambda h, x: h[x.size(0) - 1], "a difference of a number of rows"),
    "zeros": (lambda h, x: h + torch.zeros(x.size(0), 4), "zeros: a number of rows as a plain number"),
    "numel": (
        lambda h, x: h / x.numel(),
        "truediv: a number of elements as a plain number: computes with the number of elements of x, which only a call knows",
    ),
    "nelement": (
        lambda h, x: h.view(x.nelement() // 8, -1),
        "a quotient of a number of elements: computes with the number",
    ),
    "torch.numel": (lambda h, x: h if torch.numel(x) else x, "a number of elements as a plain number"),
    "rows of width one": (lambda h, x: h / x[:, :1].numel(), "truediv: a number of rows as a plain number"),
    "loop": (lambda h, x: sum([h for _ in range(len(x))]), "a number of rows as a plain number"),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_rows_that_are_followed(name: str) -> None:
    model, x = Rows(FOLLOWED[name]).eval(), torch.rand(30, 8)
    snn = convert(model, x[:6], calibration=[x])
    torch.testing.assert_close(snn.source(x), model(x))


@pytest.mark.parametrize("rows", [30, 1])
@pytest.mark.parametrize("name", REFUSED)
def test_rows_that_cannot_be_followed(name: str, rows: int) -> None:
    step, said = REFUSED[name]
    with pytest.raises(ConversionError) as caught:
        convert(Rows(step).eval(), torch.rand(rows, 8))
    assert said in str(caught.value)
    assert "-1," not in str(caught.value)
    assert "(1 reason(s))" in str(caught.value)
    assert "keep other numbers as constants of the model" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["stride", "storage_offset", "is_contiguous", "element_size", "data_ptr", "untyped_storage"]
)
def test_questions_about_memory_are_refused_as_such(name: str) -> None:
    with pytest.raises(ConversionError) as caught:
        convert(Rows(lambda h, x: h / 3 if getattr(h, name)() else h).eval(), torch.rand(6, 8))
    assert f".{name}(): asks how values lie in memory" in str(caught.value)
    assert "x.contiguous() and x.reshape(...) may stand without it" in str(caught.value)


def test_what_follows_from_a_refused_value_is_no_reason_of_its_own() -> None:
    for step in (
        lambda h, x: h * h.erfinv(),
        lambda h, x: h / h.erfinv(),
        lambda h, x: h.erfinv() / h,
        lambda h, x: torch.nn.functional.bilinear(h, h.erfinv(), torch.ones(2, 4, 4)),
        lambda h, x: nn.Bilinear(4, 4, 2)(h.erfinv(), h),
    ):
        with pytest.raises(ConversionError, match=r"1 reason\(s\)\):\n  - erfinv: "):
            convert(Rows(step).eval(), torch.rand(6, 8))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = pyg.GCNConv(8, 16)
        self.heads = nn.ModuleDict({"a": nn.Linear(16, 4), "b": nn.Linear(16, 4)})

    def forward(
        self,
        x: Tensor,
        edges: Tensor,
        batch: Tensor,
        graphs: int,
        gain: float = 1.0,
        head: str = "a",
        weight: Any = None,
    ) -> Tensor:
        h = self.conv(x, edges, weight).relu()
        result: Tensor = self.heads[head](pyg.global_mean_pool(h, batch, graphs)) * gain
        return result


def call(rows: int, graphs: int) -> tuple[Tensor, Tensor, Tensor, int]:
    return torch.rand(rows, 8), torch.randint(0, rows, (2, 3 * rows)), torch.arange(rows) * graphs // rows, graphs


def test_plain_arguments_follow_or_are_said(tmp_path: Any) -> None:
    model = Net().eval()
    snn = convert(model, (*call(30, 3), 1.0, "a", None))
    save(snn, tmp_path / "snn.safetensors")
    for network in (snn, load(tmp_path / "snn.safetensors")):
        for graphs in (1, 2, 5):
            args = call(20, graphs)
            torch.testing.assert_close(network.source(*args, 1.0, "a", None), model(*args))
            assert network(*args).shape == (graphs, 4)  # what has the model's own default can be left out
        assert network(*args[:3], 7, 1, "a", None).shape == (7, 4)
        for more, said in (
            ((3.0, "a", None), "gain is 3.0; this network was converted with 1.0"),
            ((1.0, "b", None), "head is 'b'; this network was converted with 'a'"),
            ((1.0, "a", torch.rand(60)), "weight is of type Tensor; this network was converted with None"),
        ):
            with pytest.raises(InputError, match=said):
                network(*args, *more)
        with pytest.raises(InputError, match="batch holds graphs 0 to 4, but the pool is for 2 graphs"):
            network(*args[:3], 2)
        with pytest.raises(InputTypeError, match="a number of rows is float"):
            network(*args[:3], 2.5)


class OnData(nn.Module):
    def __init__(self, step: Callable[[Tensor, Any], Tensor]) -> None:
        super().__init__()
        self.step, self.conv, self.out = step, pyg.GCNConv(8, 16), nn.Linear(16, 4)

    def forward(self, data: Any) -> Tensor:
        result: Tensor = self.out(self.step(self.conv(data.x, data.edge_index, data.edge_weight).relu(), data))
        return result


def graphs(count: int, **more: Any) -> Any:
    def one() -> Any:
        return data_of.Data(x=torch.rand(10, 8), edge_index=torch.randint(0, 10, (2, 30)), **more)

    return data_of.Batch.from_data_list([one() for _ in range(count)])


@pytest.mark.parametrize("pool", [pyg.global_add_pool, pyg.global_mean_pool, pyg.global_max_pool])
def test_number_of_graphs_follows(pool: Any) -> None:
    for step in (
        lambda h, data: pool(h, data.batch, data.num_graphs),
        lambda h, data: pool(h, data.batch, size=data.batch_size),
    ):
        model = OnData(step).eval()
        snn = convert(model, graphs(4))
        for count in (1, 2, 6):
            batch = graphs(count)
            torch.testing.assert_close(snn.source(batch), model(batch))


def test_numbers_of_a_graph_object_that_are_computed_with_are_fixed() -> None:
    model = OnData(lambda h, data: h / data.num_nodes if data.num_graphs > 1 else h).eval()
    snn = convert(model, graphs(4))
    torch.testing.assert_close(snn.source(other := graphs(4)), model(other))
    with pytest.raises(InputError, match=r"data\.num_(graphs|nodes) is (2|20); this network was converted with (4|40)"):
        snn(graphs(2))
    with pytest.raises(InputError, match=r"data\.edge_weight is of type Tensor; this network was converted with None"):
        snn(graphs(4, edge_weight=torch.rand(30)))


def test_attributes_that_the_example_lacks() -> None:
    snn = convert(OnData(lambda h, data: h * 2 if hasattr(data, "extra") else h).eval(), graphs(2))
    snn(graphs(3))
    with pytest.raises(InputError, match=r"hasattr\(data, 'extra'\) is True; this network was converted with False"):
        snn(graphs(2, extra=torch.rand(1)))
