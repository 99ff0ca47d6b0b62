"""One self-contained HTML page about spiking networks, a run, or a folder of ``reproduce table5``."""

from gcn2snn.report.collect import Batch, Subject, subject_of
from gcn2snn.report.samples import Sample, png
from gcn2snn.report.targets import is_table
from gcn2snn.report.write import default_file, write_report

__all__ = ["Batch", "Sample", "Subject", "default_file", "is_table", "png", "subject_of", "write_report"]
