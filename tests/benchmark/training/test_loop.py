"""The training loop: selection, order, accumulation, divergence, and what it never does."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.batch import Batch, Stream
from benchmark.config import PROTOCOLS, TrainConfig
from benchmark.model import Model, Output
from benchmark.training.batches import SplitBatches
from benchmark.training.loop import train
from benchmark.training.optimiser import Optimiser, rate

PROTOCOL = PROTOCOLS["quick"]


def make_batch(samples: int = 40, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(samples, 3, 4, generator=generator)
    stream = Stream(values, torch.ones(samples, 3, dtype=torch.bool))
    label = values.mean(1)[:, 0] * 2 + 0.5
    return Batch({"text": stream, "audio": stream, "vision": stream}, label, torch.arange(samples))


class Linear(Model):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 1)
        self.calls: list[tuple] = []

    def forward(self, batch: Batch) -> Output:
        return Output(self.head(batch.text.mean()))

    def start_training(self, batches) -> None:
        self.calls.append(("training", batches.samples))

    def start_epoch(self, epoch, batches) -> None:
        self.calls.append(("epoch", epoch))

    def after_step(self, output, batch) -> None:
        self.calls.append(("step", len(batch)))


def fit(model: Model, protocol=PROTOCOL, **settings):
    torch.manual_seed(0)
    return train(
        model,
        make_batch(),
        make_batch(20, seed=1),
        config=TrainConfig(**{"lr": 0.05, "epochs": 5, "batch_size": 16, **settings}),
        protocol=protocol,
        seed=3,
    )


def test_it_learns_and_restores_the_best_epoch() -> None:
    torch.manual_seed(0)
    model = Linear()
    result = fit(model, epochs=15)
    values = [epoch.valid["mae"] for epoch in result.history]
    best = int(np.argmin(values)) + 1
    assert result.training.best_epoch == best
    assert result.training.best_value == values[best - 1] < values[0] / 2
    valid = make_batch(20, seed=1)
    with torch.no_grad():
        again = model(valid).prediction.numpy()
    assert np.abs(again - valid.label.numpy()).mean() == pytest.approx(values[best - 1], abs=1e-6)
    np.testing.assert_array_equal(again, result.valid_prediction)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_another_order() -> None:
    torch.manual_seed(0)
    state = {key: value.clone() for key, value in Linear().state_dict().items()}
    results = []
    for _ in range(2):
        model = Linear()
        model.load_state_dict(state)
        results.append(fit(model))
    one, two = ([epoch.train_loss for epoch in result.history] for result in results)
    assert one == two
    first = SplitBatches(make_batch(), 8, seed=0).shuffle()
    assert not torch.equal(first, SplitBatches(make_batch(), 8, seed=1).shuffle())


def test_every_sample_is_seen_once_an_epoch_and_logged() -> None:
    result = fit(Linear())
    assert result.seen.shape == (5, 40)
    assert (np.sort(result.seen, axis=1) == np.arange(40)).all()


def test_hooks_run_in_order() -> None:
    model = Linear()
    fit(model, epochs=2)
    assert model.calls[:5] == [
        ("training", 40),
        ("epoch", 1),
        ("step", 16),
        ("step", 16),
        ("step", 8),
    ]
    assert model.calls[5] == ("epoch", 2)


def test_a_last_batch_of_one_joins_its_neighbour() -> None:
    sizes = [len(batch) for batch in SplitBatches(make_batch(33), 16, seed=0)]
    assert sizes == [16, 17]
    assert [len(batch) for batch in SplitBatches(make_batch(1), 16, seed=0)] == [1]


def test_accumulated_gradients_are_averaged_and_the_remainder_is_stepped_on() -> None:
    torch.manual_seed(0)
    whole, parts = Linear(), Linear()
    parts.load_state_dict(whole.state_dict())
    settings = {"optimizer": "sgd", "lr": 0.1, "epochs": 1}
    fit(whole, batch_size=40, **settings)
    result = fit(parts, batch_size=10, accumulate=4, **settings)
    assert result.training.steps == 1
    torch.testing.assert_close(parts.head.weight, whole.head.weight, rtol=1e-5, atol=1e-6)
    assert fit(Linear(), batch_size=10, accumulate=3, **settings).training.steps == 2


def test_patience_stops_and_the_protocol_caps_it() -> None:
    class Worse(Linear):
        def loss(self, output, batch):
            return -self.task.loss(output.prediction, batch.label)

    result = fit(Worse(), epochs=50, patience=50, protocol=PROTOCOL)
    assert result.training.stopped == "patience"
    assert result.training.best_epoch == 1
    assert result.training.epochs == 1 + PROTOCOL.max_patience
    assert fit(Linear(), epochs=500, lr=1e-4).training.epochs <= PROTOCOL.max_epochs


def test_with_no_patience_declared_all_epochs_are_trained() -> None:
    class Worse(Linear):
        def loss(self, output, batch):
            return -self.task.loss(output.prediction, batch.label)

    result = fit(Worse(), epochs=3 * PROTOCOL.max_patience, patience=0)
    assert result.training.stopped == "epochs"
    assert (result.training.best_epoch, result.training.epochs) == (1, 3 * PROTOCOL.max_patience)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_or_infinity_in_the_loss_ends_as_diverged_with_its_history(bad: float) -> None:
    class Breaks(Linear):
        def loss(self, output, batch):
            epoch = sum(call[0] == "epoch" for call in self.calls)
            return super().loss(output, batch) * (bad if epoch == 3 else 1)

    result = fit(Breaks())
    assert result.training.stopped == "diverged"
    assert [epoch.train_loss is None for epoch in result.history] == [False, False, True]


def test_a_model_without_parameters_trains_no_epoch() -> None:
    class Constant(Model):
        def __init__(self):
            super().__init__()
            self.register_buffer("value", torch.zeros(1))

        def start_training(self, batches):
            self.value.copy_(batches.whole().label.median())

        def forward(self, batch):
            return Output(self.value.expand(len(batch)))

    model = Constant()
    result = fit(model)
    assert result.training.stopped == "untrainable"
    assert result.training.epochs == 0
    assert float(model.value) == float(make_batch().label.median())


def test_bf16_trains() -> None:
    result = fit(Linear(), protocol=PROTOCOL.model_copy(update={"precision": "bf16"}))
    assert result.training.stopped == "epochs"
    assert result.history[-1].train_loss < result.history[0].train_loss


def test_clipping_bounds_the_step() -> None:
    torch.manual_seed(0)
    model = Linear()
    before = model.head.weight.detach().clone()
    fit(model, optimizer="sgd", lr=1.0, epochs=1, batch_size=40, clip_norm=1e-3)
    assert 0 < (model.head.weight.detach() - before).norm() <= 1e-3 + 1e-6


def test_the_schedule_warms_up_and_decays() -> None:
    config = TrainConfig(schedule="linear", warmup=0.1)
    rates = [rate(step, 100, config) for step in range(100)]
    assert 0 < rates[0] < rates[5] < rates[9] < 1
    assert rates[10] == 1
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] > 0
    optimiser = Optimiser([{"params": [nn.Parameter(torch.ones(1))]}], config, 100)
    assert optimiser.lr == pytest.approx(config.lr * rates[0])


def test_plateau_cuts_the_rate() -> None:
    config = TrainConfig(schedule="plateau", plateau_patience=1, plateau_factor=0.5)
    optimiser = Optimiser([{"params": [nn.Parameter(torch.ones(1))]}], config, 100)
    for _ in range(4):
        optimiser.end_epoch(1.0)
    assert optimiser.lr == pytest.approx(config.lr * 0.5)
