"""Tables that more than one verb prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcn2snn.cli.output import FittedTable
    from gcn2snn.passes import Choice, PopulationReport, RefitReport
    from gcn2snn.spiking_network import SpikingNetwork


def layers_table(snn: SpikingNetwork) -> FittedTable:
    """Which operation became which spiking layer."""
    from gcn2snn.cli.output import table
    from gcn2snn.network_summary import layer_rows

    rows = [(row.operation, row.reads, row.population, row.kind, row.code) for row in layer_rows(snn.network)]
    columns = ("operation", "reads spikes of", "population", "neuron", "code")
    return table("Spiking layers", columns, rows, ("reads spikes of", "neuron"), columns[1:])


def conversion_tables(snn: SpikingNetwork) -> Iterator[FittedTable]:
    """What a conversion chose, which layers it made and how well they fit, and what a refit kept."""
    if snn.choice is not None:
        yield choice_table(snn.choice)
    yield layers_table(snn)
    yield report_table(snn.report)
    if snn.refits:
        yield refit_table(snn.refits)


def choice_table(choice: Choice) -> FittedTable:
    """What each setting gave that was compared, the chosen one marked: the first that is about as good as the best. What was left out
    after a first look stands below, as it was there."""
    from gcn2snn.cli.output import table

    marks = [("chosen" if trial is choice.best else "", trial) for trial in choice.trials]
    marks += [("left out", trial) for trial in choice.first]
    rows = [(mark, trial.setting, f"{trial.divergence:.4g}", f"{trial.changed:.1f}") for mark, trial in marks]
    unit = "divergence (nats)" if choice.measure == "kl" else "squared error / variance"
    title = f"Settings on {choice.rows:,} calibration rows against the source's own outputs; chosen: the first that is as good as the best"
    if choice.seconds:
        title += f", {choice.seconds:.1f} s"
    return table(title, ("", "setting", unit, "other class %"), rows, ("other class %",))


def refit_table(refits: Sequence[RefitReport]) -> FittedTable:
    """What a refit kept, and how far the aggregation is from the source's with the old and the new values."""
    from gcn2snn.cli.output import table

    rows = [
        (
            row.name,
            f"{100 * row.kept / max(row.spikes, 1):.1f}",
            f"{100 * row.events_kept / max(row.events, 1):.1f}",
            f"{100 * row.error_before:.1f}",
            f"{100 * row.error_after:.1f}",
        )
        for row in refits
    ]
    columns = ("population", "spikes kept %", "additions kept %", "error of horizon alone %", "error after refit %")
    return table(
        "Refit after the horizon; errors are those of the aggregation",
        columns,
        rows,
        ("spikes kept %", "error of horizon alone %"),
    )


def report_table(report: tuple[PopulationReport, ...]) -> FittedTable:
    """How well each population's code fits the activations."""
    from gcn2snn.cli.output import table

    rows = []
    for row in report:
        scale = (
            f"{row.scale_max:.4g}" if row.scale_min == row.scale_max else f"{row.scale_min:.3g} to {row.scale_max:.3g}"
        )
        rows.append(
            (
                row.name,
                scale,
                f"{row.saturated:.2f}",
                f"{row.underflow:.2f}",
                f"{row.mape:.2f}",
                f"{row.spike_rate:.3f}",
            )
        )
    columns = ("population", "scale", "saturated %", "underflow %", "mean abs. error %", "spikes/neuron")
    return table("Encoding of the calibration activations", columns, rows, ("scale", "underflow %", "saturated %"))
