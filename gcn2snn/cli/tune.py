"""``gcn2snn tune``: search what each population needs, on validation data, and write the network the rule picks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcn2snn.cli.train import AsJson, DataDir

if TYPE_CHECKING:
    from gcn2snn.tune import Point, TuneConfig


def tune(
    run: Annotated[Path, typer.Argument(help="Run folder of `gcn2snn train`.")],
    trials: Annotated[int, typer.Option(help="Configurations to try.")] = 80,
    max_loss: Annotated[
        float | None, typer.Option(help="Points of validation accuracy that may be lost; default 0.3.")
    ] = None,
    min_alpha: Annotated[
        float | None, typer.Option(help="Instead: the most accurate with at least this alpha.")
    ] = None,
    max_timesteps: Annotated[int, typer.Option(help="Largest T of any population.")] = 16,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
    out: Annotated[Path | None, typer.Option(help="File to write, default RUN/tuned.safetensors.")] = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the Pareto front of accuracy against energy. An interrupted search continues where it was."""
    from gcn2snn.errors import ConfigError
    from gcn2snn.tune import TuneConfig

    if max_loss is not None and min_alpha is not None:
        raise ConfigError("--max-loss takes the cheapest and --min-alpha the most accurate; give one of them")
    rule = {"min_alpha": min_alpha} if min_alpha is not None else {"max_loss": 0.3 if max_loss is None else max_loss}
    config = TuneConfig(trials=trials, seed=seed, max_timesteps=max_timesteps, **rule)
    _tune_run(run, out or run / "tuned.safetensors", config, data_dir, force, as_json)


def _tune_run(run: Path, out: Path, config: TuneConfig, data_dir: Path | None, force: bool, as_json: bool) -> None:
    from gcn2snn import artefact
    from gcn2snn.checkpoint import save_json
    from gcn2snn.cli.convert import graph_of, origin_of, refuse_existing
    from gcn2snn.cli.output import console, emit, megabytes, table
    from gcn2snn.conversion import convert
    from gcn2snn.errors import InterruptedRunError
    from gcn2snn.evaluation import evaluate
    from gcn2snn.runs import load_model, peak_memory, read_run, validation_of
    from gcn2snn.tune import Problem
    from gcn2snn.tune import tune as search

    summary = read_run(run)
    refuse_existing(out, force)
    graph = graph_of(summary, data_dir)
    model = load_model(run, graph)
    problem = Problem(model, [validation_of(summary, graph)])
    with _progress(config.trials) as on_trial:
        try:
            result = search(problem, config, run / "tune.journal", on_trial)
        except KeyboardInterrupt:
            raise InterruptedRunError("interrupted; the same command continues the search where it was") from None
    snn = convert(model, graph, result.chosen.config)
    artefact.save(snn, out, {**origin_of(summary), "run": str(run)})
    save_json(run / "tune.json", result.to_dict())
    test = evaluate(snn, graph)  # the only place where test labels are read
    if as_json:
        content = result.to_dict() | {"snn": str(out), "run": str(run), "dataset": summary["dataset"]}
        emit(content | {"test": test.to_dict(), "peak_memory_bytes": peak_memory()})
        return
    rows = [_cells(point, result.source_accuracy, point is result.chosen) for point in result.front]
    if result.chosen not in result.front:
        rows.append(_cells(result.chosen, result.source_accuracy, True))
    columns = ("validation accuracy %", "loss", "same prediction %", "alpha (events)", "alpha (Eq. 6)", "")
    screen = console(as_json)
    screen.print(table(f"Front of {len(result.points)} configurations, validation data", columns, rows))
    screen.print(
        f"test data, read once now: ANN {test.ann.accuracy:.2f} %, SNN {test.snn.accuracy:.2f} %, "
        f"alpha {test.energy.alpha_events:.1f} by events, {test.energy.alpha_eq6:.1f} by Eq. 6\n"
        f"written to {out}; peak memory {megabytes(peak_memory())}"
    )


def _cells(point: Point, source: float, chosen: bool) -> tuple[str, ...]:
    return (
        f"{point.accuracy:.2f}", f"{source - point.accuracy:+.2f}", f"{point.agreement:.2f}",
        f"{point.alpha:.1f}", f"{point.alpha_eq6:.1f}", "chosen" if chosen else "",
    )  # fmt: skip


class _progress:  # noqa: N801 - used as a function
    """A bar on standard error that shows the newest point."""

    def __init__(self, trials: int):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        screen = Console(stderr=True)
        columns = (
            TextColumn("tuning"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self.bar = Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True)
        self.task = self.bar.add_task("", total=trials)

    def __enter__(self) -> Any:
        self.bar.start()
        return self.update

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def update(self, done: int, point: Point) -> None:
        text = f"accuracy {point.accuracy:.2f} %  alpha {point.alpha:.1f}"
        self.bar.update(self.task, completed=done, description=text)
