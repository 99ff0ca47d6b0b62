"""The service among bad clients: mixed requests, slow and oversized bodies, workers that die or cannot load, restarts under load.

Clean is the right answer to every good request, the right status to every bad one, and no growth of threads or memory.

    python tests/battery/service.py --seed 7 --tries 100000
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from corruptions import changed_bytes
from sources import texts
from tally import Tally, run_as_command

from gcn2snn.serve.load_test import WRONG, Connection

CLIENTS = 32
WARM = 0.2
"""Share of the mixed requests after which memory is measured for the first time."""
GROWTH = 32.0
"""MiB that all workers together may gain afterwards: allocators keep the largest batches that they have seen."""
REFUSALS = {400, 413, 415, 422}
BROKEN = (OSError, asyncio.IncompleteReadError, ValueError, KeyError)


@dataclass
class Service:
    """A service that runs as a process."""

    process: subprocess.Popen[str]
    host: str
    port: int

    def connection(self) -> Connection:
        return Connection(self.host, self.port)

    async def metrics(self) -> str:
        connection = self.connection()
        _, _, content = await connection.ask("GET", "/metrics")
        await connection.close()
        return content.decode()

    async def sizes(self) -> tuple[float, int]:
        """MiB and threads of all workers."""
        found = await self.metrics()
        memory, threads = (
            sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", found, re.M)))
            for name in ("gcn2snn_memory_bytes", "gcn2snn_threads")
        )
        return memory / 2**20, int(threads)

    async def workers(self) -> list[int]:
        return [int(pid) for pid in re.findall(r'^gcn2snn_threads{pid="(\d+)"}', await self.metrics(), re.M)]

    def ended(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=240)
        return self.process.returncode, errors


def serve_command(network: Path, *words: object) -> list[str]:
    """The command of a service with two workers at a free port; ``words`` may name another one."""
    command = [str(Path(sys.executable).with_name("gcn2snn")), "serve", str(network), "--port", "0", "--workers", "2"]
    return [*command, *map(str, words)]


@contextlib.contextmanager
def serving(network: Path, *words: object) -> Iterator[Service]:
    """The service with two workers, and its end."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(serve_command(network, *words), start_new_session=True, **pipes)  # type: ignore[call-overload]
    try:
        line = process.stdout.readline()
        found = re.search(r"http://([\d.]+):(\d+)", line)
        assert found, line + process.communicate()[1]
        yield Service(process, found[1], int(found[2]))
    except BaseException:
        process.terminate()
        print(process.communicate()[1], file=sys.stderr)
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def network_of(folder: Path) -> Path:
    """A small network that classifies texts."""
    import gcn2snn

    corpus = folder / "corpus.csv"
    corpus.write_text("label,text\n" + "".join(f"{label},{text}\n" for label, text in texts(0, 60)))
    graph = gcn2snn.load_graph(str(corpus))
    model = gcn2snn.fit(gcn2snn.Trainer(graph, gcn2snn.TrainConfig(hidden=8, epochs=20)))
    return Path(gcn2snn.save(gcn2snn.convert(model, graph), folder / "snn.safetensors", force=True))


