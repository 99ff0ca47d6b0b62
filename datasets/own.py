"""Your own corpus: a TSV, CSV or JSONL file with text, label and split, or a folder per class."""

from __future__ import annotations

import csv
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gcn2snn.datasets.corpus import Corpus
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.errors import DataError

_log = logging.getLogger(__name__)

Row = dict[str, str]
_FORMATS = (
    ".tsv, .csv and .jsonl files with the columns text, label and, if you like, split and name; or a folder per class"
)


def read_own(path: Path, options: TextGraphOptions) -> Corpus:
    """The corpus in a file or folder.

    A file has the columns ``text`` and ``label``, and may have ``split`` and ``name``. A folder holds one folder per
    class with one text file per document, or ``train`` and ``test`` folders that do. Text is UTF-8. A split that
    contains ``test``, ``train``, or ``val`` or ``dev`` is what it says; without any split a stratified one is drawn
    with ``options.split_seed`` and announced.

    Raises:
        DataError: unreadable, empty, of another format, a document without text, label or split, names that repeat,
            or a class without training documents.
    """
    try:
        rows = list(_folder_rows(path) if path.is_dir() else _file_rows(path))
    except OSError as error:
        raise DataError(f"cannot read {error.filename or path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    if not rows:
        raise DataError(f"{path} is empty; a corpus needs at least one document a class")
    names = tuple(row["name"] for row in rows)
    for row in rows:
        if not row["text"].strip():
            raise DataError(
                f"{path}: {row['name']!r} has the label {row['label']!r} but no text; add its text or remove it"
            )
        if not row["label"]:
            raise DataError(f"{path}: document {row['name']!r} has no label; label it or remove it")
    labels = tuple(row["label"] for row in rows)
    return Corpus(str(path), tuple(row["text"] for row in rows), labels, _splits(path, rows, labels, options), names)


def _file_rows(path: Path) -> Iterator[Row]:
    kind = path.suffix.lower()
    if kind not in (".tsv", ".csv", ".jsonl"):
        raise DataError(f"{path} is a {kind or 'nameless'} file; a corpus can be {_FORMATS}")
    records = _jsonl_records(path) if kind == ".jsonl" else _table_records(path, "\t" if kind == ".tsv" else ",")
    for line, record in records:
        for column in ("text", "label"):
            if record.get(column) is None:
                found = ", ".join(map(str, record)) or "none"
                raise DataError(
                    f"line {line} of {path} has no {column!r}; its columns are {found}. A corpus can be {_FORMATS}"
                )
        row = {}
        for column in ("text", "label", "split", "name"):
            value = record.get(column)
            if isinstance(value, bool) or not isinstance(value, str | int | None):
                raise DataError(f"line {line} of {path}: {column!r} is {value!r}; a text (or a whole number) is needed")
            row[column] = "" if value is None else str(value) if column == "text" else str(value).strip()
        row["name"] = row["name"] or f"line {line}"
        yield row


def _jsonl_records(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"line {number} of {path} is not JSON ({error}); one object a line is needed"
                ) from error
            if not isinstance(record, dict):
                raise DataError(
                    f"line {number} of {path} is not a JSON object; {{'text': ..., 'label': ...}} is needed"
                )
            yield number, record


def _table_records(path: Path, delimiter: str) -> Iterator[tuple[int, dict[str, object]]]:
    limit = csv.field_size_limit(sys.maxsize if sys.maxsize < 2**31 else 2**31 - 1)  # documents are longer than 128 KiB
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            for record in reader:
                if None in record:
                    raise DataError(
                        f"line {reader.line_num} of {path} has more fields than the first line names; "
                        f"put text that holds a {delimiter!r} between double quotes"
                    )
                yield reader.line_num, record
    except csv.Error as error:
        raise DataError(
            f"{path} cannot be read after line {reader.line_num} ({error}); check its double quotes"
        ) from error
    finally:
        csv.field_size_limit(limit)


def _folder_rows(path: Path) -> Iterator[Row]:
    """Rows of ``CLASS/document`` or ``SPLIT/CLASS/document``, in sorted order; hidden files are passed over."""
    folders = _visible(path, folders=True)
    if not folders:
        raise DataError(f"{path} holds no folder; a corpus can be {_FORMATS}")
    by_split = all(_split_of(folder.name) for folder in folders)
    for folder in folders:
        classes = _visible(folder, folders=True) if by_split else [folder]
        if not classes:
            raise DataError(f"{folder} holds no class folder; documents lie in SPLIT/CLASS/ or in CLASS/")
        for class_folder in classes:
            files = _visible(class_folder, folders=False)
            if not files:
                raise DataError(
                    f"class {class_folder.name!r} has no documents in {class_folder}; add one or remove the folder"
                )
            for file in files:
                yield {
                    "text": file.read_text(encoding="utf-8-sig"),
                    "label": class_folder.name,
                    "split": folder.name if by_split else "",
                    "name": file.relative_to(path).as_posix(),
                }


def _visible(folder: Path, *, folders: bool) -> list[Path]:
    return sorted(item for item in folder.iterdir() if item.is_dir() == folders and not item.name.startswith("."))


def _split_of(text: str) -> str | None:
    """The split that a name stands for; the published lists say ``training`` and ``20news-bydate-test``."""
    for part, split in (("test", "test"), ("train", "train"), ("val", "validation"), ("dev", "validation")):
        if part in text.lower():
            return split
    return None


def _splits(path: Path, rows: list[Row], labels: tuple[str, ...], options: TextGraphOptions) -> tuple[str, ...]:
    if not any(row["split"] for row in rows):
        return _drawn_split(path, labels, options)
    splits = []
    for row in rows:
        split = _split_of(row["split"])
        if split is None:
            raise DataError(
                f"{path}: document {row['name']!r} has the split {row['split']!r}; allowed are train, test and validation"
            )
        splits.append(split)
    return tuple(splits)


def _drawn_split(path: Path, labels: tuple[str, ...], options: TextGraphOptions) -> tuple[str, ...]:
    from sklearn.model_selection import train_test_split

    counts = Counter(labels)
    lonely = min(counts, key=lambda label: counts[label])
    if counts[lonely] < 2:
        raise DataError(
            f"{path} has no split and class {lonely!r} has one document; a stratified split needs two. "
            f"Add a document or a split column"
        )
    try:
        _, test = train_test_split(
            range(len(labels)), test_size=options.test_share, random_state=options.split_seed, stratify=labels
        )
    except ValueError as error:
        raise DataError(
            f"{path} has no split and none can be drawn with test_share {options.test_share}: {error}. "
            f"Change test_share or add a split column"
        ) from error
    chosen = set(test)
    _log.warning(
        "%s has no split: drew a stratified one with seed %d, %d training and %d test documents. "
        "Add a split column to choose it yourself",
        path,
        options.split_seed,
        len(labels) - len(chosen),
        len(chosen),
    )
    return tuple("test" if position in chosen else "train" for position in range(len(labels)))
