"""One self-contained HTML page about a spiking network, a run, or a folder of ``reproduce table5``."""

from gcn2snn.report.collect import Batch, Subject, subject_of
from gcn2snn.report.samples import Sample, png
from gcn2snn.report.write import TABLE, default_file, write_report

__all__ = ["TABLE", "Batch", "Sample", "Subject", "default_file", "png", "subject_of", "write_report"]
