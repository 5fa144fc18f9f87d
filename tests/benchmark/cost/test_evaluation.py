"""Costs: FLOPs against formulas, counts, timings, memory, and what is reported when one fails."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmark.batch import Batch, Stream
from benchmark.config import Protocol, TrainConfig, get_protocol
from benchmark.cost import memory
from benchmark.cost.evaluation import cost
from benchmark.cost.flops import count_macs, text_encoders
from benchmark.cost.workload import full_length, random_batch, training_steps
from benchmark.datasets.dataset import Dataset, Sequences, Split, Tokens
from benchmark.datasets.load import load_dataset
from benchmark.evaluation import EvaluationContext
from benchmark.model import Model, Output
from benchmark.registry import create_model, get_model
from benchmark.task import Dims, regression
from benchmark.training.batches import SplitBatches

CPU = torch.device("cpu")
DIMS = Dims({"text": 7, "audio": 5, "vision": 9}, vocabulary=20)
LENGTHS = {"text": 6, "audio": 11, "vision": 8}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's resident memory")


class Encoder(nn.Module):
    """A text encoder of one projection."""

    is_text_encoder = True
    pretrained = True

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.projection = nn.Linear(inputs, width)

    def forward(self, values: Tensor) -> Tensor:
        return self.projection(values)


class Tiny(Model):
    """An encoder, a head, a frozen layer, a training head, and one parameter that is never used."""

    def __init__(self, dims: Dims, *, hidden: int = 4, megabytes: int = 0):
        super().__init__()
        self.encoder = Encoder(dims.text, hidden)
        self.frozen = nn.Linear(hidden, hidden).requires_grad_(False)
        self.head = nn.Linear(hidden, dims.outputs)
        self.auxiliary = nn.Linear(hidden, 1)
        self.unused = nn.Parameter(torch.zeros(3))
        self.megabytes = megabytes

    def training_only(self) -> tuple[str, ...]:
        return ("auxiliary",)

    def forward(self, batch: Batch) -> Output:
        if self.megabytes:
            torch.ones(self.megabytes * 2**18)  # float32
        hidden = self.frozen(self.encoder(batch.text.values).mean(dim=1))
        return Output(self.head(hidden), {"hidden": hidden})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        return super().loss(output, batch) + self.auxiliary(output.features["hidden"]).mean()


class Sleeper(Tiny):
    """Its auxiliary head learns only from samples whose outputs of an earlier epoch are known."""

    def start_training(self, batches: Any) -> None:
        self.known = torch.zeros(batches.samples)

    def after_step(self, output: Output, batch: Batch) -> None:
        self.known[batch.index] = 1

    def loss(self, output: Output, batch: Batch) -> Tensor:
        own = self.auxiliary(output.features["hidden"]).squeeze(1)
        return Model.loss(self, output, batch) + (self.known[batch.index] * own).mean()


class Broken(Tiny):
    """Cannot be built again."""

    def __init__(self, dims: Dims, *, hidden: int = 4, megabytes: int = 0, times: list[int]):
        super().__init__(dims, hidden=hidden, megabytes=megabytes)
        if not times:
            raise ValueError("no second time")
        times.pop()


class Wrap(Model):
    """Runs any function over the streams, to count it."""

    def __init__(self, function: Any):
        super().__init__()
        self.function = function

    def forward(self, batch: Batch) -> Output:
        self.function(batch)
        return Output(batch.label)


def make_split(name: str, count: int, *, seed: int = 0) -> Split:
    generator = np.random.default_rng(seed)

    def sequences(length: int, width: int) -> Sequences:
        lengths = generator.integers(1, length + 1, count)
        values = generator.normal(size=(count, length, width)).astype(np.float32)
        mask = np.arange(length) < lengths[:, None]
        return Sequences(values * mask[..., None], lengths)

    return Split(
        name=name,
        ids=np.array([f"{name}-{place}" for place in range(count)]),
        label=generator.uniform(-3, 3, count).astype(np.float32),
        modalities={"text": sequences(6, 7), "audio": sequences(11, 5), "vision": sequences(8, 9)},
        tokens=Tokens(
            generator.integers(5, 20, (count, 10)),
            generator.integers(3, 11, count),
            np.full((count, 10), -1),
        ),
    )


def make_context(model: Model, **settings: Any) -> EvaluationContext:
    train, valid = make_split("train", 20), make_split("valid", 9, seed=1)
    model.task = DIMS.task
    return EvaluationContext(
        model=model,
        dataset=Dataset(
            name="tiny",
            task=regression(-3, 3),
            dims=DIMS,
            train=train,
            valid=valid,
            open_test=lambda: pytest.fail("cost opened the test split"),
            fingerprint="",
        ),
        test=None,
        prediction=None,
        valid_prediction=None,
        config=TrainConfig(batch_size=6),
        protocol=get_protocol("quick"),
        device=CPU,
        settings=settings,
        name="tiny",
        seed=1,
    )


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    torch.manual_seed(0)
    return cost(make_context(Tiny(DIMS, hidden=4), hidden=4))


def batch_of(count: int = 1) -> Batch:
    return random_batch(make_split("train", 4), count, seed=0, device=CPU)


def macs_of(function: Any, count: int = 1) -> int:
    return count_macs(Wrap(function), batch_of(count)).macs


def counter_macs(function: Any) -> int:
    """The framework's own counter, with the fused paths that it does not see disabled."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    with (
        torch.no_grad(),
        torch.backends.mkldnn.flags(enabled=False),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        function(batch_of())
    torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops() // 2


