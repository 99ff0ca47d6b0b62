"""Records of a Parquet file, read a few thousand at a time by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gcn2snn.datasets.file_bytes import refuse_special
from gcn2snn.datasets.json_records import Record, table_of
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.query_stop import heard_in_queries
from gcn2snn.datasets.tables import Table
from gcn2snn.errors import DataError, MissingPackageError

ROWS_AT_ONCE = 4096


def read_parquet(path: Path, options: TextGraphOptions) -> Table:
    """The rows of a Parquet file; columns are found as the keys of JSON records are.

    Raises:
        MissingPackageError: DuckDB is not installed.
        DataError: no Parquet file, or columns that cannot be told.
    """
    refuse_special(path)
    try:
        import duckdb  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"reading the Parquet file {path} needs DuckDB: pip install 'gcn2snn[scale]'"
        ) from error
    return table_of(path, lambda: _rows(path), options)


def _rows(path: Path) -> Iterator[Record]:
    import duckdb

    with heard_in_queries(), duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        try:
            rows = connection.execute("SELECT * FROM read_parquet(?)", (str(path),))
            names = [column[0] for column in rows.description or ()]
            number = 0
            while block := rows.fetchmany(ROWS_AT_ONCE):
                for values in block:
                    number += 1
                    yield number, dict(zip(names, values, strict=True))
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            raise DataError(f"{path} cannot be read as Parquet: {said}. Write it again, or save it as JSONL") from error
