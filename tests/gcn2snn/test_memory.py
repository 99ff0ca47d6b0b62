"""Sizes of memory, and the block in which a limit holds."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gcn2snn.errors import ConfigError
from gcn2snn.memory import MemoryLimit, bytes_of, current_limit, memory_limit


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GB", 10**9),
        ("1 gib", 2**30),
        ("1.5MB", 1_500_000),
        ("300m", 300 * 10**6),
        ("2Gi", 2**31),
        ("12", 12),
        ("7B", 7),
        (99, 99),
    ],
)
def test_sizes(text: str | int, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "GB", "1 gallon", "-1GB", "1e9", True, None])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match=r"no amount of memory.*1GB"):
        bytes_of(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["9" * 400 + "TB", "99999999TB", 2**63])
def test_more_than_a_machine_can_address_is_refused(text: str | int) -> None:
    with pytest.raises(ConfigError, match="more memory than a machine can address"):
        bytes_of(text)


def test_a_limit_holds_in_its_block_and_thread_alone() -> None:
    seen = []
    with memory_limit("1MB"):
        with memory_limit("2MB"):
            assert current_limit() == MemoryLimit(2_000_000)
        assert current_limit() == MemoryLimit(1_000_000)
        other = threading.Thread(target=lambda: seen.append(current_limit()))
        other.start()
        other.join()
    assert current_limit() is None
    assert seen == [None]


def test_too_small_a_limit_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 100,000"), memory_limit("10KB"):
        pass
    with pytest.raises(ConfigError, match="is not there"), memory_limit("1MB", tmp_path / "none"):
        pass
    assert current_limit() is None
