"""``gcn2snn datasets``: lists the datasets, describes the graph built from one, fetches one, and what is larger than memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcn2snn.cli.loudness import hint, note
from gcn2snn.cli.options import (
    AsJson,
    Cleaning,
    DataDir,
    Encoding,
    LabelColumn,
    MinCount,
    NoQuotes,
    SplitSeed,
    StopWords,
    TestShare,
    TextColumn,
    Tokeniser,
    Window,
    Wordless,
    given,
    refuse_other_format,
    refuse_written,
)
from gcn2snn.cli.output import console, emit, table
from gcn2snn.cli.verbs import add

if TYPE_CHECKING:
    from gcn2snn.datasets import Dataset

app = typer.Typer(help="List, inspect, fetch and build datasets.", no_args_is_help=True)


def list_datasets(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Every published dataset, and where its files are.

    Examples:

      gcn2snn datasets list

      gcn2snn datasets list --json
    """
    from gcn2snn.datasets import DATASETS

    rows = [_described(row, data_dir) for row in DATASETS.values()]
    if as_json:
        emit({"datasets": rows})
        return
    cells = []
    for row in rows:
        counts = [f"{row[key]:,}" if row[key] else "-" for key in ("documents", "words", "classes")]
        cells.append([row["name"], *counts, row["title"], row["files"] or "not here (gcn2snn datasets fetch)"])
    console(as_json).print(
        table(
            "datasets",
            ("name", "documents", "words", "classes", "what", "files in"),
            cells,
            ("files in", "what"),
            ("what", "files in"),
        )
    )
    hint(as_json, "gcn2snn train NAME")


def fetch_dataset(
    name: Annotated[str, typer.Argument(help="A published name (see: gcn2snn datasets list), or cifar10 or cifar100.")],
) -> None:
    """Fetch a published dataset into the cache folder, checked against its checksums.

    Examples:

      gcn2snn datasets fetch r8

      gcn2snn datasets fetch cifar10
    """
    from gcn2snn.datasets import fetch, find

    if name.lower() in ("cifar10", "cifar100"):
        from gcn2snn.cnn import fetch_images

        note(f"{name.lower()} is in {fetch_images(name.lower())}")
        hint(False, "gcn2snn train {}", name.lower())
        return
    row = find(name)
    if not row.files:
        note(f"{row.name} is part of this package; there is nothing to fetch")
        return
    root = fetch(row.name)
    note(f"{row.name} is in {root}; terms: {row.licence}")
    hint(False, "gcn2snn train {}", row.name)


def info(
    name: Annotated[str, typer.Argument(help="A published name, or the path of your own corpus.")],
    data_dir: DataDir = None,
    window: Window = None,
    min_count: MinCount = None,
    stop_words: StopWords = None,
    cleaning: Cleaning = None,
    tokeniser: Tokeniser = None,
    wordless: Wordless = None,
    test_share: TestShare = None,
    split_seed: SplitSeed = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = None,
    no_quotes: NoQuotes = None,
    as_json: AsJson = False,
) -> None:
    """Build the graph of a dataset, and print its numbers and the time and memory that this took.

    Examples:

      gcn2snn datasets info r8

      gcn2snn datasets info my-texts.csv --min-count 2
    """
    from rich.markup import escape

    from gcn2snn.cli.origins import text_options

    text: dict[str, object] = {"window": window, "min_count": min_count, "stop_words": stop_words}
    text |= {"cleaning": cleaning, "tokeniser": tokeniser, "wordless": wordless}
    text |= {"test_share": test_share, "split_seed": split_seed, "encoding": encoding}
    text |= {"text_column": text_column, "label_column": label_column, "no_quotes": no_quotes or None}
    report = _measured(name, data_dir, text_options(name, given(text)))
    if as_json:
        emit(report)
        return
    published = report["published"] or {}
    cells = [
        [key.replace("_", " "), _shown(report[key]), _shown(published.get(key))]
        for key in report
        if _is_number(report[key])
    ]
    out = console(as_json)
    out.print(table(report["title"], ("", str(report["dataset"]), "published"), cells))
    for key in ("source", "licence", "corpus_hash", "fingerprint"):
        out.print(f"{key.replace('_', ' ')}: {escape(report[key])}", soft_wrap=True)
    hint(as_json, "gcn2snn train {}", name)