T, S = 6, 11  # steps of text and audio
ATTENTION = 8 * 8 * (2 * T + 2 * T) + 2 * T * T * 8


def apply(module: nn.Module) -> Any:
    """Run a module over the text stream."""
    return lambda batch: module.eval()(batch.text.values)


def cell_loop(cell: nn.Module) -> Any:
    def run(batch: Batch) -> None:
        state: Any = None
        for step in batch.text.values.unbind(1):
            state = cell(step, state)

    return run


def to_width_8(module: Any) -> Any:
    """Run a module on steps of width 8, made without a product."""
    return lambda batch: module.eval()(batch.text.values[..., :1].repeat(1, 1, 8))


def attend(query: Tensor, source: Tensor) -> Tensor:
    return nn.functional.scaled_dot_product_attention(query, source, source)


BLOCKS = {
    "linear": (apply(nn.Linear(7, 3)), T * 7 * 3),
    "linear of one vector": (lambda b: nn.Linear(7, 3)(b.text.values[0, 0]), 7 * 3),
    "lstm": (apply(nn.LSTM(7, 5, batch_first=True)), 4 * T * 5 * (7 + 5)),
    "lstm time first": (
        lambda b: nn.LSTM(7, 5)(b.text.values.transpose(0, 1)),
        4 * T * 5 * (7 + 5),
    ),
    "lstm bidirectional": (
        apply(nn.LSTM(7, 5, batch_first=True, bidirectional=True)),
        2 * 4 * T * 5 * (7 + 5),
    ),
    "lstm two layers bidirectional": (
        apply(nn.LSTM(7, 5, 2, batch_first=True, bidirectional=True)),
        2 * 4 * T * 5 * (7 + 5) + 2 * 4 * T * 5 * (10 + 5),
    ),
    "lstm projected": (
        apply(nn.LSTM(7, 5, batch_first=True, proj_size=2)),
        4 * T * 5 * (7 + 2) + T * 5 * 2,
    ),
    "gru": (apply(nn.GRU(7, 5, batch_first=True)), 3 * T * 5 * (7 + 5)),
    "gru two layers bidirectional": (
        apply(nn.GRU(7, 5, 2, batch_first=True, bidirectional=True)),
        2 * 3 * T * 5 * (7 + 5) + 2 * 3 * T * 5 * (10 + 5),
    ),
    "lstm cell": (cell_loop(nn.LSTMCell(7, 5)), 4 * T * 5 * (7 + 5)),
    "gru cell": (cell_loop(nn.GRUCell(7, 5)), 3 * T * 5 * (7 + 5)),
    "self-attention": (
        to_width_8(
            type("Self", (nn.MultiheadAttention,), {"forward": lambda s, x: _attention(s, x)})(
                8, 2, batch_first=True
            )
        ),
        ATTENTION,
    ),
    "encoder layer": (
        to_width_8(nn.TransformerEncoderLayer(8, 2, 32, batch_first=True)),
        ATTENTION + 8 * T * 8**2,
    ),
    "encoder of two layers": (
        to_width_8(
            nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 32, batch_first=True), 2)
        ),
        2 * (ATTENTION + 8 * T * 8**2),
    ),
    "attention kernel": (
        lambda b: attend(torch.ones(1, 2, T, 4), torch.ones(1, 2, S, 4)),
        2 * T * S * 8,
    ),
    "convolution": (
        lambda b: nn.Conv1d(5, 3, 4)(b.audio.values.mT),
        (S - 3) * 4 * 5 * 3,
    ),
    "grouped convolution": (
        lambda b: nn.Conv1d(8, 4, 3, groups=2)(torch.ones(1, 8, S)),
        (S - 2) * 3 * 4 * 4,
    ),
    "transposed convolution": (
        lambda b: nn.ConvTranspose1d(5, 3, 4, stride=2)(b.audio.values.mT),
        S * 4 * 5 * 3,
    ),
    "bilinear": (
        lambda b: nn.Bilinear(7, 5, 3)(b.text.values[:, 0], b.audio.values[:, 0]),
        3 * 7 * 5 + 3 * 5,
    ),
    "bilinear by einsum": (
        lambda b: torch.einsum(
            "bi,ijo,bj->bo", b.text.values[:, 0], torch.ones(7, 5, 3), b.audio.values[:, 0]
        ),
        3 * 7 * 5 + 3 * 5,
    ),
    "outer product by einsum": (
        lambda b: torch.einsum("bi,bj->bij", b.text.values[:, 0], b.audio.values[:, 0]),
        7 * 5,
    ),
    "outer product by broadcast": (
        lambda b: b.text.values[:, 0].unsqueeze(2) * b.audio.values[:, 0].unsqueeze(1),
        7 * 5,
    ),
    "outer product by bmm": (
        lambda b: b.text.values[:, 0].unsqueeze(2) @ b.audio.values[:, 0].unsqueeze(1),
        7 * 5,
    ),
    "matrix times vector": (lambda b: b.text.values[0] @ torch.ones(7), T * 7),
    "inner product": (lambda b: b.text.values[0, 0] @ torch.ones(7), 7),
    "elementwise": (lambda b: b.text.values * b.text.mask.unsqueeze(-1) + 1, 0),
}
UNSEEN_BY_COUNTER = {
    "bilinear",
    "outer product by einsum",
    "outer product by broadcast",
    "matrix times vector",
    "inner product",
}


