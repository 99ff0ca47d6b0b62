"""What is said of a corpus before it is trained on, because a good accuracy on it would mislead."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from gcn2snn.datasets.corpus import Corpus
from gcn2snn.datasets.options import TextGraphOptions

FEW = 5
"""Documents below which a class is called small."""


def corpus_warnings(corpus: Corpus) -> tuple[str, ...]:
    """One sentence for each thing that makes the accuracy on a corpus misleading; none for a sound corpus.

    >>> texts = ("good film", "bad film", "good film", "bad film")
    >>> corpus = Corpus("two", texts, ("x", "y", "x", "x"), ("train", "train", "test", "test"), ("a", "b", "c", "d"))
    >>> for warning in corpus_warnings(corpus):
    ...     print(warning)
    two: 2 of 2 test documents have the text of a training document, so the test accuracy is too high
    two: 2 documents have the same text as another one with another label (first 'b' and 'd'); no network can get both right
    two: 2 classes have fewer than 5 documents: 'x' (3), 'y' (1); their accuracy says little

    Looked for: texts that are in training and in test documents, equal texts with different labels, one class only, and
    classes with fewer than :data:`FEW` documents. Texts are equal when they differ in spaces only.
    """
    texts = [same_text(document) for document in corpus.documents]
    tested = corpus.split.count("test")
    torn, pair = _contradicting(corpus, texts)
    return warnings_of(corpus.name, Counter(corpus.labels), (_shared(corpus, texts), tested), torn, pair)


def same_text(document: str) -> str:
    """A text in the form in which equal ones are looked for."""
    return " ".join(document.split())


def warnings_of(
    name: str, labels: Mapping[str, int], shared: tuple[int, int], torn: int, pair: tuple[str, str]
) -> tuple[str, ...]:
    """The sentences of :func:`corpus_warnings`.

    Args:
        name: of the corpus.
        labels: documents of each class.
        shared: test documents that have the text of a training document, and all test documents.
        torn: documents that have the text of another one with another label.
        pair: names of the first two such documents.
    """
    found = []
    if shared[0]:
        found.append(
            f"{name}: {shared[0]} of {shared[1]} test documents have the text of a training document, "
            f"so the test accuracy is too high"
        )
    if torn:
        found.append(
            f"{name}: {torn} documents have the same text as another one with another label (first "
            f"{pair[0]!r} and {pair[1]!r}); no network can get both right"
        )
    if len(labels) == 1:
        (label,) = labels
        found.append(
            f"{name}: all documents have the label {label!r}, so there is nothing to tell apart and every network is "
            f"right; add documents of another class, or name the right column with --label-column"
        )
    small = {label: count for label, count in sorted(labels.items()) if count < FEW}
    if small:
        some = ", ".join(f"{label!r} ({count})" for label, count in list(small.items())[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        have = "classes have" if len(small) > 1 else "class has"
        found.append(
            f"{name}: {len(small)} {have} fewer than {FEW} documents: {some}{more}; their accuracy says little"
        )
    return tuple(found)


def chosen_note(corpus: Corpus, options: TextGraphOptions) -> str:
    """How a corpus becomes words, with what was chosen for it.

    >>> chosen_note(Corpus("one", ("a b",), ("x",), ("train",), ("1",)), TextGraphOptions())
    'one: cleaning unicode, stop words nltk-179, min_count 1, chosen for 1 documents'
    """
    by_size = len(corpus.documents) if options.min_count is None and corpus.min_count is None else None
    return resolved_note(corpus.name, corpus.resolved(options), by_size)


def resolved_note(name: str, resolved: TextGraphOptions, by_size: int | None) -> str:
    """The sentence of :func:`chosen_note`; ``by_size``: documents by whose number ``min_count`` was chosen, if it was."""
    of_size = f", chosen for {by_size:,} documents" if by_size is not None else ""
    cut = f"{resolved.cleaning} with {resolved.tokeniser}" if resolved.tokeniser else str(resolved.cleaning)
    return f"{name}: cleaning {cut}, stop words {resolved.stop_words}, min_count {resolved.min_count}{of_size}"


def _shared(corpus: Corpus, texts: list[str]) -> int:
    trained = {text for text, split in zip(texts, corpus.split, strict=True) if split == "train" and text}
    return sum(text in trained for text, split in zip(texts, corpus.split, strict=True) if split == "test")


def _contradicting(corpus: Corpus, texts: list[str]) -> tuple[int, tuple[str, str]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        if text:
            places[text].append(place)
    torn = [same for same in places.values() if len({corpus.labels[place] for place in same}) > 1]
    if not torn:
        return 0, ("", "")
    first = torn[0][0]
    other = next(place for place in torn[0] if corpus.labels[place] != corpus.labels[first])
    return sum(map(len, torn)), (corpus.names[first], corpus.names[other])
