"""One self-contained HTML page about spiking networks, a run, or a folder of ``reproduce table5``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gcn2snn.artefact import StoredNetwork, load_with_origin
from gcn2snn.file_names import refuse_other_ending
from gcn2snn.files import load_json, save_text, stored_header
from gcn2snn.report.collect import Subject, measure
from gcn2snn.report.page import Network, run_page, table_page
from gcn2snn.report.stored import CURVES, StoredTable
from gcn2snn.report.targets import TABLE, Target, TestData, is_table, names_of, read_targets, refuse_other_data
from gcn2snn.schema import checked
from gcn2snn.spiking_network import SpikingNetwork

COMPARISON = Path("comparison.html")
"""Where the report of several places goes unless told otherwise."""

FindSubject = Callable[[Path, SpikingNetwork, dict[str, object]], Subject]


def default_file(targets: Sequence[Path]) -> Path:
    """Where a report goes unless told otherwise.

    >>> default_file([Path("runs/r8.safetensors")]), default_file([Path("a.safetensors"), Path("b.safetensors")])
    (PosixPath('runs/r8.html'), PosixPath('comparison.html'))
    """
    if len(targets) > 1:
        return COMPARISON
    return targets[0] / "report.html" if targets[0].is_dir() else targets[0].with_suffix(".html")


def write_report(targets: Sequence[Path], out: Path, find_subject: FindSubject) -> dict[str, Any]:
    """Write the page, whole or not at all.

    Args:
        targets: files of ``gcn2snn convert`` or ``tune`` and run folders, all of the same test data; or one folder of
            ``reproduce table5``.
        out: HTML file.
        find_subject: what to run a network on, by its file, the network, and what it keeps of its origin.

    Returns:
        JSON values: the file, its size, and the scores of each network.

    Raises:
        ArtefactError: a target is missing, damaged, or holds nothing to report on; or ``out`` has another format's ending.
        ConfigError: a network was given twice, or a table beside networks.
        DataError: the data are not there, have nothing to test on, or are not the same for all networks.
    """
    refuse_other_ending(out, ".html")
    if len(targets) == 1 and is_table(targets[0]):
        text, content = _of_table(targets[0], out)
    else:
        text, content = _of_networks(read_targets(targets), find_subject)
    save_text(out, text)
    return {"report": str(out), "bytes": len(text.encode())} | content


def _of_networks(targets: list[Target], find_subject: FindSubject) -> tuple[str, dict[str, object]]:
    names = names_of([file for target in targets for file in target.files])
    if len(names) > 1:  # looked at before anything is measured, and not kept, since graphs are large
        found = [TestData.of(subject, data) for _, _, subject, data, _ in _loaded(targets, find_subject)]
        refuse_other_data(names, found)
    networks: list[Network] = []
    for (file, snn, subject, data, training), name in zip(_loaded(targets, find_subject), names, strict=True):
        versions = checked(stored_header(file).get("meta"), StoredNetwork, str(file))["environment"]
        measured = measure(snn, subject)
        networks.append(Network(name, snn.config, snn.choice, measured, versions, data, training, number=len(networks)))
    data = networks[0].data
    title = Path(str(data.get("dataset", data.get("data", targets[0].place)))).name
    title += ": one-spike network beside its source" if len(networks) == 1 else ": one-spike networks side by side"
    fronts = {str(target.place): target.tuned for target in targets if target.tuned is not None}
    scores = [{"name": n.name, **n.measured.evaluation.to_dict()} for n in networks]
    return run_page(title, networks, fronts), {"dataset": data, "networks": scores}


def _loaded(
    targets: Sequence[Target], find_subject: FindSubject
) -> Iterator[tuple[Path, SpikingNetwork, Subject, dict[str, object], dict[str, object]]]:
    """Each network with its file, what it is measured on, what those data are, and how its source was trained."""
    for target in targets:
        for file in target.files:
            snn, origin = load_with_origin(file)
            snn.network.check_scores("a report")
            subject = find_subject(file, snn, origin)
            data, training = _source_of(origin, target.summary)
            yield file, snn, subject, data if subject.source is None else subject.source, training


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
