"""``gcn2snn plan``: memory, traffic and time of a graph network on several ranks, before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcn2snn.cli.loudness import hint
from gcn2snn.cli.options import AsJson

if TYPE_CHECKING:
    from gcn2snn.plan import Plan, Problem


def plan(
    nodes: Annotated[float, typer.Option(help="Nodes of the graph; 1e9 is understood.")],
    edges: Annotated[float, typer.Option(help="Entries of the adjacency, self-loops included.")],
    features: Annotated[int, typer.Option(help="Input features; 0: one-hot, the first layer is a table.")],
    classes: Annotated[int, typer.Option(help="Channels of the last layer.")],
    hidden: Annotated[
        list[int] | None, typer.Option(help="Channels of a hidden layer; repeat it for each one. [default: 64]")
    ] = None,
    ranks: Annotated[int, typer.Option(help="Processes that share the rows.")] = 1,
    network: Annotated[float, typer.Option(help="Gbit/s that a rank can receive.")] = 10.0,
    memory: Annotated[str | None, typer.Option(help="Of a rank, such as 64GB [what this machine has].")] = None,
    halo: Annotated[
        float | None, typer.Option(help="Rows of other ranks that a rank reads, if they were counted.")
    ] = None,
    device: Annotated[str, typer.Option(help="What is measured without --bench: cpu or cuda.")] = "cpu",
    bench: Annotated[
        Path | None, typer.Option(help="Output of `gcn2snn bench --group aggregate --group dense --json`: rates.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a graph network takes on several ranks: memory, bytes that travel, time, and how many ranks fit.

    The formulas are in docs/scaling.md. Without --bench this machine is measured for a few seconds.

    Examples:

      gcn2snn plan --nodes 1e6 --edges 3e7 --features 128 --classes 16 --ranks 4 --network 10

      gcn2snn plan --nodes 1e9 --edges 3e10 --features 128 --classes 100 --ranks 64 --memory 64GB --bench bench.json
    """
    from gcn2snn.cli.output import console, emit
    from gcn2snn.errors import ConfigError
    from gcn2snn.machine import device_named, memory_of
    from gcn2snn.memory import bytes_of
    from gcn2snn.plan import HALOS, Problem, least_ranks, make_plan, measured_rates, rates_of_bench

    if not (nodes.is_integer() and edges.is_integer()):  # false for NaN and infinity, too
        raise ConfigError(f"nodes is {nodes:g} and edges is {edges:g}; both are whole numbers, such as 1e9")
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"device is {device!r}; allowed are cpu and cuda")
    problem = Problem(int(nodes), int(edges), features, tuple(hidden or [64]), classes, ranks, 1e9 * network, halo)
    room = bytes_of(memory) if memory is not None else memory_of(device_named(device))
    if not room:
        raise ConfigError(f"memory is {memory}; a rank has some, such as 64GB")
    if bench is not None:
        rates = rates_of_bench(bench)
    else:
        widest = max(width for _, width in problem.widths)
        rates = measured_rates(problem.nodes, problem.edges, widest, device_named(device).type)
    plans: list[Plan] = []
    least: dict[str, dict[str, int | None]] = {}
    for how in HALOS if halo is not None else HALOS[:2]:
        plans += [make_plan(problem, "floats", how, rates), make_plan(problem, "phases", how, rates)]
        least[how] = {x.kind: least_ranks(problem, x.kind, how, rates, room) for x in plans[-2:]}
    if as_json:
        rows = {"plans": [x.to_dict() for x in plans], "memory": room, "least_ranks": least}
        emit({"problem": vars(problem) | {}, "rates": vars(rates) | {}} | rows)
        return
    screen = console(as_json)
    for part in (_totals(problem, plans, least, room), _layers(plans)):
        screen.print(part)
    told = f"{rates.floats:.3g} floats and {rates.phases:.3g} phases aggregated a second, {rates.dense:.3g} operations"
    screen.print(f"rates ({rates.source}): {told} of dense products", soft_wrap=True, markup=False)
    hint(as_json, "gcn2snn plan --json; docs/scaling.md holds the formulas against measurements")


def _totals(problem: Problem, plans: list[Plan], least: dict[str, dict[str, int | None]], room: int) -> object:
    from gcn2snn.cli.output import table

    rows = []
    for each in plans:
        needed = least[each.halo][each.kind]
        fits = "yes" if each.memory_of_a_rank <= room else "no"
        rows.append(
            (
                f"{each.halo} halo, {each.kind}",
                f"{each.halo_rows:,.0f}",
                _size(each.memory_of_a_rank),
                fits,
                "none" if needed is None else f"{needed:,}",
                _size(each.gathered),
                f"{each.seconds:.3g}",
            )
        )
    title = f"{problem.nodes:,} nodes, {problem.edges:,} entries on {problem.ranks:,} ranks of {_size(room)}"
    columns = ("", "halo rows", "memory a rank", "fits", "least ranks", "gathered", "seconds")
    return table(title, columns, rows, ("halo rows",))


def _layers(plans: list[Plan]) -> object:
    from gcn2snn.cli.output import table

    rows = [
        (
            f"{each.halo} halo, {each.kind}",
            f"{layer.number}",
            f"{layer.channels}",
            _size(layer.gathered),
            f"{layer.dense:.3g}",
            f"{layer.aggregate:.3g}",
            f"{layer.travel:.3g}",
        )
        for each in plans
        for layer in each.layers
    ]
    columns = ("", "layer", "channels", "gathered", "dense s", "aggregate s", "travel s")
    return table("Per layer", columns, rows, ("channels",))


def _size(number: float) -> str:
    """Bytes as they are read."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"
