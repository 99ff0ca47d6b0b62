"""The Text GCN as scikit-learn uses it: fitting with and without labels, searches, pipelines, labels of all kinds, errors."""

from __future__ import annotations

import doctest
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from gcn2snn.errors import ConfigError, DataError, InputError, InputTypeError
from gcn2snn.estimator import TextGCNClassifier, classifier
from gcn2snn.estimator.inputs import class_numbers

FRUIT = ["ripe apple pear", "sweet apple juice", "pear juice", "apple pear juice", "sweet ripe pear"]
TRAFFIC = ["car wheel road", "slow car jam", "road jam", "car road jam", "slow wheel jam"]
TEXTS = FRUIT + TRAFFIC
TOPICS = ["fruit"] * 5 + ["traffic"] * 5
NEW = ["apple juice", "jam on the road"]


def small(**options: Any) -> TextGCNClassifier:
    return TextGCNClassifier(**({"min_count": 1, "hidden": 12, "epochs": 25, "random_state": 0} | options))


@pytest.fixture(scope="module")
def fitted() -> TextGCNClassifier:
    return small().fit(TEXTS, TOPICS)


@pytest.fixture(scope="module")
def spiking() -> TextGCNClassifier:
    return small(spiking=True, timesteps=14, base=1.4, convert_options={"message": "rectified"}).fit(TEXTS, TOPICS)


def test_examples_of_the_docstring() -> None:
    result = doctest.testmod(classifier)
    assert result.attempted > 5
    assert result.failed == 0


def test_fit_returns_itself_and_leaves_the_options_alone() -> None:
    estimator = small()
    before = dict(estimator.get_params())
    assert estimator.fit(TEXTS, TOPICS) is estimator
    assert estimator.get_params() == before


def test_predict_score_and_probabilities(fitted: TextGCNClassifier) -> None:
    assert fitted.classes_.tolist() == ["fruit", "traffic"]
    assert fitted.predict(NEW).tolist() == ["fruit", "traffic"]
    assert fitted.score(NEW, ["fruit", "fruit"]) == 0.5
    probability = fitted.predict_proba(NEW)
    assert probability.shape == (2, 2)
    assert probability.dtype == np.float64
    np.testing.assert_allclose(probability.sum(1), 1)
    np.testing.assert_array_equal(fitted.classes_[probability.argmax(1)], fitted.predict(NEW))


def test_texts_of_the_same_words_have_the_same_answer_in_any_company(fitted: TextGCNClassifier) -> None:
    one = fitted.predict_proba(["apple juice"])
    np.testing.assert_array_equal(fitted.predict_proba(["road", "Juice, apple!"])[1], one[0])


@pytest.mark.parametrize("spikes", [False, True])
def test_texts_without_a_label_are_learned_from_and_classified(spikes: bool) -> None:
    labels: list[object] = [*TOPICS]
    for row in (2, 3, 4, 7, 8, 9):
        labels[row] = -1
    estimator = small(spiking=spikes, epochs=60).fit(TEXTS, labels)
    assert estimator.transduction_.tolist() == TOPICS
    assert estimator.label_distributions_.shape == (10, 2)
    np.testing.assert_allclose(estimator.label_distributions_.sum(1), 1)
    assert int(estimator.graph_.train_mask.sum()) == 4
    assert "jam" in estimator.graph_.vocabulary
    assert estimator.classes_.tolist() == ["fruit", "traffic"]


