"""The lists of packages with hashes in .ci/locked are those of pyproject.toml and constraints.txt as they are now."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LISTS = ("torch-cpu", "torch-index", "cuda", "demo", "test")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RENEW = "run make lock"


def pinned() -> dict[str, str]:
    """Name -> version of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Name -> version and number of hashes of one list."""
    text = (ROOT / ".ci" / "locked" / f"{name}.txt").read_text(encoding="utf-8")
    found = {}
    for entry in re.split(r"\n(?=\S)", text.partition("\n")[2]):
        package, version = re.match(r"(\S+)==(\S+)", entry).groups()  # type: ignore[union-attr]
        found[package] = version, len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry))
    return found


def requirements(*extras: str) -> list[Requirement]:
    """What the project needs, those of the project's own extras written out."""
    texts = list(PROJECT["dependencies"])
    for extra in extras:
        texts += PROJECT["optional-dependencies"][extra]
    found = [Requirement(text) for text in texts]
    own = [extra for each in found if each.name == PROJECT["name"] for extra in each.extras]
    found = [each for each in found if each.name != PROJECT["name"]]
    return found + (requirements(*own) if own else [])


@pytest.mark.parametrize("name", LISTS)
def test_every_package_has_hashes_and_the_version_of_the_constraints(name: str) -> None:
    packages, pins = locked(name), pinned()
    assert packages
    for package, (version, hashes) in packages.items():
        assert hashes, package
        version = version.partition("+")[0]
        assert pins.get(package, version) == version, f"{package} is {pins[package]} in constraints.txt; {RENEW}"


@pytest.mark.parametrize(
    ("extras", "lists"), [((), ("torch-index", "demo")), (("dev",), ("torch-cpu", "demo", "test"))]
)
def test_the_lists_hold_what_the_project_needs(extras: tuple[str, ...], lists: tuple[str, ...]) -> None:
    packages = {package: version for name in lists for package, (version, _) in locked(name).items()}
    for requirement in requirements(*extras):
        version = packages.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is in none of {lists}; {RENEW}"
        assert Version(version) in requirement.specifier, f"{requirement} is {version}; {RENEW}"


def test_no_list_names_a_place() -> None:
    for name in LISTS:
        text = (ROOT / ".ci" / "locked" / f"{name}.txt").read_text(encoding="utf-8")
        assert not re.search(r"://|--(extra-)?index-url|--find-links|file:", text)


def test_the_pins_lie_within_the_ranges() -> None:
    pins = pinned()
    for requirement in requirements("dev", "docs", "dgl", "hub"):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is None or Version(version) in requirement.specifier, requirement


@pytest.mark.parametrize(
    ("said", "code", "expected", "line"),
    [
        ("No known vulnerabilities found", 0, 0, ""),
        ("Found 2 known vulnerabilities in 1 package", 1, 1, ""),
        (
            "numpy  Dependency not found on PyPI and could not be audited: numpy (2.4.6)",
            0,
            2,
            "1 packages are not known",
        ),
        ("ERROR: Failed to connect", 1, 2, "Try again with a network"),
    ],
)
def test_an_audit_that_asked_nobody_does_not_end_well(
    tmp_path: Path, said: str, code: int, expected: int, line: str
) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\necho '{said}'\nexit {code}\n")
    tool.chmod(0o755)
    done = subprocess.run([ROOT / ".ci" / "audit", tool], capture_output=True, text=True)
    assert done.returncode == expected
    assert line in done.stderr
