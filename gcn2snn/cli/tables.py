"""Tables that more than one verb prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcn2snn.passes import PopulationReport


def layers_table(snn: Any) -> Any:
    """Which operation became which spiking layer."""
    from gcn2snn.cli.output import table
    from gcn2snn.network_summary import layer_rows

    rows = [(row.operation, row.reads, row.population, row.kind, row.code) for row in layer_rows(snn.network)]
    return table("Spiking layers", ("operation", "reads spikes of", "population", "neuron", "code"), rows)


def report_table(report: tuple[PopulationReport, ...]) -> object:
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
    return table("Encoding of the calibration activations", columns, rows)
