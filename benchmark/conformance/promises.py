"""The promises that every model keeps, as functions that anybody can run on any model."""

import inspect
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from itertools import combinations
from typing import Literal

import safetensors.torch
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from benchmark.batch import Batch
from benchmark.config import TrainConfig
from benchmark.conformance.tiny_data import (
    SCORE,
    VOCABULARY,
    build,
    join,
    pad,
    steps,
    tensors,
    tiny_batch,
    tiny_batches,
    tiny_dims,
)
from benchmark.errors import UserError, told, unknown
from benchmark.model import Model
from benchmark.registry import ModelEntry
from benchmark.settings import PLAIN_ENCODERS
from benchmark.task import MODALITIES, Dims, Task, multiclass, multilabel, regression
from benchmark.training.predict import predict_batch
from benchmark.training.step import Step

TOLERANCE = 1e-5
PADDING = {"text": 3, "audio": 5, "vision": 2, "tokens": 4}
CLASSES = multiclass("negative", "neutral", "positive")
EMOTIONS = multilabel("joy", "anger", "fear")
RATING = regression(1, 5).centred()  # as models see a scale that is not centred on 0
# The shapes of known datasets, for which models declare defaults; others are tried small.
DATASETS = {
    name: Dims(
        dict(zip(MODALITIES, widths, strict=True)),
        task=regression(-1, 1) if name == "sims" else SCORE,
        vocabulary=VOCABULARY,
        lengths=dict(zip((*MODALITIES, "tokens"), (*lengths, lengths[0] + 2), strict=True)),
    )
    for name, widths, lengths in (
        ("mosi", (768, 5, 20), (50, 500, 375)),
        ("mosei", (768, 74, 35), (50, 500, 375)),
        ("sims", (768, 33, 709), (39, 400, 55)),
        ("mosi_utterance", (100, 73, 100), (1, 1, 1)),
        ("mosi_std", (300, 73, 1), (50, 1, 1)),
    )
}

Check = Callable[[ModelEntry], None]
CHECKS: dict[str, Check] = {}


class BrokenPromise(Exception):
    """A model does not keep a promise: what was expected, what was seen, what to do."""


