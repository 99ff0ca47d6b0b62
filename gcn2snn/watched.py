"""A file or folder that has to stay as it is while it is read: what is said of its content must belong to one state of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gcn2snn.errors import ArtefactError, DataError

Look = tuple[int, int, int, int]
State = dict[Path, Look | None]
"""Device, inode, size and time of the last change of each file; None for one that cannot be looked at."""

LARGEST = 256 * 2**20
"""Bytes of which a hash is taken beforehand: a fifth of a second. Files beyond may not even be touched."""


@dataclass(frozen=True)
class Watched:
    """What lies at a place, and how it looked when that was noted.

    A hash and the content it belongs to are often taken by separate readings. Whoever appends to the file, writes it anew or
    puts another in its place between them would have the one noted beside the other.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     texts = Watched.now(Path(file.name))
    ...     with texts.reading():
    ...         pass  # as often as needed, all of the same content
    ...     file.write(b"more"), file.flush()
    ...     texts.same
    (4, None)
    False

    Args:
        place: a file or a folder, as the user gave it.
        files: the files that count, found anew each time.
        state: how they looked.
        error: what a change is refused as.
        hashes: of their contents, by which files that are touched or copied stay the same; those of :data:`LARGEST` together.
    """

    place: Path
    files: Callable[[], Iterable[Path]]
    state: State
    error: type[ArtefactError] | type[DataError]
    hashes: dict[Path, bytes] = field(default_factory=dict)

    @classmethod
    def now(
        cls,
        place: Path,
        files: Callable[[], Iterable[Path]] | None = None,
        error: type[ArtefactError] | type[DataError] = DataError,
    ) -> Watched:
        """Note how a place looks; without ``files`` it is one file."""
        found = files if files is not None else lambda: (place,)
        state = _state(found)
        return cls(place, found, state, error, _hashes(state))

    @property
    def same(self) -> bool:
        """Whether it still looks as it did, or holds what it held."""
        return self._changed() is None

    def refuse_change(self) -> None:
        """Refuse what no longer holds what it held.

        Raises:
            DataError, ArtefactError: as said, with the first file that differs.
        """
        changed = self._changed()
        if changed is not None:
            inside = "" if changed == self.place else f" ({os.path.relpath(changed, self.place)} in it)"
            raise self.error(
                f"{self.place} changed while it was read{inside}, so what was read of it is not used. Give the same command "
                f"again when it is written to no more, or give a copy of it"
            )

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """The block reads what was noted, or a change is refused, also where the block fails for it."""
        self.refuse_change()
        try:
            yield
        except Exception as error:  # half of the old content and half of the new may fail in any way
            try:
                self.refuse_change()
            except self.error as changed:
                raise changed from error
            raise
        self.refuse_change()

    def _changed(self) -> Path | None:
        """The first file that came, went or differs; the place itself where its files can no longer be found."""
        try:
            found = _state(self.files)
        except (OSError, DataError, ArtefactError):
            return self.place
        known = self.state
        differing = (file for file in sorted(found.keys() | known) if found.get(file, ()) != known.get(file, ()))
        return next((file for file in differing if not self._holds_the_same(file, found.get(file))), None)

    def _holds_the_same(self, file: Path, look: Look | None) -> bool:
        """Whether a file that looks otherwise was only touched, or written anew with the same bytes."""
        before = self.state.get(file)
        if look is None or before is None or look[2] != before[2] or file not in self.hashes:
            return False
        return _hash_of(file, look) == self.hashes[file]


def _state(files: Callable[[], Iterable[Path]]) -> State:
    return {file: _look_of(file) for file in files()}


def _hashes(state: State) -> dict[Path, bytes]:
    """Hashes of the files, as far as all of them together are small."""
    if sum(look[2] for look in state.values() if look is not None) > LARGEST:
        return {}
    found = {file: _hash_of(file, look) for file, look in state.items() if look is not None}
    return {file: digest for file, digest in found.items() if digest is not None}


def _hash_of(file: Path, look: Look) -> bytes | None:
    """Hash of a plain file; None where it cannot be read, or changes meanwhile. A pipe would wait for ever."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return None
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        return None
    return digest if _look_of(file) == look else None


def _look_of(file: Path) -> Look | None:
    try:
        found = file.stat()
    except OSError:  # gone, or a link to nothing
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
