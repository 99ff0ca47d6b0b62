"""``gcn2snn report``: one HTML file about a network, a run, or a whole table, to open offline or print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcn2snn.cli.options import AsJson, DataDir, refuse_given

if TYPE_CHECKING:
    from gcn2snn.report import Subject


def report(
    target: Annotated[
        Path, typer.Argument(metavar="SNN|DIR", help="A converted network, a run folder, or a folder of table5.")
    ],
    out: Annotated[Path | None, typer.Option(help="File to write, default SNN.html or DIR/report.html.")] = None,
    data_dir: DataDir = None,
    limit: Annotated[int | None, typer.Option(help="Images: at most so many test images [1000].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a self-contained HTML page: accuracy, energy, spikes, errors, settings."""
    from gcn2snn.cli.origins import refuse_existing
    from gcn2snn.cli.output import console, emit
    from gcn2snn.report import TABLE, default_file, write_report

    file = out or default_file(target)
    refuse_existing(file, force)
    if (target / TABLE).exists():
        refuse_given({"limit": limit}, f"{target} is a folder of text graphs")
    content = write_report(target, file, lambda origin: _subject(origin, data_dir, limit))
    if as_json:
        emit(content)
    else:
        console(as_json).print(f"written to {file}; {content['bytes'] / 2**10:,.0f} KiB")


def _subject(origin: dict[str, Any], data_dir: Path | None, limit: int | None) -> Subject:
    """The test nodes of a graph, or test images."""
    from gcn2snn.cli.origins import graph_of
    from gcn2snn.report import subject_of

    if origin.get("kind") == "images":
        from gcn2snn.cli.images import subject

        return subject(origin, data_dir, 1000 if limit is None else limit)
    refuse_given({"limit": limit}, f"{origin['dataset'].get('dataset')} is a graph")
    return subject_of(graph_of(origin, data_dir))
