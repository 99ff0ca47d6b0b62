"""Where the documents of a build come from: a corpus on disk that is read one document after the other, as often as needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gcn2snn.datasets.corpus import published_hash, read_published
from gcn2snn.datasets.options import Cleaning, TextGraphOptions
from gcn2snn.datasets.own import Document, documents_of, files_of, watched_corpus
from gcn2snn.datasets.registry import Dataset
from gcn2snn.errors import DataError

BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class Source:
    """A corpus that is read document by document.

    Args:
        name: as the user gave it.
        path: absolute place of an own corpus, or "".
        documents: the documents in their order; sentences about what was chosen while reading go into its argument.
        bytes_hash: sha256 of what is on disk.
        row: of the registry, where the corpus is a published one.
    """

    name: str
    path: str
    documents: Callable[[list[str]], Iterator[Document]]
    bytes_hash: str
    row: Dataset | None = None

    @property
    def min_count(self) -> int | None:
        """That of the published cleaning; None: it follows from the number of documents."""
        return None if self.row is None else self.row.min_count

    @property
    def stop_words(self) -> str:
        """The list of the published cleaning, or that of own corpora."""
        return "nltk-179" if self.row is None else self.row.stop_words

    @property
    def cleaning(self) -> Cleaning:
        """The cleaning that is meant when none is named."""
        return "unicode" if self.row is None else "published"

    @classmethod
    def own(cls, path: Path, options: TextGraphOptions) -> Source:
        """A file or folder of the user's; what is read of it later has to be what its hash was taken of.

        Raises:
            DataError: as :func:`gcn2snn.datasets.own.read_own` for what is no regular file, cannot be read, or changes.
        """
        watched, digest = watched_corpus(path), hashlib.sha256()
        with watched.reading():
            for file in files_of(path):
                digest.update(f"{file.relative_to(path) if file != path else ''}\0".encode("utf-8", "surrogateescape"))
                digest.update(_hash_of(file))

        def documents(notes: list[str]) -> Iterator[Document]:
            with watched.reading():
                yield from documents_of(path, options, notes)

        return cls(str(path), str(path.resolve()), documents, digest.hexdigest())

    @classmethod
    def published(cls, row: Dataset, root: Path | None, progress: bool) -> Source:
        """A published corpus. They are small, the largest has 22 MB of text, and are held while they are read."""

        def documents(notes: list[str]) -> Iterator[Document]:
            corpus = read_published(row, root, progress=progress)
            columns = (corpus.documents, corpus.labels, corpus.split, corpus.names)
            return (Document(*fields) for fields in zip(*columns, strict=True))

        return cls(row.name, "", documents, published_hash(row), row)


def _hash_of(file: Path) -> bytes:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as content:
            while block := content.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror or error}. Give a file that you may read") from error
    return digest.digest()
