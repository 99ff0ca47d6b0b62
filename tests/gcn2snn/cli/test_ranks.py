"""The command line on several ranks: a corpus from its training to new texts, and every refusal in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import gcn2snn, parsed
from rank_processes import command

from gcn2snn.cli.ranks import agree_on_file
from gcn2snn.errors import ArtefactError
from gcn2snn.run_folder import CHECKPOINTS
from gcn2snn.watched import Watched

LINES = [
    ("red apple tree fruit", "fruit", "train"),
    ("green apple pear fruit tree", "fruit", "train"),
    ("ripe pear sweet juice fruit", "fruit", "train"),
    ("car road wheel engine", "traffic", "train"),
    ("slow car street road jam", "traffic", "train"),
    ("bus street wheel jam engine", "traffic", "train"),
    ("sweet red apple", "fruit", "test"),
    ("engine road bus", "traffic", "test"),
]
TEXTS = ("--text", "a red pear", "--text", "the bus and the car", "--text", "nothing known")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, trained and converted by one process in ``one`` and by two ranks in ``two``."""
    folder = tmp_path_factory.mktemp("ranks")
    corpus = folder / "things.tsv"
    corpus.write_text("text\tlabel\tsplit\n" + "".join("\t".join(row) + "\n" for row in LINES), encoding="utf-8")
    options = ("--hidden", 8, "--epochs", 12, "--patience", 12, "--min-count", 1, "--stop-words", "none")
    assert gcn2snn("train", corpus, *options, "--out", folder / "one").returncode == 0
    assert gcn2snn("convert", folder / "one", "--paper").returncode == 0
    first, second = command(2, "train", corpus, *options, "--out", folder / "two", "--json")
    assert (first[0], second) == (0, (0, "", "")), first
    first, second = command(2, "convert", folder / "two", "--paper", "--json")
    assert (first[0], second) == (0, (0, "", "")), first
    return folder


def _read(found: list[tuple[int, str, str]]) -> dict[str, object]:
    assert [code for code, _, _ in found] == [0] * len(found), found
    assert all(out == error == "" for _, out, error in found[1:])
    return dict(json.loads(found[0][1]))


def test_train_writes_the_run_of_one_process(runs: Path) -> None:
    one, two = (json.loads((runs / name / "run.json").read_text()) for name in ("one", "two"))
    assert {key: one[key] for key in ("config", "fingerprint", "epochs", "ann")} == {
        key: two[key] for key in ("config", "fingerprint", "epochs", "ann")
    }
    losses = [
        [json.loads(line)["val_loss"] for line in (runs / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert not (runs / "two" / CHECKPOINTS).exists()


def test_evaluate_gives_the_table_of_one_process(runs: Path, tmp_path: Path) -> None:
    one = parsed("evaluate", runs / "one", "--predictions", tmp_path / "one.csv")
    two = _read(command(2, "evaluate", runs / "one", "--predictions", tmp_path / "two.csv", "--json"))
    traffic = two.pop("traffic")
    assert isinstance(traffic, dict)
    assert traffic["ranks"] == 2
    assert traffic["ratio"] <= 0.27
    own = ("peak_memory_bytes", "predictions")
    assert {k: v for k, v in one.items() if k not in own} == {k: v for k, v in two.items() if k not in own}
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "two.csv").read_text()


def test_a_network_of_two_ranks_answers_in_one_process_and_on_ranks(runs: Path) -> None:
    assert parsed("evaluate", runs / "two")["test_nodes"] == 2
    one = gcn2snn("predict", runs / "two", *TEXTS, "--json")
    first, second = command(2, "predict", runs / "two", *TEXTS, "--json")
    assert (first[0], first[1]) == (0, one.stdout)
    assert len(first[1].splitlines()) == 3
    assert second == (0, "", "")


def _refused(found: list[tuple[int, str, str]]) -> str:
    """The one line that rank 0 prints; nothing comes from the others, and all end with 2."""
    assert [code for code, _, _ in found] == [2] * len(found), found
    assert all(out == error == "" for _, out, error in found[1:])
    assert found[0][1] == ""
    lines = found[0][2].splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("verb", ["tune", "serve", "report", "export", "show", "bench", "info", "doctor", "reproduce"])
def test_verbs_for_one_process_are_refused(verb: str) -> None:
    said = (
        f"gcn2snn: error: gcn2snn {verb} runs in one process; on several there are train, evaluate, predict, convert."
    )
    assert _refused(command(2, verb, "x")).startswith(said)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("evaluate", "RUN", "--layers"), "--layers runs in one process"),
        (("evaluate", "RUN", "--engine", "temporal"), "the temporal engine runs in one process"),
        (("convert", "RUN", "--events", "0.5", "--force"), "--events ranks all neurons of the graph"),
        (("train", "CORPUS", "--inductive"), "--inductive runs in one process"),
        (("train", "digits"), "digits, which are images, runs in one process"),
        (("train", "karate", "--out", "RUN"), "already holds a run"),
        (("evaluate", "missing.safetensors"), "missing.safetensors does not exist"),
    ],
)
def test_what_ranks_cannot_do_is_said_once(runs: Path, words: tuple[str, ...], match: str) -> None:
    places = {"RUN": str(runs / "one"), "CORPUS": str(runs / "things.tsv")}
    assert match in _refused(command(2, *(places.get(word, word) for word in words)))


