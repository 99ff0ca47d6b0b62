"""What is said of a corpus before it is trained on, because a good accuracy on it would mislead."""

from __future__ import annotations

from collections import Counter, defaultdict

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
    texts = [" ".join(document.split()) for document in corpus.documents]
    found = [*_shared(corpus, texts), *_contradicting(corpus, texts)]
    if len(corpus.class_names) == 1:
        (label,) = corpus.class_names
        found.append(
            f"{corpus.name}: all documents have the label {label!r}, so there is nothing to tell apart and every network is "
            f"right; add documents of another class, or name the right column with --label-column"
        )
    small = {label: count for label, count in sorted(Counter(corpus.labels).items()) if count < FEW}
    if small:
        some = ", ".join(f"{label!r} ({count})" for label, count in list(small.items())[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        have = "classes have" if len(small) > 1 else "class has"
        found.append(
            f"{corpus.name}: {len(small)} {have} fewer than {FEW} documents: {some}{more}; their accuracy says little"
        )
    return tuple(found)


def chosen_note(corpus: Corpus, options: TextGraphOptions) -> str:
    """How a corpus becomes words, with what was chosen for it.

    >>> chosen_note(Corpus("one", ("a b",), ("x",), ("train",), ("1",)), TextGraphOptions())
    'one: cleaning unicode, stop words nltk-179, min_count 1, chosen for 1 documents'
    """
    resolved = corpus.resolved(options)
    by_size = options.min_count is None and corpus.min_count is None
    of_size = f", chosen for {len(corpus.documents):,} documents" if by_size else ""
    cut = f"{resolved.cleaning} with {resolved.tokeniser}" if resolved.tokeniser else str(resolved.cleaning)
    return f"{corpus.name}: cleaning {cut}, stop words {resolved.stop_words}, min_count {resolved.min_count}{of_size}"


def _shared(corpus: Corpus, texts: list[str]) -> list[str]:
    trained = {text for text, split in zip(texts, corpus.split, strict=True) if split == "train" and text}
    tested = [text for text, split in zip(texts, corpus.split, strict=True) if split == "test"]
    shared = sum(text in trained for text in tested)
    if not shared:
        return []
    return [
        f"{corpus.name}: {shared} of {len(tested)} test documents have the text of a training document, "
        f"so the test accuracy is too high"
    ]


def _contradicting(corpus: Corpus, texts: list[str]) -> list[str]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        if text:
            places[text].append(place)
    torn = [same for same in places.values() if len({corpus.labels[place] for place in same}) > 1]
    if not torn:
        return []
    first = torn[0][0]
    other = next(place for place in torn[0] if corpus.labels[place] != corpus.labels[first])
    return [
        f"{corpus.name}: {sum(map(len, torn))} documents have the same text as another one with another label (first "
        f"{corpus.names[first]!r} and {corpus.names[other]!r}); no network can get both right"
    ]
