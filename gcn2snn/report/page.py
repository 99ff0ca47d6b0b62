"""A report as HTML: its numbers and templates, one file that loads nothing from elsewhere, every text escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gcn2snn.config import ConvertConfig, to_dict
from gcn2snn.energy import EnergyReport
from gcn2snn.machine import environment
from gcn2snn.report import charts
from gcn2snn.report.chart import MINUS, Chart
from gcn2snn.report.collect import Measured
from gcn2snn.report.confusion import largest_confusions
from gcn2snn.report.population import Population

WIDEST_MATRIX = 24
"""More classes than this are no table that fits a page; then only the most frequent confusions are listed."""


@dataclass(frozen=True)
class Network:
    """A spiking network as a report shows it.

    Args:
        name: file name.
        config: how it was converted.
        measured: see :func:`gcn2snn.report.collect.measure`.
        environment: versions it was made with.
    """

    name: str
    config: ConvertConfig
    measured: Measured
    environment: dict[str, str]

    @property
    def key(self) -> str:
        """The name as part of an HTML id."""
        return id_of(self.name)


def id_of(name: str) -> str:
    """A name with nothing in it but letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"


def run_page(
    title: str,
    networks: Sequence[Network],
    data: dict[str, Any],
    training: dict[str, Any],
    tuned: dict[str, Any] | None,
) -> str:
    """The page of one run, or of one network.

    Args:
        title: heading.
        networks: one section each.
        data: what the source model was trained on.
        training: its configuration; empty where it is not known.
        tuned: what ``tune.json`` holds, or None.
    """
    front = {"chart": charts.pareto("front", tuned), **tuned} if tuned else None
    settings = {"dataset": _flat(data), "training": _flat(training)}
    sections = [_section(network) for network in networks]
    return _render(
        "run.html", title=title, networks=sections, front=front, settings=settings, environment=environment()
    )


def table_page(title: str, content: dict[str, Any], links: dict[str, list[tuple[str, str]]]) -> str:
    """The page of a folder of ``reproduce table5``.

    Args:
        title: heading.
        content: what ``table5.json`` holds, with ``tcurve`` and ``codings`` if they are there.
        links: (text, relative address) of the reports below the folder, by dataset.
    """
    from gcn2snn.report.summary import summary_of

    return _render("table5.html", title=title, links=links, environment=environment(), **summary_of(content))


def _render(template: str, **content: Any) -> str:
    loader = Environment(
        loader=PackageLoader("gcn2snn", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loader.filters["count"] = lambda value: f"{value:,.0f}"
    loader.filters["fixed"] = lambda value, digits=2: f"{value:.{digits}f}".replace("-", MINUS)
    loader.filters["signed"] = lambda value: f"{value:+.2f}".replace("-", MINUS)
    loader.filters["four"] = lambda value: f"{value:#.4g}".rstrip(".")
    loader.filters["id"] = id_of
    return loader.get_template(template).render(**content)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """{"options": {"window": 20}} as {"options, window": 20}."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        inner = (
            {f"{key}, {name}": item for name, item in _flat(value).items()} if isinstance(value, dict) else {key: value}
        )
        found |= inner
    return found


def _section(network: Network) -> dict[str, Any]:
    measured = network.measured
    confusions, pairs = measured.confusion, largest_confusions(measured.confusion, measured.subject.class_names)
    small = len(measured.subject.class_names) <= WIDEST_MATRIX
    energy = measured.evaluation.energy
    return {
        "name": network.name,
        "key": network.key,
        "settings": {key: value for key, value in to_dict(network.config).items() if key != "layers"},
        "environment": network.environment,
        "evaluation": measured.evaluation,
        "measured": measured,
        "unit": _unit(energy.ann_joules),
        "alphas": _alphas(energy),
        "work": _work(measured),
        "budget": charts.layers(f"{network.key}-budget", energy.layers),
        "populations": [_population(network.key, population) for population in measured.populations],
        "matrix": confusions.tolist() if small else None,
        "confusions": pairs,
    }


def _unit(joules: float) -> tuple[str, float]:
    """Unit in which an energy is at least 1, and how many of it are a joule."""
    for name, size in (("J", 1.0), ("mJ", 1e3), ("\N{MICRO SIGN}J", 1e6)):
        if joules * size >= 1:
            return name, size
    return "nJ", 1e9


def _alphas(energy: EnergyReport) -> list[dict[str, Any]]:
    return [
        {
            "name": "Eq. 6",
            "what": "mean spike rate of each layer's input times its operations",
            "ann": energy.ann_joules,
            "snn": energy.ann_joules / energy.alpha_eq6,
            "alpha": energy.alpha_eq6,
        },
        {
            "name": "exact events",
            "what": "each spike times the synapses it reaches",
            "ann": energy.ann_joules,
            "snn": energy.snn_joules,
            "alpha": energy.alpha_events,
        },
        {
            "name": "total",
            "what": "exact events, neuron updates and memory traffic",
            "ann": energy.ann_total_joules,
            "snn": energy.snn_total_joules,
            "alpha": energy.alpha_total,
        },
    ]


def _work(measured: Measured) -> list[dict[str, Any]]:
    """The source model with and without zeros and the network's silence, beside the network: operations and energy."""
    evaluation = measured.evaluation
    energy = evaluation.energy
    ann = evaluation.ann.accuracy
    rows = [
        ("source, every operation", "MAC", sum(x.operations for x in energy.layers), energy.ann_joules, ann),
        ("source that skips its own zeros", "MAC", *_multiplied(measured.skipping), ann),
        ("source that skips what the network leaves silent", "MAC", *_multiplied(energy), measured.masked_accuracy),
        ("spiking network", "addition", _operations(energy), energy.snn_joules, evaluation.snn.accuracy),
    ]
    return [
        {
            "name": name,
            "kind": kind,
            "operations": operations,
            "joules": joules,
            "accuracy": accuracy,
            "factor": energy.ann_joules / joules if joules else float("inf"),
        }
        for name, kind, operations, joules, accuracy in rows
    ]


def _operations(energy: EnergyReport) -> int:
    return sum(x.events + x.macs for x in energy.layers)


def _multiplied(energy: EnergyReport) -> tuple[int, float]:
    """Operations and joules if each event were a multiply-accumulate (in a sum: an addition, as in the source)."""
    cost = {"synapse": energy.preset.mac, "sum": energy.preset.add}
    return _operations(energy), sum(cost[x.kind] * (x.events + x.macs) for x in energy.layers)


def _population(key: str, population: Population) -> dict[str, Any]:
    node = population.node
    own = f"{key}-{id_of(node.name)}"
    pictures: list[Chart] = [charts.scatter(f"{own}-scatter", population), charts.phases(f"{own}-phases", population)]
    if population.degrees:
        pictures.append(charts.degrees(f"{own}-degrees", node.name, population.by_degree))
    return {
        "own": population,
        "name": node.name,
        "id": own,
        "kind": node.kind,
        "scale": (float(node.scale.min()), float(node.scale.max())),
        "horizon": None if node.horizon is None else (int(node.horizon.min()), int(node.horizon.max())),
        "charts": pictures,
        "degrees": [(charts.degree_range(c), c) for c in population.by_degree],
    }
