"""What all tests share: fixed seeds, a cache folder of their own, and the data folder if there is one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if _WORKERS > 1:  # they share the cores, and so do the commands that tests run
    torch.set_num_threads(max(1, torch.get_num_threads() // _WORKERS))
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _log_level_of_a_library() -> Iterator[None]:
    """A test may choose how much a command says; the next test finds the package's log as a library leaves it."""
    yield
    logging.getLogger("gcn2snn").setLevel(logging.NOTSET)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Graphs that tests build do not land in the user's cache; compiled kernels are kept between sessions."""
    cache = tmp_path_factory.mktemp("cache")
    compiled = Path(__file__).resolve().parents[1] / ".cache" / "native"
    compiled.mkdir(parents=True, exist_ok=True)
    (cache / "native").symlink_to(compiled)
    os.environ["GCN2SNN_CACHE"] = str(cache)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of GCN2SNN_DATA; tests that need it skip when it is missing."""
    folder = os.environ.get("GCN2SNN_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs data: set GCN2SNN_DATA to a folder with textgcn/, planetoid/, cifar10/")
    return Path(folder)