@dataclass(frozen=True)
class CheckResult:
    """What came of one check.

    Attributes:
        name: of the check.
        status: `exempt` is a declared exception that holds; `exempt-but-passes` is one that is no
            longer true, which counts as a failure.
        sentence: why; empty if passed.
        seconds: wall time.
    """

    name: str
    status: Literal["passed", "failed", "exempt", "exempt-but-passes"]
    sentence: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the model is as declared."""
        return self.status in ("passed", "exempt")


def run_checks(entry: ModelEntry) -> list[CheckResult]:
    """Run every check on a model.

    Raises:
        UserError: the model is exempt from a check that does not exist.
    """
    return [run_check(entry, name) for name in CHECKS]


def run_check(entry: ModelEntry, name: str) -> CheckResult:
    """Run one check; an exemption is a strict expected failure.

    Raises:
        UserError: no such check, or the model is exempt from a check that does not exist.
    """
    for given in (name, *entry.exempt):
        if given not in CHECKS:
            raise unknown("check", given, CHECKS)
    if name == "padding" and entry.cls.needs_lengths and name not in entry.exempt:
        return CheckResult(name, "exempt", "the model is built for fixed lengths", 0.0)
    started = time.perf_counter()
    sentence = ""
    try:
        CHECKS[name](entry)
    except BrokenPromise as error:
        sentence = told(error)
    except Exception as error:
        sentence = _describe(error, entry)
    seconds = time.perf_counter() - started
    reason = entry.exempt.get(name)
    if reason is None:
        return CheckResult(name, "failed" if sentence else "passed", sentence, seconds)
    if sentence:
        return CheckResult(name, "exempt", reason, seconds)
    sentence = f"the check passes although the model is exempt ({reason}); remove the exemption"
    return CheckResult(name, "exempt-but-passes", sentence, seconds)


def _promise(name: str) -> Callable[[Check], Check]:
    """Enter a check under its name; generator and threads are afterwards as they were."""

    def enter(function: Check) -> Check:
        @wraps(function)
        def check(entry: ModelEntry) -> None:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)  # waking others takes longer than the work on six samples
            try:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(0)
                    function(entry)
            finally:
                torch.set_num_threads(threads)

        CHECKS[name] = check
        return check

    return enter


@_promise("output")
def check_output(entry: ModelEntry) -> None:
    """A regression predicts finite float `(B,)`, for one sample and for six, on any scale."""
    for task in _taken(entry, SCORE, RATING):
        _expect_predictions(entry, task)
        _expect_losses(entry, task)


@_promise("classification")
def check_classification(entry: ModelEntry) -> None:
    """Three classes, and three labels of which any may hold, give logits `(B, 3)` and a loss."""
    for task in _taken(entry, CLASSES, EMOTIONS):
        _expect_predictions(entry, task)
        _expect_losses(entry, task)


@_promise("padding")
def check_padding(entry: ModelEntry) -> None:
    """Steps beyond the masks change nothing, whatever their number."""
    model, batch = _trial(entry)
    batch = _with_gaps(batch)
    expected = predict_batch(model, batch)
    padded = batch
    for name, count in {**PADDING, **dict.fromkeys(batch.extra, 1)}.items():
        padded = pad(padded, name, count)
        for changed in (pad(batch, name, count), padded):
            _expect_equal(
                predict_batch(model, changed),
                expected,
                f"{count} padded steps of {name} change the prediction",
                "mask every operation that reads time steps, and take the last valid step",
            )


@_promise("neighbours")
def check_neighbours(entry: ModelEntry) -> None:
    """A sample's prediction is the same alone and among others."""
    model, batch = _trial(entry)
    batch = _with_gaps(batch)
    alone = [predict_batch(model, batch.select(index)) for index in torch.split(batch.index, 1)]
    _expect_equal(
        torch.cat(alone),
        predict_batch(model, batch),
        "the prediction of a sample depends on the others in its batch",
        "use no statistics over samples in evaluation mode",
    )


@_promise("missing")
def check_missing(entry: ModelEntry) -> None:
    """With one or two modalities missing, in all samples or in some, everything stays finite."""
    names = list(tiny_dims(entry.cls).widths)
    subsets = [*combinations(names, 1), *combinations(names, 2)]
    model, batch = _trial(entry, samples=len(subsets))
    cases = {f"without {' and '.join(gone)}": batch.without(*gone) for gone in subsets}
    cases["with other modalities missing in each sample"] = join(
        [case.select(batch.index[row : row + 1]) for row, case in enumerate(cases.values())]
    )
    for case, changed in cases.items():
        _expect_finite(predict_batch(model, changed), f"the prediction {case}")
    for case, changed in cases.items():
        model = build(entry, tiny_dims(entry.cls))
        for loss in steps(model, tiny_batches(changed, len(changed)), epochs=1):
            _expect_finite(loss, f"the training loss {case}")
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    _expect_finite(parameter.grad, f"the gradient of {name} {case}")


@_promise("without-tokens")
def check_without_tokens(entry: ModelEntry) -> None:
    """On data without tokens the model works on features, or refuses in one sentence."""
    dims = replace(tiny_dims(entry.cls), vocabulary=0)
    try:
        model = build(entry, dims)
    except UserError:
        return
    batch = tiny_batch(dims)
    _expect_finite(predict_batch(model, batch), "the prediction without tokens")
    for loss in steps(model, tiny_batches(batch), epochs=1):
        _expect_finite(loss, "the training loss without tokens")


@_promise("batch-unchanged")
def check_batch_unchanged(entry: ModelEntry) -> None:
    """Neither prediction nor training writes into the batch."""
    model, batch = _trial(entry)
    before = tensors(batch.select(batch.index))
    predict_batch(model, batch)
    _expect_unchanged(batch, before, "forward")
    step = Step.begin(model, tiny_batches(batch), TrainConfig())
    for epoch in (1, 2):
        if step is None:
            return
        model.start_epoch(epoch, tiny_batches(batch))
        model.train()
        step(batch)
        _expect_unchanged(batch, before, "training")


