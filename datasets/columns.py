"""Which column of a table is the text and which the label: by the options, by usual names, or because there are two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.errors import DataError

TEXTS = (
    *("text", "texts", "document", "content", "body", "message", "sentence", "review", "comment", "tweet", "post"),
    *("doc", "msg", "sms", "abstract", "article", "description", "utterance", "question", "query", "title", "headline"),
    *("texto", "texte", "testo", "tekst", "文本", "内容", "本文", "v2"),
)
LABELS = (
    *("label", "labels", "class", "category", "sentiment", "target", "topic", "intent", "tag", "polarity", "emotion"),
    *("classification", "genre", "rating", "stars", "score", "type", "y"),
    *("etiqueta", "etiquette", "étiquette", "klasse", "kategorie", "标签", "类别", "ラベル", "v1"),
)
"""Usual names of columns, the likelier ones first."""


@dataclass(frozen=True)
class Columns:
    """Places of the columns, from 0 on.

    Args:
        text, label: always there.
        split, name: None where there is none.
        told: whether they were found otherwise than by the names ``text`` and ``label`` or by the options.
    """

    text: int
    label: int
    split: int | None
    name: int | None
    told: bool


def choose_columns(path: Path, header: Sequence[str], options: TextGraphOptions) -> Columns:
    """The columns of a table whose first line (or whose JSON keys) names them.

    Raises:
        DataError: a column that was asked for is not there, a name stands twice, or none looks like a text or a label.
    """
    names = [_plain(name) for name in header]
    text = _asked(path, header, options.text_column, "--text-column")
    label = _asked(path, header, options.label_column, "--label-column")
    text = _known(path, header, names, TEXTS, "text", label) if text is None else text
    label = _known(path, header, names, LABELS, "label", text) if label is None else label
    used = [index for index, name in enumerate(names) if name]
    if len(used) == 2 and (text is None) != (label is None):
        (other,) = [index for index in used if index not in (text, label)]
        text, label = (other, label) if text is None else (text, other)
    for place, what in ((text, "text"), (label, "label")):
        if place is None:
            raise DataError(
                f"{path} has no column that looks like the {what}; its columns are {listed(header)}. "
                f"Name it with --{what}-column, or rename it to {what!r}"
            )
    assert text is not None
    assert label is not None
    if text == label:
        raise DataError(
            f"column {header[text]!r} of {path} cannot be text and label at once. Name both, --text-column and --label-column"
        )
    more = {name: index for index, name in enumerate(names) if index not in (text, label)}
    usual = (names[text] == "text" or options.text_column is not None) and (
        names[label] == "label" or options.label_column is not None
    )
    return Columns(text, label, more.get("split"), more.get("name"), not usual)


def columns_by_number(
    path: Path, first: Sequence[str], options: TextGraphOptions, guess: tuple[int, int] | None
) -> Columns:
    """The columns of a table without a header.

    Args:
        path: for messages.
        first: fields of the first line.
        options: ``text_column`` and ``label_column`` may be numbers from 1 on.
        guess: text and label as they look, where that can be told.

    Raises:
        DataError: they are not given and cannot be told, or are no numbers of columns.
    """
    width = len(first)
    chosen: list[int | None] = []
    for asked, what in ((options.text_column, "text"), (options.label_column, "label")):
        if asked is not None and not 1 <= int(asked) <= width:
            raise DataError(
                f"{path} has {width} columns, so --{what}-column {asked} is none of them. Give 1 to {width}"
            )
        chosen.append(int(asked) - 1 if asked is not None else None)
    text, label = chosen
    if guess is not None and width == 2:
        text = text if text is not None else guess[0] if label is None else 1 - label
        label = label if label is not None else 1 - text
    if text is None or label is None or text == label:
        raise DataError(
            f"the first line of {path} does not tell which column is the text and which is the label: {listed(first)}. Give "
            f"--text-column and --label-column, as names of that line or as numbers from 1 to {width}"
        )
    return Columns(text, label, None, None, options.text_column is None or options.label_column is None)


def named_columns(first: Sequence[str]) -> list[int]:
    """Places in a first line that bear, alone or among a few words, a usual name of a text or a label; [] if it names none.

    >>> named_columns(["id", "review_text", "className"]), named_columns(["a review of this class of films", "good"])
    ([1, 2], [])
    """
    known = {*TEXTS, *LABELS}
    exact = [place for place, name in enumerate(first) if _plain(name) in known]
    if exact:
        return exact
    if any(len(name.split()) > 3 or len(name) > 40 for name in first):
        return []
    near = [place for place, name in enumerate(first) if _words(name) & known]
    return (
        near
        if any(_words(first[i]) & {*TEXTS} for i in near) and any(_words(first[i]) & {*LABELS} for i in near)
        else []
    )


def _words(name: str) -> set[str]:
    """The words of a column's name: ``review_text`` and ``reviewText`` are two."""
    return set(re.findall(r"[^\W_\d]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold()))


def told_note(path: Path, columns: Columns, header: Sequence[str] | None) -> str:
    """What is said of columns that were found; ``header`` is None where no line names them."""
    if header is None:
        found = f"the first line of {path} names no columns: took column {columns.text + 1} as the text and column "
        return f"{found}{columns.label + 1} as the label. --text-column and --label-column choose others"
    text, label = header[columns.text].strip(), header[columns.label].strip()
    return f"{path}: took column {text!r} as the text and {label!r} as the label. --text-column and --label-column choose others"


def listed(header: Sequence[str]) -> str:
    """The names of columns, for messages."""
    shown = [repr(name if len(name) <= 40 else f"{name[:37]}...") for name in header[:20]]
    return ", ".join(shown) + (f" and {len(header) - 20} more" if len(header) > 20 else "") if shown else "none"


def _plain(name: str) -> str:
    return name.strip().strip("\"'").casefold()


def _asked(path: Path, header: Sequence[str], asked: str | None, option: str) -> int | None:
    """The place of a column that was named (or numbered from 1 on); None when it was not."""
    if asked is None:
        return None
    for same in (asked, _plain(asked)):
        found = [i for i, name in enumerate(header) if same in (name.strip(), _plain(name))]
        if len(found) > 1:
            raise DataError(_twice(path, header, found, option))
        if found:
            return found[0]
    if asked.isdecimal() and 1 <= int(asked) <= len(header):
        return int(asked) - 1
    raise DataError(f"{path} has no column {asked!r}; its columns are {listed(header)}. Change {option}")


def _known(
    path: Path, header: Sequence[str], names: list[str], known: Sequence[str], what: str, taken: int | None
) -> int | None:
    """The column that bears the likeliest usual name, or else the only one that has such a name as one of its words."""
    for name in known:
        found = [i for i, own in enumerate(names) if own == name and i != taken]
        if len(found) > 1:
            raise DataError(_twice(path, header, found, f"--{what}-column"))
        if found:
            return found[0]
    found = [
        i
        for i, name in enumerate(header)
        if _words(name) & {*known} and i != taken and names[i] not in (*TEXTS, *LABELS)
    ]
    return found[0] if len(found) == 1 else None


def _twice(path: Path, header: Sequence[str], found: list[int], option: str) -> str:
    numbers = " and ".join(str(i + 1) for i in found)
    return (
        f"{path} has {len(found)} columns called {header[found[0]].strip()!r}, the numbers {numbers}. "
        f"Give the number with {option}, or rename them"
    )
