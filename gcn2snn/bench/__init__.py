"""Benchmarks: named cases on named problems, measured in interleaved rounds of one process.

Add a case with :func:`gcn2snn.bench.cases.case`; it is a function from a problem to a function without arguments that does the
work once and returns its result. Add a problem by building a :class:`gcn2snn.bench.problems.Problem`.
"""

from gcn2snn.bench import networks as _networks  # noqa: F401 - registers its cases
from gcn2snn.bench.cases import CASES, Case, case
from gcn2snn.bench.config import BenchConfig
from gcn2snn.bench.images import IMAGE_CASES, ImageProblem
from gcn2snn.bench.measure import Measurement, copy_bandwidth, measure
from gcn2snn.bench.problems import Problem, synthetic, text_graph

__all__ = [
    "CASES",
    "IMAGE_CASES",
    "BenchConfig",
    "Case",
    "ImageProblem",
    "Measurement",
    "Problem",
    "case",
    "copy_bandwidth",
    "measure",
    "synthetic",
    "text_graph",
]
