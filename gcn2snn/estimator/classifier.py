"""A Text GCN as a scikit-learn estimator: raw texts in, classes out, with or without spikes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from gcn2snn.config import ConvertConfig, TrainConfig, to_dict
from gcn2snn.conversion import convert
from gcn2snn.datasets import Corpus, TextGraphOptions, build_text_graph, clean_corpus
from gcn2snn.errors import ConfigError, refuses_misfits
from gcn2snn.estimator.inputs import class_numbers, seed_of, texts_of
from gcn2snn.graph import Graph
from gcn2snn.textgcn import FloatDocuments, Trainer, Vocabulary, fit

if TYPE_CHECKING:
    from sklearn.utils import Tags

HELD_OUT_FROM = 100
"""Labelled texts from which ``validation_fraction=None`` holds some of them out."""

TEXTS_AT_ONCE = 4096
"""New texts of one pass; more go in several, so that memory stays bounded."""


class TextGCNClassifier(ClassifierMixin, BaseEstimator):
    """Text GCN on raw texts, transductive on the texts of ``fit`` and for new ones by their known words.

    All texts of ``fit``, labelled or not, become one graph of documents and words (PMI between words, TF-IDF between a
    document and its words), on which a Text GCN is trained; nothing is written to disk. A text that comes later joins as one
    new row: the words keep the states that they have in the graph.

    >>> from sklearn.model_selection import cross_val_score
    >>> texts = ["ripe apple pear", "sweet apple juice", "pear juice", "apple pear juice"] * 2
    >>> texts += ["car wheel road", "slow car jam", "road jam", "car road jam"] * 2
    >>> topics = ["fruit"] * 8 + ["traffic"] * 8
    >>> classifier = TextGCNClassifier(hidden=16, epochs=30, random_state=0)
    >>> cross_val_score(classifier, texts, topics, cv=2).tolist()
    [1.0, 1.0]
    >>> spiking = TextGCNClassifier(hidden=16, epochs=30, random_state=0, spiking=True, timesteps=12)
    >>> spiking.fit(texts, topics).predict(["apple juice", "road jam"]).tolist()
    ['fruit', 'traffic']

    Args:
        window, min_count, stop_words, cleaning, tokeniser: how text becomes a graph, as in
            :class:`gcn2snn.datasets.TextGraphOptions`; None is what it chooses for a corpus of your own.
        hidden, layers, dropout, learning_rate, weight_decay, epochs, patience, device: as in :class:`gcn2snn.TrainConfig`.
        validation_fraction: share of the labelled texts that training does not see and that stop it early, the same share of
            each class, never the last training text of a class. None: 0.1 from 100 labelled texts, else 0. With 0 every labelled
            text is trained on, for all ``epochs`` unless the loss of these texts themselves rises.
        random_state: seed of weights, dropout and validation texts: a whole number, a ``numpy.random.RandomState``, or None for
            another seed at each ``fit``.
        spiking: answer with the converted network instead of the trained one. (scikit-learn keeps a trailing underscore for what
            ``fit`` has learned, so the option is not called ``convert_``.)
        base, timesteps, group: Q, T and neurons to a membrane of the converted network, as in :class:`gcn2snn.ConvertConfig`; a
            base of None is chosen by measuring, as are the scales unless ``convert_options`` has them.
        convert_options: its other options by name, for example ``{"scale": "max", "message": "rectified"}``.

    Attributes:
        classes_: classes in sorted order, [classes].
        transduction_: the network's class of each text of ``fit``, [texts], labelled or not, as in LabelSpreading.
        label_distributions_: its probability of each class for them, [texts, classes], float64.
        graph_: the :class:`gcn2snn.Graph` that it was trained on.
        model_: the trained :class:`gcn2snn.TextGCN`.
        snn_: the converted network (only with ``spiking=True``); ``gcn2snn.save`` and ``snn_.save_pretrained`` keep it.
        n_iter_: epochs that were run.
        seed_: the seed that was used.

    Probabilities are the softmax of the network's scores. They are not calibrated; scikit-learn's CalibratedClassifierCV does that.

    Source: Yao et al. 2019 (graph and network); docs/method.md (new documents, conversion).
    """

    def __init__(
        self,
        *,
        window: int = 20,
        min_count: int | None = None,
        stop_words: str | None = None,
        cleaning: str | None = None,
        tokeniser: str | None = None,
        hidden: int = 200,
        layers: int = 2,
        dropout: float = 0.5,
        learning_rate: float = 0.02,
        weight_decay: float = 0.0,
        epochs: int = 200,
        patience: int = 10,
        validation_fraction: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        spiking: bool = False,
        base: float | None = None,
        timesteps: int = 16,
        group: int = 1,
        convert_options: Mapping[str, object] | None = None,
    ):
        self.window = window
        self.min_count = min_count
        self.stop_words = stop_words
        self.cleaning = cleaning
        self.tokeniser = tokeniser
        self.hidden = hidden
        self.layers = layers
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.spiking = spiking
        self.base = base
        self.timesteps = timesteps
        self.group = group
        self.convert_options = convert_options

    def __sklearn_tags__(self) -> Tags:
        """Texts, not numbers, in one dimension."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    @refuses_misfits
    def fit(self, X: object, y: object) -> TextGCNClassifier:
        """Train on texts of which all or some have a label.

        Args:
            X: texts, [texts] or [texts, 1]: a list, an array or a column.
            y: class of each text, [texts], all strings or all whole numbers; -1 (the number) for a text without a label.

        Returns:
            The estimator itself.

        Raises:
            InputTypeError: ``X`` holds something else than strings; the message names the row.
            InputError: ``y`` does not fit ``X``, mixes kinds of labels, or has fewer than two classes.
            DataError: no text keeps a word after cleaning.
            ConfigError: an option has a value it cannot have.
        """
        texts = texts_of(X)
        classes, number = class_numbers(y, len(texts))
        seed = seed_of(self.random_state)
        config = self._convert_config() if self.spiking else None
        training = self._train_config(seed)
        graph = self._graph(texts, classes, number, seed)
        trainer = Trainer(graph, training)
        model = fit(trainer).cpu()
        snn = convert(model, graph, config) if config is not None else None
        if snn is not None:
            snn.documents_of()  # a conversion that cannot classify new texts says so now
            snn.origin |= {"config": to_dict(training)}
        with torch.no_grad():
            scores = (snn or model)(graph.adjacency)[: len(texts)]
        self.classes_, self.seed_, self.n_iter_ = classes, seed, len(trainer.history)
        self.graph_, self.model_ = graph, model
        self.label_distributions_: NDArray[np.float64] = scores.double().softmax(1).numpy()
        self.transduction_: NDArray[np.generic] = classes[scores.argmax(1).numpy()]
        self._vocabulary, self._documents = Vocabulary.of(graph), FloatDocuments.of(model, graph)
        self.__dict__.pop("snn_", None)
        if snn is not None:
            self.snn_ = snn
        return self

    @refuses_misfits
    def predict(self, X: object) -> NDArray[np.generic]:
        """The most probable class of each text, [texts]; arguments and errors as :meth:`predict_proba`."""
        probability = self.predict_proba(X)
        found: NDArray[np.generic] = self.classes_[probability.argmax(1)]
        return found

    @refuses_misfits
    def predict_proba(self, X: object) -> NDArray[np.float64]:
        """Probability of each class, [texts, classes], float64, in the order of ``classes_``.

        A text without any word of the graph gets the share of each class among the training texts, and a warning says so.

        Args:
            X: texts, [texts] or [texts, 1]; texts of ``fit`` are new texts here, see ``transduction_``.

        Raises:
            NotFittedError: ``fit`` was not called.
            InputTypeError: ``X`` holds something else than strings; the message names the row.
        """
        check_is_fitted(self, "model_")
        texts = texts_of(X)
        unknown = torch.tensor([not self._vocabulary.known(text) for text in texts])
        if bool(unknown.any()):
            warnings.warn(
                f"{int(unknown.sum())} of {len(texts)} texts have no word that fit has seen; their answer is the share of "
                f"each class among the training texts",
                stacklevel=2,
            )
        if "snn_" in self.__dict__:
            answer: NDArray[np.float64] = self.snn_.predict_proba(texts).numpy()
            return answer
        parts = [
            self._documents.potentials(self._vocabulary.rows(texts[start : start + TEXTS_AT_ONCE])).double().softmax(1)
            for start in range(0, len(texts), TEXTS_AT_ONCE)
        ]
        found = torch.cat(parts)
        found[unknown] = self._prior()
        result: NDArray[np.float64] = found.numpy()
        return result

    def _prior(self) -> Tensor:
        count = torch.bincount(self.graph_.labels[self.graph_.train_mask], minlength=len(self.classes_)).double()
        return count / count.sum()

    def _graph(self, texts: Sequence[str], classes: NDArray[np.generic], number: NDArray[np.int64], seed: int) -> Graph:
        """The graph of all texts; those without a label are in no split."""
        # A corpus wants a label for each document, and no edge depends on it: unlabelled ones lend the first class's.
        labels = tuple(f"{max(each, 0):09d}" for each in number.tolist())
        split = tuple("train" if each >= 0 else "test" for each in number.tolist())
        names = tuple(f"row {row}" for row in range(len(texts)))
        clean = clean_corpus(Corpus("the texts given to fit", tuple(texts), labels, split, names), self._options())
        if wordless := sum(not document for document in clean.documents):
            warnings.warn(
                f"{wordless} of {len(texts)} texts have no word left after cleaning (min_count {clean.options.min_count}, stop "
                f"words {clean.options.stop_words}); they are in the graph without edges. A smaller min_count keeps more words",
                stacklevel=3,
            )
        graph = build_text_graph(clean)
        own = torch.full_like(graph.labels, -1)
        own[: len(texts)] = torch.from_numpy(number)
        held = self._held_out(number, seed)
        val, train = torch.zeros_like(graph.train_mask), own >= 0
        val[torch.from_numpy(held)] = True
        train &= ~val
        return replace(
            graph,
            labels=own,
            train_mask=train,
            test_mask=torch.zeros_like(train),
            val_mask=val if held.size else train.clone(),
            class_names=tuple(str(name) for name in classes.tolist()),
        )

    def _held_out(self, number: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        """Rows that training does not see: the same share of each class, of which at least one text stays."""
        labelled = int((number >= 0).sum())
        share = self.validation_fraction
        if share is None:
            share = 0.1 if labelled >= HELD_OUT_FROM else 0.0
        if not isinstance(share, Real) or not 0 <= share < 1:
            raise ConfigError(
                f"validation_fraction is {share!r}; a share from 0 to below 1 is allowed, or None to choose by size"
            )
        generator = np.random.default_rng(seed)
        held = []
        for each in range(int(number.max()) + 1):
            rows = generator.permutation(np.flatnonzero(number == each))
            held.append(rows[: min(round(float(share) * rows.size), rows.size - 1)])
        return np.sort(np.concatenate(held))

    def _options(self) -> TextGraphOptions:
        names = ("window", "min_count", "stop_words", "cleaning", "tokeniser")
        given = {name: _plain(getattr(self, name)) for name in names}
        return TextGraphOptions(**{name: value for name, value in given.items() if value is not None}, wordless="keep")

    def _train_config(self, seed: int) -> TrainConfig:
        names = ("hidden", "layers", "dropout", "learning_rate", "weight_decay", "epochs", "patience", "device")
        return TrainConfig(**{name: _plain(getattr(self, name)) for name in names}, seed=seed)

    def _convert_config(self) -> ConvertConfig:
        own: dict[str, Any] = {name: _plain(getattr(self, name)) for name in ("base", "timesteps", "group")}
        others = dict(self.convert_options or {})
        if twice := sorted(own.keys() & others.keys()):
            raise ConfigError(
                f"convert_options names {twice}, which are options of their own. Give {twice[0]}=... instead"
            )
        return ConvertConfig(**own, **{name: _plain(value) for name, value in others.items()})


def _plain(value: object) -> Any:
    """Python's own number for one of NumPy, which searches hand over."""
    return value.item() if isinstance(value, np.generic) else value
