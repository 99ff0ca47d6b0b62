"""``gcn2snn show``: pictures of a converted network at work: a raster of spikes, potentials, and spikes by phase."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gcn2snn.cli.options import AsJson, DataDir


def show(
    snn: Annotated[
        Path, typer.Argument(metavar="SNN|RUN", help="A converted network, or a run folder in which one lies.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Picture to write, .png or .svg; several become NAME-raster.png and so on [SNN.png]."),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="raster, potentials or phases; may be repeated [all three].")
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="What the network runs on, instead of the data it comes from: a .pt file or a dataset; for images, image data."
        ),
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(help="Rows: 0,5,7 or 3-6. Documents or nodes of a graph [neurons of all]; test images [0]."),
    ] = None,
    neurons: Annotated[
        list[str] | None,
        typer.Option(
            help="Neurons whose potentials are drawn, POPULATION=0,5,7; may be repeated [some that fire at different phases]."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Neurons of a population in the raster [60].")] = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing pictures.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw who fires when, how potentials reach their thresholds, and at which phases.

    Examples:

      gcn2snn show runs/demo/snn.safetensors --rows 0,1 --out demo.png

      gcn2snn show digits.safetensors --kind raster --out digits.svg
    """
    from gcn2snn.artefact import load_with_origin
    from gcn2snn.cli.inputs import inputs_of, row_numbers
    from gcn2snn.cli.options import refuse_given
    from gcn2snn.cli.origins import network_file
    from gcn2snn.cli.output import console, emit
    from gcn2snn.pictures import KINDS, picture_files, save_figures

    snn, wanted = network_file(snn), row_numbers(rows)
    target = out or snn.with_suffix(".png")
    files = picture_files(kind or KINDS, target, force)
    if "potentials" not in files:
        refuse_given({"neurons": neurons or None}, "no potentials are drawn")
    if "raster" not in files:
        refuse_given({"limit": limit}, "no raster is drawn")
    chosen: dict[str, list[int]] = {}
    for name, numbers in map(_named, neurons or []):
        chosen.setdefault(name, []).extend(row_numbers(numbers, "--neurons") or [])
    network, origin = load_with_origin(snn)
    values, left = inputs_of(snn, network, origin, inputs, data_dir, wanted)
    figures = network.plot(*values, rows=left, neurons=chosen, limit=60 if limit is None else limit)
    save_figures({name: figures[name] for name in files}, files)
    if as_json:
        emit({"snn": str(snn), "files": {name: str(file) for name, file in files.items()}})
    else:
        told = ", ".join(str(file) for file in files.values())
        console(as_json).print(f"written to {told}", soft_wrap=True, markup=False)


def _named(text: str) -> tuple[str, str]:
    """``POPULATION=0,5,7`` in two.

    Raises:
        ConfigError: it has no =.
    """
    from gcn2snn.errors import ConfigError

    name, equals, numbers = text.rpartition("=")
    if not equals:
        raise ConfigError(
            f"--neurons {text!r} names no population; write POPULATION=0,5,7, as `gcn2snn evaluate` names them"
        )
    return name, numbers
