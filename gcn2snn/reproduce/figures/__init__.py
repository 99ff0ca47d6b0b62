"""The paper's figures that need no trained network, each drawn from what the package itself computes."""

from gcn2snn.reproduce.figures.clock import fig10
from gcn2snn.reproduce.figures.encodings import fig1, fig4, fig6
from gcn2snn.reproduce.figures.neuron import fig2, fig5

__all__ = ["fig1", "fig2", "fig4", "fig5", "fig6", "fig10"]