@_promise("seed")
def check_seed(entry: ModelEntry) -> None:
    """One seed gives the same weights and predictions; evaluation mode is not random."""
    model, batch = _trial(entry, seed=1)
    twin, _ = _trial(entry, seed=1)
    others = twin.state_dict()
    for name, value in model.state_dict().items():
        if not torch.equal(value, others[name]):
            raise BrokenPromise(
                f"two models of one seed differ in {name}; draw initial weights from torch only"
            )
    predictions = [
        predict_batch(model, batch),
        predict_batch(model, batch),
        predict_batch(twin, batch),
    ]
    if any(not torch.equal(predictions[0], other) for other in predictions[1:]):
        raise BrokenPromise(
            "two predictions of the same weights in evaluation mode differ; draw nothing at "
            "random there and keep no state between calls"
        )


@_promise("gradients")
def check_gradients(entry: ModelEntry) -> None:
    """Every trainable parameter is in one group and gets a gradient within four epochs."""
    model, batch = _trial(entry, samples=12)
    waiting = {name: value for name, value in model.named_parameters() if value.requires_grad}
    groups = model.param_groups(TrainConfig())
    count = Counter(id(value) for group in groups for value in group["params"])
    for name, value in waiting.items():
        if count[id(value)] != 1:
            raise BrokenPromise(
                f"parameter {name} is in {count[id(value)]} groups of param_groups, expected 1; "
                f"group by name with benchmark.parameter_groups"
            )
    if set(count) - {id(value) for value in model.parameters()}:
        raise BrokenPromise("param_groups holds a tensor that is no parameter of the model")
    # A learned stand-in for an absent modality trains only where a modality is absent.
    for _ in steps(model, tiny_batches(_with_gaps(batch)), epochs=4):
        waiting = {name: value for name, value in waiting.items() if not _has_gradient(value)}
        if not waiting:
            return
    if waiting:
        raise BrokenPromise(
            f"no gradient in four epochs for {', '.join(waiting)}; use the parameter in the loss, "
            f"freeze it, or do not create it"
        )


@_promise("modalities")
def check_modalities(entry: ModelEntry) -> None:
    """Declared modalities matter; others, the label and the place in the split do not."""
    model, batch = _trial(entry)
    other = tiny_batch(tiny_dims(entry.cls), seed=1)
    silent = _silent(model, batch, other)
    if silent:  # a gate that starts closed opens in training
        for _ in steps(model, tiny_batches(batch), epochs=4):
            pass
        silent = _silent(model, batch, other)
    if silent:
        raise BrokenPromise(
            f"{' and '.join(silent)} declared, but another {silent[0]} leaves the prediction as it "
            f"is; use it, or leave it out of `modalities`"
        )


@_promise("state")
def check_state(entry: ModelEntry) -> None:
    """A trained model's weights, written and read back strictly, predict the same."""
    model, batch = _trial(entry)
    for _ in steps(model, tiny_batches(batch), epochs=2):
        pass
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    fresh, _ = _trial(entry, seed=1)
    fresh.load_state_dict(safetensors.torch.load(safetensors.torch.save(state)), strict=True)
    _expect_equal(
        predict_batch(fresh, batch),
        predict_batch(model, batch),
        "a fresh model with the trained weights predicts something else",
        "keep everything that prediction reads in parameters or buffers",
    )


@_promise("training-only")
def check_training_only(entry: ModelEntry) -> None:
    """Prediction does not read what `training_only` names."""
    model, batch = _trial(entry)
    expected = predict_batch(model, batch)
    for prefix in model.training_only():
        named = [
            value
            for name, value in model.named_parameters()
            if name == prefix or name.startswith(f"{prefix}.")
        ]
        if not named:
            raise BrokenPromise(f"training_only names {prefix!r}, which holds no parameter")
        for value in named:
            torch.nn.init.constant_(value, torch.nan)
    _expect_equal(
        predict_batch(model, batch),
        expected,
        "the prediction needs parameters that training_only names",
        "name only what prediction does not read",
    )


