"""The service as a process: its address, its end, and what it refuses to start with."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import failed, gcn2snn

from gcn2snn.errors import MissingPackageError
from gcn2snn.serve.load_test import main as load_test
from gcn2snn.serve.server import warn_if_public

Start = Callable[..., contextlib.AbstractContextManager[Any]]
BODY = {"texts": ["sweet apple"] * 400, "explain": True}


def test_one_worker_answers_what_is_in_flight_and_stops(start: Start, network_file: Path) -> None:
    with start(network_file, "--workers", 1, "--name", "things") as service:
        assert service.url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{service.url}/v2/models/things/ready", timeout=60).json()["ready"]
        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(httpx.post, f"{service.url}/predict", json=BODY, timeout=60) for _ in range(6)]
            # Every request has reached the service before it is told to stop; the reading of the metrics is one more.
            # Those that are done are counted first, so that none is counted twice.
            while sum(each.done() for each in asked) + in_flight(service.url) - 1 < len(asked):
                time.sleep(0.005)
            service.popen.send_signal(signal.SIGTERM)
            found = [each.result() for each in asked]
        assert {each.status_code for each in found} == {200}
        assert {len(each.json()["predictions"]) for each in found} == {400}
        code, errors = service.ended()
        assert code == 0
        assert "gcn2snn: stopped by SIGTERM; every request in flight was answered; " in errors
        assert errors.count("\n") == 1
        with pytest.raises(httpx.ConnectError):
            httpx.get(service.url)


def in_flight(url: str) -> float:
    line = next(
        line for line in httpx.get(f"{url}/metrics").text.splitlines() if line.startswith("gcn2snn_requests_in")
    )
    return float(line.split()[1])


@pytest.mark.slow
def test_several_workers_count_together_and_one_that_dies_is_replaced(start: Start, network_file: Path) -> None:
    with start(network_file, "--workers", 2) as service:
        for _ in range(4):
            assert httpx.post(f"{service.url}/predict", json={"texts": ["bus"]}, timeout=60).status_code == 200
        limit = time.monotonic() + 240
        while len(workers := pids(service.url)) < 2 and time.monotonic() < limit:
            time.sleep(0.1)
        assert 'gcn2snn_requests_total{outcome="answered",route="predict"} 4.0' in metrics(service.url)
        os.kill(workers[0], signal.SIGKILL)
        while (len(now := pids(service.url)) < 2 or workers[0] in now) and time.monotonic() < limit:
            time.sleep(0.1)
        assert workers[0] not in now
        assert load_test([service.url, "--seconds", "1"]) == 0
        service.popen.send_signal(signal.SIGINT)
        code, errors = service.ended()
        assert code == 130
        assert f"worker {workers[0]} died (exit code -9)" in errors
        assert "stopped by Ctrl-C; every request in flight was answered" in errors
        assert "Traceback" not in errors


def metrics(url: str) -> str:
    """The metrics, from whichever worker answers; one that dies just now may answer nothing."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/metrics", timeout=60).text
    return ""


def pids(url: str) -> list[int]:
    return [int(line.split('"')[1]) for line in metrics(url).splitlines() if line.startswith("gcn2snn_memory_bytes{")]


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.0, 1.0, 3.0])
def test_ctrl_c_in_a_terminal_while_workers_start(start: Start, network_file: Path, wait: float) -> None:
    with start(network_file, "--workers", 2) as service:
        time.sleep(wait)
        os.killpg(service.popen.pid, signal.SIGINT)  # a terminal sends it to every process of the command
        code, errors = service.ended()
        assert code == 130
        assert "Traceback" not in errors
        assert errors.count("\n") == 1


@pytest.mark.slow
def test_workers_end_with_their_parent(start: Start, network_file: Path) -> None:
    with start(network_file, "--workers", 2) as service:
        limit = time.monotonic() + 240
        while len(workers := pids(service.url)) < 2 and time.monotonic() < limit:
            time.sleep(0.1)
        service.popen.kill()
        while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < limit:
            time.sleep(0.1)
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.slow
def test_requests_that_take_longer_than_the_grace_are_cut_off(start: Start, network_file: Path) -> None:
    with start(network_file, "--workers", 1, "--grace", 1, "--body-seconds", 30) as service:
        host, _, port = service.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            while in_flight(service.url) < 2:
                time.sleep(0.01)
            service.popen.send_signal(signal.SIGTERM)
            code, errors = service.ended()
            slow.settimeout(10)
            assert b"the service stopped before this request was answered" in slow.recv(65536)
    assert code == 1
    assert "1 requests in flight were cut off" in errors
    assert "Traceback" not in errors


def test_a_port_in_use_and_impossible_addresses_are_refused(network_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen at 127.0.0.1, port {port}: address already in use. Choose another with --port" in failed(
            "serve", network_file, "--port", port
        )
    assert "is not an address or name of this machine" in failed("serve", network_file, "--host", "no.such.invalid")
    assert "cannot listen at 192.0.2.1" in failed("serve", network_file, "--host", "192.0.2.1")
    assert "queue = 1 is smaller than max_texts = 1000" in failed("serve", network_file, "--queue", 1)


def test_only_networks_that_classify_texts_are_served(tmp_path: Path) -> None:
    assert gcn2snn("train", "karate", "--out", tmp_path / "run", "--epochs", 3, "--hidden", 4).returncode == 0
    assert gcn2snn("convert", tmp_path / "run").returncode == 0
    assert "this network cannot classify texts: only a Text GCN" in failed("serve", tmp_path / "run")
    assert "does not exist; a spiking network is needed" in failed("serve", tmp_path / "nothing")
    (tmp_path / "text").write_text("no network")
    assert "it is no safetensors file; a snn file that gcn2snn wrote is needed" in failed("serve", tmp_path / "text")


def test_a_service_that_could_not_take_connections_is_refused(network_file: Path) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            'ulimit -n 60; exec "$@"',
            "",
            sys.executable,
            "-m",
            "gcn2snn",
            "serve",
            network_file,
            "--port",
            "0",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (2, "")
    wanted = "a process may have 60 open files here, and a service needs 128. Raise the limit"
    assert done.stderr.startswith(f"gcn2snn: error: {wanted}")


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("::", True)])
def test_a_public_address_is_warned_about(host: str, warned: bool, capsys: pytest.CaptureFixture[str]) -> None:
    warn_if_public(host)
    assert (f"warning: {host} can be reached from other machines" in capsys.readouterr().err) == warned


@pytest.mark.parametrize(
    ("module", "missing"), [("server", "uvicorn"), ("app", "fastapi"), ("app", "prometheus_client")]
)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, module: str, missing: str) -> None:
    for loaded in [name for name in sys.modules if name.startswith("gcn2snn.serve.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingPackageError, match=rf"serving needs {missing}: pip install 'gcn2snn\[serve\]'"):
        importlib.import_module(f"gcn2snn.serve.{module}")


@pytest.mark.slow
def test_two_minutes_of_load(start: Start, network_file: Path) -> None:
    with start(network_file) as service:
        assert load_test([service.url, "--seconds", "120"]) == 0
        assert 'outcome="overloaded"' in metrics(service.url)