def _attention(module: nn.MultiheadAttention, x: Tensor) -> Tensor:
    return nn.MultiheadAttention.forward(module, x, x, x)[0]


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("block", BLOCKS)
def test_macs_follow_the_formula_of_the_block(block: str) -> None:
    function, expected = BLOCKS[block]
    assert macs_of(function) == expected


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
@pytest.mark.parametrize("block", [name for name in BLOCKS if name not in UNSEEN_BY_COUNTER])
def test_the_frameworks_counter_agrees_where_it_sees(block: str) -> None:
    function, expected = BLOCKS[block]
    assert counter_macs(function) == expected


def test_macs_grow_with_the_batch() -> None:
    for function in (BLOCKS["lstm"][0], BLOCKS["linear"][0], BLOCKS["bilinear"][0]):
        assert macs_of(function, 3) == 3 * macs_of(function)


def test_macs_of_a_bert_from_its_configuration() -> None:
    from transformers import BertConfig, BertModel

    width, layers, steps = 16, 2, 10
    bert = BertModel(
        BertConfig(
            vocab_size=20,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            intermediate_size=4 * width,
        ),
        add_pooling_layer=False,
    )
    layer = 4 * steps * width**2 + 2 * steps**2 * width + 8 * steps * width**2
    found = macs_of(lambda b: bert(input_ids=b.token_ids, attention_mask=b.token_mask.long()))
    assert found == layers * layer


