"""The harness: it knows no model, no corruption and no table."""

from benchmark.batch import MODALITIES, Batch, Stream
from benchmark.config import Protocol, TrainConfig
from benchmark.datasets.load import load_dataset
from benchmark.errors import UserError
from benchmark.evaluate import EvaluationContext
from benchmark.execute import run, to_frame
from benchmark.model import Batches, Dims, Model, Output, parameter_groups
from benchmark.registry import create_model, list_models, register_evaluation, register_model
from benchmark.task import Task, multiclass, multilabel, regression

__all__ = [
    "MODALITIES",
    "Batch",
    "Batches",
    "Dims",
    "EvaluationContext",
    "Model",
    "Output",
    "Protocol",
    "Stream",
    "Task",
    "TrainConfig",
    "UserError",
    "create_model",
    "list_models",
    "load_dataset",
    "multiclass",
    "multilabel",
    "parameter_groups",
    "register_evaluation",
    "register_model",
    "regression",
    "run",
    "to_frame",
]
