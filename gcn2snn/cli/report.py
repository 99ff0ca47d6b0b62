"""``gcn2snn report``: one HTML file about a network, a run, or a whole table, to open offline or print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gcn2snn.cli.train import AsJson, DataDir


def report(
    target: Annotated[
        Path, typer.Argument(metavar="SNN|DIR", help="A converted network, a run folder, or a folder of table5.")
    ],
    out: Annotated[Path | None, typer.Option(help="File to write, default SNN.html or DIR/report.html.")] = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a self-contained HTML page: accuracy, energy, spikes, errors, settings."""
    from gcn2snn.cli.convert import graph_of, refuse_existing
    from gcn2snn.cli.output import console, emit
    from gcn2snn.report import default_file, write_report

    file = out or default_file(target)
    refuse_existing(file, force)
    content = write_report(target, file, lambda origin: graph_of(origin, data_dir))
    if as_json:
        emit(content)
    else:
        console(as_json).print(f"written to {file}; {content['bytes'] / 2**10:,.0f} KiB")
