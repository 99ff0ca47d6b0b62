"""Which documents of an own corpus train and which test: as its split column says, or drawn class by class."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.errors import DataError

_NAMES = (
    ("test", re.compile(r"(^|[^a-z])(test(ing)?)([^a-z]|$)")),
    ("train", re.compile(r"(^|[^a-z])(train(ing)?)([^a-z]|$)")),
    ("validation", re.compile(r"(^|[^a-z])(val|valid|validation|dev|development)([^a-z]|$)")),
)


def split_named(text: str) -> str | None:
    """The split that a name stands for, or None; the published lists say ``training`` and ``20news-bydate-test``.

    >>> split_named("20news-bydate-test"), split_named("Dev"), split_named("interval")
    ('test', 'validation', None)
    """
    return next((split for split, pattern in _NAMES if pattern.search(text.casefold())), None)


def splits_of(
    path: str, labels: Sequence[str], named: Sequence[str], names: Sequence[str], options: TextGraphOptions
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The split of each document, and what is to be said about it.

    Args:
        path: of the corpus, for messages.
        labels: class of each document.
        named: what the corpus says of the split of each, "" for all when it says nothing.
        names: of the documents.
        options: seed and share of a split that is drawn.

    Raises:
        DataError: a name that is no split, or no class with two documents where one is drawn.
    """
    splits = [split_named(text) or "" for text in named]
    if any(named):
        wrong = next((place for place, split in enumerate(splits) if not split), None)
        if wrong is not None:
            raise DataError(
                f"{path}: document {names[wrong]!r} has the split {named[wrong]!r}; allowed are train, test and validation. "
                f"Rename the column or folder if it is no split"
            )
        if "test" in splits or "train" not in splits:
            return tuple(splits), ()
    free = [place for place, split in enumerate(splits) if split != "validation"]
    chosen = {free[place] for place in draw([labels[place] for place in free], options)}
    if not chosen:
        raise DataError(
            f"{path} has no test documents, and none can be drawn: each class has one document. "
            f"Look whether the right column is the label (--label-column), or add documents"
        )
    drawn = tuple("test" if place in chosen else split or "train" for place, split in enumerate(splits))
    has = "no test documents" if any(named) else "no split"
    note = (
        f"{path} has {has}: drew a stratified one with seed {options.split_seed}, {drawn.count('train')} training and "
        f"{len(chosen)} test documents. Add a split column to choose it yourself"
    )
    return drawn, (note,)


def draw(labels: Sequence[str], options: TextGraphOptions) -> list[int]:
    """Places of the documents that test: of each class the share that is asked for, one at least and never all of them.

    A class with one document keeps it for training.

    >>> len(draw(["a"] * 10 + ["b"] * 2 + ["c"], TextGraphOptions()))
    4
    """
    of_class: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        of_class[label].append(place)
    exact = {label: options.test_share * len(places) for label, places in sorted(of_class.items())}
    count = {label: min(len(of_class[label]) - 1, max(1, int(share))) for label, share in exact.items()}
    missing = round(options.test_share * len(labels)) - sum(count.values())
    for label in sorted(exact, key=lambda label: count[label] - exact[label])[: max(missing, 0)]:
        count[label] = min(len(of_class[label]) - 1, count[label] + 1)
    generator = np.random.default_rng(options.split_seed)
    chosen: list[int] = []
    for label, number in count.items():
        chosen += generator.permutation(of_class[label])[:number].tolist()
    return sorted(chosen)
