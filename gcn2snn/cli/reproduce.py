"""``gcn2snn reproduce``: one figure or table of the paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from gcn2snn.cli.loudness import hint
from gcn2snn.cli.options import refuse_given
from gcn2snn.errors import ConfigError

Strings = list[str] | None


def reproduce(
    context: typer.Context,
    item: Annotated[
        str,
        typer.Argument(
            help="fig1 ... fig10, table1 ... table8, planetoid, motifs, tcurve, codings; "
            "'list' shows them all, and the options that each takes"
        ),
    ],
    out: Annotated[Path, typer.Option(help="folder for pictures and tables")] = Path("out"),
    data_dir: Annotated[Path | None, typer.Option(help="where datasets are found and kept")] = None,
    rows: Annotated[Strings, typer.Option(help="rows of a table; repeat or separate with commas")] = None,
    datasets: Annotated[Strings, typer.Option(help="datasets; repeat or separate with commas")] = None,
    seeds: Annotated[int | None, typer.Option(help="training seeds")] = None,
    modes: Annotated[Strings, typer.Option(help="variants to compare; repeat or separate with commas")] = None,
    limit: Annotated[int | None, typer.Option(help="use at most this many test inputs")] = None,
    weights: Annotated[
        Strings, typer.Option(help="NAME=FILE, trained weights of a model, or the run folder that holds them; repeat")
    ] = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="leave broken run folders out")] = False,
    trials: Annotated[
        int | None, typer.Option(help="configurations that the tuned mode of table5 and opponents tries")
    ] = None,
    max_loss: Annotated[
        float | None, typer.Option(help="points that the tuned mode of table5 and opponents may lose")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the numbers as JSON")] = False,
) -> None:
    """Compute one figure or table of the paper, and write the picture and the numbers behind it.

    Examples:

      gcn2snn reproduce list

      gcn2snn reproduce fig6 --out figures
    """
    from gcn2snn.reproduce import ReproduceOptions, item_named, refuse_unused
    from gcn2snn.reproduce import reproduce as run

    given = [field.name for field in fields(ReproduceOptions) if _typed(context, field.name)]
    if item == "list":
        given += ["out"] if _typed(context, "out") else []
        refuse_given(dict.fromkeys(given, True), "list only shows what there is")
        typer.echo(_listed(as_json))
        hint(as_json, "gcn2snn reproduce ITEM")
        return
    refuse_unused(item_named(item), given)
    options = ReproduceOptions(
        data_dir,
        _split(rows),
        _split(datasets),
        seeds,
        _split(modes),
        limit,
        _weights(weights or []),
        keep_going,
        trials,
        max_loss,
    )
    result = run(item, out, options)
    typer.echo(json.dumps(result, indent=2) if as_json else "\n".join(_lines(result)))
    if item.lower() == "table5":
        hint(as_json, "gcn2snn report {}", out)
    else:
        hint(as_json, "gcn2snn reproduce list")


def _typed(context: typer.Context, name: str) -> bool:
    """Whether an option is on the command line, whatever its value is."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _listed(as_json: bool) -> str:
    """Every item: what it is, how long it takes, and the options that it takes."""
    from gcn2snn.reproduce import ITEMS, flags

    if as_json:
        rows = {
            name: {
                "what": item.what,
                "time": item.time,
                "options": flags(item.options).split(", ") if item.options else [],
            }
            for name, item in sorted(ITEMS.items())
        }
        return json.dumps(rows, indent=2)
    lines = []
    for name, item in sorted(ITEMS.items()):
        options = f"  options: {flags(item.options)}" if item.options else ""
        lines.append("\n".join(filter(None, (f"{name}: {item.what} ({item.time})", options))))
    return "\n".join(lines)


def _split(values: Strings) -> tuple[str, ...]:
    return tuple(part.strip() for value in values or [] for part in value.split(",") if part.strip())


def _weights(pairs: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise ConfigError(f"--weights {pair!r} is not NAME=FILE, for example --weights vgg16=vgg16.safetensors")
        found[name] = Path(file)
    return found


def _lines(result: dict[str, Any]) -> list[str]:
    """The result as text: the table an item formatted itself under "text", else its scalars, then the files."""
    lines = [str(result["text"])] if "text" in result else []
    if not lines:
        lines = [f"{key}: {value}" for key, value in result.items() if not isinstance(value, list | dict)]
    return lines + [f"wrote {file}" for file in result.get("files", [])]
