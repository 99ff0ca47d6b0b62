from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gcn2snn.datasets import Corpus, TextGraphOptions, clean_corpus, load_graph, suitable_min_count
from gcn2snn.errors import ConfigError, InputError, InputTypeError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": 1}, "window is 1; a window holds 2 to 4096"),
        ({"window": 5000}, "window is 5000"),
        ({"min_count": 0}, "min_count is 0; 1 keeps every word"),
        ({"cleaning": "hard"}, "cleaning is 'hard'; allowed are published, unicode, spaces"),
        ({"wordless": "maybe"}, "wordless is 'maybe'; allowed are keep, drop, refuse"),
        ({"test_share": 1.0}, "test_share is 1.0; it lies between 0 and 1"),
        ({"encoding": "klingon"}, "encoding is 'klingon', and Python knows no text encoding of that name"),
        ({"encoding": "hex"}, "encoding is 'hex', and Python knows no text encoding"),
        ({"tokeniser": "nltk-tweet", "cleaning": "spaces"}, "'nltk-tweet' goes with cleaning unicode, .* is spaces"),
        ({"split_seed": -1}, "split_seed is -1; allowed are 0 to"),
    ],
)
def test_options_refuse(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TextGraphOptions(**values)


def test_resolved_keeps_what_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = TextGraphOptions(min_count=2).resolved(5, "nltk-179", "published")
    assert (chosen.min_count, chosen.stop_words, chosen.cleaning) == (2, "nltk-179", "published")
    assert TextGraphOptions(**chosen.to_json()) == chosen
    assert TextGraphOptions(tokeniser="nltk-tweet").resolved(5, "none", "published").cleaning == "unicode"
    (tmp_path / "stop.txt").write_text("a")
    monkeypatch.chdir(tmp_path)
    assert TextGraphOptions(stop_words="stop.txt").resolved(5, "none", "unicode").stop_words == str(
        tmp_path / "stop.txt"
    )


@given(st.integers(1, 2_000_000))
def test_suitable_min_count_never_falls(documents: int) -> None:
    count = suitable_min_count(documents)
    assert 1 <= count <= suitable_min_count(documents + 1) <= 29
    assert count == 1 or 80 * count**3 <= documents < 80 * (count + 1) ** 3


@pytest.mark.parametrize("documents", [0, 79, 80, 639, 640, 2**63, 10**300, 10**4000])
def test_suitable_min_count_answers_for_every_whole_number(documents: int) -> None:
    count = suitable_min_count(documents)
    assert count == 1 or 80 * count**3 <= documents < 80 * (count + 1) ** 3


@pytest.mark.parametrize("documents", [float("inf"), 1e300, float("nan"), "100", None, 2.0])
def test_suitable_min_count_refuses_what_is_no_whole_number(documents: object) -> None:
    with pytest.raises(InputTypeError, match="suitable_min_count"):
        suitable_min_count(documents)  # type: ignore[arg-type]


def test_suitable_min_count_refuses_a_negative_number() -> None:
    with pytest.raises(InputError, match="0 or more"):
        suitable_min_count(-1)


@pytest.mark.parametrize("options", [torch.tensor([]), torch.ones(2), {"window": 10}, "window", 0])
def test_options_of_another_class_are_refused(options: object) -> None:
    corpus = Corpus("two", ("A film.", "A day!"), ("good", "good"), ("train", "test"), ("1", "2"))
    for use in (lambda: load_graph("karate", options=options), lambda: clean_corpus(corpus, options)):  # type: ignore[arg-type]
        with pytest.raises(InputTypeError, match=r"options is .*; allowed are TextGraphOptions\(\.\.\.\) and None"):
            use()
