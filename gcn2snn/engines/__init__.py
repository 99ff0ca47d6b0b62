"""Running a network description: in closed form, at the moments that neurons look at, or step by step in time."""

from gcn2snn.engines.arguments import bind
from gcn2snn.engines.bucketed import run_bucketed
from gcn2snn.engines.choose import ENGINES, choose_engine, is_exact
from gcn2snn.engines.interpreter import (
    Observer,
    activate,
    code_input,
    fire,
    input_free,
    read_out,
    run,
    run_closed,
    run_float,
    started,
)
from gcn2snn.engines.node_rules import Value, apply, dense_value
from gcn2snn.engines.pipeline import depths, latency, run_pipeline
from gcn2snn.engines.temporal import Recording, constants, run_temporal
from gcn2snn.engines.topology import input_timesteps, network_dtype, path, sources

__all__ = [
    "ENGINES",
    "Observer",
    "Recording",
    "Value",
    "activate",
    "apply",
    "bind",
    "choose_engine",
    "code_input",
    "constants",
    "dense_value",
    "depths",
    "fire",
    "input_free",
    "input_timesteps",
    "is_exact",
    "latency",
    "network_dtype",
    "path",
    "read_out",
    "run",
    "run_bucketed",
    "run_closed",
    "run_float",
    "run_pipeline",
    "run_temporal",
    "sources",
    "started",
]
