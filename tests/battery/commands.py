"""The command as a process of its own, started from one that has loaded everything: a few hundredths of a second each.

A fresh interpreter takes seconds to import torch; a child of one that has imported it takes none. Signals in the time of
the imports are tried with fresh interpreters, in ``signals.py``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb  # noqa: F401 - loaded for the children, as all that follows
import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401
import optuna  # noqa: F401
import torch

import gcn2snn.cli
import gcn2snn.cnn.commands
import gcn2snn.conversion
import gcn2snn.formats
import gcn2snn.report
import gcn2snn.reproduce
import gcn2snn.textgcn
import gcn2snn.tune  # noqa: F401
from gcn2snn import start

torch.set_num_threads(1)


STOPS = (signal.SIGINT, signal.SIGTERM)
_hear_signals = start._hear_signals


def _hear_signals_now() -> None:
    """What the command does first; a signal that came before is heard then."""
    _hear_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


@dataclass
class Command:
    """A command that runs."""

    words: tuple[str, ...]
    pid: int
    out: Path

    @classmethod
    def begin(cls, folder: Path, *words: object) -> Command:
        """Start ``gcn2snn WORDS`` in a child; its output goes to files of ``folder``."""
        told = tuple(map(str, words))
        sys.stdout.flush()
        signal.pthread_sigmask(
            signal.SIG_BLOCK, STOPS
        )  # they wait until the child hears them, however busy the machine is
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            return cls(told, pid, folder)
        code = 99
        try:
            os.setpgid(0, 0)
            for number, name in ((1, "stdout"), (2, "stderr")):
                handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                os.dup2(handle, number)
            for number in STOPS:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            sys.argv = ["gcn2snn", *told]
            start._hear_signals = _hear_signals_now
            start.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        raise AssertionError

    def send(self, number: int) -> None:
        """A signal, if it still runs."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 600.0) -> int:
        """Exit code, negative for a signal; -1000 where it hangs (it is killed then)."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return -1000

    @property
    def stdout(self) -> str:
        return (self.out / "stdout").read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return (self.out / "stderr").read_text(errors="replace")


def ran(folder: Path, *words: object) -> tuple[int, str, float]:
    """Exit code, standard error and seconds of a command."""
    begun = time.monotonic()
    command = Command.begin(folder, *words)
    return command.wait(), command.stderr, time.monotonic() - begun
