"""Results that are kept on disk, each with the key of all it was made from: of another key it is made again."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from gcn2snn.datasets import DATASETS
from gcn2snn.errors import ArtefactError
from gcn2snn.files import checksum, read_json, save_json
from gcn2snn.machine import environment
from gcn2snn.run_folder import weights_hash
from gcn2snn.run_summary import RUN_FILE, load_summary

KEY, CHECK = "made_from", "checksum"


def key_of(*parts: object) -> str:
    """Hash of JSON values, and of the releases that results depend on."""
    releases = {name: value for name, value in environment().items() if name in ("gcn2snn", "torch", "numpy", "scipy")}
    return hashlib.sha256(json.dumps([parts, releases], sort_keys=True, default=str).encode()).hexdigest()


def published_data() -> dict[str, list[str]]:
    """Name of each published dataset -> sha256 of its files, which reading them checks."""
    return {name: [file.sha256 for file in row.files] for name, row in DATASETS.items()}


def run_key(folder: Path) -> str | None:
    """Hash of a finished run: its weights, configuration and data; None where there is none.

    Raises:
        ArtefactError: the run is damaged.
    """
    if not (folder / RUN_FILE).exists():
        return None
    summary = load_summary(folder)
    if summary["status"] != "finished":
        return None
    return key_of(weights_hash(folder), summary["config"], summary.get("fingerprint"), summary.get("data"))


def kept(path: Path, key: str | None) -> dict[str, Any] | None:
    """The result that is kept under this key; None where there is none, and where it was made from something else.

    Raises:
        ArtefactError: the file is damaged.
    """
    if not path.exists():
        return None
    content = read_json(path)
    if isinstance(content, dict) and key is not None and content.get(KEY) == key:
        found = {name: value for name, value in content.items() if name not in (KEY, CHECK)}
        if content.get(CHECK) != checksum({}, found):
            raise ArtefactError(f"{path} was changed after it was written (its checksum differs). Delete it")
        return found
    say(f"{path} was made from other weights, data or releases; it is made again")
    return None


def keep(path: Path, key: str, content: dict[str, object]) -> None:
    """Keep a result under its key."""
    plain = json.loads(json.dumps(content))  # as it will be read
    save_json(path, {KEY: key, CHECK: checksum({}, plain), **plain})


def kept_rows(path: Path, key: object) -> dict[str, Any]:
    """The rows that were finished under this key (JSON values); none where the file is of another key, which is said.

    Raises:
        ArtefactError: the file is damaged.
    """
    content = read_json(path) if path.exists() else {"key": key, "rows": {}}
    if isinstance(content, dict) and content.get("key") == key and _are_rows(content.get("rows")):
        return dict(content["rows"])
    say(f"{path} was made from other options, data or releases; its rows are made again")
    return {}


def _are_rows(rows: object) -> bool:
    return isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values())


def say(text: str) -> None:
    """One line on standard error."""
    print(text, file=sys.stderr, flush=True)
