"""Text GCN: the model, its training, its runs and its evaluation."""

from gcn2snn.textgcn.evaluation import Evaluation, evaluate, score, score_labels
from gcn2snn.textgcn.graph_runs import call, load_model, train_run, validation_of
from gcn2snn.textgcn.model import TextGCN
from gcn2snn.textgcn.training import Trainer, fit, make_model, split_of

__all__ = [
    "Evaluation",
    "TextGCN",
    "Trainer",
    "call",
    "evaluate",
    "fit",
    "load_model",
    "make_model",
    "score",
    "score_labels",
    "split_of",
    "train_run",
    "validation_of",
]