def test_labels_of_texts_without_one_change_nothing() -> None:
    """The graph is built from all texts, the loss from the labelled ones: which class an unlabelled text is of cannot leak."""
    swapped = [TEXTS[place] for place in (5, 0, 1, 2, 3, 4, 6, 7, 8, 9)]
    labels: list[object] = [-1, *["fruit"] * 5, *["traffic"] * 4]
    first = small().fit(swapped, labels)
    assert first.graph_.labels[:10].tolist() == [-1] + [0] * 5 + [1] * 4
    assert not bool(first.graph_.test_mask.any())


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([3] * 5 + [10] * 5, [3, 10]),
        (np.array([3] * 5 + [10] * 5, dtype=np.int32), [3, 10]),
        (np.array([0.0] * 5 + [2.0] * 5), [0, 2]),
        (np.array(TOPICS), ["fruit", "traffic"]),
        (np.array(TOPICS, dtype=object), ["fruit", "traffic"]),
        (np.array(TOPICS).reshape(-1, 1), ["fruit", "traffic"]),
        ([False] * 5 + [True] * 5, [False, True]),
        ([9] * 3 + [-1] * 2 + [10] * 5, [9, 10]),
    ],
)
def test_labels_of_every_kind(labels: Any, classes: list[object]) -> None:
    found, number = class_numbers(labels, 10)
    assert found.tolist() == classes
    expected = [-1 if label == -1 else classes.index(label) for label in np.asarray(labels).reshape(-1).tolist()]
    assert number.tolist() == expected


def test_whole_numbers_are_predicted_as_such() -> None:
    estimator = small().fit(TEXTS, np.array([3] * 5 + [20] * 5))
    assert estimator.predict(NEW).tolist() == [3, 20]
    assert estimator.score(NEW, np.array([3, 20])) == 1.0


def test_texts_of_every_container(fitted: TextGCNClassifier) -> None:
    expected = fitted.predict_proba(NEW)
    columns: list[Any] = [
        tuple(NEW),
        np.array(NEW),
        np.array(NEW, dtype=object),
        np.array(NEW, dtype=object).reshape(2, 1),
    ]
    for column in columns:
        np.testing.assert_array_equal(fitted.predict_proba(column), expected)


def test_the_same_seed_gives_the_same_network() -> None:
    one, two, three = small().fit(TEXTS, TOPICS), small().fit(TEXTS, TOPICS), small(random_state=1).fit(TEXTS, TOPICS)
    np.testing.assert_array_equal(one.predict_proba(NEW), two.predict_proba(NEW))
    assert not np.array_equal(one.predict_proba(NEW), three.predict_proba(NEW))
    drawn = small(random_state=np.random.RandomState(5), epochs=1).fit(TEXTS, TOPICS)
    assert drawn.seed_ == np.random.RandomState(5).randint(2**31 - 1)
    assert small(random_state=None, epochs=1).fit(TEXTS, TOPICS).seed_ >= 0


def test_a_clone_is_not_fitted_and_gives_the_same(fitted: TextGCNClassifier) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(NEW)
    np.testing.assert_array_equal(copy.fit(TEXTS, TOPICS).predict_proba(NEW), fitted.predict_proba(NEW))


def test_cross_val_score() -> None:
    assert cross_val_score(small(), TEXTS * 2, TOPICS * 2, cv=2).tolist() == [1.0, 1.0]


def test_grid_search_hands_over_numbers_of_numpy() -> None:
    grid = {"hidden": np.array([6, 12]), "learning_rate": np.array([0.02]), "window": np.array([3])}
    search = GridSearchCV(small(), grid, cv=2).fit(np.array(TEXTS * 2), np.array(TOPICS * 2))
    assert search.best_params_["hidden"] in (6, 12)
    assert search.best_score_ == 1.0
    assert search.predict(NEW).tolist() == ["fruit", "traffic"]


def test_pipeline() -> None:
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = make_pipeline(lower, small()).fit([text.upper() for text in TEXTS], TOPICS)
    assert pipeline.predict(["APPLE JUICE"]).tolist() == ["fruit"]
    assert pipeline.set_params(textgcnclassifier__hidden=6).get_params()["textgcnclassifier__hidden"] == 6


