"""The figures are drawn from numbers that are right."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import pytest

from gcn2snn.errors import ArtefactError
from gcn2snn.reproduce.items import reproduce
from gcn2snn.reproduce.options import ReproduceOptions

pytest.importorskip("matplotlib")


def rows_of(out: Path, name: str) -> list[dict[str, str]]:
    with (out / f"{name}.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", ["fig1", "fig2", "fig4", "fig5", "fig6", "fig10"])
def test_every_figure_writes_picture_and_numbers(name, tmp_path):
    result = reproduce(name, tmp_path / "new")
    assert result["item"] == name
    assert [Path(file).name for file in result["files"]] == [f"{name}.png", f"{name}.svg", f"{name}.csv"]
    assert all(Path(file).stat().st_size > 100 for file in result["files"])
    assert (tmp_path / "new" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


def test_pictures_are_the_same_every_time(tmp_path):
    for folder in ("a", "b"):
        reproduce("fig6", tmp_path / folder)
    assert (tmp_path / "a/fig6.svg").read_bytes() == (tmp_path / "b/fig6.svg").read_bytes()
    assert (tmp_path / "a/fig6.csv").read_bytes() == (tmp_path / "b/fig6.csv").read_bytes()


def test_fig1_one_temporal_spike_and_binary_phases(tmp_path):
    result = reproduce("fig1", tmp_path)
    rows = rows_of(tmp_path, "fig1")
    eleven = [row["spike"] for row in rows if row["scheme"] == "phase" and row["x"] == "11"]
    assert eleven == ["1", "0", "1", "1"]
    for x in {row["x"] for row in rows}:
        assert sum(int(row["spike"]) for row in rows if row["scheme"] == "temporal" and row["x"] == x) <= 1
    assert result["spikes"]["temporal"] < result["spikes"]["phase"] < result["spikes"]["rate"]


def test_fig2_fires_at_phase_three(tmp_path):
    """v doubles at each phase: 0, 0.6, 2 * 0.6 + 0.4 = 1.6 >= 1."""
    assert reproduce("fig2", tmp_path)["fires_at"] == 3
    rows = rows_of(tmp_path, "fig2")
    assert [float(row["potential"]) for row in rows] == pytest.approx([0.0, 0.6, 1.6, 3.0])
    assert [row["fired"] for row in rows] == ["0", "0", "1", "0"]


def test_fig4_round_off_halves_the_worst_error(tmp_path):
    """Section III-B: (Q^-1 - Q^-2) = 1/4 becomes 1/8; the mean error falls again with Q = sqrt 2."""
    errors = reproduce("fig4", tmp_path)["errors"]
    assert errors["(a)"]["largest_error_below_first_phase"] == pytest.approx(0.25, abs=1e-3)
    assert errors["(b)"]["largest_error_below_first_phase"] == pytest.approx(0.125, abs=1e-3)
    means = [errors[key]["mean_error"] for key in ("(a)", "(b)", "(c)")]
    assert means == sorted(means, reverse=True)
    levels = {float(row["encoded"]) for row in rows_of(tmp_path, "fig4") if row["scheme"] == "c"} - {0.0}
    assert sorted(levels) == pytest.approx([2**-2.0, 2**-1.5, 2**-1.0, 2**-0.5])


def test_fig5_only_the_threshold_of_layer_zero_moves(tmp_path):
    reproduce("fig5", tmp_path)
    rows = rows_of(tmp_path, "fig5")
    for layer, ratio in (("0", 2.0 / 1.5), ("1", 1.0)):
        thresholds = [float(row["threshold"]) for row in rows if row["layer"] == layer and row["threshold"]]
        assert [b / a for a, b in itertools.pairwise(thresholds)] == pytest.approx([ratio] * 5)
        assert sum(int(row["fired"]) for row in rows if row["layer"] == layer) == 1


def test_fig6_minima(tmp_path):
    minima = reproduce("fig6", tmp_path)["minima"]
    assert minima["T=16"]["base"] == pytest.approx(1.28, abs=0.005)
    assert minima["T=24"]["base"] == pytest.approx(1.20, abs=0.005)


def test_fig10_ends_where_the_formula_says(tmp_path):
    result = reproduce("fig10", tmp_path, ReproduceOptions(limit=5))
    assert result["steps"] == result["formula"] == 5 * (16 + 10) + 10 * 3
    assert max(int(row["last_step"]) for row in rows_of(tmp_path, "fig10")) == result["steps"]


def test_an_unwritable_folder_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot be written"):
        reproduce("fig2", tmp_path / "file")