def build(
    corpus: Annotated[str, typer.Argument(help="Path of your own corpus, or a published name.")],
    memory: Annotated[str, typer.Option(help="What the process may hold at its peak, such as 2GB.")] = "2GB",
    temp: Annotated[
        Path | None, typer.Option(help="Folder for what is kept between the stages [in the cache folder].")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Graph to write, a .safetensors file [in the cache folder, where train finds it]."),
    ] = None,
    training_only: Annotated[
        bool, typer.Option("--training-only", help="Leave test documents out, as train --inductive needs it.")
    ] = False,
    data_dir: DataDir = None,
    window: Window = None,
    min_count: MinCount = None,
    stop_words: StopWords = None,
    cleaning: Cleaning = None,
    tokeniser: Tokeniser = None,
    wordless: Wordless = None,
    test_share: TestShare = None,
    split_seed: SplitSeed = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = None,
    no_quotes: NoQuotes = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the graph of a corpus that does not fit into memory: counted on disk, stage by stage, and written to a file.

    A build that was stopped continues where it was when the same command is given again.

    Examples:

      gcn2snn datasets build reviews.parquet --memory 2GB --temp /scratch --out reviews.safetensors

      gcn2snn train reviews.safetensors --out runs/reviews
    """
    from time import perf_counter

    from gcn2snn.cli.origins import text_options
    from gcn2snn.cli.output import megabytes
    from gcn2snn.datasets import build_graph_file
    from gcn2snn.errors import InterruptedRunError, exit_code_of
    from gcn2snn.machine import peak_memory
    from gcn2snn.memory import bytes_of

    refuse_other_format(out, ".safetensors", what="a graph")
    limit = bytes_of(memory)
    if out is not None:
        refuse_written(out, force, "--out")
    text: dict[str, object] = {"window": window, "min_count": min_count, "stop_words": stop_words}
    text |= {"cleaning": cleaning, "tokeniser": tokeniser, "wordless": wordless}
    text |= {"test_share": test_share, "split_seed": split_seed, "encoding": encoding}
    text |= {"text_column": text_column, "label_column": label_column, "no_quotes": no_quotes or None}
    text |= {"documents": "training" if training_only else None}
    options, start = text_options(corpus, given(text)), perf_counter()
    try:
        built = build_graph_file(corpus, limit, temp=temp, out=out, root=data_dir, options=options)
    except KeyboardInterrupt as stop:
        raise InterruptedRunError(
            "interrupted; what is done is kept. Give the same command again to continue", exit_code_of(stop)
        ) from None
    seconds = perf_counter() - start
    report = {
        "graph": str(built.path),
        "documents": built.documents,
        "words": built.words,
        "tokens": built.tokens,
        "entries": built.entries,
        "seconds": round(seconds, 1),
        "microseconds_per_token": round(1e6 * seconds / max(built.tokens, 1), 2),
        "memory_limit_bytes": limit,
        "peak_memory_bytes": peak_memory(),
    }
    if as_json:
        emit(report)
        return
    rows = [[key.replace("_", " "), _shown(report[key])] for key in ("documents", "words", "tokens", "entries")]
    rows += [["time", f"{seconds:,.1f} s, {report['microseconds_per_token']} us a token"]]
    rows += [["peak memory", f"{megabytes(peak_memory())} of {megabytes(limit)}"], ["graph", str(built.path)]]
    console(as_json).print(table(f"graph of {corpus}", ("", ""), rows))
    hint(as_json, "gcn2snn train {}", built.path)


def synthetic(
    out: Annotated[Path, typer.Argument(help="TSV file to write.")],
    documents: Annotated[int, typer.Option(help="Documents.")] = 1_000_000,
    tokens: Annotated[int, typer.Option(help="Words of a document in the mean.")] = 60,
    words: Annotated[int, typer.Option(help="Different words.")] = 200_000,
    classes: Annotated[int, typer.Option(help="Classes.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a made corpus of any size, with which to try out what a machine can do: words by Zipf's law, no meaning.

    Examples:

      gcn2snn datasets synthetic made.tsv --documents 10000
    """
    from gcn2snn.datasets import SyntheticCorpus

    refuse_other_format(out, ".tsv", "the file's name", "a corpus")
    refuse_written(out, force, "the first argument")
    written = SyntheticCorpus(documents, tokens, words, classes, seed).write(out)
    if as_json:
        emit({"corpus": str(out), "documents": documents, "tokens": written, "bytes": out.stat().st_size})
        return
    note(f"{out}: {documents:,} documents, {written:,} words")
    hint(False, "gcn2snn datasets build {}", out)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


def _described(row: Dataset, data_dir: Path | None) -> dict[str, object]:
    from gcn2snn.datasets import located

    place = located(row, data_dir)
    return {
        "name": row.name,
        "title": row.title,
        "kind": row.kind,
        "source": row.source,
        "licence": row.licence,
        "documents": row.counts.documents if row.counts else None,
        "words": row.counts.words if row.counts else None,
        "classes": row.counts.classes if row.counts else None,
        "files": "this package" if not row.files else str(place) if place else None,
    }


def _measured(name: str, data_dir: Path | None, options: Any) -> dict[str, Any]:
    """Counts of the graph built afresh, seconds of each stage, and the peak memory of the process."""
    from dataclasses import asdict

    from gcn2snn.datasets import (
        DATASETS,
        build_text_graph,
        chosen_note,
        clean_corpus,
        corpus_warnings,
        count_graph,
        is_graph_file,
        load,
        load_graph,
        stages,
    )
    from gcn2snn.machine import peak_memory

    row = DATASETS.get(name.lower())
    built = row is None and is_graph_file(Path(name))
    seconds: dict[str, float] = {}
    with stages() as advance:
        if built or (row is not None and row.kind != "text"):
            graph = _timed(seconds, "build", lambda: load_graph(name, data_dir))
        else:
            advance("reading documents", 0.0)
            corpus = _timed(seconds, "read", lambda: load(name, data_dir, options))
            advance("cleaning", 0.0)
            clean = _timed(seconds, "clean", lambda: clean_corpus(corpus, options))
            graph = _timed(seconds, "build", lambda: build_text_graph(clean, advance))
        advance("normalising", 0.0)
        adjacency = _timed(seconds, "normalise", lambda: graph.adjacency)
    if row is None and not built:
        notes = (chosen_note(corpus, options), *corpus_warnings(corpus), *clean.notes)
        for line in notes:
            note(line)
    counts = asdict(count_graph(graph)) | {"adjacency_entries": adjacency.nnz}
    return {
        "dataset": graph.source["dataset"],
        "title": row.title if row else "own corpus",
        **counts,
        **{f"{stage}_seconds": round(value, 3) for stage, value in seconds.items()},
        "peak_memory_bytes": peak_memory(),
        "source": row.source if row else str(name),
        "licence": row.licence if row else "yours",
        "corpus_hash": graph.source["corpus_hash"],
        "fingerprint": graph.fingerprint,
        "options": graph.source["options"],
        "published": asdict(row.counts) if row and row.counts else None,
    }


def _timed(seconds: dict[str, float], stage: str, work: Any) -> Any:
    from time import perf_counter

    start = perf_counter()
    result = work()
    seconds[stage] = perf_counter() - start
    return result


add(app, list_datasets, "list")
add(app, fetch_dataset, "fetch")
add(app, info, "info")
add(app, build, "build")
add(app, synthetic, "synthetic")
