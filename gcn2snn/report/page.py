"""A report as HTML: its numbers and templates, one file that loads nothing from elsewhere, every text escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gcn2snn.config import ConvertConfig, to_dict
from gcn2snn.energy import EnergyReport
from gcn2snn.machine import environment
from gcn2snn.passes import Choice
from gcn2snn.report import charts, columns, numbers, settings
from gcn2snn.report.chart import Chart
from gcn2snn.report.collect import Measured
from gcn2snn.report.compare import side_by_side
from gcn2snn.report.confusion import largest_confusions
from gcn2snn.report.flow import flows
from gcn2snn.report.headline import cards
from gcn2snn.report.population import Population
from gcn2snn.report.raster import rasters
from gcn2snn.report.rows import Accounting, FrontPoint, NetworkRow, PopulationRow, SourceRow, Work
from gcn2snn.report.samples import Shown, shown

WIDEST_MATRIX = 24
"""More classes than this are no table that fits a page; then only the most frequent confusions are listed."""


@dataclass(frozen=True)
class Network:
    """A spiking network as a report shows it.

    Args:
        name: file name.
        config: how it was converted.
        choice: what was measured to choose that, or None.
        measured: see :func:`gcn2snn.report.collect.measure`.
        environment: versions it was made with.
        data: what the source model was trained on.
        training: how it was trained; empty where that is not known.
        number: place among the networks of the page.
    """

    name: str
    config: ConvertConfig
    choice: Choice | None
    measured: Measured
    environment: dict[str, str]
    data: dict[str, object]
    training: dict[str, object]
    number: int = 0

    @property
    def key(self) -> str:
        """The name as part of an HTML id, and the number, since two names may differ in signs that an id cannot hold."""
        return f"{id_of(self.name)}-{self.number}"


def id_of(name: str) -> str:
    """A name with nothing in it but letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"


def run_page(title: str, networks: Sequence[Network], tuned: dict[str, dict[str, Any]]) -> str:
    """The page of one network, or of several.

    Args:
        title: heading.
        networks: one section each.
        tuned: what ``tune.json`` holds, by the place it lies in.
    """
    sections = [_section(network) for network in networks]
    return _render(
        "run.html",
        title=title,
        networks=sections,
        questions=side_by_side(sections),
        fronts=[_search(index, place, found, len(tuned)) for index, (place, found) in enumerate(tuned.items())],
        sources=_sources(sections),
        environment=environment(),
    )


def _search(index: int, place: str, tuned: dict[str, Any], searches: int) -> dict[str, object]:
    """A search as the template shows it; it is named by its place where there are several."""
    name = f" of {place}" if searches > 1 else ""
    chart = charts.pareto(f"front-{index}", tuned)
    return {"name": name, "key": f"search-{index}", "chart": chart, "rows": _front(tuned), **tuned}


def _sources(sections: Sequence[NetworkRow]) -> list[SourceRow]:
    """What the sources were trained on and how, once for all networks for which it is the same."""
    found: list[SourceRow] = []
    for section in sections:
        source = section.source
        same = next((index for index, other in enumerate(found) if other.equals(source)), None)
        if same is None:
            found.append(source)
        else:
            found[same] = replace(found[same], names=found[same].names + source.names)
    return found


def table_page(title: str, content: dict[str, object], links: dict[str, list[tuple[str, str]]]) -> str:
    """The page of a folder of ``reproduce table5``.

    Args:
        title: heading.
        content: what ``table5.json`` holds, with ``tcurve`` and ``codings`` if they are there.
        links: (text, relative address) of the reports below the folder, by dataset.
    """
    from gcn2snn.report.summary import summary_of

    return _render("table5.html", title=title, links=links, environment=environment(), **summary_of(content))


