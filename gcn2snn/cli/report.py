"""``gcn2snn report``: one HTML file about a network, a run, or a whole table, to open offline or print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcn2snn.cli.loudness import hint
from gcn2snn.cli.options import AsJson, Data, DataDir, MovedCorpus, Tokeniser, refuse_given, refuse_other_format

if TYPE_CHECKING:
    from gcn2snn.report import Subject
    from gcn2snn.spiking_network import SpikingNetwork


def report(
    targets: Annotated[
        list[Path],
        typer.Argument(
            metavar="SNN|DIR",
            help="A converted network or a run folder, or several of the same data; or a folder of reproduce table5.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write [SNN.html or DIR/report.html; of several networks comparison.html]."),
    ] = None,
    data: Data = None,
    corpus: MovedCorpus = None,
    tokeniser: Tokeniser = None,
    data_dir: DataDir = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Images: use at most this many test images [1000].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page about a network, or compare several: accuracy, energy, spikes, errors, settings.

    Examples:

      gcn2snn report runs/r8

      gcn2snn report paper.safetensors default.safetensors --out both.html
    """
    refuse_other_format(out, ".html")  # before anything that takes seconds to load
    from gcn2snn.cli.output import console, emit
    from gcn2snn.files import refuse_existing
    from gcn2snn.report import default_file, is_table, write_report

    file = out or default_file(targets)
    refuse_existing(file, force)
    if len(targets) == 1 and is_table(targets[0]):
        refuse_given(
            {"limit": limit, "data": data, "corpus": corpus, "tokeniser": tokeniser},
            f"{targets[0]} is a folder of text graphs",
        )

    def subject(file: Path, network: SpikingNetwork, origin: dict[str, object]) -> Subject:
        return _subject(file, network, origin, data, data_dir, corpus, tokeniser, limit)

    content = write_report(targets, file, subject)
    if as_json:
        emit(content)
    else:
        console(as_json).print(f"written to {file}; {content['bytes'] / 2**10:,.0f} KiB")
        hint(as_json, "open {} in a browser", file)


def _subject(
    file: Path,
    network: SpikingNetwork,
    origin: dict[str, object],
    data: str | None,
    data_dir: Path | None,
    corpus: Path | None,
    tokeniser: str | None,
    limit: int | None,
) -> Subject:
    """Test images, labelled data that were given, or the test nodes of the graph that the network comes from."""
    from gcn2snn.cli.origins import data_of, given_call, graph_of, refuse_inductive, refuse_unknown_origin
    from gcn2snn.report import Batch, Subject, subject_of

    if origin.get("kind") == "images":
        from gcn2snn.cli.images import subject

        refuse_given({"corpus": corpus, "tokeniser": tokeniser}, f"{file} is a network on images")
        return subject(origin, data, data_dir, 1000 if limit is None else limit)
    refuse_given({"limit": limit}, f"{file} is a network on a graph")
    data = data_of(origin, data)
    if data is None:
        refuse_unknown_origin(file, network, origin)
        refuse_inductive(origin, "a report")
        return subject_of(graph_of(origin, data_dir, corpus, tokeniser))
    refuse_given({"corpus": corpus, "tokeniser": tokeniser}, f"the test data are {data}")
    call, args = given_call(network, data, data_dir)
    batch = Batch(args, call.labels, call.rows)
    return Subject(
        lambda: [batch], call.class_names, "test rows", f"one run on all of {call.name}", {"dataset": call.name}
    )
