"""One process at a time in a run folder or journal: a lock file that names its owner, and that a killed process does not leave locked.

The file holds the owner as JSON. Where the file system knows ``flock`` the lock is the system's own, which ends with the
process that holds it, however that ends. Where it does not (some network file systems), the file itself is the lock: who
can make it has it, and one whose owner no longer runs on this machine is taken over.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gcn2snn.errors import ArtefactError, LockedError, way_out_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK_SUFFIX = ".lock"
"""Name of the lock file of a folder, and what is put behind the name of a file for its own."""

NO_FLOCK = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
"""What a file system answers that does not know ``flock``."""

LOOKS_PER_SECOND = 20

LONGEST_NAMING = 0.5
"""Seconds in which an owner surely writes its name, so that who comes in between can say it."""

NOBODY_KNOWN = "another process"

LONGEST_MAKING = 10.0
"""Seconds after which a lock file without an owner is one whose maker was killed before it could write its name."""

_held: dict[tuple[str, int], int] = {}
"""(lock file, thread) -> how often that thread is inside: a verb may call a function that locks the same folder."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock.

    Args:
        host: name of the machine.
        pid: of the process.
        started: what tells the process from a later one of the same number; empty where the system does not say.
        since: local time at which it took the lock.
    """

    host: str
    pid: int
    started: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"

    @classmethod
    def here(cls) -> Owner:
        """This process, now."""
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        return cls(platform.node(), os.getpid(), _started(os.getpid()), now)

    @classmethod
    def read(cls, text: str) -> Owner | None:
        """The owner a lock file names, None where it names none."""
        try:
            values = json.loads(text)
            return cls(str(values["host"]), int(values["pid"]), str(values["started"]), str(values["since"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def is_dead(self) -> bool:
        """Whether it surely runs no longer; of another machine this cannot be told, so False."""
        if self.host != platform.node():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        return bool(self.started) and _started(self.pid) not in ("", self.started)


def _started(pid: int) -> str:
    """Boot and clock tick at which a process started, "" where the system does not tell (it has no /proc)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return ""


STAMP = r"[0-9a-f]{8}-[0-9]+-[0-9a-f]{8}"
"""Pattern of what :func:`stamp` gives."""


def stamp() -> str:
    """What marks a temporary file as one of this process: hashes of its machine and of its start, and its number."""
    return f"{_short_hash(platform.node())}-{os.getpid()}-{_short_hash(_started(os.getpid()))}"


