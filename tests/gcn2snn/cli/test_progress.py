from __future__ import annotations

from types import SimpleNamespace

import pytest

from gcn2snn.cli.progress import epochs_shown, trials_shown


def test_epochs_shown_prints_every_so_many_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    history = []
    with epochs_shown(4, lambda epoch: f"loss {epoch.loss}", every=2) as show:
        for number in range(1, 5):
            history.append(SimpleNamespace(epoch=number, loss=number / 10, seconds=0.5))
            show(SimpleNamespace(history=history))
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line.partition("  peak ")[0] for line in err.splitlines()]
    assert lines == ["epoch    2  loss 0.2  0.50 s/epoch", "epoch    4  loss 0.4  0.50 s/epoch"]


def test_trials_shown_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with trials_shown(2) as show:
        show(1, SimpleNamespace(accuracy=90.0, alpha=5.0))
    assert capsys.readouterr() == ("", "")
