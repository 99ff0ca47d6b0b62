"""What JSON values in files must be: schemas of pydantic, and one sentence about what does not fit."""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from gcn2snn.errors import ArtefactError

SHOWN = 60
"""Characters of a wrong value that an error shows."""

FAULTS = 3
"""Wrong values that an error lists."""

Json = dict[str, Any]
"""The values of a JSON object."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Percent = Annotated[float, Field(ge=0.0, le=100.0)]
Amount = Annotated[float, Field(ge=0.0)]

Schema = TypeVar("Schema", bound="Stored")
Made = TypeVar("Made")


class Stored(BaseModel):
    """Base of all schemas: types are exact, numbers finite, and keys that a schema does not name are left alone."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


def checked(values: object, schema: type[Schema], what: str, again: str = "Make it again") -> Json:
    """JSON values, known to fit a schema.

    >>> class Row(Stored):
    ...     nodes: int
    >>> checked({"nodes": 3, "note": "x"}, Row, "the row")
    {'nodes': 3, 'note': 'x'}

    Args:
        values: as ``json.loads`` gives them.
        schema: what is needed of them.
        what: they are of; begins the message.
        again: what to do, a sentence without its end.

    Raises:
        ArtefactError: they do not fit; names the keys, what was got and what is allowed.
    """
    if not isinstance(values, dict):
        raise ArtefactError(f"{what} is no JSON object but {_short(values)}; it was edited. {again}")
    try:
        schema.model_validate(values)
    except (ValidationError, OverflowError, RecursionError) as error:
        raise ArtefactError(f"{what} does not hold what it should: {_told(error)}. It was edited. {again}") from None
    return values


def made_of(kind: type[Made], values: object, what: str, *, finite: bool = True) -> Made:
    """A dataclass from the JSON values of its fields, each known to be of the type that the class declares.

    Args:
        kind: a dataclass.
        values: by the names of its fields, tuples where the class has tuples.
        what: they are of; begins the message.
        finite: whether NaN and infinity are refused.

    Raises:
        ArtefactError: a field is missing, unknown or of another type.
        Gcn2SnnError: what the class itself refuses.
    """
    fitting = checked(values, _schema_of(kind, finite), what)
    return kind(**fitting)


_schemas: dict[tuple[type, bool], type[Stored]] = {}
"""Schemas that were made of dataclasses; a program has few."""


def _schema_of(kind: type, finite: bool) -> type[Stored]:
    if (kind, finite) in _schemas:
        return _schemas[kind, finite]
    assert dataclasses.is_dataclass(kind)
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {
        item.name: (hints[item.name], ...)
        if item.default is MISSING and item.default_factory is MISSING
        else (hints[item.name], None)  # what stands here is never looked at: defaults are the dataclass's own
        for item in dataclasses.fields(kind)
        if item.init
    }
    exact = ConfigDict(strict=True, extra="forbid", allow_inf_nan=not finite, arbitrary_types_allowed=True)
    base = type("_Exact", (Stored,), {"model_config": exact, "__module__": __name__})
    made: type[Stored] = create_model(kind.__name__, __base__=base, **fields)
    _schemas[kind, finite] = made
    return made


def _told(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"a value is too large or nested too deeply ({type(error).__name__})"
    faults = []
    for item in error.errors(include_url=False)[:FAULTS]:
        place = ".".join(str(part) for part in item["loc"])
        got = "" if item["type"] == "missing" else f" = {_short(item['input'])}"
        faults.append(f"{place}{got}: {item['msg'][0].lower()}{item['msg'][1:]}")
    more = error.error_count() - len(faults)
    return "; ".join(faults) + (f"; and {more} more" if more > 0 else "")


def _short(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of very many digits; a value nested too deeply
        return f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
