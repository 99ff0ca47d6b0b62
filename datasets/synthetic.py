"""A corpus of any size that is made, not written: words by Zipf's law, and classes that prefer some of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gcn2snn.errors import ConfigError
from gcn2snn.file_names import refuse_other_ending
from gcn2snn.files import replacing

DOCUMENTS_AT_ONCE = 2_000
OFFSET = 2.7
"""Mandelbrot's: with it the commonest words are about as common as in English."""

OWN_SHARE = 0.2
"""Part of the words of a document that its class chooses by an order of its own."""


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
        ConfigError: a size below 1.
    """

    documents: int = 1_000_000
    tokens: int = 60
    words: int = 200_000
    classes: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("documents", "tokens", "words", "classes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; a corpus needs at least 1")

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

    def write(self, path: Path) -> int:
        """Write a TSV file with the columns label and text, whole or not at all; the words that were written.

        Raises:
            ArtefactError: it cannot be written, or has the ending of another format.
        """
        refuse_other_ending(path, ".tsv")
        total = 0
        with replacing(path) as temporary, contextlib.closing(temporary.open("w", encoding="ascii")) as file:
            file.write("label\ttext\n")
            for label, text in self.lines():
                file.write(f"{label}\t{text}\n")
                total += text.count(" ") + 1
            file.flush()
        return total
