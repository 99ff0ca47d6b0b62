from __future__ import annotations

from dataclasses import replace

import pytest

from gcn2snn.datasets import Corpus, TextGraphOptions, clean_corpus
from gcn2snn.errors import DataError


def test_clean_corpus_removes_rare_words_and_stop_words(small: Corpus) -> None:
    clean = clean_corpus(small, TextGraphOptions(min_count=2))
    assert clean.documents == ("red apple red tree", "apple tree", "car road", "car road car")
    assert clean.text == "red apple red tree\napple tree\ncar road\ncar road car"
    assert clean.options.stop_words == "none"


def test_clean_corpus_counts_words_over_the_corpus_before_removing(small: Corpus) -> None:
    the = replace(
        small, documents=("the the cat", "the cat", "a cat", "cat dog dog"), stop_words="nltk-179", min_count=2
    )
    assert clean_corpus(the).documents == ("cat", "cat", "cat", "cat dog dog")


def test_a_document_without_words_is_kept_and_counted(small: Corpus) -> None:
    clean = clean_corpus(replace(small, documents=("x", "--", "y", "z")))
    assert clean.documents == ("x", "", "y", "z")
    assert clean.notes == (
        "small: 1 document has no known word left (first 'b'; min_count 1, stop words none); "
        "kept without edges in the graph, and --wordless drop would leave them out",
    )


def test_documents_without_words_are_dropped_when_asked(small: Corpus) -> None:
    texts = replace(small, documents=("x", "...", "y", "---"))
    clean = clean_corpus(texts, TextGraphOptions(wordless="drop"))
    assert clean.documents == ("x", "y")
    assert clean.corpus.names == ("a", "c")
    assert clean.corpus.hash == texts.hash
    assert clean.notes[0].startswith("small: 2 of 4 documents have no known word left (first 'b'")
    assert clean.notes[0].endswith("; dropped")


def test_dropping_the_only_training_document_of_a_class_is_refused(small: Corpus) -> None:
    with pytest.raises(DataError, match="no training document of class 'fruit'"):
        clean_corpus(replace(small, documents=("--", "x", "y", "z")), TextGraphOptions(wordless="drop"))


def test_documents_without_words_are_refused_when_asked(small: Corpus) -> None:
    texts = replace(small, documents=("x", "...", "---", "z"))
    with pytest.raises(DataError, match=r"2 of 4 documents have no known word left \(first 'b'.*--wordless keep"):
        clean_corpus(texts, TextGraphOptions(wordless="refuse"))


@pytest.mark.parametrize(
    ("texts", "options", "way_out"),
    [
        (("a b", "b c", "c d", "d a"), {"min_count": 99}, "Lower it with --min-count 2"),
        (("the of", "and", "it", "the"), {"stop_words": "nltk-179"}, "Keep them with --stop-words none"),
        (("这部", "电影", "很好", "看"), {"cleaning": "published"}, "choose --cleaning unicode"),
    ],
)
def test_a_corpus_without_any_word_names_the_option_that_helps(
    small: Corpus, texts: tuple[str, ...], options: dict[str, object], way_out: str
) -> None:
    corpus = replace(small, documents=texts)
    with pytest.raises(DataError, match=f"no word is left in any of 4 documents.*{way_out}"):
        clean_corpus(corpus, TextGraphOptions(**options))
    mended = {"--min-count 2": {"min_count": 2}, "--stop-words none": {}, "--cleaning unicode": {}}
    better = next(values for said, values in mended.items() if said in way_out)
    assert any(clean_corpus(corpus, TextGraphOptions(**better)).documents)


def test_the_published_cleaning_says_what_it_drops_elsewhere(small: Corpus) -> None:
    german = replace(small, documents=("schöne Träume", "x", "y", "z"))
    clean = clean_corpus(german, TextGraphOptions(cleaning="published"))
    assert clean.documents[0] == "sch ne tr ume"
    assert "drops 2 of 15 letters (13.3 %)" in clean.notes[0]
    assert clean_corpus(replace(german, cleaning="published")).notes == ()
    assert clean_corpus(german).documents[0] == "schöne träume"


def test_min_count_follows_the_size_of_an_own_corpus() -> None:
    texts = tuple(f"word{number} often" for number in range(1000))
    names = tuple(map(str, range(1000)))
    corpus = Corpus("many", texts, ("x",) * 1000, ("train",) * 1000, names, stop_words="none")
    clean = clean_corpus(corpus)
    assert clean.options.min_count == 2
    assert set(clean.documents) == {"often"}


def test_cleaning_spaces_leaves_words_alone(small: Corpus) -> None:
    words = replace(small, documents=("Ü-ber 你好", "x", "y", "z"))
    assert clean_corpus(words, TextGraphOptions(cleaning="spaces")).documents[0] == "Ü-ber 你好"
