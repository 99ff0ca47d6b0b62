"""A function with arguments that are right, of which odd ones take the place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Values = dict[str, object]


@dataclass
class Call:
    """A function, and what it is called with.

    Args:
        kind: row of the table.
        name: of the function.
        function: called with keywords.
        make: fresh arguments that are right.
        by_parts: it works on some rows at a time, so that rows without end need time without end and no memory.
    """

    kind: str
    name: str
    function: Callable[..., object]
    make: Callable[[], Values]
    by_parts: bool = False

    def run(self, given: Values) -> object:
        return self.function(**given)
