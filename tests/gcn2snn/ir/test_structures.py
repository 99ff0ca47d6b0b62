"""Structures of results: taken apart, put together again, and their parts by path."""

from __future__ import annotations

import json
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gcn2snn import ir
from gcn2snn.errors import InputError

Pair = namedtuple("Pair", ["mean", "spread"])


@dataclass
class Answer:
    logits: Any
    hidden: Any = None


def is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def tuples(value: Any) -> Any:
    """What a structure is after a file: lists become tuples."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value


NESTED = st.recursive(
    st.none() | st.integers(0, 9) | st.text(max_size=2) | st.builds(torch.tensor, st.integers(0, 99)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2) | st.integers(0, 3), inner, max_size=3)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=8,
)


@given(NESTED)
def test_put_together_again(value: Any) -> None:
    structure, heads = ir.pack(value, is_tensor)
    assert ir.paths(structure) == list(heads)
    again = ir.assembled(tuples(json.loads(json.dumps(structure))), list(heads.values()))
    assert repr(again) == repr(value)
    assert again is value or isinstance(again, type(value)) or type(again).__name__ == type(value).__name__


def test_records_stand_for_dataclasses() -> None:
    x = torch.ones(2)
    structure, heads = ir.pack({"out": Answer(x)}, is_tensor)
    found: Any = ir.assembled(structure, list(heads.values()))["out"]
    assert found.logits is x is found["logits"]
    assert found.hidden is None
    assert repr(found) == "Answer(logits=tensor([1., 1.]), hidden=None)"
    with pytest.raises(AttributeError, match="there is no field 'labels'; the fields are logits, hidden"):
        found.labels  # noqa: B018
    assert ir.assembled(*ir.pack(OrderedDict(a=1), is_tensor)) == {"a": 1}


def test_parts_by_path() -> None:
    whole = {"heads": [torch.zeros(1), Pair(torch.ones(1), None)], 7: torch.ones(2)}
    structure, heads = ir.pack(whole, is_tensor)
    part, kept = ir.renumbered(ir.chosen(structure, ("heads", 1)))
    assert ir.assembled(part, [list(heads.values())[i] for i in kept]) == Pair(torch.ones(1), None)
    assert ir.chosen(structure, 7) == ("head", 2)
    assert ir.chosen(structure, ("heads", -1, "mean")) == ir.chosen(structure, ("heads", 1, 0)) == ("head", 1)
    assert [ir.told(path) for path in ir.paths(structure)] == ["heads.0", "heads.1.mean", "7"]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("logits", r"output='logits': the model's result has no 'logits'\. It has 'heads', 7"),
        (0, r"has no 0\. It has 'heads', 7"),
        (("heads", 2), r"has no 2 at heads\. It has 0, 1"),
        ((7, 0), r"has no 0 at 7\. It has one tensor, so there is nothing to choose"),
        (("heads", True), "has no True at heads"),
    ],
)
def test_no_such_part(output: object, message: str) -> None:
    structure, _ = ir.pack({"heads": [torch.zeros(1), None], 7: torch.ones(2)}, is_tensor)
    with pytest.raises(InputError, match=message):
        ir.chosen(structure, output)


def test_one_tensor() -> None:
    with pytest.raises(
        InputError, match=r"one tensor is needed, and the network gives tuple; choose one with snn\.head"
    ):
        ir.one_tensor((torch.ones(1),))
