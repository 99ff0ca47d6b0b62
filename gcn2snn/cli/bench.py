"""``gcn2snn bench``: kernels against their named peers, in one run, on text graphs and synthetic matrices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcn2snn.cli.output import console, emit, table

if TYPE_CHECKING:
    from gcn2snn.bench import Measurement, Problem


def bench(
    graph: Annotated[list[str] | None, typer.Option(help="A text graph, for example r8; may be repeated.")] = None,
    entries: Annotated[
        list[float] | None, typer.Option(help="Entries of a synthetic matrix, for example 1e6; may be repeated.")
    ] = None,
    shape: Annotated[
        list[str] | None, typer.Option(help="uniform or power-law; may be repeated [default: both].")
    ] = None,
    images: Annotated[
        list[int] | None, typer.Option(min=1, help="Convolutions and ResNet-20 on that many images; may be repeated.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="ResNet-20 weights for --images [default: random].")] = None,
    channels: Annotated[int, typer.Option(min=1, help="Columns of the dense operand.")] = 200,
    group: Annotated[
        list[str] | None, typer.Option(help="A group, or text in the names of several; may be repeated.")
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option(help="A case, or text in the names of several; may be repeated.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds after the one that warms up.")] = 9,
    seconds: Annotated[float, typer.Option(help="A case gets fewer rounds when that many would take longer.")] = 20.0,
    clock: Annotated[
        str, typer.Option(help="wall, or cpu: processor time, for busy machines (use --threads 1).")
    ] = "wall",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch and of the kernels.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    plot: Annotated[Path | None, typer.Option(help="Draw time against entries to this file (png, svg, pdf).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder to search first for datasets.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output, the rest on standard error.")
    ] = False,
    markdown: Annotated[bool, typer.Option(help="Tables as Markdown.")] = False,
) -> None:
    """Time the kernels against torch, PyG, DGL and SciPy in interleaved rounds of one process."""
    import sys
    import warnings

    import torch

    from gcn2snn.bench import CASES, IMAGE_CASES, ImageProblem, copy_bandwidth, measure, synthetic, text_graph
    from gcn2snn.checkpoint import environment
    from gcn2snn.errors import ConfigError
    from gcn2snn.kernels.backend import describe

    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"device is {device!r}; allowed are cpu and cuda")
    if clock not in ("wall", "cpu") or (clock, device) == ("cpu", "cuda"):
        raise ConfigError(f"clock is {clock!r} on {device}; allowed are wall, and on a CPU also cpu")
    if threads is not None:
        torch.set_num_threads(threads)
    if images and device != "cpu":
        raise ConfigError("--images runs on a CPU; leave --device out")
    known = [*CASES.values(), *IMAGE_CASES.values()]
    groups, names = {c.group for c in known}, {c.name for c in known}
    fits = [c for c in known if _matches(c.group, group, groups) and _matches(c.name, case, names)]
    chosen, of_images = ([c for c in fits if c in registry.values()] for registry in (CASES, IMAGE_CASES))
    if (images and not of_images) or not (chosen or images):
        listed = ", ".join(dict.fromkeys(c.group for c in known))
        raise ConfigError(f"no case matches --group {group} --case {case}; groups are: {listed}")
    if not graph and not entries and not images:
        entries = [1e5, 1e6]
    out = console(as_json)
    rate = copy_bandwidth(device, clock=clock)
    about = {**describe(device), "copy_gb_per_s": rate / 1e9, "channels": channels, "rounds": rounds, "clock": clock}
    out.print(
        ", ".join(
            f"{key} {value:.1f}" if isinstance(value, float) else f"{key} {value}" for key, value in about.items()
        )
    )
    results: list[Measurement] = []
    problems: list[dict[str, Any]] = []

    def run(problem: Problem) -> None:
        size = {"nodes": problem.matrix.shape[0], "entries": problem.matrix.nnz}
        problems.append({"name": problem.name, **size, "longest_row": int(problem.matrix.rowptr.diff().max())})
        found = measure(
            problem,
            chosen,
            rounds=rounds,
            seconds=seconds,
            clock=clock,
            bandwidth=rate,
            tell=lambda line: print(line, file=sys.stderr),
        )
        _show(out, problems[-1], found, markdown)
        results.extend(found)

    for name in graph or []:
        run(text_graph(name, channels, device, data_dir))
    for count in entries or []:
        for kind in shape or ["uniform", "power-law"]:
            run(synthetic(int(count), kind, channels, device))
    for count in images or []:
        image_problem = ImageProblem(count, weights)
        problems.append({"name": image_problem.name, "images": count})
        found = measure(
            image_problem,  # type: ignore[arg-type]
            of_images,
            rounds=rounds,
            seconds=seconds,
            clock=clock,
            tell=lambda line: print(line, file=sys.stderr),
        )
        _show(out, problems[-1], found, markdown)
        results.extend(found)
    if plot is not None:
        from gcn2snn.bench.report import plot as draw

        draw(results, {p["name"]: p["entries"] for p in problems if "entries" in p}, plot)
        out.print(f"wrote {plot}")
    if as_json:
        measured = [result.as_json() for result in results]
        emit({"environment": environment(), **about, "problems": problems, "results": measured})


def _matches(name: str, wanted: list[str] | None, known: set[str]) -> bool:
    """A whole name chooses itself only; any other text chooses every name that holds it."""
    return not wanted or any(name == text or (text not in known and text in name) for text in wanted)


def _show(out: Any, problem: dict[str, Any], results: list[Measurement], markdown: bool) -> None:
    from gcn2snn.bench import report

    for group in dict.fromkeys(result.group for result in results):
        size = f" ({problem['nodes']:,} nodes, {problem['entries']:,} entries)" if "nodes" in problem else ""
        title = f"{problem['name']}{size}: {group}"
        rows = [result for result in results if result.group == group]
        if markdown:
            out.print(f"\n{title}\n\n{report.markdown(rows)}", soft_wrap=True, markup=False)
        else:
            out.print(table(title, report.COLUMNS, [report.row(result) for result in rows]))
