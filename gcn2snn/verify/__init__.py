"""Which layer departs from the source model, judged by a second computation in double precision."""

from gcn2snn.verify.report import HeadCheck, LayerCheck, VerifyReport
from gcn2snn.verify.walk import verify

__all__ = ["HeadCheck", "LayerCheck", "VerifyReport", "verify"]
