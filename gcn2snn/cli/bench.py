"""``gcn2snn bench``: kernels against their named peers, in one run, on text graphs and synthetic matrices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcn2snn.cli.loudness import hint
from gcn2snn.cli.output import console, emit, table

if TYPE_CHECKING:
    from gcn2snn.bench import BenchConfig, Case, Measurement


def bench(
    graph: Annotated[list[str] | None, typer.Option(help="A text graph, for example r8; may be repeated.")] = None,
    entries: Annotated[
        list[float] | None, typer.Option(help="Entries of a synthetic matrix, for example 1e6; may be repeated.")
    ] = None,
    shape: Annotated[
        list[str] | None, typer.Option(help="uniform or power-law; may be repeated [default: both].")
    ] = None,
    features: Annotated[
        bool, typer.Option(help="A random graph with the sizes of Cora and its share of features.")
    ] = False,
    images: Annotated[
        list[int] | None, typer.Option(help="Convolutions and ResNet-20 on that many images; may be repeated.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="ResNet-20 weights for --images [default: random].")] = None,
    channels: Annotated[int, typer.Option(help="Columns of the dense operand.")] = 200,
    group: Annotated[
        list[str] | None, typer.Option(help="A group, or text in the names of several; may be repeated.")
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option(help="A case, or text in the names of several; may be repeated.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Timed rounds after the one that warms up.")] = 9,
    seconds: Annotated[float, typer.Option(help="A case gets fewer rounds when that many would take longer.")] = 20.0,
    clock: Annotated[
        str | None, typer.Option(help="cpu: processor time, which busy machines hardly change, or wall [cuda: wall].")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of torch and of the kernels [1 with processor time].")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    plot: Annotated[Path | None, typer.Option(help="Draw time against entries to this file (png, svg, pdf).")] = None,
    plot_events: Annotated[
        Path | None, typer.Option(help="Draw the ratio to the source against the events that remain.")
    ] = None,
    commands: Annotated[
        bool, typer.Option(help="Whole commands: their cold start, and --network's evaluation.")
    ] = False,
    network: Annotated[
        Path | None,
        typer.Option(
            help="With --commands: a converted network to evaluate. With --graph: one of that graph, to time."
        ),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder to search first for datasets.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output, the rest on standard error.")
    ] = False,
    markdown: Annotated[bool, typer.Option(help="Tables as Markdown.")] = False,
) -> None:
    """Time the kernels against torch, PyG, DGL and SciPy in interleaved rounds of one process.

    Examples:

      gcn2snn bench --entries 1e5 --shape uniform --channels 64

      gcn2snn bench --graph r8 --case aggregate --markdown
    """
    from gcn2snn.bench import BenchConfig

    config = BenchConfig(
        graphs=tuple(graph or ()),
        entries=tuple(entries or ()),
        shapes=tuple(shape or ()),
        features=features,
        images=tuple(images or ()),
        weights=weights,
        groups=tuple(group or ()),
        cases=tuple(case or ()),
        channels=channels,
        rounds=rounds,
        seconds=seconds,
        clock=clock,
        threads=threads,
        device=device,
        plot=plot,
        plot_events=plot_events,
        commands=commands,
        network=network,
    )
    _run(config, data_dir, as_json, markdown)


def _run(config: BenchConfig, data_dir: Path | None, as_json: bool, markdown: bool) -> None:
    import sys
    import warnings

    import torch

    from gcn2snn.bench import PowerCounter, copy_bandwidth, left_out, measure
    from gcn2snn.kernels import backend
    from gcn2snn.machine import environment

    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
    if config.threads is not None or config.timer == "cpu":
        torch.set_num_threads(config.threads or 1)
    if config.device == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # peers of kernels with float32's precision
    out = console(as_json)
    about: dict[str, Any] = backend.describe(config.device)
    rate = copy_bandwidth(config.device, clock=config.timer)
    about |= {"copy_gb_per_s": rate / 1e9, "channels": config.channels, "rounds": config.rounds, "clock": config.timer}
    cells = (f"{key} {value:.1f}" if isinstance(value, float) else f"{key} {value}" for key, value in about.items())
    out.print(", ".join(cells))
    power = PowerCounter()
    out.print(
        "joules: of the whole processor, other processes included" if power.readable else f"joules: {power.missing}"
    )
    _refuse_unreadable(config, data_dir)
    results: list[Measurement] = []
    problems: list[dict[str, Any]] = []
    for problem, cases in _problems(config, data_dir):
        problems.append(_described(problem))
        found = measure(
            problem,
            cases,
            rounds=config.rounds,
            seconds=config.seconds,
            clock=config.timer,
            bandwidth=rate,
            tell=lambda line: print(line, file=sys.stderr),
        )
        _show(out, problems[-1], [result for result in found if result.applies], markdown)
        for line in left_out(found):
            out.print(f"\n{line}", soft_wrap=True, markup=False)
        results.extend(found)
    if config.plot is not None:
        from gcn2snn.bench import plot as draw

        draw(results, {p["name"]: p["entries"] for p in problems if "entries" in p}, config.plot)
        out.print(f"wrote {config.plot}")
    if config.plot_events is not None:
        from gcn2snn.bench import plot_events

        plot_events(results, config.plot_events)
        out.print(f"wrote {config.plot_events}")
    hint(as_json, "gcn2snn bench -h lists --group, --case and --plot")
    if as_json:
        measured = [result.as_json() for result in results]
        emit({"environment": environment(), **about, "problems": problems, "results": measured})


def _refuse_unreadable(config: BenchConfig, data_dir: Path | None) -> None:
    """Read every graph but the first, which is read next anyway: the last one's turn comes after all measurements before.

    Raises:
        DataError, ArtefactError: one cannot be read.
    """
    from gcn2snn.datasets import load_graph

    for name in config.graphs[1:]:
        load_graph(name, data_dir)


def _problems(config: BenchConfig, data_dir: Path | None) -> Iterator[tuple[Any, list[Case]]]:
    """Each problem when its turn comes, and the cases to measure on it."""
    from gcn2snn.bench import SHAPES, CommandProblem, ImageProblem, feature_graph, synthetic, text_graph

    for name in config.graphs:
        yield text_graph(name, config.channels, config.device, data_dir, config.network), config.matrix_cases
    if config.features:
        yield feature_graph(config.channels, config.device), config.matrix_cases
    for count in config.sizes:
        for kind in config.shapes or SHAPES:
            yield synthetic(count, kind, config.channels, config.device), config.matrix_cases
    for count in config.images:
        yield ImageProblem(count, config.weights, config.device), config.image_cases
    if config.commands:
        yield CommandProblem(config.network, data_dir), config.command_cases


def _described(problem: Any) -> dict[str, Any]:
    """Name and size of a problem, for the output."""
    from gcn2snn.bench import CommandProblem, ImageProblem

    if isinstance(problem, ImageProblem):
        return {"name": problem.name, "images": problem.count}
    if isinstance(problem, CommandProblem):
        return {"name": problem.name, "network": None if problem.network is None else str(problem.network)}
    matrix = problem.matrix
    longest = int(matrix.rowptr.diff().max())
    return {"name": problem.name, "nodes": matrix.shape[0], "entries": matrix.nnz, "longest_row": longest}


def _show(out: Any, problem: dict[str, object], results: list[Measurement], markdown: bool) -> None:
    from gcn2snn.bench import report

    for group in dict.fromkeys(result.group for result in results):
        size = f" ({problem['nodes']:,} nodes, {problem['entries']:,} entries)" if "nodes" in problem else ""
        title = f"{problem['name']}{size}: {group}"
        rows = [result for result in results if result.group == group]
        if markdown:
            out.print(f"\n{title}\n\n{report.markdown(rows)}", soft_wrap=True, markup=False)
        else:
            out.print(table(title, report.COLUMNS, [report.row(result) for result in rows]))
