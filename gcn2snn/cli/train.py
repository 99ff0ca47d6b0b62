"""``gcn2snn train``: a dataset or your own corpus -> graph -> trained network in a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gcn2snn.cli.options import (
    AsJson,
    Cleaning,
    DataDir,
    Encoding,
    LabelColumn,
    MinCount,
    MovedCorpus,
    NoQuotes,
    SplitSeed,
    StopWords,
    TestShare,
    TextColumn,
    Tokeniser,
    Window,
    Wordless,
    given,
    refuse_given,
)


def train(
    dataset: Annotated[
        str, typer.Argument(help="A name from `gcn2snn datasets list`, your own corpus, or digits, cifar10, cifar100.")
    ],
    out: Annotated[Path | None, typer.Option(help="Run folder, default runs/DATASET-seedN.")] = None,
    data_dir: DataDir = None,
    hidden: Annotated[int | None, typer.Option(help="Units of each hidden layer [200].")] = None,
    layers: Annotated[int | None, typer.Option(help="Graph convolutions, 2 or more [2].")] = None,
    dropout: Annotated[float | None, typer.Option(help="On input and hidden layers [0.5].")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of Adam [0.02]; images: of SGD [0.1].")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of the first layer [0]; images: of all [0.0005].")] = None,
    epochs: Annotated[int | None, typer.Option(help="At most [200].")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop when validation loss exceeds the mean of so many [10].")
    ] = None,
    validation: Annotated[float | None, typer.Option(help="Share of training nodes held out [0.1].")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, dropout, validation split, order.")] = 0,
    threads: Annotated[int | None, typer.Option(help="CPU threads, 0 = automatic.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
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
    corpus: MovedCorpus = None,
    model: Annotated[str | None, typer.Option(help="Images: small, vgg16, resnet18, resnet20, ...")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images: of one step [128].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run folder.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a Text GCN (or an image classifier) and keep weights, metrics and configuration in a run folder."""
    folder = out or Path("runs") / f"{Path(dataset).stem.lower()}-seed{seed}"
    both: dict[str, Any] = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "epochs": epochs,
        "threads": threads,
    }
    both |= {"seed": seed, "device": device}
    graph = {"hidden": hidden, "layers": layers, "dropout": dropout, "patience": patience, "validation": validation}
    text: dict[str, Any] = {"window": window, "min_count": min_count, "stop_words": stop_words}
    text |= {"cleaning": cleaning, "tokeniser": tokeniser, "wordless": wordless}
    text |= {"test_share": test_share, "split_seed": split_seed, "encoding": encoding}
    text |= {"text_column": text_column, "label_column": label_column, "no_quotes": no_quotes or None}
    images = {"model": model, "batch_size": batch_size}
    from gcn2snn.cnn import IMAGE_DATASETS
    from gcn2snn.datasets import names

    if dataset.lower() in IMAGE_DATASETS or (model is not None and dataset.lower() not in names()):
        refuse_given(graph | text | {"corpus": corpus}, f"{dataset} are images")
        from gcn2snn.cli.images import train as train_images

        train_images(dataset, folder, given(both | images), data_dir, force, resume, as_json)
        return
    refuse_given(images, f"{dataset} is a graph or a corpus")
    from gcn2snn.config import TrainConfig

    if not resume:
        refuse_given({"corpus": corpus}, "it says where the corpus of a run is now, and goes with --resume")
    place = dataset if corpus is None else str(corpus)
    _train_graph(place, data_dir, TrainConfig(**given(both | graph)), folder, given(text), force, resume, as_json)


def _train_graph(
    dataset: str,
    data_dir: Path | None,
    config: Any,
    folder: Path,
    options: dict[str, Any],
    force: bool,
    resume: bool,
    as_json: bool,
) -> None:
    from gcn2snn.cli.origins import text_options
    from gcn2snn.cli.output import console, emit, megabytes, table
    from gcn2snn.cli.progress import epochs_shown
    from gcn2snn.datasets import load_graph
    from gcn2snn.errors import InterruptedRunError
    from gcn2snn.machine import device_named
    from gcn2snn.run_folder import check_folder, make_room
    from gcn2snn.textgcn import split_of, train_run

    device_named(config.device)
    check_folder(folder, force=force, resume=resume)
    graph = load_graph(dataset, data_dir, text_options(dataset, options))
    split_of(graph, config)
    make_room(folder, force=force)
    with epochs_shown(config.epochs, _measures, every=20) as on_epoch:
        try:
            summary = train_run(graph, config, folder, on_epoch=on_epoch)
        except KeyboardInterrupt:  # typer would end the program without a word
            text = (
                f"interrupted; {folder} holds the best weights so far. Give the same command and --resume to continue"
            )
            raise InterruptedRunError(text) from None
    if as_json:
        emit({"run": str(folder), **summary})
        return
    last, ann = summary["last_epoch"], summary["ann"]
    rows = [
        ("test accuracy", f"{ann['accuracy']:.2f} %"),
        ("test macro F1", f"{ann['macro_f1']:.2f} %"),
        ("validation loss / accuracy", f"{last['val_loss']:.4f} / {last['val_accuracy']:.2f} %"),
        ("epochs", summary["epochs"]),
        ("training time", f"{summary['train_seconds']:.1f} s"),
        ("peak memory", megabytes(summary["peak_memory_bytes"])),
        ("run folder", folder),
    ]
    console(as_json).print(
        table(f"Text GCN on {graph.source.get('dataset', dataset)}, seed {config.seed}", ("measure", "value"), rows)
    )


def _measures(epoch: Any) -> str:
    return f"loss {epoch.train_loss:.4f}  validation {epoch.val_loss:.4f} / {epoch.val_accuracy:.2f} %"
