from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gcn2snn.cli.datasets import app
from gcn2snn.datasets import names
from gcn2snn.errors import ConfigError, DataError, Gcn2SnnError, InterruptedRunError

KEYS = [
    "documents",
    "train",
    "test",
    "words",
    "nodes",
    "classes",
    "pmi_entries",
    "document_word_entries",
    "adjacency_entries",
    "windows",
    "weight_sum",
    "build_seconds",
    "normalise_seconds",
    "peak_memory_bytes",
]


def run(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout, result.stderr


@pytest.mark.usefixtures("no_data")
def test_list_names_every_dataset_and_how_to_get_it() -> None:
    shown = " ".join(run("list")[0].split())
    assert all(name in shown for name in names())
    assert "this package" in shown
    assert "not here" in shown
    assert "fetch" in shown


@pytest.mark.usefixtures("no_data")
def test_list_as_json() -> None:
    rows = json.loads(run("list", "--json")[0])["datasets"]
    assert [row["name"] for row in rows] == list(names())
    assert rows[1] | {"documents": 7674, "words": 7688, "classes": 8, "files": None} == rows[1]


def test_info_as_json_is_one_object() -> None:
    out, _ = run("info", "karate", "--json")
    report = json.loads(out)
    assert set(KEYS) <= set(report)
    assert (report["dataset"], report["nodes"], report["adjacency_entries"]) == ("karate", 34, 190)
    assert report["peak_memory_bytes"] > 10_000_000


def test_info_prints_a_table() -> None:
    shown = run("info", "karate")[0]
    assert "adjacency entries" in shown
    assert "190" in shown
    assert "fingerprint: " in shown


def test_info_of_an_own_corpus(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = "".join(f"red apple {n},fruit\nfast car {n},traffic\n" for n in range(5))
    (tmp_path / "own.csv").write_text("text,label\n" + rows, encoding="utf-8")
    report = json.loads(run("info", str(tmp_path / "own.csv"), "--json", "--min-count", "2", "--stop-words", "none")[0])
    assert (report["documents"], report["train"], report["classes"]) == (10, 7, 2)
    assert report["published"] is None
    assert "has no split" in caplog.text


def test_info_of_a_published_corpus(data_root: Path) -> None:
    report = json.loads(run("info", "mr", "--json", "--data-dir", str(data_root))[0])
    published = report["published"]
    assert report.pop("weight_sum") == pytest.approx(published.pop("weight_sum"), abs=0.001)
    assert {key: report[key] for key in published} == published


def test_errors_reach_the_caller() -> None:
    with pytest.raises(DataError, match=r"Did you mean r52"):
        run("info", "r53")
    with pytest.raises(DataError, match=r"Did you mean cora"):
        run("fetch", "corra")


def test_fetch_of_a_builtin_says_so() -> None:
    assert "karate is part of this package" in run("fetch", "karate")[1]


def test_list_imports_nothing_heavy() -> None:
    code = (
        "import sys; from gcn2snn.cli.datasets import app\n"
        "try: app(['list', '--json'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'numpy', 'scipy', 'sklearn', 'pooch') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_build_writes_a_graph_that_info_describes(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    corpus, graph = tmp_path / "own.jsonl", tmp_path / "own.safetensors"
    rows = [{"text": f"word{number % 3} word{number % 2} more", "label": "ab"[number % 2]} for number in range(12)]
    corpus.write_text("\n".join(map(json.dumps, rows)))
    words = ("build", str(corpus), "--memory", "8GB", "--temp", str(tmp_path), "--out", str(graph), "--training-only")
    report = json.loads(run(*words, "--window", "2", "--json")[0])
    assert (report["graph"], report["documents"], report["tokens"]) == (str(graph), 8, 16)
    assert report["peak_memory_bytes"] > 0
    assert report["memory_limit_bytes"] == 8 * 10**9
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["own.jsonl", "own.safetensors"]
    described = json.loads(run("info", str(graph), "--json")[0])
    assert (described["documents"], described["words"], described["options"]["window"]) == (8, report["words"], 2)
    with pytest.raises(ConfigError, match=r"own.safetensors exists; it is not overwritten without --force"):
        run(*words)
    assert "peak memory" in run(*words, "--force")[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("own.tsv", "--memory", "much"), "'much' is no amount of memory"),
        (("own.tsv", "--out", "graph.csv"), "ends in .csv, but a graph"),
        (("r8", "--text-column", "1"), "--text-column has no meaning here: r8 is a published dataset"),
        (("nowhere.tsv",), "no dataset and no file or folder is called 'nowhere.tsv'"),
    ],
)
def test_build_refuses_at_once(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(Gcn2SnnError, match=message):
        run("build", *words)


def test_an_interrupted_build_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gcn2snn.datasets.build.build_graph_file", stop)
    with pytest.raises(
        InterruptedRunError, match=r"what is done is kept\. Give the same command again to continue"
    ) as stopped:
        run("build", "own.tsv")
    assert stopped.value.exit_code == 130
