"""JSON of ours as values: each name of an object once, and errors in words of ours."""

from __future__ import annotations

import json


def parsed(text: str) -> object:
    """The values that a text of JSON holds.

    >>> parsed('{"a": [1, null]}')
    {'a': [1, None]}

    Raises:
        ValueError: it is no JSON, a name stands twice in an object, or a number has more digits than Python reads.
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
    """An object whose names differ: of two values of one name nobody can tell which is meant."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name!r} stands there twice")
        found[name] = value
    return found
