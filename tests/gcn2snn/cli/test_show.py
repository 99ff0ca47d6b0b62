"""gcn2snn show and --clock: pictures on disk, what they are of, times in seconds, and refusals in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import failed, parsed
from command_line import gcn2snn as run

PNG = b"\x89PNG\r\n\x1a\n"


def test_three_pictures_beside_the_network(karate: Path) -> None:
    result = run("show", karate)
    assert result.returncode == 0, result.stderr
    for kind in ("raster", "potentials", "phases"):
        file = karate.with_name(f"snn-{kind}.png")
        assert str(file) in result.stdout
        assert file.read_bytes().startswith(PNG)
    assert "exists; it is not overwritten without --force" in failed("show", karate)


def test_one_picture_has_the_name_that_was_asked_for(karate: Path, tmp_path: Path) -> None:
    out = tmp_path / "raster.svg"
    told = parsed("show", karate, "--kind", "raster", "--rows", "0,3-5", "--limit", "20", "--out", out)
    assert told["files"] == {"raster": str(out)}
    text = out.read_text()
    assert "<svg" in text
    assert list(tmp_path.iterdir()) == [out]
    assert parsed("show", karate, "--kind", "raster", "--rows", "7", "--out", out, "--force")
    assert out.read_text() != text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "sound"), "there is no picture 'sound'; allowed are raster, potentials, phases"),
        (("--out", "picture.pdf"), "picture.pdf does not end in .png or .svg"),
        (("--rows", "34"), "row 34 is out of range; the network's output has rows 0 to 33"),
        (("--rows", "one"), "--rows 'one' is no list of numbers"),
        (("--rows", "5-3"), "--rows '5-3' counts down; write the smaller number first: 3-5"),
        (("--neurons", "layer1.relu=9-2"), "--neurons '9-2' counts down"),
        (("--kind", "raster", "--neurons", "layer1.relu=1"), "--neurons has no meaning here: no potentials are drawn"),
        (("--kind", "phases", "--limit", "9"), "--limit has no meaning here: no raster is drawn"),
        (("--neurons", "3"), "--neurons '3' names no population"),
        (("--neurons", "nobody=3"), "nobody, which is no population"),
    ],
)
def test_refused_before_anything_is_written(karate: Path, tmp_path: Path, words: tuple[str, str], said: str) -> None:
    out = () if "--out" in words else ("--out", tmp_path / "picture.png")
    assert said in failed("show", karate, *words, *out)
    assert not list(tmp_path.iterdir())


def test_neurons_of_one_population_add_up(karate: Path, tmp_path: Path) -> None:
    words = ("--kind", "potentials", "--neurons", "layer1.relu=1", "--neurons", "layer1.relu=2-3", "--out")
    assert parsed("show", karate, *words, tmp_path / "picture.svg")
    assert run("show", karate, *words[:4], *words[-1:], tmp_path / "one.svg").returncode == 0
    assert (tmp_path / "picture.svg").stat().st_size > (tmp_path / "one.svg").stat().st_size


def test_a_clock_turns_steps_into_seconds(karate: Path) -> None:
    timing = parsed("evaluate", karate, "--clock", "2MHz")["timing"]
    assert timing["latency_seconds"] == pytest.approx(timing["latency_steps"] / 2e6)
    assert "latency_seconds" not in parsed("evaluate", karate)["timing"]
    said = run("evaluate", karate, "--clock", "2MHz").stdout
    assert "2 MHz" in said
    assert "the clock is 'fast'; a positive number with Hz, kHz, MHz or GHz is needed" in failed(
        "evaluate", karate, "--clock", "fast"
    )