@pytest.mark.parametrize("container", ["default", "polars", "pandas"])
def test_set_output_of_a_pipeline(container: str) -> None:
    """The output of what stands before it may be a data frame of one column; a classifier transforms nothing itself."""
    if container != "default":
        pytest.importorskip(container, reason=f"needs {container}")
    same = FunctionTransformer(feature_names_out="one-to-one")
    pipeline = Pipeline([("same", same), ("classify", small())]).set_output(transform=container)
    column = np.array(TEXTS, dtype=object).reshape(-1, 1)
    assert pipeline.fit(column, TOPICS).predict(np.array(NEW, dtype=object).reshape(-1, 1)).tolist() == [
        "fruit",
        "traffic",
    ]


class Column:
    """What a column of a data frame shows: it is no sequence and becomes an array."""

    def __init__(self, values: list[str]):
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.values, dtype=object)

    def __len__(self) -> int:
        return len(self.values)


def test_columns_of_data_frames() -> None:
    estimator = small().fit(Column(TEXTS), Column(TOPICS))
    assert estimator.predict(Column(NEW)).tolist() == ["fruit", "traffic"]


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_scikit_learns_own_checks(check: str) -> None:
    """``check_estimator`` gives up on estimators of texts; these of its checks need no data."""
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    if not hasattr(checks, check):
        pytest.skip(f"this scikit-learn has no {check}")
    getattr(checks, check)("TextGCNClassifier", TextGCNClassifier())


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_not_fitted(method: str) -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(small(), method)(NEW)
    with pytest.raises(NotFittedError):
        small().score(NEW, ["fruit", "fruit"])


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        (["good", 3.5], InputTypeError, r"row 1 of X is float \('3.5'\); every text must be a string"),
        (["good", "good", None], InputTypeError, r"row 2 of X is NoneType"),
        (["good", b"bytes"], InputTypeError, r"row 1 of X is bytes"),
        ([["a", "b"]], InputTypeError, r"row 0 of X is list"),
        (np.array([[1.0], [2.0]]), InputTypeError, r"row 0 of X is float64"),
        (np.array([["a", "b"]]), InputError, r"X has shape \[1, 2\]; one column of texts"),
        ("one text", InputTypeError, r"X is a single str; pass a list of texts"),
        ({"a": 1}, InputTypeError, r"X is dict; pass a list"),
        (None, InputTypeError, r"X is NoneType"),
        ([], InputError, r"X has no row"),
    ],
)
def test_what_is_no_text_is_named_by_its_row(
    fitted: TextGCNClassifier, texts: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fitted.predict(texts)
    with pytest.raises(error, match=message):
        small().fit(texts, TOPICS)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (TOPICS[:9], InputError, r"y has 9 labels and X 10 texts"),
        (None, InputTypeError, r"y is NoneType"),
        ("fruit", InputTypeError, r"y is str"),
        (["fruit"] * 10, InputError, r"y has only the class 'fruit'"),
        ([-1] * 10, InputError, r"y has no labelled text"),
        ([1] * 5 + ["a"] * 5, InputError, r"mixes strings and numbers"),
        ([0.5] * 5 + [1] * 5, InputError, r"row 0 of y is 0.5; a label is a string or a whole number"),
        ([float("nan")] * 5 + [1] * 5, InputError, r"row 0 of y is nan"),
        ([None] * 5 + ["a"] * 5, InputError, r"row 0 of y is None"),
        (np.array(["fruit"] * 5 + [-1] * 5), InputError, r"the text '-1' \(row 5\).*dtype=object"),
    ],
)
def test_labels_that_do_not_fit(labels: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        small().fit(TEXTS, labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 1}, "window is 1"),
        ({"hidden": 0}, "hidden = 0"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"validation_fraction": "much"}, "validation_fraction is 'much'"),
        ({"random_state": "zero"}, "random_state is 'zero'"),
        ({"random_state": -1}, "seed = -1"),
        ({"spiking": True, "base": 1.0}, "base = 1.0"),
        ({"spiking": True, "convert_options": {"base": 2.0}}, r"convert_options names \['base'\]"),
        ({"spiking": True, "convert_options": {"wait": 1}}, "cannot classify texts"),
    ],
)
def test_options_are_checked_by_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small(**({"epochs": 1} | options)).fit(TEXTS, TOPICS)


