"""The model card of a spiking network: what it is, what it was made from, what was measured and what was not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, to_dict
from gcn2snn.datasets import DATASETS
from gcn2snn.energy import PRESETS
from gcn2snn.machine import environment
from gcn2snn.model_folder.parts import Measured

NOT_KNOWN, NOT_MEASURED = "not known", "not measured"


@dataclass(frozen=True, eq=False)
class Card:
    """What a card is written from.

    Args:
        name: of the network.
        network, config: description and how it was converted.
        origin: what the network keeps of where it comes from.
        class_names: one per output, or None.
        reads_texts: the network classifies texts.
        measured: an evaluation, or None.
        licence: terms of the network, or None.
    """

    name: str
    network: ir.Network
    config: ConvertConfig
    origin: Mapping[str, object]
    class_names: Sequence[str] | None
    reads_texts: bool
    measured: Measured | None
    licence: str | None

    def text(self) -> str:
        """The card in Markdown, with the header that the Hub reads."""
        parts = [
            self._head(),
            self._use(),
            self._data(),
            self._accuracy(),
            self._energy(),
            self._settings(),
            self._limits(),
        ]
        return "\n\n".join(parts) + "\n"

    @property
    def _task(self) -> str:
        if self.reads_texts:
            return "text-classification"
        return "image-classification" if self.origin.get("kind") == "images" else "graph-ml"

    def _head(self) -> str:
        header = [f"license: {self.licence}"] if self.licence else []
        header += ["library_name: gcn2snn", f"pipeline_tag: {self._task}"]
        header += ["tags:", "- spiking-neural-network", "- ann-to-snn-conversion"]
        about = (
            f"A spiking network in which every neuron fires at most once, converted from a trained ReLU network by gcn2snn "
            f"{environment()['gcn2snn']}. It gives {self._classes()}."
        )
        return "\n".join(["---", *header, "---", "", f"# {self.name}", "", about])

    def _classes(self) -> str:
        if self.class_names is None:
            if self.network.of(ir.Result):
                ways = ", ".join(map(ir.told, ir.paths(self.network.structure)))
                return f"what its source gives, in the same structure ({ways})"
            outputs = self.network.shapes[self.network.heads[0]][1]
            return "the potentials of its outputs" if outputs is None else f"the potentials of {outputs} classes"
        shown = ", ".join(self.class_names[:10]) + (", ..." if len(self.class_names) > 10 else "")
        return f"the potentials of {len(self.class_names)} classes ({shown})"

    def _use(self) -> str:
        lines = ["import gcn2snn", "", 'snn = gcn2snn.from_pretrained("FOLDER or OWNER/NAME")']
        if self.reads_texts:
            lines += ['snn.predict(["a text to classify"])  # class names', 'snn.predict_proba(["a text to classify"])']
        inputs = ", ".join(node.name for node in self.network.of(ir.Input))
        lines += [f"snn({inputs})  # called like the source model"]
        return "\n".join(["## Use", "", "```python", *lines, "```"])

    def _data(self) -> str:
        name, config = self._dataset, self._training
        row = DATASETS.get(name.lower())
        terms = row.licence if row else NOT_KNOWN
        if row is None and name == "digits":
            terms = "part of scikit-learn, see there"
        rows: list[tuple[str, object]] = [
            ("trained on", name),
            ("source of the data", row.source if row else NOT_KNOWN),
            ("licence of the data", terms),
        ]
        rows += [("seed of the training", config.get("seed", NOT_KNOWN))]
        rows += [(f"training: {key}", value) for key, value in config.items() if key != "seed"]
        source = self.origin.get("dataset")
        if isinstance(source, dict) and source.get("options"):
            rows += [(f"text graph: {key}", value) for key, value in source["options"].items()]
        if self._task == "image-classification":
            rows += [
                (key.replace("_", " "), value)
                for key, value in self.origin.items()
                if key not in ("kind", "data", "class_names") and value != ""
            ]
        rows += [("licence of this network", self.licence or NOT_KNOWN)]
        return "## Data and training\n\n" + _table(("", ""), rows)

    @property
    def _dataset(self) -> str:
        source = self.origin.get("dataset")
        name = source.get("dataset") if isinstance(source, dict) else self.origin.get("data")
        return str(name) if name else NOT_KNOWN

    @property
    def _training(self) -> dict[str, object]:
        config = self.origin.get("config")
        return dict(config) if isinstance(config, dict) else {}

    def _accuracy(self) -> str:
        head = "## Accuracy\n\n"
        if self.measured is None:
            ann = self.origin.get("ann")
            known = ann.get("accuracy") if isinstance(ann, dict) else None
            source = (
                NOT_MEASURED if not isinstance(known, int | float) else f"{known:.2f} (test data, when it was trained)"
            )
            return head + _table(("percent", "source network", "this network"), [("accuracy", source, NOT_MEASURED)])
        results = self.measured.to_dict()
        ann, snn = results["ann"], results["snn"]
        rows = [("accuracy", f"{ann['accuracy']:.2f}", f"{snn['accuracy']:.2f}")]
        if "macro_f1" in ann:
            rows += [("macro F1", f"{ann['macro_f1']:.2f}", f"{snn['macro_f1']:.2f}")]
        rows += [("same prediction", "", f"{results['agreement']:.2f}")]
        count = results.get("test_nodes", results.get("images"))
        note = f"\n\n{count:,} test rows, {results['engine']} engine."
        return head + _table(("percent", "source network", "this network"), rows) + note

    def _energy(self) -> str:
        head = "## Energy\n\n"
        columns = (
            "preset",
            "source / spiking, arithmetic",
            "alpha by Eq. 6",
            "alpha by exact events",
            "source / spiking, with updates and memory",
            "alpha with updates and memory",
        )
        if self.measured is None:
            return head + _table(columns, [(name, *[NOT_MEASURED] * 5) for name in PRESETS])
        rows = []
        for name, preset in PRESETS.items():
            report = replace(self.measured.energy, preset=preset)
            arithmetic = f"{report.ann_joules:.3g} / {report.snn_joules:.3g} J"
            total = f"{report.ann_total_joules:.3g} / {report.snn_total_joules:.3g} J"
            alphas = [f"{value:.2f}" for value in (report.alpha_eq6, report.alpha_events, report.alpha_total)]
            rows.append((name, arithmetic, alphas[0], alphas[1], total, alphas[2]))
        note = (
            "alpha is how many times less energy the spiking network needs than its source; below 1 it needs more. Operations "
            "are counted on the test data and priced by published energies (45 nm and 7 nm CMOS, Intel's Loihis); nothing was "
            "measured on a chip. The int8 and Loihi presets hold for 8-bit weights."
        )
        return head + _table(columns, rows) + "\n\n" + note

    def _settings(self) -> str:
        values = to_dict(self.config)
        values["layers"] = {
            name: {key: value for key, value in own.items() if value is not None}
            for name, own in values["layers"].items()
        }
        rows = [(key, value) for key, value in values.items() if value not in (None, {})]
        return "## Conversion\n\n" + _table(("option", "value"), rows)

    def _limits(self) -> str:
        limits = [
            "The scales of the neurons come from the calibration data: other data may exceed them, and such values are cut off.",
            "Accuracy and energy hold for the data and the one training run named above, and say nothing about other data.",
            "The paper's energies (Eq. 6, events) count arithmetic only; the last column adds neuron updates and memory.",
        ]
        if self.reads_texts:
            limits += [
                "A new text is read by the words that the network knows, with the document frequencies of its training; a text "
                "without a known word gets the share of each class in training.",
                "The file holds the words of the corpus (not its documents); the terms of the corpus apply to passing it on.",
            ]
        if self.network.of(ir.OneHot):
            limits += [
                "Called with a graph, it runs on the graph of its training only: its first weights belong to single nodes."
            ]
        return "## Limits\n\n" + "\n".join(f"* {limit}" for limit in limits)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'-|' * len(columns)}"]
    return "\n".join(lines + [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows])


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", "\\|").replace("\n", " ")
