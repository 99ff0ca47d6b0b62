from __future__ import annotations

from typing import Any

import pytest

from gcn2snn.datasets import TextGraphOptions
from gcn2snn.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": 1}, "window is 1; a window holds 2 to 4096"),
        ({"window": 5000}, "window is 5000"),
        ({"min_count": 0}, "min_count is 0; 1 keeps every word"),
        ({"cleaning": "hard"}, "cleaning is 'hard'; allowed are published and spaces"),
        ({"wordless": "maybe"}, "wordless is 'maybe'; allowed are refuse and keep"),
        ({"test_share": 1.0}, "test_share is 1.0; it lies between 0 and 1"),
        ({"split_seed": -1}, "split_seed is -1; allowed are 0 to"),
    ],
)
def test_options_refuse(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TextGraphOptions(**values)


def test_resolved_keeps_what_was_chosen() -> None:
    chosen = TextGraphOptions(min_count=2).resolved(5, "nltk-179")
    assert (chosen.min_count, chosen.stop_words) == (2, "nltk-179")
    assert TextGraphOptions(**chosen.to_json()) == chosen
