"""Benchmarks: named cases on named problems, measured in interleaved rounds of one process.

Add a case with :func:`gcn2snn.bench.cases.case`; it is a function from a problem to a function without arguments that does the
work once and returns its result. Add a problem by building a :class:`gcn2snn.bench.problems.Problem`.
"""

from gcn2snn.bench import conversions as _conversions  # noqa: F401 - registers its cases
from gcn2snn.bench import events as _events  # noqa: F401 - registers its cases
from gcn2snn.bench import features as _features  # noqa: F401 - registers its cases
from gcn2snn.bench import minibatch as _minibatch  # noqa: F401 - registers its cases
from gcn2snn.bench import networks as _networks  # noqa: F401 - registers its cases
from gcn2snn.bench import short_calls as _short_calls  # noqa: F401 - registers its cases
from gcn2snn.bench.cases import CASES, Case, case
from gcn2snn.bench.commands import COMMAND_CASES, CommandProblem
from gcn2snn.bench.config import BenchConfig
from gcn2snn.bench.images import IMAGE_CASES, ImageProblem
from gcn2snn.bench.machine_power import PowerCounter
from gcn2snn.bench.problems import OUTPUTS, SHAPES, Problem, feature_graph, synthetic, text_graph
from gcn2snn.bench.report import COLUMNS, left_out, markdown, plot, plot_events, row
from gcn2snn.bench.timing import Measurement, copy_bandwidth, measure

__all__ = [
    "CASES",
    "COLUMNS",
    "COMMAND_CASES",
    "IMAGE_CASES",
    "OUTPUTS",
    "SHAPES",
    "BenchConfig",
    "Case",
    "CommandProblem",
    "ImageProblem",
    "Measurement",
    "PowerCounter",
    "Problem",
    "case",
    "copy_bandwidth",
    "feature_graph",
    "left_out",
    "markdown",
    "measure",
    "plot",
    "plot_events",
    "row",
    "synthetic",
    "text_graph",
]
