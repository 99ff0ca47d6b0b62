"""What training shows while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gcn2snn.cli.output import megabytes
from gcn2snn.machine import peak_memory


class EpochProgress:
    """A live line an epoch on a terminal, printed lines elsewhere; on standard error.

    Args:
        epochs: at most.
        describe: measures of an epoch, for people.
        every: epochs a printed line.
    """

    def __init__(self, epochs: int, describe: Callable[[Any], str], every: int = 1):
        self.describe, self.every = describe, every
        self.console = Console(stderr=True, highlight=False)
        columns = (
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self.bar = Progress(*columns, console=self.console, disable=not self.console.is_terminal, transient=True)
        self.task = self.bar.add_task("", total=epochs)

    def __enter__(self) -> Callable[[Any], None]:
        self.bar.start()
        return self.update

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def update(self, trainer: Any) -> None:
        """Show the last epoch of a trainer's history."""
        epoch = trainer.history[-1]
        text = f"{self.describe(epoch)}  {epoch.seconds:.2f} s/epoch  peak {megabytes(peak_memory())}"
        self.bar.update(self.task, completed=epoch.epoch, description=text)
        if not self.console.is_terminal and epoch.epoch % self.every == 0:
            self.console.print(f"epoch {epoch.epoch:4d}  {text}", soft_wrap=True)
