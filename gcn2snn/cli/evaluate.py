"""``gcn2snn evaluate``: a converted network beside its source: accuracy, spikes, energy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gcn2snn.cli.loudness import hint
from gcn2snn.cli.options import (
    AsJson,
    Clock,
    Data,
    DataDir,
    Energy,
    Memory,
    MovedCorpus,
    Tokeniser,
    refuse_given,
    refuse_other_format,
)

if TYPE_CHECKING:
    from gcn2snn.evaluation import Evaluation
    from gcn2snn.graph import Graph
    from gcn2snn.spiking_network import SpikingNetwork
    from gcn2snn.textgcn import UnseenDocuments


def evaluate(
    snn: Annotated[
        Path, typer.Argument(metavar="SNN|RUN", help="A converted network, or a run folder in which one lies.")
    ],
    data: Data = None,
    data_dir: DataDir = None,
    engine: Annotated[str, typer.Option(help="auto, closed, bucketed or temporal.")] = "auto",
    energy: Energy = "fp32",
    clock: Clock = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Also say which layer departs from the source, and why.")
    ] = False,
    event_driven: Annotated[
        bool,
        typer.Option(
            "--event-driven", help="Also count neuron updates of a chip that does none in vain (graphs; slower)."
        ),
    ] = False,
    rows: Annotated[
        str,
        typer.Option(
            help="all, or wanted: count only what the test nodes need, for the source and the spiking network (graphs)."
        ),
    ] = "all",
    limit: Annotated[int | None, typer.Option(min=1, help="Images: use at most this many test images.")] = None,
    corpus: MovedCorpus = None,
    tokeniser: Tokeniser = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="CSV file to write: for each test document, node or image its label, what source and network say, and how "
            "probable they find it."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file of --predictions.")] = False,
    memory: Memory = None,
    as_json: AsJson = False,
) -> None:
    """Compare a converted network with its source on the test split.

    Examples:

      gcn2snn evaluate runs/r8

      gcn2snn evaluate runs/r8/snn.safetensors --energy int8-paper --json
    """
    from gcn2snn.artefact import load_with_origin
    from gcn2snn.cli.origins import (
        data_of,
        given_call,
        graph_of,
        is_inductive,
        network_file,
        refuse_unknown_origin,
        unseen_of,
    )
    from gcn2snn.cli.output import console, emit, plural
    from gcn2snn.cli.ranks import agree_on_file, evaluate_on_ranks, refuse_on_ranks
    from gcn2snn.clock import hertz, timing_of
    from gcn2snn.config import to_dict
    from gcn2snn.distributed import current, node_names
    from gcn2snn.energy import preset_of
    from gcn2snn.errors import ArtefactError, ConfigError
    from gcn2snn.evaluation import evaluate as compare
    from gcn2snn.files import refuse_existing
    from gcn2snn.machine import peak_memory
    from gcn2snn.textgcn import call
    from gcn2snn.watched import Watched

    preset_of(energy)
    if rows not in ("all", "wanted"):
        raise ConfigError(f"--rows is {rows}; allowed are all and wanted")
    counted: Literal["all", "wanted"] = "wanted" if rows == "wanted" else "all"
    cycles = None if clock is None else hertz(clock)
    if predictions is None:
        refuse_given({"force": force or None}, "nothing is written; it goes with --predictions")
    else:
        refuse_other_format(predictions, ".csv", "--predictions")
        refuse_existing(predictions, force)
    snn = network_file(snn)
    watched = Watched.now(snn, error=ArtefactError)
    network, origin = load_with_origin(snn)
    alone: dict[str, object] = {
        "--layers": layers,
        "--event-driven": event_driven,
        "--rows wanted": rows == "wanted",
        "--data": data,
        "a network on images": origin.get("kind") == "images",
    }
    alone |= {
        "a network on data of your own": origin.get("kind") == "own",
        "an inductive network": is_inductive(origin),
    }
    refuse_on_ranks(alone, "several share out the rows of the graph that a Text GCN was trained on")
    job, traffic, args = current(), None, tuple[object, ...]()
    if origin.get("kind") == "images":
        of_graphs = {"event_driven": event_driven or None, "rows": None if rows == "all" else rows}
        refuse_given({"corpus": corpus, "tokeniser": tokeniser, **of_graphs}, f"{snn} is a network on images")
        from gcn2snn.cli.images import evaluate as evaluate_images

        evaluate_images(snn, data, data_dir, engine, energy, limit, layers, predictions, as_json, cycles)
        return
    refuse_given({"limit": limit}, f"{snn} is a network on a graph")
    data = data_of(origin, data)
    if data is None:
        refuse_unknown_origin(snn, network, origin)
        dataset = origin["dataset"]
    if data is None and job is not None:
        agree_on_file(job, watched)
        result, traffic, share, file = evaluate_on_ranks(
            job, network, lambda: graph_of(origin, data_dir, corpus, tokeniser), engine, energy
        )
        title = f"{dataset.get('dataset')}: {result.test_nodes} {plural(result.test_nodes, 'test node')}"
        names = node_names(file) if job.ranks.first and predictions is not None else ()
        classes = share.outline.class_names
    elif data is None:
        graph = graph_of(origin, data_dir, corpus, tokeniser)
        if is_inductive(origin):
            refuse_given({"engine": None if engine == "auto" else engine}, "new documents need the closed form")
            refuse_given({"event_driven": event_driven or None}, "a document is charged by its additions")
            refuse_given({"rows": None if rows == "all" else rows}, "a document is charged by itself")
            refuse_given({"layers": layers or None}, "layers are those of the graph, and it holds no test document")
            unseen = unseen_of(origin, data_dir, corpus)
            _evaluate_unseen(snn, network, origin, graph, unseen, energy, predictions, as_json, cycles)
            return
        result = compare(network, graph, engine=engine, preset=energy, event_driven=event_driven, rows=counted)
        args = call(graph)
        title = f"{dataset.get('dataset')}: {result.test_nodes} {plural(result.test_nodes, 'test node')}"
        names, classes = graph.node_names, graph.class_names
    else:
        refuse_given({"corpus": corpus, "tokeniser": tokeniser}, f"the test data are {data}")
        given, args = given_call(network, data, data_dir)
        result = compare(
            network,
            args,
            given.labels,
            given.rows,
            engine=engine,
            preset=energy,
            event_driven=event_driven,
            rows=counted,
        )
        dataset = {"dataset": given.name}
        title = f"{given.name}: {result.test_nodes} test rows"
        names, classes = (), given.class_names
    if predictions is not None and result.rows is not None and (job is None or job.ranks.first):
        result.rows.save(predictions, classes, names)
    checks = network.verify(*args) if layers else None
    timing = timing_of(network.network, network.config.wait)
    if as_json:
        content = {"snn_file": str(snn), "dataset": dataset, "config": to_dict(network.config)}
        content |= {"verify": checks.table()} if checks else {}
        content |= {"predictions": str(predictions)} if predictions else {}
        content |= {"timing": timing.to_dict(cycles)}
        content |= {"traffic": traffic.to_dict()} if traffic else {}
        emit(content | result.to_dict() | {"peak_memory_bytes": peak_memory()})
        return
    screen = console(as_json)
    for part in tables(result, title):
        screen.print(part)
    screen.print(
        result.energy.told_rows + result.energy.told_event_driven + result.energy.verdict, markup=False, soft_wrap=True
    )
    if traffic is not None:
        screen.print(str(traffic), markup=False)
    if cycles is not None:
        screen.print(timing.told(cycles), markup=False)
    if checks:
        screen.print(str(checks), soft_wrap=True)
    if predictions is not None:
        screen.print(f"predictions written to {predictions}", soft_wrap=True, markup=False)
    hint(as_json, "gcn2snn report {}", snn)


def _evaluate_unseen(
    file: Path,
    network: SpikingNetwork,
    origin: dict[str, Any],
    graph: Graph,
    unseen: UnseenDocuments,
    preset: str,
    predictions: Path | None,
    as_json: bool,
    clock: float | None,
) -> None:
    """Test documents of an inductive run, each classified as a new one."""
    from gcn2snn.cli.output import console, emit, joules, plural, table
    from gcn2snn.clock import timing_of
    from gcn2snn.config import to_dict
    from gcn2snn.machine import peak_memory
    from gcn2snn.textgcn import evaluate_unseen

    result, timing = evaluate_unseen(network, graph, unseen, preset), timing_of(network.network, network.config.wait)
    if predictions is not None:
        result.rows.save(predictions, graph.class_names, unseen.names)
    if as_json:
        content = {"snn_file": str(file), "dataset": origin["dataset"], "config": to_dict(network.config)}
        content |= {"predictions": str(predictions)} if predictions else {}
        content |= {"timing": timing.to_dict(clock)}
        emit(content | result.to_dict() | {"peak_memory_bytes": peak_memory()})
        return
    ann, own = result.ann, result.snn
    rows = [
        ("accuracy %", f"{ann.accuracy:.2f}", f"{own.accuracy:.2f}", f"{own.accuracy - ann.accuracy:+.2f}"),
        ("macro F1 %", f"{ann.macro_f1:.2f}", f"{own.macro_f1:.2f}", f"{own.macro_f1 - ann.macro_f1:+.2f}"),
        ("same prediction %", "", f"{result.agreement:.2f}", ""),
        ("additions a document", "", f"{result.additions:,.0f}", ""),
        ("arithmetic a document", "", joules(result.joules), ""),
        ("time steps a document", "", f"{result.steps:.0f}", ""),
        ("documents without a known word", "", f"{result.without_known_word}", ""),
    ]
    title = f"{origin['dataset'].get('dataset')}: {result.documents} {plural(result.documents, 'test document')}, none of them in the graph"
    console(as_json).print(table(title, ("", "ANN", "one-spike SNN", "difference"), rows))
    if clock is not None:
        console(as_json).print(timing.told(clock), markup=False)
    if predictions is not None:
        console(as_json).print(f"predictions written to {predictions}", soft_wrap=True, markup=False)
    hint(as_json, "gcn2snn predict {} --text TEXT", file)


def tables(result: Evaluation, title: str) -> list[object]:
    """The comparison, and the layers from which it can be worked out again."""
    from gcn2snn.cli.output import joules, table

    energy = result.energy
    compare = [
        (
            "accuracy %",
            f"{result.ann.accuracy:.2f}",
            f"{result.snn.accuracy:.2f}",
            f"{result.snn.accuracy - result.ann.accuracy:+.2f}",
        ),
        (
            "macro F1 %",
            f"{result.ann.macro_f1:.2f}",
            f"{result.snn.macro_f1:.2f}",
            f"{result.snn.macro_f1 - result.ann.macro_f1:+.2f}",
        ),
        ("same prediction %", "", f"{result.agreement:.2f}", ""),
        (
            "arithmetic (exact events)",
            joules(energy.ann_joules, energy.snn_joules),
            joules(energy.snn_joules, energy.ann_joules),
            f"alpha {energy.alpha_events:.2f}",
        ),
        ("arithmetic by Eq. 6", "", "", f"alpha {energy.alpha_eq6:.2f}"),
        (
            "with updates and memory",
            joules(energy.ann_total_joules, energy.snn_total_joules),
            joules(energy.snn_total_joules, energy.ann_total_joules),
            f"alpha {energy.alpha_total:.2f}",
        ),
    ]
    if (model := energy.lemaire) is not None:
        ann, own = (f"{1e3 * sum(parts.values()):.4g}" for parts in (model.source, model.spiking))
        compare.append(("analytical model (Lemaire), mJ", ann, own, f"alpha {model.alpha:.2f}"))
    layers = [
        (
            x.name,
            f"{x.spike_rate:.3f}",
            f"{x.input_neurons:,}",
            f"{x.operations:,}",
            f"{x.additions:,.0f}",
            f"{x.events:,}",
            f"{x.macs:,}",
        )
        for x in energy.layers
    ]
    columns = (
        "layer",
        "spikes/input",
        "inputs",
        "operations (ANN)",
        "additions (Eq. 6)",
        "additions (events)",
        "MACs left",
    )
    return [
        table(f"{title} ({result.engine} engine)", ("", "ANN", "one-spike SNN", "difference"), compare, ("ANN",)),
        table(
            f"Per layer; {energy.neurons:,} neurons, {energy.updates:,} updates",
            columns,
            layers,
            ("inputs", "MACs left", "additions (Eq. 6)", "spikes/input"),
        ),
    ]
