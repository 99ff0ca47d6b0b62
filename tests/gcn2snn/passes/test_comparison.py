"""Settings in two stages: a first look at all codings, then the first one and the best of the others."""

from __future__ import annotations

import torch
from torch import nn

from gcn2snn.conversion import convert
from gcn2snn.passes import SETTINGS
from gcn2snn.passes.setting_choice import Choice


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4)).eval()


X = torch.randn(200, 6, generator=torch.Generator().manual_seed(1))


def test_the_first_coding_and_the_best_other_one_stay() -> None:
    choice = convert(model(), X).choice
    assert choice is not None
    assert (choice.rows, choice.first_rows) == (200, 67)  # every third row
    assert [trial.setting for trial in choice.trials[:2]] == [str(setting) for setting in SETTINGS[:2]]
    assert 3 <= len(choice.trials) <= 4  # one more coding, of which one setting or two are candidates
    assert len(choice.first) == 4
    assert not any("corrected" in trial.setting for trial in choice.first)
    assert (
        f"left out after a first look at 67 rows, without corrected means: {choice.first[0].setting}" in choice.told()
    )
    assert Choice.of_dict(choice.to_dict()) == choice


def test_few_rows_have_no_first_look() -> None:
    choice = convert(model(), X[:20]).choice
    assert choice is not None
    assert (choice.first, choice.first_rows, len(choice.trials)) == ((), 0, 3)


def test_all_kept_batches_correct_and_judge() -> None:
    choice = convert(model(), X[:50], calibration=X.split(50)).choice
    assert choice is not None
    assert choice.rows == 200
