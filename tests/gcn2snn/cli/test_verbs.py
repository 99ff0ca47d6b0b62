"""What every verb has alike: -h with two examples, whole help, one-line refusals, --quiet, --verbose and hints."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Result, failed, gcn2snn, parsed

from gcn2snn.cnn import ImageTrainConfig
from gcn2snn.config import NEW_DOCUMENTS, ConvertConfig, TrainConfig
from gcn2snn.datasets import TextGraphOptions, load_graph
from gcn2snn.serve import ServeOptions
from gcn2snn.tune import TuneConfig

VERBS = (
    "train", "convert", "evaluate", "predict", "export", "serve", "tune", "report", "reproduce", "bench", "info", "doctor",
    "datasets list", "datasets fetch", "datasets info",
)  # fmt: skip


def help_of(verb: str, monkeypatch: pytest.MonkeyPatch, width: int = 80) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERMINAL_WIDTH", str(width))
    result = gcn2snn(*verb.split(), "-h")
    assert result.returncode == 0
    return result.stdout


SAID = """
import json
from typer.main import get_command
from gcn2snn.cli import app
from gcn2snn.frontends.read_model import load_handlers
from gcn2snn.frontends.registry import REGISTRY
from gcn2snn.docstrings import docstring_of
groups = [get_command(app)]
groups += [group for group in groups[0].commands.values() if hasattr(group, "commands")]
said = {f"{group.name} {name}": [verb.help, verb.get_short_help_str(200)] for group in groups for name, verb in group.commands.items()}
load_handlers()
print(json.dumps(said | {cls.__qualname__: docstring_of(handler) for cls, handler in REGISTRY.items()}))
"""


def test_without_docstrings_help_and_explanations_say_the_same() -> None:
    usual, optimised = (
        subprocess.run([sys.executable, *option, "-c", SAID], capture_output=True, text=True, check=True).stdout
        for option in ([], ["-OO"])
    )
    assert json.loads(optimised) == json.loads(usual)
    assert json.loads(usual)["gcn2snn train"][0].startswith("Train ")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verbs") / "run"
    for words in (("train", "karate", "--hidden", 4, "--epochs", 2, "--out", folder), ("convert", folder)):
        result = gcn2snn(*words)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_two_examples_and_is_whole(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_of(verb, monkeypatch)
    examples = [
        line for line in text.partition("Options:")[0].splitlines() if re.match(r"    (gcn2snn|curl|tail) ", line)
    ]
    assert len(examples) >= 2, text
    assert any(line.startswith(f"    gcn2snn {verb}") for line in examples)
    cut = [line for line in text.splitlines() if re.search(r"\w\.\.\.$", line)]
    assert cut == []
    assert "-q, --quiet" in text
    assert "-v, --verbose" in text


def test_the_list_of_verbs_cuts_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_of("", monkeypatch)
    assert "..." not in text.partition("Commands:")[2]
    assert "--install-completion" in text


@pytest.mark.parametrize(
    ("verb", "cls", "names"),
    [
        ("train", TrainConfig, ("hidden", "layers", "dropout", "learning_rate", "epochs", "patience", "validation")),
        ("train", TextGraphOptions, ("window", "wordless", "test_share", "split_seed")),
        ("train", ImageTrainConfig, ("learning_rate", "weight_decay", "batch_size")),
        ("convert", ConvertConfig, ("timesteps", "group", "message", "scale", "percentile", "per", "one_hot")),
        ("serve", ServeOptions, ("host", "port", "queue", "batch", "max_texts", "max_bytes", "requests", "grace")),
        ("tune", TuneConfig, ("trials", "max_loss")),
    ],
)
def test_help_says_the_defaults_of_the_configuration(
    verb: str, cls: type, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(help_of(verb, monkeypatch).partition("Options:")[2].split())
    for name in names:
        (field,) = (field for field in dataclasses.fields(cls) if field.name == name)
        fields = getattr(cls, "__pydantic_fields__", {})
        value = fields[name].default if name in fields else field.default
        own = re.split(r" --[a-z-]+ <", f" {text}".partition(f" --{name.replace('_', '-')} <")[2])[0]
        assert f"default {value:g}" in own if isinstance(value, float) else f"default {value}" in own, (name, own)


def test_help_says_the_defaults_for_new_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(help_of("train", monkeypatch).split())
    assert f"hidden {NEW_DOCUMENTS['hidden']}, learning rate {NEW_DOCUMENTS['learning_rate']}" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "karate", "--epochs", "many"), "'--epochs'"),
        (("train", "karate", "--epochs", "many"), "got 'many'"),
        (("evaluate",), "See gcn2snn evaluate -h"),
        (("evaluate", "x", "--memory"), "Option '--memory' requires an argument. See gcn2snn evaluate -h"),
        (("datasets", "build", "x", "--memory"), "requires an argument. See gcn2snn datasets build -h"),
        (("convert", "--check", "--out", "x"), "--check needs a value, but the option --out follows. Put the value"),
        (("convert", "x", "--out", "-q"), "--out needs a value, but the option -q follows"),
        (("convert", "x", "--check=--out"), "--check has no meaning here"),
        (("evaluate", "--", "--out"), "--out does not exist"),
        (("nosuch",), "No such command 'nosuch'"),
        (("convert", "--nosuch", "x"), "--nosuch"),
        (("convert", "x", "--out", "x.onnx"), "ends in .onnx, but a network (.safetensors) is written"),
        (("convert", "x", "--out", "-"), "not written to standard output"),
        (("train", "karate", "--out", "model.pt"), "ends in .pt, but a folder is written"),
        (("report", "x", "--out", "x.safetensors"), "a report (.html) is written"),
        (("report", "x", "--out", "x.png"), "ends in .png, but a report (.html) is written"),
        (("info", "nowhere"), "nowhere does not exist"),
        (("convert", "x", "-q", "-v"), "--quiet says less and --verbose says more"),
        (("train", "texts\udcff.csv"), r"'texts\xff.csv' holds bytes that are not text in utf-8"),
        (
            ("convert", "run", "--out", "snn\udcff.safetensors"),
            r"'snn\xff.safetensors' holds bytes that are not",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(words: tuple[str, ...], message: str) -> None:
    assert message in failed(*words)
    assert len(gcn2snn(*words).stderr.splitlines()) == 1


def test_report_refuses_a_wrong_ending_before_it_loads_anything() -> None:
    words = "import sys; sys.argv = ['gcn2snn', 'report', 'x', '--out', 'x.png']; from gcn2snn.cli import main\n"
    words += "try: main()\nexcept SystemExit as stop: print(stop.code, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


def test_hints_and_notes_are_left_out_when_asked(run: Path) -> None:
    def answer(*words: object) -> Result:
        result = gcn2snn("evaluate", run, *words)
        assert result.returncode == 0, result.stderr
        return result

    assert answer().stderr == f"next: gcn2snn report {run / 'snn.safetensors'}\n"
    assert answer("--json").stderr == ""
    quiet = answer("--quiet")
    assert quiet.stderr == ""
    assert "same prediction" in quiet.stdout
    assert "took " in answer("-v").stderr


def test_verbose_shows_where_an_error_was_raised(run: Path) -> None:
    assert "Traceback" in gcn2snn("evaluate", run / "nothing.safetensors", "-v").stderr
    assert "Traceback" not in gcn2snn("evaluate", run / "nothing.safetensors").stderr


def test_evaluate_asks_which_network_is_meant(run: Path, tmp_path: Path) -> None:
    for name in ("snn.safetensors", "tuned.safetensors"):
        (tmp_path / name).write_bytes((run / "snn.safetensors").read_bytes())
    assert "holds 2 networks; give one of them" in failed("evaluate", tmp_path)


def test_info_describes_every_artefact(run: Path, tmp_path: Path) -> None:
    import gcn2snn as package

    network = package.load(run / "snn.safetensors")
    network.save_pretrained(tmp_path / "folder")
    load_graph("karate").save(tmp_path / "graph.safetensors")
    assert parsed("info", run)["converted_networks"] == ["snn.safetensors"]
    about = parsed("info", run / "snn.safetensors")
    assert (about["kind"], about["base"], about["dataset"]) == ("converted network", network.config.base, "karate")
    assert parsed("info", run / "model.safetensors")["kind"] == "trained weights of a run"
    assert parsed("info", tmp_path / "graph.safetensors")["nodes"] == 34
    assert parsed("info", tmp_path / "folder")["kind"] == "model folder"
    assert "status" in gcn2snn("info", run).stdout
    (tmp_path / "other.safetensors").write_bytes(b"no tensors")
    assert "cannot be read as safetensors" in failed("info", tmp_path / "other.safetensors")
    assert "is no run folder" in failed("info", tmp_path)


def test_doctor_finds_a_full_installation_and_a_cache_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["gcn2snn.cli.doctor"]  # the package's attribute of that name is the verb
    monkeypatch.setattr(module, "LEAST_FREE", 1)
    content = parsed("doctor")
    states = {row["what"]: row["state"] for row in content["findings"]}
    assert content["bad"] == []
    assert {"torch", "kernels on cpu", "C++ compiler", "cache", "disk of the cache", "data karate"} <= set(states)
    monkeypatch.setattr(module, "LEAST_FREE", 2**80)
    result = gcn2snn("doctor")
    assert result.returncode == 1
    assert "bad" in result.stdout


@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [
        ("GCN2SNN_BACKEND", "nope", "backend"),
        ("GCN2SNN_CACHE", "FILE", "cache"),
        ("GCN2SNN_CACHE", "LOOP", "cache"),
        ("GCN2SNN_CACHE", "~nobody-of-this-name", "cache"),
        ("GCN2SNN_DATA", "FILE", "data"),
        ("CXX", "g++ '", "C++ compiler"),
    ],
)
def test_doctor_names_a_variable_that_is_wrong(
    variable: str, value: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "FILE").touch()
    (tmp_path / "LOOP").symlink_to(tmp_path / "LOOP")
    monkeypatch.setenv(variable, str(tmp_path / value) if value in ("FILE", "LOOP") else value)
    result = gcn2snn("doctor", "--json")
    assert result.returncode == 1
    content = json.loads(result.stdout)
    assert what in content["bad"]
    found = next(row["found"] for row in content["findings"] if row["what"] == what)
    assert variable in found
    assert len(content["findings"]) > 10  # everything else is looked at all the same


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("Storage size calculation overflowed with sizes=[1]"),
    ],
)
def test_too_little_memory_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("torch.rand", fail)
    arguments = ("torch.nn:Linear", "--args", "[2, 2]", "--input", "input=3x2")
    assert "there is not enough memory for this" in failed("explain", *arguments)
    error.args = ("sizes differ",)
    if not isinstance(error, MemoryError):
        with pytest.raises(RuntimeError, match="sizes differ"):  # a fault of ours is not called something else
            gcn2snn("explain", *arguments)


@pytest.mark.parametrize("columns", [0, 1, 5])
def test_a_terminal_without_columns_is_shown_the_results(
    columns: int, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = gcn2snn("evaluate", run).stdout
    assert re.search(r"accuracy\s+\d+\.\d\d", shown)
    assert max(len(line.rstrip()) for line in gcn2snn("info", run).stdout.splitlines()) == 20


def test_threads_that_no_machine_has_are_refused() -> None:
    for words in (("train", "karate"), ("train", "digits"), ("bench",)):
        assert "4096" in failed(*words, "--threads", 10**18)


def test_reproduce_list_says_what_each_item_is_and_how_long_it_takes() -> None:
    from gcn2snn.reproduce import ITEMS

    rows = parsed("reproduce", "list")
    assert set(rows) == set(ITEMS)
    assert all(row["what"] and row["time"] for row in rows.values())
    assert "fig6: expected error by base" in gcn2snn("reproduce", "list").stdout
