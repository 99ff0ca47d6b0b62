import logging
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.conversion import convert
from gcn2snn.engines import bind
from gcn2snn.frontends import lower
from gcn2snn.passes import SETTINGS, Choice, Problem, Statistics, Trial, fold_batch_norm, insert_neurons, merge_linear
from gcn2snn.passes.choose_base import optimal_base
from gcn2snn.passes.configured_setting import PLAIN_BASES, plain_base
from gcn2snn.passes.setting_choice import choice_dict, choose_setting, first_of_the_best


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4)).eval()


X = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))


def test_the_first_within_two_standard_errors_of_the_best_is_taken():
    """Of four rows: a mean of 2 +- 1.15 is not told from 0, one of 3 +- 1 is; the same difference in every row has no error."""
    best = torch.zeros(4, dtype=torch.float64)
    near, far = torch.tensor([4.0, 4.0, 0.0, 0.0]).double(), torch.tensor([4.0, 4.0, 4.0, 0.0]).double()
    even = torch.ones(4, dtype=torch.float64)
    assert first_of_the_best([near, best]) == 0
    assert first_of_the_best([far, best]) == 1
    assert first_of_the_best([even, best]) == 1
    assert first_of_the_best([even, near, best]) == 1
    assert first_of_the_best([best, even]) == 0
    assert first_of_the_best([1.09 * even, even]) == 0  # within a tenth
    assert first_of_the_best([1.11 * even, even]) == 1
    assert first_of_the_best([math.nan * even, even]) == 1
    assert first_of_the_best([best[:1], best[:1]]) == 0


def test_convert_takes_a_setting_near_the_least_divergence(model):
    snn = convert(model, X)
    assert snn.choice is not None
    compared = [trial.setting for trial in snn.choice.trials]
    assert compared == [str(setting) for setting in SETTINGS if str(setting) in compared]
    assert compared[:2] == [str(setting) for setting in SETTINGS[:2]]
    assert snn.choice.best.divergence <= 2 * min(trial.divergence for trial in snn.choice.trials)
    assert snn.choice.rows == 64
    source = snn.source(X).double().log_softmax(1)
    rows = (source.exp() * (source - snn(X).double().log_softmax(1))).sum(1)
    assert snn.choice.best.divergence == pytest.approx(float(rows.mean()), rel=1e-6)


def test_its_configuration_gives_the_same_network_without_measuring(model):
    snn = convert(model, X)
    assert snn.config.open == ()
    again = convert(model, X, snn.config)
    assert again.choice is None
    assert again(X).equal(snn(X))


def test_nothing_is_measured_where_everything_is_given(model):
    assert convert(model, X, ConvertConfig.paper()).choice is None


def test_what_is_given_stays(model):
    config = ConvertConfig(base=1.4, layers={"1": LayerConfig(base=1.6, scale="max", per="layer")})
    snn = convert(model, X, config)
    assert {trial.setting.split(" per")[0] for trial in snn.choice.trials} == {"least error", "maxima"}
    first, second = snn.network.of(ir.Neuron)
    assert (first.coding.base, second.coding.base) == (1.6, 1.4)
    assert first.scale.dim() == 0
    own = convert(model, X, ConvertConfig(layers={"1": LayerConfig(base=1.6)}))
    assert own.network.of(ir.Neuron)[0].coding.base == 1.6


def test_the_order_of_calibration_changes_nothing(model):
    parts = list(X.split(16))
    first, second = convert(model, X, calibration=parts), convert(model, X, calibration=parts[::-1])
    assert first.choice == second.choice
    assert first(X).equal(second(X))


def test_values_that_spread_wider_get_a_larger_base(model):
    narrow = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 4)).eval()
    with torch.no_grad():
        narrow[0].weight.copy_(torch.eye(6))
        narrow[0].bias.zero_()
    config = ConvertConfig(scale="mse", per="layer", correct="none", input="analog")
    even = 0.5 + 0.5 * torch.rand(64, 6)
    bases = [
        convert(narrow, x, config).config.layers["1"].base
        for x in (even, (4 * torch.randn(64, 6).double()).exp().float())
    ]
    assert bases[0] < bases[1]


