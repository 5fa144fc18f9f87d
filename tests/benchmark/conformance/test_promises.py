"""Every registered model keeps every promise, and every promise catches who breaks it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.batch import Batch
from benchmark.config import TrainConfig
from benchmark.conformance.promises import CHECKS, BrokenPromise, run_check, run_checks
from benchmark.conformance.tiny_data import (
    build,
    join,
    pad,
    steps,
    tensors,
    tiny_batch,
    tiny_batches,
    tiny_dims,
)
from benchmark.errors import UserError
from benchmark.model import Batches, Model, Output
from benchmark.plugins import broken_modules
from benchmark.registry import ModelEntry, list_models
from benchmark.task import Dims

ENTRIES = list_models()
BASELINES = Path(__file__).parents[3] / "baselines"


@pytest.mark.parametrize(
    ("entry", "check"),
    [(entry, check) for entry in ENTRIES for check in CHECKS],
    ids=[f"{entry.name}-{check}" for entry in ENTRIES for check in CHECKS],
)
def test_promise(entry: ModelEntry, check: str) -> None:
    result = run_check(entry, check)
    assert result.ok, f"{entry.name}, {check}: {result.sentence}"


@pytest.mark.skipif(
    not any(BASELINES.glob("[!_]*.py")), reason="the folder baselines has no model yet"
)
def test_the_floors_are_registered() -> None:
    assert {"prior", "late-fusion", "text-only", "text-only-features"} <= {
        entry.name for entry in ENTRIES
    }


def test_no_file_of_ours_is_broken() -> None:
    assert broken_modules() == {}


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
def test_exemptions_are_few_and_reasoned(entry: ModelEntry) -> None:
    assert len(entry.exempt) <= len(CHECKS) // 2
    assert all(len(reason.split()) >= 3 for reason in entry.exempt.values())


class Sound(Model):
    """Keeps every promise; the models below break one each."""

    def __init__(self, dims: Dims, *, hidden: int = 8) -> None:
        super().__init__()
        self.hidden = nn.Linear(sum(dims.inputs), hidden)
        self.head = nn.Linear(hidden, dims.outputs)

    def fuse(self, batch: Batch) -> Tensor:
        return torch.cat([stream.mean() for stream in batch.streams], dim=1)

    def forward(self, batch: Batch) -> Output:
        return Output(self.head(self.hidden(self.fuse(batch)).tanh()))


class ReturnsTensor(Sound):
    def forward(self, batch: Batch) -> Output:
        return super().forward(batch).prediction  # type: ignore[return-value]


class WrongShape(Sound):
    def forward(self, batch: Batch) -> Output:
        return Output(super().forward(batch).prediction.unsqueeze(0))


class WrongType(Sound):
    def forward(self, batch: Batch) -> Output:
        return Output(super().forward(batch).prediction.double())


class Infinite(Sound):
    def forward(self, batch: Batch) -> Output:
        return Output(super().forward(batch).prediction / 0)


class ScoresOnly(Sound):
    def loss(self, output: Output, batch: Batch) -> Tensor:
        return (output.prediction - batch.label).abs().mean()


class AveragesPadding(Sound):
    def fuse(self, batch: Batch) -> Tensor:
        return torch.cat([stream.values.mean(dim=1) for stream in batch.streams], dim=1)


class CountsTokens(Sound):
    def fuse(self, batch: Batch) -> Tensor:
        assert batch.token_ids is not None
        return super().fuse(batch) * batch.token_ids.float().mean(dim=1, keepdim=True)


class CountsEmpty(Sound):
    """Careful where there is audio; where there is none, every step counts."""

    def fuse(self, batch: Batch) -> Tensor:
        audio = batch.audio
        steps_of = audio.lengths.masked_fill(audio.lengths == 0, audio.mask.shape[1])
        return super().fuse(batch) + steps_of[:, None] / 10


class LooksOnTheHost(Sound):
    def fuse(self, batch: Batch) -> Tensor:
        fused = super().fuse(batch)
        return fused * 2 if fused.mean() > 0 else fused


class SelectsRows(Sound):
    def loss(self, output: Output, batch: Batch) -> Tensor:
        return self.task.loss(output.prediction[batch.label > 0], batch.label[batch.label > 0])


class BatchStatistics(Sound):
    def fuse(self, batch: Batch) -> Tensor:
        fused = super().fuse(batch)
        return fused - fused.mean(dim=0)


class EmptyMean(Sound):
    def fuse(self, batch: Batch) -> Tensor:
        sums = [s.values.sum(dim=1) / s.lengths[:, None] for s in batch.streams]
        return torch.cat(sums, dim=1)


class EmptyNorm(Sound):
    """Finite without a modality, its gradient is not: the slope of the root at zero."""

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)
        self.audio = nn.Linear(dims.audio, 1, bias=False)

    def forward(self, batch: Batch) -> Output:
        length = (self.audio(batch.audio.mean()) ** 2).sum(dim=1).sqrt()
        return Output(super().forward(batch).prediction + length)


class NeedsTokens(Sound):
    def fuse(self, batch: Batch) -> Tensor:
        return super().fuse(batch) + batch.token_mask.sum(dim=1, keepdim=True)  # type: ignore


class WritesForward(Sound):
    def fuse(self, batch: Batch) -> Tensor:
        batch.text.values.mul_(0.5)
        return super().fuse(batch)


class WritesLoss(Sound):
    def loss(self, output: Output, batch: Batch) -> Tensor:
        batch.label.clamp_(-1, 1)
        return super().loss(output, batch)


class RandomEvaluation(Sound):
    def forward(self, batch: Batch) -> Output:
        prediction = super().forward(batch).prediction
        return Output(prediction + 1e-3 * torch.rand_like(prediction))


class RandomWeights(Sound):
    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)
        drawn = np.random.default_rng().standard_normal(self.hidden.bias.shape)
        self.hidden.bias.data = torch.tensor(drawn, dtype=torch.float32)


class Unused(Sound):
    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)
        self.forgotten = nn.Linear(3, 3)


class Ungrouped(Sound):
    def param_groups(self, config: TrainConfig) -> list[dict]:
        return [{"params": [*self.head.parameters()]}]


class TwiceGrouped(Sound):
    def param_groups(self, config: TrainConfig) -> list[dict]:
        return [{"params": [*self.parameters(), *self.head.parameters()]}]


class IgnoresAudio(Sound):
    def fuse(self, batch: Batch) -> Tensor:
        return super().fuse(batch.without("audio"))


class ReadsUndeclared(Sound):
    modalities = ("text", "audio")


class ReadsLabel(Sound):
    def forward(self, batch: Batch) -> Output:
        return Output(super().forward(batch).prediction + 0.1 * batch.label)


class ReadsIndex(Sound):
    def forward(self, batch: Batch) -> Output:
        return Output(super().forward(batch).prediction + 0.1 * batch.index)


class ForgetsState(Sound):
    median = 0.0

    def start_training(self, batches: Batches) -> None:
        self.median = batches.whole().label.median().item()

    def forward(self, batch: Batch) -> Output:
        return Output(super().forward(batch).prediction + self.median)


class NeedsTrainingOnly(Sound):
    def training_only(self) -> tuple[str, ...]:
        return ("head",)


class MisnamesTrainingOnly(Sound):
    def training_only(self) -> tuple[str, ...]:
        return ("decoder",)


class WrongSign(Sound):
    def loss(self, output: Output, batch: Batch) -> Tensor:
        return -super().loss(output, batch)


class VectorLoss(Sound):
    def loss(self, output: Output, batch: Batch) -> Tensor:
        return (output.prediction - batch.label).abs()


BREAKERS = [
    (ReturnsTensor, "output", "expected benchmark.Output"),
    (WrongShape, "output", r"\(1, 6\), expected torch.float32 \(6,\)"),
    (WrongType, "output", "torch.float64"),
    (Infinite, "output", "not finite"),
    (ScoresOnly, "classification", "size of tensor"),
    (AveragesPadding, "padding", "3 padded steps of text"),
    (CountsTokens, "padding", "4 padded steps of tokens"),
    (CountsEmpty, "padding", "5 padded steps of audio"),
    (BatchStatistics, "neighbours", "depends on the others"),
    (EmptyMean, "missing", "the prediction without text is not finite"),
    (EmptyNorm, "missing", "the gradient of audio.weight without audio is not finite"),
    (NeedsTokens, "without-tokens", "NoneType"),
    (WritesForward, "batch-unchanged", "forward writes into batch.text.values"),
    (WritesLoss, "batch-unchanged", "training writes into batch.label"),
    (RandomEvaluation, "seed", "evaluation mode differ"),
    (RandomWeights, "seed", "differ in hidden.bias"),
    (Unused, "gradients", "forgotten.weight, forgotten.bias"),
    (Ungrouped, "gradients", "hidden.weight is in 0 groups"),
    (TwiceGrouped, "gradients", "head.weight is in 2 groups"),
    (IgnoresAudio, "modalities", "audio declared"),
    (ReadsUndeclared, "modalities", "vision changes the prediction"),
    (ReadsLabel, "modalities", "the label changes the prediction"),
    (ReadsIndex, "modalities", "the place in the split changes the prediction"),
    (ForgetsState, "state", "predicts something else"),
    (NeedsTrainingOnly, "training-only", "the prediction needs"),
    (MisnamesTrainingOnly, "training-only", "'decoder'"),
    (LooksOnTheHost, "capture", "waits for values on the host"),
    (SelectsRows, "capture", "waits for values on the host"),
    (WrongSign, "learning", "wrong signs"),
    (VectorLoss, "learning", r"shape \(6,\), expected a scalar"),
]


def test_every_promise_of_a_model_has_a_breaker() -> None:
    assert set(CHECKS) - {check for _, check, _ in BREAKERS} == {"defaults", "credits"}


@pytest.mark.parametrize(
    ("cls", "check", "sentence"), BREAKERS, ids=[f"{row[0].__name__}-{row[1]}" for row in BREAKERS]
)
def test_a_breaker_is_caught(cls: type[Model], check: str, sentence: str) -> None:
    entry = ModelEntry("breaker", cls)
    assert run_check(entry, check).status == "failed"
    with pytest.raises((BrokenPromise, UserError, RuntimeError, AttributeError), match=sentence):
        CHECKS[check](entry)


def test_a_sound_model_passes_everything() -> None:
    entry = ModelEntry("sound", Sound, smoke={"hidden": 6}, defaults={"mosi": {"hidden": 4}})
    results = run_checks(entry)
    assert [result.name for result in results] == list(CHECKS)
    assert {result.status for result in results} == {"passed"}
    assert {result.sentence for result in results} == {""}


def test_exemption_is_a_strict_expected_failure() -> None:
    reason = {"padding": "the reference averages padded steps"}
    kept = run_check(ModelEntry("faithful", AveragesPadding, exempt=reason), "padding")
    assert (kept.status, kept.ok, kept.sentence) == ("exempt", True, reason["padding"])
    stale = run_check(ModelEntry("mended", Sound, exempt=reason), "padding")
    assert (stale.status, stale.ok) == ("exempt-but-passes", False)
    assert "remove the exemption" in stale.sentence


def test_unknown_names_of_checks_are_refused() -> None:
    with pytest.raises(UserError, match="unknown check 'paddings'; did you mean 'padding'"):
        run_checks(ModelEntry("sound", Sound, exempt={"paddings": "no reason at all"}))
    with pytest.raises(UserError, match="unknown check 'gradient'"):
        run_check(ModelEntry("sound", Sound), "gradient")


def test_a_crash_is_a_failure_with_its_place() -> None:
    class Crashes(Sound):
        def forward(self, batch: Batch) -> Output:
            raise KeyError("attention")

    result = run_check(ModelEntry("crashes", Crashes), "output")
    assert result.status == "failed"
    assert "KeyError from line " in result.sentence
    assert "'attention'" in result.sentence


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"hiden": 4}, "did you mean 'hidden'"),
        ({"lr": -1.0}, "setting lr"),
        ({"hidden": -4}, "the defaults of sims do not build"),
    ],
)
def test_defaults_that_do_not_build(settings: dict, sentence: str) -> None:
    entry = ModelEntry("sound", Sound, defaults={"mosi": {"hidden": 4}, "sims": settings})
    result = run_check(entry, "defaults")
    assert result.status == "failed"
    assert sentence in result.sentence


def test_hyperparameters_are_keywords_with_defaults() -> None:
    class ByPosition(Sound):
        def __init__(self, dims: Dims, hidden: int = 8) -> None:
            super().__init__(dims, hidden=hidden)

    class Anything(Sound):
        def __init__(self, dims: Dims, **settings: int) -> None:
            super().__init__(dims, **settings)

    class NoDefault(Sound):
        def __init__(self, dims: Dims, *, width: int) -> None:
            super().__init__(dims, hidden=width)

    seen = [run_check(ModelEntry("m", cls), "defaults") for cls in (ByPosition, Anything)]
    assert "hidden: int = 8" in seen[0].sentence
    assert "**settings: int" in seen[1].sentence
    assert "no default for width" in run_check(ModelEntry("m", NoDefault), "defaults").sentence


def test_defaults_build_where_the_constructor_reads_values() -> None:
    class ReadsValues(Sound):
        def __init__(self, dims: Dims) -> None:
            super().__init__(dims, hidden=int(torch.tensor([3, 4]).sum().item()))

    assert run_check(ModelEntry("reads", ReadsValues, defaults={"mosei": {}}), "defaults").ok


def test_a_pretrained_encoder_is_tried_from_scratch() -> None:
    class Encoded(Sound):
        def __init__(self, dims: Dims, *, text_encoder: str = "some-hub-name") -> None:
            super().__init__(dims)
            if text_encoder != "scratch":
                raise UserError("no network")

    entry = ModelEntry("encoded", Encoded, defaults={"mosi": {}})
    assert all(result.ok for result in run_checks(entry))


def test_a_model_may_refuse_data_without_tokens() -> None:
    class Refuses(NeedsTokens):
        def __init__(self, dims: Dims) -> None:
            if not dims.vocabulary:
                raise UserError("this model needs token ids")
            super().__init__(dims)

    assert run_check(ModelEntry("refuses", Refuses), "without-tokens").ok


@pytest.mark.parametrize("stated", [{}, {"paper": "Someone. A title. 2020."}, {"source": "none"}])
def test_a_baseline_states_paper_and_source(stated: dict) -> None:
    assert run_check(ModelEntry("method", Sound, kind="method", **stated), "credits").ok
    assert not run_check(ModelEntry("baseline", Sound, kind="baseline", **stated), "credits").ok


def test_fixed_lengths_need_no_exemption() -> None:
    class Flat(Sound):
        needs_lengths = True

        def __init__(self, dims: Dims) -> None:
            super().__init__(dims)
            self.audio = nn.Linear(dims.lengths["audio"] * dims.audio, dims.outputs)

        def forward(self, batch: Batch) -> Output:
            flat = self.audio(batch.audio.values.flatten(1)).squeeze(1)
            return Output(super().forward(batch).prediction + flat)

    entry = ModelEntry("flat", Flat, defaults={"mosi": {}, "mosi_utterance": {}})
    results = {result.name: result for result in run_checks(entry)}
    assert results.pop("padding").status == "exempt"
    assert [result for result in results.values() if result.status != "passed"] == []


def test_further_modalities_are_checked_too() -> None:
    class Poster(Sound):
        modalities = ("text", "audio", "vision", "poster")

        def __init__(self, dims: Dims) -> None:
            super().__init__(dims)
            self.poster = nn.Linear(dims.extra["poster"], dims.outputs)

        def forward(self, batch: Batch) -> Output:
            poster = self.poster(batch.extra["poster"].mean()).squeeze(1)
            return Output(super().forward(batch).prediction + poster)

    class IgnoresPoster(Sound):
        modalities = ("text", "audio", "vision", "poster")

    assert all(result.ok for result in run_checks(ModelEntry("poster", Poster)))
    assert "poster" in run_check(ModelEntry("ignores", IgnoresPoster), "modalities").sentence


def test_a_loss_that_wakes_in_the_second_epoch_and_a_closed_gate_are_allowed() -> None:
    class Wakes(Sound):
        epoch = 0

        def __init__(self, dims: Dims) -> None:
            super().__init__(dims)
            self.late = nn.Linear(dims.audio, dims.outputs)
            self.gate = nn.Parameter(torch.zeros(()))

        def start_epoch(self, epoch: int, batches: Batches) -> None:
            self.epoch = epoch

        def forward(self, batch: Batch) -> Output:
            late = self.late(batch.audio.mean()).squeeze(1)
            main = super().forward(batch.without("audio")).prediction
            return Output(main + self.gate * late, {"late": late})

        def loss(self, output: Output, batch: Batch) -> Tensor:
            main = super().loss(output, batch)
            if self.epoch < 2:
                return main
            return main + super().loss(Output(output.features["late"]), batch)

    entry = ModelEntry("wakes", Wakes)
    assert run_check(entry, "gradients").ok
    assert run_check(entry, "modalities").ok


def test_the_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    run_checks(ModelEntry("sound", Sound))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_tiny_batch_keeps_the_contract_of_batches() -> None:
    batch = tiny_batch(tiny_dims(Sound), samples=40, seed=3)
    assert len({stream.values.shape[1:] for stream in batch.streams}) == 3
    for stream in batch.streams:
        steps_of = torch.arange(stream.values.shape[1])
        assert torch.equal(stream.mask, steps_of < stream.lengths[:, None])
        assert stream.lengths.min() >= 1
        assert (stream.values[~stream.mask] == 0).all()
    assert batch.token_ids is not None
    assert batch.token_mask is not None
    assert batch.token_words is not None
    lengths = batch.token_mask.sum(dim=1)
    assert torch.equal(lengths, batch.text.lengths + 2)
    assert (batch.token_ids[:, 0] == 2).all()
    assert (batch.token_ids[torch.arange(40), lengths - 1] == 3).all()
    assert (batch.token_ids[~batch.token_mask] == 0).all()
    assert torch.equal(batch.token_words.amax(dim=1), batch.text.lengths - 1)
    assert ((batch.token_words >= 0).sum(dim=1) == batch.text.lengths).all()
    assert batch.label.abs().max() <= 3


def test_join_and_pad_are_faithful() -> None:
    batch = tiny_batch(tiny_dims(Sound))
    halves = join([batch.select(torch.arange(3)), batch.select(torch.arange(3, 6))])
    for name, value in tensors(halves).items():
        assert torch.equal(value, tensors(batch)[name]), name
    padded = pad(pad(batch, "audio", 4), "tokens", 2)
    assert torch.equal(padded.audio.lengths, batch.audio.lengths)
    assert padded.audio.values.shape[1] == batch.audio.values.shape[1] + 4
    assert torch.allclose(padded.audio.mean(), batch.audio.mean())
    assert padded.token_ids is not None
    assert batch.token_ids is not None
    assert torch.equal(padded.token_ids[:, :-2], batch.token_ids)


def test_steps_drive_a_model_as_training_does() -> None:
    class Logs(Sound):
        def start_training(self, batches: Batches) -> None:
            self.log = [("training", batches.samples, batches.batch_size)]

        def start_epoch(self, epoch: int, batches: Batches) -> None:
            self.log.append(("epoch", epoch, len(batches.whole())))

        def after_step(self, output: Output, batch: Batch) -> None:
            self.log.append(("step", len(batch), self.training))

    entry = ModelEntry("logs", Logs)
    dims = tiny_dims(Logs)
    with torch.random.fork_rng(devices=[]):
        model = build(entry, dims)
        batches = tiny_batches(tiny_batch(dims, samples=5), batch_size=3)
        losses = [loss.item() for loss in steps(model, batches, epochs=2)]
    assert all(math.isfinite(loss) for loss in losses)
    step = [("step", 3, True), ("step", 2, True)]
    assert model.log == [("training", 5, 3), ("epoch", 1, 5), *step, ("epoch", 2, 5), *step]
