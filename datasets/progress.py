"""Progress bars on standard error for long work; silent where standard error is not a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stages(enabled: bool = True) -> Iterator[Callable[[str, float], None]]:
    """A function that is told the stage and the share of it that is done; the bar vanishes at the end.

    >>> with stages() as advance:
    ...     advance("counting words", 0.5)
    """
    silent = not logging.getLogger("gcn2snn").isEnabledFor(logging.WARNING)  # --quiet of the command line
    if not enabled or silent or not sys.stderr.isatty():
        yield lambda stage, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda stage, share: bar.update(task, description=stage, completed=share)
