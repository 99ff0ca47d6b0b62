"""What handlers write into: names, shapes, shared operators, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from gcn2snn import ir
from gcn2snn.errors import ConversionError, InputError
from gcn2snn.frontends.builder import Builder, Ref, refs


def builder() -> Builder:
    def unused(*args: Any) -> Any:
        raise AssertionError

    return Builder({}, unused)


def dense(name: str, source: Ref, size: int = 3) -> ir.Dense:
    return ir.Dense(name=name, inputs=(source,), weight=torch.ones(size, size))


def test_names_are_made_unique() -> None:
    made = builder()
    x = made.input("x", (None, 3))
    assert [made.add(dense("layer", x)) for _ in range(3)] == ["layer", "layer_2", "layer_3"]
    assert made.add(dense("layer_2", x)) == "layer_2_2"
    assert made.add(dense("", x)) == "dense"
    assert made.add(dense("layer", x)) == "layer_4"


class CountedLookups(dict[str, object]):
    """Counts the names that are looked up in it."""

    looked_up = 0

    def __contains__(self, name: object) -> bool:
        self.looked_up += 1
        return super().__contains__(name)


def test_the_search_for_a_free_name_goes_on_where_it_ended() -> None:
    made = builder()
    node = dense("layer", made.input("x", (None, 3)))
    made._shapes = shapes = CountedLookups(made._shapes)  # type: ignore[assignment]
    names = [str(made.add(node)) for _ in range(1000)]
    assert names == ["layer", *(f"layer_{number}" for number in range(2, 1001))]
    assert shapes.looked_up < 10 * 1000  # a search that starts at the front takes 500 for each
    assert made.add(dense("layer_500", Ref("x"))) == "layer_500_2"


def test_shapes_and_rows() -> None:
    made = builder()
    x = made.input("x", (None, 3))
    y = made.add(dense("y", x))
    assert (made.shape(y), made.rows(y)) == ((None, 3), x)
    with pytest.raises(InputError, match=r"needs an input of \[\*, 4\]"):
        made.add(dense("z", x, 4))


def test_equal_operators_are_one() -> None:
    made = builder()
    x, edges = made.input("x", (None, 3)), made.input("e", (None, None), "graph")

    def adjacency(name: str, norm: str) -> Ref:
        return made.operator(ir.Adjacency(name=name, inputs=(edges, x, x), norm=norm), x)

    assert adjacency("a", "gcn") == adjacency("b", "gcn") == "a"
    assert adjacency("b", "mean") == "b"
    index = torch.tensor([[0, 1], [1, 0]])
    first = made.operator(ir.Fixed(name="f", value=index))
    assert made.operator(ir.Fixed(name="g", value=index.clone())) == first
    assert made.operator(ir.Fixed(name="g", value=index.flip(1))) != first


def test_an_operator_whose_role_changed_is_another() -> None:
    made = builder()
    data = made.input("data", (None, None), "graph", {"x": torch.ones(2, 3)})
    part = ir.Part(name="data[x]", inputs=(data,), key="x", by="item", size=(None, 3), role="dense")
    first = made.operator(part)
    assert made.operator(part) == first
    made.as_graph(first)
    second = made.operator(part)
    assert (first, second) == ("data[x]", "data[x]_2")
    assert made.operator(part) == second


def test_refusals_are_noted_once_and_not_for_what_follows() -> None:
    made = builder()
    made.input("x", (None, 3))
    bad = made.refuse("act", "Tanh", "saturates.", "Use ReLU.")
    made.refuse("act", "Tanh", "saturates.", "Use ReLU.")
    assert made.is_refused([{"a": (bad,)}])
    behind = made.add(dense("y", bad))
    assert made.is_refused(behind)
    made.refuse("view", "view", "has a shape.", "", of=behind)
    with pytest.raises(ConversionError) as caught:
        made.network()
    assert [r.what for r in caught.value.refusals] == ["Tanh"]


def test_what_nothing_reads_is_left_out() -> None:
    made = builder()
    x, unused = made.input("x", (None, 3)), made.input("y", (None, 3))
    made.add(dense("dead", unused))
    made.add(ir.Output(name="output", inputs=(made.add(dense("layer", x)),)))
    network = made.network()
    assert [node.name for node in network] == ["x", "y", "layer", "output"]
    assert [node.role for node in network.of(ir.Input)] == ["dense", "unused"]


def test_modules_are_lowered_by_what_the_builder_was_given() -> None:
    seen: list[Any] = []
    module = nn.ReLU()
    made = Builder({}, lambda *call: seen.append(call))
    made.module("act", module, ["x"], {"inplace": True})
    assert seen == [(made, "act", module, ("x",), {"inplace": True})]


def test_references_inside_values() -> None:
    a, b = Ref("a"), Ref("b")
    assert refs([a, {"k": (b, "c")}, slice(None, a)]) == [a, b, a]
    assert refs("a") == []
