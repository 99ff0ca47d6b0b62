"""Lists of stop words, by name, by language or from a file."""

from __future__ import annotations

import difflib
import re
from importlib import resources
from pathlib import Path

from gcn2snn.datasets.text_file import read_text
from gcn2snn.errors import DataError, MissingPackageError
from gcn2snn.watched import Watched

_STOP_WORDS_179 = "stopwords_nltk_english_179.txt"
_NAMED = ("none", "nltk-179", "nltk")


def read_stop_words(choice: str) -> frozenset[str]:
    """The words of a stop-word list.

    Args:
        choice: ``nltk-179`` (NLTK's English list of 2017-12 to 2023, shipped here), ``nltk`` (the English list that the
            installed NLTK has), a language of which NLTK has a list, such as ``german``, ``none``, or a file with one word
            a line. A file comes before a language of the same name.

    Raises:
        DataError: the file cannot be read, or NLTK has no list of the language, or none downloaded.
        MissingPackageError: NLTK is not installed.
    """
    if choice == "none":
        return frozenset()
    if choice == "nltk-179":
        return frozenset((resources.files("gcn2snn.datasets") / _STOP_WORDS_179).read_text("utf-8").split())
    if choice == "nltk":
        return _of_nltk("english")
    if re.fullmatch(r"[a-z]+", choice) and not Path(choice).exists():
        return _of_nltk(choice)
    try:
        if not Path(choice).is_file():  # also a pipe or a device, which would never end
            raise OSError("there is no such file")
        return frozenset(read_text(Path(choice)).split())
    except (OSError, DataError) as error:
        why = error if isinstance(error, OSError) else "it is no text in UTF-8"
        raise DataError(
            f"cannot read the stop-word list {choice!r}: {why}. "
            f"Give nltk-179, nltk, a language such as german, none, or a UTF-8 file with one word a line"
        ) from error


def watched_stop_words(choice: str) -> Watched:
    """The file of a stop-word list, which is read for its hash and again for its words; nothing where the choice is no file."""
    return Watched.now(Path(choice), lambda: (Path(choice),) if choice not in _NAMED and Path(choice).is_file() else ())


def _of_nltk(language: str) -> frozenset[str]:
    try:
        from nltk.corpus import stopwords
    except ImportError as error:
        raise MissingPackageError(
            f"the list of {language} stop words needs NLTK: pip install 'gcn2snn[nltk]'; or use nltk-179, none, or a file"
        ) from error
    try:
        return frozenset(stopwords.words(language))
    except LookupError as error:
        raise DataError(
            f"the installed NLTK has no stop-word list{_meant(language, [])}. Get it with: python -m nltk.downloader stopwords; or use "
            f"nltk-179"
        ) from error
    except OSError as error:
        languages = list(stopwords.fileids())
        raise DataError(
            f"NLTK has no stop words of {language!r}, and there is no such file{_meant(language, languages)}. It has "
            f"{', '.join(languages)}"
        ) from error


def _meant(choice: str, languages: list[str]) -> str:
    """The choices whose names are near to what was typed, as the rest of a sentence; empty if none is."""
    near = difflib.get_close_matches(choice, ["none", "nltk", "nltk-179", *languages], n=3, cutoff=0.6)
    return f" ({choice!r} is near to {', '.join(near)})" if near and choice not in near else ""
