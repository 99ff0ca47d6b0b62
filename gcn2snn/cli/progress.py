"""What training and tuning show while they run: a live line on a terminal, on standard error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gcn2snn.cli.loudness import quiet
from gcn2snn.cli.output import megabytes
from gcn2snn.machine import peak_memory

if TYPE_CHECKING:
    from gcn2snn.training_loop import Trainable
    from gcn2snn.tune import Point


class StepProgress:
    """A bar that counts steps, with the measures of the newest one; it vanishes at the end.

    Args:
        what: in front of the bar, for example "training".
        steps: at most.
    """

    def __init__(self, what: str, steps: int):
        self.console = Console(stderr=True, highlight=False)
        columns = (
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self.bar = Progress(
            *columns, console=self.console, disable=quiet() or not self.console.is_terminal, transient=True
        )
        self.task = self.bar.add_task("", total=steps)

    def __enter__(self) -> StepProgress:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def show(self, done: int, text: str) -> None:
        """Say how many steps are done, and what the last one gave."""
        self.bar.update(self.task, completed=done, description=text)


@contextlib.contextmanager
def epochs_shown(
    epochs: int, describe: Callable[[object], str], every: int = 1
) -> Iterator[Callable[[Trainable], None]]:
    """A function that shows the last epoch of a trainer; where standard error is no terminal, as printed lines.

    Args:
        epochs: at most.
        describe: the text that shows the measures of an epoch.
        every: epochs a printed line.
    """
    with StepProgress("training", epochs) as progress:

        def show(trainer: Trainable) -> None:
            epoch = trainer.history[-1]
            text = f"{describe(epoch)}  {epoch.seconds:.2f} s/epoch  peak {megabytes(peak_memory())}"
            progress.show(epoch.epoch, text)
            if not quiet() and not progress.console.is_terminal and epoch.epoch % every == 0:
                progress.console.print(f"epoch {epoch.epoch:4d}  {text}", soft_wrap=True)

        yield show


@contextlib.contextmanager
def trials_shown(trials: int) -> Iterator[Callable[[int, Point], None]]:
    """A function that shows how many configurations were tried and what the newest one gave."""
    with StepProgress("tuning", trials) as progress:
        yield lambda done, point: progress.show(done, f"accuracy {point.accuracy:.2f} %  alpha {point.alpha:.1f}")


@contextlib.contextmanager
def channels_shown() -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows how many channels of a population are refitted; silent until there is one."""
    with contextlib.ExitStack() as stack:
        shown: list[StepProgress] = []

        def show(name: str, done: int, channels: int) -> None:
            if not shown:
                shown.append(stack.enter_context(StepProgress("refit", channels)))
            shown[0].show(done, name)

        yield show