def test_it_says_what_was_chosen_and_warns_where_the_best_departs(model, caplog):
    snn = convert(model, X)
    assert "> own bases" in snn.summary()
    assert "warning" not in snn.summary()
    with caplog.at_level(logging.WARNING, "gcn2snn"):
        coarse = convert(model, 30 * X, ConvertConfig(timesteps=1))
    assert coarse.choice.departs
    assert "warning: even the best setting departs" in coarse.summary()
    assert "accuracy_first" in caplog.text


def test_accuracy_first_may_take_groups(model):
    snn = convert(model, X, accuracy_first=True)
    assert snn.choice.best.divergence < convert(model, X).choice.best.divergence
    assert snn.config.group > 1
    assert convert(model, X, ConvertConfig.paper(), accuracy_first=True).config.scale == "max"


def test_a_network_of_one_output_is_judged_by_its_squared_error():
    torch.manual_seed(0)
    snn = convert(nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 1)).eval(), X)
    assert snn.choice.measure == "squared"
    source, own = snn.source(X).double(), snn(X).double()
    share = (own - source).square().sum() / (source - source.mean(0)).square().sum()
    assert snn.choice.best.divergence == pytest.approx(float(share), rel=1e-5)


def test_plain_base_is_the_papers_for_sixteen_phases_and_eq_5_otherwise():
    assert [plain_base(16), plain_base(9), plain_base(8, 2)] == [1.3, round(optimal_base(9), 2), 1.3**2]
    assert all(base == round(optimal_base(phases), 2) for phases, base in PLAIN_BASES.items() if phases != 16)


def test_a_short_wait_is_compared_as_it_runs(model):
    snn = convert(model, X, ConvertConfig(wait=4))
    source = snn.source(X).double().log_softmax(1)
    rows = (source.exp() * (source - snn(X).double().log_softmax(1))).sum(1)
    assert snn.choice.best.divergence == pytest.approx(float(rows.mean()), rel=1e-6)
    assert snn.choice.best.divergence > convert(model, X).choice.best.divergence


def choice_of(measure, divergence):
    return Choice((Trial("one", divergence, 12.5),), 0, measure, 3)


def test_a_choice_says_how_many_rows_change_their_class_where_there_are_classes():
    classes, numbers = choice_of("kl", 9.0), choice_of("squared", 9.0)
    assert "12.5 % of the rows change their class" in classes.warning()
    assert "change their class" not in numbers.warning()
    assert choice_of("kl", 0.0).warning() == choice_of("squared", 0.0).warning() == ""
    assert ", and rows that change their class;" in classes.told()
    assert "change their class" not in numbers.told()


def test_the_time_of_a_choice_is_no_part_of_it():
    assert choice_of("kl", 0.0).seconds == 0
    assert choice_dict(None) is None
    timed = replace(choice_of("kl", 0.0), seconds=2.5)
    assert timed == choice_of("kl", 0.0)
    assert choice_dict(timed) == timed.to_dict()
    assert "seconds" not in timed.to_dict()
    assert choice_dict(timed, timed=True) == timed.to_dict() | {"seconds": 2.5}


def test_two_settings_are_compared_and_one_is_not(model):
    only_means = ConvertConfig(base=1.3, scale="mse", per="channel")
    both = convert(model, X, only_means)
    assert both.choice is not None
    assert len(both.choice.trials) == 2
    given = ConvertConfig(base=1.3, scale="mse", per="channel", correct="mean")
    assert convert(model, X, given).choice is None
    groups = convert(model, X, given, accuracy_first=True).choice
    assert groups is not None
    assert len(groups.trials) > 1
    assert convert(model, X, replace(given, group=2), accuracy_first=True).choice is None


def test_nothing_is_measured_where_no_row_counts(model):
    """A part of a text graph without documents, say: the first setting is taken."""
    config = ConvertConfig()
    network = insert_neurons(merge_linear(fold_batch_norm(lower(model, (X,), {}), config.batch_norm)), config)

    def batches():
        return [bind(network, (X,), {})]

    settled, choice = choose_setting(Problem(network, batches, Statistics(network, batches), 0), config)
    assert choice is None
    assert settled.open == ()


@pytest.mark.parametrize(("rows", "fitted"), [(31, False), (32, True)])
def test_channels_are_fitted_from_thirty_two_rows_on(model, rows, fitted):
    choice = convert(model, X[:rows]).choice
    assert choice is not None
    assert any("per channel" in trial.setting for trial in choice.trials) == fitted
