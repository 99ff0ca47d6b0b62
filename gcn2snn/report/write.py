"""One self-contained HTML page about a spiking network, a run, or a folder of ``reproduce table5``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gcn2snn.artefact import StoredNetwork, load_with_origin
from gcn2snn.errors import ArtefactError
from gcn2snn.files import load_json, save_text, stored_header
from gcn2snn.report.collect import Subject, measure
from gcn2snn.report.page import Network, run_page, table_page
from gcn2snn.report.stored import CURVES, StoredRun, StoredTable, StoredTuning
from gcn2snn.run_summary import RUN_FILE
from gcn2snn.schema import Json, Stored, checked
from gcn2snn.spiking_network import SpikingNetwork

NETWORKS = ("snn.safetensors", "tuned.safetensors")
"""Files of a run folder that a report looks at."""

TUNE_FILE = "tune.json"
TABLE = "table5.json"

FindSubject = Callable[[Path, SpikingNetwork, dict[str, object]], Subject]


def default_file(target: Path) -> Path:
    """Where the report of a file or folder goes unless told otherwise."""
    return target / "report.html" if target.is_dir() else target.with_suffix(".html")


def write_report(target: Path, out: Path, find_subject: FindSubject) -> dict[str, Any]:
    """Write the page, whole or not at all.

    Args:
        target: a file of ``gcn2snn convert`` or ``tune``, a run folder, or a folder of ``reproduce table5``.
        out: HTML file.
        find_subject: what to run a network on, by its file, the network, and what it keeps of its origin.

    Returns:
        JSON values: the file, its size, and the scores of each network.

    Raises:
        ArtefactError: the target is missing, damaged, or holds nothing to report on.
        DataError: the data are not there, or have nothing to test on.
    """
    if not target.exists():
        raise ArtefactError(
            f"{target} does not exist; a report is about a spiking network (a file like RUN/snn.safetensors), a run "
            f"folder that holds one, or a folder with {TABLE}. Make a network with `gcn2snn train DATASET --out RUN` "
            f"and `gcn2snn convert RUN`, a table with `gcn2snn reproduce table5 --out DIR`"
        )
    if target.is_dir() and (target / TABLE).exists():
        text, content = _of_table(target, out)
    else:
        text, content = _of_networks(target, _networks_of(target), find_subject)
    save_text(out, text)
    return {"report": str(out), "bytes": len(text.encode())} | content


def _networks_of(target: Path) -> list[Path]:
    if not target.is_dir():
        return [target]
    found = [target / name for name in NETWORKS if (target / name).exists()]
    if not found:
        raise ArtefactError(
            f"{target} holds none of {', '.join(NETWORKS)} and no {TABLE}; nothing to report on. "
            f"Make a network first: `gcn2snn convert {target}` or `gcn2snn tune {target}`"
        )
    return found


def _of_networks(target: Path, files: list[Path], find_subject: FindSubject) -> tuple[str, dict[str, object]]:
    summary = _beside(target, files[0], RUN_FILE, StoredRun, f"gcn2snn train DATASET --out {target} --force")
    tuned = _beside(target, files[0], TUNE_FILE, StoredTuning, f"gcn2snn tune {target} --force")
    networks: list[Network] = []
    origin: dict[str, object] = {}
    subject: Subject | None = None
    for file in files:
        snn, origin = load_with_origin(file)
        snn.network.check_scores("a report")
        subject = find_subject(file, snn, origin)
        measured = measure(snn, subject)
        meta = checked(stored_header(file).get("meta"), StoredNetwork, str(file))
        networks.append(Network(file.name, snn.config, snn.choice, measured, meta["environment"]))
    data, training = _source_of(origin, summary or {})
    if subject is not None and subject.source is not None:
        data = subject.source
    name = Path(str(data.get("dataset", data.get("data", target)))).name
    text = run_page(f"{name}: one-spike network beside its source", networks, data, training, tuned)
    scores = [{"name": n.name, **n.measured.evaluation.to_dict()} for n in networks]
    return text, {"dataset": data, "networks": scores}


def _beside(target: Path, network: Path, name: str, schema: type[Stored], command: str) -> Json | None:
    """A file that a run folder keeps beside its networks, read before anything is measured; None where it is not there.

    Raises:
        ArtefactError: it is damaged.
    """
    file = target / name
    if not target.is_dir() or not file.exists():
        return None
    remedy = f"with `{command}`, or report on a network alone with `gcn2snn report {network}`"
    return load_json(file, schema, f"Make it again {remedy}")


def _source_of(origin: dict[str, object], summary: dict[str, Any]) -> tuple[dict[str, object], dict[str, object]]:
    """Data and training configuration of the source model; those of an image classifier stand in its run folder."""
    if origin.get("kind") != "images":
        kept = origin.get("dataset"), origin.get("config")
        data, training = (value if isinstance(value, dict) else {} for value in kept)
        return data, training
    data = {key: value for key, value in origin.items() if key not in ("kind", "run", "class_names") and value != ""}
    return data, summary.get("config", {})


def _of_table(folder: Path, out: Path) -> tuple[str, dict[str, object]]:
    content = load_json(folder / TABLE, StoredTable, "Make it again with `gcn2snn reproduce table5`")
    for name, schema in CURVES.items():
        if (folder / f"{name}.json").exists():
            again = f"Make it again with `gcn2snn reproduce {name}`"
            content[name] = load_json(folder / f"{name}.json", schema, again)
    datasets = dict.fromkeys(row["dataset"] for row in content["rows"])
    links = {name: _links(folder / name, out) for name in datasets}
    text = table_page("Text GCNs on published corpora: Table V", content, links)
    return text, {"rows": content["rows"]}


def _links(folder: Path, out: Path) -> list[tuple[str, str]]:
    """Reports of the runs of a dataset, by an address relative to the page."""
    found = sorted(folder.glob("seed*/report.html"))
    return [(file.parent.name, Path(os.path.relpath(file, out.parent)).as_posix()) for file in found]
