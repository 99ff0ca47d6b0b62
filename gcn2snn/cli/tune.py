"""``gcn2snn tune``: search what each population needs, on validation data, and write the network the rule picks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcn2snn.cli.loudness import hint
from gcn2snn.cli.options import AsJson, DataDir, MovedCorpus, Tokeniser, given, refuse_given, refuse_other_format
from gcn2snn.cli.own_models import Arguments, Own, is_own, short_name

if TYPE_CHECKING:
    from gcn2snn.config import ConvertConfig
    from gcn2snn.tune import Point, Problem, TuneConfig, TuneResult


def tune(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|MODULE:FACTORY",
            help="Run folder of `gcn2snn train`, or what makes a model of your own, such as models:build.",
        ),
    ],
    trials: Annotated[int | None, typer.Option(help="Configurations to try [default 150; at least 1].")] = None,
    max_loss: Annotated[
        float | None, typer.Option(help="Points of validation accuracy that may be lost [default 0.3; at least 0].")
    ] = None,
    min_alpha: Annotated[
        float | None, typer.Option(help="Instead: the most accurate with at least this alpha [above 0].")
    ] = None,
    max_timesteps: Annotated[int, typer.Option(help="Largest T of any population [1 to 255].")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    images: Annotated[
        int | None, typer.Option(help="Images: training images that stand for validation data [default 500].")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write, default RUN/tuned.safetensors.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Own model: trained weights, .pt or .safetensors.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Own model: cora, citeseer, a .pt file with val_mask too, digits, cifar10 or a class folder."
        ),
    ] = None,
    args: Arguments = None,
    corpus: MovedCorpus = None,
    tokeniser: Tokeniser = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the Pareto front of accuracy against energy. An interrupted search continues where it was.

    Examples:

      gcn2snn tune runs/r8

      gcn2snn tune runs/r8 --max-loss 1 --trials 40 --out cheap.safetensors

      gcn2snn tune models:build --weights gcn.pt --data cora
    """
    from gcn2snn.cli.origins import is_image_run
    from gcn2snn.errors import ConfigError
    from gcn2snn.files import refuse_existing
    from gcn2snn.tune import TuneConfig

    if max_loss is not None and min_alpha is not None:
        raise ConfigError(
            "--max-loss picks the cheapest network and --min-alpha the most accurate one; give one of the two"
        )
    rule = {"max_loss": max_loss, "min_alpha": min_alpha, "trials": trials}
    config = TuneConfig(seed=seed, max_timesteps=max_timesteps, **given(rule))
    if is_own(run):
        from gcn2snn.cli.own import needed_data

        refuse_given({"corpus": corpus, "tokeniser": tokeniser}, f"{run} is your own model")
        own, folder = Own(str(run), args, weights, data, data_dir, None), Path(f"{short_name(str(run))}-tune")
        needed_data(own, "configurations are compared on validation data")
        refuse_other_format(out, ".safetensors")
        target = out or folder / "tuned.safetensors"
        refuse_existing(target, force)
        task = _own_task(own, target, images)
        folder.mkdir(exist_ok=True)
        _show(run, target, _search(task, folder, config), task, as_json)
        return
    refuse_given({"weights": weights, "data": data, "args": args}, "it goes with a model of your own, MODULE:FACTORY")
    _refuse_network(run)
    refuse_other_format(out, ".safetensors")
    target = out or run / "tuned.safetensors"
    refuse_existing(target, force)
    if is_image_run(run):
        refuse_given({"corpus": corpus, "tokeniser": tokeniser}, f"{run} is a run on images")
        task = _image_task(run, target, images, data_dir)
    else:
        refuse_given({"images": images}, f"{run} is a run on a graph")
        task = _graph_task(run, target, data_dir, corpus, tokeniser)
    _show(run, target, _search(task, run, config), task, as_json)


def _refuse_network(file: Path) -> None:
    """Say why a converted network cannot be tuned, instead of calling it no run folder.

    Raises:
        ArtefactError: it is a file and no run folder.
    """
    from gcn2snn.errors import ArtefactError

    if file.is_file():
        raise ArtefactError(
            f"{file} is a file; a run folder of `gcn2snn train` is needed. A search converts the trained model anew for "
            f"each configuration, and a converted network holds its weights in one converted form only. For a model of "
            f"your own, tune in Python: gcn2snn.tune.tune(Problem(model, [(example, labels)]))"
        )


