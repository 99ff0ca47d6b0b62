"""Processes, socket and signals of the service."""

from __future__ import annotations

import functools
import ipaddress
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

from gcn2snn.errors import ConfigError, Gcn2SnnError, MissingPackageError
from gcn2snn.serve.options import ServeOptions, number_of_cores
from gcn2snn.serve.served import Served, load_served

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

try:
    import uvicorn
    from fastapi import FastAPI
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    from gcn2snn.serve.connection import PatientConnection
except ModuleNotFoundError as error:
    raise MissingPackageError(f"serving needs {error.name}: pip install 'gcn2snn[serve]'") from error

BACKLOG = 2048
"""Connections that the system keeps while no worker takes them."""


LEAST_FILES = 128
"""Open files that a process may have at least: a worker has about forty, and one for each connection."""


def run_server(options: ServeOptions) -> int:
    """Serve until a signal comes, then answer what is in flight.

    Prints the address on standard output as soon as connections are taken, and on standard error how it ended.

    Args:
        options: what to serve, where, and within which limits.

    Returns:
        Exit code: 0 after SIGTERM, 130 after Ctrl-C, 1 if requests had to be cut off or the workers could not start.

    Raises:
        ArtefactError, ConfigError: the network cannot be read, or does not classify texts.
        ConfigError: nobody can listen at the address, or the system allows too few open files.
    """
    _refuse_few_files()
    served = load_served(options.network, options.tokeniser)
    with _listening(options) as listener:
        host, port = listener.getsockname()[:2]
        warn_if_public(host)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{port}"
        if options.workers == 1:
            return _run_here(options, served, listener, address)
        del served  # each worker reads its own
        return _run_workers(options, listener, address)


def _refuse_few_files() -> None:
    """Refuse a limit of open files with which a worker could not take its connections: it would start and never answer.

    Raises:
        ConfigError: as said.
    """
    if resource is None:
        return
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= allowed < LEAST_FILES:  # no limit is a negative number
        higher = "" if 0 <= most < LEAST_FILES else f": ulimit -n {LEAST_FILES} or more"
        raise ConfigError(
            f"a process may have {allowed} open files here, and a service needs {LEAST_FILES}. Raise the limit{higher}"
        )


def _listening(options: ServeOptions) -> socket.socket:
    """A socket that takes connections; those that come before a worker is ready wait."""
    try:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"host {options.host!r} is not an address or name of this machine: {error}") from None
    family, kind, number, _, address = found[0]
    listener = socket.socket(family, kind, number)
    try:
        # Connections of a service that has just stopped may linger, which must not keep the next one from starting.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen at {options.host}, port {options.port}: {(error.strerror or str(error)).lower()}. Choose another with "
            f"--port (0 takes a free one) or --host"
        ) from None
    return listener


def warn_if_public(host: str) -> None:
    """Say so on standard error if other machines can reach an address."""
    if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        print(
            f"gcn2snn: warning: {host} can be reached from other machines, and the service has neither passwords nor encryption. "
            f"Put a proxy in front of it that has",
            file=sys.stderr,
        )


def _announce(options: ServeOptions, address: str) -> None:
    """Say where the service is; from here on a signal ends it in order."""
    workers = "1 worker" if options.workers == 1 else f"{options.workers} workers"
    print(f"gcn2snn: serving {options.model_name} at {address} with {workers}; stop with Ctrl-C or SIGTERM", flush=True)


def _config(app: object, options: ServeOptions) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        factory=isinstance(app, functools.partial),
        workers=options.workers,
        http=PatientConnection,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        log_level="critical",  # requests that are no HTTP are answered, not logged; the guard names our own mistakes
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=options.grace,
        timeout_worker_healthcheck=60,
    )


