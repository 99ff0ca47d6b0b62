from __future__ import annotations

import io

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from gcn2snn import ConvertConfig, convert
from gcn2snn.cli.tables import layers_table, report_table


def text(table: Table) -> str:
    screen = Console(width=200, file=io.StringIO(), record=True)
    screen.print(table)
    return screen.export_text()


def test_tables_show_every_population() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    snn = convert(model, torch.rand(5, 3), ConvertConfig(base=1.5, timesteps=7, per="layer", scale="max"))
    layers, report = text(layers_table(snn)), text(report_table(snn.report))
    assert "Q=1.5, T=7" in layers
    assert "none: class = largest potential" in layers
    for row in snn.report:
        assert row.name in layers
        assert row.name in report
        assert f"{row.scale_max:.4g}" in report
