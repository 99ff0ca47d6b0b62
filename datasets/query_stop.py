"""A Ctrl-C that comes while DuckDB works."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def heard_in_queries() -> Iterator[None]:
    """Let a Ctrl-C that comes during a query of the block be the interruption that it is elsewhere.

    DuckDB looks for signals while it works, drops the exception that the handler of the signal raised, and raises
    ``RuntimeError("Query interrupted")`` in its place.

    Raises:
        KeyboardInterrupt: a query was stopped by a signal.
    """
    try:
        yield
    except RuntimeError as error:
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from error