def is_of_the_dead(mark: str) -> bool:
    """Whether the process that gave a :func:`stamp` surely runs no longer; of another machine this cannot be told."""
    host, number, started = mark.split("-")
    if host != _short_hash(platform.node()):
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    now = _started(int(number))
    return bool(now) and started not in (_short_hash(""), _short_hash(now))


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@contextlib.contextmanager
def owned(path: Path, *, folder: bool = False, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder (the file ``.lock`` in it) or of a file (``NAME.lock`` beside it) while the block runs.

    The same thread may enter again. A folder that is missing is made, and goes again when the block leaves it empty.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name, owned(Path(name), folder=True):
    ...     print(sorted(path.name for path in Path(name).iterdir()))
    ['.lock']

    Args:
        path: what only one process may write.
        folder: it is a folder; else a file, whether or not it is there yet.
        wait: seconds to wait for the other owner; 0 does not.

    Raises:
        LockedError: another process or thread holds it; the message names the owner.
        ArtefactError: the lock file cannot be written.
    """
    whole = Path(os.path.abspath(path))  # a relative path means another place after a change of folder
    file = whole / LOCK_SUFFIX if folder else whole.with_name(whole.name + LOCK_SUFFIX)
    key = (str(file), threading.get_ident())
    if _held.get(key):
        _held[key] += 1
        try:
            yield
        finally:
            _held[key] -= 1
        return
    made = _make_folder(file.parent)
    lock = _Lock(file)
    try:
        lock.acquire(path, time.monotonic() + wait)
        _held[key] = 1
        _locks.append(lock)
        try:
            yield
        finally:
            del _held[key]
            _locks.remove(lock)
            lock.release()
    finally:
        for each in made:
            with contextlib.suppress(OSError):  # something was written there, so it stays
                each.rmdir()


def release_all() -> None:
    """Give up every lock of this process, which is about to end without leaving its blocks."""
    for lock in _locks:
        lock.release()


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder; the ones that were made, the innermost first."""
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        for each in made:
            with contextlib.suppress(OSError):  # not made, or somebody else writes there by now
                each.rmdir()
        raise ArtefactError(
            f"{folder} cannot be made: {error.strerror or error}. {way_out_of(error, 'place')}"
        ) from error
    return made


_locks: list[_Lock] = []
"""The locks that this process holds."""


def refuse_moved(folder: Path) -> None:
    """Refuse to write into a folder that this process holds and that is another one now, or none.

    Raises:
        ArtefactError: as said.
    """
    file = Path(os.path.abspath(folder)) / LOCK_SUFFIX
    for lock in _locks:
        if lock.file != file or lock.handle is None:
            continue
        try:
            is_there = os.path.samestat(os.fstat(lock.handle), os.stat(file, follow_symlinks=False))
        except OSError:
            is_there = False
        if not is_there:
            raise ArtefactError(
                f"{folder} was moved, removed or replaced while this command worked in it; nothing more is written. Put it back "
                f"and give the same command with --resume"
            )


class _Lock:
    """The lock behind :func:`owned`; not entered twice."""

    def __init__(self, file: Path):
        self.file = file
        self.handle: int | None = None

    def acquire(self, path: Path, until: float) -> None:
        named = time.monotonic() + LONGEST_NAMING
        while True:
            try:
                holder = self._try()
            except OSError as error:
                raise ArtefactError(
                    f"{self.file} cannot be written: {error.strerror or error}. {way_out_of(error)}"
                ) from error
            if holder is None:
                return
            if time.monotonic() >= (until if holder != NOBODY_KNOWN else max(until, named)):
                raise LockedError(
                    f"{path} is in use by {holder}. Wait until it is done or stop it; if it no longer runs on that "
                    f"machine, delete {self.file}"
                )
            time.sleep(1 / LOOKS_PER_SECOND)

    def _try(self) -> str | None:
        """None when the lock is ours now, else who has it."""
        flags = os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        if fcntl is not None:
            handle = os.open(self.file, flags | os.O_CREAT, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = _content(handle)
                os.close(handle)
                return str(Owner.read(text) or NOBODY_KNOWN)
            except OSError as error:
                os.close(handle)
                if error.errno not in NO_FLOCK:
                    raise
            else:
                return self._keep(handle)
        return self._try_soft(flags)

    def _keep(self, handle: int) -> str | None:
        """Write the owner into a file whose ``flock`` is ours, unless it has been removed or belongs to another machine."""
        try:
            is_there = os.path.samestat(os.fstat(handle), os.stat(self.file, follow_symlinks=False))
        except OSError:  # its last owner has removed it
            is_there = False
        try:
            before = Owner.read(_content(handle)) if is_there else None
        except OSError:
            os.close(handle)
            raise
        if is_there and (before is None or before.host == platform.node() or before.is_dead()):
            try:
                _write(handle, Owner.here())
            except OSError:  # a full disk: no empty lock is left
                self.file.unlink(missing_ok=True)
                os.close(handle)
                raise
            self.handle = handle
            return None
        os.close(handle)
        return "a process that just ended" if before is None else str(before)  # flock may be known to its machine alone

    def _try_soft(self, flags: int, tries: int = 5) -> str | None:
        """The same where the file itself is the lock: None when it is ours now, else who has it."""
        soft = self.file.with_name(self.file.name + "ed")
        try:
            handle = os.open(soft, flags | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            text, age = _soft_content(soft)
            owner = Owner.read(text)
            dead = owner.is_dead() if owner is not None else age > LONGEST_MAKING
            if dead and tries:
                aside = soft.with_name(f"{soft.name}.{os.getpid()}")
                with contextlib.suppress(OSError):
                    os.rename(soft, aside)  # one of several that look at once gets it; the others find it gone or new
                    if _soft_content(aside)[0] != text:
                        os.link(aside, soft)  # it was a new owner's: give it back
                    os.unlink(aside)
                return self._try_soft(flags, tries - 1)
            return str(owner or NOBODY_KNOWN)
        _write(handle, Owner.here())
        self.handle, self.file = handle, soft
        return None

    def release(self) -> None:
        """Remove the file while the lock is held, so that no other process can have taken it by then."""
        if self.handle is not None:
            with contextlib.suppress(OSError):
                self.file.unlink()
            os.close(self.handle)
            self.handle = None


def _soft_content(soft: Path) -> tuple[str, float]:
    """Text and age in seconds of a lock that is a file; nothing and 0 where it has just gone."""
    try:
        return soft.read_text(encoding="utf-8", errors="replace"), time.time() - soft.stat().st_mtime
    except OSError:
        return "", 0.0


def _content(handle: int) -> str:
    return os.pread(handle, 4096, 0).decode("utf-8", "replace")


def _write(handle: int, owner: Owner) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(asdict(owner)).encode(), 0)
