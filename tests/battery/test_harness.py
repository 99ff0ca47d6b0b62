"""Every saved case of the fuzzed readers is answered: with a result, or with an error of ours."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def harness() -> ModuleType:
    spec = importlib.util.spec_from_file_location("battery_harness", HERE / "harness.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["artefact", "run.json", "corpus", "weights"])
@pytest.mark.filterwarnings("ignore")
def test_saved_cases_are_answered(harness: ModuleType, name: str) -> None:
    cases = sorted((HERE / "cases" / name).iterdir())
    assert cases
    for case in cases:
        harness.HARNESSES[name](case.read_bytes())


@pytest.mark.filterwarnings("ignore")
def test_whole_files_are_read(harness: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def strict(path: Path, reader: object) -> None:
        reader(path)  # type: ignore[operator]

    monkeypatch.setattr(harness, "_read", strict)
    seeds = harness.seeds()
    for name in ("artefact", "weights"):
        harness.HARNESSES[name](seeds[name][0])
