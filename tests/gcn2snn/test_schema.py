from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from pydantic import Field
from torch import Tensor

from gcn2snn import schema
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.kernels import PhaseCode
from gcn2snn.schema import Amount, Count, Percent, Sha256, Stored, checked, made_of


class Thing(Stored):
    count: Count
    hash: Sha256 | None = None
    names: list[str] = Field(default_factory=list)


def test_checked_gives_the_values_back_as_they_are() -> None:
    values = {"count": 3, "hash": "0" * 64, "other": [1, {"x": None}]}
    assert checked(values, Thing, "the thing") is values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], r"the thing is no JSON object but \[\]; it was edited. Count again"),
        ({}, r"the thing does not hold what it should: count: field required. It was edited. Count again"),
        ({"count": True}, r"count = True: input should be a valid integer"),
        ({"count": -1}, r"count = -1: input should be greater than or equal to 0"),
        ({"count": 10**400}, r"count = 1000.*\.\.\.: input should be less than"),
        ({"count": 3.0}, r"count = 3.0: input should be a valid integer"),
        ({"count": 3, "hash": "x"}, r"hash = 'x': string should match pattern"),
        ({"count": 3, "names": ["a", 1]}, r"names.1 = 1: input should be a valid string"),
        ({"count": "a" * 500, "names": 1, "hash": 1}, r"count = 'aaa.*\.\.\.: .*; hash = 1: .*; names = 1"),
    ],
)
def test_checked_says_what_does_not_fit(values: object, message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        checked(values, Thing, "the thing", "Count again")


@dataclass(frozen=True)
class Row:
    name: str
    value: float
    sizes: tuple[int | None, ...] = ()


def test_made_of_makes_a_dataclass_of_exact_types() -> None:
    assert made_of(Row, {"name": "a", "value": 2, "sizes": (None, 3)}, "a row") == Row("a", 2, (None, 3))
    assert made_of(PhaseCode, {"base": 1.3, "timesteps": 16}, "a code") == PhaseCode(1.3, 16)
    for wrong in ({"value": "2"}, {"value": float("nan")}, {"sizes": (1.5,)}, {"more": 1}, {"name": None}):
        with pytest.raises(ArtefactError, match="a row does not hold what it should"):
            made_of(Row, {"name": "a", "value": 2.0} | wrong, "a row")
    assert made_of(Row, {"name": "a", "value": float("inf")}, "a row", finite=False).value == float("inf")
    with pytest.raises(ConfigError, match=r"base is 1.0"):
        made_of(PhaseCode, {"base": 1.0, "timesteps": 16}, "a code")


@dataclass(frozen=True)
class Weighted:
    weight: Tensor


def test_made_of_takes_tensors_where_the_class_has_some() -> None:
    weight = torch.ones(2)
    assert made_of(Weighted, {"weight": weight}, "a layer").weight is weight
    with pytest.raises(ArtefactError, match=r"a layer does not hold what it should: weight = .*instance of Tensor"):
        made_of(Weighted, {"weight": [1.0, 1.0]}, "a layer")


class Numbers(Stored):
    count: Count = 0
    percent: Percent = 0.0
    amount: Amount = 0.0


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("count", (0, 1000, 2**53 - 1), (-1, 2**53)),
        ("percent", (0.0, 100.0), (-0.5, 100.5, float("nan"))),
        ("amount", (0.0, 1e300), (-0.5, float("inf"))),
    ],
)
def test_numbers_end_where_they_say(name: str, allowed: tuple[float, ...], refused: tuple[float, ...]) -> None:
    for value in allowed:
        assert checked({name: value}, Numbers, "the numbers") == {name: value}
    for value in refused:
        with pytest.raises(ArtefactError, match=f"{name} = "):
            checked({name: value}, Numbers, "the numbers")


class Many(Stored):
    a: int
    b: int
    c: int
    d: int
    e: int
    f: int
    g: int
    h: int


def test_the_first_faults_are_told_and_the_others_counted() -> None:
    names = "abcdefgh"
    for wrong in range(1, 9):
        values = {name: "x" if place < wrong else 1 for place, name in enumerate(names)}
        with pytest.raises(ArtefactError) as found:
            checked(values, Many, "many")
        told = str(found.value)
        shown = min(wrong, schema.FAULTS)
        assert [f"{name} = 'x'" in told for name in names] == [place < shown for place in range(8)]
        assert (f"; and {wrong - shown} more" in told) == (wrong > shown)


def test_values_are_shown_as_far_as_there_is_room() -> None:
    assert schema.SHOWN == 60
    for length, cut in ((schema.SHOWN - 2, False), (schema.SHOWN - 1, True)):  # repr adds two quotes
        with pytest.raises(ArtefactError) as found:
            checked("y" * length, Thing, "the thing")
        said = str(found.value).split("but ")[1].split(";")[0]
        assert said.endswith("...") == cut
        assert len(said) == schema.SHOWN


def test_values_that_cannot_be_shown_are_told_by_their_type() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for value, told in ((10**5000, "a int"), (deep, "a list")):
        with pytest.raises(ArtefactError, match=f"the thing is no JSON object but {told}; it was edited"):
            checked(value, Thing, "the thing")


def test_a_class_may_be_made_with_and_without_finite_numbers() -> None:
    values = {"name": "a", "value": float("nan")}
    assert made_of(Row, values, "a row", finite=False).sizes == ()
    with pytest.raises(ArtefactError, match="value = nan"):
        made_of(Row, values, "a row")
    with pytest.raises(ArtefactError, match="value: field required"):
        made_of(Row, {"name": "a"}, "a row", finite=False)
