"""Against a server on this machine that can break off and serve ranges."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gcn2snn.datasets import fetch
from gcn2snn.datasets.registry import DATASETS, File
from gcn2snn.datasets.resume import ResumingDownload
from gcn2snn.errors import DataError

BODY = bytes(range(256)) * 1000


class Server(ThreadingHTTPServer):
    """Notes the ranges it is asked for; ``stop_after`` bytes it hangs up."""

    ranges: list[str | None]
    stop_after: int | None = None
    knows_ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.knows_ranges else 0
        if start >= len(BODY):
            self.send_response(416)
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        self.wfile.write(BODY[start:][: self.server.stop_after])

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.ranges = []
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    download = ResumingDownload(tmp_path / "file.part")
    server.stop_after = 100_000
    with pytest.raises(OSError, match=r"[Ii]ncomplete"):
        download(server.url, str(tmp_path / "file"), None)
    held = (tmp_path / "file.part").stat().st_size
    assert 0 < held <= 100_000
    server.stop_after = None
    download(server.url, str(tmp_path / "file"), None)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges == [None, f"bytes={held}-"]
    assert not (tmp_path / "file.part").exists()


def test_download_starts_again_where_ranges_are_unknown(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:10])
    server.knows_ranges = False
    ResumingDownload(tmp_path / "file.part")(server.url, str(tmp_path / "file"), None)
    assert (tmp_path / "file").read_bytes() == BODY


def test_download_starts_again_beyond_the_end(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(BODY + b"more")
    ResumingDownload(tmp_path / "file.part")(server.url, str(tmp_path / "file"), None)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges == [f"bytes={len(BODY) + 4}-", None]


def test_fetch_downloads_checks_and_does_not_repeat(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = (File("toy/one.txt", hashlib.sha256(BODY).hexdigest(), server.url),)
    monkeypatch.setitem(DATASETS, "mr", replace(DATASETS["mr"], files=files))
    fetch("mr")
    fetch("mr")
    assert (cache / "data/toy/one.txt").read_bytes() == BODY
    assert server.ranges == [None]


def test_fetch_refuses_other_content(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "mr", replace(DATASETS["mr"], files=(File("toy/one.txt", "0" * 64, server.url),)))
    with pytest.raises(DataError, match=r"http://.* is not the published file"):
        fetch("mr")
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_fetch_offline_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    files = (File("toy/one.txt", "0" * 64, "http://127.0.0.1:9/file"),)
    monkeypatch.setitem(DATASETS, "mr", replace(DATASETS["mr"], files=files))
    with pytest.raises(
        DataError,
        match=r"mr could not be fetched: cannot reach 127.0.0.1. .*or put toy/one.txt below a folder and name it with",
    ):
        fetch("mr")
