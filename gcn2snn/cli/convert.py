"""``gcn2snn convert``: a run folder (or a CNN's weights) -> a spiking network in one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcn2snn.cli.loudness import hint, note
from gcn2snn.cli.options import (
    AsJson,
    Check,
    DataDir,
    Memory,
    MovedCorpus,
    Tokeniser,
    given,
    refuse_given,
    refuse_other_format,
)
from gcn2snn.cli.origins import graph_of, origin_of
from gcn2snn.cli.own_models import Arguments, Head, Own, is_own
from gcn2snn.cli.ranks import convert_on_ranks, refuse_on_ranks
from gcn2snn.cli.settings import setting
from gcn2snn.cli.tables import conversion_tables
from gcn2snn.config import ConvertConfig
from gcn2snn.file_names import shell_word, why_not_there

if TYPE_CHECKING:
    from gcn2snn.graph import Graph

SCALES = "What gives a scale: the maximum, a percentile, or the least encoding error; auto: chosen by measuring"
CORRECTIONS = "With mean each channel sends its mean activation; auto: chosen by measuring"


def convert(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN|MODULE:FACTORY",
            help="Run folder of `gcn2snn train`, or what makes a model of your own, such as models:build.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write, default RUN/snn.safetensors.")] = None,
    base: Annotated[float | None, setting(ConvertConfig, "base")] = None,
    timesteps: Annotated[int | None, setting(ConvertConfig, "timesteps", text="Phases T of the phase code")] = None,
    group: Annotated[int | None, setting(ConvertConfig, "group")] = None,
    message: Annotated[str | None, setting(ConvertConfig, "message")] = None,
    scale: Annotated[str | None, setting(ConvertConfig, "scale", text=SCALES)] = None,
    percentile: Annotated[
        float | None, setting(ConvertConfig, "percentile", text="With --scale percentile: which one")
    ] = None,
    per: Annotated[
        str | None, setting(ConvertConfig, "per", text="One scale per layer or per channel; auto: chosen by measuring")
    ] = None,
    one_hot: Annotated[str | None, setting(ConvertConfig, "one_hot")] = None,
    no_shift: Annotated[
        bool, typer.Option("--no-shift", help="Thresholds without the midpoint shift (Eq. 3).")
    ] = False,
    last: Annotated[str | None, setting(ConvertConfig, "last")] = None,
    residual: Annotated[str | None, setting(ConvertConfig, "residual")] = None,
    correct: Annotated[str | None, setting(ConvertConfig, "correct", text=CORRECTIONS)] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="The paper's setting: Q = 1.3, layer maxima, no correction of means.")
    ] = False,
    accuracy_first: Annotated[
        bool, typer.Option("--accuracy-first", help="Also try groups of neurons, which cost neurons but no spikes.")
    ] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Weights rounded to 8 bits per output channel.")] = False,
    events: Annotated[float | None, setting(ConvertConfig, "events")] = None,
    horizon: Annotated[float | None, setting(ConvertConfig, "horizon")] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Fit the values that a horizon leaves of a one-hot input's messages anew.")
    ] = False,
    refit_ridge: Annotated[float | None, setting(ConvertConfig, "refit_ridge", note="With --refit")] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME:KEY=VALUE,... for one population; keys base, timesteps, group, scale, per, last, events, horizon, refit."
        ),
    ] = None,
    wait: Annotated[
        int | None,
        setting(ConvertConfig, "wait", text="Wait timestep w; without it neurons wait for all input, which is exact"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Images: a network, with --weights and --data instead of a run.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Images, own model: trained weights, .pt or .safetensors.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Images: digits, cifar10, cifar100 or a class folder. Own model: also cora, citeseer, or a .pt file with x, "
            "edge_index, y and test_mask (or what the model takes)."
        ),
    ] = None,
    args: Arguments = None,
    head: Head = None,
    check: Check = None,
    stem: Annotated[str | None, typer.Option(help="Images: cifar or imagenet, for models that have both.")] = None,
    normalise: Annotated[str | None, typer.Option(help="Images: how they were normalised in training.")] = None,
    input_code: Annotated[str | None, setting(ConvertConfig, "input", "--input")] = None,
    calibration_images: Annotated[
        int | None, typer.Option(help="Images: training images for the scales [default 1000].")
    ] = None,
    corpus: MovedCorpus = None,
    tokeniser: Tokeniser = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    memory: Memory = None,
    as_json: AsJson = False,
) -> None:
    """Convert a trained network: every neuron fires at most once, no retraining.

    Without --base, --scale, --per and --correct, several settings are tried on the calibration data, and the first one that
    is about as good as the best is taken; the table says what each of them gave.

    Examples:

      gcn2snn convert runs/r8

      gcn2snn convert runs/r8 --base 1.2 --timesteps 24 --out r8-24.safetensors

      gcn2snn convert models:build --weights gcn.pt --data cora --args '{"hidden": 16}'
    """
    refuse_other_format(out, ".safetensors")
    options: dict[str, Any] = {
        "base": base,
        "timesteps": timesteps,
        "group": group,
        "message": message,
        "scale": scale,
        "percentile": percentile,
    }
    options |= {
        "per": per,
        "one_hot": one_hot,
        "correct": correct,
        "events": events,
        "horizon": horizon,
        "wait": wait,
        "last": last,
        "residual": residual,
    }
    options |= {"shift": False if no_shift else None, "weights": "int8" if int8 else None, "input": input_code}
    options |= {"layers": _layers(layer or []) or None, "refit": refit or None, "refit_ridge": refit_ridge}
    if refit_ridge is not None and not refit and not any("refit" in own for own in (options["layers"] or {}).values()):
        refuse_given({"refit_ridge": refit_ridge}, "nothing is refitted; it goes with --refit")
    if percentile is not None and "percentile" not in (
        scale,
        *(own.get("scale") for own in (options["layers"] or {}).values()),
    ):
        refuse_given({"percentile": percentile}, "no scale is a percentile; it goes with --scale percentile")
    source: dict[str, object] = {"model": model, "weights": weights, "data": data, "stem": stem, "normalise": normalise}
    source["calibration_images"] = calibration_images
    config = ConvertConfig.paper(**given(options)) if paper else ConvertConfig(**given(options))
    from gcn2snn.cli.images import convert as convert_images
    from gcn2snn.cli.origins import is_image_run

    alone = {"a model of your own": run is not None and is_own(run)}
    alone["a network on images"] = model is not None or (run is not None and run.exists() and is_image_run(run))
    refuse_on_ranks(alone, "several share out the rows of the graph that a Text GCN was trained on")
    if run is not None and is_own(run):
        from gcn2snn.cli.own import convert as convert_own

        refuse_given(
            {"corpus": corpus, "tokeniser": tokeniser, "stem": stem, "model": model}, f"{run} is your own model"
        )
        wanted = Own(str(run), args, weights, data, data_dir, head)
        images = {"normalise": normalise, "calibration_images": calibration_images}
        convert_own(wanted, out, config, accuracy_first, images, force, as_json, check)
        return
    refuse_given({"args": args, "head": head, "check": check}, "it goes with a model of your own, MODULE:FACTORY")

    if model is not None or (run is not None and is_image_run(run)):
        refuse_given({"corpus": corpus, "tokeniser": tokeniser}, "this is a network on images")
        more = {"accuracy_first": accuracy_first}
        convert_images(run, out, config, given(source) | more, data_dir, force, as_json)
        return
    from gcn2snn.errors import ConfigError

    if run is None:
        raise ConfigError(
            "nothing to convert: give a run folder, MODULE:FACTORY of a model of your own, or --model with --weights and --data for images"
        )
    if not run.is_file() and not run.is_dir():
        raise ConfigError(
            f"{run} is not a run folder: it {why_not_there(run)}. Make one with `gcn2snn train DATASET --out {shell_word(run)}`, or name a "
            f"model of your own as MODULE:FACTORY"
        )
    refuse_given(source, f"{run} is a run on a graph")

    def find_graph(summary: dict[str, object]) -> Graph:
        return graph_of(summary, data_dir, corpus, tokeniser)

    _convert_run(run, out or run / "snn.safetensors", config, accuracy_first, find_graph, force, as_json)


def _layers(words: list[str]) -> dict[str, dict[str, str]]:
    """``NAME:KEY=VALUE,KEY=VALUE`` by population; values are checked by the configuration."""
    from gcn2snn.errors import ConfigError

    found: dict[str, dict[str, str]] = {}
    for word in words:
        name, colon, rest = word.partition(":")
        pairs = [pair.partition("=") for pair in rest.split(",")]
        if not colon or not all(key and equals and value for key, equals, value in pairs):
            raise ConfigError(
                f"--layer {word!r} is not NAME:KEY=VALUE,..., for example layer1.relu:base=1.5,timesteps=8"
            )
        found[name] = {key: value for key, _, value in pairs}
    return found


def _convert_run(
    run: Path,
    out: Path,
    config: ConvertConfig,
    accuracy_first: bool,
    find_graph: Callable[[dict[str, object]], Graph],
    force: bool,
    as_json: bool,
) -> None:
    from dataclasses import asdict, replace

    from gcn2snn import artefact
    from gcn2snn.cli.output import console, emit, megabytes
    from gcn2snn.cli.progress import channels_shown
    from gcn2snn.config import to_dict
    from gcn2snn.conversion import convert as convert_model
    from gcn2snn.distributed import current
    from gcn2snn.files import refuse_existing
    from gcn2snn.machine import peak_memory
    from gcn2snn.passes import choice_dict
    from gcn2snn.prediction import temperature
    from gcn2snn.run_folder import read_run
    from gcn2snn.textgcn import NewDocuments, load_model, validation_of

    summary = read_run(run, "graph")
    if (job := current()) is None or job.ranks.first:
        refuse_existing(out, force)
    if summary["status"] != "finished":
        note(f"{run} is not finished; its best weights so far are converted. gcn2snn train ... --resume continues it")
    if job is not None:
        snn = convert_on_ranks(job, run, summary, lambda: find_graph(summary), config, accuracy_first)
    else:
        graph = find_graph(summary)
        with channels_shown() as on_channels:
            model = load_model(run, graph)
            snn = convert_model(model, graph, config, on_channels=on_channels, accuracy_first=accuracy_first)
    if job is None and isinstance(
        snn.documents, NewDocuments
    ):  # probabilities of new texts, calibrated on the validation documents
        if "temperature" in summary:  # fitted while the validation documents were still new to the network
            own = float(summary["temperature"])
        else:
            _, labels = validation_of(summary, graph)
            held = labels >= 0
            own = temperature(snn(graph.adjacency)[held], labels[held])
        snn.documents = replace(snn.documents, temperature=own)
    if job is not None and not job.ranks.first:
        return
    artefact.save(snn, out, {**snn.origin, **origin_of(summary), "run": str(run)}, force=True)
    if as_json:
        content = {"snn": str(out), "run": str(run), "config": to_dict(snn.config), "dataset": summary["dataset"]}
        content["choice"] = choice_dict(snn.choice, timed=True)
        rows = {"populations": [asdict(row) for row in snn.report], "refits": [asdict(row) for row in snn.refits]}
        emit(content | rows | {"peak_memory_bytes": peak_memory()})
        return
    screen = console(as_json)
    for each in conversion_tables(snn):
        screen.print(each)
    screen.print(f"written to {out}; peak memory {megabytes(peak_memory())}")
    hint(as_json, "gcn2snn evaluate {}", out)
