"""What atheris (libFuzzer for Python) mutates bytes for: the readers of networks, run.json, corpora and .pt files.

A harness writes its bytes to a file and reads it; anything but a result or an error of ours is a find. Finds, and the
inputs that a run kept because they reached new code, lie in ``cases``; the default tests read them all again.

    python tests/battery/harness.py artefact -max_total_time=60 -seed=7
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
CASES = HERE / "cases"
PLACE = Path(tempfile.mkdtemp(prefix="harness-"))
"""Where the bytes are written."""
SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".txt")
LARGEST = 1 << 16
"""Bytes that a mutated input has at most."""


def read_artefact(data: bytes) -> None:
    """A network file."""
    from gcn2snn import artefact

    _read(_file("network.safetensors", data), artefact.load)


def read_run_json(data: bytes) -> None:
    """The summary of a run."""
    from gcn2snn.run_folder import read_run

    _read(_file("run/run.json", data).parent, lambda folder: read_run(folder, "graph"))


def read_corpus(data: bytes) -> None:
    """A corpus; the first byte chooses among the formats."""
    from gcn2snn.datasets import load

    suffix = SUFFIXES[data[0] % len(SUFFIXES)] if data else ".csv"
    _read(_file(f"corpus{suffix}", data[1:]), lambda path: load(path, notes=False))


def read_weights(data: bytes) -> None:
    """A file of torch.save."""
    from gcn2snn.cnn.weights import read_state

    _read(_file("weights.pt", data), read_state)


HARNESSES: dict[str, Callable[[bytes], None]] = {
    "artefact": read_artefact,
    "run.json": read_run_json,
    "corpus": read_corpus,
    "weights": read_weights,
}


def _file(name: str, data: bytes) -> Path:
    path = PLACE / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def _read(path: Path, reader: Callable[[Path], object]) -> None:
    """Read, where an error of ours is an answer."""
    from gcn2snn.errors import Gcn2SnnError

    with contextlib.suppress(Gcn2SnnError):
        reader(path)


def seeds() -> dict[str, list[bytes]]:
    """Whole files, from which the mutations start."""
    import torch
    from torch import nn

    import gcn2snn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).eval()
    network = gcn2snn.save(gcn2snn.convert(model, torch.rand(4, 2)), PLACE / "seed.safetensors", force=True)
    graph = gcn2snn.load_graph("karate")
    from gcn2snn.textgcn import train_run

    train_run(graph, gcn2snn.TrainConfig(hidden=2, epochs=1), PLACE / "trained")
    torch.save({"0.weight": torch.ones(2, 2), "0.bias": torch.zeros(2)}, PLACE / "seed.pt")
    rows = [
        b"\0label,text\na,one two\nb,two three\n",
        b"\1label\ttext\na\tone two\n",
        b'\2{"label": "a", "text": "one"}\n',
    ]
    rows += [b'\3[{"label": "a", "text": "one two"}]', b"\4one two\nthree\n"]
    return {
        "artefact": [Path(network).read_bytes()],
        "run.json": [(PLACE / "trained" / "run.json").read_bytes()],
        "corpus": rows,
        "weights": [(PLACE / "seed.pt").read_bytes()],
    }


def main() -> None:
    """Fuzz one reader; libFuzzer's own options follow its name."""
    import atheris

    name, *options = sys.argv[1:]
    logging.disable(logging.ERROR)
    kept = PLACE / "kept"
    kept.mkdir()
    with atheris.instrument_imports(include=["gcn2snn"]):
        for number, data in enumerate(seeds()[name]):
            HARNESSES[name](data)  # loads what reading needs, which is loaded on demand
            (kept / f"seed-{number}").write_bytes(data)
    atheris.Setup([sys.argv[0], *options, f"-max_len={LARGEST}", str(kept), str(CASES / name)], HARNESSES[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
