"""Which layer departs from the source model, judged by a second computation in double precision; what a conversion compared."""

from gcn2snn.verify.report import HeadCheck, LayerCheck, VerifyReport
from gcn2snn.verify.source_check import SourceCheck
from gcn2snn.verify.walk import verify

__all__ = ["HeadCheck", "LayerCheck", "SourceCheck", "VerifyReport", "verify"]
