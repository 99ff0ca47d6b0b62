"""A corpus of any size that is made, not written: words by Zipf's law, and classes that prefer some of them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gcn2snn.errors import ArtefactError, ConfigError, misfits
from gcn2snn.file_names import refuse_other_ending
from gcn2snn.files import replacing

DOCUMENTS_AT_ONCE = 2_000
OFFSET = 2.7
"""Mandelbrot's: with it the commonest words are about as common as in English."""

OWN_SHARE = 0.2
"""Part of the words of a document that its class chooses by an order of its own."""


MOST = {"documents": 10**12, "tokens": 10**5, "words": 10**9, "classes": 10**9}
"""The largest sizes: beyond any corpus, and small enough that a few thousand documents fit into memory."""

LEAST_BYTES = 3
"""Bytes of the shortest word of a file, with the space behind it."""


@dataclass(frozen=True)
class SyntheticCorpus:
    """The size of a made corpus.

    Word number r has the probability (r + 2.7)^-1 / sum (Zipf's law with Mandelbrot's offset); a fifth of the words of a document
    follow the same law on the words in another order, one for each class. Lengths follow a geometric law from 1 on.

    >>> next(iter(SyntheticCorpus(documents=2, tokens=3, words=5, classes=1).lines()))
    ('class 0', 'w0')

    Args:
        documents: how many.
        tokens: words of a document in the mean.
        words: different words, the rarest of which may be in no document.
        classes: how many.
        seed: of everything.

    Raises:
        ConfigError: a size below 1 or above its :data:`MOST`, or a negative seed.
    """

    documents: int = 1_000_000
    tokens: int = 60
    words: int = 200_000
    classes: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        with misfits("SyntheticCorpus", vars(self)):
            self._check()

    def _check(self) -> None:
        for name in ("documents", "tokens", "words", "classes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; a corpus needs at least 1")
            if getattr(self, name) > MOST[name]:
                raise ConfigError(f"{name} is {getattr(self, name)}; allowed are up to {MOST[name]:,}")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; allowed are 0 and more")

    def lines(self) -> Iterator[tuple[str, str]]:
        """Label and text of each document, a few thousand of them in memory at a time."""
        generator = np.random.default_rng(self.seed)
        share = 1.0 / (np.arange(self.words) + OFFSET)
        until = np.cumsum(share / share.sum())
        until[-1] = 1.0
        shift = generator.integers(0, self.words, self.classes)
        names = np.array([*(f"w{number:x}" for number in range(self.words)), None], dtype=object)[:-1]
        for begin in range(0, self.documents, DOCUMENTS_AT_ONCE):
            count = min(DOCUMENTS_AT_ONCE, self.documents - begin)
            label = generator.integers(0, self.classes, count)
            length = generator.geometric(1.0 / self.tokens, count)
            yield from self._texts(generator, until, shift, names, label, length)

    def _texts(
        self,
        generator: np.random.Generator,
        until: NDArray[np.float64],
        shift: NDArray[np.int64],
        names: NDArray[np.object_],
        label: NDArray[np.int64],
        length: NDArray[np.int64],
    ) -> Iterator[tuple[str, str]]:
        total = int(length.sum())
        rank = np.searchsorted(until, generator.random(total))
        own = generator.random(total) < OWN_SHARE
        rank[own] = (rank[own] + np.repeat(shift[label], length)[own]) % self.words
        words = names[rank].tolist()
        end = np.cumsum(length)
        for place, stop in enumerate(end.tolist()):
            yield f"class {label[place]}", " ".join(words[stop - int(length[place]) : stop])

    def _refuse_full_disk(self, path: Path) -> None:
        """A disk that is filled for an hour and then found too small is of no use to anybody."""
        folder = next(place for place in path.absolute().parents if place.exists())
        free, needed = shutil.disk_usage(folder).free, LEAST_BYTES * self.tokens * self.documents
        if needed > free:
            raise ArtefactError(
                f"{self.documents:,} documents of {self.tokens:,} words take {needed / 1e6:,.1f} MB or more, and "
                f"{folder} has {free / 1e6:,.1f} MB free. Write fewer, or to another disk"
            )

    def write(self, path: Path) -> int:
        """Write a TSV file with the columns label and text, whole or not at all; the words that were written.

        Raises:
            ArtefactError: it cannot be written, would surely fill the disk, or has the ending of another format.
        """
        refuse_other_ending(path, ".tsv")
        self._refuse_full_disk(path)
        total = 0
        with replacing(path) as temporary, contextlib.closing(temporary.open("w", encoding="ascii")) as file:
            file.write("label\ttext\n")
            for label, text in self.lines():
                file.write(f"{label}\t{text}\n")
                total += text.count(" ") + 1
            file.flush()
        return total
