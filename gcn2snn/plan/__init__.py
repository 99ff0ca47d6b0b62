"""The cost of a graph network on several ranks before it runs: memory, traffic, time."""

from gcn2snn.plan.cost_model import HALOS, Layer, Plan, Problem, least_ranks, make_plan
from gcn2snn.plan.rates import Rates, measured_rates, rates_of_bench

__all__ = [
    "HALOS",
    "Layer",
    "Plan",
    "Problem",
    "Rates",
    "least_ranks",
    "make_plan",
    "measured_rates",
    "rates_of_bench",
]
