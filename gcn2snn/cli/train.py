"""``gcn2snn train``: a dataset or your own corpus -> graph -> trained network in a run folder."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from gcn2snn.cli.loudness import hint
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
    refuse_other_format,
)
from gcn2snn.cli.ranks import graph_on_ranks, refuse_on_ranks
from gcn2snn.cli.settings import setting
from gcn2snn.config import NEW_DOCUMENTS as NEW
from gcn2snn.config import TrainConfig


def train(
    dataset: Annotated[
        str, typer.Argument(help="A name from `gcn2snn datasets list`, your own corpus, or digits, cifar10, cifar100.")
    ],
    out: Annotated[Path | None, typer.Option(help="Run folder, default runs/DATASET-seedN.")] = None,
    data_dir: DataDir = None,
    hidden: Annotated[int | None, setting(TrainConfig, "hidden")] = None,
    layers: Annotated[int | None, setting(TrainConfig, "layers")] = None,
    dropout: Annotated[
        float | None, setting(TrainConfig, "dropout", text="Dropout on the input and on each hidden layer")
    ] = None,
    learning_rate: Annotated[
        float | None,
        setting(TrainConfig, "learning_rate", text="Step size of Adam", note="Images: of SGD [default 0.1]"),
    ] = None,
    weight_decay: Annotated[
        float | None,
        setting(
            TrainConfig,
            "weight_decay",
            text="Weight decay of the first layer",
            note="Images: of all layers [default 0.0005]",
        ),
    ] = None,
    epochs: Annotated[int | None, setting(TrainConfig, "epochs", text="Passes over the training data, at most")] = None,
    patience: Annotated[int | None, setting(TrainConfig, "patience")] = None,
    validation: Annotated[float | None, setting(TrainConfig, "validation")] = None,
    inductive: Annotated[
        bool,
        typer.Option(
            "--inductive",
            help="Train for documents that come later: test documents are kept out of the graph and classified as new ones; "
            f"other defaults: hidden {NEW['hidden']}, learning rate {NEW['learning_rate']}, which falls to 0. Trains twice, for all "
            "epochs: without the validation documents, which are then classified as new ones, and with all training documents.",
        ),
    ] = False,
    cost: Annotated[
        float | None,
        typer.Option(
            help="With --inductive: C, what a document counts for against the penalty on what words add "
            f"[default {NEW['cost']:g}; above 0]."
        ),
    ] = None,
    averaging: Annotated[
        float | None,
        typer.Option(
            help=f"With --inductive: decay of the mean of the weights over epochs [default {NEW['averaging']}; at least 0, below 1]."
        ),
    ] = None,
    seed: Annotated[int, setting(TrainConfig, "seed", text="Seed of weights, dropout, validation split and order")] = (
        TrainConfig.seed
    ),
    threads: Annotated[int | None, setting(TrainConfig, "threads")] = None,
    device: Annotated[str, setting(TrainConfig, "device")] = TrainConfig.device,
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
    batch_size: Annotated[int | None, typer.Option(help="Images in each step of training [default 128].")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Images: fast, for a few dozen epochs; with it 256 images a step.")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Images: number type of products, float32, bfloat16, or auto: bfloat16 on CUDA and on processors with AMX "
            "[default auto; digits float32]."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run folder.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a Text GCN (or an image classifier) and keep weights, metrics and configuration in a run folder.

    Examples:

      gcn2snn train r8 --out runs/r8

      gcn2snn train my-texts.csv --out runs/mine --inductive
    """
    refuse_other_format(out, "")
    folder = out or Path("runs") / f"{Path(dataset).stem.lower()}-seed{seed}"
    both: dict[str, object] = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "epochs": epochs,
        "threads": threads,
    }
    both |= {"seed": seed, "device": device}
    graph = {"hidden": hidden, "layers": layers, "dropout": dropout, "patience": patience, "validation": validation}
    text: dict[str, object] = {"window": window, "min_count": min_count, "stop_words": stop_words}
    text |= {"cleaning": cleaning, "tokeniser": tokeniser, "wordless": wordless}
    text |= {"test_share": test_share, "split_seed": split_seed, "encoding": encoding}
    text |= {"text_column": text_column, "label_column": label_column, "no_quotes": no_quotes or None}
    images = {"model": model, "batch_size": batch_size, "recipe": recipe, "precision": precision}
    new = {"cost": cost, "averaging": averaging}
    from gcn2snn.cnn import IMAGE_DATASETS
    from gcn2snn.datasets import names

    alone = {
        "--inductive": inductive,
        f"{dataset}, which are images,": dataset.lower() in IMAGE_DATASETS,
        "--model": model,
    }
    refuse_on_ranks(alone, "several share out the rows of one graph")
    if dataset.lower() in IMAGE_DATASETS or (model is not None and dataset.lower() not in names()):
        new_given = new | {"inductive": inductive or None}
        refuse_given(graph | text | new_given | {"corpus": corpus}, f"{dataset} are images")
        from gcn2snn.cli.images import train as train_images

        train_images(dataset, folder, given(both | images), data_dir, force, resume, as_json)
        return
    refuse_given(images, f"{dataset} is a graph or a corpus")
    if not resume:
        refuse_given({"corpus": corpus}, "it says where the corpus of a run is now, and goes with --resume")
    if inductive:
        refuse_given({"patience": patience}, "--inductive runs for all epochs")
        config = TrainConfig.for_new_documents(**given(both | graph | new))
        text |= {"documents": "training"}
    else:
        refuse_given(new, "they belong to --inductive")
        config = TrainConfig(**given(both | graph))
    place = dataset if corpus is None else str(corpus)
    _train_graph(place, data_dir, config, folder, given(text), force, resume, as_json)


