"""A downloader for pooch that continues an interrupted download."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

TIMEOUT = 30  # seconds without a byte
_BLOCK = 1 << 16


class ResumingDownload:
    """Downloads by HTTP into a partial file that is kept when the connection breaks; pooch checks the hash after it.

    Args:
        partial: where the bytes are kept until all are there.
        progress: show a bar if standard error is a terminal.
    """

    def __init__(self, partial: Path, progress: bool = True) -> None:
        self.partial = partial
        self.progress = progress

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Fetch ``url`` to ``output_file``.

        Raises:
            requests.RequestException: no connection, or an answer other than 200 or 206.
        """
        import requests

        self.partial.parent.mkdir(parents=True, exist_ok=True)
        held = self.partial.stat().st_size if self.partial.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={held}-"} if held else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code == 416:  # nothing beyond what is held: a wrong partial file, or a whole one
                self.partial.unlink()
                return self(url, output_file, pooch)
            answer.raise_for_status()
            resumed = answer.status_code == 206
            self._receive(answer, held if resumed else 0)
        os.replace(self.partial, output_file)
        return None

    def _receive(self, answer: Any, held: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        length = answer.headers.get("Content-Length")
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        hidden = not (self.progress and sys.stderr.isatty())
        with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
            name = self.partial.name.removesuffix(".part")
            task = bar.add_task(name, total=held + int(length) if length else None, completed=held)
            with self.partial.open("ab" if held else "wb") as file:
                for block in answer.iter_content(_BLOCK):
                    file.write(block)
                    bar.advance(task, len(block))