def test_padding_is_counted_and_masks_are_not() -> None:
    model = Tiny(DIMS)
    batch = batch_of()
    short = count_macs(model, batch).macs
    emptied = batch.without("text")
    values = torch.cat([batch.text.values] * 2, dim=1)
    longer = batch.with_stream("text", Stream(values, torch.ones(1, 12, dtype=torch.bool)))
    assert count_macs(model, emptied).macs == short
    assert count_macs(model, longer).macs == short + 6 * 7 * 4


def test_encoder_macs_are_told_apart_and_hooks_removed() -> None:
    model = Tiny(DIMS, hidden=4)
    count = count_macs(model, batch_of())
    assert count.encoder_macs == 6 * 7 * 4
    assert count.macs == count.encoder_macs + 4 * 4 + 4
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


def test_encoder_called_by_a_method_counts_as_encoder() -> None:
    model = Tiny(DIMS, hidden=4)
    model.encoder.words = model.encoder.forward  # type: ignore[assignment]
    model.forward = lambda batch: Output(  # type: ignore[method-assign]
        model.encoder.words(batch.text.values).mean(dim=(1, 2))
    )
    assert count_macs(model, batch_of()).encoder_macs == 6 * 7 * 4


def test_inference_mode_inside_a_model_hides_nothing() -> None:
    def frozen(batch: Batch) -> None:
        with torch.inference_mode():
            torch.matmul(torch.ones(2, 3, 7), torch.ones(7, 5))

    assert macs_of(frozen) == 2 * 3 * 7 * 5


def test_foreign_operators_are_named() -> None:
    @torch.library.custom_op("costtest::twice", mutates_args=())
    def twice(values: Tensor) -> Tensor:
        return values * 2

    assert count_macs(Wrap(lambda b: twice(b.text.values)), batch_of()).uncounted == (
        "costtest.twice",
    )


def test_bf16_counts_the_same() -> None:
    for name in ("lstm", "encoder layer", "linear"):
        model = Wrap(BLOCKS[name][0])
        assert count_macs(model, batch_of(), precision="bf16").macs == BLOCKS[name][1]


def test_text_encoders_have_parameters_and_are_outermost() -> None:
    model = Tiny(DIMS)
    assert list(text_encoders(model)) == ["encoder"]
    model.encoder.projection = nn.Identity()
    assert not text_encoders(model)


def test_parameters(measured: dict[str, Any]) -> None:
    found = measured["parameters"]
    encoder, frozen, head, auxiliary, unused = 7 * 4 + 4, 4 * 4 + 4, 5, 5, 3
    assert found["trainable"] == encoder + head + auxiliary + unused
    assert found["frozen"] == frozen
    assert found["total"] == encoder + frozen + head + auxiliary + unused
    assert found["inference_only"] == encoder + head + unused
    assert (found["dead"], found["dead_names"]) == (unused, ["unused"])
    assert found["without_text_encoder"]["trainable"] == head + auxiliary + unused
    assert found["without_text_encoder"]["total"] == found["total"] - encoder
    assert found["text_encoders"] == ["encoder"]
    assert measured["size"] == {"bytes": 4 * found["total"], "dtypes": ["float32"]}


def test_flops_are_two_a_mac_at_the_stated_lengths(measured: dict[str, Any]) -> None:
    found = measured["flops"]
    assert found["lengths"] == {**LENGTHS, "tokens": 10}
    assert found["macs"] == 6 * 7 * 4 + 4 * 4 + 4
    assert found["flops"] == 2 * found["macs"]
    assert found["without_text_encoder"]["macs"] == 4 * 4 + 4


def test_times_are_ordered_and_their_conditions_stated(measured: dict[str, Any]) -> None:
    latency = measured["latency"]
    assert 0 < latency["p50_ms"] <= latency["p90_ms"] <= latency["p99_ms"]
    assert latency["encoder_p50_ms"] > 0
    assert (latency["warmup_calls"], latency["timed_calls"], latency["samples"]) == (10, 100, 9)
    speeds = measured["throughput"]
    assert list(speeds["samples_per_second"]) == ["1", "8", "32", "128"]
    assert speeds["best"] == speeds["samples_per_second"][str(speeds["best_batch"])]
    assert speeds["best"] == max(speeds["samples_per_second"].values())
    for found in (latency, speeds):
        assert 0 < found["workload_best_ms"] <= found["workload_ms"]
    assert measured["training"]["step_s"] > 0
    assert measured["training"]["batch"] == 6
    environment = measured["environment"]
    assert environment["threads"] == torch.get_num_threads()
    assert {"device", "precision", "torch", "tf32", "processor"} <= set(environment)


