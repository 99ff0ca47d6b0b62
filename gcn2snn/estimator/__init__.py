"""A Text GCN as a scikit-learn estimator."""

from gcn2snn.estimator.classifier import TextGCNClassifier

__all__ = ["TextGCNClassifier"]
