"""``gcn2snn info``: what a file or folder of this package is, and what it says of itself; no tensor is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from gcn2snn.cli.loudness import hint
from gcn2snn.cli.options import AsJson
from gcn2snn.cli.output import console, emit, table

KINDS = {
    "snn": "converted network",
    "model": "trained weights of a run",
    "graph": "graph",
    "training": "state of an unfinished training on a graph",
    "inductive-training": "state of an unfinished training for new documents",
    "image-training": "state of an unfinished training on images",
    "planetoid": "trained weights of `gcn2snn reproduce planetoid`",
}
"""Kind in the header of a file -> what people call it."""


def info(
    place: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER", help="A converted network, graph, weights or state; a run folder or a model folder."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Say what an artefact is: kind, format version, where it comes from, settings, sizes.

    Examples:

      gcn2snn info runs/r8

      gcn2snn info runs/r8/snn.safetensors --json
    """
    facts, following = described(place)
    if as_json:
        emit({"place": str(place), **facts})
        return
    rows = [(name.replace("_", " "), _shown(value)) for name, value in facts.items() if value not in (None, "", [])]
    console(as_json).print(table(str(place), ("what", "value"), rows, texts=("value",)))
    if following:
        hint(as_json, following, place)


def described(place: Path) -> tuple[dict[str, object], str]:
    """What is known of an artefact, as JSON values, and the command that people give next, with ``{}`` for the place.

    Raises:
        ArtefactError: there is nothing, or nothing that this package wrote.
    """
    from gcn2snn.errors import ArtefactError
    from gcn2snn.file_names import why_not_there
    from gcn2snn.run_summary import RUN_FILE

    if not place.is_file() and not place.is_dir():
        raise ArtefactError(f"{place} {why_not_there(place)}. Give a file or folder that gcn2snn has written")
    if place.is_file():
        return (_of_json(place) if place.suffix == ".json" else _of_tensors(place)), _after(place)
    if (place / RUN_FILE).is_file():
        return _of_run(place), _after_run(place)
    if (place / "config.json").is_file():
        return _of_model_folder(place), ""
    raise ArtefactError(
        f"{place} is no run folder (it has no {RUN_FILE}) and no model folder (it has no config.json). Give one of them, "
        f"or a file in it"
    )


def _of_tensors(file: Path) -> dict[str, object]:
    from safetensors import safe_open

    from gcn2snn.files import stored_header

    header = stored_header(file)
    kind = str(header["kind"]).removeprefix("gcn2snn.")
    with safe_open(file, framework="np") as content:
        shapes = {name: list(content.get_slice(name).get_shape()) for name in content.keys()}  # noqa: SIM118 - no dict
    facts: dict[str, object] = {"kind": KINDS.get(kind, kind), "format_version": header.get("version")}
    facts |= {"bytes": file.stat().st_size, "tensors": len(shapes), "numbers": sum(map(_count, shapes.values()))}
    meta = header.get("meta")
    more: dict[str, Callable[[Mapping[str, object], Mapping[str, list[int]]], dict[str, object]]]
    more = {"snn": _of_network, "graph": _of_graph}
    return facts | (more[kind](meta, shapes) if kind in more and isinstance(meta, dict) else {})


def _of_network(meta: Mapping[str, object], shapes: Mapping[str, list[int]]) -> dict[str, object]:
    config, origin, nodes = _dict(meta.get("config")), _dict(meta.get("origin")), meta.get("nodes")
    report = meta.get("report")
    facts: dict[str, object] = _code(config)
    facts |= {"operations": len(nodes) if isinstance(nodes, list) else None}
    if isinstance(report, list):
        facts["populations"] = [str(_dict(row).get("name")) for row in report]
    facts |= _source(origin) | {"run": origin.get("run"), "reads_texts": meta.get("documents") is not None}
    return facts | {"made_with": _versions(meta)}


def _code(config: Mapping[str, object]) -> dict[str, object]:
    """Base and steps of the code, and the bases of the populations that have their own."""
    own = {name: _dict(values).get("base") for name, values in _dict(config.get("layers")).items()}
    named = [f"{name} {base:g}" for name, base in own.items() if isinstance(base, float)]
    return {"base": config.get("base"), "own_bases": named or None, "timesteps": config.get("timesteps")}


def _of_graph(meta: Mapping[str, object], shapes: Mapping[str, list[int]]) -> dict[str, object]:
    classes = meta.get("class_names")
    facts: dict[str, object] = {"nodes": _count(shapes.get("labels", [])), "documents": meta.get("num_documents")}
    facts |= {"edges_stored": _count(shapes.get("col", [])), "classes": classes}
    return facts | _source({"dataset": meta.get("source"), "fingerprint": meta.get("fingerprint")})


def _of_run(folder: Path) -> dict[str, object]:
    from gcn2snn.files import stored_kind
    from gcn2snn.run_summary import load_summary

    summary = load_summary(folder)
    kinds = {"graph": "run folder, trained on a graph", "images": "run folder, trained on images"}
    facts: dict[str, object] = {"kind": kinds.get(str(summary.get("kind")), "run folder")}
    facts |= {"format_version": summary.get("format"), "status": summary.get("status"), "epochs": summary.get("epochs")}
    ann = _dict(summary.get("ann"))
    facts |= {"test_accuracy": ann.get("accuracy")} | _source(summary)
    facts["settings"] = [f"{name}={value}" for name, value in _dict(summary.get("config")).items()]
    networks = [file.name for file in sorted(folder.glob("*.safetensors")) if stored_kind(file) == "snn"]
    return facts | {"converted_networks": networks, "made_with": _versions(summary)}


def _of_model_folder(folder: Path) -> dict[str, object]:
    from gcn2snn.model_folder import load_config

    content = load_config(folder)
    weights = _dict(content.get("weights"))
    facts: dict[str, object] = {"kind": "model folder", "format_version": content.get("format")}
    facts |= {"bytes": weights.get("bytes"), "made_with": f"gcn2snn {content.get('gcn2snn_version')}"}
    config = _dict(content.get("conversion"))
    facts |= _code(config) | _source(_dict(content.get("origin")))
    return facts | {"classes": list(_dict(content.get("label2id")))}


def _of_json(file: Path) -> dict[str, object]:
    """A file of numbers: its keys, and what it says of itself."""
    from gcn2snn.files import read_json

    content = _dict(read_json(file))
    return {"kind": "JSON", "bytes": file.stat().st_size, "keys": list(content), "item": content.get("item")}


def _source(origin: Mapping[str, object]) -> dict[str, object]:
    """Dataset, path and fingerprint of the data."""
    data = origin.get("dataset", origin.get("data"))
    named = _dict(data)
    facts: dict[str, object] = {"dataset": named.get("dataset") if named else data, "path": named.get("path")}
    return facts | {"fingerprint": origin.get("fingerprint")}


def _versions(content: Mapping[str, object]) -> str:
    environment = _dict(content.get("environment"))
    return ", ".join(f"{name} {environment[name]}" for name in ("gcn2snn", "torch", "python") if name in environment)


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _count(shape: list[int]) -> int:
    from math import prod

    return prod(shape)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _after(file: Path) -> str:
    from gcn2snn.files import stored_kind

    return "gcn2snn evaluate {}" if stored_kind(file) == "snn" else ""


def _after_run(folder: Path) -> str:
    return "gcn2snn evaluate {}" if (folder / "snn.safetensors").exists() else "gcn2snn convert {}"
