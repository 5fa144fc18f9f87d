"""Model and Output: the contract between a model file and the harness."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Protocol

from torch import Tensor, nn

from benchmark.batch import Batch
from benchmark.config import TrainConfig
from benchmark.task import KINDS, MODALITIES, Dims, Task, regression


class Output:
    """What `forward` returns.

    Attributes:
        prediction: `(B,)` for regression (a trailing axis of one is squeezed), logits `(B, C)`
            otherwise.
        features: named intermediate results that a loss, a hook or a test reads.
    """

    __slots__ = ("features", "prediction")

    def __init__(self, prediction: Tensor, features: Mapping[str, Tensor] | None = None):
        """Squeeze a single output."""
        if prediction.ndim == 2 and prediction.shape[1] == 1:
            prediction = prediction.squeeze(1)
        self.prediction = prediction
        self.features: Mapping[str, Tensor] = {} if features is None else features


class Batches(Protocol):
    """The training split as hooks see it: never the validation or test split."""

    @property
    def samples(self) -> int:
        """Number of training samples N; `batch.index` runs over 0 .. N-1."""
        ...

    @property
    def batch_size(self) -> int:
        """Samples of a full batch."""
        ...

    def whole(self) -> Batch:
        """The whole split as one batch, in its own order, on the training device."""
        ...

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the current epoch, in the order in which they are trained on."""
        ...


class _TextInput:
    """`tokens` on a model one of whose submodules says `reads_tokens`, else `features`.

    A class or a model that sets `text_input` by itself covers this.
    """

    def __get__(self, model: nn.Module | None, owner: type) -> Literal["features", "tokens"]:
        modules = () if model is None else model.modules()
        reads = any(getattr(module, "reads_tokens", False) for module in modules)
        return "tokens" if reads else "features"


class Model(nn.Module):
    """Base class of every registered model.

    A subclass writes `__init__(self, dims, *, ...)`, whose keyword-only arguments are its
    hyperparameters, and `forward`. Everything else has a default.

    Attributes:
        modalities: that it reads.
        tasks: kinds that it can be trained on.
        needs_lengths: whether `dims.lengths` is to be filled.
        text_input: `tokens` where it reads these instead of text features.
        task: what the label means.
    """

    modalities: ClassVar[tuple[str, ...]] = MODALITIES
    tasks: ClassVar[tuple[str, ...]] = KINDS
    needs_lengths: ClassVar[bool] = False
    text_input: Literal["features", "tokens"] = _TextInput()  # type: ignore[assignment]
    task: Task = regression(-3, 3)  # set by create_model

    @classmethod
    def accepts(cls, dims: Dims) -> str | None:
        """Why the model cannot be trained on such data, beyond `modalities` and `tasks`.

        Returns:
            The reason in a few words that follow the model's name, `needs ...`; None if it can.
        """
        return None

    def forward(self, batch: Batch) -> Output:
        """Predict a batch."""
        raise NotImplementedError

    def loss(self, output: Output, batch: Batch) -> Tensor:
        """The training loss of a batch, a scalar; by default that of the task."""
        return self.task.loss(output.prediction, batch.label)

    def param_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        """Parameter groups for the optimiser, each trainable parameter in exactly one.

        By default a pretrained encoder gets its own rate, its biases and norms no weight decay,
        and all the rest `config.lr`.
        """
        return parameter_groups(self, config)

    def training_only(self) -> tuple[str, ...]:
        """Names of submodules or parameters that prediction does not need."""
        return ()

    def start_training(self, batches: Batches) -> None:
        """Before the first epoch."""

    def start_epoch(self, epoch: int, batches: Batches) -> None:
        """Before each epoch, counted from 1."""

    def after_step(self, output: Output, batch: Batch) -> None:
        """After each batch, with the output that was differentiated."""


def parameter_groups(
    model: nn.Module, config: TrainConfig, modules: Mapping[str, Mapping[str, float]] | None = None
) -> list[dict[str, Any]]:
    """Split the trainable parameters by name.

    Args:
        model: whose parameters to split.
        config: rates and decays of the text encoder and of all the rest.
        modules: name prefix of a submodule -> `lr` and `weight_decay` that differ from the rest.
            The longest matching prefix wins.

    Returns:
        Groups of `params`, `lr` and `weight_decay`; no empty group. A submodule whose attribute
        `pretrained` is True is a text encoder.
    """
    encoders = tuple(
        name for name, module in model.named_modules() if getattr(module, "pretrained", False)
    )
    prefixes = sorted(modules or {}, key=len, reverse=True)
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        lr, decay = config.lr, config.weight_decay
        if any(name.startswith(f"{encoder}.") for encoder in encoders):
            lr = config.encoder_lr
            decay = config.encoder_weight_decay if parameter.ndim > 1 else 0.0
        else:
            for prefix in prefixes:
                if name == prefix or name.startswith(f"{prefix}."):
                    lr = (modules or {})[prefix].get("lr", lr)
                    decay = (modules or {})[prefix].get("weight_decay", decay)
                    break
        groups.setdefault((lr, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": lr, "weight_decay": decay}
        for (lr, decay), parameters in groups.items()
    ]
