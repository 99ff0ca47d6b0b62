from __future__ import annotations

import pytest

from gcn2snn.reproduce import planetoid, table5
from gcn2snn.reproduce.over_seeds import deviation, spread


def test_deviation_is_that_of_a_sample() -> None:
    assert deviation([1.0, 3.0]) == pytest.approx(2**0.5)  # the population's would be 1
    assert deviation([1.0]) is None


def test_spread() -> None:
    assert spread([1.0]) == "1.00"
    assert spread([1.0, 3.0]) == "2.00 ± 1.41"


def test_every_table_has_the_same_deviation() -> None:
    values = [70.0, 72.0, 77.0]
    alpha = {"eq6": 5.0, "events": 4.0}
    rows = [{"seed": i, "ann": x, "modes": {"paper": {"snn": x, "alpha": alpha}}} for i, x in enumerate(values)]
    found = planetoid.summary(rows)
    markdown = planetoid.table([{"dataset": "cora", "model": "GCN", "seeds": rows, **found}])
    assert f"| {spread(values)} | {spread(values)} |" in markdown
    assert found["ann_std"] == found["summary"]["paper"]["snn_std"] == deviation(values)
    row = table5.Row(
        "r8", "paper", values, values, dict.fromkeys(("eq6", "binary", "events", "total", "event_driven"), values)
    )
    assert f"| {spread(values)} | {spread(values)} |" in table5.table_text([row])
