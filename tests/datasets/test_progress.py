from __future__ import annotations

import io
import sys

import pytest

from gcn2snn.datasets.progress import stages


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("enabled", "shown"), [(True, True), (False, False)])
def test_stages_writes_to_a_terminal_that_watches(monkeypatch: pytest.MonkeyPatch, enabled: bool, shown: bool) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with stages(enabled) as advance:
        advance("cleaning", 0.5)
    assert bool(screen.getvalue()) == shown


def test_stages_is_silent_where_no_one_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with stages() as advance:
        advance("cleaning", 0.5)
    assert capsys.readouterr() == ("", "")
