"""Text GCN: the model, its training, its runs, and new documents."""

from gcn2snn.textgcn.float_documents import FloatDocuments
from gcn2snn.textgcn.graph_runs import call, load_model, train_run, validation_of
from gcn2snn.textgcn.model import TextGCN
from gcn2snn.textgcn.new_documents import NewDocuments, Vocabulary
from gcn2snn.textgcn.training import Trainer, fit, make_model, split_of

__all__ = [
    "FloatDocuments",
    "NewDocuments",
    "TextGCN",
    "Trainer",
    "Vocabulary",
    "call",
    "fit",
    "load_model",
    "make_model",
    "split_of",
    "train_run",
    "validation_of",
]