@_promise("learning")
def check_learning(entry: ModelEntry) -> None:
    """Sixty steps on twelve samples lower the loss of the task by a fifth."""
    model, batch = _trial(entry, samples=12)

    def loss() -> float:
        return model.task.loss(predict_batch(model, batch), batch.label).item()

    first = loss()
    for step, _ in enumerate(steps(model, tiny_batches(batch), epochs=30), start=1):
        if step % 4 == 0 and loss() < 0.8 * first:
            return
    raise BrokenPromise(
        f"sixty steps of Adam on twelve samples bring the loss from {first:.3f} to {loss():.3f}, "
        f"expected below {0.8 * first:.3f}; look for detached tensors and wrong signs"
    )


@_promise("capture")
def check_capture(entry: ModelEntry) -> None:
    """Forward, loss and hook of a step never look at values on the host, unless declared."""
    if entry.no_capture:
        return
    model, batch = _trial(entry, samples=12)
    batches = tiny_batches(batch)
    step = Step.begin(model, batches, TrainConfig())
    if step is None:
        return
    model.start_epoch(1, batches)
    model.train()
    mode = FakeTensorMode()  # its tensors have shapes and no values
    for module in model.modules():
        for store in (module._parameters, module._buffers):
            for name, value in store.items():
                if value is not None:
                    store[name] = mode.from_tensor(value)  # type: ignore[assignment]
    fake = next(iter(batches))._map(mode.from_tensor)
    try:
        with mode:
            output, _ = step.differentiate(fake)
            model.after_step(output, fake)
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise BrokenPromise(
            f"a training step waits for values on the host ({error}); replace .item(), boolean "
            f"indexing and Python conditions on tensors by masks and torch.where, or say why in "
            f"no_capture= of @register_model"
        ) from None


@_promise("defaults")
def check_defaults(entry: ModelEntry) -> None:
    """Hyperparameters are keywords with defaults; those of each dataset build a model."""
    _, *arguments = inspect.signature(entry.cls).parameters.values()
    for argument in arguments:
        if argument.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise BrokenPromise(
                f"__init__ takes {argument}, which is no keyword-only argument; hyperparameters "
                f"stand behind a * each with its name and default, or --set cannot reach them"
            )
    entry.resolve("")
    pretrained = {"text_encoder": "pretrained"}
    for dataset, overrides in (
        *((name, {}) for name in entry.defaults),
        *((name, pretrained) for name in entry.fine_tuning),
    ):
        settings, config = entry.resolve(dataset, overrides)
        if settings.get("text_encoder", "auto") not in PLAIN_ENCODERS:
            settings["text_encoder"] = "scratch"  # pretrained weights are not at hand
        dims = DATASETS.get(dataset, tiny_dims(entry.cls))
        dims = dims if entry.cls.needs_lengths else replace(dims, lengths={})
        try:
            try:
                with torch.device("meta"):
                    model = entry.cls(dims, **settings)
            except (NotImplementedError, RuntimeError):  # the constructor reads values
                model = entry.cls(dims, **settings)
            model.task = dims.task
            model.param_groups(config)
        except Exception as error:
            raise BrokenPromise(
                f"the defaults of {dataset} do not build: {_describe(error, entry)}"
            ) from error


@_promise("credits")
def check_credits(entry: ModelEntry) -> None:
    """A baseline names its paper and its reference code."""
    for name, value in (("paper", entry.paper), ("source", entry.source)):
        if entry.kind == "baseline" and not value.strip():
            raise BrokenPromise(f"a baseline states its {name}; give {name}= to @register_model")


def _taken(entry: ModelEntry, *tasks: Task) -> list[Task]:
    """Those whose kind the model declares."""
    return [task for task in tasks if task.kind in entry.cls.tasks]


def _trial(
    entry: ModelEntry, *, task: Task = SCORE, samples: int = 6, seed: int = 0
) -> tuple[Model, Batch]:
    dims = tiny_dims(entry.cls, task)
    return build(entry, dims, seed), tiny_batch(dims, samples)


