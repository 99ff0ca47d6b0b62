"""``gcn2snn export``: a converted network in a format that other programs read, and the check that they give the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gcn2snn.cli.loudness import hint
from gcn2snn.cli.options import AsJson, DataDir


def export(
    snn: Annotated[
        Path, typer.Argument(metavar="SNN|RUN", help="A converted network, or a run folder in which one lies.")
    ],
    format: Annotated[str, typer.Option("--format", help="brian2, spikes, npz, onnx, onnx-documents or nir.")],
    out: Annotated[Path, typer.Option(help="File to write: .py, .npz, .csv, .onnx or .nir, by the format.")],
    inputs: Annotated[
        str | None,
        typer.Option(
            help="What the network runs on, instead of the data it comes from: a .pt file or a dataset; for images, image data; "
            "for onnx-documents, texts for --check, one a line."
        ),
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(
            help="Rows: 0,5,7 or 3-6. Output rows of a graph (documents, nodes), for brian2; test images [0]."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run or read what was written and compare it with the network.")
    ] = False,
    python: Annotated[
        str | None,
        typer.Option(
            help="For --check: an interpreter that has Brian2, or Norse or SpikingJelly [GCN2SNN_BRIAN2_PYTHON, GCN2SNN_NIR_PYTHON]."
        ),
    ] = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a converted network for other simulators and tools.

    Examples:

      gcn2snn export runs/demo/snn.safetensors --format brian2 --rows 12 --out demo.py --check --python brian2env/bin/python

      gcn2snn export snn.safetensors --format spikes --out spikes.csv
    """
    from gcn2snn.artefact import load_with_origin
    from gcn2snn.cli.inputs import inputs_of, row_numbers
    from gcn2snn.cli.options import refuse_given
    from gcn2snn.cli.origins import network_file
    from gcn2snn.cli.output import console, emit
    from gcn2snn.errors import ConfigError
    from gcn2snn.files import refuse_existing
    from gcn2snn.formats import FORMATS, check_ready, files_of
    from gcn2snn.formats import check as check_export
    from gcn2snn.formats import export as write

    if check:
        check_ready(format, python)
    else:
        refuse_given({"python": python}, "it is for --check")
    if str(out) == "-":
        raise ConfigError("--out is -, but a format is not written to standard output. Give a file")
    for file in files_of(format, out):
        refuse_existing(file, force)  # before the network runs
    snn = network_file(snn)
    network, origin = load_with_origin(snn)
    chosen = FORMATS.get(format)
    wanted = row_numbers(rows)
    values: object = None
    if chosen is not None and chosen.needs_inputs:
        values, wanted = inputs_of(snn, network, origin, inputs, data_dir, wanted)
    elif format == "onnx-documents":
        refuse_given({"rows": rows}, "the classifier takes any documents")
        values = None if inputs is None else _texts(inputs)
    elif chosen is not None:
        refuse_given({"inputs": inputs, "rows": rows}, f"the format {format} does not run the network")
    written = write(network, format, values, out=out, rows=wanted, force=force)
    found = check_export(network, format, values, out=out, rows=wanted, python=python) if check else None
    if as_json:
        content: dict[str, object] = {"snn": str(snn), "format": format, "files": [str(file) for file in written.files]}
        content |= {"facts": dict(written.facts)}
        emit(content | ({} if found is None else {"check": {"passed": found.passed, **found.facts}}))
    else:
        screen = console(as_json)
        told = ", ".join(
            f"{name.replace('_', ' ')} {value if isinstance(value, str) else f'{value:,}'}"
            for name, value in written.facts.items()
        )
        screen.print(f"written to {' and '.join(map(str, written.files))}: {told}", soft_wrap=True, markup=False)
        if found is not None:
            screen.print(f"{'equal' if found.passed else 'NOT EQUAL'}: {found.sentence}", soft_wrap=True, markup=False)
        if found is None:
            hint(as_json, "the same command with --check and --force compares the file with the network")
    if found is not None and not found.passed:
        raise typer.Exit(1)


def _texts(file: str) -> list[str]:
    from gcn2snn.cli.text_lines import lines_of
    from gcn2snn.errors import DataError

    found = [text for texts in lines_of(file) for text in texts]
    if not found:
        raise DataError(f"{file} is empty. Give a file of texts, one a line, in UTF-8")
    return found
