"""``gcn2snn serve``: a network that classifies texts, as an HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gcn2snn.cli.options import Tokeniser


def serve(
    network: Annotated[
        Path,
        typer.Argument(metavar="SNN|RUN", help="A converted Text GCN, or a run folder that holds snn.safetensors."),
    ],
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at; 0 takes a free one and prints it.")] = 8000,
    workers: Annotated[
        int | None, typer.Option(help="Processes, each with its own copy of the network [one for each core].")
    ] = None,
    name: Annotated[
        str, typer.Option(help="Name of the model in addresses [that of the file, or of its folder].")
    ] = "",
    queue: Annotated[int, typer.Option(help="Texts that may wait in a worker; beyond that the answer is 503.")] = 4096,
    batch: Annotated[int, typer.Option(help="Texts of several requests that are evaluated at once, at most.")] = 256,
    max_texts: Annotated[int, typer.Option(help="Texts of one request; beyond that the answer is 413.")] = 1000,
    max_bytes: Annotated[int, typer.Option(help="Bytes of one request; beyond that the answer is 413.")] = 1 << 20,
    requests: Annotated[
        int, typer.Option(help="Requests that a worker reads or answers at once; beyond that the answer is 503.")
    ] = 512,
    body_seconds: Annotated[
        float, typer.Option(help="Seconds in which a request must have arrived; after that the answer is 408.")
    ] = 10.0,
    grace: Annotated[int, typer.Option(help="Seconds that requests in flight have when the service stops.")] = 30,
    tokeniser: Tokeniser = None,
) -> None:
    """Answer texts over HTTP: POST /predict, the Open Inference Protocol at /v2, /metrics, and a page at /.

    Examples:

      gcn2snn serve runs/demo

      curl -d '{"texts": ["shares of the bank fell"]}' http://127.0.0.1:8000/predict
    """
    from gcn2snn.serve import ServeOptions, run_server

    file = network / "snn.safetensors" if network.is_dir() else network
    of_workers = {} if workers is None else {"workers": workers}
    options = ServeOptions(
        network=file,
        name=name,
        host=host,
        port=port,
        queue=queue,
        batch=batch,
        max_texts=max_texts,
        max_bytes=max_bytes,
        requests=requests,
        body_seconds=body_seconds,
        grace=grace,
        tokeniser=tokeniser,
        **of_workers,
    )
    raise typer.Exit(run_server(options))