def test_measurements_are_plain(measured: dict[str, Any]) -> None:
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    assert measured["notes"] == []


def test_the_model_comes_back_as_it_was(brief: Protocol) -> None:
    model = Tiny(DIMS)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    cost(replace(make_context(model), protocol=brief))
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> Protocol:
    """A protocol of few calls, with memory left out."""
    monkeypatch.setattr(memory, "start", lambda: None)
    monkeypatch.setattr(memory, "host_peak", lambda job: {"peak_mib": 0.0})
    return get_protocol("quick").model_copy(update={"warmup_calls": 1, "timed_calls": 2})


def test_a_loss_that_sleeps_in_the_first_epoch_is_not_dead(brief: Protocol) -> None:
    context = replace(make_context(Sleeper(DIMS)), protocol=brief)
    assert cost(context)["parameters"]["dead_names"] == ["unused"]


def test_a_model_without_text_encoder_has_no_encoder_time(brief: Protocol) -> None:
    model = Tiny(DIMS)
    model.encoder.is_text_encoder = False  # type: ignore[assignment]
    found = cost(replace(make_context(model), protocol=brief))
    assert found["latency"]["encoder_p50_ms"] is None
    assert found["flops"]["without_text_encoder"]["macs"] == found["flops"]["macs"]


def test_a_model_without_parameters_is_not_trained(brief: Protocol) -> None:
    found = cost(replace(make_context(Wrap(lambda batch: None)), protocol=brief))
    assert found["training"] is None
    assert found["memory"]["training"] is None
    assert found["memory"]["inference"] is not None
    assert found["parameters"]["total"] == found["flops"]["flops"] == 0
    assert any("no trainable parameters" in note for note in found["notes"])


def test_unknown_training_only_is_noted(brief: Protocol) -> None:
    model = Tiny(DIMS)
    model.training_only = lambda: ("auxilary",)  # type: ignore[method-assign]
    notes = cost(replace(make_context(model), protocol=brief))["notes"]
    assert any("auxilary" in note for note in notes)


def test_what_cannot_be_measured_is_none_with_a_reason() -> None:
    found = cost(make_context(Broken(DIMS, times=[1]), times=[]))
    assert found["memory"]["inference"] is None
    assert found["memory"]["training"] is None
    assert sum("no second time" in note for note in found["notes"]) == 2


def test_hooks_see_batches_whose_index_counts_from_zero() -> None:
    batch = random_batch(make_split("train", 4), 9, seed=0, device=CPU)
    pool = SplitBatches(batch, 3)
    assert batch.index.tolist() == list(range(9))
    assert [part.index.tolist() for part in pool] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert pool.samples == 9
    assert pool.whole() is batch


def test_random_batches_are_full_seeded_and_keep_labels_and_tokens() -> None:
    split = make_split("train", 4)
    batch, again = (random_batch(split, 4, seed=3, device=CPU) for _ in range(2))
    other = full_length(batch, 4)
    assert all(bool(stream.mask.all()) for stream in batch.streams)
    assert torch.equal(batch.audio.values, again.audio.values)
    assert not torch.equal(batch.audio.values, other.audio.values)
    assert batch.label.tolist() == split.label.tolist()
    assert split.tokens is not None
    assert batch.token_ids is not None
    assert batch.token_ids.tolist() == split.tokens.ids.tolist()


def test_training_steps_use_the_models_groups() -> None:
    model = Tiny(DIMS)
    before = {name: value.clone() for name, value in model.named_parameters()}
    config = TrainConfig(lr=0.1, encoder_lr=1e-12, encoder_weight_decay=0.0)
    next(training_steps(model, SplitBatches(batch_of(4), 4), config, "fp32"))()
    head = (model.head.weight - before["head.weight"]).detach().abs().max()
    encoder = (
        (model.encoder.projection.weight.detach() - before["encoder.projection.weight"]).abs().max()
    )
    assert float(head) == pytest.approx(0.1, rel=1e-3)
    assert encoder < 1e-9


