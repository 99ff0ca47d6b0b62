"""The columns of every table of a report: a heading, and what a row shows there. A new column is one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from markupsafe import Markup

from gcn2snn.energy import LayerEvents
from gcn2snn.report.numbers import count, fixed, four, share, signed
from gcn2snn.report.population import Degrees
from gcn2snn.report.rows import Accounting, Coding, FrontPoint, ModeRow, PopulationRow, SeedRow, Work

Row = TypeVar("Row")


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of a table.

    Args:
        title: its heading.
        cell: what a row shows there; plain text is escaped when the page is made.
        look: class of its cells: "" for numbers, which stand to the right, "text" for words, "text what" for sentences.
    """

    title: str
    cell: Callable[[Row], str]
    look: str = ""

    @property
    def heading_look(self) -> str:
        """Class of the heading."""
        return self.look.split()[0] if self.look else ""


POPULATIONS: tuple[Column[PopulationRow], ...] = (
    Column("population", lambda row: _link(row.id, row.name)),
    Column("neuron", lambda row: row.kind, "text"),
    Column("Q", lambda row: f"{row.own.node.coding.base:g}"),
    Column("T", lambda row: str(row.own.node.coding.timesteps)),
    Column("scale", lambda row: row.scale),
    Column("last phase", lambda row: row.horizon),
    Column("neurons", lambda row: count(row.own.neurons)),
    Column("fire %", lambda row: share(row.own.spikes, row.own.neurons, 2)),
    Column("nothing to say %", lambda row: share(row.own.quiet, row.own.neurons, 2)),
    Column("underflow %", lambda row: share(row.own.underflow, row.own.neurons, 2)),
    Column("behind horizon %", lambda row: share(row.own.cut, row.own.neurons, 2)),
    Column("saturated %", lambda row: share(row.own.saturated, row.own.neurons, 2)),
    Column("error %", lambda row: fixed(100 * row.own.error, 1)),
)
"""Codes, and what became of the neurons."""

DEGREES: tuple[Column[tuple[str, Degrees]], ...] = (
    Column("degree", lambda row: row[0]),
    Column("nodes", lambda row: count(row[1].nodes)),
    Column("operations of the source", lambda row: count(row[1].operations)),
    Column("additions of spikes", lambda row: count(row[1].events)),
    Column("kept %", lambda row: share(row[1].events, row[1].operations, 1)),
)
"""Operations by the degree of the sending node."""

FRONT: tuple[Column[FrontPoint], ...] = (
    Column("point", lambda row: row.name),
    Column("validation accuracy %", lambda row: fixed(row.accuracy)),
    Column("estimated loss", lambda row: signed(row.loss)),
    Column("same prediction %", lambda row: fixed(row.agreement)),
    Column("alpha, events", lambda row: fixed(row.alpha, 1)),
    Column("alpha, Eq. 6", lambda row: fixed(row.alpha_eq6, 1)),
)
"""Configurations of a search."""

MODES: tuple[Column[ModeRow], ...] = (
    Column("dataset", lambda row: row.dataset),
    Column("mode", lambda row: row.mode, "text"),
    Column("seeds", lambda row: row.seeds),
    Column("ANN %", lambda row: row.ann),
    Column("SNN %", lambda row: row.snn),
    Column("loss", lambda row: row.loss),
    Column("alpha, Eq. 6, unit input", lambda row: row.eq6),
    Column("alpha, Eq. 6, binary input", lambda row: row.binary),
    Column("alpha, events", lambda row: row.events),
    Column("alpha, total", lambda row: row.total),
)
"""Table V: every dataset and mode."""

SEEDS: tuple[Column[SeedRow], ...] = (
    Column("mode", lambda row: row.mode),
    Column("seed", lambda row: str(row.seed)),
    Column("ANN %", lambda row: fixed(row.ann)),
    Column("SNN %", lambda row: fixed(row.snn)),
    Column("loss", lambda row: fixed(row.ann - row.snn)),
    Column("alpha, events", lambda row: fixed(row.alpha)),
)
"""Table V: every seed of one dataset."""

CODINGS: tuple[Column[Coding], ...] = (
    Column("dataset", lambda row: row["dataset"]),
    Column("code", lambda row: row["coding"], "text"),
    Column("T", lambda row: str(row["timesteps"])),
    Column("latency", lambda row: count(row["latency"])),
    Column("accuracy %", lambda row: fixed(row["accuracy"])),
    Column("ANN %", lambda row: fixed(row["ann"])),
    Column("additions", lambda row: count(row["additions"])),
    Column("alpha, events", lambda row: fixed(row["alpha_events"])),
)
"""The same networks under other spike codes."""


def layer_columns(all_events: int) -> tuple[Column[LayerEvents], ...]:
    """Operations and additions by layer.

    Args:
        all_events: additions of the whole network, of which each layer has a share.
    """
    return (
        Column("layer", lambda row: row.name),
        Column("spikes per input", lambda row: fixed(row.spike_rate, 3)),
        Column("inputs", lambda row: count(row.input_neurons)),
        Column("operations of the source", lambda row: count(row.operations)),
        Column("additions, Eq. 6", lambda row: count(row.additions)),
        Column("additions, events", lambda row: count(row.events)),
        Column("kept %", lambda row: share(row.events, row.operations, 1)),
        Column("share of all %", lambda row: share(row.events, all_events, 1)),
    )


def accounting_columns(unit: tuple[str, float]) -> tuple[Column[Accounting], ...]:
    """Energy by way of counting.

    Args:
        unit: its name, and how many of it are a joule.
    """
    name, size = unit
    return (
        Column("counted", lambda row: row.name),
        Column(f"source, {name}", lambda row: four(size * row.ann)),
        Column(f"spiking, {name}", lambda row: four(size * row.snn)),
        Column("alpha", lambda row: fixed(row.alpha)),
        Column("what is counted", lambda row: row.what, "text what"),
    )


def work_columns(unit: tuple[str, float]) -> tuple[Column[Work], ...]:
    """What silence would save the source model.

    Args:
        unit: its name, and how many of it are a joule.
    """
    name, size = unit
    return (
        Column("network", lambda row: row.name),
        Column("operations", lambda row: count(row.operations)),
        Column("each is a", lambda row: row.kind, "text"),
        Column(f"energy, {name}", lambda row: four(size * row.joules)),
        Column("full source over this", lambda row: fixed(row.factor)),
        Column("accuracy %", lambda row: fixed(row.accuracy)),
    )


def _link(key: str, name: str) -> str:
    return Markup('<a href="#{}">{}</a>').format(key, name)
