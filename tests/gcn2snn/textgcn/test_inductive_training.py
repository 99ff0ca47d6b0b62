"""Training for new documents: no trace of test or validation documents, exact resuming, the same answers everywhere, refusals."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gcn2snn import ConvertConfig, TrainConfig, convert, fit, load_graph
from gcn2snn.artefact import load_with_origin
from gcn2snn.cli import app
from gcn2snn.config import to_dict
from gcn2snn.datasets import TextGraphOptions, load
from gcn2snn.errors import ConfigError, DataError, InputError
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR
from gcn2snn.textgcn import (
    InductiveTrainer,
    UnseenDocuments,
    Vocabulary,
    evaluate_unseen,
    load_model,
    train_run,
    validation_of,
)
from gcn2snn.textgcn.float_documents import FloatDocuments
from gcn2snn.textgcn.inductive_training import without_documents
from gcn2snn.textgcn.unseen_documents import score_unseen

OPTIONS = TextGraphOptions(min_count=1, stop_words="none", window=4, documents="training", wordless="keep")
CONFIG = TrainConfig.for_new_documents(hidden=10, epochs=15, validation=0.2, save_every=0.0)


def write_corpus(file: Path, *, poisoned: bool = False) -> Path:
    """Two topics with words of their own and words in common; a poisoned one has other test labels and texts."""
    draw = random.Random(3)
    words = {"fruit": ["apple", "pear", "plum", "juice", "sweet"], "traffic": ["car", "bus", "road", "jam", "wheel"]}
    lines = ["text\tlabel\tsplit"]
    for number in range(60):
        label = ("fruit", "traffic")[number % 2]
        text = " ".join(draw.choices(words[label], k=4) + draw.choices(["red", "slow", "new", "old"], k=3))
        split = "test" if number % 3 == 2 else "train"
        if poisoned and split == "test":
            label, text = "fruit", f"poison{number} {text}"
        lines.append(f"{text}\t{label}\t{split}")
    lines.append("unheard\tfruit\ttest")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "things.tsv")


@pytest.fixture(scope="module")
def graph(corpus: Path) -> Graph:
    return load_graph(str(corpus), options=OPTIONS, cache=False)


@pytest.fixture(scope="module")
def unseen(corpus: Path) -> UnseenDocuments:
    return UnseenDocuments.of(load(str(corpus), options=OPTIONS))


def test_the_graph_holds_no_test_document(graph: Graph) -> None:
    assert graph.num_documents == 40
    assert int(graph.test_mask.sum()) == 0
    assert "unheard" not in graph.vocabulary


def test_poisoned_test_documents_change_no_weight(graph: Graph, tmp_path: Path) -> None:
    other = load_graph(str(write_corpus(tmp_path / "other.tsv", poisoned=True)), options=OPTIONS, cache=False)
    assert other.fingerprint == graph.fingerprint
    first, second = (fit(InductiveTrainer(each, CONFIG)) for each in (graph, other))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_it_learns_the_topics(graph: Graph, unseen: UnseenDocuments) -> None:
    trainer = InductiveTrainer(graph, CONFIG)
    model = fit(trainer)
    assert score_unseen(model.state_dict(), graph, unseen).accuracy > 90
    stages = [epoch.stage for epoch in trainer.history]
    assert stages == ["validation"] * 15 + ["final"] * 15
    assert [epoch.epoch for epoch in trainer.history if epoch.val_accuracy is not None] == [15]
    assert trainer.summary()["validation"] == {
        "documents": 8,
        "loss": trainer.history[14].val_loss,
        "accuracy": trainer.history[14].val_accuracy,
    }
    assert trainer.summary()["temperature"] == trainer.temperature > 0


def test_documents_have_no_row_of_their_own(graph: Graph) -> None:
    """So a training document is scored as the same text is when it is new, with the words of that graph."""
    trainer = InductiveTrainer(graph, CONFIG)
    model = fit(trainer)
    assert not bool(model.weights[0][: graph.num_documents].any())
    assert bool(model.weights[0][graph.num_documents :].any(1).all())
    texts = load(graph.source["dataset"], options=OPTIONS).only("train").documents
    floats = FloatDocuments.of(model, graph)
    with torch.no_grad():
        torch.testing.assert_close(
            model(graph.adjacency)[: graph.num_documents], floats.potentials(Vocabulary.of(graph).rows(texts))
        )


def test_the_labels_of_validation_documents_change_no_weight_of_the_first_stage(graph: Graph) -> None:
    """The first stage learns the same from any labels of the documents that are held out."""
    trainer = InductiveTrainer(graph, CONFIG)
    labels = graph.labels.clone()
    labels[trainer.split.val] = 1 - labels[trainer.split.val]
    other = InductiveTrainer(replace(graph, labels=labels), CONFIG)
    for each in (trainer, other):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            for _ in range(CONFIG.epochs):
                each.run_epoch()
    assert all(torch.equal(a, b) for a, b in zip(trainer.mean, other.mean, strict=True))
    assert trainer.history[-1].val_accuracy != other.history[-1].val_accuracy


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_resumed_run_ends_in_the_same_weights(graph: Graph, tmp_path: Path, part: float) -> None:
    """Stopped in the first stage, and in the second."""
    trainer = InductiveTrainer(graph, CONFIG)
    whole = fit(trainer)
    stop = int(part * len(trainer.history))

    def on_epoch(running: InductiveTrainer) -> None:
        if len(running.history) == stop + 1:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        fit(InductiveTrainer(graph, CONFIG), checkpoint=tmp_path / "state", on_epoch=on_epoch)
    again = InductiveTrainer(graph, CONFIG)
    resumed = fit(again, checkpoint=tmp_path / "state")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert again.summary() == trainer.summary()
    assert [epoch.epoch for epoch in again.history] == [epoch.epoch for epoch in trainer.history]


def test_averaging_is_a_mean_of_all_weights_so_far(graph: Graph) -> None:
    trainer = InductiveTrainer(graph, CONFIG)
    seen, expected = [], torch.zeros(0)
    for step in range(4):
        trainer.run_epoch()
        weight = trainer.model.weights[1].detach().clone()
        decay = (1 + step) / (10 + step) if step else 0.0
        expected = decay * expected + (1 - decay) * weight if step else weight
        seen.append(weight)
    torch.testing.assert_close(trainer.mean[1], expected)
    assert not torch.equal(trainer.mean[1], seen[-1])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_without_documents_gives_the_rows_and_the_rest(seed: int, documents: int) -> None:
    """Held against the dense matrix, for any documents that are taken out, none and all included."""
    generator = torch.Generator().manual_seed(seed)
    nodes = documents + 5
    dense = torch.rand(nodes, nodes, generator=generator).mul(torch.rand(nodes, nodes, generator=generator) < 0.5)
    dense = dense + dense.T + torch.eye(nodes)
    dense[:documents, :documents] = torch.eye(documents)
    hidden = (torch.rand(documents, generator=generator) < 0.5).nonzero().flatten()
    rest, rows, kept = without_documents(CSR.from_dense(dense, symmetric=True), documents, hidden)
    rest.validate_contents()
    rows.validate_contents()
    assert set(kept.tolist()) == set(range(nodes)) - set(hidden.tolist())
    assert torch.equal(rest.to_dense(), dense[kept][:, kept])
    loops = torch.diag(dense.diagonal()[hidden])
    assert torch.equal(rows.to_dense(), torch.cat([dense[hidden][:, documents:], loops], 1))


@pytest.mark.parametrize("layers", [2, 3])
def test_validation_documents_are_classified_as_new_ones_are(graph: Graph, layers: int) -> None:
    """Taken out of the graph and classified by their rows = classified by their texts, with the values of the whole graph."""
    trainer = InductiveTrainer(graph, TrainConfig.for_new_documents(hidden=6, layers=layers, validation=0.2))
    texts = [load(graph.source["dataset"], options=OPTIONS).only("train").documents[i] for i in trainer.split.val]
    rows = Vocabulary.of(graph).rows(texts)
    torch.testing.assert_close(rows.to_dense(), trainer.rows.to_dense())
    weights = [weight.detach() for weight in trainer.model.weights]
    found = FloatDocuments.of_weights(weights, trainer.adjacency, trainer.documents).potentials(rows)
    # By hand: the dense network on the graph with the documents added, whose columns reach nobody.
    whole = torch.zeros(trainer.adjacency.shape[0] + len(texts), trainer.adjacency.shape[0] + len(texts))
    base = trainer.adjacency.shape[0]
    whole[:base, :base] = trainer.adjacency.to_dense()
    whole[base:, trainer.documents : base] = rows.to_dense()[:, : base - trainer.documents]
    whole[base:, base:] = rows.to_dense()[:, base - trainer.documents :]
    state = torch.cat([weights[0], weights[0].new_zeros(len(texts), weights[0].shape[1])])
    for weight in weights[1:]:
        state = torch.relu(whole @ state) @ weight
    torch.testing.assert_close(found, (whole @ state)[base:])


def test_evaluation_of_test_documents_is_predict_of_their_texts(
    corpus: Path, unseen: UnseenDocuments, tmp_path: Path
) -> None:
    """train --inductive, convert and evaluate on the command line, beside snn.predict of the same texts."""
    run, runner = tmp_path / "run", CliRunner()
    text = ["--min-count", "1", "--stop-words", "none", "--window", "4"]
    network = ["--hidden", "10", "--epochs", "15"]
    train = ["train", str(corpus), "--inductive", *text, *network, "--out", str(run), "--json"]
    assert json.loads(runner.invoke(app, train, catch_exceptions=False).stdout)["config"]["inductive"] is True
    summary = json.loads((run / "run.json").read_text())
    assert runner.invoke(app, ["convert", str(run)], catch_exceptions=False).exit_code == 0
    found = json.loads(
        runner.invoke(app, ["evaluate", str(run / "snn.safetensors"), "--json"], catch_exceptions=False).stdout
    )
    snn, _ = load_with_origin(run / "snn.safetensors")
    answers = snn.predict(list(unseen.texts))
    right = [answer == label for answer, label in zip(answers, unseen.labels, strict=True)]
    assert found["documents"] == len(unseen.texts) == 21
    assert found["snn"]["accuracy"] == pytest.approx(100 * sum(right) / len(right))
    assert found["ann"] == summary["ann"]
    assert found["without_known_word"] == 1
    assert snn.documents is not None
    assert snn.documents.temperature == summary["temperature"]  # type: ignore[attr-defined]
    for command in (["report", str(run / "snn.safetensors")], ["tune", str(run)]):
        refused = runner.invoke(app, command)
        assert refused.exit_code != 0
        assert "--inductive" in str(refused.exception) + refused.output


def test_a_run_keeps_that_it_is_inductive(graph: Graph, unseen: UnseenDocuments, tmp_path: Path) -> None:
    summary = train_run(graph, CONFIG, tmp_path, unseen=unseen)
    assert summary["config"] == to_dict(CONFIG)
    model = load_model(tmp_path, graph)
    result = evaluate_unseen(convert(model, graph, ConvertConfig()), graph, unseen)
    assert result.ann.accuracy == summary["ann"]["accuracy"]
    with pytest.raises(ConfigError, match="trained with --inductive"):
        validation_of(summary, graph)


def test_what_has_no_meaning_is_refused(corpus: Path, graph: Graph) -> None:
    with pytest.raises(InputError, match="karate has no words"):
        InductiveTrainer(load_graph("karate"), CONFIG)
    seen = load_graph(str(corpus), options=replace(OPTIONS, documents="all"), cache=False)
    with pytest.raises(InputError, match="holds 21 test documents, so they would not be new"):
        InductiveTrainer(seen, CONFIG)
    with pytest.raises(ConfigError, match="belong to inductive training"):
        TrainConfig(cost=0.1)
    with pytest.raises(ConfigError, match="documents is 'some'; allowed are all, training"):
        TextGraphOptions(documents="some")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="has no test documents"):
        UnseenDocuments.of(load(str(corpus), options=OPTIONS).only("train"))
    with pytest.raises(DataError, match=r"class\(es\) \['sport'\]; the network was trained on \['fruit', 'traffic'\]"):
        UnseenDocuments(("ball",), ("sport",)).classes(graph.class_names)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["karate", "--inductive"], "has no words"),
        (["r8", "--cost", "2"], "they belong to --inductive"),
        (["digits", "--inductive"], "--inductive has no meaning here"),
        (["r8", "--inductive", "--cost", "-1"], "cost = -1"),
        (["r8", "--inductive", "--cost", "0"], "cost = 0 leaves nothing to learn"),
        (["r8", "--inductive", "--patience", "3"], "--inductive runs for all epochs"),
    ],
)
def test_the_command_refuses(arguments: list[str], why: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", *arguments, "--out", str(tmp_path / "run")])
    assert result.exit_code != 0
    assert why in str(result.exception) + result.output
    assert not (tmp_path / "run").exists()
