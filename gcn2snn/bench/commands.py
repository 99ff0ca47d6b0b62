"""Whole commands in processes of their own: how long the first word takes, and the evaluation of a network that was saved."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from gcn2snn.bench.cases import Case, Work
from gcn2snn.errors import NotRunError

COMMAND_CASES: dict[str, Case] = {}

START = ("-c", "import sys; from gcn2snn.start import main; sys.exit(main())")
"""What the installed command ``gcn2snn`` does."""


@dataclass(frozen=True, eq=False)
class CommandProblem:
    """What commands are run on.

    Args:
        network: a file of ``gcn2snn convert``, or None.
        data_dir: where its data are looked for first.
    """

    network: Path | None = None
    data_dir: Path | None = None

    @property
    def name(self) -> str:
        """As in the tables."""
        return "commands"

    @property
    def device(self) -> torch.device:
        """Where commands run."""
        return torch.device("cpu")


def _finished(words: list[str]) -> None:
    """Run Python with these words to its end, and let it keep the compiled files of modules as Python does by default.

    With ``PYTHONDONTWRITEBYTECODE`` in the environment a checkout would be compiled anew in every run (0.2 s).

    Raises:
        NotRunError: it fails; the last line of what it says.
    """
    environment = {name: word for name, word in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise NotRunError((done.stderr.strip() or "no message").splitlines()[-1])


def _register(group: str, name: str, words: Callable[[CommandProblem], list[str]], needs_network: bool = False) -> None:
    def prepare(p: CommandProblem) -> Work:
        arguments = words(p)
        _finished(arguments)  # compiled files of Python and pages of the disk are there from now on

        def work() -> None:
            _finished(arguments)

        return work

    def lacks(p: CommandProblem) -> str:
        return "a converted network is needed: --network FILE" if needs_network and p.network is None else ""

    COMMAND_CASES[f"{group}/{name}"] = Case(group, name, prepare, lacks=lacks, apart=True)  # type: ignore[arg-type]


def _evaluate(p: CommandProblem) -> list[str]:
    words = [*START, "evaluate", str(p.network), "--json"]
    return words if p.data_dir is None else [*words, "--data-dir", str(p.data_dir)]


_register("cold start", "python, import torch", lambda p: ["-c", "import torch"])
_register("cold start", "python, import gcn2snn", lambda p: ["-c", "import gcn2snn"])
_register("cold start", "gcn2snn --version", lambda p: [*START, "--version"])
_register("cold start", "gcn2snn --help", lambda p: [*START, "--help"])
_register("cold start", "python, import gcn2snn, convert", lambda p: ["-c", "from gcn2snn import convert"])
_register("evaluate", "gcn2snn evaluate", _evaluate, needs_network=True)
