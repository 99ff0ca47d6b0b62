"""Running a network description: in closed form, at the moments that neurons look at, or step by step in time."""

from gcn2snn.engines.arguments import bind
from gcn2snn.engines.bucketed import run_bucketed
from gcn2snn.engines.choose import ENGINES, check_recordings, check_wait, choose_engine, is_exact
from gcn2snn.engines.chosen import run_chosen
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.interpreter import (
    code_input,
    constant_values,
    fire,
    input_free,
    operators,
    replay,
    run,
    run_float,
    start_of,
    started,
)
from gcn2snn.engines.layerwise import ByRows, Panel, Rules, panels, run_by_rows
from gcn2snn.engines.membrane import Recording
from gcn2snn.engines.node_evaluation import Observer, evaluate_node
from gcn2snn.engines.node_rules import (
    Value,
    activate,
    apply,
    dense_value,
    matrix_value,
    spike_value,
    without_gain,
)
from gcn2snn.engines.pipeline import latency, run_pipeline
from gcn2snn.engines.plan import steps_to_heads
from gcn2snn.engines.readout_rules import head_values, heads_of, read_out
from gcn2snn.engines.row_store import RowStore
from gcn2snn.engines.temporal import constants, run_temporal
from gcn2snn.engines.topology import depths, input_timesteps, keepers, kept_of, network_dtype, path, sources

__all__ = [
    "ENGINES",
    "ByRows",
    "Observer",
    "Panel",
    "Recording",
    "RowStore",
    "Rules",
    "Value",
    "activate",
    "apply",
    "bind",
    "check_recordings",
    "check_wait",
    "choose_engine",
    "code_input",
    "constant_values",
    "constants",
    "dense_value",
    "depths",
    "evaluate_node",
    "fire",
    "head_values",
    "heads_of",
    "input_free",
    "input_timesteps",
    "is_exact",
    "keepers",
    "kept_of",
    "latency",
    "matrix_value",
    "network_dtype",
    "operators",
    "panels",
    "path",
    "read_out",
    "replay",
    "run",
    "run_bucketed",
    "run_by_rows",
    "run_chosen",
    "run_closed",
    "run_float",
    "run_pipeline",
    "run_temporal",
    "sources",
    "spike_value",
    "start_of",
    "started",
    "steps_to_heads",
    "without_gain",
]