@dataclass(frozen=True)
class _Task:
    """What is tuned, and how the chosen configuration becomes a file and test scores (JSON values)."""

    problem: Problem
    dataset: object
    finish: Callable[[ConvertConfig], dict[str, Any]]


def _graph_task(run: Path, target: Path, data_dir: Path | None, corpus: Path | None, tokeniser: str | None) -> _Task:
    from gcn2snn import artefact
    from gcn2snn.cli.origins import graph_of, origin_of
    from gcn2snn.conversion import convert
    from gcn2snn.evaluation import evaluate
    from gcn2snn.run_folder import read_run
    from gcn2snn.textgcn import load_model, validation_of
    from gcn2snn.tune import Problem

    summary = read_run(run, "graph")
    graph = graph_of(summary, data_dir, corpus, tokeniser)
    model = load_model(run, graph)

    def finish(config: ConvertConfig) -> dict[str, object]:
        snn = convert(model, graph, config)
        artefact.save(snn, target, {**origin_of(summary), "run": str(run)}, force=True)
        return evaluate(snn, graph).to_dict()  # the only place where test labels are read

    return _Task(Problem(model, [validation_of(summary, graph)]), summary["dataset"], finish)


def _own_task(own: Own, target: Path, images: int | None) -> _Task:
    from gcn2snn.cli.own import finished, problem_of

    problem, data = problem_of(own, images)
    return _Task(problem, {"dataset": data}, lambda config: finished(own, target, config))


def _image_task(run: Path, target: Path, images: int | None, data_dir: Path | None) -> _Task:
    from gcn2snn.cnn import convert_images, evaluate_images, image_problem

    count = 500 if images is None else images
    problem, data = image_problem(run, count, data_dir)

    def finish(config: ConvertConfig) -> dict[str, object]:
        convert_images(target, run=run, config=config, data_dir=data_dir, calibration_images=count, force=True)
        return evaluate_images(target, data_dir=data_dir)  # the only place where test images are read

    return _Task(problem, {"dataset": data}, finish)


def _search(task: _Task, run: Path, config: TuneConfig) -> TuneResult:
    from gcn2snn.cli.progress import trials_shown
    from gcn2snn.errors import InterruptedRunError, exit_code_of
    from gcn2snn.files import save_json
    from gcn2snn.tune import choose, search

    with trials_shown(config.trials) as on_trial:
        try:
            result = search(task.problem, config, run / "tune.journal", on_trial)
        except KeyboardInterrupt as stop:
            text = "interrupted; the same command continues the search where it was"
            raise InterruptedRunError(text, exit_code_of(stop)) from None
    choose(result.points, config)
    save_json(run / "tune.json", result.to_dict())
    return result


def _show(run: Path, target: Path, result: TuneResult, task: _Task, as_json: bool) -> None:
    from gcn2snn.cli.output import console, counted, emit, megabytes, table
    from gcn2snn.machine import peak_memory

    test = task.finish(result.chosen.config)
    if as_json:
        content = result.to_dict() | {"snn": str(target), "run": str(run), "dataset": task.dataset}
        emit(content | {"test": test, "peak_memory_bytes": peak_memory()})
        return
    rows = [_cells(point, point is result.chosen) for point in result.front]
    if result.chosen not in result.front:
        rows.append(_cells(result.chosen, True))
    columns = (
        "estimated loss",
        "validation accuracy %",
        "same prediction %",
        "alpha (events)",
        "alpha (Eq. 6)",
        "alpha (memory)",
        "",
    )
    screen = console(as_json)
    title = f"Front of {counted(len(result.points), 'configuration')}, validation data (source {result.source_accuracy:.2f} %)"
    screen.print(table(title, columns, rows, ("same prediction %", "alpha (Eq. 6)", "estimated loss")))
    screen.print(
        f"test data, read once now: ANN {test['ann']['accuracy']:.2f} %, SNN {test['snn']['accuracy']:.2f} %, "
        f"alpha {test['alpha']['events']:.1f} by events, {test['alpha']['eq6']:.1f} by Eq. 6\n"
        f"written to {target}; peak memory {megabytes(peak_memory())}"
    )
    hint(as_json, "gcn2snn evaluate {}", target)


def _cells(point: Point, chosen: bool) -> tuple[str, ...]:
    return (
        f"{point.loss:+.2f}", f"{point.accuracy:.2f}", f"{point.agreement:.2f}",
        f"{point.alpha:.1f}", f"{point.alpha_eq6:.1f}", f"{point.alpha_total:.1f}", "chosen" if chosen else "",
    )  # fmt: skip
