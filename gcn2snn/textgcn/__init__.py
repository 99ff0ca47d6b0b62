"""Text GCN: the model, its training, its run folder and its evaluation."""

from gcn2snn.textgcn.model import TextGCN
from gcn2snn.textgcn.new_documents import NewDocuments, Vocabulary
from gcn2snn.textgcn.run_folder import (
    METRICS_FILE,
    MODEL_FILE,
    RUN_FILE,
    RUN_FORMAT,
    STATE_FILE,
    call,
    check_folder,
    finish,
    load_model,
    load_weights,
    prepare,
    read_run,
    refuse_other_options,
    train_run,
    validation_of,
)
from gcn2snn.textgcn.training import Trainer, fit, history_lines, make_model, split_of

__all__ = [
    "METRICS_FILE",
    "MODEL_FILE",
    "RUN_FILE",
    "RUN_FORMAT",
    "STATE_FILE",
    "NewDocuments",
    "TextGCN",
    "Trainer",
    "Vocabulary",
    "call",
    "check_folder",
    "finish",
    "fit",
    "history_lines",
    "load_model",
    "load_weights",
    "make_model",
    "prepare",
    "read_run",
    "refuse_other_options",
    "split_of",
    "train_run",
    "validation_of",
]
