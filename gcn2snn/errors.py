"""The package's own exceptions. A message names what was asked, what was got, what is allowed and what to do.

Every class is also the built-in exception a caller would expect, so ``except ValueError`` keeps working.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Gcn2SnnError(Exception):
    """Base of every error raised on purpose; the command line prints it in one line and exits with code 2.

    >>> import gcn2snn
    >>> try:
    ...     gcn2snn.load("missing.safetensors")
    ... except Gcn2SnnError as error:
    ...     print(type(error).__name__)
    ArtefactError
    """


class InterruptedRunError(Gcn2SnnError, RuntimeError):
    """A run was stopped by Ctrl-C (code 130) or by a request to end (code 143) after its state was saved.

    Args:
        message: what is kept, and how to go on.
        exit_code: of the command line.
    """

    def __init__(self, message: str, exit_code: int = 130):
        self.exit_code = exit_code
        super().__init__(message)


class Terminated(KeyboardInterrupt):
    """A request to end (SIGTERM), which is treated like Ctrl-C and has another exit code."""


def exit_code_of(stop: KeyboardInterrupt) -> int:
    """130 for Ctrl-C, 143 for a request to end."""
    return 143 if isinstance(stop, Terminated) else 130


def reason_of(error: BaseException, *, with_file: bool = False) -> str:
    """The words of the system for an error of its own, without its number; other errors as they are.

    >>> reason_of(OSError(28, "No space left on device", "runs/a")), reason_of(ValueError("it is a single array"))
    ('No space left on device', 'it is a single array')

    Args:
        error: that was caught.
        with_file: name the file that the system speaks of.
    """
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if with_file and error.filename is not None else error.strerror


def way_out_of(error: OSError, place: str = "folder", use: str = "write to") -> str:
    """What to do about a file that the system did not let us use.

    >>> way_out_of(OSError(36, "File name too long"))
    'Choose a shorter name'

    Args:
        error: of the system.
        place: what to choose another of.
        use: what must be allowed there.
    """
    return _WAYS_OUT.get(error.errno or 0, f"Choose a {place} that you may {use}")


_WAYS_OUT = {
    errno.ENOSPC: "Free space",
    errno.EDQUOT: "Free space within your quota",
    errno.EFBIG: "Raise the limit of file sizes (ulimit -f), or free space",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ELOOP: "Mend the link that leads to itself",
    errno.EMFILE: "Raise the limit of open files (ulimit -n)",
    errno.ENFILE: "Close other programs",
    errno.ENOMEM: "Free memory",
    errno.EIO: "Look whether the disk is sound",
}
"""What helps, by the system's number; where nothing is said here, it is another place that helps."""


class ConfigError(Gcn2SnnError, ValueError):
    """An option has a value it cannot have."""


class InputError(Gcn2SnnError, ValueError):
    """A tensor, graph or argument does not have the shape, range or content it needs."""


class InputTypeError(Gcn2SnnError, TypeError):
    """An argument is of the wrong type or dtype."""


class DataError(Gcn2SnnError, ValueError):
    """A dataset is unknown, missing, unreadable, or not what its checksum or expected counts say."""


class ArtefactError(Gcn2SnnError, ValueError):
    """A saved run, graph or network is missing, damaged, of another format version, or would be overwritten."""


class LockedError(ArtefactError):
    """Another process or thread works in this run folder or journal; the message names it."""


class MissingPackageError(Gcn2SnnError, ImportError):
    """An optional package is needed; the message holds the install line."""


class BackendError(Gcn2SnnError, RuntimeError):
    """A compute backend was asked for that is not available here."""


class RankError(Gcn2SnnError, RuntimeError):
    """Another process of a job on several has failed, ended, or does not answer."""


class NotRunError(Gcn2SnnError, RuntimeError):
    """Why one case of a benchmark or one row of a table cannot be run here; it stands in its place."""


RefusalKind = Literal["impossible", "unknown", "model"]
"""What stands in the way: what one spike cannot express, what nobody has written a handler for yet, or the model's own state."""

KINDS: dict[RefusalKind, str] = {
    "impossible": "Impossible for neurons that fire once.",
    "unknown": 'Not known yet: CONTRIBUTING.md, "A layer of a library", says how to add it.',
    "model": "",
}


@dataclass(frozen=True)
class Refusal:
    """One reason why one part of a model cannot become spikes."""

    path: str
    what: str
    why: str
    instead: str
    kind: RefusalKind = "model"

    def __str__(self) -> str:
        said = (f"{self.path}: {self.what}: {self.why}", self.instead, KINDS[self.kind])
        return " ".join(part for part in said if part)