def _run_here(options: ServeOptions, served: Served, listener: socket.socket, address: str) -> int:
    """Serve in this process."""
    from gcn2snn.serve.app import make_app

    app = make_app(options, served)
    server = uvicorn.Server(_config(app, options))
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        # uvicorn has its own handlers while it runs, and sends the signal once more after it has stopped.
        received.append(number)
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    _announce(options, address)
    server.run(sockets=[listener])
    return _farewell(received, app.state.meters.totals())


def _run_workers(options: ServeOptions, listener: socket.socket, address: str) -> int:
    """Serve in several processes that share the socket; one that dies is replaced."""
    with tempfile.TemporaryDirectory(prefix="gcn2snn-serve-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # before prometheus_client is imported, here and in each worker
        from gcn2snn.serve.meters import totals_of_workers

        app = functools.partial(worker_app, options, os.getpid())
        workers = _Workers(_config(app, options), [listener])
        _announce(options, address)
        workers.run()
        if workers.failed:
            print("gcn2snn: error: a worker could not start; its message stands above", file=sys.stderr)
            return 1
        return _farewell(workers.received, totals_of_workers())


def worker_app(options: ServeOptions, parent: int) -> FastAPI:
    """The application of one worker.

    Args:
        options: of the service.
        parent: process that started it; the worker ends when that is gone.
    """
    import torch

    from gcn2snn.serve.app import make_app

    torch.set_num_threads(max(1, number_of_cores() // options.workers))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        served = load_served(options.network, options.tokeniser)
    except Gcn2SnnError as error:  # the file was whole when the service started
        print(f"gcn2snn: error: {error}", file=sys.stderr)
        sys.exit(STARTUP_FAILURE)
    return make_app(options, served)


def _end_with(parent: int) -> None:
    """Stop this worker when its parent is gone, which can then not do so itself."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


class _Workers(Multiprocess):
    """uvicorn's processes; says when one dies, and closes the socket before it stops them."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]):
        super().__init__(config, sockets)
        self.received: list[int] = []
        self.failed = False

    def init_processes(self) -> None:
        with _interrupt_held():
            super().init_processes()

    def handle_int(self) -> None:
        self.received.append(signal.SIGINT)
        super().handle_int()

    def handle_term(self) -> None:
        self.received.append(signal.SIGTERM)
        super().handle_term()

    def keep_subprocess_alive(self) -> None:
        from gcn2snn.serve.meters import forget_worker

        before = list(self.processes)
        with _interrupt_held():
            super().keep_subprocess_alive()
        for old in before:
            if old.pid is None or old.process.is_alive():
                continue
            forget_worker(old.pid)
            if self.received:  # told to stop, perhaps while it was starting
                continue
            if old.exitcode == STARTUP_FAILURE:
                self.failed = True
            elif old.exitcode not in (-signal.SIGTERM, -signal.SIGINT):  # not told to stop
                print(
                    f"gcn2snn: warning: worker {old.pid} died (exit code {old.exitcode}); the requests that it was answering are "
                    f"lost, and another worker takes its place",
                    file=sys.stderr,
                )

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


@contextmanager
def _interrupt_held() -> Iterator[None]:
    """Hold Ctrl-C back while workers are started, which then never see it.

    A terminal sends it to every process. A worker that is still importing would end with a traceback; so the parent alone
    takes it, and tells the workers with SIGTERM.
    """
    resource_tracker.ensure_running()  # when it starts, it lets Ctrl-C through again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _farewell(received: list[int], totals: dict[str, int]) -> int:
    """Say how the service ended, and with which exit code."""
    name = "Ctrl-C" if signal.SIGINT in received else "SIGTERM"
    cut, answered = totals["cut off"], sum(totals.values()) - totals["cut off"]
    in_flight = f"{cut} requests in flight were cut off" if cut else "every request in flight was answered"
    print(f"gcn2snn: stopped by {name}; {in_flight}; {answered:,} requests served in all", file=sys.stderr)
    if cut:
        return 1
    return 130 if signal.SIGINT in received else 0