def _with_gaps(batch: Batch) -> Batch:
    """The same batch with text, audio and vision missing in one sample each."""
    count = len(batch) - len(MODALITIES)
    rows = [
        batch.without(name).select(batch.index[row : row + 1])
        for row, name in enumerate(MODALITIES, start=count)
    ]
    return join([batch.select(batch.index[:count]), *rows])


def _silent(model: Model, batch: Batch, other: Batch) -> list[str]:
    """The declared modalities that do not change the prediction when taken from another batch.

    Raises:
        BrokenPromise: something that is not declared changes it.
    """
    expected = predict_batch(model, batch)
    names = batch.modalities
    cases = {name: batch.with_stream(name, other.modalities[name]) for name in names}
    tokens = {name: getattr(other, name) for name in ("token_ids", "token_mask", "token_words")}
    cases["text"] = replace(cases["text"], **tokens)
    cases["the label"] = replace(batch, label=other.label)
    cases["the place in the split"] = replace(batch, index=batch.index.flip(0))
    moved = {
        name: _difference(predict_batch(model, case), expected) for name, case in cases.items()
    }
    for name, difference in moved.items():
        if name not in model.modalities and difference > 0:
            raise BrokenPromise(
                f"{name} changes the prediction by {difference:.1e} and is not declared; declare a "
                f"modality in `modalities`, and read neither label nor index in evaluation mode"
            )
    return [name for name in names if name in model.modalities and moved[name] <= 1e-6]


def _expect_predictions(entry: ModelEntry, task: Task) -> None:
    for samples in (1, 6):
        prediction = predict_batch(*_trial(entry, task=task, samples=samples))
        shape = (samples,) if task.kind == "regression" else (samples, task.outputs)
        if prediction.shape != shape or prediction.dtype != torch.float32:
            raise BrokenPromise(
                f"the prediction of {samples} samples is {prediction.dtype} "
                f"{tuple(prediction.shape)}, expected torch.float32 {shape}; the head gives "
                f"dims.outputs numbers for each sample"
            )
        _expect_finite(prediction, f"the prediction of {samples} samples")


def _expect_losses(entry: ModelEntry, task: Task) -> None:
    model, batch = _trial(entry, task=task)
    for loss in steps(model, tiny_batches(batch), epochs=2):
        _expect_finite(loss, f"the loss of a {task.kind} task")


def _expect_finite(value: Tensor, what: str) -> None:
    if not torch.isfinite(value).all():
        raise BrokenPromise(
            f"{what} is not finite; look for a division by an empty length and a softmax over no "
            f"step"
        )


def _expect_equal(seen: Tensor, expected: Tensor, what: str, advice: str) -> None:
    difference = _difference(seen, expected)
    if difference > TOLERANCE:
        raise BrokenPromise(f"{what}, by {difference:.1e} (allowed {TOLERANCE:.0e}); {advice}")


def _difference(seen: Tensor, expected: Tensor) -> float:
    """Largest difference, relative for values beyond 1; infinite if shapes differ or for NaN."""
    if seen.shape != expected.shape:
        return float("inf")
    largest = ((seen - expected).abs() / expected.abs().clamp(min=1)).max()
    return float("inf") if torch.isnan(largest) else largest.item()


def _expect_unchanged(batch: Batch, before: dict[str, Tensor], who: str) -> None:
    for name, value in tensors(batch).items():
        if not torch.equal(value, before[name]):
            raise BrokenPromise(f"{who} writes into batch.{name}; work on a copy")


def _has_gradient(value: Tensor) -> bool:
    return value.grad is not None and bool(value.grad.any())


def _describe(error: Exception, entry: ModelEntry) -> str:
    """An unexpected error, with the line of the model's own file that it passed through."""
    file = getattr(sys.modules.get(entry.cls.__module__), "__file__", None)
    trace = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in trace if frame.filename == file]
    place = f" from line {lines[-1]} of its file" if lines else ""
    return f"{type(error).__name__}{place}: {told(error)}"