class ConversionError(Gcn2SnnError, ValueError):
    """A model cannot be converted; ``refusals`` lists every reason at once.

    >>> import torch, gcn2snn
    >>> try:
    ...     gcn2snn.convert(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.GELU()).eval(), torch.rand(1, 2))
    ... except ConversionError as error:
    ...     print([refusal.what for refusal in error.refusals])
    ['GELU']
    """

    def __init__(self, refusals: Sequence[Refusal]):
        self.refusals = tuple(refusals)
        lines = "\n".join(f"  - {refusal}" for refusal in self.refusals)
        super().__init__(f"the model cannot become a one-spike network ({len(self.refusals)} reason(s)):\n{lines}")


MISFITS = (
    *(TypeError, ValueError, RuntimeError, LookupError, AttributeError, ArithmeticError, MemoryError),
    ctypes.ArgumentError,
)
"""What Python and torch raise for arguments that they cannot work with."""

UNCHANGED = ("OutOfMemoryError", "NotFittedError")
"""Kinds of these that say what they mean: of torch, and of scikit-learn. This module imports neither."""


@contextlib.contextmanager
def misfits(what: str, arguments: Mapping[str, object] | None = None) -> Iterator[None]:
    """Errors of others that arguments cause become one of ours, which lists the arguments; a device out of memory stays one.

    >>> with misfits("the sum", {"x": [1, "a"]}):
    ...     sum([1, "a"])
    Traceback (most recent call last):
    gcn2snn.errors.InputTypeError: the sum cannot work with x: list of 2 (TypeError: unsupported operand type(s) for +: ...

    Raises:
        InputTypeError: for a TypeError or an AttributeError.
        InputError: for the others of ``MISFITS``.
    """
    try:
        yield
    except Gcn2SnnError:
        raise
    except MISFITS as error:
        if type(error).__name__ in UNCHANGED:
            raise
        given = ", ".join(f"{name}: {kind_of(value)}" for name, value in (arguments or {}).items()) or "these arguments"
        kind = InputTypeError if isinstance(error, TypeError | AttributeError) else InputError
        reason = " ".join(str(error).split())[:300]
        raise kind(
            f"{what} cannot work with {given} ({type(error).__name__}: {reason}). Compare kinds, sizes and contents with "
            f"what it takes"
        ) from error


NO_MEMORY = ("can't allocate memory", "Storage size calculation overflowed", "std::bad_alloc")
"""What torch says, in a RuntimeError, when the machine has less memory than was asked for."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory, on the machine or on its device.

    >>> lacks_memory(MemoryError()), lacks_memory(RuntimeError("sizes differ"))
    (True, False)
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in NO_MEMORY)


@contextlib.contextmanager
def within_memory(what: str) -> Iterator[None]:
    """A computation whose values do not fit into memory is refused; a device out of memory stays torch's error.

    >>> with within_memory("the sum"):
    ...     raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 240000000000 bytes.")
    Traceback (most recent call last):
    gcn2snn.errors.InputError: the sum needs more memory than there is (DefaultCPUAllocator: can't allocate memory: ...

    Raises:
        InputError: as said.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error) or type(error).__name__ in UNCHANGED:
            raise
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{what} needs more memory than there is ({reason}). Give fewer or smaller inputs") from error


def refuses_misfits(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose arguments are refused as :func:`misfits` does; a wrong number or name of them stays a TypeError.

    For functions that call no code of the caller's, whose errors are the caller's own.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except MISFITS as error:
            if isinstance(error, Gcn2SnnError):
                raise
            caught = error
        given = signature.bind(*args, **kwargs).arguments
        with misfits(
            function.__qualname__, {name: value for name, value in given.items() if name not in ("self", "cls")}
        ):
            raise caught
        raise AssertionError

    return checked


def given_or_default(name: str, value: T | None, kind: type[T]) -> T:
    """An optional argument that holds settings: itself, or the defaults of its class for None.

    >>> given_or_default("window", None, int)
    0

    Raises:
        InputTypeError: it is something else.
    """
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise InputTypeError(f"{name} is {kind_of(value)}; allowed are {kind.__name__}(...) and None")
    return value


def kind_of(value: object) -> str:
    """What a value is, in a few words: type, shape and dtype of arrays, else type and, where it is short, content."""
    name = type(value).__name__
    try:
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    except (RuntimeError, ValueError, TypeError):  # a nested tensor, a parameter of a layer that has seen no input, ...
        return name
    if isinstance(shape, tuple) and not isinstance(value, type):
        layout = str(getattr(value, "layout", "")).removeprefix("torch.")
        words = [name, str(list(shape)), str(dtype), layout if layout != "strided" else ""]
        return " ".join(word for word in words if word)
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        said = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "an integer of many digits"
        return said if len(said) <= 40 else f"{name} of {len(said)} characters"
    return f"{name} of {len(value)}" if isinstance(value, list | tuple | dict | set) else name
