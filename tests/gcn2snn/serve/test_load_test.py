"""The load test finds what it is there to find: wrong answers, wrong statuses, and no service at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gcn2snn.serve import load_test
from gcn2snn.serve.load_test import TEXTS, main


class Liar(BaseHTTPRequestHandler):
    """Answers the first texts, which come one at a time, rightly, and later ones as ``later`` says."""

    protocol_version = "HTTP/1.1"
    later = "right"
    answered = 0

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self.reply(
            200, b'gcn2snn_memory_bytes{pid="1"} 1048576\ngcn2snn_memory_bytes{pid="2"} 1048576\ngcn2snn_threads 7\n'
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = type(self)
        kind.answered += 1
        later = self.later if kind.answered > len(TEXTS) else "right"
        right = next((status for wrong, status in load_test.WRONG if wrong == body), 200)
        if right != 200:
            self.reply(200 if later == "takes anything" else right, b'{"error": "no"}')
        elif later == "turns away":
            self.reply(503, b'{"error": "busy"}')
        else:
            label = "x" if later == "lies" else "label"
            answers = [{"text": text, "label": label} for text in json.loads(body)["texts"]]
            self.reply(200, json.dumps({"predictions": answers}).encode())

    def reply(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(load_test, "CLIENTS", (1, 2))
    monkeypatch.setattr(load_test, "SETTLED", 0.0)
    monkeypatch.setattr(Liar, "answered", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("later", "code", "message"),
    [
        ("right", 0, ""),
        ("lies", 1, 'fault: 200 b\'{"predictions": [{'),
        ("takes anything", 1, "fault: 200 instead of 4"),
        ("turns away", 1, "fault: 503"),  # without a time to come back
    ],
)
def test_faults_are_counted(
    service: str,
    later: str,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Liar, "later", later)
    assert main([service, "--seconds", "0.6"]) == code
    out, err = capsys.readouterr()
    assert message in err
    head, rule, *rows = [line.strip("|").split("|") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["idle", "rising", "rising", "flood", "idle"]
    assert all(len(row) == len(head) == len(rule) for row in rows)
    assert {(row[-2], row[-1]) for row in rows} == {("2.0", "7")}
    assert any(int(row[5].replace(",", "")) for row in rows) == bool(code)


def test_no_service_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["http://127.0.0.1:9", "--seconds", "1"]) == 2
    assert "nothing answers at http://127.0.0.1:9" in capsys.readouterr().err
