"""JSON of ours as values: each name of an object once, and errors in words of ours."""

from __future__ import annotations

import json


class RepeatedNameError(ValueError):
    """A name stands twice in one object."""

    def __init__(self, name: str):
        super().__init__(f"the name {name!r} stands there twice")
        self.name = name


def parsed(text: str) -> object:
    """The values that a text of JSON holds.

    >>> parsed('{"a": [1, null]}')
    {'a': [1, None]}

    Raises:
        RepeatedNameError: of two values of one name nobody can tell which is meant.
        ValueError: it is no JSON, or a number has more digits than Python reads.
        RecursionError: it is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        if "int_max_str_digits" in str(error):  # Python's own advice is for programmers
            raise ValueError("a number has thousands of digits") from error
        raise


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose names differ."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise RepeatedNameError(name)
        found[name] = value
    return found
