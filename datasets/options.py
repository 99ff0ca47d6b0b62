"""The options of a text graph."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from gcn2snn.errors import ConfigError

Documents = Literal["all", "training"]
Cleaning = Literal["published", "spaces"]


@dataclass(frozen=True)
class TextGraphOptions:
    """Options from raw text to graph; ``None`` means what the corpus was published with (own corpora: as 20ng).

    Args:
        window: tokens in a sliding window.
        min_count: words seen fewer times in the corpus are removed.
        stop_words: ``nltk-179``, ``nltk`` (the installed NLTK's list), ``none``, or a file with one word a line.
        cleaning: ``published`` (English: other letters become spaces), or ``spaces`` (the text is tokenised already).
        wordless: what to do with a document that has no known word left: ``refuse`` it, or ``keep`` it as a node
            without edges.
        split_seed: seed of the stratified split of an own corpus that has none.
        test_share: part of the documents that such a split makes test documents.
        documents: ``all``, or ``training``: test documents are left out before anything is counted, so neither nodes, words,
            frequencies nor windows know of them.
    """

    window: int = 20
    min_count: int | None = None
    stop_words: str | None = None
    cleaning: Cleaning = "published"
    wordless: Literal["refuse", "keep"] = "refuse"
    split_seed: int = 0
    test_share: float = 0.3
    documents: Documents = "all"

    def __post_init__(self) -> None:
        if not 2 <= self.window <= 4096:
            raise ConfigError(f"window is {self.window}; a window holds 2 to 4096 tokens (20 is the published size)")
        if self.min_count is not None and self.min_count < 1:
            raise ConfigError(f"min_count is {self.min_count}; 1 keeps every word, larger numbers remove rare ones")
        choices = {"cleaning": get_args(Cleaning), "wordless": ("refuse", "keep"), "documents": get_args(Documents)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; allowed are {' and '.join(allowed)}")
        if not 0 < self.test_share < 1:
            raise ConfigError(f"test_share is {self.test_share}; it lies between 0 and 1 (0.3 is the default)")
        if not 0 <= self.split_seed < 2**32:
            raise ConfigError(f"split_seed is {self.split_seed}; allowed are 0 to 4294967295")

    def resolved(self, min_count: int, stop_words: str) -> TextGraphOptions:
        """The same options with ``None`` replaced by a corpus's own values."""
        return replace(
            self,
            min_count=min_count if self.min_count is None else self.min_count,
            stop_words=stop_words if self.stop_words is None else self.stop_words,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, for files."""
        return asdict(self)