def _train_graph(
    dataset: str,
    data_dir: Path | None,
    config: Any,
    folder: Path,
    options: dict[str, object],
    force: bool,
    resume: bool,
    as_json: bool,
) -> None:
    from gcn2snn.cli.origins import text_options
    from gcn2snn.cli.output import console, emit, megabytes, table
    from gcn2snn.cli.progress import epochs_shown
    from gcn2snn.datasets import load, load_graph, refuse_other_corpus
    from gcn2snn.distributed import current, train_on_ranks
    from gcn2snn.errors import InterruptedRunError, exit_code_of
    from gcn2snn.machine import device_named
    from gcn2snn.run_folder import make_room, own_folder
    from gcn2snn.textgcn import UnseenDocuments, refuse_seen_documents, split_of, train_run

    device_named(config.device)
    chosen = text_options(dataset, options)
    job = current()
    first = job is None or job.ranks.first  # it alone owns the folder
    with own_folder(folder, force=force, resume=resume) if first else contextlib.nullcontext():
        if job is None:
            graph = load_graph(dataset, data_dir, chosen)
        else:
            job.use(device_named(config.device))
            share = graph_on_ranks(job, lambda: load_graph(dataset, data_dir, chosen))[0]
            graph = share.outline
        unseen = None
        if config.inductive:
            refuse_seen_documents(graph)
            whole = load(dataset, data_dir, chosen, notes=False)
            refuse_other_corpus(whole, graph.source, "the graph was built from a moment ago")
            unseen = UnseenDocuments.of(whole)
        split_of(graph, config)
        if first:
            make_room(folder, force=force)
        stages = 2 if config.inductive else 1
        with epochs_shown(stages * config.epochs, _measures, every=20) as on_epoch:
            try:
                if job is None:
                    summary = train_run(graph, config, folder, unseen=unseen, on_epoch=on_epoch)
                else:
                    summary = train_on_ranks(share, config, folder, on_epoch)
            except KeyboardInterrupt as stop:  # typer would end the program without a word
                kept = "the state of the training" if config.inductive else "the best weights so far"
                text = f"interrupted; {folder} holds {kept}. Give the same command and --resume to continue"
                raise InterruptedRunError(text, exit_code_of(stop)) from None
    if as_json:
        emit({"run": str(folder), **summary})
        return
    ann, how = summary["ann"], ", unseen documents" if config.inductive else ""
    rows = [
        (f"test accuracy{how}", f"{ann['accuracy']:.2f} %"),
        (f"test macro F1{how}", f"{ann['macro_f1']:.2f} %"),
        *_validation_rows(summary),
        ("epochs", summary["epochs"]),
        ("training time", f"{summary['train_seconds']:.1f} s"),
        ("peak memory", megabytes(summary["peak_memory_bytes"])),
        ("run folder", folder),
    ]
    console(as_json).print(
        table(f"Text GCN on {graph.source.get('dataset', dataset)}, seed {config.seed}", ("measure", "value"), rows)
    )
    hint(as_json, "gcn2snn convert {}", folder)


def _validation_rows(summary: dict[str, Any]) -> list[tuple[str, object]]:
    if "validation" not in summary:
        last = summary["last_epoch"]
        return [("validation loss / accuracy", f"{last['val_loss']:.4f} / {last['val_accuracy']:.2f} %")]
    found = summary["validation"]
    return [
        ("validation, unseen documents", f"{found['loss']:.4f} / {found['accuracy']:.2f} % of {found['documents']}")
    ]


def _measures(epoch: Any) -> str:
    if epoch.val_loss is None:
        documents = "" if epoch.stage == "validation" else "  on all training documents"
        return f"loss {epoch.train_loss:.4f}{documents}"
    return f"loss {epoch.train_loss:.4f}  validation {epoch.val_loss:.4f} / {epoch.val_accuracy:.2f} %"
