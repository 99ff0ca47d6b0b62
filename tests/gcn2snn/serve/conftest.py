"""A small network that classifies texts, the service around it, and the service as a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gcn2snn import ConvertConfig, TrainConfig, Trainer, convert, fit, load_graph, save
from gcn2snn.datasets import TextGraphOptions
from gcn2snn.serve import Served, ServeOptions, load_served, make_app

ROWS = [
    ("red apple tree fruit", "fruit"),
    ("green apple pear fruit tree", "fruit"),
    ("ripe pear sweet juice fruit", "fruit"),
    ("car road wheel engine", "traffic"),
    ("slow car street road jam", "traffic"),
    ("bus street wheel jam engine", "traffic"),
]
SCRIPT = Path(sys.executable).with_name("gcn2snn")


@pytest.fixture(scope="session")
def network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted Text GCN that tells fruit from traffic."""
    folder = tmp_path_factory.mktemp("things")
    corpus = folder / "things.tsv"
    lines = [f"{text}\t{label}\t{split}\n" for split in ("train", "test") for text, label in ROWS]
    corpus.write_text("text\tlabel\tsplit\n" + "".join(lines), encoding="utf-8")
    graph = load_graph(str(corpus), options=TextGraphOptions(min_count=1, stop_words="none", window=3), cache=False)
    model = fit(Trainer(graph, TrainConfig(hidden=8, epochs=40, patience=40)))
    return save(convert(model, graph, ConvertConfig(base=1.3, timesteps=12)), folder / "snn.safetensors")


@pytest.fixture(scope="session")
def served(network_file: Path) -> Served:
    return load_served(network_file)


@pytest.fixture
def options(network_file: Path) -> ServeOptions:
    return ServeOptions(network=network_file, workers=1)


@asynccontextmanager
async def running(options: ServeOptions, served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """The service in this process, and a client that calls it without a socket."""
    app = make_app(options, served)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client,
    ):
        yield client


class Client:
    """A service with its default limits, called one request after the other."""

    def __init__(self, runner: asyncio.Runner, client: httpx.AsyncClient):
        self._runner = runner
        self._client = client

    def get(self, path: str) -> httpx.Response:
        return self._runner.run(self._client.get(path))

    def post(self, path: str, body: object = None, **more: Any) -> httpx.Response:
        """Bytes as they are, everything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._runner.run(self._client.post(path, content=content, **more))


@pytest.fixture(scope="session")
def client(network_file: Path, served: Served) -> Iterator[Client]:
    with asyncio.Runner() as runner:
        context = running(ServeOptions(network=network_file, workers=1), served)
        yield Client(runner, runner.run(context.__aenter__()))
        runner.run(context.__aexit__(None, None, None))


@dataclass
class Process:
    """A service that runs: its process and its address."""

    popen: subprocess.Popen[str]
    url: str

    def ended(self) -> tuple[int, str]:
        """Exit code and standard error of the process, which has been told to stop."""
        _, errors = self.popen.communicate(timeout=240)
        return self.popen.returncode, errors


@pytest.fixture(scope="session")
def start() -> Callable[..., contextlib.AbstractContextManager[Process]]:
    """Starts the service as users do."""

    @contextlib.contextmanager
    def started(network: Path, *words: object) -> Iterator[Process]:
        command = [str(SCRIPT), "serve", str(network), "--port", "0", *map(str, words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, **pipes, text=True, start_new_session=True) as popen:
            try:
                assert popen.stdout is not None
                line = popen.stdout.readline()
                found = re.search(r"http://\S+", line)
                assert found, f"{line}{popen.communicate()[1]}"
                yield Process(popen, found[0])
            finally:
                popen.kill()

    return started