def test_a_missing_variable_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    result = gcn2snn("evaluate", "x")
    assert result.returncode == 2
    assert result.stderr.startswith("gcn2snn: error: WORLD_SIZE and MASTER_ADDR and MASTER_PORT not set, but RANK is;")
    assert result.stderr.count("\n") == 1


def test_one_process_and_several_do_not_continue_each_other(runs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    summary = json.loads((runs / "two" / "run.json").read_text())
    kept = {name: summary[name] for name in ("format", "kind", "dataset", "fingerprint", "config", "environment")}
    run.mkdir()
    (run / "run.json").write_text(json.dumps(kept | {"status": "running"}))
    words = ("train", runs / "things.tsv", "--hidden", 8, "--epochs", 12, "--patience", 12, "--min-count", 1)
    words = (*words, "--stop-words", "none", "--out", run, "--resume")
    (run / CHECKPOINTS).mkdir()
    result = gcn2snn(*words)
    assert result.returncode == 2
    assert "holds the state of a training on several processes. Continue it" in result.stderr
    (run / CHECKPOINTS).rmdir()
    (run / "state.safetensors").write_bytes(b"")
    assert "holds the state of a training in one process" in _refused(command(2, *words))


def test_torchrun_starts_ranks(runs: Path) -> None:
    words = ["--nproc-per-node", "2", "-m", "gcn2snn", "evaluate", str(runs / "one"), "--json", "-q"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["traffic"]["ranks"] == 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the ranks of torchrun in /proc")
def test_a_killed_rank_ends_the_job_and_four_ranks_continue_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [
        "-m",
        "gcn2snn",
        "train",
        "karate",
        "--hidden",
        "8",
        "--epochs",
        "3000",
        "--patience",
        "3000",
        "--out",
        str(run),
    ]
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    job = subprocess.Popen(
        [*start, "2", *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    while not list(run.glob(f"{CHECKPOINTS}/newest.json")):
        assert time.monotonic() < until, "no checkpoint was written"
        time.sleep(0.5)
    ranks = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    os.kill(int(ranks[-1]), signal.SIGKILL)
    _, errors = job.communicate(timeout=120)
    said = [line for line in errors.splitlines() if line.startswith("gcn2snn: error: ")]
    assert len(said) == 1
    assert "has ended or not answered" in said[0]
    assert said[0].endswith("give the same command and --resume to continue from the last checkpoint")
    assert job.returncode == 1  # of torchrun, which prints a report of its own
    kept = json.loads((run / CHECKPOINTS / "newest.json").read_text())["history"]
    done = subprocess.run(
        [*start, "4", *words, "--resume"], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 3001))
    assert lines[: len(kept)] == kept


def test_a_network_that_is_replaced_before_ranks_agree_on_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "snn.safetensors"
    file.write_bytes(b"one")
    network, agreed = Watched.now(file, error=ArtefactError), []
    job = SimpleNamespace(agree=lambda *said: agreed.append(said))
    agree_on_file(job, network)  # type: ignore[arg-type]
    assert len(agreed) == 1
    file.write_bytes(b"another")
    with pytest.raises(ArtefactError, match=r"snn.safetensors changed while it was read"):
        agree_on_file(job, network)  # type: ignore[arg-type]
