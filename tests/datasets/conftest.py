"""A cache folder of its own for every test, and the real data where there is some."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gcn2snn.datasets import Corpus


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder; the user's own is never touched."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GCN2SNN_CACHE", str(folder))
    return folder


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has no data."""
    monkeypatch.delenv("GCN2SNN_DATA", raising=False)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the published data; tests that need it are skipped where it is not named."""
    folder = os.environ.get("GCN2SNN_DATA", "")
    if not folder or not Path(folder, "textgcn").is_dir():
        pytest.skip("needs the published data: set GCN2SNN_DATA to its folder")
    return Path(folder)


@pytest.fixture
def small() -> Corpus:
    """Four documents, two classes."""
    return Corpus(
        "small",
        ("red apple red tree", "green apple tree", "fast car road", "slow car road car"),
        ("fruit", "fruit", "traffic", "traffic"),
        ("train", "test", "train", "test"),
        ("a", "b", "c", "d"),
        min_count=1,
        stop_words="none",
    )