def _render(template: str, **content: object) -> str:
    loader = Environment(
        loader=PackageLoader("gcn2snn", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loader.filters |= {"count": numbers.count, "fixed": numbers.fixed, "signed": numbers.signed, "id": id_of}
    return loader.get_template(template).render(columns=columns, **content)


def _flat(values: dict[str, object]) -> dict[str, object]:
    """{"options": {"window": 20}} as {"options, window": 20}."""
    found: dict[str, object] = {}
    for key, value in values.items():
        inner = (
            {f"{key}, {name}": item for name, item in _flat(value).items()} if isinstance(value, dict) else {key: value}
        )
        found |= inner
    return found


def _section(network: Network) -> NetworkRow:
    measured = network.measured
    confusions, pairs = measured.confusion, largest_confusions(measured.confusion, measured.subject.class_names)
    small = len(measured.subject.class_names) <= WIDEST_MATRIX
    energy = measured.evaluation.energy
    known, folded = settings.for_machines(_flat(network.data))
    trained = settings.training_in_words(_flat(network.training))
    return NetworkRow(
        name=network.name,
        key=network.key,
        cards=cards(measured),
        flow=flows(f"{network.key}-flow", measured),
        samples=_samples(measured),
        words=settings.conversion_in_words(network.config),
        settings=_settings(network),
        environment=network.environment,
        source=SourceRow((network.name,), f"source-{network.number}", known, folded, trained),
        evaluation=measured.evaluation,
        measured=measured,
        unit=_unit(energy.ann_joules),
        accountings=_accountings(energy),
        work=_work(measured),
        budget=charts.layers(f"{network.key}-budget", energy.layers),
        raster=rasters(f"{network.key}-raster", measured.network, network.config.wait, measured.populations),
        populations=[_population(network.key, population) for population in measured.populations],
        matrix=confusions.tolist() if small else None,
        confusions=pairs,
    )


def _settings(network: Network) -> dict[str, object]:
    """The configuration, and what each setting gave that was compared for it."""
    found = {key: value for key, value in to_dict(network.config).items() if key != "layers"}
    if network.choice is not None:
        choice = network.choice
        for trial in choice.trials:
            name = f"{'chosen' if trial == choice.best else 'compared'}: {trial.setting}"
            found[name] = f"{trial.divergence:.4g} {'nats' if choice.measure == 'kl' else 'of the variance'}"
    return found


def _samples(measured: Measured) -> list[tuple[str, list[Shown]]]:
    describe = measured.subject.describe
    return [] if describe is None else shown(measured.rows, measured.subject.class_names, describe)


def _unit(joules: float) -> tuple[str, float]:
    """Unit in which an energy is at least 1, and how many of it are a joule."""
    for name, size in (("J", 1.0), ("mJ", 1e3), ("\N{MICRO SIGN}J", 1e6)):
        if joules * size >= 1:
            return name, size
    return "nJ", 1e9


def _accountings(energy: EnergyReport) -> list[Accounting]:
    rates = "mean spike rate of each layer's input times its operations"
    total = "exact events, neuron updates and memory traffic"
    ann, model = energy.ann_joules, energy.lemaire
    analytical = (
        []
        if model is None
        else [
            Accounting(
                "analytical model",
                "Lemaire et al. 2022: memory by its size, operations, addressing",
                sum(model.source.values()),
                sum(model.spiking.values()),
                model.alpha,
            )
        ]
    )
    return [
        Accounting("Eq. 6", rates, ann, ann / energy.alpha_eq6, energy.alpha_eq6),
        Accounting(
            "exact events", "each spike times the synapses it reaches", ann, energy.snn_joules, energy.alpha_events
        ),
        Accounting("total", total, energy.ann_total_joules, energy.snn_total_joules, energy.alpha_total),
        *analytical,
    ]


def _work(measured: Measured) -> list[Work]:
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
        Work(name, kind, operations, joules, energy.ann_joules / joules if joules else float("inf"), accuracy)
        for name, kind, operations, joules, accuracy in rows
    ]


def _operations(energy: EnergyReport) -> int:
    return sum(x.events + x.macs for x in energy.layers)


def _multiplied(energy: EnergyReport) -> tuple[int, float]:
    """Operations and joules if each event were a multiply-accumulate (in a sum: an addition, as in the source)."""
    cost = {"synapse": energy.preset.mac, "product": energy.preset.mac, "sum": energy.preset.add}
    return _operations(energy), sum(cost[x.kind] * (x.events + x.macs) for x in energy.layers)


def _population(key: str, population: Population) -> PopulationRow:
    node = population.node
    own = f"{key}-{id_of(node.name)}"
    pictures: list[Chart] = [charts.scatter(f"{own}-scatter", population), charts.phases(f"{own}-phases", population)]
    if population.degrees:
        pictures.append(charts.degrees(f"{own}-degrees", node.name, population.by_degree))
    low, high = float(node.scale.min()), float(node.scale.max())
    return PopulationRow(
        own=population,
        name=node.name,
        id=own,
        kind=node.kind,
        scale=f"{low:.4g}" if low == high else f"{low:.3g} to {high:.3g}",
        horizon="T" if node.horizon is None else f"{int(node.horizon.min())} to {int(node.horizon.max())}",
        charts=pictures,
        degrees=[(charts.degree_range(c), c) for c in population.by_degree],
    )


def _front(tuned: dict[str, Any]) -> list[FrontPoint]:
    """The points of ``tune.json`` that no other one beats; the chosen one comes last where it is not among them."""
    points = [
        (f"{index}{', chosen' if point == tuned['chosen'] else ''}", point)
        for index, point in enumerate(tuned["front"], 1)
    ]
    if tuned["chosen"] not in tuned["front"]:
        points.append(("chosen", tuned["chosen"]))
    keys = [field.name for field in fields(FrontPoint) if field.name != "name"]
    return [FrontPoint(name, **{key: point[key] for key in keys}) for name, point in points]
