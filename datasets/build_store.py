"""What a build keeps between its stages: a DuckDB database in a folder of its own, with the list of stages that are done."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from gcn2snn.datasets.build_memory import Budget
from gcn2snn.datasets.query_stop import heard_in_queries
from gcn2snn.errors import ArtefactError, ConfigError, MissingPackageError, way_out_of
from gcn2snn.owner_lock import owned

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    Columns = Mapping[str, NDArray[np.generic]]

DATABASE = "build.duckdb"
TOKENS = "tokens.int32"

_log = logging.getLogger(__name__)


class Store:
    """The tables of one build, and what its finished stages say.

    Args:
        folder: holds the database and nothing of anybody else.
        connection: to the database.
    """

    def __init__(self, folder: Path, connection: duckdb.DuckDBPyConnection):
        self.folder = folder
        self._connection = connection

    def run(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that answer a query with ``?`` for each value; none for a command."""
        return self._connection.execute(query, values).fetchall()

    def columns(self, query: str, *values: object) -> dict[str, NDArray[Any]]:
        """The answer to a query as one array a column."""
        return self._connection.execute(query, values).fetchnumpy()

    def blocks(self, query: str, most: int) -> Iterator[list[tuple[Any, ...]]]:
        """The rows that answer a query, so many at a time; nothing else may be asked before the last."""
        answer = self._connection.execute(query)
        while rows := answer.fetchmany(most):
            yield rows

    def number(self, query: str, *values: object) -> int:
        """The one whole number that a query gives, 0 for none."""
        rows = self.run(query, *values)
        return int(rows[0][0]) if rows and rows[0][0] is not None else 0

    def insert(self, table: str, columns: Columns) -> None:
        """Put rows at the end of a table whose columns bear these names."""
        names = ", ".join(columns)
        self._connection.register("new_rows", dict(columns))
        self.run(f"INSERT INTO {table} ({names}) SELECT {names} FROM new_rows")
        self._connection.unregister("new_rows")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All that the block does, or nothing of it."""
        self.run("BEGIN")
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):  # an error of the database has ended the transaction already
                self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def remember(self, name: str, value: object) -> None:
        """Keep a value of JSON under a name."""
        self.run("INSERT OR REPLACE INTO state VALUES (?, ?)", name, json.dumps(value))

    def recall(self, name: str) -> object:
        """What is kept under a name; None for nothing."""
        rows = self.run("SELECT value FROM state WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    def count(self, name: str) -> int:
        """A whole number that is kept under a name.

        Raises:
            ArtefactError: there is none: somebody changed the database.
        """
        found = self.recall(name)
        if not isinstance(found, int):
            raise ArtefactError(f"{self.folder} lacks {name!r}: it was edited. Delete it and build again")
        return found

    def notes(self, name: str) -> list[str]:
        """Sentences that are kept under a name."""
        found = self.recall(name)
        return [str(note) for note in found] if isinstance(found, list) else []

    @property
    def tokens(self) -> Path:
        """Numbers of the known words of all documents in a row, int32."""
        return self.folder / TOKENS


@contextlib.contextmanager
def opened(folder: Path, key: str, budget: Budget) -> Iterator[Store]:
    """The store in a folder, for the time of the block; what was begun there with the same key is continued.

    The folder goes when the block ends well, or by an error in what the user gave. It stays after an interruption and when
    the disk is full: the same command continues then.

    Raises:
        LockedError: another process builds in this folder.
        ConfigError: the memory is too small for DuckDB.
        ArtefactError: the folder cannot be written, or its disk is full.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtefactError(
            f"cannot write into {folder.parent}: {error.strerror or error}. {way_out_of(error, 'folder (--temp)')}"
        ) from error
    with (
        _removed_when_empty(folder),
        owned(folder, folder=True),
        _tidied(folder),
        _errors_of(folder, budget),
        contextlib.closing(_connection(folder, key, budget)) as connection,
    ):
        yield Store(folder, connection)


@contextlib.contextmanager
def _removed_when_empty(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # what is kept keeps it
            folder.rmdir()


@contextlib.contextmanager
def _tidied(folder: Path) -> Iterator[None]:
    """Clear the folder, unless the same command can go on with what is in it: after a stop, with more space or memory."""
    kept = False
    try:
        yield
    except BaseException as stop:
        kept = isinstance(stop, ArtefactError | ConfigError) or not isinstance(stop, Exception)
        raise
    finally:
        if not kept:
            _clear(folder)


def folder_of(temp: Path, name: str, place: str) -> Path:
    """The folder of the builds of one corpus inside a folder for temporary files."""
    return temp / f"gcn2snn-build-{name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


@contextlib.contextmanager
def _errors_of(folder: Path, budget: Budget) -> Iterator[None]:
    """Errors of the database and of the disk as errors of our own."""
    import duckdb

    again = "What is done is kept: give the same command again to continue"
    try:
        with heard_in_queries():
            yield
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.FatalException, OSError) as error:
        said = str(error).strip().splitlines()[0]
        signs = ("no space", "disk full", "max_temp_directory_size", "could not write")
        if isinstance(error, duckdb.OutOfMemoryException) and not any(sign in said.lower() for sign in signs):
            raise ConfigError(
                f"--memory {budget.total / 10**6:,.0f}MB is too little for this corpus: DuckDB says {said!r}. Give more. {again}"
            ) from error
        raise ArtefactError(
            f"cannot write in {folder}: {said}. Free space, or choose another folder with --temp. {again}"
        ) from error


def _connection(folder: Path, key: str, budget: Budget) -> duckdb.DuckDBPyConnection:
    """A connection to the database of a build with this key: what is there is continued, or is another's and goes."""
    import duckdb

    file = folder / DATABASE
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{budget.database // 10**6}MB",
        "temp_directory": str(folder / "spilled"),
        "threads": max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if file.exists():
        with contextlib.suppress(duckdb.Error):  # what cannot be opened is begun again
            connection = duckdb.connect(str(file), config=config)
            rows = connection.execute("SELECT value FROM state WHERE name = 'key'").fetchall()
            if rows and json.loads(rows[0][0]) == key:
                return connection
            connection.close()
        _log.warning("%s holds a build of another content or of other options; beginning afresh", folder)
        _clear(folder)
    connection = duckdb.connect(str(file), config=config)
    connection.execute("CREATE TABLE state (name VARCHAR PRIMARY KEY, value VARCHAR)").fetchall()
    connection.execute("INSERT INTO state VALUES ('key', ?)", (json.dumps(key),)).fetchall()
    return connection


def _clear(folder: Path) -> None:
    """Remove what a build has in its folder; the lock that is held there stays."""
    for item in (DATABASE, f"{DATABASE}.wal", TOKENS):
        (folder / item).unlink(missing_ok=True)
    for item in ("spilled", f"{DATABASE}.tmp"):
        shutil.rmtree(folder / item, ignore_errors=True)


def import_duckdb() -> None:
    """Load DuckDB.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import duckdb  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("building larger than memory needs DuckDB: pip install 'gcn2snn[scale]'") from error
