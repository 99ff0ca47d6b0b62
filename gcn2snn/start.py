"""Where the command begins: signals and closed streams are seen to before anything that takes time is imported.

Ctrl-C (SIGINT) and a request to end (SIGTERM) become exceptions wherever a verb works, so that temporary files go and a
training keeps its state. While modules are imported there is nothing to tidy up, and an exception could be lost inside
the module that is just being loaded, so there the process leaves at once.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from types import FrameType, TracebackType
from typing import Protocol

IMPORTS = "<frozen importlib._bootstrap>"
"""Where the frames of an import come from."""

# The words of gcn2snn.cli.verbs, which is not loaded yet where they are needed here.
STOPPED = "gcn2snn: stopped; no half-written file is left. Give the same command again"

OBJECTS_A_SEARCH = 50_000
"""New objects after which Python looks for cycles; by its default of 700 it looks 700 times while torch is imported."""

_received: list[int] = []
"""Signals that came, in order."""

_state = ["starting"]
"""Where the command is: "starting", "working", or "done". Only work can catch an exception."""


def main() -> None:
    """Run the command line; exit code 0, 1, 2, 130 after Ctrl-C, 143 after SIGTERM."""
    _hear_signals()
    _open_closed_streams()
    _spend_less()
    code = 2 if _threads_are_wrong() else _run()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_IGN)  # all is done: what Python tidies up at its end is not interrupted
    gc.freeze()  # the process ends: looking for cycles among all the objects of torch would take 0.2 s
    sys.exit(_flushed(143 if code == 130 and signal.SIGTERM in _received else code))


def _run() -> int:
    try:
        try:
            _state[0] = "working"
            from gcn2snn.cli import main as run

            run()
        finally:
            _state[0] = "done"  # a signal before this line is caught below, and after it changes nothing
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except KeyboardInterrupt:
        _say_stopped()
        return 130
    except OSError:  # neither the output nor the error about it could be written, so nothing is left to say it with
        return 2
    return 0


def _spend_less() -> None:
    """Save processor time that buys nothing: idle threads that spin, and searches for cycles among imported modules.

    Threads of torch wait in a loop for the next piece of work, by libgomp's default, and a verb with short pieces pays for a
    second processor that does nothing. Whoever sets OMP_WAIT_POLICY or GOMP_SPINCOUNT decides otherwise.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    gc.set_threshold(OBJECTS_A_SEARCH, 10, 10)


def _threads_are_wrong() -> bool:
    """Refuse a number of threads that OpenMP cannot read, which complains of it in its own words and takes another one."""
    value = os.environ.get("OMP_NUM_THREADS", "1")
    if all(part.strip().isdecimal() and 0 < int(part) < 2**31 for part in value.split(",")):
        return False
    text = f"OMP_NUM_THREADS is {value!r}; allowed is a positive whole number. Give one, or unset it"
    print(f"gcn2snn: error: {text}", file=sys.stderr)
    return True


def _hear_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell lets its background jobs ignore Ctrl-C
            signal.signal(number, _stop)
    sys.unraisablehook = _unheard


def _stop(number: int, frame: FrameType | None) -> None:
    """Raise what a signal stands for, or leave at once where nothing would catch the exception, or it could be lost."""
    if _state[0] == "done":
        return
    _received.append(number)
    if _state[0] == "starting":
        _leave(number)
    while frame is not None:
        if frame.f_code.co_filename == IMPORTS:
            _leave(number)
        frame = frame.f_back
    if number == signal.SIGTERM:
        from gcn2snn.errors import Terminated

        raise Terminated
    raise KeyboardInterrupt


class _Unraisable(Protocol):
    """What Python hands to ``sys.unraisablehook``."""

    exc_type: type[BaseException]
    exc_value: BaseException | None
    exc_traceback: TracebackType | None
    err_msg: str | None
    object: object


def _unheard(unraisable: _Unraisable) -> None:
    """An exception in a place that cannot pass it on, such as the removal of an object; a Ctrl-C is not lost in there."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt) and _received:
        _leave(_received[-1])
    sys.__unraisablehook__(unraisable)  # type: ignore[arg-type]


def _leave(number: int) -> None:
    """End the process now: locks are given up, temporary files go, what was printed so far is flushed."""
    try:
        for name, tidy in (("gcn2snn.owner_lock", "release_all"), ("gcn2snn.leftovers", "remove_all")):
            getattr(sys.modules.get(name), tidy, lambda: None)()
        sys.stdout.flush()
        _say_stopped()
    except (OSError, ValueError, RuntimeError, AttributeError):  # closed, or interrupted while it was printing
        pass
    os._exit(128 + number)


def _say_stopped() -> None:
    """Of the processes that torchrun started, which are stopped together, the first one says so."""
    if os.environ.get("RANK", "0") == "0":
        os.write(2, f"{STOPPED}\n".encode())


def _open_closed_streams() -> None:
    """A stream that the caller closed (``>&-``) leads nowhere; else the next file that is opened would take its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - open to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name or a text may hold what the terminal's encoding has not
            stream.reconfigure(errors="backslashreplace")


def _flushed(code: int) -> int:
    """The exit code, once all that was printed is out: 1 where the reader has gone, 2 where the disk is full."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            code = _silenced(stream.fileno(), code or 1)
        except OSError as error:
            code = _silenced(stream.fileno(), code or 2)
            os.write(
                2, f"gcn2snn: error: the output cannot be written: {error.strerror or error}. Free space\n".encode()
            )
    return code


def _silenced(number: int, code: int) -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return code
