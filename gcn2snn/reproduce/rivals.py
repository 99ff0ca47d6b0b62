"""``gcn2snn reproduce rivals``: classifiers of texts that need no graph, on the same corpora and the same split."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from scipy.sparse import csr_matrix

from gcn2snn.datasets import clean_corpus, load
from gcn2snn.energy import PRESETS
from gcn2snn.files import save_json, save_text
from gcn2snn.machine import environment
from gcn2snn.reproduce.kept import kept_rows, published_data, say
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.reproduce.over_seeds import spread
from gcn2snn.reproduce.seeded_runs import available, left_out

DATASETS = ("r8", "r52", "ohsumed", "mr", "20ng")
SEEDS = 5
HIDDEN = 1024
VERSION = 1
"""Of what a kept row means."""


@dataclass(frozen=True)
class Rival:
    """One trained rival on the test documents of one corpus.

    Args:
        seed: of its weights; linear models have none that matters and are trained once.
        accuracy: percent of the test documents.
        macs: multiply-accumulates of a test document, mean.
        seconds: of training, wall time.
    """

    seed: int
    accuracy: float
    macs: float
    seconds: float


@dataclass(frozen=True)
class Texts:
    """TF-IDF rows and labels of the documents for training (validation documents included), and of the test documents."""

    train: csr_matrix
    train_labels: np.ndarray
    test: csr_matrix
    test_labels: np.ndarray

    @property
    def known_words(self) -> float:
        """Entries of a test document, mean."""
        return self.test.nnz / self.test.shape[0]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(set(self.train_labels))


def rivals(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Train each rival on each corpus; writes ``rivals.json`` and ``rivals.md``.

    TF-IDF of the cleaned words (frequencies of the training documents alone), then a linear support vector machine
    (C = 1), a logistic regression (C = 10), or a perceptron with one hidden layer of 1,024 ReLU units. Nothing is chosen
    on test documents: C of the regression is the usual value for TF-IDF, everything else is scikit-learn's default.

    Args:
        options: ``datasets`` narrow the corpora, ``seeds`` the number of perceptrons (5).
    """
    names, missing = available(chosen_names(DATASETS, options.datasets, "dataset"), options.data_dir)
    kept = out / "rivals-rows.json"
    key = {"version": VERSION, "environment": environment(), "data": published_data()}
    rows: dict[str, dict[str, float]] = kept_rows(kept, key)
    for name in names:
        texts: Texts | None = None
        for rival in MODELS:
            for seed in range((options.seeds or SEEDS) if rival == "perceptron" else 1):
                place = f"{name}/{rival}/{seed}"
                if place in rows:
                    continue
                texts = texts or texts_of(name, options.data_dir)
                rows[place] = asdict(measured(texts, rival, seed))
                say(f"{place}: {rows[place]['accuracy']:.2f} %")
                save_json(kept, {"key": key, "rows": rows})
    results = {
        name: {
            rival: [Rival(**row) for place, row in rows.items() if place.startswith(f"{name}/{rival}/")]  # type: ignore[arg-type]
            for rival in MODELS
        }
        for name in names
    }
    text = "\n".join([table(results), *left_out(missing, {})])
    content = {
        "results": {name: {k: [asdict(r) for r in v] for k, v in own.items()} for name, own in results.items()},
        "missing": missing,
        **key,
    }
    files = [save_json(out / "rivals.json", content), save_text(out / "rivals.md", text)]
    return {"text": text, "results": content["results"], "files": [str(file) for file in files]}


def texts_of(name: str, data_dir: Path | None) -> Texts:
    """A corpus as TF-IDF rows: the same cleaned words as the text graph's, frequencies of the training documents alone."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    corpus = load(name, data_dir)
    documents = clean_corpus(corpus).documents
    test = np.array([split == "test" for split in corpus.split])
    labels = np.array(corpus.labels)
    words = TfidfVectorizer(analyzer=str.split)
    train = words.fit_transform([text for text, held in zip(documents, test, strict=True) if not held])
    unseen = words.transform([text for text, held in zip(documents, test, strict=True) if held])
    return Texts(train.tocsr(), labels[~test], unseen.tocsr(), labels[test])


def measured(texts: Texts, rival: str, seed: int) -> Rival:
    """One rival, trained and tested."""
    from sklearn.base import ClassifierMixin

    model: ClassifierMixin = MODELS[rival](seed)
    start = time.perf_counter()
    model.fit(texts.train, texts.train_labels)
    seconds = time.perf_counter() - start
    accuracy = 100 * float((model.predict(texts.test) == texts.test_labels).mean())
    hidden = HIDDEN if rival == "perceptron" else 0
    macs = texts.known_words * hidden + hidden * texts.classes if hidden else texts.known_words * texts.classes
    return Rival(seed, accuracy, macs, seconds)


def _svm(seed: int) -> object:
    from sklearn.svm import LinearSVC

    return LinearSVC(C=1.0, random_state=seed)


def _regression(seed: int) -> object:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, max_iter=1000, random_state=seed)


def _perceptron(seed: int) -> object:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((HIDDEN,), early_stopping=True, n_iter_no_change=3, random_state=seed)


MODELS: Mapping[str, Callable[[int], object]] = {"svm": _svm, "regression": _regression, "perceptron": _perceptron}

TITLES = {
    "svm": "TF-IDF, linear SVM",
    "regression": "TF-IDF, logistic regression",
    "perceptron": f"TF-IDF, {HIDDEN:,} ReLU units",
}


def table(results: Mapping[str, Mapping[str, Sequence[Rival]]]) -> str:
    """A row for each corpus and rival, as Markdown; energy counts multiply-accumulates alone, at 4.6 pJ."""
    lines = [
        "| set | classifier | seeds | accuracy % | MACs a document | arithmetic a document, nJ | training s |",
        "|-|-|-|-|-|-|-|",
    ]
    for name, own in results.items():
        for rival, rows in own.items():
            accuracy, macs = spread([row.accuracy for row in rows]), fmean(row.macs for row in rows)
            joules = 1e9 * macs * PRESETS["fp32"].mac
            seconds = fmean(row.seconds for row in rows)
            lines.append(
                f"| {name} | {TITLES[rival]} | {len(rows)} | {accuracy} | {macs:,.0f} | {joules:,.1f} | {seconds:.1f} |"
            )
    return "\n".join(lines) + "\n"
