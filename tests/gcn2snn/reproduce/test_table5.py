"""Table V and the curves over T, by the code of the real corpora on a generated one of a few hundred documents."""

from __future__ import annotations

import csv
import functools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gcn2snn import tune
from gcn2snn.config import ConvertConfig, TrainConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import TextGraphOptions, load, load_graph
from gcn2snn.errors import ArtefactError, ConfigError, DataError
from gcn2snn.evaluation import evaluate
from gcn2snn.reproduce import opponents, table5
from gcn2snn.reproduce import seeded_runs as seeds
from gcn2snn.reproduce import t_curve as curves
from gcn2snn.reproduce import table5_search as table5_tuned
from gcn2snn.reproduce.items import reproduce
from gcn2snn.reproduce.options import ReproduceOptions
from gcn2snn.textgcn import load_model

pytest.importorskip("matplotlib")

CLASSES = ("fruit", "rail", "sea")


def corpus(path: Path) -> Path:
    """300 documents of twelve words, of which every third tells the class."""
    chance = random.Random(0)
    rows = ["text\tlabel\tsplit"]
    for index in range(300):
        name = CLASSES[index % 3]
        words = [
            chance.choice([f"{name}{chance.randrange(12)}", *[f"word{chance.randrange(40)}"] * 2]) for _ in range(12)
        ]
        rows.append(f"{' '.join(words)}\t{name}\t{'test' if index >= 200 else 'train'}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """ "small" is a dataset that is there and "far" one that is not; short training, short search. Gives an output folder."""
    folder = tmp_path_factory.mktemp("table5")
    file = corpus(folder / "small.tsv")

    def find(name: str, data_dir: Path | None) -> Path:
        if name == "far":
            raise DataError("far was not found in any place; run `gcn2snn datasets fetch far`")
        return file

    options = TextGraphOptions(min_count=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "load", lambda name, root: load(find(name, root)))
        patch.setattr(seeds, "load_graph", lambda name, root: load_graph(find(name, root), None, options))
        quick = functools.partial(TrainConfig, hidden=16, epochs=25)
        patch.setattr(seeds, "TrainConfig", quick)
        patch.setattr(table5_tuned, "TrainConfig", quick)
        patch.setattr(seeds._Once, "_kept", {})
        paper = {"small": (90.0, 89.0, 5.0), "far": (80.0, 79.0, 4.0)}
        patch.setattr(table5, "PAPER", paper)
        patch.setattr(curves, "PAPER", paper)
        patch.setattr(tune, "TuneConfig", functools.partial(tune.TuneConfig, max_loss=100.0))
        patch.setattr(table5_tuned, "TRIALS", 6)
        patch.setattr(curves, "TIMESTEPS", (1, 4, 16))
        patch.setattr(curves, "CODINGS", {"one-spike": (2, 16), "rate": (2, 8), "first-spike": (16,), "phase": (6,)})
        yield folder / "out"


@pytest.fixture(scope="module")
def made(small: Path) -> dict[str, Any]:
    """The whole table, two seeds."""
    return reproduce("table5", small, ReproduceOptions(seeds=2))


def test_a_row_for_each_mode_with_all_alphas(made: dict[str, Any], small: Path) -> None:
    assert [(row["dataset"], row["mode"]) for row in made["rows"]] == [("small", mode) for mode in table5.MODES]
    for row in made["rows"]:
        assert len(row["ann"]) == len(row["snn"]) == 2
        assert set(row["alpha"]) == {"eq6", "events", "total", "event_driven", "binary"}
        assert all(len(values) == 2 for values in row["alpha"].values())
        assert min(row["ann"]) > 60  # chance is 33
    assert [Path(file).name for file in made["files"]] == ["table5.json", "table5.md"]
    stored = json.loads((small / "table5.json").read_text())
    assert stored["rows"] == made["rows"]
    assert "| small | *printed in the paper* | - | 90.00 | 89.00 | 1.00 | 5.00 |" in (small / "table5.md").read_text()


def test_missing_datasets_are_listed_and_the_others_run(made: dict[str, Any]) -> None:
    assert list(made["missing"]) == ["far"]
    assert made["text"].startswith("Not in the table: far: far was not found in any place; run `gcn2snn datasets fetch")


def test_nothing_there_is_an_error(small: Path) -> None:
    with pytest.raises(DataError, match="far was not found"):
        reproduce("table5", small, ReproduceOptions(datasets=("far",)))


def test_everything_is_resumed(made: dict[str, Any], small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all results there, nothing is trained; with one of them gone, that one is measured again and is the same."""
    options = ReproduceOptions(datasets=("small",), seeds=2)
    with monkeypatch.context() as patch:
        patch.setattr(seeds, "train_run", lambda *_: pytest.fail("a finished run was trained again"))
        assert reproduce("table5", small, options)["rows"] == made["rows"]
    for name in ("signed.json", "tuned-2-6.json"):
        (small / "small" / "seed1" / name).unlink()
    assert reproduce("table5", small, options)["rows"] == made["rows"]


def test_more_trials_go_on_where_fewer_ended(
    made: dict[str, Any], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []
    measure = tune.Pool.measure
    monkeypatch.setattr(tune.Pool, "measure", lambda pool, config: tried.append(config) or measure(pool, config))
    reproduce("table5", small, ReproduceOptions(datasets=("small",), seeds=2, modes=("tuned",), trials=8))
    assert len(tried) == 2
    assert json.loads((small / "small" / "tuned-2-8.json").read_text())["trials"] == 8
    assert "| small | tuned, --trials 8 | 2 |" in (small / "table5-trials-8.md").read_text()
    assert "| small | tuned | 2 |" in (small / "table5.md").read_text()


@pytest.mark.parametrize("content", ['{"front": [', {"front": [], "chosen": {"alpha": 1}, "met": True}])
def test_what_a_search_left_is_checked(made: dict[str, Any], small: Path, content: str | dict[str, Any]) -> None:
    kept = small / "small" / "tuned-2-6.json"
    whole = kept.read_text()
    kept.write_text(
        content if isinstance(content, str) else json.dumps({"made_from": json.loads(whole)["made_from"], **content})
    )
    options = ReproduceOptions(datasets=("small",), seeds=2, modes=("tuned",), max_loss=7.0)
    try:
        with pytest.raises(
            DataError, match=r"tuned-2-6.json does not hold what a search found .* Delete it: it is made"
        ):
            reproduce("table5", small, options)
    finally:
        kept.write_text(whole)


def test_results_of_other_weights_are_made_again(
    made: dict[str, Any], small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a run folder keeps is of its weights: of others it is measured again, and said so."""
    options = ReproduceOptions(datasets=("small",), seeds=2)
    kept = small / "small" / "seed1" / "signed.json"
    content = json.loads(kept.read_text())
    content["made_from"] = "0" * 64
    content["unit"]["ann"]["accuracy"] = 1.0
    kept.write_text(json.dumps(content))
    assert reproduce("table5", small, options)["rows"] == made["rows"]
    assert "signed.json was made from other weights, data or releases" in capsys.readouterr().err
    reproduce("table5", small, options)
    assert "was made from other" not in capsys.readouterr().err


def test_another_rule_takes_another_point_of_the_same_front(
    made: dict[str, Any], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune.Pool, "measure", lambda *_: pytest.fail("searched again"))
    front = json.loads((small / "small" / "tuned-2-6.json").read_text())["front"]
    for loss, point in ((front[0]["loss"], front[0]), (1000.0, front[-1])):
        options = ReproduceOptions(datasets=("small",), seeds=2, modes=("tuned",), max_loss=max(loss, 0.0))
        reproduce("table5", small, options)
        kept = json.loads((small / "small" / "seed1" / f"tuned-2-6-loss-{max(loss, 0.0):g}.json").read_text())
        assert kept["config"] == point["config"]
        assert kept["met"] == (point["loss"] <= max(loss, 0.0))


def test_opponents_measure_the_point_that_the_same_options_take_in_the_table(
    made: dict[str, Any], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune.Pool, "measure", lambda *_: pytest.fail("searched again"))
    monkeypatch.setattr(opponents, "PAPER", table5.PAPER)
    measured = []
    spiking = opponents.Contest.spiking
    monkeypatch.setattr(
        opponents.Contest, "spiking", lambda self, name, config: measured.append(config) or spiking(self, name, config)
    )
    front = json.loads((small / "small" / "tuned-2-6.json").read_text())["front"]
    options = ReproduceOptions(datasets=("small",), seeds=2, modes=("tuned",), max_loss=max(front[0]["loss"], 0.0))
    found = reproduce("opponents", small, options)
    assert measured == [ConvertConfig(**front[0]["config"] | {"weights": "int8"})] * 2
    rule = f"--max-loss {options.max_loss:g}"
    assert f"| one spike, tuned, {rule} |" in found["text"]
    assert [Path(file).stem for file in found["files"]] == [f"opponents-{rule[2:].replace(' ', '-')}"] * 2
    pruned_to = []
    pruned = opponents.Contest.pruned
    monkeypatch.setattr(
        opponents.Contest, "pruned", lambda self, config: pruned_to.append(config) or pruned(self, config)
    )
    for modes in (("tuned", "pruned"), ("pruned",)):
        limit = options.max_loss if "tuned" in modes else None
        reproduce("opponents", small, ReproduceOptions(datasets=("small",), seeds=2, modes=modes, max_loss=limit))
    assert pruned_to == [ConvertConfig(**front[0]["config"])] * 2 + [ConvertConfig()] * 2
    with pytest.raises(ConfigError, match=r"grids make no search, so --max-loss has no meaning"):
        reproduce("opponents", small, ReproduceOptions(modes=("grids",), max_loss=1.0))


def test_a_loss_that_is_no_number_is_refused() -> None:
    for loss in (-0.1, float("nan"), float("inf")):
        with pytest.raises(
            ConfigError, match=r"max_loss \(--max-loss\) is (-0.1|nan|inf); allowed are 0 and more points"
        ):
            ReproduceOptions(max_loss=loss)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"datasets": ("r9",)}, "there is no dataset r9 here; allowed are small, far"),
        ({"modes": ("best",)}, "there is no mode best here; allowed are paper, signed, tuned"),
    ],
)
def test_unknown_names(small: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        reproduce("table5", small, ReproduceOptions(**options))


def test_a_broken_run_folder_is_named_and_left_out_only_when_asked(
    made: dict[str, Any], small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = small / "small" / "seed0" / "paper.json"
    whole = result.read_text()
    result.write_text(whole[:100])
    options: dict[str, Any] = {"datasets": ("small",), "modes": ("paper",), "seeds": 2}
    try:
        with pytest.raises(ArtefactError, match=r"seed0/paper.json is not whole JSON.*--keep-going leaves .*seed0 out"):
            reproduce("table5", small, ReproduceOptions(**options))
        kept = reproduce("table5", small, ReproduceOptions(**options, keep_going=True))
    finally:
        result.write_text(whole)
    assert list(kept["broken"]) == [str(small / "small" / "seed0")]
    assert "seed0 is left out" in capsys.readouterr().err
    assert kept["rows"][0]["ann"] == made["rows"][0]["ann"][1:]
    assert "Not in the table" in kept["text"]


def test_tcurve(made: dict[str, Any], small: Path) -> None:
    found = reproduce("tcurve", small, ReproduceOptions(seeds=2, modes=("fixed", "optimal")))
    assert [Path(file).name for file in found["files"]] == ["tcurve.png", "tcurve.svg", "tcurve.csv", "tcurve.json"]
    assert [(row["mode"], row["timesteps"]) for row in found["rows"]] == [
        (mode, steps) for mode in ("fixed", "optimal") for steps in (1, 4, 16)
    ]
    signed = next(row for row in made["rows"] if row["mode"] == "signed")
    fixed = found["rows"][2]  # Q = 1.3 and T = 16 is the mode "signed" of the table
    assert fixed["snn"] == pytest.approx(sum(signed["snn"]) / 2)
    assert fixed["alpha"] == pytest.approx(sum(signed["alpha"]["events"]) / 2)
    with (small / "tcurve.csv").open(encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == 6


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([5, 0.2, 0.3, 0.1], 2), ([5, 0.2, 0.4, 0.1], 4), ([0.1, 0.0, -1.0, 0.3], 1), ([0.1, 0.1, 0.1, 0.31], None)],
)
def test_smallest_timesteps_stay_within_the_loss(losses: list[float], expected: int | None) -> None:
    rows = [{"dataset": "d", "mode": "m", "timesteps": t, "loss": loss} for t, loss in enumerate(losses, start=1)]
    assert curves.smallest_timesteps(rows) == {"d": {"m": expected}}


def test_codings(small: Path, made: dict[str, Any]) -> None:
    found = reproduce("codings", small, ReproduceOptions(datasets=("small",)))
    names = [Path(file).name for file in found["files"]]
    assert names == ["codings-small.png", "codings-small.svg", "codings-small.csv", "codings.json"]
    by_code = {(row["coding"], row["timesteps"]): row for row in found["rows"]}
    assert len(by_code) == 6
    assert by_code["one-spike", 16]["additions"] < by_code["phase", 6]["additions"]
    assert by_code["rate", 2]["additions"] < by_code["rate", 8]["additions"]
    assert all(0 <= row["accuracy"] <= 100 for row in found["rows"])
    with pytest.raises(ConfigError, match="there is no coding burst here"):
        reproduce("codings", small, ReproduceOptions(modes=("burst",)))


def test_binary_inputs_are_worked_out_from_the_counts_of_one_spike(made: dict[str, Any], small: Path) -> None:
    folder, graph = small / "small" / "seed0", seeds.load_graph("small", None)
    model = load_model(folder, graph)
    plain = convert(model, graph, ConvertConfig.paper())
    worked_out = table5.with_binary_input(evaluate(plain, graph).energy, plain.network, plain.config.input_bits)
    binary = convert(model, graph, ConvertConfig.paper(one_hot="binary"))
    assert worked_out.alpha_eq6 == pytest.approx(evaluate(binary, graph).energy.alpha_eq6, rel=1e-3)
    assert worked_out.alpha_eq6 < evaluate(plain, graph).energy.alpha_eq6