class Mixed:
    """Good, bad and mutilated requests of many clients at once.

    Args:
        tally: of the battery.
        service: that answers.
        seed: of the requests.
    """

    def __init__(self, tally: Tally, service: Service, seed: int):
        self._tally, self._service, self._seed = tally, service, seed
        self._answers: dict[str, object] = {}
        self.lost = 0

    async def learn(self) -> None:
        """The answers of the idle service."""
        connection = self._service.connection()
        for _, text in texts(self._seed, 24):
            _, _, content = await connection.ask("POST", "/predict", _body([text]))
            self._answers[text] = json.loads(content)["predictions"][0]
        await connection.close()

    async def ask(self, requests: int, may_break: bool = False) -> None:
        """So many requests, shared out among the clients; with ``may_break`` connections may be lost, and are counted."""
        shares = [requests // CLIENTS + (number < requests % CLIENTS) for number in range(CLIENTS)]
        await asyncio.gather(*(self._client(count, number, may_break) for number, count in enumerate(shares)))

    async def _client(self, count: int, number: int, may_break: bool) -> None:
        connection, chance = self._service.connection(), random.Random(f"{self._seed} {number} {count}")
        kinds = {"good": self.good, "bad": self.bad, "mutilated": self.mutilated}
        for _ in range(count):
            kind = chance.choice(["good", "good", "good", "bad", "mutilated"])
            try:
                fault = await kinds[kind](connection, chance)
            except BROKEN as error:
                await connection.close()
                if may_break:
                    self.lost += 1
                    continue
                fault = f"{type(error).__name__}: {error}"
            if fault:
                self._tally.fault(f"{kind} requests", fault)
            else:
                self._tally.clean(f"{kind} requests", refused=kind == "bad")
        await connection.close()

    async def good(self, connection: Connection, chance: random.Random) -> str:
        """A right request; "" if the answer is that of the idle service."""
        asked = chance.choices(list(self._answers), k=chance.choice([1, 1, 2, 9]))
        status, _, content = await connection.ask("POST", "/predict", _body(asked))
        right = status == 200 and json.loads(content)["predictions"] == [self._answers[text] for text in asked]
        return "" if right else f"{asked}: {status} {content[:200]!r}"

    async def bad(self, connection: Connection, chance: random.Random) -> str:
        """A request that deserves one status."""
        body, deserved = chance.choice(WRONG)
        status, _, content = await connection.ask("POST", "/predict", body)
        right = status == deserved and set(json.loads(content)) == {"error"}
        return "" if right else f"{body[:40]!r}: {status} instead of {deserved}, {content[:200]!r}"

    async def mutilated(self, connection: Connection, chance: random.Random) -> str:
        """A right request with its bytes changed: answered, or refused as the client's mistake."""
        what, body = changed_bytes(_body(chance.choices(list(self._answers), k=2)), chance)
        status, _, content = await connection.ask("POST", "/predict", body)
        kind = "predictions" if status == 200 else "error"
        return (
            "" if status in REFUSALS | {200} and kind in json.loads(content) else f"{what}: {status} {content[:200]!r}"
        )


def _body(asked: list[str]) -> bytes:
    return json.dumps({"texts": asked}).encode()


async def mixed(tally: Tally, service: Service, seed: int, requests: int) -> None:
    """Requests of all kinds; then memory and threads are those after the first of them."""
    asker = Mixed(tally, service, seed)
    await asker.learn()
    await asker.ask(int(WARM * requests))
    before, threads = await service.sizes()
    await asker.ask(requests - int(WARM * requests))
    after, then = await service.sizes()
    print(f"memory {before:.1f} MiB, then {after:.1f} MiB; threads {threads}, then {then}")
    fault = (
        ""
        if after - before < GROWTH and then <= threads + 2
        else f"{before:.1f} to {after:.1f} MiB, {threads} to {then} threads"
    )
    tally.attempt("growth", "", lambda: fault)


async def slow(tally: Tally, service: Service, chance: random.Random, head: bool) -> None:
    """A client that sends its head or its body byte by byte: it is sent away in time."""
    kind = "slow heads" if head else "slow bodies"
    reader, writer = await asyncio.open_connection(service.host, service.port)
    start = time.monotonic()
    writer.write(b"POST /predict HTTP/1.1\r\nHost: x\r\n" + (b"" if head else b"Content-Length: 1000\r\n\r\n"))
    answer = asyncio.ensure_future(reader.read())
    while not answer.done() and time.monotonic() - start < 60:
        with contextlib.suppress(ConnectionError):
            writer.write(b"x")
            await writer.drain()
        await asyncio.sleep(chance.uniform(0.05, 0.3))
    seconds = time.monotonic() - start
    try:
        found = (await asyncio.wait_for(answer, 1)).decode("latin-1")
    except TimeoutError:
        tally.fault(kind, f"still open after {seconds:.0f} s")
        return
    except ConnectionError:  # it goes on sending after the answer, and is cut off
        found = " 408 "
    finally:
        writer.close()
    if head or " 408 " in found:
        tally.clean(kind, refused=True)
    else:
        tally.fault(kind, f"after {seconds:.1f} s: {found[:200]!r}")


async def oversized(tally: Tally, service: Service, chance: random.Random, chunked: bool) -> None:
    """A body beyond the limit: refused by its length, or as soon as that many bytes have come."""
    size = chance.choice([1_048_577, 3_000_000, 50_000_000])
    reader, writer = await asyncio.open_connection(service.host, service.port)
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (size if size < 5e7 else 10**18)
    writer.write(b"POST /predict HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n")
    answer = asyncio.ensure_future(reader.read(300))
    sent = 0
    while sent < size and not answer.done():
        with contextlib.suppress(ConnectionError):
            writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n" if chunked else b" " * 65536)
            await writer.drain()
        sent += 65536
        await asyncio.sleep(0)
    try:
        found = (await asyncio.wait_for(answer, 60)).decode("latin-1")
    except ConnectionError:  # it goes on sending after the answer, and is cut off
        found = " 413 "
    writer.close()
    tally.attempt(
        "oversized bodies", "", lambda: "" if " 413 " in found or " 408 " in found else f"{length!r}: {found[:200]!r}"
    )


async def bad_clients(tally: Tally, service: Service, chance: random.Random, tries: int) -> None:
    """Slow and oversized clients at the same time, while good requests go on."""
    asker = Mixed(tally, service, chance.randrange(10**6))
    await asker.learn()
    bad = [slow(tally, service, chance, bool(number % 2)) for number in range(tries)]
    bad += [oversized(tally, service, chance, bool(number % 2)) for number in range(tries)]
    await asyncio.gather(*bad, asker.ask(10 * tries))


async def killed_worker(tally: Tally, service: Service, seed: int, requests: int) -> None:
    """A worker killed under load: only what it was answering is lost, and the others are answered rightly."""
    asker = Mixed(tally, service, seed)
    await asker.learn()
    before = await service.workers()
    asking = asyncio.ensure_future(asker.ask(requests, may_break=True))
    await asyncio.sleep(0.3)
    os.kill(before[0], signal.SIGKILL)
    await asking
    until = time.monotonic() + 120
    while (before[0] in (now := await service.workers()) or len(now) < 2) and time.monotonic() < until:
        await asyncio.sleep(0.2)
    replaced = len(now) == 2 and before[0] not in now
    what = f"{asker.lost} lost, workers {before} then {now}"
    tally.attempt("killed workers", "", lambda: "" if replaced and asker.lost <= 2 * CLIENTS else what)


async def stopped(service: Service, asker: Mixed, requests: int) -> None:
    """SIGTERM while requests are answered."""
    await asker.learn()
    asking = asyncio.ensure_future(asker.ask(requests, may_break=True))
    await asyncio.sleep(0.5)
    service.process.send_signal(signal.SIGTERM)
    await asking


def restart(tally: Tally, network: Path, seed: int) -> None:
    """Stopped under load and started again: what was in flight is answered, the last line says so, and the next one answers."""
    with serving(network) as service:
        asker = Mixed(tally, service, seed)
        asyncio.run(stopped(service, asker, 3200))
        code, errors = service.ended()
    said = "every request in flight was answered" in errors and "Traceback" not in errors
    tally.attempt("restarts", "", lambda: "" if code == 0 and said else f"exit code {code}, {errors[-300:]!r}")
    with serving(network) as service:
        again = Mixed(tally, service, seed)
        asyncio.run(again.learn())
        asyncio.run(again.ask(64))


def lost_network(tally: Tally, network: Path, chance: random.Random) -> None:
    """The file is damaged while the service runs, and a worker dies: the service ends, and says what it could not read."""
    whole = network.read_bytes()
    with serving(network) as service:
        workers = asyncio.run(service.workers())
        network.write_bytes(chance.choice([b"", whole[: len(whole) // 2], whole[:-1] + b"?"]))
        try:
            os.kill(chance.choice(workers), signal.SIGKILL)
            code, errors = service.ended()
        finally:
            network.write_bytes(whole)
    told = "a worker could not start; its message stands above" in errors and "snn.safetensors" in errors
    right = code == 1 and told and "Traceback" not in errors
    tally.attempt(
        "networks that cannot be loaded again", "", lambda: "" if right else f"exit code {code}, {errors[-500:]!r}"
    )


def run(tally: Tally, seed: int, tries: int, folder: Path) -> None:
    """``tries`` mixed requests; a few of the others for each 10,000 of them."""
    chance, network = random.Random(seed), network_of(folder)
    rounds = max(1, tries // 10_000)
    with serving(network, "--body-seconds", "5", "--queue", "100000") as service:
        asyncio.run(mixed(tally, service, seed, tries))
        asyncio.run(bad_clients(tally, service, chance, 4 * rounds))
        for number in range(rounds):
            asyncio.run(killed_worker(tally, service, seed + number, 1600))
        service.process.send_signal(signal.SIGTERM)
        code, errors = service.ended()
        tally.attempt(
            "the end", "", lambda: "" if "Traceback" not in errors else f"exit code {code}, {errors[-500:]!r}"
        )
    for number in range(rounds):
        restart(tally, network, seed + number)
        lost_network(tally, network, chance)


if __name__ == "__main__":
    sys.exit(run_as_command("service", run, 100_000))
