"""Passes, from a network description to another: batch norm, neurons, scales, horizons, bias correction."""

from gcn2snn.passes.activation_counts import PopulationReport
from gcn2snn.passes.bias_correction import correct_means
from gcn2snn.passes.calibration import Statistics, calibrate, with_scales
from gcn2snn.passes.choose_base import expected_error, layer_bases, measure_activations, optimal_base
from gcn2snn.passes.configured_setting import Problem, configured, with_codes
from gcn2snn.passes.departure import Sampler
from gcn2snn.passes.fold import fold_batch_norm, merge_linear
from gcn2snn.passes.horizon import FanOut, cut_spikes, fan_out, rules_of, set_horizons
from gcn2snn.passes.neurons import coding_of, insert_neurons
from gcn2snn.passes.over_ranks import Joined, joined_over
from gcn2snn.passes.refit import RefitProgress, RefitReport, refit_asked, refit_values, refittable
from gcn2snn.passes.setting_choice import (
    Choice,
    Trial,
    choice_dict,
    choose_setting,
)
from gcn2snn.passes.settings import SETTINGS, Setting
from gcn2snn.passes.weight_rounding import round_weights

__all__ = [
    "SETTINGS",
    "Choice",
    "FanOut",
    "Joined",
    "PopulationReport",
    "Problem",
    "RefitProgress",
    "RefitReport",
    "Sampler",
    "Setting",
    "Statistics",
    "Trial",
    "calibrate",
    "choice_dict",
    "choose_setting",
    "coding_of",
    "configured",
    "correct_means",
    "cut_spikes",
    "expected_error",
    "fan_out",
    "fold_batch_norm",
    "insert_neurons",
    "joined_over",
    "layer_bases",
    "measure_activations",
    "merge_linear",
    "optimal_base",
    "refit_asked",
    "refit_values",
    "refittable",
    "round_weights",
    "rules_of",
    "set_horizons",
    "with_codes",
    "with_scales",
]
