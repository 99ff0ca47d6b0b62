"""What scikit-learn hands over, checked: texts, labels and the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from gcn2snn.errors import ConfigError, InputError, InputTypeError


def texts_of(X: object) -> list[str]:
    """The texts of a list, an array or a column, checked one by one.

    Raises:
        InputTypeError: ``X`` is no sequence of texts; the message names the first row that is no string.
        InputError: ``X`` has no row, or more than one column.
    """
    if isinstance(X, str | bytes):
        raise InputTypeError(f"X is a single {type(X).__name__}; pass a list of texts: [text]")
    if not isinstance(X, Sequence) and not hasattr(X, "__array__"):
        raise InputTypeError(f"X is {type(X).__name__}; pass a list, an array or a column of texts")
    rows: list[object] = list(X) if isinstance(X, Sequence) else _column(np.asarray(X))
    if not rows:
        raise InputError("X has no row; at least one text is needed")
    for row, text in enumerate(rows):
        if not isinstance(text, str):
            what = f"{type(text).__name__} ({str(text)[:40]!r})"
            raise InputTypeError(
                f"row {row} of X is {what}; every text must be a string. Leave such rows out, or make them texts"
            )
    return [str(text) for text in rows]


def _column(array: NDArray[np.generic]) -> list[object]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"X has shape {[*array.shape]}; one column of texts is needed, [texts] or [texts, 1]")
    return list(array)


def class_numbers(y: object, count: int) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """The classes in sorted order, and the number of each row's class, [count], int64, -1 for none.

    Raises:
        InputError, InputTypeError: as :meth:`TextGCNClassifier.fit`.
    """
    if y is None or isinstance(y, str | bytes) or not (isinstance(y, Sequence) or hasattr(y, "__array__")):
        raise InputTypeError(f"y is {type(y).__name__}; one label for each text is needed, -1 for a text without one")
    labels: list[object] = list(y) if isinstance(y, Sequence) else list(np.asarray(y).reshape(-1))
    if len(labels) != count:
        raise InputError(f"y has {len(labels)} labels and X {count} texts; one label each is needed, -1 for none")
    known = dict(_labels_of(labels))
    kinds = {str if isinstance(label, str) else int for label in known.values()}
    if len(kinds) > 1:
        raise InputError(
            "y mixes strings and numbers; give one kind of label, and the number -1 for a text without one"
        )
    classes, place = np.unique(np.array(list(known.values())), return_inverse=True)
    if len(classes) < 2:
        found = f"only the class {classes[0].item()!r}" if len(classes) else "no labelled text"
        raise InputError(f"y has {found}; texts of at least two classes are needed")
    number = np.full(count, -1, dtype=np.int64)
    number[list(known)] = place.reshape(-1)
    return classes, number


def _labels_of(labels: Sequence[object]) -> Iterator[tuple[int, str | int]]:
    """Row and label of every labelled text."""
    for row, label in enumerate(labels):
        if isinstance(label, str):
            if label == "-1":
                raise InputError(
                    f"y holds the text '-1' (row {row}): NumPy makes texts of numbers where it finds both. Mark texts without "
                    f"a label by the number -1, in a list or an array with dtype=object"
                )
            yield row, str(label)
        elif isinstance(label, bool | np.bool_):
            yield row, bool(label)
        elif isinstance(label, Integral) or (isinstance(label, Real) and float(label).is_integer()):
            whole = int(label) if isinstance(label, Integral) else int(float(label))
            if whole != -1:
                yield row, whole
        else:
            raise InputError(
                f"row {row} of y is {label!r}; a label is a string or a whole number, and -1 stands for none"
            )


def seed_of(random_state: object) -> int:
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError:
        raise ConfigError(
            f"random_state is {random_state!r}; a whole number, a numpy.random.RandomState or None is allowed"
        ) from None
