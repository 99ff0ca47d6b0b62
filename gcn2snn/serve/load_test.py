"""A load test of a running service: rising rates, wrong requests among right ones, and more than the queue holds.

    python -m gcn2snn.serve.load_test http://127.0.0.1:8000 --seconds 120

Each phase prints one row. Every right answer is compared with the answer to the same text on the idle service, every wrong
request must get the status that it deserves, and every 503 must say when to come back. Exit code 1 if one did not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CLIENTS = (1, 4, 16, 64)
"""Clients of the phases; each sends its next request when the last is answered."""

TEXTS_OF_FLOOD = 500
"""Texts of each request of the last phase, which shall overfill the queue."""

SETTLED = 3.0
"""Seconds without load before memory is measured for the last time."""

TEXTS = (
    "shares of the bank fell",
    "oil prices rose as opec ministers met",
    "the dollar gained against the yen in tokyo trading",
    "net profit for the year was up and the dividend is raised",
    "wheat and corn exports to the soviet union",
    "the merger of both companies was approved by shareholders",
    "interest rates were cut by a quarter point",
    "zzzqx qqqzx",
)
WRONG = (
    (b"{", 400),
    (b'{"texts": ["\xff"]}', 400),
    (b'{"texts": []}', 422),
    (b'{"texts": [1]}', 422),
    (b'{"texts": ["a"], "other": 1}', 422),
    (b" " * 2_000_000, 413),
)


@dataclass
class Row:
    """What one phase found."""

    name: str
    clients: int
    seconds: float = 0.0
    right: int = 0
    refused: int = 0
    overloaded: int = 0
    texts: int = 0
    faults: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def cells(self, memory: float, threads: int) -> list[str]:
        """The row of the table."""
        ordered = sorted(self.latencies) or [0.0]
        p50, p99 = (1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99))
        rates = [f"{count / self.seconds:,.0f}" for count in (self.right + self.refused, self.texts)]
        counts = [f"{count:,}" for count in (self.right, self.refused, self.overloaded, len(self.faults))]
        return [
            self.name,
            str(self.clients),
            *counts,
            *rates,
            f"{p50:.1f}",
            f"{p99:.1f}",
            f"{memory:.1f}",
            str(threads),
        ]


HEAD = (
    "phase",
    "clients",
    "right",
    "wrong, refused",
    "503",
    "faults",
    "requests/s",
    "texts/s",
    "p50 ms",
    "p99 ms",
    "MiB",
    "threads",
)


class Connection:
    """One connection that is kept, and opened again where the service closed it."""

    def __init__(self, host: str, port: int):
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Status, headers in small letters, and body of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._address[0]}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        content = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            await self.close()
        return int(first.split()[1]), headers, content

    async def close(self) -> None:
        """Let go of the connection."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class LoadTest:
    """The phases, one after the other.

    Args:
        url: of the service.
        seconds: of all phases together.
    """

    def __init__(self, url: str, seconds: float):
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._seconds = seconds
        self._expected: dict[str, object] = {}

    async def run(self) -> list[Row]:
        """Every phase that has been run."""
        await self._learn()
        print("|" + "|".join(HEAD) + "|\n|" + "-|" * len(HEAD), flush=True)
        await self._print(Row("idle", 0, seconds=1.0))
        each = self._seconds / (len(CLIENTS) + 1)
        rows = [await self._phase(Row("rising", clients), each, 1) for clients in CLIENTS]
        rows.append(await self._phase(Row("flood", CLIENTS[-1]), each, TEXTS_OF_FLOOD))
        await asyncio.sleep(SETTLED)
        await self._print(Row("idle", 0, seconds=1.0))
        return rows

    async def _learn(self) -> None:
        """The answers of the idle service, one text after the other."""
        connection = Connection(self._host, self._port)
        for text in TEXTS:
            status, _, content = await connection.ask("POST", "/predict", _body([text]))
            if status != 200:
                raise SystemExit(f"the idle service answered {status}: {content.decode()}")
            self._expected[text] = json.loads(content)["predictions"][0]
        await connection.close()

    async def _phase(self, row: Row, seconds: float, texts: int) -> Row:
        started = time.perf_counter()
        clients = [self._client(row, started + seconds, texts, number) for number in range(row.clients)]
        await asyncio.gather(*clients)
        row.seconds = time.perf_counter() - started
        await self._print(row)
        return row

    async def _client(self, row: Row, until: float, texts: int, seed: int) -> None:
        connection = Connection(self._host, self._port)
        chance = random.Random(seed)
        while time.perf_counter() < until:
            try:
                if chance.random() < 0.1:
                    await self._wrong(row, connection, chance)
                else:
                    await self._right(row, connection, chance.choices(TEXTS, k=texts))
            except (OSError, asyncio.IncompleteReadError, ValueError, KeyError) as error:
                row.faults.append(f"{type(error).__name__}: {error}")
                await connection.close()
        await connection.close()

    async def _right(self, row: Row, connection: Connection, texts: Sequence[str]) -> None:
        started = time.perf_counter()
        status, headers, content = await connection.ask("POST", "/predict", _body(texts))
        if status == 503 and headers.get("retry-after", "").isdigit():
            row.overloaded += 1
            await asyncio.sleep(0.1)  # a client that came back at once would only measure how quickly it is refused
            return
        row.latencies.append(time.perf_counter() - started)
        found = json.loads(content).get("predictions")
        if status == 200 and found == [self._expected[text] for text in texts]:
            row.right += 1
            row.texts += len(texts)
        else:
            row.faults.append(f"{status} {content[:200]!r}")

    async def _wrong(self, row: Row, connection: Connection, chance: random.Random) -> None:
        body, deserved = chance.choice(WRONG)
        status, _, content = await connection.ask("POST", "/predict", body)
        if status == deserved and set(json.loads(content)) == {"error"}:
            row.refused += 1
        else:
            row.faults.append(f"{status} instead of {deserved}: {content[:200]!r}")

    async def _print(self, row: Row) -> None:
        """The row, with what the service says about its memory and threads now."""
        connection = Connection(self._host, self._port)
        _, _, content = await connection.ask("GET", "/metrics")
        await connection.close()
        memory, threads = (
            sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", content.decode(), re.M))
            for name in ("gcn2snn_memory_bytes", "gcn2snn_threads")
        )
        print("|" + "|".join(row.cells(memory / 2**20, int(threads))) + "|", flush=True)


def _body(texts: Sequence[str]) -> bytes:
    return json.dumps({"texts": texts}).encode()


def main(words: Sequence[str] | None = None) -> int:
    """Run the phases, print the table, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m gcn2snn.serve.load_test", description="Load a running service.")
    parser.add_argument("url", help="address of the service, such as http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=120.0, help="of all phases together [120]")
    given = parser.parse_args(words)
    try:
        rows = asyncio.run(LoadTest(given.url, given.seconds).run())
    except OSError as error:
        print(f"nothing answers at {given.url}: {error}. Start `gcn2snn serve` first", file=sys.stderr)
        return 2
    faults = list(itertools.chain.from_iterable(row.faults for row in rows))
    for fault in faults[:10]:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
