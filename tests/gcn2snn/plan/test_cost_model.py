"""The cost model against numbers worked out by hand, and against counted halos."""

from __future__ import annotations

import math

import pytest
import torch

from gcn2snn.errors import ConfigError
from gcn2snn.plan import Problem, Rates, least_ranks, make_plan

RATES = Rates(floats=100.0, phases=200.0, dense=1000.0, source="the test")
SMALL = Problem(nodes=100, edges=400, features=8, hidden=(4,), classes=2, ranks=4, network=1e3)


def test_floats_with_every_column_travelling() -> None:
    plan = make_plan(SMALL, "floats", "worst", RATES)
    assert plan.halo_rows == 75
    assert [layer.received for layer in plan.layers] == [75 * 4 * 4, 75 * 2 * 4]
    assert [layer.gathered for layer in plan.layers] == [4800, 2400]
    assert [layer.dense for layer in plan.layers] == [2 * 8 * 4 * 25 / 1000, 2 * 4 * 2 * 25 / 1000]
    assert [layer.aggregate for layer in plan.layers] == [4 * 100 / 100, 2 * 100 / 100]
    assert [layer.travel for layer in plan.layers] == [8 * 1200 / 1e3, 8 * 600 / 1e3]
    assert plan.memory["adjacency"] == 8 * 100 + 4 * 26
    assert plan.memory["features"] == 4 * 8 * 25
    assert plan.memory["weights"] == 4 * (8 * 4 + 4 * 2)
    assert plan.memory["layers"] == 4 * (75 + 150) * 4 + 4 * 4 * 25
    assert plan.memory_of_a_rank == sum(plan.memory.values())
    assert plan.seconds == pytest.approx(1.6 + 0.4 + 4 + 2 + 9.6 + 4.8)


def test_phases_take_a_quarter_of_the_traffic_and_the_last_layer_gives_numbers() -> None:
    plan = make_plan(SMALL, "phases", "worst", RATES)
    assert plan.gathered == make_plan(SMALL, "floats", "worst", RATES).gathered / 4
    assert [layer.aggregate for layer in plan.layers] == [2.0, 1.0]
    assert plan.memory["layers"] == max((75 + 150) * 4 + 4 * 25, (75 + 150) * 2 + 4 * 2 * 25)


def test_a_one_hot_layer_has_a_table_and_no_product() -> None:
    plan = make_plan(Problem(100, 400, 0, (4,), 2), "floats", "worst", RATES)
    assert plan.memory["features"] == 4 * 4 * 100
    assert plan.layers[0].dense == 0
    assert plan.halo_rows == plan.gathered == 0


def test_a_random_halo_is_what_random_columns_give() -> None:
    nodes, edges, ranks = 2000, 8000, 4
    source = torch.Generator().manual_seed(0)
    col = torch.randint(0, nodes, (ranks, edges // ranks), generator=source)
    counted = [int((part.unique() // (nodes // ranks) != rank).sum()) for rank, part in enumerate(col)]
    expected = Problem(nodes, edges, 1, (), 1, ranks).halo_rows("random")
    # The variance of a number of occupied places is below that of independent ones, 1500 p (1 - p) for each of 4 ranks.
    share = expected / 1500
    assert abs(sum(counted) / 4 - expected) < 4 * math.sqrt(1500 * share * (1 - share) / 4)


def test_a_counted_halo_is_taken_as_it_is() -> None:
    assert make_plan(Problem(100, 400, 8, (4,), 2, 4, 1e3, halo=30), "phases", "measured", RATES).gathered == 4 * 30 * 6
    with pytest.raises(ConfigError, match=r"not measured.*--halo"):
        make_plan(SMALL, "phases", "measured", RATES)
    with pytest.raises(ConfigError, match="allowed are worst, random, measured"):
        make_plan(SMALL, "phases", "best", RATES)


@pytest.mark.parametrize("memory", [0.32e9, 0.4e9, 0.8e9, 3e9])
@pytest.mark.parametrize("kind", ["floats", "phases"])
def test_the_least_number_of_ranks_fits_and_one_less_does_not(memory: float, kind: str) -> None:
    problem = Problem(1_000_000, 30_000_000, 128, (64,), 16)
    assert kind in ("floats", "phases")
    found = least_ranks(problem, kind, "random", RATES, memory)  # type: ignore[arg-type]

    def needed(ranks: int) -> float:
        return make_plan(Problem(1_000_000, 30_000_000, 128, (64,), 16, ranks), kind, "random", RATES).memory_of_a_rank  # type: ignore[arg-type]

    if found is None:
        assert min(needed(2**power) for power in range(20)) > memory
    else:
        assert needed(found) <= memory
        assert found == 1 or needed(found - 1) > memory


def test_no_number_of_ranks_fits_where_every_column_travels_to_every_rank() -> None:
    problem = Problem(10**9, 30 * 10**9, 128, (64,), 16)
    assert least_ranks(problem, "floats", "worst", RATES, 64e9) is None


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"nodes": 0}, "nodes is 0"),
        ({"edges": -1}, "edges is -1"),
        ({"hidden": (0,)}, "hidden is 0"),
        ({"ranks": 101}, "101 ranks for 100 nodes"),
        ({"network": 0.0}, "network is 0 Gbit/s; a positive number"),
        ({"network": float("inf")}, "network is inf Gbit/s"),
        ({"edges": 10_001}, "edges is 10,001; the adjacency of 100 nodes has at most 10,000 entries"),
        ({"classes": 10**400}, "classes: more than 9.2e"),
        ({"hidden": (4, 10**30), "features": 2**63}, "hidden and features: more than 9.2e"),
        ({"halo": 76.0}, "at most those that 3 others have, 75"),
    ],
)
def test_sizes_that_cannot_be_are_refused(changes: dict[str, object], match: str) -> None:
    values: dict[str, object] = {"nodes": 100, "edges": 400, "features": 8, "hidden": (4,), "classes": 2, "ranks": 4}
    with pytest.raises(ConfigError, match=match):
        Problem(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["spikes", None, torch.zeros(0), 3])
def test_a_plan_of_neither_floats_nor_phases_is_refused(kind: object) -> None:
    """Whatever was no "floats" was planned as phases."""
    with pytest.raises(ConfigError, match=r"kind is .*; allowed are floats, phases"):
        make_plan(Problem(100, 900, 16, (8,), 3, 2), kind, "worst", Rates(1e9, 2e9, 1e10, "given"))  # type: ignore[arg-type]
