from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import Field

from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.kernels import PhaseCode
from gcn2snn.schema import Count, Sha256, Stored, checked, made_of


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
