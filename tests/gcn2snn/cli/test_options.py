from __future__ import annotations

from pathlib import Path

import pytest
from command_line import failed

from gcn2snn.cli import inputs
from gcn2snn.cli.options import given, refuse_given
from gcn2snn.errors import ConfigError


def test_given_keeps_what_was_on_the_command_line() -> None:
    assert given({"epochs": 3, "seed": 0, "force": False, "hidden": None}) == {"epochs": 3, "seed": 0, "force": False}


def test_refuse_given_names_the_options_as_they_are_typed() -> None:
    refuse_given({"batch_size": None}, "karate is a graph")
    with pytest.raises(
        ConfigError, match=r"--batch-size, --model has no meaning here: karate is a graph. Leave it out"
    ):
        refuse_given({"batch_size": 8, "seed": None, "model": "small"}, "karate is a graph")


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "NETWORK", "--predictions", "PLACE/rows.csv"),
        ("report", "NETWORK", "--out", "PLACE/page.html"),
        ("show", "NETWORK", "--out", "PLACE/picture.png"),
        ("export", "NETWORK", "--format", "npz", "--out", "PLACE/network.npz"),
        ("tune", "RUN", "--out", "PLACE/tuned.safetensors"),
        ("convert", "RUN", "--out", "PLACE/network.safetensors"),
        ("train", "karate", "--out", "PLACE/run"),
        ("datasets", "synthetic", "PLACE/texts.tsv"),
    ],
)
def test_a_place_where_nothing_can_be_written_is_refused_before_the_work(
    words: tuple[str, ...], karate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        pytest.fail("the work began")

    for place in ("gcn2snn.artefact.load_with_origin", "gcn2snn.textgcn.load_model", "gcn2snn.datasets.load_graph"):
        monkeypatch.setattr(place, work)
    (tmp_path / "file").write_text("")
    names = {"NETWORK": str(karate), "RUN": str(karate.parent)}
    given = [names.get(word, word.replace("PLACE", str(tmp_path / "file"))) for word in words]
    assert "Not a directory" in failed(*given)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evaluate", "--limit", -1), "Invalid value for '--limit'"),
        (("report", "--limit", 0), "Invalid value for '--limit'"),
        (("export", "--format", "brain2", "--out", "x.py"), "format is 'brain2'; allowed are brian2"),
    ],
)
def test_a_value_that_cannot_be_is_refused_before_the_network_is_read(
    words: tuple[object, ...], said: str, karate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gcn2snn.artefact.load_with_origin", lambda *_, **__: pytest.fail("the work began"))
    assert said in failed(words[0], karate, *words[1:])


def test_a_range_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MOST_ROWS", 5)
    assert inputs.row_numbers("0,5-8") == [0, 5, 6, 7, 8]
    for text in ("0-5", "0-2,7-9", "1,2,3,4,5,6"):
        with pytest.raises(ConfigError, match=f"--rows '{text}' asks for more than 5 rows"):
            inputs.row_numbers(text)
