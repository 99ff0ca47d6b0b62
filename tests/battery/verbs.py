"""Every verb, on a small corpus, and what must be there afterwards."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from commands import ran
from safetensors import safe_open
from sources import texts
from torch import nn

SAID = "../stdout"
"""What a verb prints, for those that write nothing else; commands keep it beside the folder that they work in."""
PASSING = (
    "seconds",
    "train_seconds",
    "peak_memory_bytes",
    "environment",
    "run",
    "path",
    "snn",
    "files",
    "build_seconds",
    "normalise_seconds",
)
"""Keys whose values differ from run to run and from folder to folder."""


@dataclass
class Verb:
    """A command, how it is given again after it was stopped, and the files that it makes.

    Args:
        name: as people know it.
        words: of the command, with {} for the folder.
        again: the words that go on or start over.
        made: files, relative to the folder.
    """

    name: str
    words: tuple[str, ...]
    again: tuple[str, ...]
    made: tuple[str, ...]

    def command(self, folder: Path, again: bool = False) -> list[str]:
        return [word.format(folder) for word in (self.again if again else self.words)]

    def result(self, folder: Path) -> dict[str, str]:
        """What the files hold that does not depend on time and place."""
        return {name: content(folder / name) for name in self.made}


def content(file: Path) -> str:
    """Hash of a file, of its tensors, or of its JSON without times and places."""
    if not file.exists():
        return "missing"
    if file.suffix == ".json" or file.name == "stdout":
        values = plain(json.loads(re.sub(r"/[^\"]*/(whole|place)/", "PLACE/", file.read_text())))
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    if file.suffix == ".safetensors":
        with safe_open(file, framework="np") as tensors:
            parts = [tensors.get_tensor(name).tobytes() for name in sorted(tensors.keys())]
        return hashlib.sha256(b"".join(parts)).hexdigest()
    return hashlib.sha256(file.read_bytes()).hexdigest()


def plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if key not in PASSING}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def verbs(trials: int = 4) -> list[Verb]:
    """The verbs; those after the first two need what these make."""
    train = (
        "train",
        "{}/corpus.csv",
        "--out",
        "{}/run",
        "--hidden",
        "8",
        "--epochs",
        "20",
        "--patience",
        "20",
        "--quiet",
    )
    images = ("train", "digits", "--out", "{}/images", "--epochs", "2", "--quiet")
    network = "{}/run/snn.safetensors"
    show = ("show", network, "--kind", "raster", "--out", "{}/snn.png")
    figure = ("reproduce", "fig6", "--out", "{}/figures")
    export = ("export", network, "--format", "npz", "--out", "{}/snn.npz")
    build = ("datasets", "build", "{}/corpus.csv", "--out", "{}/graph.safetensors", "--temp", "{}/temp", "--quiet")
    made = ("datasets", "synthetic", "{}/made.tsv", "--documents", "3000", "--quiet")
    return [
        Verb("train", train, (*train, "--resume"), ("run/model.safetensors", "run/run.json")),
        Verb("train images", images, (*images, "--resume"), ("images/model.safetensors", "images/run.json")),
        Verb(
            "convert",
            ("convert", "{}/run", "--quiet"),
            ("convert", "{}/run", "--force", "--quiet"),
            ("run/snn.safetensors",),
        ),
        Verb(
            "convert images",
            ("convert", "{}/images", "--calibration-images", "50", "--quiet"),
            ("convert", "{}/images", "--calibration-images", "50", "--force", "--quiet"),
            ("images/snn.safetensors",),
        ),
        Verb(
            "evaluate",
            ("evaluate", network, "--predictions", "{}/rows.csv", "--quiet"),
            ("evaluate", network, "--predictions", "{}/rows.csv", "--force", "--quiet"),
            ("rows.csv",),
        ),
        Verb(
            "predict",
            ("predict", network, "{}/lines.txt", "--csv", "{}/new.csv", "--quiet"),
            ("predict", network, "{}/lines.txt", "--csv", "{}/new.csv", "--force", "--quiet"),
            ("new.csv",),
        ),
        Verb("export", (*export, "--quiet"), (*export, "--force", "--quiet"), ("snn.npz", "snn.json")),
        Verb("report", ("report", network, "--quiet"), ("report", network, "--force", "--quiet"), ("run/snn.html",)),
        Verb("show", (*show, "--quiet"), (*show, "--force", "--quiet"), ("snn.png",)),
        Verb("reproduce", (*figure, "--quiet"), (*figure, "--quiet"), ("figures/fig6.csv",)),
        Verb(
            "tune",
            ("tune", "{}/run", "--trials", str(trials), "--quiet"),
            ("tune", "{}/run", "--trials", str(trials), "--force", "--quiet"),
            ("run/tune.json", "run/tuned.safetensors"),
        ),
        Verb("datasets build", build, (*build, "--force"), ("graph.safetensors",)),
        Verb("datasets synthetic", made, (*made, "--force"), ("made.tsv",)),
        *readers(network),
    ]


def readers(network: str) -> list[Verb]:
    """Verbs that write nothing: what they print, where it is the same each time, and caches and locks that they may touch."""
    explain = ("explain", "verbs:small_model", "--input", "input=20x6", "--json")
    same = [("info", network, "--json"), explain, ("datasets", "info", "karate", "--json")]
    timing = (
        "bench",
        "--entries",
        "1e3",
        "--shape",
        "uniform",
        "--channels",
        "8",
        "--case",
        "spmm",
        "--rounds",
        "1",
        "--json",
    )
    sizes = ("--nodes", "1e6", "--edges", "3e7", "--features", "128", "--classes", "16", "--ranks", "4")
    passing = [("doctor", "--json"), timing, ("plan", *sizes, "--json")]
    return [
        *(Verb(words[0], words, words, (SAID,)) for words in same),
        *(Verb(words[0], words, words, ()) for words in passing),
    ]


def small_model() -> nn.Module:
    """The model that ``explain`` reads."""
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)).eval()


def prepared(folder: Path) -> tuple[Path, list[Verb], dict[str, dict[str, str]], dict[str, float]]:
    """A folder with everything that verbs need and make, the verbs, their results, and the seconds that each takes."""
    whole = folder / "whole"
    whole.mkdir()
    (whole / "corpus.csv").write_text("label,text\n" + "".join(f"{label},{text}\n" for label, text in texts(0, 60)))
    (whole / "lines.txt").write_text("".join(f"{text}\n" for _, text in texts(5, 400)))
    results, seconds = {}, {}
    for verb in verbs():
        code, said, seconds[verb.name] = ran(folder, *verb.command(whole))
        assert code == 0, f"{verb.name}: {said}"
        results[verb.name] = verb.result(whole)
    return whole, verbs(), results, seconds


def before(verb: Verb, whole: Path, place: Path) -> Path:
    """A copy of the folder as it is before a verb runs."""
    if place.exists():
        shutil.rmtree(place)
    copied = shutil.copytree(whole, place)
    for name in verb.made:
        (copied / name).unlink(missing_ok=True)
    if verb.name.startswith("train"):
        shutil.rmtree(copied / Path(verb.made[0]).parent)
    if verb.name == "tune":
        (copied / "run" / "tune.journal").unlink()
    return Path(copied)


def leftovers(folder: Path) -> list[str]:
    """Temporary files and locks that are still there, and what a build on disk keeps between its stages."""
    hidden = [path for path in folder.rglob(".*") if path.name.endswith((".part", ".lock", ".locked"))]
    return [str(path.relative_to(folder)) for path in (*hidden, *folder.glob("temp/*"))]
