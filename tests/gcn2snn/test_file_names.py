"""Names of files: what they may be, and how a shell takes them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from command_line import failed
from hypothesis import given
from hypothesis import strategies as st

from gcn2snn import cli
from gcn2snn.errors import ArtefactError, reason_of, way_out_of
from gcn2snn.file_names import refuse_undecodable, shell_word, why_not_there


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1))
def test_a_shell_takes_a_name_for_one_word_and_no_option(name: str) -> None:
    (word,) = shlex.split(shell_word(name))
    assert not word.startswith("-")
    assert os.path.normpath(word) == os.path.normpath(name)


def test_undecodable_bytes_of_a_text_are_not_called_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArtefactError, match="cannot store such a name: rename it"):
        refuse_undecodable("caf\udce9")
    for words in (["--text", "caf\udce9"], ["--text=caf\udce9"]):
        monkeypatch.setattr("sys.argv", ["gcn2snn", "predict", "snn.safetensors", *words])
        with pytest.raises(ArtefactError, match=r"xe9. holds bytes .* Give the text in that encoding") as error:
            cli._run()
        assert "name" not in str(error.value)


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (28, "Free space"),
        (36, "Choose a shorter name"),
        (24, "Raise the limit of open files (ulimit -n)"),
        (13, "Choose a place that you may write to"),
        (30, "Choose a place that you may write to"),
    ],
)
def test_the_way_out_fits_what_the_system_says(number: int, way_out: str) -> None:
    error = OSError(number, os.strerror(number), "runs/a")
    assert way_out_of(error, "place") == way_out
    assert reason_of(error) == os.strerror(number)
    assert reason_of(error, with_file=True) == f"runs/a: {os.strerror(number)}"


def test_what_is_not_there_is_told_by_its_kind(tmp_path: Path) -> None:
    assert why_not_there(tmp_path / "no") == "does not exist"
    assert why_not_there(tmp_path) == "is a folder"
    for name, target in (("loop", "loop"), ("dangling", "nowhere")):
        (tmp_path / name).symlink_to(target)
    assert why_not_there(tmp_path / "loop") == "is a link that leads to itself"
    assert why_not_there(tmp_path / "dangling") == "is a link to nowhere, where nothing is"
    os.mkfifo(tmp_path / "pipe")
    assert why_not_there(tmp_path / "pipe") == "is a pipe"
    (tmp_path / "file").touch()
    assert why_not_there(tmp_path / "file") == "is a file"
    assert why_not_there(tmp_path / "file" / "below") == "cannot be read: Not a directory"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("info", "pipe"), "is a pipe. Give a file or folder"),
        (("convert", "pipe", "--out", "snn.safetensors"), "is not a run folder: it is a pipe"),
        (("evaluate", "pipe"), "is a pipe; a file is needed"),
        (("report", "pipe", "--out", "report.html"), "is a pipe"),
        (("bench", "--commands", "--network", "pipe"), "pipe is a pipe; --network needs"),
    ],
)
def test_a_pipe_in_the_place_of_a_network_is_called_one(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert told in failed(*words)
