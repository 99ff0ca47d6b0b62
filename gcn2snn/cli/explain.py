"""``gcn2snn explain``: what of a model of your own converts, what does not, why, and how it could be added."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcn2snn.cli.loudness import hint, note
from gcn2snn.cli.options import AsJson, Check, DataDir
from gcn2snn.cli.own_models import Arguments, Head, Own, head_of, is_own

if TYPE_CHECKING:
    from gcn2snn.frontends import LayerFate

IMPOSSIBLE = {"impossible": "impossible", "unknown": "not known yet", "model": "as the model is now"}
"""Kind of a refusal as the table says it."""


def explain(
    target: Annotated[
        str, typer.Argument(metavar="MODULE:FACTORY", help="What makes the model, such as models:build.")
    ],
    data: Annotated[
        str | None, typer.Option(help="What the model is called with: cora, a .pt file, digits, ... (as for convert).")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", help="Instead: sizes of random values, such as x=20x16 or edge_index=2x60; may be repeated."
        ),
    ] = None,
    args: Arguments = None,
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights; what converts does not depend on them.")
    ] = None,
    head: Head = None,
    check: Check = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List which parts of a model convert and which do not, without converting it. The exit code is 1 if some do not.

    Examples:

      gcn2snn explain models:build

      gcn2snn explain models:build --input x=20x16 --input edge_index=2x60
    """
    from gcn2snn.cli.output import console, emit, table
    from gcn2snn.errors import ConfigError, ConversionError
    from gcn2snn.frontends import layer_fates

    if not is_own(target):
        raise ConfigError(f"{target!r} is no package.module:factory, for example models:build or net.gcn:GCN")
    if data is not None and inputs:
        raise ConfigError("--data brings the arguments and --input makes some up; give one of them")
    if check is not None and data is None and not inputs:
        raise ConfigError("--check says what the model is run on; give --data or --input too, or leave it out")
    own = Own(target, args, weights, data, data_dir, head)
    model = own.model()
    fates = layer_fates(model)
    refusals = [fate.refusal for fate in fates if fate.refusal is not None]
    steps: list[tuple[str, str, str]] | None = None
    if data is not None or inputs:
        try:
            steps, refusals = _steps(own, model, inputs or [], check), []
        except ConversionError as error:
            refusals = list(error.refusals)
    rows = [
        {"path": x.path, "what": x.what, "why": x.why, "instead": x.instead, "kind": IMPOSSIBLE[x.kind]}
        for x in refusals
    ]
    if as_json:
        content: dict[str, Any] = {"model": target, "converts": not rows if steps is not None or rows else None}
        emit(content | {"layers": _layers(fates), "refusals": rows, "steps": steps})
    else:
        screen = console(as_json)
        cells = [(x["path"] or "(the model)", x["layer"], x["becomes"] or "refused, see below") for x in _layers(fates)]
        screen.print(table(f"Layers of {target}", ("path", "layer", "becomes"), cells, ("layer",), ("becomes",)))
        if steps is not None:
            screen.print(table("Steps of the network", ("step", "is a", "sizes"), steps))
            screen.print("everything converts")
        for refusal in refusals:
            screen.print(f"- {refusal}", soft_wrap=True, markup=False)
        if rows:
            counts = ", ".join(f"{sum(x['kind'] == kind for x in rows)} {kind}" for kind in IMPOSSIBLE.values())
            screen.print(f"{len(rows)} refused: {counts}")
    if steps is None and not (data or inputs):
        note(_needs(model))
    elif steps is not None:
        hint(as_json, "gcn2snn convert {} --weights FILE --data {}", target, data or "DATA")
    if rows:
        raise typer.Exit(1)


def _layers(fates: list[LayerFate]) -> list[dict[str, str]]:
    return [{"path": x.path, "layer": x.layer, "becomes": x.becomes} for x in fates]


def _needs(model: Any) -> str:
    """That functions are seen only when the model runs, and what would let it run."""
    from gcn2snn.cli.own_data import argument_names

    needed, _ = argument_names(model)
    words = " ".join(f"--input {name}=..." for name in needed)
    return (
        f"only layers were looked at: what forward does besides is seen when it runs. It is called with {', '.join(needed)}; give "
        f"--data, or sizes: {words} (such as x=20x16, edge_index=2x60)"
    )


def _steps(own: Own, model: Any, inputs: list[str], check: str | None) -> list[tuple[str, str, str]]:
    """The nodes that the whole model becomes, before any scale is measured.

    Raises:
        ConversionError: with everything that does not convert.
    """
    from gcn2snn import ir
    from gcn2snn.cli.own_data import are_images, own_data, random_example
    from gcn2snn.cnn import calibration_batches, load_images
    from gcn2snn.config import ConvertConfig
    from gcn2snn.conversion import prepare

    if own.data is None:
        example: object = random_example(model, inputs)
    elif are_images(own.data):
        example = calibration_batches(load_images(own.data, "train", own.data_dir), "unit", 2)[0]
    else:
        example = own_data(model, own.data, own.data_dir).example
    more: dict[str, Any] = {"output": head_of(own.head), "check": check or "auto"}
    network = prepare(model, example, ConvertConfig(), **more)
    shown = [node for node in network if not isinstance(node, ir.Operator | ir.Result)]
    kinds = {ir.UncalibratedNeuron: "population", ir.UncalibratedCoder: "input coder"}
    sizes = {
        node.name: " x ".join("*" if size is None else str(size) for size in network.shapes[node.name])
        for node in shown
    }
    return [(node.name, kinds.get(type(node), type(node).__name__), sizes[node.name]) for node in shown]
