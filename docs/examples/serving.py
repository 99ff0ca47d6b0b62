"""Answers over HTTP: a converted Text GCN is served by `gcn2snn serve` and asked for the class of a text."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

import gcn2snn

WORDS = {"sport": "goal match cup team", "finance": "bank shares rate market"}

with TemporaryDirectory() as name:
    folder = Path(name)
    lines = [f"{label}\t{words} number {count}" for label, words in WORDS.items() for count in "abcdef"]
    (folder / "texts.tsv").write_text("\n".join(lines), encoding="utf-8")
    graph = gcn2snn.load_graph(folder / "texts.tsv", cache=False)
    model = gcn2snn.fit(gcn2snn.Trainer(graph, gcn2snn.TrainConfig(hidden=16, epochs=40)))
    file = gcn2snn.save(gcn2snn.convert(model, graph), folder / "snn.safetensors")

    command = [
        sys.executable,
        "-c",
        "from gcn2snn.cli import main; main()",
        "serve",
        str(file),
        "--port",
        "0",
        "--workers",
        "1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        address = next(word for line in service.stdout or () for word in line.split() if word.startswith("http://"))
        body = json.dumps({"texts": ["the bank sold shares", "a goal in the match"]}).encode()
        request = Request(f"{address.rstrip('/.,;')}/predict", data=body, headers={"Content-Type": "application/json"})
        with urlopen(request) as answer:
            print(json.load(answer))
        service.terminate()
