"""How much a command says on standard error: --quiet, nothing but errors; --verbose, the package's log and tracebacks too."""

from __future__ import annotations

import logging
import sys
from typing import Literal

from gcn2snn.file_names import shell_word

Level = Literal["quiet", "usual", "verbose"]

_chosen: list[Level] = ["usual"]


def set_level(level: Level) -> None:
    """Choose for the rest of this command; the package's log follows."""
    _chosen[0] = level
    log = logging.getLogger("gcn2snn")
    log.setLevel({"quiet": logging.ERROR, "usual": logging.WARNING, "verbose": logging.DEBUG}[level])


def quiet() -> bool:
    """Whether notes, hints and progress are left out."""
    return _chosen[0] == "quiet"


def verbose() -> bool:
    """Whether an error shows where it was raised."""
    return _chosen[0] == "verbose"


def note(text: str) -> None:
    """One line on standard error that a person may want to know and a program need not."""
    if not quiet():
        print(f"gcn2snn: note: {text}", file=sys.stderr)


def hint(as_json: bool, command: str, *names: object) -> None:
    """The command that people give next, on standard error; left out with --json and --quiet.

    Args:
        as_json: whether standard output carries JSON.
        command: with ``{}`` for each name.
        names: of files, folders and datasets, which are quoted: people paste the line into a shell.
    """
    if not as_json and not quiet():
        print(f"next: {command.format(*map(shell_word, names))}", file=sys.stderr)
