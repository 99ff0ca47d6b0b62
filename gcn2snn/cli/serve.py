"""``gcn2snn serve``: a network that classifies texts, as an HTTP service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gcn2snn.cli.options import Tokeniser, given
from gcn2snn.cli.origins import network_file
from gcn2snn.cli.settings import setting
from gcn2snn.serve import ServeOptions


def serve(
    network: Annotated[
        Path,
        typer.Argument(metavar="SNN|RUN", help="A converted Text GCN, or a run folder that holds snn.safetensors."),
    ],
    host: Annotated[str | None, setting(ServeOptions, "host", note="0.0.0.0 lets other machines in")] = None,
    port: Annotated[int | None, setting(ServeOptions, "port")] = None,
    workers: Annotated[
        int | None,
        setting(ServeOptions, "workers", note="Each has its own copy of the network; without it one for each core"),
    ] = None,
    name: Annotated[str | None, setting(ServeOptions, "name")] = None,
    queue: Annotated[int | None, setting(ServeOptions, "queue")] = None,
    batch: Annotated[int | None, setting(ServeOptions, "batch")] = None,
    max_texts: Annotated[int | None, setting(ServeOptions, "max_texts", note="Beyond that the answer is 413")] = None,
    max_bytes: Annotated[int | None, setting(ServeOptions, "max_bytes", note="Beyond that the answer is 413")] = None,
    requests: Annotated[int | None, setting(ServeOptions, "requests", note="Beyond that the answer is 503")] = None,
    body_seconds: Annotated[
        float | None, setting(ServeOptions, "body_seconds", note="After that the answer is 408")
    ] = None,
    grace: Annotated[int | None, setting(ServeOptions, "grace")] = None,
    tokeniser: Tokeniser = None,
) -> None:
    """Answer texts over HTTP: POST /predict, the Open Inference Protocol at /v2, /metrics, and a page at /.

    Examples:

      gcn2snn serve runs/demo

      curl -d '{"texts": ["the bank fell"]}' http://127.0.0.1:8000/predict
    """
    from gcn2snn.serve import run_server

    options: dict[str, object] = {
        "host": host,
        "port": port,
        "workers": workers,
        "name": name,
        "queue": queue,
        "batch": batch,
    }
    options |= {"max_texts": max_texts, "max_bytes": max_bytes, "requests": requests}
    options |= {"body_seconds": body_seconds, "grace": grace, "tokeniser": tokeniser}
    sys.exit(run_server(ServeOptions(network=network_file(network), **given(options))))  # it has said why it stopped
