"""Ctrl-C while DuckDB works."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from gcn2snn.datasets import build_store
from gcn2snn.datasets.build_memory import Budget
from gcn2snn.datasets.query_stop import heard_in_queries

duckdb = pytest.importorskip("duckdb", reason="needs DuckDB")
BUDGET = Budget(10**9, 5 * 10**8, 10**8)
LONG = "SELECT b, count(DISTINCT a) FROM (SELECT range AS a, range % 97 AS b FROM range(200000000)) GROUP BY b"


@pytest.fixture(autouse=True)
def ctrl_c_is_heard() -> object:
    """A test that runs in the background would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c_soon() -> None:
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()


def test_ctrl_c_during_a_query_is_an_interruption() -> None:
    press_ctrl_c_soon()
    with pytest.raises(KeyboardInterrupt), heard_in_queries(), duckdb.connect() as connection:
        connection.execute(LONG).fetchall()


def test_a_build_that_is_stopped_during_a_query_keeps_what_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "build"

    def build() -> None:
        with build_store.opened(folder, "key", BUDGET) as store:
            store.remember("stage", 1)
            press_ctrl_c_soon()
            store.run(LONG)

    with pytest.raises(KeyboardInterrupt):
        build()
    with build_store.opened(folder, "key", BUDGET) as store:
        assert store.recall("stage") == 1


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="of its own"), heard_in_queries():
        raise RuntimeError("an error of its own")
