"""Text GCN: the model, its training, its runs, and new documents."""

from gcn2snn.textgcn.document_checks import check_documents
from gcn2snn.textgcn.float_documents import FloatDocuments
from gcn2snn.textgcn.graph_runs import call, load_model, train_run, validation_of
from gcn2snn.textgcn.inductive_training import InductiveTrainer, refuse_seen_documents
from gcn2snn.textgcn.model import TextGCN
from gcn2snn.textgcn.new_documents import NewDocuments, Vocabulary
from gcn2snn.textgcn.training import (
    Epoch,
    Trainer,
    fit,
    key_of_text_training,
    make_model,
    random_state,
    refuse_wrong_numbers,
    restore_random_state,
    split_of,
)
from gcn2snn.textgcn.unseen_documents import UnseenDocuments, UnseenEvaluation, evaluate_unseen

__all__ = [
    "Epoch",
    "FloatDocuments",
    "InductiveTrainer",
    "NewDocuments",
    "TextGCN",
    "Trainer",
    "UnseenDocuments",
    "UnseenEvaluation",
    "Vocabulary",
    "call",
    "check_documents",
    "evaluate_unseen",
    "fit",
    "key_of_text_training",
    "load_model",
    "make_model",
    "random_state",
    "refuse_seen_documents",
    "refuse_wrong_numbers",
    "restore_random_state",
    "split_of",
    "train_run",
    "validation_of",
]
