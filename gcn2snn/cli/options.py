"""Options that several verbs share, and the refusal of options that have no meaning for what was given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gcn2snn.cli.settings import setting
from gcn2snn.datasets import TextGraphOptions
from gcn2snn.energy import PRESETS

DataDir = Annotated[
    Path | None, typer.Option(help="Folder searched first for data; then GCN2SNN_DATA, cache, network.")
]


Data = Annotated[
    str | None,
    typer.Option(
        help="Test data instead of those the network comes from: a .pt file with x, edge_index, y and test_mask (or what "
        "the model takes), or a dataset such as cora; for images, image data.",
    ),
]


Window = Annotated[int | None, setting(TextGraphOptions, "window", text="Text graph: words in a sliding window")]
MinCount = Annotated[
    int | None,
    typer.Option(help="Text graph: rarer words are removed [as published: 5, mr 1; own corpora: by their size]."),
]
StopWords = Annotated[
    str | None,
    typer.Option(help="Text graph: nltk-179 (English), nltk, a language such as german, none, or a file [nltk-179]."),
]
Cleaning = Annotated[
    str | None, typer.Option(help="Text graph: published, unicode (own corpora), or spaces: cut into words already.")
]
Tokeniser = Annotated[
    str | None,
    typer.Option(help="What cuts text into words: nltk-tweet, nltk-toktok, ..., or your own module:function."),
]
Wordless = Annotated[
    str | None,
    setting(TextGraphOptions, "wordless", text="Documents without a known word: keep, drop, or refuse the corpus"),
]
TestShare = Annotated[
    float | None,
    setting(TextGraphOptions, "test_share", text="Own corpus without a split: share of its documents to test on"),
]
SplitSeed = Annotated[
    int | None,
    setting(TextGraphOptions, "split_seed", text="Own corpus without a split: seed of the split that is drawn"),
]
TextColumn = Annotated[str | None, typer.Option(help="Own corpus: name or number of the column with the text.")]
LabelColumn = Annotated[str | None, typer.Option(help="Own corpus: name or number of the column with the label.")]
Encoding = Annotated[
    str | None,
    typer.Option(help="Encoding of the texts: utf-8, utf-16, cp1252, ... [by the byte order mark, or utf-8]."),
]
NoQuotes = Annotated[
    bool | None, typer.Option("--no-quotes", help="Own corpus: double quotes are text, not around fields.")
]
MovedCorpus = Annotated[
    Path | None,
    typer.Option("--corpus", help="Where the own corpus of this run is now; it must be the one it was trained on."),
]
Check = Annotated[
    str | None,
    typer.Option(
        help="Own model on a graph: what it is run on to see that it is read right: full, sample (neighbourhoods of some "
        "nodes), or auto: a sample of large graphs [auto]."
    ),
]
Energy = Annotated[str, typer.Option(help=f"Joules per operation: one of {', '.join(PRESETS)}.")]


def hold_memory(context: typer.Context, size: str | None) -> str | None:
    """Hold the memory limit that was asked for until the verb ends.

    Raises:
        ConfigError: it is no size, or too small.
    """
    if size is not None:
        from gcn2snn.memory import memory_limit

        context.with_resource(memory_limit(size))
    return size


Memory = Annotated[
    str | None,
    typer.Option(
        callback=hold_memory,
        help="Run layer by layer and some rows at a time, with values of layers in so much memory, such as 1GB; the graph's "
        "matrices come on top. What does not fit goes to files in the system's temporary folder.",
    ),
]


Clock = Annotated[
    str | None,
    typer.Option(help="Clock of the hardware, such as 1MHz: latency and pipelined throughput in seconds."),
]


AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, all else on standard error.")]


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were on the command line; the others keep the configuration's default."""
    return {name: value for name, value in options.items() if value is not None}


def refuse_given(options: dict[str, Any], why: str) -> None:
    """Refuse options that have no meaning here instead of dropping them.

    Raises:
        ConfigError: one was given.
    """
    from gcn2snn.errors import ConfigError

    names = ", ".join(f"--{name.replace('_', '-')}" for name in given(options))
    if names:
        raise ConfigError(f"{names} has no meaning here: {why}. Leave it out")


def refuse_written(file: Path, force: bool, option: str) -> None:
    """Refuse to replace a file unasked, and name the option that it was given with.

    Raises:
        ConfigError: the file exists and ``force`` is not given.
        ArtefactError: what is there is no plain file.
    """
    import os

    from gcn2snn.errors import ConfigError
    from gcn2snn.files import refuse_existing

    refuse_existing(file, force=True)  # --force would not help where no plain file is
    if os.path.lexists(file) and not force:
        raise ConfigError(f"{file} exists; it is not overwritten without --force. Give another name with {option}")


FORMATS = {
    ".safetensors": "a network",
    ".csv": "a table",
    ".html": "a report",
}
"""Ending of a file that a verb writes -> what is in it."""


def refuse_other_format(out: Path | None, suffix: str, option: str = "--out", what: str = "") -> None:
    """Refuse a name that says another format than what is written, or standard output, before any work is done.

    Args:
        out: as given; None is the default name.
        suffix: of the format, a key of :data:`FORMATS`; "" for a folder.
        option: how it is typed.
        what: is written, where it is not what :data:`FORMATS` says.

    Raises:
        ConfigError: as said.
    """
    from gcn2snn.errors import ConfigError

    if out is None:
        return
    what = f"{what or FORMATS[suffix]} ({suffix})" if suffix else "a folder"
    if str(out) == "-":
        raise ConfigError(f"{option} is -, but {what} is not written to standard output. Give a name, or use --json")
    wrong = (
        out.suffix.lower() not in ("", suffix) if suffix else out.suffix.lower() in (*FORMATS, ".pt", ".pth", ".json")
    )
    if wrong and not out.is_dir():
        wanted = f"a name that ends in {suffix}" if suffix else "the name of a folder"
        raise ConfigError(f"{option} is {out}, which ends in {out.suffix}, but {what} is written. Give {wanted}")
