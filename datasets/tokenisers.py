"""What cuts text into words, by name: the tokenisers of NLTK, and your own.

A name travels in a graph and in a converted network, never code: a file that somebody else made can only ask for a
tokeniser of this list, or for one that you have registered yourself.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import cache

from gcn2snn.errors import ConfigError, DataError, InputTypeError, MissingPackageError

Tokeniser = Callable[[str], Iterable[str]]

_NLTK = {
    "nltk-tweet": "TweetTokenizer",
    "nltk-wordpunct": "WordPunctTokenizer",
    "nltk-treebank": "TreebankWordTokenizer",
    "nltk-toktok": "ToktokTokenizer",
    "nltk-punkt": "word_tokenize",
}
"""Name -> what it is called in ``nltk.tokenize``."""

_OWN: dict[str, Tokeniser] = {}


def register_tokeniser(name: str, tokeniser: Tokeniser) -> None:
    """Give a tokeniser a name, so that ``TextGraphOptions(tokeniser=name)`` and networks trained with it can use it.

    >>> register_tokeniser("pairs", lambda text: [text[i : i + 2] for i in range(0, len(text), 2)])
    >>> from gcn2snn.datasets import TextGraphOptions, words_of
    >>> words_of("ABcd", TextGraphOptions(tokeniser="pairs"))
    ['ab', 'cd']

    Args:
        name: any text that is not the name of one of NLTK's.
        tokeniser: takes a text, gives its words in their order; they are lower-cased afterwards.

    Raises:
        ConfigError: the name is taken by one of NLTK's.
        InputTypeError: it cannot be called.
    """
    if name in _NLTK:
        raise ConfigError(f"{name} is the name of a tokeniser of NLTK; choose another name")
    if not callable(tokeniser):
        raise InputTypeError(f"the tokeniser {name!r} is {type(tokeniser).__name__}; a function of a text is needed")
    _OWN[name] = tokeniser


def import_tokeniser(name: str) -> None:
    """Import and register a tokeniser that is named ``module:function``; other names need no import.

    This runs the module's code, so the name must come from the person at the keyboard and never from a file.

    >>> import_tokeniser("nltk-tweet")  # not of the form module:function, so nothing is imported

    Raises:
        ConfigError: there is no such module or function.
    """
    module, colon, function = name.partition(":")
    if not colon:
        tokeniser_named(name)
        return
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"the tokeniser {name!r} cannot be imported: {error}. Give module:function, with the module's folder in "
            f"PYTHONPATH, or one of {', '.join(_NLTK)}"
        ) from error
    register_tokeniser(name, found)


def refuse_other_tokeniser(given: str | None, used: str | None) -> None:
    """Refuse a tokeniser that is not the one of a network's graph: it would change nothing, or its words.

    >>> refuse_other_tokeniser("nltk-toktok", used=None)
    Traceback (most recent call last):
        ...
    gcn2snn.errors.ConfigError: --tokeniser nltk-toktok: this network was trained on texts that were cut with no tokeniser. Leave it out

    Args:
        given: by the person who uses the network; None: none.
        used: for the texts of the graph; None: the cleaning cut them.

    Raises:
        ConfigError: they differ.
    """
    if given is None or given == used:
        return
    how = "no tokeniser" if used is None else f"the tokeniser {used}"
    instead = "Leave it out" if used is None else f"Give --tokeniser {used}, or leave it out if it is one of NLTK's"
    raise ConfigError(f"--tokeniser {given}: this network was trained on texts that were cut with {how}. {instead}")


def tokeniser_named(name: str) -> Tokeniser:
    """The tokeniser of a name.

    Raises:
        ConfigError: unknown here; the message says how to make it known.
        MissingPackageError: it is one of NLTK's, and NLTK is not installed.
    """
    if name in _OWN:
        return _OWN[name]
    if name in _NLTK:
        return _of_nltk(name)
    if ":" in name:
        raise ConfigError(
            f"the tokeniser {name!r} is code of its owner and is not imported from a file's word. If you trust it, give "
            f"--tokeniser {name} here too, or call gcn2snn.datasets.register_tokeniser({name!r}, function)"
        )
    raise ConfigError(
        f"no tokeniser is called {name!r}. There are {', '.join(_NLTK)}; your own as module:function on the command "
        f"line, or by gcn2snn.datasets.register_tokeniser({name!r}, function)"
    )


@cache
def _of_nltk(name: str) -> Tokeniser:
    try:
        import nltk.tokenize as home
    except ImportError as error:
        raise MissingPackageError(f"the tokeniser {name} needs NLTK: pip install 'gcn2snn[nltk]'") from error
    if name == "nltk-punkt":
        return _punkt
    tokenise: Tokeniser = getattr(home, _NLTK[name])().tokenize
    return tokenise


def _punkt(text: str) -> Iterable[str]:
    from nltk.tokenize import word_tokenize

    try:
        words: list[str] = word_tokenize(text)
    except LookupError as error:
        raise DataError(
            "the installed NLTK has no sentence model. Get it with: python -m nltk.downloader punkt_tab; or use nltk-toktok"
        ) from error
    return words
