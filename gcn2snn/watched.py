"""A file or folder that has to stay as it is while it is read: what is said of its content must belong to one state of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gcn2snn.errors import ArtefactError, DataError

State = dict[Path, tuple[int, int, int, int] | None]
"""Device, inode, size and time of the last change of each file; None for one that cannot be looked at."""


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
    """

    place: Path
    files: Callable[[], Iterable[Path]]
    state: State
    error: type[ArtefactError] | type[DataError]

    @classmethod
    def now(
        cls,
        place: Path,
        files: Callable[[], Iterable[Path]] | None = None,
        error: type[ArtefactError] | type[DataError] = DataError,
    ) -> Watched:
        """Note how a place looks; without ``files`` it is one file."""
        found = files if files is not None else lambda: (place,)
        return cls(place, found, _state(found), error)

    @property
    def same(self) -> bool:
        """Whether it still looks as it did."""
        return self._changed() is None

    def refuse_change(self) -> None:
        """Refuse what no longer looks as it did.

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
        return next((file for file in sorted(found.keys() | known) if found.get(file, ()) != known.get(file, ())), None)


def _state(files: Callable[[], Iterable[Path]]) -> State:
    return {file: _look_of(file) for file in files()}


def _look_of(file: Path) -> tuple[int, int, int, int] | None:
    try:
        found = file.stat()
    except OSError:  # gone, or a link to nothing
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
