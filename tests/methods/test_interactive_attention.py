"""The switches and readings of the interactive-attention model."""

import pytest
import torch

from benchmark.batch import Stream
from benchmark.conformance.tiny_data import steps, tiny_batch, tiny_batches
from benchmark.errors import UserError
from benchmark.task import Dims, multiclass
from methods.interactive_attention import InteractiveAttention, attend

DIMS = Dims({"text": 7, "audio": 5, "vision": 9})
SMALL = {"width": 6, "audio_hidden": 4, "vision_hidden": 5}


def _predict(**settings: object) -> torch.Tensor:
    torch.manual_seed(0)
    model = InteractiveAttention(DIMS, **SMALL, **settings).eval()
    return model(tiny_batch(DIMS)).prediction


def _stream(values: torch.Tensor, length: int) -> Stream:
    return Stream(values, (torch.arange(values.shape[1]) < length).expand(len(values), -1))


def test_attention_is_a_mean_of_equal_keys_and_zero_without_keys() -> None:
    query = _stream(torch.randn(1, 2, 3, generator=torch.Generator().manual_seed(0)), 2)
    keys, values = torch.ones(1, 4, 3), torch.arange(4.0).view(1, 4, 1)
    assert torch.allclose(attend(query, _stream(keys, 3), values, 0.5).values, torch.ones(1, 2, 1))
    assert attend(query, _stream(keys, 0), values, 0.5).values.abs().max() == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"bi": False},
        {"scaled": False},
        {"attention": "feature"},
        {"text_states": "first"},
        {"text_pooling": "first"},
        {"sequence_pooling": "last"},
        {"combine": "concatenate"},
        {"fusion": "sum"},
        {"fusion_width": 4},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_each_reading_changes_the_prediction(settings: dict) -> None:
    prediction = _predict(**settings)
    assert prediction.isfinite().all()
    assert not torch.allclose(prediction, _predict())


@pytest.mark.parametrize("name", ["uni", "weight", "detach_weights"])
def test_switches_of_the_auxiliary_tasks_change_training_only(name: str) -> None:
    assert torch.equal(_predict(**{name: False}), _predict())
    trained = []
    for value in (True, False):
        torch.manual_seed(0)
        model = InteractiveAttention(DIMS, **SMALL, **{name: value})
        losses = list(steps(model, tiny_batches(tiny_batch(DIMS, 12)), epochs=4))
        trained.append((torch.stack(losses), model.fuse.weight.detach().clone()))
    assert not torch.allclose(trained[0][1], trained[1][1])


def test_own_values_need_one_length() -> None:
    with pytest.raises(UserError, match="aligned"):
        _predict(value="self")
    torch.manual_seed(0)
    model = InteractiveAttention(DIMS, **SMALL, value="self").eval()
    batch = tiny_batch(DIMS)
    for name in ("audio", "vision"):
        stream = batch.modalities[name]
        batch = batch.with_stream(name, Stream(stream.values[:, :6], stream.mask[:, :6]))
    assert model(batch).prediction.isfinite().all()


def test_one_task_alone_takes_classes_and_has_no_auxiliary_head() -> None:
    dims = Dims({"text": 7, "audio": 5, "vision": 9}, outputs=3, task=multiclass("a", "b", "c"))
    with pytest.raises(UserError, match="multiclass"):
        InteractiveAttention(dims, **SMALL)
    model = InteractiveAttention(dims, **SMALL, multitask=False)
    assert model(tiny_batch(dims)).prediction.shape == (6, 3)
    assert model.training_only() == ()


def test_sum_of_unequal_vectors_is_refused() -> None:
    with pytest.raises(UserError, match="combine"):
        InteractiveAttention(DIMS, **SMALL, fusion="sum", combine="concatenate")
