"""The harness: it knows no model, no corruption and no table."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.batch import Batch, Stream
    from benchmark.config import Protocol, TrainConfig
    from benchmark.datasets.load import load_dataset
    from benchmark.errors import UserError
    from benchmark.evaluation import EvaluationContext
    from benchmark.model import Batches, Model, Output, parameter_groups
    from benchmark.records.extra import Column
    from benchmark.registry import create_model, list_models, register_evaluation, register_model
    from benchmark.running.run import run, to_frame
    from benchmark.task import (
        MODALITIES,
        Dims,
        Task,
        multiclass,
        multilabel,
        regression,
    )

__all__ = [
    "MODALITIES",
    "Batch",
    "Batches",
    "Column",
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
_HOMES = {
    "batch": ("Batch", "Stream"),
    "config": ("Protocol", "TrainConfig"),
    "datasets.load": ("load_dataset",),
    "errors": ("UserError",),
    "evaluation": ("EvaluationContext",),
    "model": ("Batches", "Model", "Output", "parameter_groups"),
    "records.extra": ("Column",),
    "registry": ("create_model", "list_models", "register_evaluation", "register_model"),
    "running.run": ("run", "to_frame"),
    "task": ("MODALITIES", "Dims", "Task", "multiclass", "multilabel", "regression"),
}


def __getattr__(name: str) -> Any:
    """Import a name from its home when it is first asked for: tables need no PyTorch."""
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"benchmark.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'benchmark' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
