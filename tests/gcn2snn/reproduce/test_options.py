from __future__ import annotations

import pytest

from gcn2snn.errors import ConfigError
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names, flags


def test_chosen_names_are_spelt_as_known_in_the_order_asked() -> None:
    assert chosen_names(("GCN", "SAGE", "GIN"), ("gin", "Gcn"), "row") == ("GIN", "GCN")
    assert chosen_names({"a": 1, "b": 2}, (), "mode") == ("a", "b")
    with pytest.raises(ConfigError, match="there is no row GAT, x here; allowed are GCN, SAGE"):
        chosen_names(("GCN", "SAGE"), ("GAT", "gcn", "x"), "row")


def test_given_lists_what_departs_from_the_default() -> None:
    assert ReproduceOptions(seeds=3, keep_going=True).given() == ["seeds", "keep_going"]
    assert flags(["data_dir", "seeds"]) == "--data-dir, --seeds"
    with pytest.raises(ConfigError, match=r"seeds \(--seeds\) is 0; allowed are 1 and more"):
        ReproduceOptions(seeds=0)