def test_a_text_without_a_known_word_gets_the_shares_of_the_classes(spiking: TextGCNClassifier) -> None:
    uneven = small().fit(TEXTS[:8], TOPICS[:8])
    for estimator, prior in ((uneven, [5 / 8, 3 / 8]), (spiking, [0.5, 0.5])):
        with pytest.warns(UserWarning, match="1 of 2 texts have no word that fit has seen"):
            found = estimator.predict_proba(["unheard words", "apple"])
        np.testing.assert_allclose(found[0], prior)


def test_a_text_that_loses_all_words_stays_and_is_told() -> None:
    with pytest.warns(UserWarning, match="1 of 11 texts have no word left after cleaning"):
        estimator = small(min_count=2).fit([*TEXTS, "something else"], [*TOPICS, "fruit"])
    assert estimator.transduction_.shape == (11,)
    with pytest.raises(DataError, match="no word is left in any of 10 documents"):
        small(min_count=100).fit(TEXTS, TOPICS)


def test_some_of_many_labelled_texts_are_held_out_of_each_class() -> None:
    many = small(epochs=2).fit(TEXTS * 10, TOPICS * 10)
    held = many.graph_.labels[many.graph_.val_mask]
    assert held.bincount().tolist() == [5, 5]
    assert not bool((many.graph_.val_mask & many.graph_.train_mask).any())
    few = small(epochs=2).fit(TEXTS, TOPICS)
    assert int(few.graph_.train_mask.sum()) == 10
    own = small(epochs=2, validation_fraction=0.9).fit(TEXTS, TOPICS)
    assert own.graph_.labels[own.graph_.train_mask].bincount().tolist() == [1, 1]


def test_the_spiking_one(spiking: TextGCNClassifier) -> None:
    assert spiking.snn_.config.timesteps == 14
    assert spiking.snn_.config.base == 1.4
    assert spiking.snn_.config.message == "rectified"
    assert spiking.predict(NEW).tolist() == ["fruit", "traffic"]
    np.testing.assert_array_equal(spiking.predict_proba(NEW), spiking.snn_.predict_proba(NEW).numpy())
    scores = spiking.snn_(spiking.graph_.adjacency)[:10].double().softmax(1)
    np.testing.assert_array_equal(spiking.label_distributions_, scores.numpy())
    spikes = spiking.snn_.spikes(spiking.graph_.adjacency)
    assert spikes


def test_fitting_again_without_spikes_forgets_the_spiking_network() -> None:
    estimator = small(spiking=True, epochs=2).fit(TEXTS, TOPICS)
    estimator.set_params(spiking=False).fit(TEXTS, TOPICS)
    assert not hasattr(estimator, "snn_")


@pytest.mark.parametrize("name", ["fitted", "spiking"])
def test_pickle(name: str, request: pytest.FixtureRequest) -> None:
    estimator = request.getfixturevalue(name)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict_proba(NEW), estimator.predict_proba(NEW))


def test_nothing_is_written(fitted: TextGCNClassifier, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are compiled by now, which is kept in the cache folder as well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path / "cache"))
    clone(fitted).fit(TEXTS, TOPICS).predict(NEW)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["window", "min_count", "stop_words", "cleaning"])
def test_options_of_the_text_graph_reach_it(option: str) -> None:
    value: dict[str, Any] = {"window": 3, "min_count": 2, "stop_words": "none", "cleaning": "spaces"}
    fit: Callable[..., TextGCNClassifier] = small(epochs=1, **{option: value[option]}).fit
    assert fit(TEXTS, TOPICS).graph_.source["options"][option] == value[option]
