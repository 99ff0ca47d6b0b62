"""``gcn2snn predict``: an answer for each line of input; streams, tables, errors."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gcn2snn.cli import main

SCRIPT = Path(sys.executable).with_name("gcn2snn")
ROWS = [
    ("red apple tree fruit", "fruit"),
    ("green apple pear fruit tree", "fruit"),
    ("ripe pear sweet juice fruit", "fruit"),
    ("car road wheel engine", "traffic"),
    ("slow car street road jam", "traffic"),
    ("bus street wheel jam engine", "traffic"),
]


def run(*words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command, in this process."""
    out, err, argv, code = io.StringIO(), io.StringIO(), sys.argv, 0
    sys.argv = ["gcn2snn", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    finally:
        sys.argv = argv
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a small corpus of one's own, converted; the corpus is gone afterwards."""
    folder = tmp_path_factory.mktemp("predict")
    corpus = folder / "things.tsv"
    lines = [f"{text}\t{label}\t{split}\n" for split in ("train", "test") for text, label in ROWS]
    corpus.write_text("text\tlabel\tsplit\n" + "".join(lines), encoding="utf-8")
    trained = run("train", corpus, "--out", folder / "run", "--epochs", 30, "--hidden", 8, "--min-count", 1)
    assert trained[0] == 0, trained[2]
    converted = run("convert", folder / "run")
    assert converted[0] == 0, converted[2]
    corpus.unlink()
    return folder


def failed(*words: object) -> str:
    code, out, err = run("predict", *words)
    assert (code, out) == (2, ""), err
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("gcn2snn: error: ")]
    return line


def test_a_text_on_the_command_line(folder: Path) -> None:
    code, out, err = run("predict", folder / "run", "--text", "a sweet apple", "--text", "the bus jam", "--top", 2)
    assert code == 0, err
    first, second = out.splitlines()
    assert first.startswith("fruit ")
    assert "traffic" in first.split("\t")[0]
    assert second.startswith("traffic ")
    assert "2 known words, " in first
    code, out, _ = run("predict", folder / "run", "--text", "apple zzzz")
    assert "\t1 known word, " in out
    _, _, err = run("predict", folder / "run", "--text", "zzzz")
    assert "1 of 1 text has no word that the graph knows" in err
    _, _, err = run("predict", folder / "run", "--text", "apple", "--csv", folder / "one.csv")
    assert "one.csv; 1 text\n" in err


def test_what_would_move_the_cursor_or_end_a_column_is_written_out(folder: Path) -> None:
    given = "apple\tbus \x1b[31m ü"
    code, out, _ = run("predict", folder / "run", "--text", given)
    assert code == 0
    assert out.rstrip("\n").split("\t")[2:] == [r"apple\tbus \x1b[31m ü"]


def test_json_lines_and_explanations(folder: Path) -> None:
    file = folder / "texts.txt"
    file.write_text("\ufeffsweet apple\r\nbus\n\nunheard", encoding="utf-8")
    code, out, err = run("predict", folder / "run/snn.safetensors", file, "--json", "--explain", "--top", 2)
    assert code == 0, err
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["text"] for answer in answers] == ["sweet apple", "bus", "", "unheard"]
    assert set(answers[0]["influence"]) == {"sweet", "apple"}
    assert sum(answers[0]["probability"].values()) == pytest.approx(1.0)
    assert [answer["known_words"] for answer in answers] == [2, 1, 0, 0]
    assert "2 of 4 texts have no word that the graph knows" in err


def test_a_tokeniser_that_the_network_has_not_is_refused(folder: Path) -> None:
    said = failed(folder / "run", "--text", "bus", "--tokeniser", "nltk-tweet")
    assert (
        "--tokeniser nltk-tweet: this network was trained on texts that were cut with no tokeniser. Leave it out"
        in said
    )


def test_csv_is_written_whole(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "out.csv"
    code, _, err = run("predict", folder / "run", "--text", 'an "apple", sweet', "--csv", table, "--top", 2)
    assert code == 0, err
    (row,) = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    assert (row["text"], row["label"], row["class_2"], row["known_words"]) == (
        'an "apple", sweet',
        "fruit",
        "traffic",
        "2",
    )
    assert "exists" in failed(folder / "run", "--text", "bus", "--csv", table)
    before = table.read_bytes()
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"apple\n\xff\xfe\n")
    assert "line 2" in failed(folder / "run", bad, "--csv", table, "--force")
    assert table.read_bytes() == before


def test_a_stream_is_answered_line_by_line(folder: Path) -> None:
    command = [str(SCRIPT), "predict", str(folder / "run"), "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text, label in (("apple", "fruit"), ("bus", "traffic")):
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["label"] == label  # before the next line is sent
        process.stdin.close()
    assert process.returncode == 0


def test_bad_input_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    snn = folder / "run"
    binary = tmp_path / "binary"
    binary.write_bytes(b"a\0b\n")
    assert "zero byte" in failed(snn, binary)
    long = tmp_path / "long"
    long.write_bytes(b"x" * (3 << 20))
    assert "longer than 1,048,576 characters" in failed(snn, long)
    assert "cannot read" in failed(snn, tmp_path / "missing")
    assert "cannot read" in failed(snn, tmp_path)
    assert "give one of them" in failed(snn, binary, "--text", "apple")
    assert "give one of them" in failed(snn, "--text", "apple", "--json", "--csv", tmp_path / "x.csv")
    assert "no word that the graph knows" in failed(snn, "--text", "unheard", "--strict")
    assert "unknown; allowed are" in failed(snn, "--text", "apple", "--energy", "9nm")
    assert "does not exist" in failed(tmp_path / "none.safetensors", "--text", "apple")


def test_a_network_without_words_cannot_predict(tmp_path: Path) -> None:
    assert run("train", "karate", "--out", tmp_path / "run", "--epochs", 3, "--hidden", 4)[0] == 0
    assert run("convert", tmp_path / "run")[0] == 0
    assert "cannot classify texts" in failed(tmp_path / "run", "--text", "apple")
