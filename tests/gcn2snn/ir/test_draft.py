"""Rewriting a network: what a draft ends as, and that its checks are those of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from gcn2snn import ir
from gcn2snn.errors import InputError


def chain(count: int) -> ir.Network:
    """x -> r0 -> r1 ... -> o."""
    nodes: list[ir.Node] = [ir.Input(name="x", size=(None, 3))]
    for index in range(count):
        nodes.append(ir.Relu(name=f"r{index}", inputs=(nodes[-1].name,)))
    return ir.Network((*nodes, ir.Output(name="o", inputs=(nodes[-1].name,))))


def relu(name: str, source: str) -> ir.Relu:
    return ir.Relu(name=name, inputs=(source,))


def names(network: ir.Network) -> list[str]:
    return [node.name for node in network]


def test_insert_after_leads_every_reader_but_operators():
    network = ir.Network(
        (
            ir.Input(name="x", size=(None, 3)),
            ir.Membership(name="m", inputs=("x",), batched=False),
            ir.Aggregate(name="a", inputs=("m", "x")),
            relu("r", "x"),
            ir.Output(name="o", inputs=("a",)),
        )
    )
    draft = ir.Draft(network)
    draft.insert_after("x", relu("new", "x"))
    made = draft.network()
    assert names(made) == ["x", "new", "m", "a", "r", "o"]
    assert [made[name].inputs for name in ("m", "a", "r", "new")] == [("x",), ("m", "new"), ("new",), ("x",)]
    assert [node.name for node in draft.readers("new")] == ["a", "r"]
    assert names(network) == ["x", "m", "a", "r", "o"]  # the network it started from stays as it is


def test_insert_before_put_redirect_and_drop():
    draft = ir.Draft(chain(3))
    draft.insert_before("r2", relu("new", "r1"))
    draft.put(relu("r2", "new"))
    draft.redirect("r0", "x")
    draft.drop("r0")
    assert "r0" not in draft
    made = draft.network()
    assert names(made) == ["x", "r1", "new", "r2", "o"]
    assert made["r1"].inputs == ("x",)
    assert [node.name for node in draft.readers("x")] == ["r1"]


def test_of_gives_each_node_as_it_is_when_its_turn_comes():
    draft = ir.Draft(chain(4))
    seen = []
    for node in draft.of(ir.Relu):
        seen.append((node.name, node.inputs))
        if node.name == "r0":
            draft.insert_after("r0", relu("new", "r0"))  # not visited; r1 reads it
            draft.redirect("r2", "r1")
            draft.drop("r2")
    assert seen == [("r0", ("x",)), ("r1", ("new",)), ("r3", ("r1",))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda draft: draft.insert_after("x", relu("r1", "x")), "two nodes are called 'r1'"),
        (lambda draft: draft.drop("r0"), r"r1 reads \['r0'\]"),
        (lambda draft: draft.drop("o"), "no Output"),
        (lambda draft: draft.put(relu("r0", "r1")), r"r0 reads \['r1'\]"),
    ],
)
def test_the_result_is_checked_as_a_network(change: Callable[[ir.Draft], None], message: str):
    def rewritten() -> ir.Network:
        draft = ir.Draft(chain(2))
        change(draft)
        return draft.network()

    with pytest.raises(InputError, match=message):
        rewritten()


@given(st.lists(st.tuples(st.sampled_from(["after", "drop"]), st.integers(0, 9)), max_size=20))
@settings(max_examples=60, deadline=None)
def test_a_draft_ends_as_step_by_step_rewriting_does(steps):
    """Against the plain way: a new list of nodes for every change."""
    draft, nodes = ir.Draft(chain(10)), list(chain(10))
    for place, (kind, index) in enumerate(steps):
        name = f"r{index}"
        if name not in draft:
            continue
        at = next(i for i, node in enumerate(nodes) if node.name == name)
        to = f"n{place}" if kind == "after" else nodes[at].inputs[0]
        read = [replace(node, inputs=tuple(to if i == name else i for i in node.inputs)) for node in nodes]
        if kind == "after":
            draft.insert_after(name, relu(to, name))
            nodes = [*read[: at + 1], relu(to, name), *read[at + 1 :]]
        else:
            draft.redirect(name, to)
            draft.drop(name)
            nodes = read[:at] + read[at + 1 :]
    made = draft.network()
    assert [(node.name, node.inputs) for node in made] == [(node.name, node.inputs) for node in nodes]
