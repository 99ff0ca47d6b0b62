"""Your own corpus: a table or JSON file with text, label and split, or a folder per class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gcn2snn.datasets.columns import Columns
from gcn2snn.datasets.corpus import Corpus
from gcn2snn.datasets.file_bytes import kind_of, refuse_special
from gcn2snn.datasets.json_records import read_records
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.parquet import read_parquet
from gcn2snn.datasets.split import split_named, splits_of
from gcn2snn.datasets.tables import Table, read_table
from gcn2snn.datasets.text_file import TextFile, read_text
from gcn2snn.errors import DataError
from gcn2snn.watched import Watched

TABLES = (".tsv", ".csv", ".tab", ".txt", ".psv")
JSON = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
FORMATS = (
    "a table (.tsv, .csv, .tab, .txt), JSON (.jsonl, .json) or Parquet (.parquet) with a text and a label and, if you like, a "
    "split and a name, also packed (.gz, .bz2, .xz); or a folder per class"
)


@dataclass(frozen=True)
class Document:
    """One document as it stands in a file; ``split`` is "" where the corpus does not say."""

    text: str
    label: str
    split: str
    name: str


def read_own(path: Path, options: TextGraphOptions) -> Corpus:
    """The corpus in a file or folder.

    A file has a column for the text and one for the label, found by their names, by the options, or because there are two;
    it may have ``split`` and ``name``. A folder holds one folder per class with one text file per document, or ``train``
    and ``test`` folders that do, or the files ``train.csv`` and ``test.csv``. Without test documents a stratified split is
    drawn with ``options.split_seed``. Documents without a label are left out; both is said in the notes of the corpus.

    Raises:
        DataError: no regular file, unreadable, no text, of another format, without text or label, names of splits that are
            none, a class without training documents, or it changed while it was read.
    """
    notes: list[str] = []
    with watched_corpus(path).reading():
        found = list(documents_of(path, options, notes))
    documents = [document for document in found if document.label]
    lost = [document.name for document in found if not document.label]
    any_text = any(document.text.strip() for document in documents)
    notes += unlabelled_notes(str(path), len(documents), len(lost), lost[0] if lost else "", any_text)
    names = tuple(document.name for document in documents)
    if len(set(names)) < len(names):
        notes.append(repeated_names_note(str(path)))
        names = tuple(map(numbered, range(len(names))))
    labels = tuple(document.label for document in documents)
    split, said = splits_of(str(path), labels, [document.split for document in documents], names, options)
    texts = tuple(document.text for document in documents)
    return Corpus(str(path), texts, labels, split, names, path=str(path.resolve()), notes=(*notes, *said))


def documents_of(path: Path, options: TextGraphOptions, notes: list[str]) -> Iterator[Document]:
    """The documents of a file or folder in their order, those without a label included, none of them held.

    Args:
        path: of the corpus.
        options: columns, encoding and quotes.
        notes: gets what was chosen while reading, one sentence each.

    Raises:
        DataError: as :func:`read_own`, as far as it can be seen without the other documents.
    """
    refuse_special(path)
    return (_folder if path.is_dir() else _file)(path, options, notes)


def files_of(path: Path) -> Iterator[Path]:
    """The files of a corpus that are read; class folders may be links to folders."""
    refuse_special(path)
    if not path.is_dir():
        yield path
        return
    inside = _visible(path)
    folders = [item for item in inside if item.is_dir()]
    yield from () if folders else _named_by_split(inside)
    for folder in folders:
        yield from _below(folder)
        for inner in _visible(folder) if split_named(folder.name) else ():
            if inner.is_symlink() and inner.is_dir():
                yield from _below(inner)


def watched_corpus(path: Path) -> Watched:
    """A corpus that is read from now on: more than once, since a table is looked through before its rows are taken.

    Raises:
        DataError: no regular file or folder.
    """
    refuse_special(path)
    return Watched.now(path, lambda: files_of(path))


def unlabelled_notes(name: str, labelled: int, lost: int, first: str, any_text: bool) -> list[str]:
    """What is said of documents without a label, which are left out.

    Args:
        name: of the corpus.
        labelled, lost: documents with and without a label.
        first: name of the first of those without.
        any_text: whether one with a label has a text.

    Raises:
        DataError: there is no document, or none has a label, or none a text.
    """
    if not labelled + lost:
        raise DataError(f"{name} is empty; a corpus needs at least one document a class")
    if not labelled:
        raise DataError(
            f"{name}: none of {lost} documents has a label. Look whether the right column is the label (--label-column)"
        )
    if not any_text:
        raise DataError(
            f"{name}: none of {labelled} documents has a text. Look whether the right column is the text (--text-column)"
        )
    some = f"{lost} documents have no label and are" if lost > 1 else "1 document has no label and is"
    return [f"{name}: {some} left out (first {first!r})"] if lost else []


def repeated_names_note(name: str) -> str:
    """What is said where names of documents repeat: a column ``name`` may be anything."""
    return f"{name}: names of documents repeat, so documents are numbered instead"


def numbered(place: int) -> str:
    """The name of a document where names repeat."""
    return f"document {place + 1}"


def _file(path: Path, options: TextGraphOptions, notes: list[str], split: str = "") -> Iterator[Document]:
    """The documents of one file; ``split`` is that of a file without a split column."""
    kind = kind_of(path)
    table = read_parquet(path, options) if kind in PARQUET else _text_table(path, kind, options, notes)
    if table is None:
        return
    notes += table.notes
    for line, fields in table.lines():
        yield _document(path, line, fields, table.columns, split)


def _text_table(path: Path, kind: str, options: TextGraphOptions, notes: list[str]) -> Table | None:
    """The records of a file of text; None for an empty one."""
    file = TextFile.look(path, options.encoding)
    if file.mistaken:
        notes.append(f"{path} is UTF-8 and was read as {options.encoding}; leave --encoding out to read it as UTF-8")
    if kind not in (*TABLES, *JSON):
        raise DataError(f"{path} is a {kind or 'nameless'} file; rename it if it is one of these: {FORMATS}")
    return None if file.blank else (read_records if kind in JSON else read_table)(file, options)


def _document(path: Path, line: int, fields: list[str], columns: Columns, split: str) -> Document:
    def value(place: int | None) -> str:
        return "" if place is None else fields[place].strip()

    text = fields[columns.text]
    for what, content in (("text", text), ("label", fields[columns.label])):
        if any("\ud800" <= letter <= "\udfff" for letter in content) if not content.isascii() else False:
            raise DataError(
                f"the {what} on line {line} of {path} holds half of a surrogate pair; save the file as UTF-8 text"
            )
    return Document(text, value(columns.label), value(columns.split) or split, value(columns.name) or f"line {line}")


def _folder(path: Path, options: TextGraphOptions, notes: list[str]) -> Iterator[Document]:
    """The documents of a folder per class, per split and class, or of one file per split."""
    inside = _visible(path)
    folders = [item for item in inside if item.is_dir()]
    if not folders:
        yield from _split_files(path, inside, options, notes)
        return
    by_split = all(split_named(folder.name) and not _files_in(folder) for folder in folders)
    stray = [item.name for item in inside if not item.is_dir()]
    if stray:
        notes.append(f"{path}: files beside the folders are left out: {len(stray)} (first {stray[0]!r})")
    for folder in folders:
        classes = [item for item in _visible(folder) if item.is_dir()] if by_split else [folder]
        if not classes:
            raise DataError(f"{folder} holds no class folder; documents lie in SPLIT/CLASS/ or in CLASS/")
        for class_folder in classes:
            files = list(_below(class_folder))
            if not files:
                notes.append(
                    f"{class_folder} holds no document, so there is none of the class {class_folder.name!r} in it"
                )
            for file in files:
                text = read_text(file, options.encoding)
                split = folder.name if by_split else ""
                yield Document(text, class_folder.name, split, file.relative_to(path).as_posix())


def _split_files(path: Path, files: list[Path], options: TextGraphOptions, notes: list[str]) -> Iterator[Document]:
    """The documents of ``train.csv``, ``test.csv`` and the like, whose names say the split."""
    readable = _named_by_split(files)
    if not readable:
        raise DataError(
            f"{path} holds no folder and no file such as train.csv; a corpus can be {FORMATS}, with one text file a document"
        )
    for file in readable:
        for document in _file(file, options, notes, file.stem):
            yield Document(document.text, document.label, document.split, f"{file.name} {document.name}")


def _named_by_split(files: list[Path]) -> list[Path]:
    return [file for file in files if kind_of(file) in (*TABLES, *JSON, *PARQUET) and split_named(file.stem)]


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror or error}. Give a folder that you may read") from error


def _files_in(folder: Path) -> bool:
    return any(not item.is_dir() for item in _visible(folder))


def _below(folder: Path) -> Iterator[Path]:
    """The files of a folder and of those in it, without following links to folders, which may lead back."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place) / name for name in sorted(files) if not name.startswith("."))