def job(cls: type[Model], *, training: bool = False, **settings: Any) -> memory.Job:
    return memory.Job(
        module=cls.__module__,
        file=__file__,
        qualname=cls.__qualname__,
        settings=settings,
        dims=DIMS,
        config=TrainConfig(),
        precision="fp32",
        threads=1,
        batch=batch_of(4),
        training=training,
    )


def test_a_measurement_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    memory.start()
    monkeypatch.setattr(memory, "LONGEST", 0.05)
    with pytest.raises(RuntimeError, match="without an answer"):
        memory.host_peak(job(Hanging))


class Hanging(Tiny):
    """Never comes back."""

    def forward(self, batch: Batch) -> Output:
        while True:
            batch.text.mean()


@LINUX
@pytest.mark.parametrize("training", [False, True])
def test_memory_sees_a_known_buffer(training: bool) -> None:
    peak = memory.host_peak(job(Tiny, training=training, megabytes=64))
    without = memory.host_peak(job(Tiny, training=training))
    assert peak["peak_mib"] == pytest.approx(64, abs=8)
    assert without["peak_mib"] == pytest.approx(0, abs=8)
    assert peak["baseline_mib"] > 50


@LINUX
def test_memory_of_training_holds_gradients_and_optimiser() -> None:
    size = 4 * (7 * 400_000 + 400_000) / 2**20  # the encoder's weights; the frozen layer is small
    peak = memory.host_peak(job(Wide, training=True, hidden=400_000))
    assert peak["peak_mib"] > 3 * size  # a gradient and two moments


class Wide(Model):
    """Wide weights and nothing else."""

    def __init__(self, dims: Dims, *, hidden: int = 4):
        super().__init__()
        self.encoder = nn.Linear(dims.text, hidden)

    def forward(self, batch: Batch) -> Output:
        return Output(self.encoder(batch.text.values[:, 0]).mean(dim=1))


@LINUX
def test_memory_of_a_plugin_is_measured_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "import torch\n"
        "from benchmark import Model, Output\n"
        "class Own(Model):\n"
        "    def forward(self, batch):\n"
        "        print('noise on standard output')\n"
        "        torch.ones(32 * 2**18)\n"
        "        return Output(batch.label)\n"
        "    def __init__(self, dims):\n"
        "        super().__init__()\n"
    )
    plugin = replace(
        job(Tiny),
        module="affectbench_plugin_own",
        file=str(file),
        qualname="Own",
        imports=("affectbench_plugin_own", "torch.nn.modules.linear"),
    )
    assert memory.host_peak(plugin)["peak_mib"] == pytest.approx(32, abs=6)


def test_memory_failures_are_reasons_and_leave_a_working_server() -> None:
    with pytest.raises(RuntimeError, match="script"):
        memory.host_peak(replace(job(Tiny), module="__main__"))
    with pytest.raises(RuntimeError, match="KeyError"):
        memory.host_peak(job(Failing))
    with pytest.raises(RuntimeError, match="without an answer"):
        memory.host_peak(job(Dying))
    assert memory.host_peak(job(Tiny))["baseline_mib"] > 0


class Failing(Tiny):
    """Fails in forward."""

    def forward(self, batch: Batch) -> Output:
        raise KeyError("nothing")


class Dying(Tiny):
    """Takes its process with it."""

    def forward(self, batch: Batch) -> Output:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(batch)


@pytest.fixture(autouse=True, scope="module")
def _end_server() -> Any:
    yield
    memory.stop()


@pytest.mark.parametrize("name", ["text-only", "mag-bert", "mag-xlnet", "cenet", "self-mm"])
def test_the_share_of_the_text_encoder_is_seen_however_a_model_calls_it(name: str) -> None:
    dataset = load_dataset("synthetic")
    entry = get_model(name)
    settings, _ = entry.resolve("synthetic", {"text_encoder": "scratch"})
    model = create_model(name, dataset.dims, **settings).eval()
    batch = dataset.valid.batch()
    count = count_macs(model, batch.select(torch.tensor([0])), precision="fp32")
    assert 0 < count.encoder_macs < count.macs
